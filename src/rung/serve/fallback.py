"""Another approach answers where the served one is not sure enough: what tells how sure it is, and what dev examples show of that.

A classifier tells it by its numbers, a language model by the log-probabilities of its tokens; else two approaches that say the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rung.contracts import revived
from rung.errors import ModelError, RungError
from rung.evaluate.answering import scored
from rung.protocols import AnsweringKit, Judge, Metric, System
from rung.protocols.kit import AnsweringKitAround
from rung.serve.confidence import ERROR, Logistic, Threshold, kept, threshold
from rung.serve.winner import Seen, Winner, beside, logprob_of, right_of
from rung.serve.wire import Given
from rung.store.records import Sureness
from rung.types import Answer, Completion, Example, Outcome, Request, Score
from rung.usual_names import shown_name


@dataclass(frozen=True)
class Agreement:
    """A second approach, and by what two answers say the same: equal words, or a metric with the second's answer as the expected one."""

    second: Winner
    metric: Metric | None = None

    def same(self, inputs: Mapping[str, str], ours: str, theirs: str) -> bool:
        if self.metric is None or ours.split() == theirs.split():
            return ours.split() == theirs.split()
        task = self.second.task
        found = scored(task.metrics[0].name, self.metric, Answer(ours), Example("", inputs, theirs, ""), task)
        return isinstance(found, Score) and found.value >= 1.0

    async def answer(self, inputs: Mapping[str, str]) -> Answer | None:
        """Return what the second approach says; None where it says nothing: then nothing speaks for the served answer."""
        try:
            return (await self.second.answer(inputs))[0]
        except RungError:
            return None


@dataclass(frozen=True)
class Fallback:
    """`instead` answers where the served approach is not surer than the threshold; with `agreement`, where the second one says otherwise."""

    instead: Winner
    threshold: Threshold
    agreement: Agreement | None = None

    async def given(self, served: Winner, inputs: Mapping[str, str]) -> Given:
        """Return the answer, and who gave it. Raises what answering raises."""
        if self.agreement is None:
            answer, confidence = await served.answer(inputs)
            if confidence is not None and confidence > self.threshold.above:
                return Given(answer, served.label, confidence)
        else:
            (answer, _), other = await asyncio.gather(served.answer(inputs), self.agreement.answer(inputs))
            if other is not None and self.agreement.same(inputs, answer.text, other.text):
                return Given(answer, served.label, self.threshold.right)
            if other is not None and self.agreement.second is self.instead:
                return Given(other, self.instead.label)
        return Given((await self.instead.answer(inputs))[0], self.instead.label)

    @property
    def others(self) -> list[Winner]:
        """The approaches beside the served one, each once."""
        second = self.agreement.second if self.agreement is not None else self.instead
        return [self.instead, *([second] if second is not self.instead else [])]

    def sentence(self, served: Winner) -> str:
        """Say who answers when, and what dev shows of it."""
        at, name = self.threshold, shown_name(served.label)
        where = f"{name} is at most {at.above:.0%} sure" if at.kept < 1.0 else f"{name} does not tell how sure it is"
        if self.agreement is not None:
            where = f"{name} and {shown_name(self.agreement.second.label)} say different things"
        kept = f"{at.kept:.0%} are kept" if at.kept < 1.0 else "every answer is sure enough"
        return f"{shown_name(self.instead.label)} answers where {where}; on dev {kept}, {at.wrong} of {at.n} wrong"


async def fallback(served: Winner, approach: str, promised: float, agree: str | None = None) -> tuple[Winner, Fallback]:
    """Return the served approach as it tells how sure it is, and the fallback under which at most the promised share of its own answers is
    shown to be wrong.

    `agree`: the second approach whose agreement keeps an answer; None: the served one tells how sure it is by itself. The first time a
    language model is to tell, it is asked all dev examples once more. Raises RungError where nothing tells, or dev does not show the promise.
    """
    instead = await beside(served, approach)
    tried = _tried(served)
    if agree is None:
        served = served if served.confidence is not None else await _by_tokens(served)
        seen = [(s.confidence, s.right) for s in _apart(served.seen)]
        found, agreement = threshold(seen, promised, tried), None
        of = f"answers of {served.label} above some confidence"
    else:
        second = await beside(served, agree)
        second = instead if second.label == instead.label else second
        metric = served.run.kit().metric()
        agreement = Agreement(second, None if isinstance(metric, Judge) else metric)
        tried *= _tried(second)
        both = _agreed(served, agreement)
        seen = [(s.confidence, s.right) for s in both]
        at = kept([(stays > 0.0, right) for stays, right in seen])
        found = at if at.shows(promised, ERROR / tried) else None
        of = f"answers on which {served.label} and {second.label} agree ({at.n}, {at.wrong} of them wrong)"
    if found is None:
        wrong, fewest = sum(not right for _, right in seen), math.ceil(math.log(ERROR / tried) / math.log1p(-promised))
        raise RungError(
            f"{len(seen)} independent dev examples ({wrong} answered wrong) do not show that at most {promised:.0%} of the {of} are wrong: "
            f"of {fewest} kept ones all would have to be right, since {tried} candidates were compared on them. Serve one of the approaches alone, "
            "or allow more wrong answers"
        )
    return served, Fallback(instead, found, agreement)


def _tried(winner: Winner) -> int:
    """Return how many candidates were compared on dev before one of them was chosen."""
    fitted = winner.run.folder.rung(winner.label).fitted.get()
    return max(1, len(fitted.trials)) if fitted is not None else 1


def _apart(seen: Iterable[Seen]) -> list[Seen]:
    """Return one of each group: examples of a group are no independent draws."""
    return list({s.group: s for s in seen}.values())


def _agreed(served: Winner, agreement: Agreement) -> list[Seen]:
    """Return for each dev example whether the stored answers of both agree (confidence 1, else 0), and whether the served one is right."""
    theirs = {o.example_id: o.answer for o in served.run.folder.rung(agreement.second.label).dev.get() or ()}
    inputs = {e.id: e.inputs for e in served.run.split.dev}
    found = []
    for outcome in served.run.folder.rung(served.label).dev.get() or ():
        right, other = right_of(outcome, served.task), theirs.get(outcome.example_id)
        if right is not None and outcome.answer is not None and outcome.example_id in inputs:
            agrees = other is not None and agreement.same(inputs[outcome.example_id], outcome.answer.text, other.text)
            found.append(Seen(outcome.group, float(agrees), right))
    return _apart(found)


class _Telling(AnsweringKitAround[AnsweringKit]):
    """A kit whose models tell the log-probabilities of what they answer."""

    async def ask(self, role: str, request: Request) -> Completion:
        return await super().ask(role, replace(request, params={**request.params, "logprobs": True}))


async def _by_tokens(winner: Winner) -> Winner:
    """Return the approach as it tells how sure it is by the log-probability of its answer. Raises RungError where it tells none."""
    run, chosen = winner.run, winner.run.chosen(winner.label)
    kit = _Telling(run.kit())
    system = await asyncio.to_thread(revived, winner.candidate, winner.task, kit)
    on_dev = system if winner.before is None else await asyncio.to_thread(revived, chosen, winner.task, kit)
    record = run.folder.rung(winner.label).sureness
    known = record.get()
    if known is None or known.candidate != chosen.id:
        known = await _told(winner, on_dev)
        record.save(known)
    groups = {e.id: e.group for e in run.split.dev}
    told = [(i, number) for i, number in known.logprobs.items() if i in groups]
    curve = Logistic.fitted([(number, known.right[i]) for i, number in told])
    if curve is None:
        raise RungError(_nothing_tells(winner, f"only {len(told)} dev answers came with log-probabilities"))
    seen = tuple(Seen(groups[i], curve.of(number), known.right[i]) for i, number in told)
    before = None if winner.before is None else on_dev
    return replace(winner, system=system, before=before, confidence=curve, seen=seen)


async def _told(winner: Winner, system: System) -> Sureness:
    """Ask all dev examples once more, with log-probabilities; one first, which shows whether there are any."""
    run, rows = winner.run, winner.run.split.dev
    candidate = run.chosen(winner.label)
    outcomes: tuple[Outcome, ...] = ()
    with run.progress.stage(f"{winner.label}: how sure it is on dev", len(rows)) as bar:
        for part in (rows[:1], rows[1:]):
            try:
                outcomes += await run.kit().answer(candidate, part, lambda _: bar.advance(), system=system)
            except ModelError as error:
                raise RungError(
                    _nothing_tells(winner, f"its model refused to tell log-probabilities ({error})")
                ) from error
            if not any(o.answer is not None and logprob_of(o.answer) is not None for o in outcomes):
                raise RungError(_nothing_tells(winner, "its model tells no log-probabilities"))
    judged = [(o.example_id, o.answer, right_of(o, winner.task)) for o in outcomes]
    numbers = {i: logprob_of(answer) for i, answer, right in judged if answer is not None and right is not None}
    known = {i: number for i, number in numbers.items() if number is not None}
    return Sureness(candidate.id, known, {i: right for i, _, right in judged if right is not None and i in known})


def _nothing_tells(winner: Winner, why: str) -> str:
    return (
        f"{winner.label} does not tell how sure it is: {why}. Name a second measured approach whose agreement keeps an answer: "
        "`rung serve RUN --fallback NAME --agree NAME`"
    )
