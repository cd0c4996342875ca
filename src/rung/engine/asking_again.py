"""Ask measured rungs many times: requests, their repeats, and what they tell of consistency."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.evaluate.consistency import consistency_of
from rung.progress import paid
from rung.store.records import Consistency
from rung.types import Candidate, Example, MetricSpec


def plan_requests(available: int, requests: int, repeats: int) -> tuple[int, int]:
    """Return (inputs, rounds) for so many requests: `repeats` rounds, more where the rows do not reach."""
    inputs = max(1, min(available, requests // max(1, repeats)))
    return inputs, max(repeats, math.ceil(requests / inputs)) if requests > inputs else 1


async def ask_again(
    run: Reopened,
    label: str,
    requests: int,
    repeats: int,
    *,
    metric: str | None = None,
    rows: Sequence[Example] | None = None,
) -> Consistency:
    """Ask a measured rung so many times and sum up; what was asked before comes from the cache.

    `metric`: one that knows the form; None: the deciding one. `rows`: your own, else the dev rows and those training rows
    that the candidate has not seen. Raises BudgetSpent, and RungError for a metric that knows no form.
    """
    candidate = run.chosen(label) if rows is None else run.candidate(label)
    pool = list(rows if rows is not None else _unseen(run, candidate))
    spec = next((m for m in run.task.metrics if m.name == metric), None) if metric else run.task.metrics[0]
    if spec is None:
        spec = MetricSpec(str(metric))
    base = run.kit(metrics=(spec,))
    base.rng("consistency").shuffle(pool)
    inputs, rounds = plan_requests(len(pool), requests, repeats)
    chosen, answered = pool[:inputs], []
    with run.progress.stage(f"{label}: consistency", inputs * rounds) as bar:
        for number in range(rounds):
            kit = run.kit(metrics=(spec,), repeat=number)
            answered.append(await kit.answer(candidate, chosen, lambda row: bar.advance(usd=paid(row))))
    found = consistency_of(label, answered, chosen, replace(run.task, metrics=(spec,)), base.metric())
    if found is None:
        raise RungError(
            f"{label}: consistency by {spec.name} means nothing: it knows no exact form, or no request got an answer; name a "
            "metric that knows a form, such as normalized_match, json_fields, lines or regex"
        )
    return found


def _unseen(run: Reopened, candidate: Candidate) -> Iterator[Example]:
    seen = set(candidate.trained_on)
    yield from run.split.dev
    yield from (row for row in run.split.train if row.id not in seen)
