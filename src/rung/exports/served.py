"""Does an approach answer in service as it was measured? Stored dev examples are answered again, before it serves and before it is promoted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from rung.contracts import revived
from rung.engine.reopen import Reopened, reopened
from rung.errors import NotTheSame, RungError
from rung.evaluate.answering import Judgement
from rung.exports.parity import compared
from rung.progress import Silent
from rung.protocols import System
from rung.store.records import Parity
from rung.store.run import RunFolder
from rung.types import Answer, Candidate, Example, Failure, Outcome

ASKED = 20  # stored dev examples


def same_as_measured(run: RunFolder, label: str) -> Parity:
    """Open an approach as for service and answer again. Not inside an event loop. Raises what `answered_again` raises."""

    async def work() -> Parity:
        async with reopened(run.path, Silent(), served=True) as opened:
            chosen = opened.chosen(label)
            return await answered_again(opened, label, chosen, revived(chosen, opened.task, opened.kit()))

    return asyncio.run(work())


async def answered_again(run: Reopened, label: str, candidate: Candidate, system: System, count: int = ASKED) -> Parity:
    """Answer stored dev examples again, and compare: the rule of `rung.exports.parity`, turned around.

    Equal texts are equal, whatever the metric; other texts are scored. Raises NotTheSame where the scores are shown to
    differ by more than the task's tolerance, or where an approach without a language model says anything else;
    RungError where an example gets no answer.
    """
    stored = {o.example_id: o for o in run.folder.rung(label).dev.get() or () if o.answer is not None}
    kit = run.kit()
    rows = [e for e in run.split.dev if e.id in stored]
    rows = kit.rng("serve").sample(rows, min(count, len(rows)))
    if not rows:
        raise RungError(f"{label} has no stored answers to dev examples, so nothing shows that it answers as it did")

    async def score(answer: Answer, example: Example) -> Judgement | Failure:
        before = stored[example.id]
        if before.answer is None or answer.text != before.answer.text:
            return await kit.score(answer, example)
        return before.failure or Judgement(before.scores or {}, before.unscored)

    exact, again = candidate.model is None, tuple[Outcome, ...]()
    for some in [[row] for row in rows] if exact else [rows]:
        again += await kit.answer(candidate, some, score=score, system=system)
        await asyncio.sleep(0)  # what is computed here lets requests pass between two examples
    lost = [o.failure.message for o in again if o.unanswered and o.failure is not None]
    if lost:
        raise RungError(f"{label} gave no answer to {len(lost)} of {len(rows)} stored dev examples: {lost[0]}")
    found = compared(_alone(tuple(stored[o.example_id] for o in again)), _alone(again), run.task, "served")
    if (found.answers_changed and exact) or _differs(found, run.task.alpha):
        raise NotTheSame(
            f"{label} does not answer as it was measured: {found.answers_changed} of {found.n} stored dev examples got "
            f"another answer, and the score changed by {found.gain:+.2f} (tolerance {found.tolerance:g})"
        )
    return found


def _differs(found: Parity, alpha: float) -> bool:
    """Whether two sets of answers are shown to differ by more than the tolerance, for better or worse."""
    return found.answers_changed > 0 and (1.0 - found.p_worse < alpha or 1.0 - found.p_better < alpha)


def _alone(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """Return the outcomes with groups, unless all are of one group, which would show nothing."""
    several = len({o.group for o in outcomes}) > 1
    return outcomes if several else tuple(replace(o, group=o.example_id) for o in outcomes)
