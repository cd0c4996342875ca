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
from rung.background import quiet_collector
from rung.evaluate.answering import answer_rows, scorer
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import askers
from rung.metrics.normalized_match import NormalizedMatch
from rung.models.budget import Budget
from rung.models.client import Client
from rung.models.openai import OpenAI
from rung.progress import Silent
from rung.prompts.templates import ChatSystem, instructed
from rung.store.cache import AnswerCache
from rung.store.run import RunFolder
from rung.types import Example, MetricSpec, Task

TASK = Task(
    "tickets", INSTRUCTION, ("text",), "label", "classification", (MetricSpec("normalized_match"),), 0.9, labels=LABELS
)


async def answer_all(folder: RunFolder, url: str, concurrency: int) -> dict[str, object]:
    examples = folder.load_rows("parts/test.jsonl", Example)
    settings = OpenAI(
        name="stub", base_url=url, concurrency=concurrency, input_usd_per_mtok=0.1, output_usd_per_mtok=0.4
    )
    with quiet_collector(), AnswerCache.open(folder.path / "ledger.sqlite") as answer_cache:
        client = Client(settings, settings.connect(), answer_cache, Budget(10.0))
        kit = RunKit(TASK, askers({"main": client}), 0, Silent())
        system = ChatSystem(instructed(INSTRUCTION, TASK.inputs), "main", lambda _: (), kit)
        began = time.perf_counter()
        outcomes = await answer_rows(
            system, examples, scorer({"normalized_match": NormalizedMatch()}, TASK), concurrency=client.concurrency
        )
        window_s = time.perf_counter() - began
        await client.close()
        usage = client.usage
    folder.rung("prompt").outcomes.save(outcomes)
    right = sum(o.value("normalized_match", 0.0) or 0.0 for o in outcomes)
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
