"""What tuning is combined with, on two tasks that ship: passages in the prompt (RAFT), and the answers of a larger model.

    python -m bench.real.combined [--models FOLDER] [--runs FOLDER] [--only TASK]

Each task is climbed as `rung demo real` ships it, with another ladder; every approach is measured on all test examples. Broken off, the same command
goes on. Writes results/combined.json and prints the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import yaml

import rung_nano
from bench.real.server import ended_in_order, llama
from rung.config import parse_config
from rung.ladder import climb
from rung.store.run import RunFolder
from rung.types import rate
from rung_nano.fetched import MODELS, Cache

RESULTS = Path(__file__).parent / "results" / "combined.json"
EXAMPLES = Path(rung_nano.__file__).parent / "real"
SMALL, LARGE = "smollm2", "qwen15"
GOAL = 0.95  # out of reach, so that every approach is measured
PORT = 8599  # beside those of the other climbs
RECIPE = {"tuner": {"lora": {"epochs": 3, "search": False}}, "curve": False, "force": True}
TAUGHT = {**RECIPE, "model": "small", "under": "short"}
LADDERS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "handbook": (
        {"prompt": {"rewrites": False}},
        {"finetune": {**RECIPE, "under": "short", "name": "alone"}},
        {"rag": {"k": [2], "chunk_words": [], "stuff_tokens": 0, "canaries": 0}},
        {
            "finetune": {**RECIPE, "under": "both", "name": "passages"}
        },  # tuned under the prompt of the approach below it
    ),
    "tickets": (
        {"prompt": {"rewrites": False}},
        {"finetune": {**TAUGHT, "name": "expected"}},
        {"finetune": {**TAUGHT, "teacher": "main", "name": "taught"}},
    ),
}


def settings(task: str, small: Path, large: str) -> dict[str, Any]:
    """Return the shipped configuration with the ladder of this bench; `large`: the address of the larger model where one is asked."""
    shipped = yaml.safe_load((EXAMPLES / task / "rung.yaml").read_text(encoding="utf-8"))
    tuned = {**shipped["models"]["main"], "folder": str(small.resolve())}
    larger = {
        "provider": "openai", "name": MODELS[LARGE].title, "base_url": large, "concurrency": 2, "context": 4096, "timeout_s": 900,
        "max_tokens": tuned["max_tokens"], "usd_per_hour": tuned["usd_per_hour"],
    }  # fmt: skip
    models = {"main": larger, "small": tuned} if large else {"main": tuned}
    whole = {"stop_early": False, "diagnosis": {"calls": 0}, "general_abilities": False}
    return {
        **shipped,
        "task": {**shipped["task"], "goal": GOAL, "tolerance": 0.02},
        "models": models,
        "ladder": list(LADDERS[task]),
        **whole,
    }


def one(task: str, cache: Cache, runs: Path) -> dict[str, Any]:
    """Climb, or go on, and return what was measured as plain data."""
    asked = any("model" in s for step in LADDERS[task] for s in step.values())
    served: Any = (
        llama(cache.gguf(LARGE), cache.server(), len(os.sched_getaffinity(0)), PORT) if asked else nullcontext(("", 0))
    )
    with ended_in_order(), served as (url, _):
        shutil.copytree(EXAMPLES / task, runs / task, dirs_exist_ok=True)
        config = parse_config(settings(task, cache.model(SMALL), url), runs / task)
        climb(config, runs / task / "run")
    folder = RunFolder.open(runs / task / "run")
    verdict = folder.verdict.need()
    return {
        "headline": verdict.headline,
        "approaches": {label: _approach(folder, label) for label in config.planned if folder.rung(label).result.exists},
        "skipped": [[s.what, s.reason] for s in folder.skipped.get() or () if s.what in config.planned],
        "gains": [[c.upper, c.lower, c.gain, c.low, c.high, c.p_adjusted, c.n] for c in folder.comparisons.need()],
    }


def _approach(folder: RunFolder, label: str) -> dict[str, Any]:
    result, fitted = folder.rung(label).result.need(), folder.rung(label).fitted.get()
    quality, tuning = next(iter(result.estimates.values())), None if fitted is None else fitted.tuning
    return {
        "candidate": result.candidate.name, "n": quality.n, "mean": quality.mean, "low": quality.low, "high": quality.high,
        "tokens": result.tokens_per_request,
        "dev": [] if tuning is None else [[t.prompt, t.rows, t.best_dev] for t in tuning.trials],
        "lesson": None if tuning is None else tuning.lesson,
    }  # fmt: skip


def found() -> dict[str, dict[str, Any]]:
    """Return what has been measured so far, by task."""
    kept: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return {task: kept[task] for task in LADDERS if task in kept}


def combined(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the Markdown table: one row an approach of a task."""
    yield "| task | approach | what was chosen | n | score (95 % CI) | tokens a request | on dev, by prompt and examples learnt from |"
    yield "|---|---|---|--:|---|--:|---|"
    for task, climbed in found.items():
        for label, a in climbed["approaches"].items():
            score = f"{rate(a['mean'])} ({rate(a['low'])} to {rate(a['high'])})"
            dev = ", ".join(f"{prompt} {rows}: {rate(mean)}" for prompt, rows, mean in a["dev"] if mean is not None)
            tokens = "" if a["tokens"] is None else f"{a['tokens']:,.0f}"
            yield f"| {task} | {label} | {a['candidate']} | {a['n']} | {score} | {tokens} | {dev} |"
        for label, reason in climbed["skipped"]:
            yield f"| {task} | {label} | not tuned: {reason.partition(';')[0]} |  |  |  |  |"
    yield ""
    yield "| task | approach | against | n | difference (95 % CI) | p, adjusted |"
    yield "|---|---|---|--:|---|--:|"
    for task, climbed in found.items():
        for upper, lower, gain, low, high, p, n in climbed["gains"]:
            yield f"| {task} | {upper} | {lower} | {n} | {gain:+.2f} ({low:+.2f} to {high:+.2f}) | {p:.2g} |"


def main(words: Sequence[str] | None = None) -> None:
    """Climb what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Cache.usual(), help="where fetched weights lie")
    parser.add_argument("--runs", type=Path, default=Path("runs/combined"))
    parser.add_argument("--only", choices=list(LADDERS), help="one task")
    args = parser.parse_args(words)
    for task in [args.only] if args.only else LADDERS:
        climbed = one(task, Cache(args.models, say=print), args.runs.resolve())
        RESULTS.write_text(json.dumps({**found(), task: climbed}, indent=1) + "\n", encoding="utf-8")
        print("\n".join(combined(found())), flush=True)


if __name__ == "__main__":
    main()
