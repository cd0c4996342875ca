"""How steadily measured rungs keep the asked-for form: many requests, exact intervals, and whether a rung agrees with itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rung.errors import RungError
from rung.evaluate.progress import paid
from rung.evaluate.reopen import Reopened
from rung.protocols import Metric
from rung.rungs._labels import denoted, labels_of
from rung.stats.estimate import clopper_pearson_lower, clopper_pearson_upper
from rung.types import Candidate, Example, MetricSpec, Outcome, Task, by_id

Form = Literal["exact", "extra", "wrong", "failed"]
FORMS: Mapping[Form, str] = {
    "exact": "exactly the form asked for",
    "extra": "right form inside, with text around it",
    "wrong": "another form",
    "failed": "no usable answer",
}
MOST_IDS = 20  # rows named as examples of a deviation


@dataclass(frozen=True, slots=True)
class Share:
    """A count among so many, with the exact (Clopper-Pearson) 95 % interval of its rate."""

    count: int
    n: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        return self.count / self.n

    def __str__(self) -> str:
        return (
            f"{_percent(self.rate)} % ({self.count:,} of {self.n:,}; {_percent(self.low)} to {_percent(self.high)} %)"
        )


def _percent(share: float) -> str:
    """Write a share as a percentage with two significant digits, and whole from ten on."""
    return f"{100 * share:.2g}" if 100 * share < 9.95 else f"{100 * share:.0f}"


@dataclass(frozen=True)
class Consistency:
    """What many requests told of one rung.

    `forms` adds up to `requests`. With repeats their intervals count inputs, not requests, since repeats of one input are
    alike. `agreement`: inputs whose repeats all got the same text; None where every input was asked once.
    """

    rung: str
    metric: str
    requests: int
    inputs: int
    forms: Mapping[Form, Share]
    agreement: Share | None
    deviating: tuple[str, ...]  # ids of rows whose answer deviates

    @property
    def deviation(self) -> Share:
        """Requests whose answer is not exactly the form asked for."""
        exact = self.forms["exact"]
        return Share(exact.n - exact.count, exact.n, 1.0 - exact.high, 1.0 - exact.low)

    @property
    def per_10k(self) -> float:
        """Failures of form that 10,000 requests would show at this rate."""
        return 10_000 * self.deviation.rate


def share(count: int, n: int, independent: int | None = None, alpha: float = 0.05) -> Share:
    """Return a count with its exact interval; `independent`: how many of the n are worth counting (None: all)."""
    size = n if independent is None else independent
    hits = count * size / n
    return Share(count, n, clopper_pearson_lower(hits, size, alpha / 2), clopper_pearson_upper(hits, size, alpha / 2))


def form_of(outcome: Outcome, example: Example, metric: Metric, task: Task) -> Form | None:
    """Return how an answer keeps the form; None where the metric knows no form.

    "extra": the form is broken, but a lenient reading finds the content: one of the labels, or a part of the target.
    """
    failure = outcome.failure
    if failure is not None and failure.cause != "parse":
        return "failed"
    adheres = outcome.adheres(task.metrics[0].name)
    if adheres is None:
        return None
    if adheres:
        return "exact"
    text = outcome.answer.text if outcome.answer is not None else ""
    labels = labels_of(task, ())
    if labels:
        return "extra" if denoted(text, labels) is not None else "wrong"
    return "extra" if (metric.lenient(text, example, task) or 0.0) > 0.0 else "wrong"


def consistency_of(
    label: str, rounds: Sequence[Sequence[Outcome]], examples: Sequence[Example], task: Task, metric: Metric
) -> Consistency | None:
    """Sum up rounds of answers to the same rows, judged by the task's first metric; None where that knows no form."""
    rows, name = by_id(examples), task.metrics[0].name
    forms = [[form_of(o, rows[o.example_id], metric, task) for o in answers] for answers in rounds]
    flat = [f for answers in forms for f in answers if f is not None]
    if all(f == "failed" for f in flat):
        return None
    inputs = len(rounds[0])
    independent = inputs if len(rounds) > 1 else None
    pairs = [(o, f) for answers, fs in zip(rounds, forms, strict=True) for o, f in zip(answers, fs, strict=True)]
    return Consistency(
        rung=label,
        metric=name,
        requests=len(flat),
        inputs=inputs,
        forms={form: share(flat.count(form), len(flat), independent) for form in FORMS},
        agreement=_agreement(rounds) if len(rounds) > 1 else None,
        deviating=tuple(dict.fromkeys(o.example_id for o, f in pairs if f not in ("exact", None)))[:MOST_IDS],
    )


def _agreement(rounds: Sequence[Sequence[Outcome]]) -> Share:
    said = [[o.answer.text.strip() if o.answer is not None else None for o in answers] for answers in rounds]
    same = sum(len(set(texts)) == 1 and texts[0] is not None for texts in zip(*said, strict=True))
    return share(same, len(said[0]))


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
    """Ask a measured rung so many times and sum up; what was asked before comes from the ledger.

    `metric`: one that knows the form; None: the deciding one. `rows`: your own, else the dev rows and those training rows
    that the candidate has not seen. Raises BudgetSpent, and RungError for a metric that knows no form.
    """
    candidate = run.candidate(label)
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
            "metric that knows a form with --metric, such as exact_match, json_fields, lines or regex"
        )
    return found


def _unseen(run: Reopened, candidate: Candidate) -> Iterator[Example]:
    seen = set(candidate.trained_on)
    yield from run.split.dev
    yield from (row for row in run.split.train if row.id not in seen)
