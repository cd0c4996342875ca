"""A measured approach asked again: the same candidate, on the same frozen test examples, answered by its model as it is today."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from rung.engine.reopen import Reopened, reopened
from rung.engine.sides import measured_label
from rung.errors import RungError
from rung.evaluate.evaluator import visiting_order
from rung.evaluate.kit import apart
from rung.evaluate.measure import held_beside, summarise
from rung.judging.human_labels import human_labels_of
from rung.progress import Progress, Silent, paid
from rung.store.cache import AnswerCache
from rung.store.folder import locked
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.types import Outcome, Result

_REPEATS = 2**31  # numbers to draw a repeat from: no earlier one has the same, so that no cache knows the answers


def measured_again(folder: Path, approaches: Sequence[str] = (), progress: Progress | None = None) -> dict[str, Result]:
    """Ask the named approaches of a run again, by default its winner or else its tentative pick; return what is measured today.

    Every request is paid again, under the budget of the configuration; results, verdict and outcomes of the run stay as they
    are. Each opening of the test set is an event of the run. Not inside an event loop. Raises RungError as a climb does.
    """

    async def work() -> dict[str, Result]:
        async with reopened(folder, progress or Silent()) as run:
            return {label: await _again(run, label) for label in _labels(run.folder, approaches)}

    with locked(RunFolder.open(folder)):
        return asyncio.run(work())


def answers_to(
    folder: Path,
    approach: str,
    asking: RunFolder,
    ids: Collection[str],
    budget_usd: float | None,
    progress: Progress | None = None,
) -> tuple[Outcome, ...]:
    """Let an approach answer test examples of another run that it has not seen; what is asked is kept in its own folder.

    `budget_usd`: what that may cost beyond what its own run has spent; None: whatever it does. The opening is an event of the run `asking`. Not inside an event loop. Raises RungError as a climb does, FolderBusy where one is
    at work in the folder.
    """
    rows = [e for e in sealed_test(asking).read(f"{approach} of another run answers") if e.id in ids]

    async def work() -> tuple[Outcome, ...]:
        async with reopened(folder, progress or Silent(), limits={"budget_usd": cap}) as run:
            kit = run.kit()
            with run.progress.stage(f"{approach} on new test examples", len(rows)) as bar:
                outcomes = await kit.answer(run.candidate(approach), rows, lambda row: bar.advance(usd=paid(row)))
            return apart(kit, outcomes, rows)

    with locked(RunFolder.open(folder)):
        cap = None if budget_usd is None else budget_usd + _spent(folder)
        return asyncio.run(work()) if rows else ()


def _spent(folder: Path) -> float:
    if not AnswerCache.exists_in(folder):
        return 0.0
    with AnswerCache.open_in(folder) as held:
        return sum(s.usd + s.lost_usd for s in held.spend())


def _labels(run: RunFolder, approaches: Sequence[str]) -> list[str]:
    if approaches:
        return [measured_label(run, said) for said in approaches]
    verdict = run.verdict.get()
    found = (verdict.winner or verdict.tentative_pick) if verdict is not None else None
    if found is None:
        raise RungError(
            f"{run.path} has no winner and no tentative pick to ask again; name approaches: {', '.join(run.measured)}"
        )
    return [found]


async def _again(run: Reopened, label: str) -> Result:
    candidate, before = run.candidate(label), run.folder.rung(label).result.need()
    rows = visiting_order(sealed_test(run.folder).read(f"ask {label} again"), run.config.split.seed)
    kit = run.kit(repeat=1 + secrets.randbelow(_REPEATS))
    with run.progress.stage(f"{label}: {candidate.name} on test again", len(rows)) as bar:
        outcomes = await kit.answer(candidate, rows, lambda row: bar.advance(usd=paid(row)))
    people = human_labels_of(run.folder, run.task)
    again = summarise(
        candidate,
        apart(kit, outcomes, rows),
        run.task,
        len(run.folder.planned),
        test_sha256=before.test_sha256,
        people=people,
        level=before.level,
    )
    now = run.task.as_good_as
    current = None if now in (None, label) else run.folder.rung(now).measured()
    return replace(
        held_beside(again, current, run.task, len(run.folder.planned), people, run.split.latest), load=before.load
    )
