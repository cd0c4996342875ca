"""What tuning costs: a model before and after on everything that must be kept, paired, with a veto."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rung.stats.estimate import interval_mean
from rung.stats.paired import agreeing, compare_paired, holm, non_inferior
from rung.tuning.abilities import chance_of
from rung.types import Estimate, Forgetting, RegressionResult, Retention

FEWEST = 8  # rows below which nothing is claimed


def compare_kept(
    before: Mapping[str, Mapping[str, float]],
    after: Mapping[str, Mapping[str, float]],
    *,
    alpha: float,
    margin: float,
    seed: int,
) -> Forgetting:
    """Compare scores in [0, 1] by name and row id, before and after; rows without a score on one side are left out.

    What the model could not do before, shown by an interval that reaches down to chance, cannot be forgotten: it is "absent".
    """
    names = [name for name in before if len(before[name].keys() & after.get(name, {}).keys()) >= FEWEST]
    pairs = {name: _paired(before[name], after[name]) for name in names}
    tests = {name: agreeing(compare_paired(a, b, None, seed=seed), alpha) for name, (a, b) in pairs.items()}
    able = [name for name in names if interval_mean(pairs[name][0]).low > chance_of(name)]
    adjusted = dict(zip(able, holm([tests[n].p_value for n in able], max(1, len(able))), strict=True))
    found = []
    for name, (a, b) in pairs.items():
        test = tests[name]
        status: Retention = "inconclusive"
        if name not in adjusted:
            status = "absent"
        elif adjusted[name] < alpha and test.gain <= -margin:
            status = "forgotten"
        elif non_inferior(a, b, None, margin=margin, alpha=alpha).shown:
            status = "kept"
        found.append(
            RegressionResult(
                name, _estimate(a), _estimate(b), test.gain, test.low, test.high, adjusted.get(name, 1.0), status
            )
        )
    return Forgetting(tuple(found), margin)


def _paired(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[list[float], list[float]]:
    shared = sorted(before.keys() & after.keys())
    return [before[i] for i in shared], [after[i] for i in shared]


def _estimate(values: Sequence[float]) -> Estimate:
    found = interval_mean(values)
    return Estimate(found.mean, found.low, found.high, found.n, found.method)
