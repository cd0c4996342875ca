"""Coverage of intervals and errors of one-sided bounds: ungrouped, grouped, graded."""

from __future__ import annotations

import numpy as np

from bench.statistics.rows import FloatArray, graded_rows, group_sizes, grouped_rows
from bench.statistics.table import Table, percent, run_script
from rung.stats.distribution import binomial_mass, normal_quantile
from rung.stats.estimate import (
    Sample,
    clopper_pearson_lower,
    interval_mean,
    sample_lower,
    sample_upper,
    summarise,
    wilson,
)

GRID = (0.6, 0.8, 0.9, 0.95, 0.98)


def ungrouped() -> Table:
    """Exact coverage of Wilson and exact one-sided errors, over a grid of 0.50 to 0.99."""
    rates = np.arange(0.50, 0.995, 0.01)
    lines = []
    for n in (50, 100, 200, 400, 1000):
        spans = [wilson(k, n) for k in range(n + 1)]
        low, high = np.array([s.low for s in spans]), np.array([s.high for s in spans])
        exact = np.array([clopper_pearson_lower(k, n, 0.05) for k in range(n + 1)])
        one_sided = np.array([wilson(k, n, 0.90).low for k in range(n + 1)])
        masses = [binomial_mass(n, float(p)) for p in rates]
        covered = [m[(low <= p) & (p <= high)].sum() for m, p in zip(masses, rates, strict=True)]
        errors = [[m[b > p].sum() for m, p in zip(masses, rates, strict=True)] for b in (exact, one_sided)]
        cells = (np.mean(covered), np.min(covered), np.max(errors[0]), np.mean(errors[1]), np.max(errors[1]))
        lines.append((n, *(percent(float(c)) for c in cells)))
    columns = (
        "n", "Wilson covers, mean %", "worst p %", "Clopper-Pearson lower errs, worst p %",
        "one-sided Wilson errs, mean %", "worst p %",
    )  # fmt: skip
    return Table("0/1, ungrouped, nominal 95 % / 5 %", columns, tuple(lines))


def grouped(runs: int) -> Table:
    """Two-sided coverage in groups: ours, row-wise Wilson, percentile cluster bootstrap; averaged over the grid of p."""
    lines = []
    for kind, rows in (("equal", 10), ("skewed", 10), ("equal", None)):
        for groups in (8, 20, 50):
            for icc in (0.0, 0.1, 0.3):
                rng = np.random.default_rng(51)
                sizes = group_sizes(kind, groups, rows or 400 // groups)
                hits = np.zeros(3)
                for rate in GRID:
                    for _ in range(runs):
                        scores, names = grouped_rows(rng, rate, icc, sizes)
                        ours = interval_mean(scores, names)
                        naive = wilson(float(scores.sum()), scores.size)
                        low, high = _bootstrap(rng, scores, sizes)
                        hits += [ours.low <= rate <= ours.high, naive.low <= rate <= naive.high, low <= rate <= high]
                where = f"{groups} {kind}" if rows else f"{groups} of {400 // groups}"
                lines.append((where, icc, *(percent(float(h)) for h in hits / (runs * len(GRID)))))
    columns = (
        "groups (of 10 on average, or as said)",
        "ICC",
        "n_eff (ours) %",
        "row-wise Wilson %",
        "cluster bootstrap %",
    )
    return Table(
        "0/1, grouped: coverage at nominal 95 %, mean over p = .6 to .98", columns, tuple(lines), runs * len(GRID)
    )


def _bootstrap(rng: np.random.Generator, scores: FloatArray, sizes: tuple[int, ...]) -> tuple[float, float]:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums, weights = np.add.reduceat(scores, starts), np.asarray(sizes, float)
    drawn = rng.integers(0, len(sizes), (500, len(sizes)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / weights[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def grouped_bounds(runs: int) -> Table:
    """One-sided errors of the decision bounds in groups; plain: with the estimated variance as it stands."""
    lines = []
    for kind in ("equal", "skewed"):
        for groups in (8, 20, 50, 100):
            for icc in (0.0, 0.1, 0.3):
                rng = np.random.default_rng(52)
                sizes = group_sizes(kind, groups, 10)
                errors = np.zeros((len(GRID), 5))
                for i, rate in enumerate(GRID):
                    for _ in range(runs):
                        sample = summarise(*grouped_rows(rng, rate, icc, sizes))
                        plain = _plain(sample)
                        errors[i] += [
                            sample_lower(sample, 0.05) > rate, sample_lower(sample, 0.01) > rate,
                            plain[0] > rate, plain[1] > rate, sample_upper(sample, 0.05) < rate,
                        ]  # fmt: skip
                mean, worst = errors.mean(axis=0) / runs, errors.max(axis=0) / runs
                cells = (mean[0], worst[0], mean[1], worst[1], mean[2], mean[3], mean[4])
                lines.append((f"{groups} {kind}", icc, *(percent(float(c), 2) for c in cells)))
    columns = (
        "groups", "ICC", "lower .05 errs %", "worst p", "lower .01 errs %", "worst p",
        "plain .05 %", "plain .01 %", "upper .05 %",
    )  # fmt: skip
    return Table("0/1, grouped: errors of one-sided bounds", columns, tuple(lines), runs * len(GRID))


def _plain(sample: Sample) -> tuple[float, float]:
    """Return the lower bounds at .05 and .01 without the allowance for the variance's own error."""
    bounds = []
    for alpha in (0.05, 0.01):
        q = sample.quantile(1 - alpha)
        n = 0.0 if q is None else sample.n_eff * (normal_quantile(1 - alpha) / q) ** 2
        bounds.append(clopper_pearson_lower(sample.mean * n, n, alpha) if n > 0 else 0.0)
    return bounds[0], bounds[1]


def graded(runs: int) -> Table:
    """Scores in [0, 1], ungrouped."""
    lines = []
    grids = {
        "smooth": (0.5, 0.7, 0.8, 0.9, 0.95),
        "partial": (0.5, 0.7, 0.8, 0.9, 0.95),
        "catastrophe": (0.85, 0.9, 0.92, 0.94),
    }
    for law, rates in grids.items():
        for n in (50, 100, 200, 400, 1000):
            rng = np.random.default_rng(53)
            hits, size = np.zeros(4), 0.0
            for rate in rates:
                for _ in range(runs):
                    scores = graded_rows(rng, law, rate, n)
                    span, sample = interval_mean(scores), summarise(scores)
                    hits += [
                        span.low <= rate <= span.high, sample_lower(sample, 0.05) > rate,
                        sample_lower(sample, 0.01) > rate, sample_upper(sample, 0.05) < rate,
                    ]  # fmt: skip
                    size += span.n_eff / n
            total = runs * len(rates)
            lines.append((law, n, round(size / total, 2), *(percent(float(h), 2) for h in hits / total)))
    columns = (
        "law of scores",
        "n",
        "n_eff / n",
        "interval covers %",
        "lower .05 errs %",
        "lower .01 errs %",
        "upper .05 errs %",
    )
    return Table("Scores in [0, 1], ungrouped, mean over p", columns, tuple(lines), runs * 5)


def tables(quick: bool) -> list[Table]:
    """Return all tables of this script."""
    runs = 60 if quick else 1_000
    return [ungrouped(), grouped(runs), grouped_bounds(runs), graded(runs)]


if __name__ == "__main__":
    run_script("intervals", tables)
