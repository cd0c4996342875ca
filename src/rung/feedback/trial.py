"""How a challenger does beside the champion in service: what people said of the answers of both, and whether that shows anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rung.protocols import Judge, Metric
from rung.stats.trial import above, block_sizes
from rung.store.records import Feedback
from rung.types import Example, Failure, Task

Shown = Literal["better", "as good", "worse"]


@dataclass(frozen=True)
class Side:
    """An approach in the trial: of how many inputs people said something, and the mean of those scores; None where there is none."""

    approach: str
    n: int
    mean: float | None

    @classmethod
    def of(cls, approach: str, scores: Sequence[float]) -> Side:
        return cls(approach, len(scores), float(np.mean(scores)) if scores else None)


@dataclass(frozen=True)
class Trial:
    """A trial as it stands. `evidence`: the most wealth so far, by claim; a claim is made at `needed`. `shown`: None while it is open."""

    challenger: Side
    champion: Side
    margin: float
    needed: float
    evidence: Mapping[Shown, float]
    shown: Shown | None


def trials(items: Sequence[Feedback], task: Task, metric: Metric) -> tuple[Trial, ...]:
    """Return how each trial stands, in the order in which they began.

    A score is what the deciding metric says of the answer where the right one is known, else 1 for a thumb up and 0 for one down.
    """
    told = sorted(
        (i for i in items if i.challenger), key=lambda i: (i.said_at, i.at, i.id)
    )  # later words stand behind earlier ones
    names = dict.fromkeys(i.challenger for i in sorted(told, key=lambda i: i.at))
    return tuple(_trial([i for i in told if i.challenger == name], task, metric) for name in names)


def _trial(items: Sequence[Feedback], task: Task, metric: Metric) -> Trial:
    challenger, share = str(items[0].challenger), items[0].share or 0.5
    champion = next((i.by for i in items if i.by and i.by != challenger), "the champion")
    scores = [(i.by == challenger, value) for i in items if (value := _score(i, task, metric)) is not None]
    a, b = ([value for theirs, value in scores if theirs is side] for side in (True, False))
    n, m = block_sizes(share)
    blocks = min(len(a) // n, len(b) // m)
    x, y = np.array(a[: blocks * n]).reshape(blocks, n), np.array(b[: blocks * m]).reshape(blocks, m)
    evidence: dict[Shown, float] = {"worse": _most(above(y, x)), "better": _most(above(x, y))}
    evidence["as good"] = _most(above(x, y, task.tolerance))
    needed = 1.0 / task.alpha
    shown = next((claim for claim, wealth in evidence.items() if wealth >= needed), None)
    return Trial(Side.of(challenger, a), Side.of(champion, b), task.tolerance, needed, evidence, shown)


def _most(wealth: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(wealth.max(initial=1.0))


def _score(item: Feedback, task: Task, metric: Metric) -> float | None:
    """Return what people's word makes of an answer, in [0, 1]; None where it says nothing."""
    if item.expected is not None and item.answer is not None and not isinstance(metric, Judge):
        found = metric.score(item.answer, Example(item.id, dict(item.inputs), item.expected, item.id), task)
        return 0.0 if isinstance(found, Failure) else found.value
    return None if item.thumb is None else float(item.thumb)
