"""What most people write: the openai package, a semaphore, gather. `python -m bench.harness.openai_loop FOLDER URL CONCURRENCY`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from openai import AsyncOpenAI

from bench.harness.rows import INSTRUCTION


async def answer_all(folder: Path, url: str, concurrency: int) -> dict[str, object]:
    rows = [json.loads(line) for line in (folder / "parts" / "test.jsonl").read_text().splitlines()]
    client = AsyncOpenAI(base_url=url, api_key="none")
    gate = asyncio.Semaphore(concurrency)

    async def one(row: dict[str, object]) -> bool | None:
        text = row["inputs"]["text"]  # type: ignore[index]
        messages = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text}]
        async with gate:
            try:
                answer = await client.chat.completions.create(model="stub", messages=messages, temperature=0.0)  # type: ignore[arg-type]
            except Exception:  # noqa: BLE001  (the loop as people write it)
                return None
        return bool(answer.choices[0].message.content == row["target"])

    began = time.perf_counter()
    found = await asyncio.gather(*(one(row) for row in rows))
    window_s = time.perf_counter() - began
    await client.close()
    right = sum(f is True for f in found)
    return {
        "rows": len(found),
        "failed": sum(f is None for f in found),
        "accuracy": right / len(found),
        "window_s": window_s,
    }


def main() -> None:
    folder, url, concurrency = sys.argv[1:]
    print(json.dumps(asyncio.run(answer_all(Path(folder), url, int(concurrency)))))


if __name__ == "__main__":
    main()
