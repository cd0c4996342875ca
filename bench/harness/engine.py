"""Our engine as a process: rows of a run folder, rendered, asked, made durable, scored, written.

`python -m bench.harness.engine FOLDER URL CONCURRENCY`; prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from bench.harness.rows import INSTRUCTION, LABELS
from rung.evaluate.answering import answer_rows, scorer
from rung.evaluate.kit import RunKit, askers
from rung.evaluate.progress import Silent
from rung.metrics.exact_match import ExactMatch
from rung.models.budget import Budget
from rung.models.client import Client, quiet_collector
from rung.models.openai import OpenAI
from rung.rungs._prompting import ChatSystem, instructed
from rung.store.folder import RunFolder
from rung.store.ledger import Ledger
from rung.types import Example, MetricSpec, Outcome, Task

TASK = Task(
    "tickets", INSTRUCTION, ("text",), "label", "classification", (MetricSpec("exact_match"),), 0.9, labels=LABELS
)


async def answer_all(folder: RunFolder, url: str, concurrency: int) -> dict[str, object]:
    examples = folder.load_rows("parts/test.jsonl", Example)
    settings = OpenAI(
        name="stub", base_url=url, concurrency=concurrency, input_usd_per_mtok=0.1, output_usd_per_mtok=0.4
    )
    with quiet_collector(), Ledger.open(folder.path / "ledger.sqlite") as ledger:
        client = Client(settings, settings.connect(), ledger, Budget(10.0))
        kit = RunKit(TASK, askers({"main": client}), 0, Silent())
        system = ChatSystem(instructed(INSTRUCTION, TASK.inputs), "main", lambda _: (), kit)
        began = time.perf_counter()
        outcomes = await answer_rows(
            system, examples, scorer({"exact_match": ExactMatch()}, TASK), concurrency=client.concurrency
        )
        window_s = time.perf_counter() - began
        await client.close()
        usage = client.usage
    folder.save_rows("rungs/prompt/outcomes.jsonl", outcomes, Outcome)
    right = sum(o.value("exact_match", 0.0) or 0.0 for o in outcomes)
    failed = sum(o.scores is None for o in outcomes)
    return {
        "rows": len(outcomes),
        "failed": failed,
        "accuracy": right / len(outcomes),
        "window_s": window_s,
        "in_flight": usage.in_flight,
        "attempts": usage.attempts,
        "cached": usage.cached,
    }


def main() -> None:
    folder, url, concurrency = sys.argv[1:]
    print(json.dumps(asyncio.run(answer_all(RunFolder(Path(folder)), url, int(concurrency)))))


if __name__ == "__main__":
    main()
