"""Worlds of what misleads a verdict, by the number of the section of the design that says what to do about it:
python -m bench.decisions.faults [NUMBER ...] [--climbs 400].

Each world is climbed with the product's own code; `before` is the figure of the rule that stood there until then, found in the same run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial

import numpy as np
from scipy.special import ndtri

from rung.data.shares import shares_by_need
from rung.stats.estimate import clopper_pearson_lower, clopper_pearson_upper, sample_lower, summarise
from rung.stats.power import power_met
from rung.stats.threeway import fallen
from rung.stats.wealth import share, weight
from rung.types import TWINS, usual_tolerance


@dataclass(frozen=True, slots=True)
class Figure:
    """One share of climbs, by the rule as it was and as it is."""

    world: str
    n: int
    what: str
    before: float
    now: float
    climbs: int  # 0: exact


def tight_goal(climbs: int) -> Iterator[Figure]:
    """8.4: a goal of .999 and a truth of .99, ten times the errors that the goal allows. Exact; `climbs` is not used."""
    for goal, truth in ((0.999, 0.99), (0.99, 0.98), (0.95, 0.94)):
        for n in (400, 2000):
            before, now = (power_met(truth, n, goal, t, 0.05, 5) for t in (0.02, usual_tolerance(goal)))
            yield Figure(f"goal {goal:g}, truth {truth:g}", n, "wrong 'meets'", before, now, 0)


def near_duplicates(climbs: int) -> Iterator[Figure]:
    """8.3: five approaches at goal - tolerance, alpha / 5 each; a share of the rows in clusters that are right or wrong together.

    Before: every row by itself. Now: clusters are groups.
    """
    for n in (400, 1000):
        for part, size in ((0.3, 5), (0.3, 10), (0.5, 10), (0.5, 20)):
            clusters = round(part * n) // size
            names = [f"{TWINS}{i // size}" for i in range(clusters * size)] + [
                str(i) for i in range(clusters * size, n)
            ]
            draw, wrong = np.random.default_rng([n, size, clusters]), np.zeros(2)
            for _ in range(climbs):
                met = np.zeros(2, dtype=bool)
                for _ in range(5):
                    together, alone = draw.random(clusters) < 0.88, draw.random(n - clusters * size) < 0.88
                    values = np.concatenate([np.repeat(together, size), alone]).astype(float)
                    samples = summarise(values), summarise(values, names)
                    met |= [sample_lower(sample, 0.01) >= 0.88 for sample in samples]
                wrong += met
            world = f"{part:.0%} of the rows in clusters of {size}"
            yield Figure(world, n, "wrong 'meets'", *(float(w) / climbs for w in wrong), climbs)


def alpha_by_dev(climbs: int) -> Iterator[Figure]:
    """8.6: five planned approaches, a prompt of five candidates and examples of three, goal .9; nothing learns from rows.

    Before: 15 % dev and 40 % test, alpha / 5 each. Now: 20 and 70 %, alpha by dev. *Right*: stops at an approach that is truly at the
    goal or above. The tuned model is not reached, since something cheaper is not shown to miss.
    """
    for rows in (150, 250, 500, 750):
        for truth in (0.92, 0.93, 0.95, 0.88):
            ladder = ((0.75,), (truth, *[truth - 0.03] * 4), (truth, *[truth - 0.03] * 2), (truth,))
            if truth < 0.9:
                ladder = ((truth,), (truth,) * 5, (truth,) * 3, (truth,))
            seed = (rows, round(1000 * truth))
            old = _decided(ladder, round(0.15 * rows), round(0.4 * rows), climbs, seed, by_dev=False)
            new = _decided(ladder, round(0.2 * rows), round(0.7 * rows), climbs, seed, by_dev=True)
            same = _decided(ladder, round(0.15 * rows), round(0.4 * rows), climbs, seed, by_dev=True)
            whats = ("right", "inconclusive") if truth >= 0.9 else ("wrong 'meets'",)
            for what, a, b, c in zip(whats, old, new, same, strict=False):
                yield Figure(f"truth {truth:g}", rows, what, a, b, climbs)
                yield Figure(f"truth {truth:g}, split of before", rows, what, a, c, climbs)


def _decided(
    ladder: Sequence[Sequence[float]],
    dev: int,
    test: int,
    climbs: int,
    seed: tuple[int, ...],
    *,
    by_dev: bool,
    planned: int = 5,
    refitted: float | None = None,
) -> tuple[float, float]:
    """Return the shares of climbs that say *meets*, of an approach whose best candidate is at the goal or good enough at least, and
    that end inconclusive. `refitted`: the rate of the first approach on test, where it has learnt from dev."""
    goal, tolerance, alpha = 0.9, 0.02, 0.05
    draw = np.random.default_rng([*seed, by_dev, test])
    met, inconclusive = 0, 0
    for _ in range(climbs):
        wealth, unclear = alpha, False
        for at, rates in enumerate(ladder):
            seen = draw.binomial(dev, rates)
            best = int(seen.argmax())
            own = _weight(int(seen[best]), dev, goal - tolerance)
            level = share(wealth, own, planned - 1 - at) if by_dev else alpha / planned
            wealth -= level
            rate = rates[best] if at or refitted is None else refitted
            hits = int(draw.binomial(test, rate))
            if clopper_pearson_lower(hits, test, level) >= goal - tolerance:
                met += 1
                break
            unclear |= clopper_pearson_upper(hits, test, alpha) >= goal
        else:
            inconclusive += unclear
    return met / climbs, inconclusive / climbs


def split_by_need(climbs: int) -> Iterator[Figure]:
    """8.6 (i): nothing is tuned: a prompt of five candidates, examples of three, passages, with and without a baseline, goal .9.

    Before: 45 / 15 / 40 and alpha divided equally. Now: the shares of `shares_by_need`, alpha by dev. The last worlds have a baseline
    that is truly `rate(rows)` after learning from so many: now it learns from dev, too, before the test.
    """
    for rows in (150, 250, 500, 750):
        for truth in (0.92, 0.93, 0.95, 0.88):
            low = truth - 0.03 if truth >= 0.9 else truth
            asking = ((truth, *[low] * 4), (truth, *[low] * 2), (truth,))
            for names, ladder in (
                (("prompt", "fewshot", "rag"), asking),
                (("baseline", "prompt", "fewshot", "rag"), ((0.75,), *asking)),
            ):
                yield from _by_need(f"truth {truth:g}, {' '.join(names)}", names, ladder, rows, climbs, truth)
        for best, slope in ((0.99, 0.6), (0.97, 0.3)):
            rate = partial(_learnt, best, slope)
            ladder = ((rate(0.45 * rows),), (0.85, *[0.82] * 4), (0.86, *[0.83] * 2))
            world = f"a baseline at {rate(0.45 * rows):.3f} by 45 % of the rows, {rate(0.5 * rows):.3f} by 50 %, alone at the goal"
            yield from _by_need(world, ("baseline", "prompt", "fewshot"), ladder, rows, climbs, 0.95, rate)


def _learnt(best: float, slope: float, rows: float) -> float:
    return best - slope / rows**0.5


def _by_need(
    world: str,
    names: Sequence[str],
    ladder: Sequence[Sequence[float]],
    rows: int,
    climbs: int,
    truth: float,
    rate: Callable[[float], float] | None = None,
) -> Iterator[Figure]:
    shares, seed, k = shares_by_need(names, rows), (rows, round(1000 * truth), len(names)), len(names)
    old = _decided(ladder, round(0.15 * rows), round(0.4 * rows), climbs, seed, by_dev=False, planned=k)
    later = None if rate is None else rate((shares.train + shares.dev) * rows)
    now = ladder if rate is None else ((rate(shares.train * rows),), *ladder[1:])
    new = _decided(
        now, round(shares.dev * rows), round(shares.test * rows), climbs, seed, by_dev=True, planned=k, refitted=later
    )
    for what, a, b in zip(("right", "inconclusive") if truth >= 0.9 else ("wrong 'meets'",), old, new, strict=False):
        yield Figure(f"{world} ({shares.said})", rows, what, a, b, climbs)


def drift(climbs: int) -> Iterator[Figure]:
    """8.10: right in .95 until the last part of the time, in .80 since then (without drift in .95 throughout); goal .9, three planned.

    Before: divided at random, 70 % test (nothing is tuned). Now: by time, where the latest 40 % test and their latest third may not be shown worse than
    those before; beside it without that, and the latest 70 %. With drift every *meets* is wrong.
    """
    for part, late in ((0.3, 0.80), (0.15, 0.80), (0.0, 0.95)):
        for rows in (250, 500, 1000):
            draw = np.random.default_rng([rows, round(100 * part)])
            met = np.zeros(4)
            for _ in range(climbs):
                right = draw.random(rows) < np.where(np.arange(rows) < (1 - part) * rows, 0.95, late)
                parts = (
                    draw.permutation(right)[: round(0.7 * rows)],
                    right[-round(0.4 * rows) :],
                    right[-round(0.7 * rows) :],
                )
                chance, latest, longer = (clopper_pearson_lower(int(p.sum()), p.size, 0.05 / 3) >= 0.88 for p in parts)
                third = round(parts[1].size / 3)
                held = latest and not fallen(
                    *(summarise(p.astype(float)) for p in (parts[1][:-third], parts[1][-third:]))
                )
                met += [chance, latest, longer, held]
            chance, latest, longer, held = (float(m) / climbs for m in met)
            what = "wrong 'meets'" if late < 0.9 else "right"
            world = f"from .95 to {late:g} in the last {part:.0%}" if part else ".95 throughout"
            yield Figure(world, rows, what, chance, held, climbs)
            yield Figure(f"{world}, the latest 40 % test, and that is all", rows, what, chance, latest, climbs)
            yield Figure(f"{world}, the latest 70 % test", rows, what, chance, longer, climbs)


def many_runs(climbs: int) -> Iterator[Figure]:
    """8.8: ten runs on one test set, each with another prompt that is truly at goal - tolerance, one planned approach each.

    Before: each says *meets* by itself. Now: the register knows the test set, and only the first run says it without the word exploratory.
    Rows are hard or easy for all prompts alike, as in the other worlds (two of them disagree on 13 %).
    """
    for n in (200, 400, 1000):
        draw, wrong = np.random.default_rng([88, n]), np.zeros(2)
        least = next(k for k in range(n + 1) if clopper_pearson_lower(k, n, 0.05) >= 0.88)
        for _ in range(climbs):
            common = draw.standard_normal(n) * 0.8**0.5
            hits = [int((common + draw.standard_normal(n) * 0.2**0.5 < ndtri(0.88)).sum()) for _ in range(10)]
            wrong += [max(hits) >= least, hits[0] >= least]
        yield Figure(
            "ten prompts at goal - tolerance",
            n,
            "some wrong 'meets' that is not called exploratory",
            *(float(w) / climbs for w in wrong),
            climbs,
        )


@lru_cache(maxsize=100_000)
def _weight(hits: int, rows: int, floor: float) -> float:
    return weight(summarise([1.0] * hits + [0.0] * (rows - hits)), floor)


WORLDS: Mapping[str, Callable[[int], Iterator[Figure]]] = {
    "8.3": near_duplicates,
    "8.4": tight_goal,
    "8.6": alpha_by_dev,
    "8.6i": split_by_need,
    "8.8": many_runs,
    "8.10": drift,
}


def main() -> None:
    """Climb the worlds asked for, and print one line a figure."""
    parser = argparse.ArgumentParser(prog="python -m bench.decisions.faults", description=__doc__)
    parser.add_argument("numbers", nargs="*", default=list(WORLDS), help=f"of {', '.join(WORLDS)}")
    parser.add_argument("--climbs", type=int, default=400)
    arguments = parser.parse_args()
    for number in arguments.numbers:
        for figure in WORLDS[number](arguments.climbs):
            print(json.dumps({"section": number, **{k: rounded(v) for k, v in asdict(figure).items()}}), flush=True)


def rounded(value: object) -> object:
    """Return a number with four places."""
    return float(np.round(value, 4)) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
