"""Answer rows with a system, many at once, and score them. Knows nothing of train, dev or test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from rung.errors import ContextOverflow, RefusedByModel, Retryable
from rung.metrics._several import AnyRight
from rung.protocols import Judge, Kit, Metric, System
from rung.rungs._abstention import abstention
from rung.types import Answer, Example, Failure, FailureCause, Outcome, Score, Task

Scorer = Callable[[Answer, Example], Awaitable["Mapping[str, Score] | Failure"]]
OnRow = Callable[[Outcome], None]

TRANSPORT: frozenset[FailureCause] = frozenset(
    {"model", "timeout"}
)  # the row was not answered: asked again on resumption


def scorer(metrics: Mapping[str, Metric], task: Task, kit: Kit | None = None) -> Scorer:
    """Return a function that judges one answer by every metric; the first metric's failure is the row's failure.

    A metric that asks (`Judge`) does so through `kit`; without one it says what it can without asking. Transport trouble
    of any of them is the row's failure: the row is asked again on resumption.
    """

    pure = {name: AnyRight(metric) for name, metric in metrics.items()}
    asking = {name: metric for name, metric in metrics.items() if kit is not None and isinstance(metric, Judge)}

    async def score(answer: Answer, example: Example) -> Mapping[str, Score] | Failure:
        found: dict[str, Score] = {}
        for position, name in enumerate(metrics):
            if kit is not None and name in asking:
                verdict = await _judged(asking[name], answer, example, task, kit)
            else:
                verdict = pure[name].score(answer.text, example, task)
            if isinstance(verdict, Failure):
                if position == 0 or verdict.cause in TRANSPORT:
                    return verdict
                verdict = Score(0.0, adheres=False, note=f"{verdict.cause}: {verdict.message}")
            found[name] = verdict
        return found

    return score


async def _judged(metric: Judge, answer: Answer, example: Example, task: Task, kit: Kit) -> Score | Failure:
    """Ask a metric for its judgement; what went wrong with this row alone becomes its failure."""
    try:
        return await metric.assess(answer, example, task, kit)
    except RefusedByModel as error:
        return Failure("metric", f"the judging model declined: {error}")
    except ContextOverflow as error:
        return Failure("metric", f"too long for the judging model: {error}")
    except Retryable as error:
        return Failure("timeout" if error.timed_out else "model", f"the judging model: {error}")


async def answer_rows(
    system: System,
    examples: Sequence[Example],
    score: Scorer,
    *,
    concurrency: int,
    on_row: OnRow | None = None,
) -> tuple[Outcome, ...]:
    """Answer and score every example; the result has their order.

    `concurrency` answers are in flight at once. A row's own trouble (refusal, timeout, no answer after all attempts,
    an unscorable answer) becomes its Failure; anything that concerns all rows (a wrong key, a spent budget, an
    unknown model) is raised, after the rows in flight were cancelled.
    """
    outcomes: list[Outcome | None] = [None] * len(examples)
    rows: Iterator[tuple[int, Example]] = iter(enumerate(examples))

    async def work() -> None:
        for index, example in rows:
            outcome = await _answer_row(system, example, score)
            outcomes[index] = outcome
            if on_row is not None:
                on_row(outcome)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(examples))):
                group.create_task(work())
    except ExceptionGroup as troubles:
        raise first_cause(troubles) from None
    return tuple(outcome for outcome in outcomes if outcome is not None)


def first_cause(troubles: BaseException) -> BaseException:
    """Return the first exception inside nested groups: the one that stopped the others."""
    while isinstance(troubles, BaseExceptionGroup):
        troubles = troubles.exceptions[0]
    return troubles


async def _answer_row(system: System, example: Example, score: Scorer) -> Outcome:
    try:
        answer = await system.answer(example.inputs)
    except RefusedByModel as error:
        return _failed(example, "refusal", error)
    except Retryable as error:
        return _failed(example, "timeout" if error.timed_out else "model", error)
    except ContextOverflow as error:
        return _failed(example, "truncated", error)
    return await judge(example, answer, score)


async def judge(example: Example, answer: Answer, score: Scorer) -> Outcome:
    """Score one answer. One that was cut off and is not fully right counts as truncated, whatever it scored."""
    scores = await score(answer, example)
    if isinstance(scores, Failure) and scores.cause in TRANSPORT:
        return Outcome(example.id, example.group, answer, None, scores)
    declined = abstention(answer.text, example.targets)
    right = not isinstance(scores, Failure) and next(iter(scores.values())).value >= 1.0
    if answer.truncated and not right:
        failure = Failure("truncated", "the answer was cut off at max_tokens")
        return Outcome(example.id, example.group, answer, None, failure, declined)
    if isinstance(scores, Failure):
        return Outcome(example.id, example.group, answer, None, scores, declined)
    return Outcome(example.id, example.group, answer, scores, None, declined)


def _failed(example: Example, cause: FailureCause, error: Exception) -> Outcome:
    return Outcome(example.id, example.group, None, None, Failure(cause, str(error)))
