"""How well the cause "suspect label" finds labels that were flipped on purpose: python -m bench.diagnosis [--save].

Rows are banking77 and it-tickets (RUNG_SHARED/data, else ../shared/data); one label in twenty is flipped at random, in
training and dev rows alike. The rung below is the linear baseline, the rung that is diagnosed a model that is right on
80 % of the rows and else gives the label of a like row.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rung.diagnosis.failed_examples import FailedExamples, Subject
from rung.diagnosis.suspects import suspects
from rung.evaluate.answering import judge, scorer
from rung.evaluate.kit import RunKit
from rung.metrics.normalized_match import NormalizedMatch
from rung.progress import Silent
from rung.prompts.similar import Index
from rung.rungs.baseline import Baseline
from rung.types import Answer, Candidate, Completion, Example, FitInput, MetricSpec, Outcome, PromptLearned, Task

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("RUNG_SHARED") or ROOT.parent / "shared") / "data"
SETS, DEV_SIZES, SEEDS = ("banking77", "it-tickets"), (150, 600), (0, 1, 2)
ROWS, FLIPPED, RIGHT = 2000, 0.05, 0.8


@dataclass(frozen=True, slots=True)
class Found:
    """Rows called suspect, those of them that were flipped, and all flipped rows of dev."""

    called: int
    right: int
    flipped: int

    def __add__(self, other: Found) -> Found:
        return Found(self.called + other.called, self.right + other.right, self.flipped + other.flipped)


def measure(name: str, dev_rows: int, seed: int) -> Found:
    """Flip labels, climb two rungs and count what the diagnosis of the upper one suspects."""
    draw = random.Random(seed)
    with gzip.open(DATA / name / "train.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    draw.shuffle(rows)
    rows = rows[:ROWS]
    true = [row["expected"] for row in rows]
    labels = tuple(sorted(set(true)))
    given = [t if draw.random() > FLIPPED else draw.choice([x for x in labels if x != t]) for t in true]
    examples = [Example(r["id"], {"text": r["input"]}, g, r["id"]) for r, g in zip(rows, given, strict=True)]
    task = Task(
        "t", "Sort it.", ("text",), "label", "classification", (MetricSpec("normalized_match"),), 0.9, labels=labels
    )
    kit = RunKit(task, {}, seed, Silent())
    dev, train = examples[:dev_rows], examples[dev_rows:]
    below = asyncio.run(Baseline().fit(FitInput(task, tuple(train), tuple(dev)), kit)).dev
    said = _said(examples, true, dev_rows, draw)
    above = [_outcome(e, text, task) for e, text in zip(dev, said, strict=True)]
    asked = Candidate("prompt", "as-is", PromptLearned(messages=(), columns=()), "main")
    ids = suspects(FailedExamples.of(Subject("prompt", asked, tuple(above), dev, task, (), [below]), kit))
    flipped = {e.id for e, t in zip(dev, true, strict=False) if e.target != t}
    return Found(len(ids), len(ids & flipped), len(flipped))


def _said(examples: Sequence[Example], true: Sequence[str], dev_rows: int, draw: random.Random) -> list[str]:
    index = Index.of([e.text for e in examples])
    said = []
    for i in range(dev_rows):
        others = [true[j] for j in index.nearest(examples[i].text, 30) if true[j] != true[i]]
        said.append(true[i] if draw.random() < RIGHT or not others else others[0])
    return said


def _outcome(example: Example, text: str, task: Task) -> Outcome:
    answer = Answer(text, (Completion(text, "m", 1, 1, 0.0, 0.0),))
    return asyncio.run(judge(example, answer, scorer({"normalized_match": NormalizedMatch()}, task)))


def table() -> str:
    """Return the table of all sets and sizes."""
    lines = ["| set | dev rows | suspect | of these flipped | flipped | found |", "|---|---|---|---|---|---|"]
    for name in SETS:
        for size in DEV_SIZES:
            f = sum((measure(name, size, seed) for seed in SEEDS), Found(0, 0, 0))
            lines.append(
                f"| {name} | {size} x {len(SEEDS)} | {f.called} | {f.right / max(1, f.called):.0%} | {f.flipped} | "
                f"{f.right / max(1, f.flipped):.0%} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="write results/suspects.md")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"no data sets under {DATA.name}; set RUNG_SHARED to their folder")
    text = f"# Suspect labels\n\n{(__doc__ or '').split(chr(10), 2)[2].strip()}\n\n{table()}"
    print(text)
    if arguments.save:
        (Path(__file__).parent / "results" / "suspects.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
