"""An approach opened for service: from its run folder, by the code that was measured, checked on stored answers first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rung.contracts import revived
from rung.engine.reopen import Reopened, reopened
from rung.engine.sides import measured_label
from rung.errors import NotTheSame, RungError
from rung.evaluate.answering import Judgement
from rung.exports.parity import compared
from rung.exports.write import chosen
from rung.progress import Progress, Silent
from rung.protocols import Deciding, System
from rung.serve.confidence import Confidence, Threshold, threshold
from rung.store.records import Parity
from rung.types import Answer, Candidate, Example, Failure, Outcome, Task

Seen = tuple[tuple[Mapping[str, float], bool], ...]
CHECKED = 20  # stored dev examples that are answered again before the port opens


@dataclass(frozen=True)
class Winner:
    """One approach at work. `confidence` is None where the approach tells none.

    `before`: the approach as it answered the dev examples, where it has learnt from these since; None: it is the same.
    `seen`: what speaks for each answer to the dev examples, and whether the answer that was given is right.
    `generation`: the number in a folder of generations; None: it comes from a run alone.
    """

    run: Reopened
    label: str
    candidate: Candidate
    system: System
    confidence: Confidence | None = None
    before: System | None = None
    seen: Seen = ()
    generation: int | None = None

    @property
    def on_dev(self) -> System:
        """What answered the dev examples: what is stored of them can be asked again of it alone."""
        return self.before or self.system

    @property
    def task(self) -> Task:
        return self.run.task

    @property
    def parent(self) -> str | None:
        """The model that answers, as its provider names it; None for an approach without a language model."""
        role = self.candidate.model
        return None if role is None else self.run.clients[role].settings.name

    async def answer(self, inputs: Mapping[str, str]) -> tuple[Answer, float | None]:
        """Return the answer and the probability that it is right, where that is known."""
        if self.confidence is None or not isinstance(self.system, Deciding):
            return await self.system.answer(inputs), None
        found, numbers = await self.system.decided(inputs)
        return found, self.confidence.of(numbers)


@asynccontextmanager
async def opened(
    path: Path, approach: str | None = None, progress: Progress | None = None, generation: int | None = None
) -> AsyncIterator[Winner]:
    """Open an approach of a run for service: the named one, else the winner, else the tentative pick.

    Raises RungError where there is none, NotAllowed for a folder from elsewhere that wants what nobody has allowed.
    """
    async with reopened(path, progress or Silent(), served=True) as run:
        winner = await _of(run, measured_label(run.folder, approach) if approach else chosen(run.folder))
        yield replace(winner, generation=generation)


async def beside(winner: Winner, approach: str) -> Winner:
    """Open another measured approach of the same run. Raises RungError for one that is not measured, or the same."""
    label = measured_label(winner.run.folder, approach)
    if label == winner.label:
        raise RungError(f"{label} is served already; name another measured approach of the run")
    return await _of(winner.run, label)


async def _of(run: Reopened, label: str) -> Winner:
    candidate = run.candidate(label)
    chosen_one = run.chosen(label)
    before = None if chosen_one == candidate else await _beside_requests(run, chosen_one)
    winner = Winner(run, label, candidate, await _beside_requests(run, candidate), before=before)
    seen = await _seen(winner)
    return replace(winner, confidence=Confidence.fitted(seen), seen=seen)


async def _beside_requests(run: Reopened, candidate: Candidate) -> System:
    """Make the candidate ready, which may take seconds, in a thread: what is served already goes on being served."""
    return await asyncio.to_thread(revived, candidate, run.task, run.kit())


async def checked(winner: Winner, count: int = CHECKED) -> Parity:
    """Answer stored dev examples again, and compare: the rule of `rung.exports.parity`, turned around.

    Equal texts are equal, whatever the metric; other texts are scored. Raises NotTheSame where the scores are shown to
    differ by more than the task's tolerance, or where an approach without a language model says anything else.
    """
    stored = {o.example_id: o for o in winner.run.folder.rung(winner.label).dev.get() or () if o.answer is not None}
    kit = winner.run.kit()
    rows = [e for e in winner.run.split.dev if e.id in stored]
    rows = kit.rng("serve").sample(rows, min(count, len(rows)))
    if not rows:
        raise RungError(
            f"{winner.label} has no stored answers to dev examples, so nothing shows that it answers as it did"
        )

    async def score(answer: Answer, example: Example) -> Judgement | Failure:
        before = stored[example.id]
        if before.answer is None or answer.text != before.answer.text:
            return await kit.score(answer, example)
        return before.failure or Judgement(before.scores or {}, before.unscored)

    exact, again = winner.candidate.model is None, tuple[Outcome, ...]()
    for some in [[row] for row in rows] if exact else [rows]:
        again += await kit.answer(winner.candidate, some, score=score, system=winner.on_dev)
        await asyncio.sleep(0)  # what is computed here lets requests pass between two examples
    lost = [o.failure.message for o in again if o.unanswered and o.failure is not None]
    if lost:
        raise RungError(f"{winner.label} gave no answer to {len(lost)} of {len(rows)} stored dev examples: {lost[0]}")
    found = compared(_alone(tuple(stored[o.example_id] for o in again)), _alone(again), winner.task, "served")
    if (found.answers_changed and exact) or differs(found, winner.task.alpha):
        raise NotTheSame(
            f"{winner.label} does not answer as it was measured: {found.answers_changed} of {found.n} stored dev examples got "
            f"another answer, and the score changed by {found.gain:+.2f} (tolerance {found.tolerance:g}); nothing is served"
        )
    return found


def differs(found: Parity, alpha: float) -> bool:
    """Whether two sets of answers are shown to differ by more than the tolerance, for better or worse."""
    return found.answers_changed > 0 and (1.0 - found.p_worse < alpha or 1.0 - found.p_better < alpha)


def _alone(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """Return the outcomes with groups, unless all are of one group, which would show nothing."""
    several = len({o.group for o in outcomes}) > 1
    return outcomes if several else tuple(replace(o, group=o.example_id) for o in outcomes)


async def _seen(winner: Winner) -> Seen:
    system = winner.on_dev
    if not isinstance(system, Deciding):
        return ()
    outcomes = {o.example_id: o for o in winner.run.folder.rung(winner.label).dev.get() or ()}
    metric, seen = winner.task.metrics[0].name, []
    for example in winner.run.split.dev:
        value = outcomes[example.id].value(metric, winner.task.failure_score) if example.id in outcomes else None
        if value is not None:
            seen.append(((await system.decided(example.inputs))[1], value >= 1.0))
            await asyncio.sleep(0)
    return tuple(seen)


@dataclass(frozen=True)
class Fallback:
    """What answers instead where the winner is less sure than the threshold."""

    winner: Winner
    threshold: Threshold


async def fallback(winner: Winner, approach: str, promised: float) -> Fallback:
    """Return the fallback under which at most the promised share of the winner's own answers is shown to be wrong.

    Raises RungError where the winner tells no confidence, or the dev examples show no such threshold.
    """
    other = await beside(winner, approach)
    if winner.confidence is None:
        raise RungError(f"{winner.label} tells no confidence, so nothing says when {other.label} should answer instead")
    seen = [(winner.confidence.of(numbers), right) for numbers, right in winner.seen]
    found = threshold(seen, promised)
    if found is None:
        wrong = sum(not right for _, right in seen)
        raise RungError(
            f"{len(seen)} dev examples ({wrong} answered wrong) show no confidence above which at most {promised:.0%} of the answers of "
            f"{winner.label} are wrong: serve {other.label} alone, or promise less"
        )
    return Fallback(other, found)
