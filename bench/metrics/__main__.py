"""How well metrics tell right free text from nearly right: python -m bench.metrics [--rows N].

e2e-nlg (RUNG_SHARED/data, else ../shared/data) has several references a row. One of them plays the right answer, the
others are the targets; the reference of the row with the most similar input plays the wrong answer. The figure is the
probability that the right answer scores higher (ties count a half), with one target and with all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rung import plugins
from rung.data.load import load
from rung.metrics.accepted import AnyRight
from rung.models.static import Static
from rung.prompts.similar import Index
from rung.protocols import Judge
from rung.types import Answer, Completion, Example, MetricSpec, Request, Score, Task

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("RUNG_SHARED") or ROOT.parent / "shared")
TASK = Task("e2e", "Describe the place.", ("input",), "references", "generation", (MetricSpec("rouge_l"),), 0.9)
METRICS = ("normalized_match", "token_f1", "rouge_l", "chrf", "similarity")


@dataclass
class Vectors:
    """A kit with a static embedding model and nothing else."""

    model: Any

    async def ask(self, role: str, request: Request) -> Completion:
        found: Completion = await self.model.complete(request)
        return found


def cases(count: int) -> list[tuple[Example, str, str]]:
    """Return rows with the right answer taken out of their targets, and the wrong answer."""
    rows = list(load(SHARED / "data" / "e2e-nlg" / "test.jsonl.gz", inputs=["input"], target="references").examples)
    index = Index.of([e.text for e in rows])
    chosen = random.Random(1).sample([e for e in rows if len(e.targets) >= 3], count)
    found = []
    for row in chosen:
        near = next(rows[i] for i in index.nearest(row.text, 5) if rows[i].inputs != row.inputs)
        right, *targets = row.targets
        found.append((replace(row, target=targets[0], others=tuple(targets[1:])), right, near.target))
    return found


async def scored(name: str, kit: Vectors, row: Example, answer: str) -> float:
    metric = plugins.make("metrics", name)
    if isinstance(metric, Judge):
        score = await metric.assess(Answer(answer), row, TASK, kit)  # type: ignore[arg-type]
    else:
        score = AnyRight(metric).score(answer, row, TASK)
    return score.value if isinstance(score, Score) else 0.0


async def separation(name: str, kit: Vectors, rows: Sequence[tuple[Example, str, str]]) -> Mapping[str, float]:
    """Return the probability of a higher score for the right answer, its mean score and the wrong one's, and the time."""
    began = time.process_time()
    right = [await scored(name, kit, row, answer) for row, answer, _ in rows]
    wrong = [await scored(name, kit, row, answer) for row, _, answer in rows]
    higher = sum((r > w) + (r == w) / 2 for r in right for w in wrong) / len(right) / len(wrong)
    own = sum((r > w) + (r == w) / 2 for r, w in zip(right, wrong, strict=True)) / len(right)
    mean = [sum(values) / len(values) for values in (right, wrong)]
    return {"higher": higher, "higher, same row": own, "right": mean[0], "wrong": mean[1],
            "cpu_ms": 500 * (time.process_time() - began) / len(rows)}  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.metrics", description=__doc__)
    parser.add_argument("--rows", type=int, default=300)
    rows = cases(parser.parse_args().rows)
    kit = Vectors(Static(folder=str(SHARED / "models" / "potion-base-4m-int8")).connect())
    print(
        f"e2e-nlg, {len(rows)} rows, {sum(len(r.targets) for r, _, _ in rows) / len(rows):.1f} targets a row on average\n"
    )
    print("| metric | targets | right > wrong, any row | same row | mean right | mean wrong | CPU ms an answer |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for name in METRICS:
        for word, taken in (("one", [(replace(r, others=()), a, b) for r, a, b in rows]), ("all", rows)):
            found = asyncio.run(separation(name, kit, taken))
            cells = " | ".join(f"{found[key]:.3f}" for key in ("higher", "higher, same row", "right", "wrong"))
            print(f"| {name} | {word} | {cells} | {found['cpu_ms']:.2f} |")
    print(json.dumps({"rows": len(rows)}))


if __name__ == "__main__":
    main()
