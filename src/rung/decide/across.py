"""Compare rungs of two runs that were measured on the same frozen test rows."""

from __future__ import annotations

from dataclasses import dataclass

from rung.decide.compare import compare, shown_cheaper_or_faster, shown_not_worse
from rung.decide.wording import difference
from rung.errors import IntegrityError, RungError
from rung.stats.paired import NonInferiority
from rung.types import Comparison, Result, Task


@dataclass(frozen=True)
class Side:
    """One measured rung of one run."""

    name: str  # FOLDER:RUNG
    result: Result
    task: Task
    opened: int  # how often that run's test part was opened
    revealed: bool
    seed: int  # of the run: equal pairs are resampled alike wherever they are shown


@dataclass(frozen=True)
class Across:
    """Two measured rungs on the same test rows, one pair: no correction. `not_worse`: whether `upper` is shown to be at most
    `margin` worse. `spares`: "cheaper" or "faster" where it is significantly so, row by row. `notes`: what weakens the comparison.
    """

    comparison: Comparison
    lower: Side
    upper: Side
    alpha: float
    margin: float
    not_worse: NonInferiority | None
    spares: str | None
    notes: tuple[str, ...]

    @property
    def better(self) -> bool:
        return self.comparison.gain > 0 and self.comparison.p_value < self.alpha

    @property
    def worse(self) -> bool:
        return self.comparison.gain < 0 and self.comparison.p_value < self.alpha

    @property
    def word(self) -> str:
        """What is shown of the difference."""
        return difference(self.comparison, self.alpha)


def across(one: Side, two: Side) -> Across:
    """Compare the second with the first.

    Raises IntegrityError when the two were measured on different test examples or by different metrics, RungError when no
    example has a score in both.
    """
    a, b = one.result, two.result
    if a.test_sha256 != b.test_sha256:
        raise IntegrityError(
            f"{one.name} and {two.name} were measured on different test examples (hashes {a.test_sha256[:12]} and "
            f"{b.test_sha256[:12]}); only runs on the same frozen examples can be compared example by example"
        )
    if one.task.metrics[0] != two.task.metrics[0]:
        raise IntegrityError(
            f"{one.name} is judged by {one.task.metrics[0].name} and {two.name} by {two.task.metrics[0].name}, or with other "
            "settings; give both tasks one first metric"
        )
    found = compare((one.name, a), (two.name, b), two.task, seed=two.seed)
    if found is None:
        raise RungError(f"{one.name} and {two.name} share no test example that has a score in both")
    return Across(
        comparison=found,
        lower=one,
        upper=two,
        alpha=two.task.alpha,
        margin=two.task.min_gain,
        not_worse=shown_not_worse(a, b, two.task),
        spares=shown_cheaper_or_faster(a, b, two.task, seed=two.seed),
        notes=tuple(_notes(one, two, found)),
    )


def _notes(one: Side, two: Side, found: Comparison) -> list[str]:
    notes = []
    for side in (one, two):
        if side.result.stopped_early_at is not None:
            notes.append(f"{side.name} stopped early: only the {found.n:,} examples that both visited are compared")
        if side.revealed:
            notes.append(
                f"the test examples of {side.name} were shown to people: what was made after that is not judged fairly"
            )
    if one.task.failure_score != two.task.failure_score:
        notes.append("the two tasks count failed examples differently; both are counted as the second one does")
    return notes
