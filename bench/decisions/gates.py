"""8.1 to 8.3 through the whole ladder: what locks the way to fine-tuning, and what opens it. python -m bench.decisions.gates [--climbs 400]

`before` is the share on the code of commit e6a5761: `results/gates_before.jsonl`, written by these lines in a checkout of it, where rows know no
clusters and an outcome without an answer is made as it was made then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.decisions.kept import keep, read
from bench.decisions.memory import climb, config_of, label_of, let_in, named_rows, remembering
from bench.decisions.simulate import DEV_SHARE, TRAIN_SHARE, draw
from bench.decisions.worlds import Rung, World

SIZES = (200, 400, 1000)
LOST = 0.09  # of the requests of an approach that asks a model over the network
ALIKE, OF = 0.3, 10  # the share of rows in clusters of near-duplicates that are right or wrong together, and their size
Winner = str | None


@dataclass(frozen=True)
class Fault:
    """A world with what goes wrong in it. `wrong`: of which winners it counts. `lost`: approaches whose requests time out in
    `LOST` of the cases; `alike`: whether rows stand in clusters."""

    section: str
    name: str
    counted: str
    wrong: Callable[[Winner], bool]
    ladder: tuple[Rung, ...]
    limits: Mapping[str, float] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    alike: bool = False


def _ladder(prompt: float, passages: float, tuned: float, baseline: float = 0.75) -> tuple[Rung, ...]:
    return (
        Rung("baseline", {"linear": baseline}, "no model", tokens=0.0),
        Rung("prompt", {"exact": prompt}),
        Rung("passages", {"k=4": passages}, tokens=1.5),
        Rung("tuned", {"3 epochs": tuned}, "tuned", tokens=0.1),
    )


def _tuned(winner: Winner) -> bool:
    return winner == "made-tuned"


FAULTS = (
    Fault(
        "8.1", "passages (.97) over the cost limit, tuned (.97) within it", "the tuned model is not named",
        lambda winner: not _tuned(winner), _ladder(0.8, 0.97, 0.97), {"cost_per_1k_usd": 0.5},
    ),
    Fault(
        "8.2", "all truly .95, 9 % timeouts where a model is asked over the network", "false 'fine-tune'", _tuned,
        _ladder(0.95, 0.95, 0.95), lost=frozenset({"prompt", "passages"}),
    ),
    Fault(
        "8.3", "all at goal - tolerance, 30 % near-duplicates in tens", "wrong 'meets'", lambda winner: winner is not None,
        _ladder(0.88, 0.88, 0.88, 0.88), alike=True,
    ),
    Fault(
        "8.3", "passages at the goal, tuned .97, 30 % near-duplicates in tens", "false 'fine-tune'", _tuned,
        _ladder(0.8, 0.9, 0.97), alike=True,
    ),
)  # fmt: skip


def cells(climbs: int) -> Iterator[dict[str, object]]:
    """Yield the share of climbs that go wrong, by world and size."""
    let_in()
    before = {(line["world"], line["test"]): line["now"] for line in read("gates_before")}
    for fault in FAULTS:
        for n in SIZES:
            found = _winners(fault, n, climbs)
            yield {
                "section": fault.section, "world": fault.name, "counted": fault.counted, "test": n,
                "before": before.get((fault.name, n)), "now": sum(map(fault.wrong, found)) / climbs,
                "nothing named": found.count(None) / climbs, "climbs": climbs,
            }  # fmt: skip


def _winners(fault: Fault, n: int, climbs: int) -> list[Winner]:
    world = World(fault.name, 0.0, fault.ladder, ())
    sizes = {"d": round(DEV_SHARE * n), "t": n}
    clusters = {part: [OF] * (round(ALIKE * rows) // OF) if fault.alike else [] for part, rows in sizes.items()}
    dev, test = (named_rows(part, rows, clusters[part]) for part, rows in sizes.items())
    config = config_of(world, split={"seed": 7}, **({"limits": dict(fault.limits)} if fault.limits else {}))
    lost = {label_of(rung) for rung in fault.ladder if rung.label in fault.lost}

    async def one(seed: int) -> Winner:
        rng = np.random.default_rng([seed, n, *fault.name.encode()])
        rights: dict[Any, dict[str, bool | None]] = {}
        drawn = [draw(world, rows - sum(clusters[part]) + len(clusters[part]), rng) for part, rows in sizes.items()]
        for key in drawn[0]:
            right = np.concatenate([_spread(d[key], clusters[part]) for d, part in zip(drawn, sizes, strict=True)])
            away = rng.random(right.size) < (LOST if key[0] in lost else 0.0)
            ids = [row.id for row in (*dev, *test)]
            rights[key] = {i: None if a else bool(r) for i, r, a in zip(ids, right, away, strict=True)}
        return (await climb(world, config, rights, (dev, test), round(TRAIN_SHARE * n))).verdict.winner

    async def every() -> list[Winner]:
        return [await one(seed) for seed in range(climbs)]

    with remembering():
        return asyncio.run(every())


def _spread(right: np.ndarray, clusters: Sequence[int]) -> np.ndarray:
    """Return the rows' outcomes where the first of `right` stand for whole clusters."""
    return np.repeat(right, [*clusters, *[1] * (right.size - len(clusters))])


if __name__ == "__main__":
    keep("gates", __doc__, 400, cells)
