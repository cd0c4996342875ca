"""Measure every ability of a model: ``python -m bench.nano.measure --model nano-s``; Markdown and JSON beside this file."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.nano.answers import Answerer
from bench.nano.cases import CELLS, LONGEST, Rung, cases, chat, checks
from rung.stats.estimate import wilson
from rung_nano import WEIGHTS

HERE = Path(__file__).parent
SEED = 70_001
"""Of the reported rows; whoever tries things out takes another one, so that nobody chooses by the rows that are reported."""


@dataclass(frozen=True)
class Result:
    """One cell: the share of rows that pass all checks with its Wilson interval, and the mean share of checks passed."""

    task: str
    rung: str
    n: int
    mean: float
    all_checks: float
    low: float
    high: float
    held_back_wording: float | None
    checks: dict[str, float]
    prompt_tokens: float
    seconds: float
    failures: list[dict[str, str]]


def measure(model: Answerer, task: str, name: str, rung: Rung, n: int, seed: int = SEED) -> Result:
    """Measure one cell."""
    started = time.monotonic()
    rows = cases(task, rung, n, seed)
    chats = [chat(case, rung) for case in rows]
    got = model.answers([c for c, _ in chats], LONGEST.get(task.split(" ")[0].strip(","), 96))
    results = [checks(case, rung, expected, text) for case, (_, expected), text in zip(rows, chats, got, strict=True)]
    scored = [[v for k, v in r.items() if not k.startswith("(")] for r in results]
    passed = [all(s) for s in scored]
    unseen = [p for p, case in zip(passed, rows, strict=True) if case.item.held_back]
    interval = wilson(sum(passed), n)
    names = list(dict.fromkeys(k for r in results for k in r))
    shares = {k: round(sum(r[k] for r in results if k in r) / sum(k in r for r in results), 3) for k in names}
    failures = [
        {"message": case.item.message, "expected": expected, "got": text}
        for case, (_, expected), text, ok in zip(rows, chats, got, passed, strict=True)
        if not ok
    ][:3]
    return Result(
        task,
        name,
        n,
        sum(sum(s) / len(s) for s in scored) / n,
        sum(passed) / n,
        interval.low,
        interval.high,
        sum(unseen) / len(unseen) if unseen else None,
        shares,
        model.prompt_tokens([c for c, _ in chats[:40]]),
        time.monotonic() - started,
        failures,
    )


def row(result: Result) -> str:
    """Write a result as a line of a Markdown table."""
    unseen = "" if result.held_back_wording is None else f"{result.held_back_wording:.3f}"
    parts = ", ".join(f"{k} {v:.2f}" for k, v in result.checks.items())
    return f"| {result.task} | {result.rung} | {result.n} | {result.all_checks:.3f} | {result.low:.3f} to {result.high:.3f} | {result.mean:.3f} | {unseen} | {result.prompt_tokens:.0f} | {parts} |"


HEAD = "| task | prompt | n | all checks | 95 % interval | mean of checks | unseen wordings | prompt tokens | checks |\n|---|---|--:|--:|---|--:|--:|--:|---|"


def main() -> None:
    """Measure the cells asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano-s", help="name of shipped weights, or a folder")
    parser.add_argument("--n", type=int, default=400)
    parser.add_argument("--only", default="", help="measure only cells whose task or rung contains this text")
    parser.add_argument(
        "--out", type=Path, default=None, help="path without suffix (default: bench/nano/results/MODEL)"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SEED, help="of the test rows")
    options = parser.parse_args()
    folder = WEIGHTS / options.model if (WEIGHTS / options.model).is_dir() else Path(options.model)
    model = Answerer.load(folder, options.threads)
    print(HEAD)
    results = list[Result]()
    for task, name, rung in CELLS:
        if options.only in f"{task}: {name}":
            results.append(measure(model, task, name, rung, options.n, options.seed))
            print(row(results[-1]), flush=True)
    out = options.out or HERE / "results" / folder.name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")
    out.with_suffix(".md").write_text("\n".join([HEAD, *map(row, results)]) + "\n")


if __name__ == "__main__":
    main()
