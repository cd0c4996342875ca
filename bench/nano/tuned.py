"""A small model tuned on 500 rows of one task against both models prompted: ``python -m bench.nano.tuned``."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.nano.answers import Answerer
from bench.nano.cases import TASKS, Case, Rung, chat, checks, examples, queries
from bench.nano.entries import DUEL, HEAD, Entry, duels, line
from bench.nano.measure import HERE
from rung.stats.estimate import wilson
from rung_nano import WEIGHTS
from rung_nano._scratch.corpus import Document
from rung_nano.training import wording
from rung_nano.training.world import World

ROWS, TESTS = 500, 400
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Contest:
    """One task: the prompts to beat, and the short prompt on which the small model is tuned."""

    task: str
    prompts: tuple[tuple[str, Rung], ...]
    short: Rung


CONTESTS = (
    Contest(
        "routing, natural names",
        (("prompt + definitions", Rung(meanings=True)), ("+ 8 examples", Rung(meanings=True, shots=8))),
        Rung(explicit=False),
    ),
    Contest(
        "routing, private codes",
        (("+ 5 examples", Rung(shots=5)), ("+ 8 examples", Rung(shots=8))),
        Rung(explicit=False),
    ),
    Contest("extraction, private conventions", (("+ 5 examples", Rung(shots=5)),), Rung(explicit=False)),
    Contest("brand voice", (("prompt", Rung()), ("+ 3 examples", Rung(shots=3))), Rung(explicit=False)),
    Contest(
        "desk reply",
        (
            ("+ definitions + 3 passages", Rung(meanings=True, passages=2)),
            ("+ 5 examples + 3 passages", Rung(shots=5, passages=2)),
        ),
        Rung(explicit=False, passages=2),
    ),
)


def one_job(task: str, seed: int) -> tuple[list[Case], list[Case], list[Case]]:
    """Draw one job with 8 example cases, `ROWS` training cases and `TESTS` test cases, no message twice."""
    world = World(seed, "test")
    job, habit = TASKS[task](world), wording.Style()
    shots = examples(job, 8)
    items = queries(job, ROWS + TESTS, shots)
    made = [Case(job, (), item, habit) for item in items]
    return [Case(job, (), item, habit) for item in shots], made[:ROWS], made[ROWS:]


def enter(
    model: Answerer,
    name: str,
    prompt: str,
    task: str,
    rung: Rung,
    tests: Sequence[Case],
    shots: Sequence[Case],
    seconds: float | None = None,
) -> Entry:
    """Measure one contestant on the test cases."""
    ready = [Case(c.job, tuple(s.item for s in shots[: rung.shots]), c.item, c.habit) for c in tests]
    chats = [chat(case, rung) for case in ready]
    got = model.answers([c for c, _ in chats])
    scored = [
        [v for k, v in checks(case, rung, expected, text).items() if not k.startswith("(")]
        for case, (_, expected), text in zip(ready, chats, got, strict=True)
    ]
    hits = sum(all(s) for s in scored)
    interval = wilson(hits, len(scored))
    mean = sum(sum(s) / len(s) for s in scored) / len(scored)
    tokens = model.prompt_tokens([c for c, _ in chats[:40]])
    return Entry(
        task,
        name,
        prompt,
        len(scored),
        hits / len(scored),
        interval.low,
        interval.high,
        mean,
        tokens,
        latency(model, [c for c, _ in chats[:24]], fresh=True),
        latency(model, [c for c, _ in chats[:24]], fresh=False),
        seconds,
    )


def latency(model: Answerer, chats: Sequence[Document], fresh: bool) -> float:
    """Return the median CPU time of single answers in milliseconds on one thread; the first four warm up."""
    times = list[float]()
    for one in chats:
        if fresh:
            model.engine.forget()
        started = time.process_time()
        model.answers([one])
        times.append(1000 * (time.process_time() - started))
    return sorted(times[4:])[len(times[4:]) // 2]


def tune(
    model: Answerer,
    chats: Sequence[tuple[Document, str]],
    lora: int,
    epochs: int = 6,
    rate: float = 1e-3,
    rows_per_batch: int = 16,
) -> tuple[Answerer, float]:
    """Tune a copy on chats and their answers; `lora` is a rank, 0 tunes all weights.  Return it with the CPU-seconds."""
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model.folder)
    if lora:
        network = get_peft_model(network, LoraConfig(r=lora, lora_alpha=2 * lora, target_modules=TARGETS))
    rows = list[tuple[list[int], int]]()
    for document, answer in chats:
        ask = list(model.tokens(document))
        rows.append((ask + tokenizer(answer + "<|end|>", add_special_tokens=False).input_ids, len(ask)))
    weights = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01)
    shuffle, started, step, steps = random.Random(0), time.process_time(), 0, epochs * -(-len(rows) // rows_per_batch)
    network.train()
    for _ in range(epochs):
        shuffle.shuffle(rows)
        for begin in range(0, len(rows), rows_per_batch):
            batch = rows[begin : begin + rows_per_batch]
            width = max(len(tokens) for tokens, _ in batch)
            ids, labels = torch.zeros(len(batch), width, dtype=torch.long), torch.full((len(batch), width), -100)
            for i, (tokens, prompt) in enumerate(batch):
                ids[i, : len(tokens)] = torch.tensor(tokens)
                labels[i, prompt : len(tokens)] = torch.tensor(tokens[prompt:])
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1, (step + 1) / 10) * (1 - step / steps)
            # padding on the right needs no mask: no token looks at what follows it
            network(input_ids=ids, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
    seconds = time.process_time() - started
    with tempfile.TemporaryDirectory() as name:
        (network.merge_and_unload() if lora else network).save_pretrained(name)
        tokenizer.save_pretrained(name)
        return Answerer.load(Path(name)), seconds


def main() -> None:
    """Run all contests and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", default="nano-s")
    parser.add_argument("--large", default="nano-l", help="a name or a folder; left out if it does not exist")
    parser.add_argument("--only", default="")
    parser.add_argument("--ranks", default="0,16", help="of adapters; 0 tunes all weights")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of the tuning; answers take one")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "tuned")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folders = {
        name: WEIGHTS / name if (WEIGHTS / name).is_dir() else Path(name) for name in (options.small, options.large)
    }
    models = {name: Answerer.load(folder) for name, folder in folders.items() if folder.is_dir()}
    entries = list[Entry]()
    print(HEAD)
    for contest in (c for c in CONTESTS if options.only in c.task):
        shots, rows, tests = one_job(contest.task, options.seed)
        for name, model in models.items():
            for prompt, rung in contest.prompts:
                entries.append(enter(model, name, prompt, contest.task, rung, tests, shots))
                print(line(entries[-1]), flush=True)
        for rank in map(int, options.ranks.split(",")):
            learnt = [chat(case, contest.short) for case in rows]
            tuned, seconds = tune(models[options.small], learnt, rank, rate=2e-3 if rank else 1e-3)
            name = f"{options.small} tuned ({f'LoRA {rank}' if rank else 'all weights'})"
            entries.append(enter(tuned, name, "short", contest.task, contest.short, tests, shots, seconds))
            print(line(entries[-1]), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".json").write_text(json.dumps([asdict(e) for e in entries], indent=1) + "\n")
    compared = duels(entries, options.small, options.large)
    text = [HEAD, *map(line, entries), *(["", DUEL, *compared] if compared else [])]
    options.out.with_suffix(".md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
