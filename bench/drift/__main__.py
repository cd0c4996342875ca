"""Simulate years of served requests: `python -m bench.drift [YEARS]`; results/drift.json keeps the figures.

Twelve signals a request, each a hit or not, with rates as they are watched. The baseline is drawn from the same traffic, anew for each
year, with its bounds. A look a day, 52 weeks; an alarm counts once. Kinds of traffic: even; weekly (a third of the volume and 1.6
times the rates at weekends); bursts (every fourth day up to three blocks in which all is about one thing, with rates of its own); users (forty with rates
of their own, few of them heavy, who come and go for weeks; the baseline holds their requests in groups); all of these together. The processes and
bounds are those of the product (`rung.stats.watching`, `rung.watch.alarm`).
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rung.stats.estimate import clopper_pearson_upper, sample_upper, summarise
from rung.stats.watching import ALPHA, OF_BASELINE, TOLERANCE, quick, steady

Floats = NDArray[np.float64]
DAYS, BLOCK = 364, 25
RATES = (0.02, 0.01, 0.01, 0.05, 0.05, 0.025, 0.025, 0.05, 0.3, 0.25, 0.2, 0.1)  # of the signals
USERS, BASELINE = 40, 300
WATCHED, UNGROUPED, EXACT = "as watched", "examples without groups", "the true rates"
WORLDS = ("even", "weekly", "bursts", "users", "all")


@dataclass(frozen=True)
class Traffic:
    """The expected rate of each block of a year, by signal: shape (signals, days, blocks); `live`: blocks that have requests."""

    rates: Floats
    live: NDArray[np.bool_]
    baseline: Floats  # expected hits share of each of the baseline's groups: (signals, groups)
    group_sizes: NDArray[np.int_]


def traffic(world: str, blocks: int, rng: np.random.Generator) -> Traffic:
    base = np.array(RATES)
    rates = np.repeat(base[:, None, None], DAYS, axis=1).repeat(blocks, axis=2)
    live = np.ones((DAYS, blocks), dtype=np.bool_)
    sizes, groups = np.ones(BASELINE, dtype=np.int_), np.repeat(base[:, None], BASELINE, axis=1)
    both = world == "all"
    if world == "users" or both:
        own = rng.beta(
            base[:, None] * 9, (1 - base[:, None]) * 9, size=(len(base), USERS)
        )  # correlation .1 within a user
        weight = rng.pareto(1.5, USERS) + 0.2
        weight /= weight.sum()
        here = _come_and_go(rng)
        active = weight * here * rng.gamma(2.0, 0.5, size=(DAYS, USERS))
        active /= np.maximum(active.sum(axis=1, keepdims=True), 1e-9)
        rates = np.repeat((own @ active.T)[:, :, None], blocks, axis=2)
        sizes = np.maximum(rng.multinomial(BASELINE, weight), 0)
        groups, sizes = own[:, sizes > 0], sizes[sizes > 0]
    if world == "weekly" or both:
        weekend = np.arange(DAYS) % 7 >= 5
        few = max(1, blocks // 3)
        live[weekend, few:] = False
        factor = np.where(weekend, 1.6, 1.0)
        usual = (5 * blocks + 2 * few * 1.6) / (5 * blocks + 2 * few)  # the baseline is drawn from all days alike
        rates = rates * (factor / usual)[None, :, None]
    if world == "bursts" or both:
        for day in rng.choice(DAYS, DAYS // 4, replace=False):
            topic = rng.beta(base * 2, (1 - base) * 2)  # one thing: a block in which most requests are alike
            start, length = int(rng.integers(blocks)), int(rng.integers(1, 4))
            rates[:, day, start : start + length] = topic[:, None]
    return Traffic(np.clip(rates, 0, 1), live, groups, sizes)


def _come_and_go(rng: np.random.Generator) -> Floats:
    """Return who is there on which day: spells of about a month, with pauses of about ten days."""
    here = np.zeros((DAYS, USERS))
    state = rng.random(USERS) < 0.75
    for day in range(DAYS):
        flip = rng.random(USERS)
        state = np.where(state, flip > 1 / 30, flip < 1 / 10)
        here[day] = state
    return here


def bounds(made: Traffic, rng: np.random.Generator, grouped: bool = True) -> Floats:
    """Return what the product holds the rates against. `grouped`: the examples say whose they are (`data.group_by`)."""
    level = OF_BASELINE / len(RATES)
    found = []
    for shares in made.baseline:
        hits = rng.binomial(made.group_sizes, shares)
        scores = np.concatenate(
            [np.r_[np.ones(k), np.zeros(n - k)] for k, n in zip(hits, made.group_sizes, strict=True)]
        )
        names = np.repeat(np.arange(len(hits)), made.group_sizes).astype(str).tolist()
        groups = names if grouped and len(hits) < len(scores) else None
        found.append(min(1.0, sample_upper(summarise(scores, groups), level) + TOLERANCE))
    return np.array(found)


def truth(made: Traffic) -> Floats:
    """Return the rates themselves, over all requests: the tests alone, without an estimated baseline or a tolerance."""
    return np.array([float(rates[made.live].mean()) for rates in made.rates])


def first_alarm(made: Traffic, limits: Sequence[float], rng: np.random.Generator) -> int | None:
    """Return the day of the first alarm; None for a quiet year."""
    hits = rng.binomial(BLOCK, np.where(made.live[None], made.rates, 0.0))
    sizes = made.live.sum(axis=1) * BLOCK
    total = np.zeros(DAYS)
    on_day = np.nonzero(made.live)[0]
    last = np.cumsum(made.live.sum(axis=1)) - 1
    for signal, limit in enumerate(limits):
        slow = steady(hits[signal].sum(axis=1), sizes, float(limit))
        fast = quick((hits[signal] / BLOCK)[made.live], on_day, float(limit))
        total += 0.5 * slow + 0.5 * fast[np.maximum(last, 0)]
    over = np.flatnonzero(total / len(limits) >= 1 / ALPHA)
    return int(over[0]) if len(over) else None


def quiet(years: int) -> list[dict[str, Any]]:
    rows = []
    for world, blocks, kind in itertools.product(WORLDS, (2, 8, 40), (WATCHED, UNGROUPED, EXACT)):
        if kind == UNGROUPED and world not in ("users", "all"):
            continue
        count = years if blocks < 40 else years // 4
        rng = np.random.default_rng([7, blocks, WORLDS.index(world), len(kind)])
        alarms = 0
        for _ in range(count):
            made = traffic(world, blocks, rng)
            limits = truth(made) if kind == EXACT else bounds(made, rng, kind == WATCHED)
            alarms += first_alarm(made, limits.tolist(), rng) is not None
        row = {"traffic": world, "a_day": blocks * BLOCK, "bounds": kind, "years": count,
               "alarms": alarms, "at_most": round(clopper_pearson_upper(alarms, count, 0.05), 4)}  # fmt: skip
        rows.append(row)
        print(row, flush=True)
    return rows


def delays(years: int) -> list[dict[str, Any]]:
    rows = []
    for signal, after in (
        (0, 0.1),
        (0, 0.3),
        (0, 1.0),
        (3, 0.1),
        (3, 0.15),
        (3, 0.3),
        (8, 0.4),
        (8, 0.5),
        (11, 0.2),
        (11, 0.4),
    ):
        for blocks in (2, 8, 40):
            rng = np.random.default_rng([11, signal, blocks])
            found = []
            for _ in range(years):
                made = traffic("weekly", blocks, rng)
                made.rates[signal, 28:] = after
                day = first_alarm(made, bounds(made, rng).tolist(), rng)
                found.append(DAYS if day is None else day - 27)
            seen = sum(d < DAYS - 28 for d in found)
            rows.append({"from": RATES[signal], "to": after, "a_day": blocks * BLOCK, "days_median": float(np.median(found)),
                         "days_90": float(np.quantile(found, 0.9)), "seen": seen / years})  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    years = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    began = time.process_time()
    made = {"years": years, "quiet": quiet(years), "delays": delays(max(20, years // 20))}
    made["cpu_s"] = round(time.process_time() - began)
    (Path(__file__).with_name("results") / "drift.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
