"""What is replayed: the approaches of one model on one real set, each with its score of every recorded example."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.real import four
from bench.real.record import PLACE
from bench.real.sets import SETS
from rung.types import Example

INPUT_USD, OUTPUT_USD = 0.1, 0.4  # per million tokens, of every model: what regret in dollars is counted by
TEN = "ten-queues"  # what the four climbs of bench.real.four measured


@dataclass(frozen=True)
class Approach:
    """One approach: the score of every example in the order of the pool, and what a thousand requests cost."""

    scores: tuple[float, ...]
    tokens: float  # of a request
    usd: float  # per 1,000 requests

    @property
    def truth(self) -> float:
        return sum(self.scores) / len(self.scores)


@dataclass(frozen=True)
class Source:
    """One model on one set. `approaches` ask a model, in the order of the ladder; the baseline is fitted anew in each subset."""

    set: str
    model: str
    examples: tuple[Example, ...]
    approaches: Mapping[str, Approach]

    @property
    def kind(self) -> str:
        return SETS[self.set].kind if self.set in SETS else "classification"

    @property
    def metric(self) -> str:
        return SETS[self.set].metric if self.set in SETS else "normalized_match"


def _approach(cell: Mapping[str, Any], n: int) -> Approach:
    into, out = (sum(cell[f"{way}_tokens"][:n]) / n for way in ("input", "output"))
    return Approach(tuple(map(float, cell["score"][:n])), into + out, (into * INPUT_USD + out * OUTPUT_USD) / 1000)


def recorded(name: str, examples: Sequence[Example], shown: int, place: Path = PLACE) -> Iterator[Source]:
    """Yield the models recorded on a set, each with the approaches whose pool is nearest to `shown` examples, on the examples common to all."""
    file = place / f"{name}.json"
    if not file.exists():
        return
    stored = json.loads(file.read_text(encoding="utf-8"))
    if [e.id for e in examples] != stored["ids"]:
        raise ValueError(f"{file} was recorded on other examples than the shared data give")
    by_model: dict[str, dict[str, list[tuple[int, Mapping[str, Any]]]]] = {}
    for key, cell in stored["cells"].items():
        model, approach, pool = key.split("/")
        by_model.setdefault(model, {}).setdefault(approach, []).append((int(pool), cell))
    for model, found in by_model.items():
        near = {a: min(pools, key=lambda p: abs(math.log(p[0] / shown)))[1] for a, pools in found.items()}
        n = min(len(cell["score"]) for cell in near.values())
        order = [a for a in four.STEPS if a in near]
        yield Source(name, model, tuple(examples[:n]), {a: _approach(near[a], n) for a in order})


def climbed(shared: Path) -> Iterator[Source]:
    """Yield what the climbs on ten queues measured on their common test examples, tuning among it."""
    texts = {e["id"]: e for e in four.examples(shared / "data" / "banking77")}
    for model, found in four.found().items():
        scored = {step: a["examples"] for step, a in found["approaches"].items() if step != "baseline"}
        if not scored:
            continue  # the climb of the baseline alone
        ids = sorted(set.intersection(*(set(rows) for rows in scored.values())))
        made = {}
        for step, rows in scored.items():
            columns = zip(*(rows[i] for i in ids), strict=True)
            made[step] = _approach(
                dict(zip(("score", "input_tokens", "output_tokens", "seconds"), columns, strict=True)), len(ids)
            )
        examples = tuple(Example(i, {"text": texts[i]["message"]}, texts[i]["queue"], i) for i in ids)
        yield Source(TEN, model, examples, made)
