"""Winners of real runs through `rung serve`: `python -m bench.serve.winners RUN [--langchain PYTHON] [--examples N]`.

Dev examples are asked by the official OpenAI client, every second one streamed, by LangChain's in a Python that has it, and by 16 connections
at once; answers are held against the stored ones, and seconds and CPU of the server against the same approach asked in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import openai

from rung.exports.write import chosen
from rung.serve.winner import opened
from rung.store.run import RunFolder

AT_ONCE = 16
LANGCHAIN = """
import json, sys
from langchain_openai import ChatOpenAI
asked = json.load(sys.stdin)
chat = ChatOpenAI(base_url=asked["url"], model=asked["model"], api_key="x")
print(json.dumps([m.content for m in chat.batch(asked["texts"], config={"max_concurrency": 16})]))
"""

Inputs = Mapping[str, str]


def text_of(inputs: Inputs) -> str:
    """Return the user's message that holds these inputs."""
    return next(iter(inputs.values())) if len(inputs) == 1 else json.dumps(dict(inputs))


async def all_of(ask: Callable[[int, Inputs], Awaitable[str]], rows: Sequence[Inputs]) -> list[str]:
    """Ask for all rows, so many at once; return the answers in their order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, inputs: Inputs) -> str:
        async with places:
            return await ask(number, inputs)

    return list(await asyncio.gather(*(one(n, inputs) for n, inputs in enumerate(rows))))


async def by_openai(url: str, model: str, rows: Sequence[Inputs]) -> list[str]:
    async with openai.AsyncOpenAI(base_url=url, api_key="x") as client:

        async def ask(number: int, inputs: Inputs) -> str:
            messages: Any = [{"role": "user", "content": text_of(inputs)}]
            if number % 2:
                stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
                return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            return (await client.chat.completions.create(model=model, messages=messages)).choices[
                0
            ].message.content or ""

        return await all_of(ask, rows)


async def by_columns(url: str, rows: Sequence[Inputs]) -> list[str]:
    async with aiohttp.ClientSession() as session:

        async def ask(_: int, inputs: Inputs) -> str:
            async with session.post(f"{url}/predict", json=dict(inputs)) as reply:
                return str((await reply.json())["answer"])

        return await all_of(ask, rows)


def by_langchain(python: str, url: str, model: str, rows: Sequence[Inputs]) -> list[str]:
    asked = json.dumps({"url": url, "model": model, "texts": list(map(text_of, rows))})
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([python, "-c", LANGCHAIN], input=asked, capture_output=True, text=True, check=True, env=clean)
    return list(json.loads(done.stdout))


async def in_process(run: Path, rows: Sequence[Inputs]) -> tuple[list[str], float, float]:
    """Answer without a server; return answers, seconds and CPU-seconds."""
    async with opened(run) as winner:

        async def ask(_: int, inputs: Inputs) -> str:
            return (await winner.answer(inputs))[0].text

        await ask(0, rows[0])  # the model is loaded
        began, cpu = time.perf_counter(), time.process_time()
        return await all_of(ask, rows), time.perf_counter() - began, time.process_time() - cpu


def cpu_of(pid: int) -> float:
    """CPU-seconds of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(run: Path, examples: int, python: str | None) -> dict[str, Any]:
    folder = RunFolder.open(run)
    label = chosen(folder)
    stored = {o.example_id: o.answer.text for o in folder.rung(label).dev.need() if o.answer is not None}
    dev = [e for e in folder.parts.dev.need() if e.id in stored][:examples]
    rows, before = [{c: e.inputs[c] for c in folder.task.inputs} for e in dev], [stored[e.id] for e in dev]
    process = subprocess.Popen(
        [sys.executable, "-m", "rung", "serve", str(run), "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            said += process.stdout.readline()
        begun = json.loads(said)
        if "url" not in begun:
            raise SystemExit(said)
        url, model = begun["url"], begun["model"]
        began, cpu = time.perf_counter(), cpu_of(process.pid)
        answers = {"columns": asyncio.run(by_columns(url, rows))}
        seconds, cpu = time.perf_counter() - began, cpu_of(process.pid) - cpu
        answers["openai"] = asyncio.run(by_openai(url, model, rows))
        if python:
            answers["langchain"] = by_langchain(python, url, model, rows)
    finally:
        process.terminate()
        process.wait()
    answers["in_process"], alone_s, alone_cpu = asyncio.run(in_process(run, rows))
    n = len(rows)
    return {
        "run": folder.task.name,
        "approach": label,
        "examples": n,
        "as_stored": {who: sum(a == b for a, b in zip(found, before, strict=True)) for who, found in answers.items()},
        "served": {"a_second": round(n / seconds, 1), "cpu_s_per_1000": round(1000 * cpu / n, 2)},
        "in_process": {"a_second": round(n / alone_s, 1), "cpu_s_per_1000": round(1000 * alone_cpu / n, 2)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--langchain", help="a Python that has langchain-openai")
    parser.add_argument("--examples", type=int, default=100)
    asked = parser.parse_args()
    print(json.dumps(measured(asked.run, asked.examples, asked.langchain), indent=1))


if __name__ == "__main__":
    main()
