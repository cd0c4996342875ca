"""A finished (or running) climb as a test sees it: `open_run("runs/x").rung("prompt").lower >= 0.9`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rung.background import beside
from rung.engine.fresh import measured_again
from rung.errors import RungError
from rung.store.run import RunFolder
from rung.types import FORMAT, Decision, Estimate, Result, Status, Task, Verdict


@dataclass(frozen=True, repr=False)
class MeasuredRung:
    """One rung on the frozen test rows. `lower` and `upper` are the one-sided bounds that decisions use, in [0, 1]."""

    label: str
    result: Result
    metric: str

    @property
    def lower(self) -> float:
        """What its quality is shown to be at least (at alpha over the number of planned rungs)."""
        return self.result.quality.lower

    @property
    def upper(self) -> float:
        """What its quality is shown to be at most."""
        return self.result.quality.upper

    @property
    def estimate(self) -> Estimate:
        """The deciding metric's mean with its two-sided interval."""
        return self.result.estimates[self.metric]

    @property
    def status(self) -> Status:
        return self.result.status

    @property
    def good_enough(self) -> bool:
        """Whether the goal is met and no limit is broken."""
        return self.result.good_enough

    @property
    def right_form(self) -> float | None:
        """Share of answers in exactly the form asked for; None where the metric knows no form, or it stopped early."""
        form = self.result.estimates.get(FORMAT)
        return form.mean if form is not None else None

    @property
    def cost_per_1k_usd(self) -> float | None:
        return self.result.cost_per_1k_usd

    @property
    def p95_latency_s(self) -> float | None:
        """As it is served, where a limit asked for that; else under the load of the measurement."""
        served = self.result.served
        return self.result.p95_latency_s if served is None else served.p95_s

    def __repr__(self) -> str:
        return (
            f"<rung {self.label}: {self.metric} {self.estimate}, shown to lie between {self.lower:.3f} and "
            f"{self.upper:.3f}, {self.status.replace('_', ' ')}>"
        )


@dataclass(frozen=True, repr=False)
class MeasuredRun:
    """A run folder's measured rungs and its verdict."""

    path: Path
    task: Task
    rungs: tuple[MeasuredRung, ...]
    verdict: Verdict | None
    fresh: bool = False  # asked again today; the verdict is that of the climb

    def rung(self, label: str) -> MeasuredRung:
        """Return a measured rung. Raises RungError naming those that there are."""
        found = next((r for r in self.rungs if r.label == label), None)
        if found is None:
            there = ", ".join(r.label for r in self.rungs) or "none yet"
            if self.fresh:
                raise RungError(f"{label!r} was not asked again; asked: {there} (name others: fresh=[{label!r}])")
            raise RungError(f"{self.path} has no measured approach {label!r}; measured: {there}")
        return found

    @property
    def decision(self) -> Decision | None:
        """meets, inconclusive, misses or stopped; None before there is a verdict."""
        return self.verdict.decision if self.verdict else None

    @property
    def winner(self) -> MeasuredRung | None:
        """The rung that is good enough; None where there is none."""
        return self.rung(self.verdict.winner) if self.verdict and self.verdict.winner else None

    def __repr__(self) -> str:
        said = self.verdict.headline if self.verdict else "no verdict yet"
        return f"<run {self.path}: {said}>"


def open_run(path: Path | str, *, fresh: bool | str | Sequence[str] = False) -> MeasuredRun:
    """Open a run folder for tests; no row of any part is read.

    `fresh`: ask again instead, on the frozen test examples: True the winner (else the tentative pick), or the named approaches. What
    was measured is left as it is; each opening of the test set is written down, each request is paid anew.

    Raises RungError for a folder that is no run, IntegrityError for a damaged one; asking again, what a climb raises.
    """
    folder = RunFolder.open(Path(path))
    task = folder.task
    if fresh:
        names = () if fresh is True else (fresh,) if isinstance(fresh, str) else tuple(fresh)
        results = beside(lambda: measured_again(folder.path, names))
    else:
        results = {label: folder.rung(label).result.need() for label in folder.measured}
    rungs = tuple(MeasuredRung(label, result, task.metrics[0].name) for label, result in results.items())
    return MeasuredRun(folder.path, task, rungs, folder.verdict.get(), fresh=bool(fresh))
