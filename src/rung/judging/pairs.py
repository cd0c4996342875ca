"""Pairs of test answers for people to compare: which pairs are asked for, and what was said of them. Blind and kept by content.

Whose answer stands first is decided by a hash of both texts, so that it tells nothing; what is kept says which text is better, not which approach.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rung.decide.looks import PAIRS
from rung.store.records import Draw, Label
from rung.types import Outcome, PairLooks, Result, Task, content_hash

FIRST, SECOND, ALIKE = 0.0, 1.0, 0.5
CHOICES: Mapping[str, float] = {"the first": FIRST, "the second": SECOND, "no difference": ALIKE}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one test example, in the order in which people see them. `upper_first`: whether the first is the tuned one's."""

    id: str
    example_id: str
    first: str
    second: str
    upper_first: bool


def pairs_to_ask(lower: Result, upper: Result, seed: int) -> tuple[tuple[Pair, ...], int, int]:
    """Return the pairs in the order in which they are drawn, one a group; on how many examples the answers differ; of how many.

    Equal answers are left out: of a gain they tell that there is none, and that is known without asking.
    """
    before = {o.example_id: o for o in lower.outcomes}
    both = [(b, o) for o in upper.outcomes if (b := before.get(o.example_id)) is not None and b.answer and o.answer]
    groups: dict[str, list[tuple[Outcome, Outcome]]] = {}
    for below, above in both:
        if _said(below) != _said(above):
            groups.setdefault(above.group, []).append((below, above))
    order = random.Random(f"{seed}/pairs that people compare")
    names = sorted(groups)
    order.shuffle(names)
    drawn = [order.choice(sorted(groups[name], key=lambda pair: pair[1].example_id)) for name in names]
    return tuple(_pair(*two) for two in drawn), sum(map(len, groups.values())), len(both)


def _said(outcome: Outcome) -> str:
    return "" if outcome.answer is None else " ".join((outcome.said or outcome.answer.text).split()).casefold()


def _pair(below: Outcome, above: Outcome) -> Pair:
    texts = ["" if o.answer is None else o.answer.text for o in (below, above)]
    shown = sorted(texts, key=lambda text: content_hash([above.example_id, text]))
    key = content_hash([above.example_id, *shown])[:16]
    return Pair(key, above.example_id, shown[0], shown[1], shown[0] == texts[1])


def looks_of(
    task: Task,
    pair: tuple[str, str],
    results: Mapping[str, Result],
    draw: Draw | None,
    said: Sequence[Label],
    seed: int,
) -> PairLooks:
    """Return what people said of the drawn pairs of two approaches; without a draw, how many would be asked for."""
    lower, upper = (results[name] for name in pair)
    asked, differing, both = pairs_to_ask(lower, upper, seed)
    held = draw if draw is not None and is_of(draw, asked) else None
    asked = asked[: len(held.rows) if held is not None else PAIRS]
    values = {label.answer_id: label.value for label in said}
    told = [(p, values[p.id]) for p in asked if p.id in values]
    for_upper = [p for p, value in told if value == (FIRST if p.upper_first else SECOND)]
    for_lower = [p for p, value in told if value == (SECOND if p.upper_first else FIRST)]
    metric = task.metrics[0].name
    scores = [{o.example_id: o.value(metric, task.failure_score) or 0.0 for o in r.outcomes} for r in (lower, upper)]
    gains = {p.example_id: scores[1][p.example_id] - scores[0][p.example_id] for p in asked}
    against = [p for p in for_upper if gains[p.example_id] < 0] + [p for p in for_lower if gains[p.example_id] > 0]
    return PairLooks(
        lower=pair[0],
        upper=pair[1],
        drawn=len(asked),
        waiting=len(asked) - len(told),
        for_upper=len(for_upper),
        for_lower=len(for_lower),
        alike=sum(value == ALIKE for _, value in told),
        unknown=sum(value is None for _, value in told),
        differing=differing,
        n=both,
        draws=len(held.looks) if held is not None else 1,
        against_labels=tuple(sorted(p.example_id for p in against)),
    )


def is_of(draw: Draw, asked: Sequence[Pair]) -> bool:
    """Whether a draw that is kept is the beginning of these pairs: other answers are another question."""
    return draw.rows == tuple(p.id for p in asked[: len(draw.rows)])
