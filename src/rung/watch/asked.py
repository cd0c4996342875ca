"""The same dev examples asked night after night: is what answers still what it was, behind its name?

Examples of the first nights are paired with those of the last ones. While nothing has changed, both are draws of one answer, so that each
example is as likely better as worse: an exact sign test, by group, whatever the metric and however an answer varies. Each night has an equal
share of the year's 1 %. No baseline was chosen, as the dev scores of the run were.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

from rung.engine.reopen import Reopened, reopened
from rung.errors import IntegrityError, RungError
from rung.progress import Progress, Silent, paid
from rung.stats.paired import mcnemar_exact
from rung.stats.watching import OF_ASKED, YEAR
from rung.store.folder import locked, now
from rung.store.records import Night
from rung.store.run import RunFolder

MOST_NIGHTS = 7  # that stand on either side
MOST_LOOKS = 366  # in a year


@dataclass(frozen=True, slots=True)
class Held:
    """What the nights show. `alarm`: the first day on which a change was shown; None: none. `other`: the share of examples whose answer of the last
    night is not word for word that of the first one, which alarms nobody."""

    nights: int
    examples: int
    better: int
    worse: int
    p_value: float
    level: float
    other: float
    alarm: str | None

    @property
    def sees(self) -> float | None:
        """The smallest drop of the score that a night can show, as a share of the examples that turn wrong while none turns right; None: none."""
        fewest = next(k for k in count(1) if mcnemar_exact(0, k) < self.level)
        return fewest / self.examples if fewest <= self.examples else None


def ask(folder: Path, label: str, number: int, progress: Progress | None = None) -> tuple[Night, ...]:
    """Ask the fixed dev examples of an approach once more, as in service; keep the night in the run folder and return all of its nights.

    Not inside an event loop. Raises RungError for an approach that asks no model, and where an answer is missing: the night then counts for
    nothing. FolderBusy where a climb is at work there.
    """

    async def work() -> Night:
        async with reopened(folder, progress or Silent(), served=True) as run:
            return await _night(run, label, number)

    run = RunFolder.open(folder)
    if run.rung(label).result.need().candidate.model is None:
        raise RungError(f"{label} asks no model, so nothing can change behind its name")
    with locked(run):
        night = asyncio.run(work())
        nights = (*(run.asked.get() or ()), night)
        run.asked.save(nights)
    return tuple(one for one in nights if one.candidate == night.candidate)


async def _night(run: Reopened, label: str, number: int) -> Night:
    kit, candidate = run.kit(), run.chosen(label)
    rows = sorted(run.split.dev, key=lambda e: e.id)
    rows = kit.rng("asked again").sample(rows, min(number, len(rows)))
    with run.progress.stage(f"{label}: dev examples asked again", len(rows)) as bar:
        outcomes = await kit.answer(candidate, rows, lambda row: bar.advance(usd=paid(row)))
    lost = [o.failure.message for o in outcomes if o.unanswered and o.failure is not None]
    if lost:
        raise RungError(
            f"{len(lost)} of {len(rows)} dev examples got no answer, so this night counts for nothing: {lost[0]}"
        )
    metric, failed = run.task.metrics[0].name, run.task.failure_score
    return Night(
        now(),
        candidate.id,
        {o.example_id: o.value(metric, failed) for o in outcomes},
        {
            o.example_id: hashlib.sha256(o.answer.text.encode("utf-8", "replace")).hexdigest()[:8]
            for o in outcomes
            if o.answer
        },
        {e.id: e.group for e in rows if e.group != e.id},
    )


def held(nights: Sequence[Night]) -> Held | None:
    """Return what the nights of one candidate show by the last one, the oldest first; None with fewer than two.

    Each year since the first night has an error of `OF_ASKED`, in equal parts of 366 nights; more in one year are not looked at.
    """
    found: Held | None = None
    looks = Counter[int]()
    for end in range(2, len(nights) + 1):
        year = (_day(nights[end - 1]) - _day(nights[0])) // YEAR
        looks[year] += 1
        if looks[year] <= MOST_LOOKS:
            found = _look(nights[:end], found.alarm if found is not None else None)
    return found


def _look(nights: Sequence[Night], alarm: str | None) -> Held:
    side = min(MOST_NIGHTS, len(nights) // 2)
    sums = [_sums(part) for part in (nights[:side], nights[-side:])]
    groups: dict[str, float] = {}
    for example in sums[0].keys() & sums[1].keys():
        group = nights[-1].groups.get(example, example)
        groups[group] = groups.get(group, 0.0) + sums[1][example] - sums[0][example]
    better, worse = (sum(sign * d > 1e-9 for d in groups.values()) for sign in (1, -1))
    p, level = mcnemar_exact(better, worse), OF_ASKED / MOST_LOOKS
    first, last = nights[0].answers, nights[-1].answers
    both = first.keys() & last.keys()
    other = sum(first[i] != last[i] for i in both) / len(both) if both else 0.0
    return Held(
        len(nights), len(groups), better, worse, p, level, other, alarm or (nights[-1].at[:10] if p < level else None)
    )


def _day(night: Night) -> int:
    try:
        return date.fromisoformat(night.at[:10]).toordinal()
    except ValueError as error:
        raise IntegrityError(
            f"a stored night of examples that were asked again has no day: {night.at[:40]!r}"
        ) from error


def _sums(nights: Sequence[Night]) -> dict[str, float]:
    """Return the summed score of each example that all of these nights scored."""
    values = {i: [night.scores.get(i) for night in nights] for i in nights[0].scores}
    return {i: sum(v for v in found if v is not None) for i, found in values.items() if None not in found}
