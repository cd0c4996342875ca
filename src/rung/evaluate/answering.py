"""Answer rows with a system, many at once, and score them. Knows nothing of train, dev or test."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rung.errors import ContextOverflow, NotRecorded, RefusedByModel, Retryable
from rung.foreign import foreign
from rung.metrics.accepted import AnyRight
from rung.prompts.abstention import abstention
from rung.protocols import AnsweringKit, Judge, Metric, System
from rung.types import TRANSPORT, Answer, Example, Failure, FailureCause, Outcome, Score, Task
from rung.types.plain import nothing

OnRow = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the metrics say of one answer, each a Score or a Failure; the deciding metric has a Score here."""

    scores: Mapping[str, Score]
    unscored: Mapping[str, Failure] = field(default_factory=nothing)


_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
Scorer = Callable[[Answer, Example], Awaitable["Judgement | Failure"]]


def scorer(metrics: Mapping[str, Metric], task: Task, kit: AnsweringKit | None = None) -> Scorer:
    """Return a function that judges one answer by every metric; the first metric's failure is the example's failure.

    A metric that asks (`Judge`) does so through `kit`; without one it says what it can without asking. Transport trouble
    of any of them is the example's failure: it is asked again on resumption. What any other metric cannot judge stays a
    Failure of that metric.
    """

    pure = {name: AnyRight(metric) for name, metric in metrics.items()}
    asking = {name: metric for name, metric in metrics.items() if kit is not None and isinstance(metric, Judge)}
    alike: dict[tuple[object, ...], Judgement] = {}  # right or wrong and no more: said once, however many answers are

    async def score(answer: Answer, example: Example) -> Judgement | Failure:
        scores: dict[str, Score] = {}
        unscored: dict[str, Failure] = {}
        for position, name in enumerate(metrics):
            if kit is not None and name in asking:
                verdict = await _assessed(name, asking[name], answer, example, task, kit)
            else:
                verdict = scored(name, pure[name], answer, example, task)
            if isinstance(verdict, Score):
                scores[name] = verdict
            elif position == 0 or verdict.cause in TRANSPORT:
                return verdict
            else:
                unscored[name] = verdict
        told = Judgement(scores, unscored or nothing())
        if unscored or any(s.value not in (0.0, 1.0) or s.parts or s.note is not None for s in scores.values()):
            return told
        return alike.setdefault(tuple((s.value, s.adheres) for s in scores.values()), told)

    return score


def scored(name: str, metric: Metric, answer: Answer, example: Example, task: Task) -> Score | Failure:
    """Call a metric that asks nobody. What a stranger's raises becomes a Failure."""
    try:
        with foreign(_Raised):
            found = metric.score(answer.text, example, task)
    except _Raised as error:
        return error.failure(f"{name}.score")
    return _kept_promise(f"{name}.score", found)


async def _assessed(
    name: str, metric: Judge, answer: Answer, example: Example, task: Task, kit: AnsweringKit
) -> Score | Failure:
    """Ask a metric for its judgement; what went wrong with this example alone becomes its failure."""
    try:
        with foreign(_Raised):
            found = await metric.assess(answer, example, task, kit)
    except RefusedByModel as error:
        return Failure("metric", f"the judging model declined: {error}")
    except ContextOverflow as error:
        return Failure("metric", f"too long for the judging model: {error}")
    except Retryable as error:
        return Failure("timeout" if error.timed_out else "model", f"the judging model: {error}")
    except _Raised as error:
        return error.failure(f"{name}.assess")
    return _kept_promise(f"{name}.assess", found)


class _Raised(Exception):
    """A metric raised what is no word of ours."""

    def failure(self, what: str) -> Failure:
        error = self.args[0]
        said = _ADDRESS.sub("0x...", " ".join(str(error).split()))  # equal when `rung verify` scores the answer again
        return Failure("metric", f"the metric's {what} raised {type(error).__name__}: {said}")


def _kept_promise(what: str, verdict: object) -> Score | Failure:
    """Return a metric's word if it is one: a Failure, or a Score in [0, 1]; else the Failure that says what it gave."""
    if isinstance(verdict, Failure):
        return verdict
    if not isinstance(verdict, Score):
        said = f"an object of class {type(verdict).__name__}" if _ADDRESS.search(repr(verdict)) else f"{verdict!r:.60}"
        return Failure("metric", f"the metric's {what} returned {said}, which is neither a Score nor a Failure")
    if not 0.0 <= verdict.value <= 1.0:
        return Failure("metric", f"the metric's {what} gave the score {verdict.value!r}, which is not in [0, 1]")
    return verdict


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
        answer = await system.answer(dict(example.inputs))  # its own: a plug-in may change what it is given
    except RefusedByModel as error:
        return _failed(example, "refusal", error)
    except Retryable as error:
        cause: FailureCause = "timeout" if error.timed_out else "model"
        return _failed(example, "unrecorded" if isinstance(error, NotRecorded) else cause, error)
    except ContextOverflow as error:
        return _failed(example, "truncated", error)
    return await judge(example, answer, score)


async def judge(example: Example, answer: Answer, score: Scorer) -> Outcome:
    """Score one answer. One that was cut off and is not fully right counts as truncated, whatever it scored."""
    said = await score(answer, example)
    if isinstance(said, Failure) and said.cause in TRANSPORT:
        return Outcome(example.id, example.group, answer, None, said)
    declined = abstention(answer.text, example.targets)
    right = not isinstance(said, Failure) and next(iter(said.scores.values())).value >= 1.0
    if answer.truncated and not right:
        failure = Failure("truncated", "the answer was cut off at max_tokens")
        return Outcome(example.id, example.group, answer, None, failure, declined)
    if isinstance(said, Failure):
        return Outcome(example.id, example.group, answer, None, said, declined)
    return Outcome(example.id, example.group, answer, said.scores, None, declined, said.unscored)


def _failed(example: Example, cause: FailureCause, error: Exception) -> Outcome:
    return Outcome(example.id, example.group, None, None, Failure(cause, str(error)))
