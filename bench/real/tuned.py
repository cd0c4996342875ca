"""Tune the bundled model on shared sets and climb everything on the same frozen rows: baseline, prompt, few-shot, tuned.

    python -m bench.real.tuned [--shared FOLDER] [--runs FOLDER] [--share 1.0] [SET ...]

Sizes are fixed so that a climb ends within about six CPU-minutes; broken off, the same command goes on. Tuning is forced where the gate would refuse it: what it
brings is measured, and never wins there. Prints a table and writes it beside the other results.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.real.__main__ import SETS, rows
from rung.config import parse_config
from rung.engine.start import ClimbResult
from rung.engine.verify import verify
from rung.ladder import climb
from rung.progress import Silent
from rung.store.run import RunFolder
from rung_nano import WEIGHTS

RESULTS = Path(__file__).parent / "results"
SEED = 7


@dataclass(frozen=True)
class Size:
    """Rows of a set and the recipe. All weights are tuned: the bundled model's card names that for small rows."""

    train: int
    test: int
    epochs: float
    by_label: bool = False  # rows are taken in turn from every label
    several: str | None = None  # column with all right answers of a test row


SIZES: Mapping[str, Size] = {
    "banking77": Size(1001, 385, 8, by_label=True),
    "restaurant8k": Size(600, 300, 6),
    "e2e-nlg": Size(400, 200, 3, several="references"),
}


def chosen(found: Sequence[dict[str, Any]], count: int, by_label: bool) -> list[dict[str, Any]]:
    """Draw rows with a fixed seed; in turn from each label where that is asked."""
    order = list(found)
    random.Random(SEED).shuffle(order)
    if by_label:
        place: dict[str, int] = {}
        turns = []
        for row in order:
            turn = place[row["expected"]] = place.get(row["expected"], -1) + 1
            turns.append(turn)
        order = [row for _, row in sorted(zip(turns, order, strict=True), key=lambda pair: pair[0])]
    return order[:count]


def prepared(name: str, source: Path, home: Path, share: float) -> Path:
    """Write the rows of a climb; return their folder."""
    size = SIZES[name]
    home.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", size.train), ("test", size.test)):
        with (home / f"{part}.jsonl").open("w", encoding="utf-8") as out:
            for row in chosen(list(rows(source, part)), round(share * count), size.by_label):
                label = row[size.several] if part == "test" and size.several else row["expected"]
                out.write(json.dumps({"id": row["id"], "text": row["input"], "label": label}) + "\n")
    return home


def one(name: str, source: Path, runs: Path, share: float) -> dict[str, Any]:
    """Climb one set; return what came out."""
    plan, home = SETS[name], prepared(name, source, runs / name, share)
    recipe = {"full": {"learning_rate": 0.001, "epochs": SIZES[name].epochs, "search": False}}
    config = parse_config(
        {
            "task": {
                "name": name, "kind": plan.get("kind", "classification"), "instruction": plan["instruction"],
                "inputs": ["text"], "target": "label", "metrics": plan.get("metrics", ["normalized_match"]), "goal": plan["goal"],
                "scope": "narrow", "facts_change": "rarely",
            },
            "data": {"train": "train.jsonl", "test": "test.jsonl", "id": "id"},
            "split": {"dev": 0.15, "seed": SEED},
            "models": {"main": {"provider": "nano", "name": "nano-s", "usd_per_hour": 0.1}},
            "ladder": ["baseline", "prompt", "fewshot", {"finetune": {"force": True, "tuner": recipe}}],
            "stop_early": False,
        },
        home,
    )  # fmt: skip
    clock, began = home / "cpu_s.txt", time.process_time()
    before = float(clock.read_text()) if clock.exists() else 0.0
    try:
        run = climb(config, home / "run", Silent())
    finally:
        spent = before + time.process_time() - began
        clock.write_text(f"{spent:.1f}")
    return account(name, run, spent)


def account(name: str, run: ClimbResult, cpu: float) -> dict[str, Any]:
    """Return a climb's results as plain data."""
    folder = RunFolder.open(run.folder)
    checks = verify(folder)
    fit = folder.rung("finetune").fitted.get()
    tuning = fit.tuning if fit is not None else None
    rungs = []
    for label, result in run.results.items():
        metric, e = next(iter(result.estimates.items()))
        rungs.append(
            {
                "rung": label, "candidate": result.candidate.name, "metric": metric, "n": e.n, "mean": e.mean,
                "low": e.low, "high": e.high, "goal": result.quality.status, "p50_latency_s": result.p50_latency_s,
                "failures": dict(result.failures),
            }
        )  # fmt: skip
    return {
        "set": name,
        "weights": hashlib.sha256((WEIGHTS / "nano-s" / "model.safetensors").read_bytes()).hexdigest()[:12],
        "train_rows": tuning.curve[-1].rows if tuning else 0,
        "rungs": rungs,
        "verdict": run.verdict.headline,
        "reasons": [r.claim for r in run.verdict.reasons if r.claim.startswith("finetune")],
        "skipped": [f"{r.claim}: {r.rule}" for r in run.verdict.reasons if "was not run" in r.claim],
        "forced": list(tuning.forced) if tuning else [],
        "curve": [[p.rows, p.dev, p.n] for p in tuning.curve] if tuning else [],
        "forecast": tuning.forecast if tuning else None,
        "forgetting": tuning.forgetting.sentence if tuning and tuning.forgetting else None,
        "tuning_s": tuning.seconds if tuning else None,
        "tuned_tokens": tuning.tokens if tuning else None,
        "cpu_s": round(cpu),
        "numbers_recomputed": sum(c.compared for c in checks),
        "numbers_that_differ": [c.what for c in checks if not c.passed],
    }


def table(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write the results as Markdown."""
    yield "| set | rung | candidate | metric | n | measured | 95 % | goal |"
    yield "|---|---|---|---|--:|--:|---|---|"
    for one_set in found:
        for r in one_set["rungs"]:
            yield (
                f"| {one_set['set']} | {r['rung']} | {r['candidate']} | {r['metric']} | {r['n']} | {r['mean']:.3f} "
                f"| {r['low']:.3f} to {r['high']:.3f} | {r['goal'].replace('_', ' ')} |"
            )
    for one_set in found:
        yield ""
        sizes = f"{one_set['train_rows']} training rows, {one_set['cpu_s']} CPU-seconds, nano-s {one_set['weights']}"
        yield f"**{one_set['set']}** ({sizes}). {one_set['verdict']}"
        for line in (*one_set["skipped"], *one_set["reasons"], one_set["forecast"], one_set["forgetting"]):
            if line:
                yield f"- {line}"


def main() -> None:
    """Climb the sets, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--runs", type=Path, default=Path("runs/tuned"))
    parser.add_argument("--share", type=float, default=1.0, help="of the rows; below 1 nothing is kept")
    parser.add_argument("sets", nargs="*", default=list(SIZES))
    args = parser.parse_args()
    kept = RESULTS / "tuned.json"
    for name in args.sets:
        found = one(name, args.shared / "data" / name, args.runs, args.share)
        print("\n".join(table([found])), flush=True)
        if args.share == 1.0:
            RESULTS.mkdir(exist_ok=True)
            before = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
            by_set = {**{r["set"]: r for r in before}, name: found}
            results = [by_set[s] for s in SIZES if s in by_set]
            kept.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            kept.with_suffix(".md").write_text("\n".join(table(results)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
