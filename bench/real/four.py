"""One task, four right answers: ten queues of banking77 climbed by a word model and by three real chat models of growing size.

    python -m bench.real.four [--models FOLDER] [--shared FOLDER] [--runs FOLDER] [--only MODEL]

The ten commonest labels of the shared training file, 600 of their examples drawn by seed; goal, tolerance and ladder are the same for all models.
Each model climbs in a folder of its own over the same frozen test examples, without the baseline, which would end every ladder: it is a climb by
itself. Broken off, the same command goes on. Writes results/four.json (scores and costs by example id, no text of others) and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench.real.__main__ import rows
from bench.real.server import cpu_s, ended_in_order, llama
from rung.config import parse_config
from rung.ladder import climb
from rung.store.run import RunFolder
from rung.types import Outcome, Result, rate
from rung_nano.fetched import MODELS, Cache

RESULTS = Path(__file__).parent / "results" / "four.json"
SEED, LABELS, EXAMPLES = 7, 10, 600
LINEAR, TUNED = "linear", "smollm2"
ORDER = (LINEAR, "qwen15", "qwen05", TUNED)
STEPS = {  # approach -> how the table calls it, and what is right where it is the first to meet the goal
    "baseline": ("words alone", "no language model"),
    "prompt": ("prompt", "a better prompt"),
    "fewshot": ("few-shot", "examples in the prompt"),
    "finetune": ("LoRA", "tuning"),
}
LADDER: tuple[Any, ...] = ("prompt", {"fewshot": {"k": [3, 5, 8], "selections": ["nearest"]}})
TUNING = {"finetune": {"under": "short", "tuner": {"lora": {"search": False}}}}


def examples(source: Path) -> Iterator[dict[str, str]]:
    """Yield the drawn examples."""
    found = list(rows(source, "train"))
    common = {label for label, _ in Counter(r["expected"] for r in found).most_common(LABELS)}
    for r in random.Random(SEED).sample([r for r in found if r["expected"] in common], EXAMPLES):
        yield {"id": r["id"], "message": r["input"], "queue": r["expected"]}


def settings(name: str, home: Path, model: Mapping[str, Any]) -> Any:
    """Return the configuration of one climb; only the model and what it can do differ."""
    ladder = [*LADDER, TUNING] if name == TUNED else [*LADDER] if model else ["baseline"]
    return parse_config(
        {
            "task": {
                "name": f"ten-queues-{name}", "kind": "classification", "instruction": "Which queue does this message to a bank belong to?",
                "inputs": ["message"], "target": "queue", "metrics": ["normalized_match"], "goal": 0.85, "tolerance": 0.05,
                "scope": "narrow", "facts_change": "rarely",
            },
            "data": {"path": "examples.jsonl", "id": "id"},
            "split": {"test": 0.4, "dev": 0.15, "seed": SEED},
            "models": {"main": model} if model else {},
            "ladder": ladder,
            "stop_early": False,
            "general_abilities": False,
        },
        home,
    )  # fmt: skip


def one(name: str, cache: Cache, shared: Path, runs: Path) -> None:
    """Climb with one model, or go on."""
    home = runs / name
    home.mkdir(parents=True, exist_ok=True)
    with (home / "examples.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in examples(shared / "data" / "banking77"))
    model: dict[str, Any] = {}
    served: Any = nullcontext(("", None))
    if name in MODELS:
        model = {"name": MODELS[name].title, "max_tokens": 24, "usd_per_hour": 0.1}
    if name == TUNED:
        model |= {"provider": "local", "folder": str(cache.model(name).resolve())}
    elif model:
        served = llama(cache.gguf(name), cache.server(), 2)
        model |= {"provider": "openai", "concurrency": 2, "context": 4096, "timeout_s": 900}
    clock, start = home / "cpu_s.txt", time.process_time()
    before = float(clock.read_text()) if clock.exists() else 0.0
    with ended_in_order(), served as (url, pid):
        try:
            climb(settings(name, home, {**model, "base_url": url} if url else model), home / "run")
        finally:
            spent = before + time.process_time() - start + (cpu_s(pid) if pid else 0)
            clock.write_text(f"{spent:.1f}")


def record(home: Path) -> dict[str, Any]:
    """Return what a climb found as plain data, by example id; of one that was broken off, what it had measured."""
    folder = RunFolder.open(home / "run")
    verdict, spent = folder.verdict.get(), (folder.spend.get() or {}).get("by_role", {}).get("main", {})
    fit = folder.rung("finetune").fitted.get()
    tuning = fit.tuning if fit is not None else None
    measured = {step: folder.rung(step).measured() for step in STEPS if folder.rung(step).result.exists}
    return {
        "headline": None if verdict is None else verdict.headline,
        **{key: spent.get(key, 0) for key in ("calls", "input_tokens", "output_tokens")},
        "cpu_s": round(float(clock.read_text())) if (clock := home / "cpu_s.txt").exists() else None,
        "gains": [[c.lower, c.upper, c.gain, c.low, c.high, c.p_adjusted] for c in folder.comparisons.get() or ()],
        "approaches": {step: _approach(result) for step, result in measured.items()},
        **({"tuning": {"examples": tuning.curve[-1].rows, "curve": [[p.rows, p.dev, p.n] for p in tuning.curve], "seconds": tuning.seconds}}
           if tuning is not None and tuning.curve else {}),
    }  # fmt: skip


def _approach(result: Result) -> dict[str, Any]:
    metric, e = next(iter(result.estimates.items()))
    return {
        "candidate": result.candidate.name, "status": result.quality.status, "n": e.n, "mean": e.mean, "low": e.low, "high": e.high,
        "tokens_per_request": result.tokens_per_request, "failures": dict(result.failures),
        "columns": ["score", "input_tokens", "output_tokens", "seconds"],
        "examples": {o.example_id: _row(o, metric) for o in sorted(result.outcomes, key=lambda o: o.example_id)},
    }  # fmt: skip


def _row(outcome: Outcome, metric: str) -> list[float | None]:
    calls = outcome.answer.calls if outcome.answer is not None else ()
    seconds = outcome.answer.seconds if outcome.answer is not None else None
    return [
        outcome.value(metric, 0.0),
        sum(c.input_tokens or 0 for c in calls),
        sum(c.output_tokens or 0 for c in calls),
        None if seconds is None else round(seconds, 3),
    ]


def found() -> dict[str, dict[str, Any]]:
    """Return what has been measured so far, by model."""
    kept: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return {name: kept[name] for name in ORDER if name in kept}


def table(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the Markdown table: one row a model, what each approach scored, and what is right with that model."""
    yield f"| the model at hand | {' | '.join(title for title, _ in STEPS.values())} | what it takes |"
    yield f"|---|{'--:|' * len(STEPS)}---|"
    for name, climbed in found.items():
        scored = climbed["approaches"]
        open_ones = _steps(name) if climbed["headline"] is None else ()
        cells = [_cell(scored[step]) if step in scored else "not yet" if step in open_ones else "" for step in STEPS]
        yield f"| {_title(name)} | {' | '.join(cells)} | {_answer(climbed)} |"


def numbers(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the Markdown table of all that was measured: one row an approach of a model."""
    yield "| model | approach | candidate | n | score (95 % CI) | goal | tokens a request |"
    yield "|---|---|---|--:|---|---|--:|"
    for name, climbed in found.items():
        for step, a in climbed["approaches"].items():
            tokens = "" if a["tokens_per_request"] is None else f"{a['tokens_per_request']:,.0f}"
            yield f"| {_title(name)} | {STEPS[step][0]} | {a['candidate']} | {a['n']} | {_cell(a)} | {a['status']} | {tokens} |"
    yield ""
    yield "| model | verdict | calls | tokens in | tokens out | CPU-minutes |"
    yield "|---|---|--:|--:|--:|--:|"
    for name, climbed in found.items():
        if climbed["headline"] is not None:
            counts = " | ".join(f"{climbed[key]:,}" for key in ("calls", "input_tokens", "output_tokens"))
            yield f"| {_title(name)} | {climbed['headline']} | {counts} | {climbed['cpu_s'] / 60:.1f} |"


def _title(name: str) -> str:
    return MODELS[name].title if name in MODELS else "no language model"


def _cell(a: Mapping[str, Any]) -> str:
    return f"{_short(a['mean'])} ({_short(a['low'])} to {_short(a['high'])})"


def _short(value: float) -> str:
    return rate(value).removeprefix("0")


def _steps(name: str) -> tuple[str, ...]:
    """Return the approaches that a model's ladder holds."""
    asked = tuple(STEPS)[1:]
    return asked if name == TUNED else asked[:-1] if name in MODELS else tuple(STEPS)[:1]


def _answer(climbed: Mapping[str, Any]) -> str:
    """Say in words what the ladder ended with."""
    scored = climbed["approaches"]
    met = [words for step, (_, words) in STEPS.items() if step in scored and scored[step]["status"] == "meets"]
    if met or climbed["headline"] is None:
        return f"**{met[0]}**" if met else "not yet measured"
    return "undecided" if any(a["status"] == "inconclusive" for a in scored.values()) else "another model"


def main(words: Sequence[str] | None = None) -> None:
    """Climb with every model that is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Cache.usual(), help="where fetched weights lie")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--runs", type=Path, default=Path("runs/four"))
    parser.add_argument("--only", choices=ORDER, help="one model")
    parser.add_argument("--record", action="store_true", help="climb no further: write down what is measured so far")
    args = parser.parse_args(words)
    for name in [args.only] if args.only else ORDER:
        if not args.record:
            one(name, Cache(args.models, say=print), args.shared, args.runs)
        climbed = record(args.runs / name)
        RESULTS.write_text(json.dumps({**found(), name: climbed}, separators=(",", ":")) + "\n", encoding="utf-8")
        print("\n".join(table(found())), flush=True)


if __name__ == "__main__":
    main()
