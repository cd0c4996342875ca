"""Tokens per second and peak memory of tuning: rung, a bare PyTorch loop, TRL. ``python -m bench.tuning``

Same model, rows, order of magnitude of a batch and number of steps; every contestant runs in a process of its own, one
after the other, `--repeats` times in turn, and the median counts. CPU-seconds are the measure on a shared machine; wall
seconds are told beside them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROWS, STEPS, BATCH = 500, 60, 16


def rows_of_the_example() -> list[Any]:
    """Return the first training rows of the shipped example under the short prompt."""
    from rung.types import Message, TuningRow
    from rung_nano import EXAMPLES

    text = (EXAMPLES / "brand-voice" / "rows.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()[:ROWS]]
    return [TuningRow(r["id"], (Message("user", r["message"]),), r["reply"]) for r in rows]


def base() -> Any:
    from rung.types import Base
    from rung_nano import WEIGHTS

    return Base("main", "nano-s", str(WEIGHTS / "nano-s"), "x", None, 128, 0.0)


def ours(method: str, threads: int) -> Callable[[], int]:
    """Return rung's own loop, ready to train."""
    from rung import plugins

    recipe = plugins.make("tuners", method, threads=threads, search=False, batch_rows=BATCH, epochs=10).variants(
        base()
    )[0]
    run = recipe.start(base(), rows_of_the_example(), Path(tempfile.mkdtemp()) / "state", 1)

    def train() -> int:
        run.train(STEPS, lambda _: None)
        return int(run.tokens)

    return train


def bare(method: str, threads: int) -> Callable[[], int]:
    """Return the loop that one would write by hand: transformers' own loss on padded batches."""
    import random

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(base().weights)
    model: Any = AutoModelForCausalLM.from_pretrained(base().weights, dtype=torch.float32)
    if method == "lora":
        model = get_peft_model(
            model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        )
    encoded = []
    for row in rows_of_the_example():
        turns = [m.as_dict() for m in row.messages]
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        whole = tokenizer.apply_chat_template([*turns, {"role": "assistant", "content": row.answer}], return_dict=False)
        encoded.append((whole, len(prompt)))
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-3)
    draw = random.Random(1)

    def train() -> int:
        model.train()
        tokens = 0
        for _ in range(STEPS):
            batch = draw.sample(encoded, BATCH)
            width = max(len(whole) for whole, _ in batch)
            ids, labels = torch.zeros(BATCH, width, dtype=torch.long), torch.full((BATCH, width), -100)
            for i, (whole, prompt) in enumerate(batch):
                ids[i, : len(whole)] = torch.tensor(whole)
                labels[i, prompt : len(whole)] = torch.tensor(whole[prompt:])
            model(input_ids=ids, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            tokens += sum(len(whole) for whole, _ in batch)
        return tokens

    return train


def trl(method: str, threads: int) -> Callable[[], int]:
    """Return TRL's SFTTrainer, its defaults for large models (bf16, checkpointing) turned off."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(threads)
    chats = [
        {"prompt": [m.as_dict() for m in r.messages], "completion": [{"role": "assistant", "content": r.answer}]}
        for r in rows_of_the_example()
    ]
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=BATCH, max_steps=STEPS, learning_rate=1e-3, max_length=None,
        completion_only_loss=True, packing=False, bf16=False, gradient_checkpointing=False, use_cpu=True, report_to="none",
        dataloader_pin_memory=False, save_strategy="no", logging_steps=STEPS, disable_tqdm=True, seed=1,
    )  # fmt: skip
    lora = (
        LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        if method == "lora"
        else None
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base().weights, dtype=torch.float32),
        args=config,
        train_dataset=Dataset.from_list(chats),
        processing_class=AutoTokenizer.from_pretrained(base().weights),
        peft_config=lora,
    )

    def train() -> int:
        trainer.train()
        return int(max(entry.get("num_tokens", 0) for entry in trainer.state.log_history))

    return train


CONTESTANTS = {"rung": ours, "bare": bare, "trl": trl}


def one(name: str, method: str, threads: int) -> dict[str, float]:
    """Run one contestant in this process: load, warm nothing up, train, tell."""
    warnings.simplefilter("ignore")
    train = CONTESTANTS[name](method, threads)
    wall, cpu = time.monotonic(), time.process_time()
    tokens = train()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"tokens": tokens, "wall_s": wall, "cpu_s": cpu, "peak_bytes": peak}


def summary(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return medians over the repeats."""
    return {
        "tokens_per_cpu_s": round(statistics.median(f["tokens"] / f["cpu_s"] for f in found), 1),
        "tokens_per_wall_s": round(statistics.median(f["tokens"] / f["wall_s"] for f in found), 1),
        "peak_mb": round(statistics.median(f["peak_bytes"] for f in found) / 1e6, 1),
        "tokens": found[0]["tokens"],
        "repeats": len(found),
    }


def main() -> None:
    """Run every contestant in turn and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs=2, metavar=("NAME", "METHOD"), help="one contestant in this process, as JSON")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(one(*options.only, options.threads)))
        return
    results: dict[str, Any] = {"threads": options.threads, "rows": ROWS, "steps": STEPS, "batch_rows": BATCH}
    print(f"{'method':8}{'contestant':12}{'tokens/CPU s':>14}{'tokens/s':>10}{'peak MB':>9}")
    for method in ("lora", "full"):
        found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
        for _ in range(options.repeats):
            for name in CONTESTANTS:
                command = [
                    sys.executable,
                    "-m",
                    "bench.tuning",
                    "--only",
                    name,
                    method,
                    "--threads",
                    str(options.threads),
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
        results[method] = {name: summary(rows) for name, rows in found.items()}
        for name, row in results[method].items():
            print(
                f"{method:8}{name:12}{row['tokens_per_cpu_s']:>14,.0f}{row['tokens_per_wall_s']:>10,.0f}{row['peak_mb']:>9,.0f}"
            )
        share = results[method]["rung"]["tokens_per_cpu_s"] / results[method]["bare"]["tokens_per_cpu_s"]
        results[method]["rung_over_bare"] = round(share, 3)
        print(f"{method}: rung trains at {share:.0%} of the bare loop's tokens per CPU-second")
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "tuning.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
