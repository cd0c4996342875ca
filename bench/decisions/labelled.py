"""8.6 (i): climbs with 150 to 750 labelled examples through the ladder's own code, by the split and the levels as they were and as they are."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from bench.decisions import simulate
from bench.decisions.kept import write
from bench.decisions.memory import climb, config_of, label_of, let_in, named_rows, remembering
from bench.decisions.simulate import hidden_levels
from bench.decisions.worlds import GOAL, TOLERANCE, Rung, World, worlds
from rung.data.shares import Shares, shares_by_need
from rung.decide import cheaper_equal
from rung.evaluate import evaluator
from rung.stats import threeway

BEFORE = Shares(0.45, 0.15, 0.4, "whatever is planned")
NAMES = {"baseline": "baseline", "prompt": "prompt", "examples": "fewshot", "passages": "rag"}  # for `shares_by_need`
Learns = Callable[[int], float]  # training rows -> quality


@dataclass(frozen=True)
class Rule:
    """How the examples are divided, whether alpha follows dev, and whether what learns from rows learns from dev, too."""

    shares: Callable[[World, int], Shares]
    by_dev: bool
    refits: bool


def by_need(world: World, rows: int) -> Shares:
    """Return the default shares of this ladder."""
    return shares_by_need([NAMES[r.label] for r in world.ladder], rows)


RULES: Mapping[str, Rule] = {
    "before": Rule(lambda world, rows: BEFORE, False, False),
    "alpha by dev alone": Rule(lambda world, rows: BEFORE, True, False),
    "now": Rule(by_need, True, True),
    "now, not refitted": Rule(by_need, True, False),
    "10/20/70": Rule(lambda world, rows: Shares(0.1, 0.2, 0.7, ""), True, True),
}


def nothing_learns(truth: float, *, baseline: bool) -> World:
    """Return a prompt of five candidates, examples of three and passages, all with a best at `truth`; with a hopeless baseline or none."""
    low = truth - 0.03 if truth >= GOAL else truth
    ladder = (
        *([Rung("baseline", {"linear": 0.75}, "no model", tokens=0.0)] if baseline else []),
        Rung("prompt", {"as-is": truth, "a": low, "b": low, "c": low, "d": low}),
        Rung("examples", {"k=1": low, "k=3": truth, "k=5": low}, knee=True, tokens=0.8),
        Rung("passages", {"k=4": truth}, tokens=1.5),
    )
    return World(f"truth {truth:g}{', hopeless baseline' if baseline else ''}", truth - GOAL, ladder, ())


def learns(best: float, slope: float) -> Learns:
    """Return a learning curve: the error falls with the root of the training rows."""
    return lambda rows: max(0.05, best - slope / np.sqrt(max(rows, 1)))


def baseline_learns(curve: Learns, above: float) -> World:
    """Return a baseline with this curve below a prompt and examples at `above`."""
    low = above - 0.03
    ladder = (
        Rung("baseline", {"linear": curve(112)}, "no model", tokens=0.0),
        Rung("prompt", {"as-is": above, "a": low, "b": low, "c": low, "d": low}),
        Rung("examples", {"k=1": low, "k=3": above, "k=5": low}, knee=True, tokens=0.8),
    )
    return World(f"baseline {curve(112):.2f} with 112 training rows, above it {above:g}", 0.0, ladder, ())


@contextmanager
def deciding(*, by_dev: bool) -> Iterator[None]:
    """Divide alpha by dev or, as it was, equally; leave out how many rows would decide, which no verdict rests on."""
    level, needed = evaluator.level_of, threeway._rows_needed
    threeway._rows_needed = lambda *given: None
    if not by_dev:
        evaluator.level_of = lambda label, candidate, dev, task, run, planned: task.alpha / len(planned)
    try:
        yield
    finally:
        evaluator.level_of, threeway._rows_needed = level, needed


def outcomes(world: World, rows: int, rule: Rule, climbs: int, curve: Learns | None = None) -> dict[str, float]:
    """Climb so often; return the shares of climbs that are right (stop at a candidate at the goal or above), inconclusive, that stop at
    the baseline, and that say *meets* of what is at goal - tolerance or below."""
    let_in()
    shares = rule.shares(world, rows)
    train, dev = round(shares.train * rows), round(shares.dev * rows)
    test = rows - train - dev
    dev_rows, test_rows = named_rows("d", dev), named_rows("t", test)
    names = [e.id for e in (*dev_rows, *test_rows)]
    on_test = None if curve is None else curve(train + dev * rule.refits)
    truth = {label_of(r): dict(r.rates) for r in world.ladder}
    if curve is not None and on_test is not None:
        truth["made-baseline"] = {"linear": on_test}
    config = config_of(
        world, stop_early=False
    )  # which changes no verdict, and whose rule takes long to make for each level
    counts = dict.fromkeys(("right", "inconclusive", "baseline named", "wrong"), 0)

    async def one(seed: int) -> None:
        rng = np.random.default_rng([seed, rows, *world.kind.encode()])
        rights = {}
        for key, rate, hidden in hidden_levels(world, dev + test, rng):
            level = np.full(dev + test, ndtri(rate))
            if curve is not None and on_test is not None and key[0] == "made-baseline":
                level = np.concatenate([np.full(dev, ndtri(curve(train))), np.full(test, ndtri(on_test))])
            rights[key] = dict(zip(names, (hidden < level).tolist(), strict=True))
        found = await climb(world, config, rights, (dev_rows, test_rows), train)
        winner = found.verdict.winner
        chosen = {label_of(r): found.chosen.get(r.label) for r in world.ladder}
        rate = truth[winner][str(chosen[winner])] if winner is not None else None
        counts["right"] += rate is not None and rate >= GOAL - 1e-9
        counts["wrong"] += rate is not None and rate <= GOAL - TOLERANCE + 1e-9
        counts["inconclusive"] += found.verdict.decision == "inconclusive"
        counts["baseline named"] += winner == "made-baseline"

    async def every() -> None:
        for seed in range(climbs):
            await one(seed)

    with remembering(), deciding(by_dev=rule.by_dev):
        asyncio.run(every())
    return {what: count / climbs for what, count in counts.items()}


def cases() -> Iterator[tuple[World, Learns | None]]:
    """Yield the worlds, and the learning curve of the baseline where it has one."""
    for baseline in (False, True):
        for truth in (0.92, 0.93, 0.95, GOAL - TOLERANCE):
            yield nothing_learns(truth, baseline=baseline), None
    for best, slope, above in ((0.99, 0.64, 0.95), (1.0, 0.42, 0.95), (0.9, 2.1, 0.95)):
        curve = learns(best, slope)
        yield baseline_learns(curve, above), curve


def figures(climbs: int, sizes: Sequence[int] = (250,)) -> Iterator[dict[str, object]]:
    """Yield a line for each world, number of labelled examples and rule."""
    for world, curve in cases():
        rules = {k: r for k, r in RULES.items() if curve is not None or k in ("before", "alpha by dev alone", "now")}
        for rows in sizes:
            for name, rule in rules.items():
                shares = rule.shares(world, rows)
                found = outcomes(replace(world), rows, rule, climbs, curve)
                yield {
                    "world": world.kind,
                    "labelled": rows,
                    "rule": name,
                    "split": shares.said,
                    "climbs": climbs,
                    **found,
                }


def equal_models(climbs: int, sizes: Sequence[int] = (200, 400)) -> Iterator[dict[str, object]]:
    """Yield how often the cheaper of two equal models, both at .95, is named, the dearer one first: by proof of equality, and now."""
    world = worlds(0.05)[[w.kind for w in worlds(0.05)].index("small model by the cheaper alternative")]
    for n in sizes:
        for rule in ("proof that it is not worse", "meets the goal, not shown to be worse"):
            proven = rule.startswith("proof")
            with deciding(by_dev=True), _proof_of_equality() if proven else nullcontext():
                seen = simulate.climbs(world, n, range(climbs))
            named = [s for s in seen if s.what in ("right", "too early")]
            cheaper = sum(s.what == "right" for s in named) / max(1, len(named))
            yield {"n": n, "rule": rule, "climbs": climbs, "named": len(named) / climbs, "cheaper": cheaper}


@contextmanager
def _proof_of_equality() -> Iterator[None]:
    """Ask of every cheaper approach that it is shown not to be worse, as it was."""
    now = cheaper_equal._worse
    cheaper_equal._worse = lambda *given: True
    try:
        yield
    finally:
        cheaper_equal._worse = now


def main() -> None:
    """Climb, print a line of JSON for each figure, and keep them where the page reads them."""
    parser = argparse.ArgumentParser(prog="python -m bench.decisions.labelled", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["labelled", "equal"], default="labelled")
    parser.add_argument("--climbs", type=int, default=300)
    arguments = parser.parse_args()
    made = figures(arguments.climbs) if arguments.what == "labelled" else equal_models(arguments.climbs)
    write(arguments.what, made)


if __name__ == "__main__":
    main()
