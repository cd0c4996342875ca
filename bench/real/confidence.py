"""Which number of an answer's token log-probabilities tells right from wrong answers, on real weights through a llama-server.

    python -m bench.real.confidence [--models FOLDER] [--shared FOLDER] [--examples N] [MODEL ...]

Each set is asked by five examples shown as turns, the same for all, one request at a time. Thirty of them are asked twice without
log-probabilities: how many answers change by asking for them, and (in brackets) by asking again. For the sum, the mean and the least of the log-probabilities: the chance that a right answer has a greater one than a wrong one (the
area under the curve; ties count half), and the share of wrong answers among the surest half. No text of a data set is written.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.real.record import config_of
from bench.real.server import cpu_s, llama
from bench.real.sets import SETS, RealSet
from rung import plugins
from rung.data.configured import as_task
from rung.evaluate.answering import scored
from rung.types import Answer, Completion, Example, Message, Request, Score, Task
from rung_nano.fetched import MODELS, Cache

PORT = 8603
SHOWN, AGAIN = 5, 30
ASKED = ("banking77-10", "it-tickets", "restaurant8k")
NUMBERS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "mean": lambda p: sum(p) / len(p),
    "least": min,
}


def area(pairs: Sequence[tuple[float, bool]]) -> float | None:
    """Return how often a right answer has the greater number; None where all are right, or all are wrong."""
    right, wrong = [x for x, r in pairs if r], [x for x, r in pairs if not r]
    if not right or not wrong:
        return None
    return sum((a > b) + (a == b) / 2 for a in right for b in wrong) / (len(right) * len(wrong))


def wrong_of_surest(pairs: Sequence[tuple[float, bool]]) -> float:
    surest = sorted(pairs, key=lambda pair: -pair[0])[: len(pairs) // 2]
    return sum(not right for _, right in surest) / len(surest)


def chat(of: RealSet, shown: Sequence[Example], row: Example) -> tuple[Message, ...]:
    labels = f" Answer with one of: {', '.join(sorted({e.target for e in shown}))}."
    head = Message("system", of.instruction + (labels if of.kind == "classification" else ""))
    turns = [m for e in shown[:SHOWN] for m in (Message("user", e.text), Message("assistant", e.target))]
    return (head, *turns, Message("user", row.text))


async def answers(model: Any, chats: Sequence[tuple[Message, ...]], params: Mapping[str, Any]) -> list[Completion]:
    return [await model.complete(Request(messages, params)) for messages in chats]


def task_of(of: RealSet, fitting: Sequence[Example]) -> Task:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "examples.jsonl").touch()
        return as_task(config_of(of, {"provider": "fake"}, Path(home)), of.kind, fitting)  # type: ignore[arg-type]


async def measured(of: RealSet, url: str, shared: Path, examples: int) -> str:
    pools = of.pools(shared)
    task, rows = task_of(of, pools.fitting), pools.asked[:examples]
    metric = plugins.make("metrics", of.metric, **of.settings)
    settings = plugins.make("models", "openai", name="m", base_url=url, max_tokens=of.max_tokens, timeout_s=900)
    model = settings.connect()
    try:
        chats = [chat(of, pools.fitting, row) for row in rows]
        plain = await answers(model, chats[:AGAIN], {})
        told = await answers(model, chats, {"logprobs": True})
        twice = await answers(model, chats[:AGAIN], {})
    finally:
        await model.close()
    found = []
    for row, one in zip(rows, told, strict=True):
        score = scored(of.metric, metric, Answer(one.text.strip()), row, task)
        found.append((one.logprobs, isinstance(score, Score) and score.value >= 1.0))
    changed, by_itself = (
        sum(a.text != b.text for a, b in zip(plain, others, strict=False)) for others in (told, twice)
    )
    known = [(p, right) for p, right in found if p]
    cells = [
        f"{of.name} | {len(rows)} | {len(known)} | {sum(r for _, r in found) / len(found):.2f} | {changed} ({by_itself})"
    ]
    for number in NUMBERS.values():
        pairs = [(number(p), right) for p, right in known]
        chance = area(pairs)
        cells.append(f"{'-' if chance is None else f'{chance:.3f}'} / {wrong_of_surest(pairs):.2f}")
    return f"{' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Cache.usual(), help="where fetched weights lie")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sets", nargs="*", default=ASKED, choices=SETS)
    parser.add_argument("names", nargs="*", default=["qwen05", "smollm2"], choices=[*MODELS, []], metavar="MODEL")
    args = parser.parse_args()
    print(f"| model | set | n | told | right | answers changed | {' | '.join(NUMBERS)} |", flush=True)
    print(f"|---|---|--:|--:|--:|--:|{'--:|' * len(NUMBERS)}", flush=True)
    for name in args.names:
        cache = Cache(args.models, say=print)
        with llama(cache.gguf(name), cache.server(), args.threads, PORT) as (url, pid):
            for of in args.sets:
                line = asyncio.run(measured(SETS[of], url, args.shared, args.examples))
                print(f"| {name} | {line}", flush=True)
            print(f"{name}: {cpu_s(pid):.0f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
