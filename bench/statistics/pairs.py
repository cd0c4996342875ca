"""Rung against rung: false gains, coverage of the gain's interval, "not worse", and the luck of the winner."""

from __future__ import annotations

import numpy as np

from bench.statistics.ladders import ALPHA, GOAL, RUNGS, TOLERANCE
from bench.statistics.rows import SHARED, group_sizes, grouped_rows, ladder_rows
from bench.statistics.table import Table, percent, run_script
from rung.stats.estimate import clopper_pearson_lower
from rung.stats.paired import compare_paired, holm, non_inferior
from rung.stats.power import hits_for_met, minimum_detectable_effect, rows_for_non_inferiority


def visible() -> Table:
    """Smallest visible gains in points, exact."""
    lines = []
    for discordance in (0.05, 0.10, 0.20):
        cells = []
        for n in (100, 200, 400, 1000):
            gains = [minimum_detectable_effect(n, discordance, a) for a in (0.05, 0.01)]
            cells.append(" / ".join("none" if g is None else f"{100 * g:.1f}" for g in gains))
        lines.append((f"{100 * discordance:.0f} %", *cells))
    return Table(
        "Minimum detectable effect in points, 80 % power, alpha .05 / Holm-worst of 5",
        ("discordance", "100", "200", "400", "1000"), tuple(lines),
    )  # fmt: skip


def false_gains(runs: int) -> Table:
    """Share of ladders of five equal rungs with any significant adjacent gain, with and without Holm."""
    lines = []
    for n in (200, 400):
        for rate in (0.7, 0.9):
            rng = np.random.default_rng(41)
            raw = corrected = intervals = disagree = pairs = 0
            for run in range(runs):
                rows = ladder_rows(rng, (rate,) * RUNGS, n, 1)[0]
                tests = [compare_paired(rows[k], rows[k + 1], seed=run) for k in range(RUNGS - 1)]
                p = [t.p_value for t in tests]
                up = [t.gain > 0.0 for t in tests]
                raw += any(u and x < ALPHA for u, x in zip(up, p, strict=True))
                corrected += any(u and x < ALPHA for u, x in zip(up, holm(p, RUNGS - 1), strict=True))
                for t in tests:
                    pairs += 1
                    intervals += t.low <= 0.0 <= t.high
                    disagree += (t.p_value < ALPHA) == (t.low <= 0.0 <= t.high)
            lines.append(
                (
                    f"{rate}",
                    n,
                    percent(raw / runs),
                    percent(corrected / runs),
                    percent(intervals / pairs),
                    percent(disagree / pairs),
                )
            )
    columns = (
        "true rate",
        "n",
        "any false gain, raw %",
        "with Holm %",
        "Newcombe covers %",
        "p and interval disagree %",
    )
    return Table("Five equal rungs, 0/1, ungrouped", columns, tuple(lines), runs)


def true_gain(runs: int) -> Table:
    """Coverage of Newcombe's interval where there is a gain: 0.85 against 0.90, hard rows in common."""
    lines = []
    for n in (50, 100, 200, 400, 1000):
        rng = np.random.default_rng(45)
        covered = found = disagree = 0
        for run in range(runs):
            a, b = ladder_rows(rng, (0.85, 0.90), n, 1)[0]
            t = compare_paired(a, b, seed=run)
            covered += t.low <= 0.05 <= t.high
            found += t.p_value < ALPHA and t.gain > 0
            disagree += (t.p_value < ALPHA) == (t.low <= 0.0 <= t.high)
        lines.append((n, percent(covered / runs), percent(found / runs), percent(disagree / runs)))
    columns = ("n", "Newcombe covers %", "McNemar finds it %", "p and interval disagree %")
    return Table("A true gain of 5 points, 0/1, ungrouped", columns, tuple(lines), runs)


def grouped(runs: int) -> Table:
    """Sign-flip errors and coverage of the widened cluster bootstrap, true gain 0, group effects drawn anew for each rung."""
    lines = []
    for groups, size in ((8, 10), (20, 10), (50, 10)):
        for icc in (0.0, 0.1, 0.3):
            rng = np.random.default_rng(42)
            false = covered = disagree = total = 0
            for rate in (0.7, 0.9):
                sizes = group_sizes("equal", groups, size)
                for run in range(runs // 2):
                    a, names = grouped_rows(rng, rate, icc, sizes)
                    b, _ = grouped_rows(rng, rate, icc, sizes)
                    t = compare_paired(a, b, names, seed=run)
                    inside = t.low <= 0.0 <= t.high
                    total += 1
                    false += t.p_value < ALPHA
                    covered += inside
                    disagree += (t.p_value < ALPHA) == inside
            lines.append((groups, icc, percent(false / total), percent(covered / total), percent(disagree / total)))
    columns = ("groups of 10", "ICC", "sign-flip errs %", "bootstrap covers %", "disagree %")
    return Table("Two equal rungs, 0/1, grouped", columns, tuple(lines), runs)


def not_worse(runs: int) -> Table:
    """Tango's test at the margin (error) and at equality with the rows that the plan names (power)."""
    lines = []
    margin = 0.02
    for discordance in (0.05, 0.10, 0.20):
        n = rows_for_non_inferiority(margin, discordance)
        shown = []
        for gain in (-margin, 0.0):
            rng = np.random.default_rng(43)
            shares = [(discordance + gain) / 2, (discordance - gain) / 2, 1 - discordance]
            hits = 0
            for up, down, _ in rng.multinomial(n, shares, runs):
                a = np.ones(n)
                b = np.ones(n)
                a[:up] = 0.0
                b[up : up + down] = 0.0
                hits += non_inferior(a, b, None, margin, ALPHA).shown
            shown.append(percent(hits / runs))
        lines.append((f"{100 * discordance:.0f} %", n, *shown))
    columns = ("discordance", "planned rows", "shown at the margin (error) %", "shown when equal (power) %")
    return Table("Not worse by more than 0.02, alpha 0.05", columns, tuple(lines), runs)


def selection(runs: int) -> Table:
    """How much too high the winner looks on the rows that selected it, and how often its alpha / K bound is too high."""
    worlds = {
        "clear winner": (0.55, 0.70, 0.80, 0.95, 0.97, 0.97),
        "steadily rising": (0.82, 0.84, 0.86, 0.88, 0.90, 0.92),
        "all at g - t": (0.88,) * 6,
    }
    lines = []
    for name, rates in worlds.items():
        for n in (200, 400):
            rng = np.random.default_rng(44)
            needed = int(hits_for_met(n, GOAL, TOLERANCE, ALPHA, len(rates))[0])
            lower = np.array([clopper_pearson_lower(k, n, ALPHA / len(rates)) for k in range(n + 1)])
            hits = np.concatenate([ladder_rows(rng, rates, n, 500).sum(axis=2) for _ in range(runs // 500)]).astype(int)
            met = hits >= needed
            won = met.any(axis=1)
            first = met.argmax(axis=1)[won]
            mine = hits[won, first]
            truth = np.asarray(rates)[first]
            bias = float((mine / n - truth).mean())
            missed = float((lower[mine] > truth).sum() / runs)
            lines.append((name, n, percent(float(won.mean())), round(100 * bias, 2), percent(missed)))
    columns = ("world (six rungs)", "n", "any met %", "estimate too high by, points", "bound too high, of all climbs %")
    return Table("The winner on the rows that selected it", columns, tuple(lines), runs)


def tables(quick: bool) -> list[Table]:
    """Return all tables of this script."""
    few = 200 if quick else 2_000
    return [
        visible(),
        false_gains(few),
        true_gain(few),
        grouped(few),
        not_worse(few),
        selection(2_000 if quick else 20_000),
    ]


if __name__ == "__main__":
    print(f"share of latent variance in common: {SHARED}")
    run_script("pairs", tables)
