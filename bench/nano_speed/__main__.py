"""Measure the bundled model three ways in one run: plain `generate` row by row, plain padded batches, and ours.

    python -m bench.nano_speed --rows 120 --model nano-s

Prints CPU-seconds (of this process, all threads), wall seconds, rows per CPU-second, the ratio to the plain loop and
how many answers equal the plain loop's. With --first it measures a first single answer in a fresh process, imports
included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bench.nano_speed.prompts import chats
from rung import plugins
from rung.types import Message, Request
from rung_nano import WEIGHTS

Chat = tuple[Message, ...]
_FIRST = """
import asyncio, json, time
from rung import plugins
from rung.types import Message, Request
model = plugins.make("models", "nano", name="{name}").connect()
said = asyncio.run(model.complete(Request((Message("user", "Where is my parcel?"),), {{"max_tokens": 32}})))
print(json.dumps([time.process_time(), time.perf_counter(), said.output_tokens]))
"""


@dataclass(frozen=True)
class Way:
    """One way to answer all chats, and what it took."""

    name: str
    texts: list[str]
    cpu_s: float
    wall_s: float
    tokens: int


def measure(name: str, answer: Callable[[], tuple[list[str], int]]) -> Way:
    """Run one way and time it."""
    cpu, wall = time.process_time(), time.perf_counter()
    texts, tokens = answer()
    return Way(name, texts, time.process_time() - cpu, time.perf_counter() - wall, tokens)


class Plain:
    """What a user would write with transformers: `generate`, greedy."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def answer(self, asked: Sequence[Chat], batch: int, limit: int) -> tuple[list[str], int]:
        texts: list[str] = []
        count = 0
        for start in range(0, len(asked), batch):
            rows: Any = [[m.as_dict() for m in chat] for chat in asked[start : start + batch]]
            inputs = self.tokenizer.apply_chat_template(
                rows, add_generation_prompt=True, return_tensors="pt", padding=True, return_dict=True
            )
            with self.torch.inference_mode():
                out = self.model.generate(**inputs, max_new_tokens=limit, do_sample=False)
            new = out[:, inputs["input_ids"].shape[1] :]
            texts += self.tokenizer.batch_decode(new, skip_special_tokens=True)
            count += int((new != self.tokenizer.pad_token_id).sum())
        return texts, count


def ours(asked: Sequence[Chat], limit: int, model: Any) -> tuple[list[str], int]:
    """Answer through the provider, all requests at once."""

    async def run() -> tuple[list[str], int]:
        said = await asyncio.gather(*(model.complete(Request(chat, {"max_tokens": limit})) for chat in asked))
        return [s.text for s in said], sum(s.output_tokens + (s.finish == "stop") for s in said)

    return asyncio.run(run())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--model", default="nano-s")
    parser.add_argument("--limit", type=int, default=64, help="longest answer in tokens")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=["bare", "told", "fixed", "own", "inside"])
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--first", action="store_true")
    args = parser.parse_args()
    if args.first:
        out = subprocess.run(
            [sys.executable, "-c", _FIRST.format(name=args.model)], capture_output=True, text=True, check=True
        )
        cpu_s, _, tokens = json.loads(out.stdout)
        print(f"first answer of a fresh process: {cpu_s:.2f} CPU-s, {tokens} tokens")
        return
    asked = chats(args.rows, seed=1, kinds=tuple(args.kinds))
    model = plugins.make("models", "nano", name=args.model, threads=args.threads).connect()
    ours(asked[:4], 4, model)
    found = [measure("ours", lambda: ours(asked, args.limit, model))]
    if not args.only_ours:
        plain = Plain(WEIGHTS / args.model)
        plain.torch.set_num_threads(args.threads)
        plain.answer(asked[:2], 2, 4)
        found.insert(0, measure("padded batches of 32", lambda: plain.answer(asked, 32, args.limit)))
        found.insert(0, measure("plain loop", lambda: plain.answer(asked, 1, args.limit)))
    prompt = sum(model.count_tokens(chat) for chat in asked) / len(asked)
    print(f"{args.rows} rows, {prompt:.0f} prompt tokens a row, at most {args.limit} new, {args.threads} thread(s)")
    print(
        f"{'way':22s} {'CPU-s':>7s} {'wall s':>7s} {'rows/CPU-s':>10s} {'times plain':>11s} {'equal':>7s} {'new tokens':>10s}"
    )
    for way in found:
        equal = sum(a == b for a, b in zip(way.texts, found[0].texts, strict=True))
        ratio = found[0].cpu_s / way.cpu_s
        print(f"{way.name:22s} {way.cpu_s:7.2f} {way.wall_s:7.2f} {args.rows / way.cpu_s:10.1f} {ratio:11.1f} "
              f"{equal:3d}/{args.rows} {way.tokens:10d}")  # fmt: skip
    asyncio.run(model.close())


if __name__ == "__main__":
    main()
