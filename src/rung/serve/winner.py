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
from rung.errors import RungError
from rung.exports.served import answered_again
from rung.exports.write import chosen
from rung.progress import Progress, Silent
from rung.protocols import Deciding, System
from rung.serve.confidence import Confidence, Threshold, threshold
from rung.store.records import Parity
from rung.types import Answer, Candidate, Task

Seen = tuple[tuple[Mapping[str, float], bool], ...]


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


async def checked(winner: Winner) -> Parity:
    """Answer stored dev examples again. Raises NotTheSame where the answers are not the measured ones."""
    return await answered_again(winner.run, winner.label, winner.candidate, winner.on_dev)


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
