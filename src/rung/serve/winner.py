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
from rung.serve.confidence import Logistic, Softmax
from rung.store.records import Parity
from rung.types import Answer, Candidate, Outcome, Task


@dataclass(frozen=True, slots=True)
class Seen:
    """A dev example: how sure its answer was, and whether it was right. Examples of one group are no independent draws."""

    group: str
    confidence: float
    right: bool


@dataclass(frozen=True)
class Winner:
    """One approach at work. `confidence` is None where the approach tells none.

    `before`: the approach as it answered the dev examples, where it has learnt from these since; None: it is the same.
    `seen`: how sure each answer to the dev examples was.
    `generation`: the number in a folder of generations; None: it comes from a run alone.
    """

    run: Reopened
    label: str
    candidate: Candidate
    system: System
    confidence: Softmax | Logistic | None = None
    before: System | None = None
    seen: tuple[Seen, ...] = ()
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
        if isinstance(self.confidence, Softmax) and isinstance(self.system, Deciding):
            found, numbers = await self.system.decided(inputs)
            return found, self.confidence.of(numbers)
        found = await self.system.answer(inputs)
        if not isinstance(self.confidence, Logistic):
            return found, None
        told = logprob_of(found)
        return found, None if told is None else self.confidence.of(told)


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
    return await _seen(Winner(run, label, candidate, await _beside_requests(run, candidate), before=before))


async def _beside_requests(run: Reopened, candidate: Candidate) -> System:
    """Make the candidate ready, which may take seconds, in a thread: what is served already goes on being served."""
    return await asyncio.to_thread(revived, candidate, run.task, run.kit())


async def checked(winner: Winner) -> Parity:
    """Answer stored dev examples again. Raises NotTheSame where the answers are not the measured ones."""
    return await answered_again(winner.run, winner.label, winner.candidate, winner.on_dev)


async def _seen(winner: Winner) -> Winner:
    """Return the approach with what its numbers say of dev answers, and the confidence that follows; itself where it has no numbers."""
    system = winner.on_dev
    if not isinstance(system, Deciding):
        return winner
    outcomes = {o.example_id: o for o in winner.run.folder.rung(winner.label).dev.get() or ()}
    told = []
    for example in winner.run.split.dev:
        right = right_of(outcomes[example.id], winner.task) if example.id in outcomes else None
        if right is not None:
            told.append((example.group, (await system.decided(example.inputs))[1], right))
            await asyncio.sleep(0)
    confidence = Softmax.fitted([(numbers, right) for _, numbers, right in told])
    seen = () if confidence is None else tuple(Seen(group, confidence.of(n), right) for group, n, right in told)
    return replace(winner, confidence=confidence, seen=seen)


def right_of(outcome: Outcome, task: Task) -> bool | None:
    """Return whether an answer got the full score; None where there is none, or nothing could judge it."""
    value = None if outcome.answer is None else outcome.value(task.metrics[0].name, 0.0)
    return None if value is None else value >= 1.0


def logprob_of(answer: Answer) -> float | None:
    """Return the logarithm of the probability of the text of the call that wrote the answer; None where the model told none."""
    told = answer.calls[-1].logprobs if answer.calls else None
    return sum(told) if told else None
