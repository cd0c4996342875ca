"""Climb shared sets: the baseline really, prompt and few-shot through an endpoint of known accuracy.

    python -m bench.real [--shared FOLDER] [--runs FOLDER]

Prints one Markdown table: what was reported, the truth by construction, and whether the interval holds it.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.real.endpoint import serve
from rung.config import parse_config
from rung.engine.verify import verify
from rung.ladder import climb
from rung.models.fake import FakeModel
from rung.prompts.similar import chooser
from rung.prompts.templates import Template, chat_of
from rung.report.page import write_page
from rung.store.run import RunFolder
from rung.types import Candidate, Example, Outcome, Result

SETS: Mapping[str, Mapping[str, Any]] = {
    "banking77": {
        "instruction": "Which intent does this online-banking question have?",
        "goal": 0.9,
        "abilities": {
            "base": 0.62,
            "label_list": 0.18,
            "format_rule": 0.02,
            "examples": {5: 0.08},
            "near_example": 0.05,
            "most": 0.95,
        },
    },
    "it-tickets": {
        "instruction": "Which team handles this help-desk ticket?",
        "goal": 0.9,
        "abilities": {
            "base": 0.55,
            "label_list": 0.16,
            "format_rule": 0.02,
            "examples": {5: 0.07},
            "near_example": 0.03,
            "most": 0.95,
        },
    },
    "e2e-label-noise": {
        "instruction": "Which slots does the sentence state? Write name[value], separated by commas.",
        "goal": 0.9,
        "kind": "extraction",
        "metrics": ["normalized_match"],
        "abilities": {"base": 0.4, "format_rule": 0.1, "examples": {5: 0.3}, "near_example": 0.1, "most": 0.96},
    },
    "restaurant8k": {
        "instruction": "Which slots does the user's turn fill? Answer as a JSON object.",
        "goal": 0.9,
        "kind": "extraction",
        "metrics": ["json_fields"],
        "abilities": {"base": 0.5, "format_rule": 0.2, "examples": {5: 0.15}, "near_example": 0.08, "most": 0.96},
    },
    "advising-sql": {
        "instruction": "Translate the question into SQL for the advising database.",
        "goal": 0.9,
        "kind": "generation",
        "metrics": ["sql"],
        "abilities": {"base": 0.2, "format_rule": 0.05, "examples": {5: 0.15}, "near_example": 0.25, "most": 0.96},
    },
    "e2e-nlg": {
        "instruction": "Write a sentence that states these facts.",
        "goal": 0.9,
        "kind": "generation",
        "metrics": ["rouge_l"],
        "abilities": {"base": 0.5, "format_rule": 0.1, "examples": {5: 0.3}, "near_example": 0.05, "most": 0.96},
    },
}
MOST = {"train": 3000, "test": 1000}  # rows of a part; more only takes longer


def rows(folder: Path, part: str) -> Iterator[dict[str, str]]:
    """Read a part of a shared set."""
    path = next(p for p in (folder / f"{part}.jsonl", folder / f"{part}.jsonl.gz") if p.exists())
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:  # type: ignore[union-attr]
        for line in lines:
            yield json.loads(line)


@contextmanager
def running(model: FakeModel) -> Iterator[str]:
    """Serve the fake from a thread of its own while the climb runs its own loop."""
    ready, stop, found = threading.Event(), threading.Event(), []

    async def main() -> None:
        async with serve(model) as url:
            found.append(url)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join()


def truth(
    model: FakeModel, candidate: Candidate, examples: Mapping[str, Example], outcomes: tuple[Outcome, ...]
) -> float:
    """Return the exact expected share of right answers of a prompt or few-shot candidate over the test rows."""
    live, template, choose = model.connect(), Template.of(candidate), chooser(chat_of(candidate))
    total = 0.0
    for outcome in outcomes:
        inputs = examples[outcome.example_id].inputs
        _, offer = live.read(template.render(inputs, choose(inputs)))
        told = offer.format_rule or offer.examples > 0
        slip = model.format_slip_when_told if told and model.format_slip_when_told is not None else model.format_slip
        total += model.abilities.probability(offer) * (1 - slip)
    return total / len(outcomes)


def one(name: str, source: Path, runs: Path) -> list[str]:
    """Climb one set; return table rows."""
    plan = SETS[name]
    home = runs / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    known = {}
    for part in ("train", "test"):
        with (home / f"{part}.jsonl").open("w") as out:
            for row in itertools.islice(rows(source, part), MOST[part]):
                out.write(json.dumps({"id": row["id"], "text": row["input"], "label": row["expected"]}) + "\n")
                known[row["input"]] = row["expected"]
    model = FakeModel(
        answers=known, abilities=plan["abilities"], labels=_labels(plan, known), format_slip=0.15,
        format_slip_when_told=0.01, context=16_000,
    )  # fmt: skip
    with running(model) as url:
        config = parse_config(
            {
                "task": {
                    "name": name, "kind": plan.get("kind", "classification"), "instruction": plan["instruction"],
                    "inputs": ["text"], "target": "label", "metrics": plan.get("metrics", ["normalized_match"]), "goal": plan["goal"],
                },
                "data": {"train": "train.jsonl", "test": "test.jsonl", "id": "id"},
                "models": {
                    "main": {
                        "provider": "openai", "name": "stub", "base_url": url, "concurrency": 64, "max_tokens": 256,
                        "context": 16_000, "input_usd_per_mtok": 0.1, "output_usd_per_mtok": 0.4,
                    }
                },
            },
            home,
        )  # fmt: skip
        wall, cpu = time.perf_counter(), time.process_time()
        run = climb(config, home / "run")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    folder = RunFolder.open(home / "run")
    checks = verify(folder)
    examples = {e.id: e for e in folder.load_rows("parts/test.jsonl", Example)}
    lines = [_row(name, label, result, model, examples) for label, result in run.results.items()]
    write_page(folder)
    numbers = sum(c.compared for c in checks)
    print(f"{name}: {run.verdict.headline}")
    print(
        f"  {wall:.0f} s wall, {cpu:.0f} CPU-s with the stub inside; verify: {numbers:,} numbers, {sum(not c.passed for c in checks)} differ"
    )
    return lines


def _labels(plan: Mapping[str, Any], known: Mapping[str, str]) -> tuple[str, ...]:
    """Return the labels of a classification; an endpoint that is wrong elsewhere gives another row's answer."""
    return tuple(sorted(set(known.values()))) if plan.get("kind") is None else ()


def _row(name: str, label: str, result: Result, model: FakeModel, examples: Mapping[str, Example]) -> str:
    e = next(iter(result.estimates.values()))
    right_or_wrong = all(o.scores is None or next(iter(o.scores.values())).value in (0.0, 1.0) for o in result.outcomes)
    measured = "-" if e.mean is None else f"{e.mean:.3f}"
    expected, holds = "-", "-"
    if result.candidate.model is not None and right_or_wrong:
        true = truth(model, result.candidate, examples, result.outcomes)
        expected, holds = f"{true:.3f}", "yes" if e.low <= true <= e.high else "NO"
    cost = "unknown" if result.cost_per_1k_usd is None else f"${result.cost_per_1k_usd:.3f}"
    return (
        f"| {name} | {label} | {result.candidate.name} | {e.n} | {measured} | {e.low:.3f} to {e.high:.3f} | {expected} | {holds} "
        f"| {result.quality.status.replace('_', ' ')} | {cost} |"
    )


def main() -> None:
    """Climb every set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--runs", type=Path, default=Path("runs/real"))
    parser.add_argument("sets", nargs="*", default=list(SETS))
    args = parser.parse_args()
    lines = [line for name in args.sets for line in one(name, args.shared / "data" / name, args.runs)]
    print("\n| set | rung | candidate | n | measured | interval | truth | holds it | goal | per 1,000 |")
    print("|---|---|---|--:|--:|---|--:|---|---|--:|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
