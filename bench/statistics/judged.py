"""A judge and some labels: how often the bounds err, and what a good judge saves in labels."""

from __future__ import annotations

import math

import numpy as np

from bench.statistics.table import Table, percent, run_script
from rung.stats.distribution import FloatArray, normal_quantile, student_quantile
from rung.stats.estimate import clopper_pearson_lower, clopper_pearson_upper, sample_lower, sample_upper
from rung.stats.ppi import Rectified, rectified_gain, rectified_non_inferior, rectify

ALPHA, RUNGS, GOAL, TOLERANCE = 0.05, 5, 0.9, 0.02
JUDGES = {  # share of good answers passed, share of bad answers passed
    "perfect": (1.0, 0.0),
    "good (.95 / .10)": (0.95, 0.10),
    "kind (1.0 / .30)": (1.0, 0.30),
    "harsh (.80 / .02)": (0.80, 0.02),
    "poor (.90 / .50)": (0.90, 0.50),
    "useless (.80 / .80)": (0.80, 0.80),
}
SIZES = ((100, 300), (100, 900), (200, 200), (200, 800))
RATES = (0.80, 0.90, 0.95, 0.98)


def rows(rng: np.random.Generator, rate: float, judge: tuple[float, float], n: int) -> tuple[FloatArray, FloatArray]:
    """Draw what people say of `n` answers, and what the judge says."""
    people = rng.random(n) < rate
    said = np.where(people, rng.random(n) < judge[0], rng.random(n) < judge[1])
    return people.astype(float), said.astype(float)


def plain(people: FloatArray, judged: FloatArray, others: FloatArray, alpha: float) -> tuple[float, float]:
    """Return the one-sided bounds of PPI++ as published: weight, normal quantile, no more."""
    m, n = people.size, others.size
    spread = judged.var(ddof=1) / m + others.var(ddof=1) / n
    weight = min(max(float(np.cov(people, judged)[0, 1]) / m / spread, 0.0), 1.0) if spread > 0 else 0.0
    mean = people.mean() + weight * (others.mean() - judged.mean())
    error = math.sqrt((people - weight * judged).var(ddof=1) / m + weight**2 * others.var(ddof=1) / n)
    half = normal_quantile(1 - alpha) * error
    return float(mean - half), float(mean + half)


def errors(runs: int) -> Table:
    """Share of samples whose bound lies on the wrong side of the truth, the mean over rates and the worst of them."""
    lines = []
    for m, n in SIZES:
        for name, judge in JUDGES.items():
            wrong = np.zeros((len(RATES), 5))
            for k, rate in enumerate(RATES):
                rng = np.random.default_rng(71 + k)
                for _ in range(runs):
                    people, judged = rows(rng, rate, judge, m)
                    others = rows(rng, rate, judge, n)[1]
                    sample = rectify(people, judged, others).sample
                    low, high = plain(people, judged, others, ALPHA)
                    wrong[k] += (
                        sample_lower(sample, ALPHA) > rate,
                        sample_lower(sample, ALPHA / RUNGS) > rate,
                        sample_upper(sample, ALPHA) < rate,
                        low > rate,
                        high < rate,
                    )
            shares = wrong / runs
            cells = [f"{percent(shares[:, j].mean())} / {percent(shares[:, j].max())}" for j in range(5)]
            lines.append((f"{m} + {n}", name, *cells))
    columns = ("labels + others", "judge", "lower at 5 % too high", "lower at 1 %", "upper at 5 % too low",
               "plain PPI++ lower 5 %", "plain upper 5 %")  # fmt: skip
    note = f"Mean / worst of true rates {', '.join(map(str, RATES))}, in percent."
    return Table("Bounds on the wrong side", columns, tuple(lines), runs, note)


def alone(people: FloatArray) -> str:
    """Return the three-way verdict of the labels alone."""
    hits, m = float(people.sum()), people.size
    if clopper_pearson_lower(hits, m, ALPHA / RUNGS) >= GOAL - TOLERANCE:
        return "meets"
    return "not met" if clopper_pearson_upper(hits, m, ALPHA) < GOAL else "inconclusive"


def verdict(found: Rectified) -> str:
    """Return the three-way verdict of judge and labels together."""
    if sample_lower(found.sample, ALPHA / RUNGS) >= GOAL - TOLERANCE:
        return "meets"
    return "not met" if sample_upper(found.sample, ALPHA) < GOAL else "inconclusive"


def power(runs: int) -> Table:
    """Share of runs that say what is true, with labels alone and with a judge beside them."""
    lines = []
    for rate, right in ((0.97, "meets"), (0.95, "meets"), (0.85, "not met"), (0.80, "not met")):
        for m, n in SIZES:
            cells: list[float] = []
            worth = []
            for name, judge in JUDGES.items():
                rng = np.random.default_rng(72)
                said = own = 0
                for _ in range(runs):
                    people, judged = rows(rng, rate, judge, m)
                    found = rectify(people, judged, rows(rng, rate, judge, n)[1])
                    said += verdict(found) == right
                    own += alone(people) == right
                    worth.append(found.worth / m)
                if name == "perfect":
                    cells.append(percent(own / runs, 0))
                cells.append(percent(said / runs, 0))
            lines.append((f"{rate:.2f}", right, f"{m} + {n}", *cells))
    columns = ("truth", "right answer", "labels + others", "labels alone", *JUDGES)
    note = f"Goal {GOAL}, tolerance {TOLERANCE}, {RUNGS} planned rungs; percent of runs with the right answer."
    return Table("Power of labels, alone and with a judge", columns, tuple(lines), runs, note)


def worth(runs: int) -> Table:
    """How many labels one label is worth beside a judge."""
    lines = []
    for name, judge in JUDGES.items():
        cells = []
        for m, n in SIZES:
            for rate in (0.80, 0.95):
                rng = np.random.default_rng(73)
                found = [
                    rectify(*rows(rng, rate, judge, m), rows(rng, rate, judge, n)[1]).worth / m for _ in range(runs)
                ]
                cells.append(round(float(np.mean(found)), 2))
        lines.append((name, *cells))
    columns = ("judge", *(f"{m} + {n}, p {rate}" for m, n in SIZES for rate in (0.80, 0.95)))
    return Table("Labels that one label is worth beside a judge", columns, tuple(lines), runs)


FAVOURS = {  # the judge's shares for what runs now, and for what would take its place
    "perfect": (JUDGES["perfect"], JUDGES["perfect"]),
    "good": (JUDGES["good (.95 / .10)"], JUDGES["good (.95 / .10)"]),
    "kind": (JUDGES["kind (1.0 / .30)"], JUDGES["kind (1.0 / .30)"]),
    "favours the new (.90 / .10, 1.0 / .40)": ((0.9, 0.1), (1.0, 0.4)),
    "favours the old (1.0 / .40, .90 / .10)": ((1.0, 0.4), (0.9, 0.1)),
    "useless": (JUDGES["useless (.80 / .80)"], JUDGES["useless (.80 / .80)"]),
}
MARGINS = (
    (0.02, 0.02),
    (0.05, 0.05),
    (0.05, 0.1),
    (0.05, 0.2),
    (0.1, 0.2),
)  # margin, share of examples on which people see a difference


def pairs(
    rng: np.random.Generator, gain: float, apart: float, judges: tuple[tuple[float, float], tuple[float, float]], n: int
) -> tuple[FloatArray, FloatArray]:
    """Draw people's and the judge's difference between two answers to each of `n` examples; both right on 3 in 4 of those where people see none."""
    u, both = rng.random(n), rng.random(n) < 0.75
    win, lose = u < (apart + gain) / 2, (u >= (apart + gain) / 2) & (u < apart)
    old, new = np.where(win | lose, lose, both), np.where(win | lose, win, both)
    said = [
        np.where(h, rng.random(n) < good, rng.random(n) < bad).astype(float)
        for h, (good, bad) in zip((old, new), judges, strict=True)
    ]
    return new.astype(float) - old, said[1] - said[0]


def beside(runs: int, truth: float) -> Table:
    """Share of samples that show "at most `margin` worse", one-sided 5 %: where the truth is exactly at the margin (`truth` 1), or no difference (0)."""
    lines = []
    for m, n in ((100, 300), (100, 900), (200, 200), (200, 800)):
        for margin, apart in MARGINS:
            cells: list[float] = []
            for name, judges in FAVOURS.items():
                rng, shown, old = np.random.default_rng(74), 0, 0
                for _ in range(runs):
                    y, f = pairs(rng, -truth * margin, apart, judges, m + n)
                    shown += rectified_non_inferior(y[:m], f[:m], f[m:], margin=margin, alpha=ALPHA).shown
                    if name == "good":  # Student's t, and the labels alone
                        gain = rectified_gain(y[:m], f[:m], f[m:])
                        error = (gain.high - gain.low) / 2 / student_quantile(0.975, m - 1.0)
                        old += gain.gain - student_quantile(1 - ALPHA, m - 1.0) * error > -margin
                cells.append(percent(shown / runs))
                if name == "good":
                    alone = percent(old / runs)
            lines.append((f"{m} + {n}", f"{margin:g}", f"{apart:g}", *cells, alone))
    columns = ("labels + others", "margin", "people see a difference", *FAVOURS, "good, by Student's t")
    what = "exactly at the margin: every one is wrong" if truth else "no difference: every one is right"
    return Table(f"Shown at most a margin worse where the truth is {what}", columns, tuple(lines), runs)


def tables(quick: bool) -> list[Table]:
    """All tables of this script."""
    return [
        errors(200 if quick else 4_000),
        power(200 if quick else 2_000),
        worth(50 if quick else 500),
        *(beside(100 if quick else 1_000, truth) for truth in (1.0, 0.0)),
    ]


if __name__ == "__main__":
    run_script("judged", tables)
