"""What tuning costs: a model before and after on everything that must be kept, paired, with a veto."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rung.stats.estimate import interval_mean
from rung.stats.paired import compare_paired, holm, non_inferior
from rung.types import Estimate

Keeping = Literal["kept", "forgotten", "unclear", "absent"]
FEWEST = 8  # rows below which nothing is claimed


@dataclass(frozen=True, slots=True)
class Kept:
    """One ability or task before and after, on the same rows.

    `status`: "forgotten" is a significant loss of at least the margin (Holm over everything kept); "kept" is shown to be
    not worse than the margin; "absent": the model could not do it before, so there is nothing to forget; else "unclear".
    """

    name: str
    before: Estimate
    after: Estimate
    change: float
    low: float
    high: float
    p_adjusted: float
    status: Keeping


@dataclass(frozen=True)
class Forgetting:
    """The whole comparison. `vetoed`: something is forgotten, so these weights may not win."""

    kept: tuple[Kept, ...]
    margin: float

    @property
    def forgotten(self) -> tuple[Kept, ...]:
        return tuple(k for k in self.kept if k.status == "forgotten")

    @property
    def vetoed(self) -> bool:
        return bool(self.forgotten)

    @property
    def worst_change(self) -> float | None:
        """The largest loss among what the model could do before; None where it could do nothing of it."""
        return min((k.change for k in self.kept if k.status != "absent"), default=None)

    @property
    def sentence(self) -> str:
        if self.vetoed:
            named = ", ".join(f"{k.name} {k.before.mean:.2f} to {k.after.mean:.2f}" for k in self.forgotten)
            return f"Tuning cost other abilities: {named}."
        able = [k for k in self.kept if k.status != "absent"]
        if not able:
            return "Nothing was there to forget: the model could do none of what is kept before it was tuned."
        shown = sum(k.status == "kept" for k in able)
        return f"No loss shown in {len(able)} kept abilities; {shown} are shown to be kept within {self.margin:g}."


def compare_kept(
    before: Mapping[str, Mapping[str, float]],
    after: Mapping[str, Mapping[str, float]],
    *,
    alpha: float,
    margin: float,
    seed: int,
) -> Forgetting:
    """Compare scores in [0, 1] by name and row id, before and after; rows without a score on one side are left out."""
    names = [name for name in before if len(before[name].keys() & after.get(name, {}).keys()) >= FEWEST]
    pairs = {name: _paired(before[name], after[name]) for name in names}
    tests = {name: compare_paired(a, b, None, seed=seed) for name, (a, b) in pairs.items()}
    adjusted = dict(zip(names, holm([tests[n].p_value for n in names], max(1, len(names))), strict=True))
    found = []
    for name, (a, b) in pairs.items():
        test = tests[name]
        status: Keeping = "unclear"
        if not any(a):
            status = "absent"
        elif adjusted[name] < alpha and test.gain <= -margin:
            status = "forgotten"
        elif non_inferior(a, b, None, margin=margin, alpha=alpha).shown:
            status = "kept"
        found.append(Kept(name, _estimate(a), _estimate(b), test.gain, test.low, test.high, adjusted[name], status))
    return Forgetting(tuple(found), margin)


def _paired(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[list[float], list[float]]:
    shared = sorted(before.keys() & after.keys())
    return [before[i] for i in shared], [after[i] for i in shared]


def _estimate(values: Sequence[float]) -> Estimate:
    found = interval_mean(values)
    return Estimate(found.mean, found.low, found.high, found.n, found.method)
