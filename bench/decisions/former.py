"""8.5, 8.6, 8.7, 8.10 and 8.11 on the code of commit e6a5761 and on today's, through the ladder. python -m bench.decisions.former [--climbs 200]

`before` is from `results/former_before.jsonl`, written by these very lines in a checkout of e6a5761. Where today's answer is something that the ladder in
memory does not know (a floor on a label, people who compare pairs), *now* is what `claims` and `noise` found in the same world with the product's rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bench.decisions.kept import keep, read
from bench.decisions.memory import climb, config_of, label_of, let_in, named_rows, remembering
from bench.decisions.simulate import draw
from bench.decisions.worlds import Rung, World

TODAY = hasattr(World, "objective")  # else this is the checkout of e6a5761
Matrix = np.ndarray
Drawn = Mapping[tuple[str, str], Matrix]


@dataclass(frozen=True)
class End:
    """How a climb ended: the label that is named, None for none, and the candidate that each approach had chosen."""

    winner: str | None
    chosen: Mapping[str, str]


@dataclass(frozen=True)
class Parts:
    """Sizes of train, dev and test."""

    train: int
    dev: int
    test: int


Climb = Callable[[World, Drawn, Parts], End]


def cells(climbs: int) -> Iterator[dict[str, object]]:
    """Yield the share of climbs that go wrong, by world and size; before and now."""
    let_in()
    before = {(line["world"], line["counted"], line["size"]): line["now"] for line in read("former_before")}
    with remembering():
        for section, world, size, counted, share in _figures(climbs):
            yield {
                "section": section, "world": world, "counted": counted, "size": size,
                "before": before.get((world, counted, size)), "now": share, "climbs": climbs,
            }  # fmt: skip


def _figures(climbs: int) -> Iterator[tuple[str, str, str, str, float]]:
    for dev, test in ((100, 350), (200, 700)):
        name, counted, size = (
            "one payment in ten is fraud, the first approach finds a third of it",
            "an approach that misses frauds is named",
            f"{test} test",
        )
        yield (
            "8.5",
            name,
            size,
            counted,
            _claims(test) if TODAY else _mean(_fraud(Parts(100, dev, test), s) for s in range(climbs)),
        )
    for truth in (0.92, 0.93, 0.95):
        found = [_labelled(truth, s) for s in range(climbs)]
        for counted, at in (("right", 0), ("inconclusive", 1)):
            yield (
                "8.6",
                f"truth {truth:g}, choice among 5 and 3, nothing tuned",
                "250 labelled",
                counted,
                _mean(f[at] for f in found),
            )
    name, counted = (
        "all at goal - tolerance, as many test examples again where nothing is named",
        "wrong 'meets' in one of two looks",
    )
    yield "8.7", name, "160 + 160 test", counted, _mean(_second_look(s) for s in range(climbs))
    for part in (0.3, 0.15):
        for rows in (250, 500):
            name = f"right in .95, in .80 since the last {100 * part:.0f} % of the time"
            yield "8.10", name, f"{rows} labelled", "wrong 'meets'", _mean(_drift(part, rows, s) for s in range(climbs))
    for wrong, rate in ((0.04, 0.9), (0.08, 0.92)):
        for test in (200, 400):
            name = f"{100 * wrong:.0f} % of the labels wrong, both truly {rate:.2f}".replace("truly 0", "truly ")
            share = _noise(name, test) if TODAY else _mean(_learnt(wrong, rate, test, s) for s in range(climbs))
            yield "8.11", name, f"{test} test", "false 'fine-tune'", share


def _mean(found: Iterator[bool]) -> float:
    return float(np.mean([float(one) for one in found]))


def _claims(test: int) -> float:
    """What `claims` found with a floor on the recall of fraud."""
    return next(
        f["too early"]
        for f in read("claims")
        if f["rule"] == "floor on recall, alpha by all claims" and f["test"] == test
    )


def _noise(world: str, test: int) -> float:
    """What `noise` found after people compared 30 pairs."""
    return next(f["named after 30 pairs"] for f in read("noise") if f["world"] == world and f["test"] == test)


def _ended(world: World, drawn: Drawn, parts: Parts, **how: bool) -> End:
    dev, test = named_rows("d", parts.dev), named_rows("t", parts.test)
    names = [row.id for row in (*dev, *test)]
    rights = {key: dict(zip(names, row.tolist(), strict=True)) for key, row in drawn.items()}
    found = asyncio.run(climb(world, config_of(world, split={"seed": 7}), rights, (dev, test), parts.train, **how))
    return End(found.verdict.winner, found.chosen)


def _world(*ladder: Rung) -> World:
    return World("former", 0.0, ladder, ())


def _asking(truth: float, low: float) -> tuple[Rung, ...]:
    """A prompt of five candidates, examples of three, and passages: the best of each at `truth`, the others at `low`."""
    return (
        Rung("prompt", {"a": truth, **dict.fromkeys("bcde", low)}),
        Rung("examples", {"k=1": truth, "k=3": low, "k=5": low}, knee=True),
        Rung("passages", {"k=4": truth}),
    )


def _fraud(parts: Parts, seed: int) -> bool:
    rng, rows = np.random.default_rng([85, parts.test, seed]), parts.dev + parts.test
    fraud = rng.random(rows) < 0.1
    recalls = {"prompt": (0.995, 0.32), "examples": (0.97, 0.75), "passages": (0.99, 0.98)}
    world = _world(*(Rung(name, {"k=1": 0.9}) for name in recalls))
    drawn = {
        (label_of(r), "k=1"): rng.random(rows) < np.where(fraud, recalls[r.label][1], recalls[r.label][0])
        for r in world.ladder
    }
    return _ended(world, drawn, parts).winner in {label_of(r) for r in world.ladder[:2]}


def _labelled(truth: float, seed: int) -> tuple[bool, bool]:
    """Whether a climb names an approach whose chosen candidate is at the goal, and whether it names none and does not miss the goal for certain."""
    parts = Parts(40, 50, 160) if TODAY else Parts(112, 38, 100)
    world, rng = _world(*_asking(truth, truth - 0.03)), np.random.default_rng([86, round(1000 * truth), seed])
    found = _ended(world, draw(world, parts.dev + parts.test, rng), parts)
    labels = {label_of(r): r for r in world.ladder}
    named = labels.get(found.winner or "")
    return named is not None and named.rates[found.chosen[named.label]] >= 0.9, named is None


def _second_look(seed: int) -> bool:
    """A climb on 160 test examples, and where it names nothing another one: then on all 320 of them, today on the added ones alone."""
    world, rng = _world(*_asking(0.88, 0.88)), np.random.default_rng([87, seed])
    drawn = draw(world, 50 + 320, rng)
    first = {key: row[:210] for key, row in drawn.items()}
    if _ended(world, first, Parts(40, 50, 160)).winner is not None:
        return True
    later = {key: np.concatenate([row[:50], row[210:]]) for key, row in drawn.items()} if TODAY else drawn
    return _ended(world, later, Parts(40, 50, 160 if TODAY else 320)).winner is not None


def _drift(part: float, rows: int, seed: int) -> bool:
    """Three equal approaches; divided at random, today by time with the latest 40 % as the test set."""
    rng, late = np.random.default_rng([810, round(100 * part), rows, seed]), np.arange(rows) >= (1 - part) * rows
    ladder = [
        (Rung("prompt", {"a": rate}), Rung("examples", {"k=1": rate}, knee=True), Rung("passages", {"k=4": rate}))
        for rate in (0.95, 0.8)
    ]
    state = rng.bit_generator.state
    good = draw(_world(*ladder[0]), rows, rng)
    rng.bit_generator.state = state  # the same examples are hard
    bad = draw(_world(*ladder[1]), rows, rng)
    order = np.arange(rows) if TODAY else rng.permutation(rows)
    parts = Parts(round(0.45 * rows), round(0.15 * rows), round(0.4 * rows))
    held = order[-(parts.dev + parts.test) :]
    drawn = {key: np.where(late, bad[key], good[key])[held] for key in good}
    return _ended(_world(*ladder[0]), drawn, parts, **({"by_time": True} if TODAY else {})).winner is not None


def _learnt(wrong: float, rate: float, test: int, seed: int) -> bool:
    """A prompt and a tuned model of one true rate; the tuned one has learnt nine in ten of the wrong labels."""
    parts = Parts(round(1.125 * test), round(0.375 * test), test)
    world = _world(Rung("prompt", {"a": rate}), Rung("tuned", {"3 epochs": rate}, "tuned", tokens=0.1))
    rng = np.random.default_rng([811, round(100 * wrong), test, seed])
    drawn = draw(world, parts.dev + parts.test, rng)
    off = rng.random(parts.dev + parts.test) < wrong
    learnt = off & (rng.random(off.size) < 0.9)
    tuned = label_of(world.ladder[1])
    by_labels = {key: np.where(off, learnt if key[0] == tuned else False, row) for key, row in drawn.items()}
    return _ended(world, by_labels, parts).winner == tuned


if __name__ == "__main__":
    keep("former" if TODAY else "former_before", __doc__, 200, cells)
