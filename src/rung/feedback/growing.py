"""Which feedback becomes examples: what people say is right, held against every test set, the examples that are there, and the labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rung.data.near import normal_text, tied
from rung.store.records import Feedback
from rung.types import Example, Task

TEST = "equal or nearly equal to an example of the frozen test set"
REGISTERED = "an example of a test set that another run of this project has used"
THERE = "an example already"
OTHERWISE = "an example already, with another expected answer"
UNKNOWN = "a label that no example has"


@dataclass(frozen=True)
class Grown:
    """The new examples, and the ids of what was left out by its reason."""

    examples: tuple[Example, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def answered(items: Sequence[Feedback], liked_too: bool) -> Iterator[Example]:
    """Yield what people say is right as examples; `liked_too`: answers with a thumb up, too."""
    for item in items:
        liked = item.answer if liked_too and item.thumb else None
        target = item.expected or liked or ""
        if target.strip():
            yield Example(item.id, dict(item.inputs), target, item.id)


def grow(
    new: Sequence[Example],
    known: Sequence[Example],
    sealed: Sequence[Example],
    task: Task,
    *,
    registered: Callable[[Example], bool],
    new_labels: bool = False,
) -> Grown:
    """Return the examples that may join `known`. `sealed`: the frozen test set; `registered`: whether one is in any test set."""
    near_test = _near(new, sealed)
    at = {normal_text(e.text): normal_text(e.target) for e in known}
    left: dict[str, list[str]] = {}
    kept: dict[str, Example] = {}
    for example in new:
        text = normal_text(example.text)
        if example.id in near_test:
            why = TEST
        elif registered(example):
            why = REGISTERED
        elif text in at or text in kept:
            why = THERE if at.get(text, "") in ("", normal_text(example.target)) else OTHERWISE
        elif task.labels is not None and example.target not in task.labels and not new_labels:
            why = UNKNOWN
        else:
            kept[text] = example
            continue
        left.setdefault(why, []).append(example.id)
    return Grown(tuple(kept.values()), {why: tuple(ids) for why, ids in left.items()})


def _near(new: Sequence[Example], sealed: Sequence[Example]) -> Collection[str]:
    """Return the ids of examples in one cluster of equal and nearly equal texts with a sealed one."""
    clusters = tied([e.text for e in (*new, *sealed)])
    return {new[i].id for c in clusters if max(c) >= len(new) for i in c if i < len(new)}
