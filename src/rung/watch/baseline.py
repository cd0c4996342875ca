"""What a run has frozen of inputs and answers, as signals: what a request may show, and how often it did when it was measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rung.data.near import normal_text
from rung.data.parts import thaw
from rung.errors import RungError
from rung.prompts.similar import Index
from rung.stats.estimate import sample_upper, summarise
from rung.stats.watching import OF_BASELINE, TOLERANCE
from rung.store.run import RunFolder
from rung.types import Example, Outcome, Task
from rung.watch.served import Served

FEWEST = 30  # examples, or answers, of which a rate is watched
MOST_EXAMPLES = 2_000  # evenly spread ones, to which inputs are likened
MOST_LABELS = 8
TAIL, ONE_SIDE = 0.05, 0.025  # of the examples, beyond which an input or an answer is unlike, or long, or short
SLOWER, DEARER = 2.0, 1.25  # times the 95th percentile
REFUSED = 422

Hit = Callable[[Served], bool | None]


@dataclass(frozen=True)
class Signal:
    """Something that a request shows or not (None: it cannot tell). `hits` of `n` did when it was measured; `bound` is
    what the rate is held against: the upper bound of that rate, and the tolerance."""

    name: str
    said: str
    hit: Hit
    hits: int
    n: int
    bound: float


@dataclass(frozen=True)
class _Rate:
    """A signal before all are counted: its level depends on their number."""

    name: str
    said: str
    hit: Hit
    seen: tuple[bool, ...]
    groups: tuple[str, ...]


def signals(run: RunFolder, label: str) -> tuple[Signal, ...]:
    """Return what is watched of an approach. Raises RungError where the run has measured too little of it."""
    task, outcomes = run.task, run.rung(label).measured().outcomes
    if len(outcomes) < FEWEST:
        raise RungError(f"{label} was measured on {len(outcomes)} examples; a baseline takes at least {FEWEST}")
    split = thaw(run.path)
    found = [*_of_inputs((*split.train, *split.dev)), *_of_answers(outcomes, task)]
    level = OF_BASELINE / len(found)
    return tuple(_bounded(rate, level) for rate in found)


def _bounded(rate: _Rate, level: float) -> Signal:
    groups = rate.groups if len(set(rate.groups)) < len(rate.groups) else None
    upper = sample_upper(summarise([float(s) for s in rate.seen], groups), level)
    return Signal(rate.name, rate.said, rate.hit, sum(rate.seen), len(rate.seen), min(1.0, upper + TOLERANCE))


def _of_inputs(examples: Sequence[Example]) -> Iterator[_Rate]:
    step = max(1, len(examples) // MOST_EXAMPLES)
    rows = examples[::step]
    if len(rows) < FEWEST:
        return
    groups = tuple(e.group for e in rows)
    index = Index.of([e.text for e in rows])
    near = index.pairwise(range(len(rows)))
    names = np.unique(groups, return_inverse=True)[1]
    near[names[:, None] == names[None, :]] = -1.0  # likeness to its own group tells nothing of new inputs
    nearest = np.maximum(near.max(axis=1), 0.0)
    limit = float(np.quantile(nearest, TAIL))
    yield _Rate(
        "unlike inputs",
        "inputs that are less like any example than 95 % of the examples are",
        lambda s: bool(index.similarity(s.text).max() < limit),
        tuple(bool(v < limit) for v in nearest),
        groups,
    )
    yield from _lengths("inputs", [len(e.text) for e in rows], groups, lambda s: len(s.text))


def _lengths(
    what: str, lengths: Sequence[int], groups: tuple[str, ...], of: Callable[[Served], int | None]
) -> Iterator[_Rate]:
    for word, quantile, sign in (("long", 1 - ONE_SIDE, 1), ("short", ONE_SIDE, -1)):
        limit = float(np.quantile(lengths, quantile))

        def beyond(length: int, limit: float = limit, sign: int = sign) -> bool:
            return sign * length > sign * limit

        def hit(s: Served, beyond: Callable[[int], bool] = beyond) -> bool | None:
            length = of(s)
            return None if length is None else beyond(length)

        said = f"{what} {'longer' if sign > 0 else 'shorter'} than {limit:,.0f} characters, as 2.5 % were"
        yield _Rate(f"{word} {what}", said, hit, tuple(map(beyond, lengths)), groups)


def _of_answers(outcomes: Sequence[Outcome], task: Task) -> Iterator[_Rate]:
    def rate(name: str, said: str, hit: Hit, seen: Iterable[bool], rows: Sequence[Outcome]) -> _Rate:
        return _Rate(name, said, hit, tuple(seen), tuple(o.group for o in rows))

    refused = [o.failure is not None and o.failure.cause == "refusal" for o in outcomes]
    yield rate("refusals", "requests that the model refuses", lambda s: s.status == REFUSED, refused, outcomes)
    lost = [o.unanswered for o in outcomes]
    yield rate("failures", "requests without an answer", lambda s: s.status not in (200, REFUSED), lost, outcomes)
    answered = [o for o in outcomes if o.answer is not None]
    if len(answered) < FEWEST:
        return
    texts = [o.answer.text for o in answered if o.answer is not None]
    right = _form(task)
    wrong_form = [not right(text) for text in texts]
    yield rate(
        "form", "answers not in the right form",
        lambda s: None if s.answer is None else not right(s.answer), wrong_form, answered,
    )  # fmt: skip
    if task.labels is not None:
        forms = list(map(normal_text, texts))
        common = [label for label, _ in Counter(forms).most_common() if label in set(map(normal_text, task.labels))]
        for label in common[:MOST_LABELS]:
            yield rate(
                f"answer {label}", f"answers that say {label!r}",
                lambda s, label=label: None if s.answer is None else normal_text(s.answer) == label,  # type: ignore[misc]
                [form == label for form in forms], answered,
            )  # fmt: skip
        metric = task.metrics[0].name
        scores = [(o, v) for o in answered if (v := o.value(metric, task.failure_score)) is not None]
        if len(scores) >= FEWEST:
            wrong = [value < 1.0 for _, value in scores]
            yield rate(
                "wrong answers", "labelled answers that are wrong", lambda s: s.wrong, wrong, [o for o, _ in scores]
            )
    else:
        groups = tuple(o.group for o in answered)
        yield from _lengths(
            "answers", list(map(len, texts)), groups, lambda s: None if s.answer is None else len(s.answer)
        )
    yield from _of_expense(answered, task)


def _of_expense(answered: Sequence[Outcome], task: Task) -> Iterator[_Rate]:
    timed = [(o.group, o.answer.seconds) for o in answered if o.answer is not None and o.answer.seconds is not None]
    counted = [(o.group, n) for o in answered if (n := _tokens(o)) is not None]
    for rows, name, times, unit in ((timed, "slow answers", SLOWER, "s"), (counted, "dear answers", DEARER, "tokens")):
        if len(rows) < FEWEST or not any(value for _, value in rows):
            continue
        usual = float(np.quantile([value for _, value in rows], 1 - TAIL))
        promised = task.limits.p95_latency_s if unit == "s" else None
        limit = promised if promised is not None else times * usual
        what = "the limit" if promised is not None else f"{times:g} times the 95th percentile"
        yield _Rate(
            name,
            f"answers that take more than {limit:,.3g} {unit}, {what}",
            (lambda s, limit=limit: None if s.seconds is None else s.seconds > limit)  # type: ignore[misc]
            if unit == "s"
            else (lambda s, limit=limit: None if s.tokens is None else s.tokens > limit),  # type: ignore[misc]
            tuple(value > usual for _, value in rows),
            tuple(group for group, _ in rows),
        )


def _tokens(outcome: Outcome) -> int | None:
    calls = outcome.answer.calls if outcome.answer is not None else ()
    told = [(c.input_tokens or 0) + (c.output_tokens or 0) for c in calls if c.input_tokens is not None]
    return sum(told) if told and len(told) == len(calls) else None


def _form(task: Task) -> Callable[[str], bool]:
    """Return whether a text is in the right form, as far as a text alone tells: a label, a JSON object, not empty."""
    if task.labels is not None:
        labels = set(map(normal_text, task.labels))
        return lambda text: normal_text(text) in labels
    return _is_object if task.kind == "extraction" else lambda text: bool(text.strip())


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
