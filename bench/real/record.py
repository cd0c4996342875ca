"""A record on real tasks: the outcome of every approach of real models on real sets, by example id, from which `bench.replay` climbs.

    python -m bench.real.record [--only SET] [--model NAME] [--models FOLDER] [--shared FOLDER] [--runs FOLDER]
        [--threads N] [--most N]

What is asked goes through rung's own approaches: a prompt, and which examples it shows, are chosen on dev examples of the fitting pool alone
(`bench.real.sets`), then the other pool is asked in its fixed order. Scores, tokens and seconds are added to results/record/SET.json after every
few examples, with no text of a data set; the same command goes on where it ended, and asks for nothing that stands there. A choice is not
written down: on a machine without the answers of dev (--runs) it is made again, and a cell whose choice comes out otherwise is begun anew.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.real.server import ended_in_order, llama
from bench.real.sets import SEED, SETS, Pools, RealSet
from rung.config import Config, parse_config
from rung.config.steps import Step
from rung.data.configured import as_task
from rung.engine.contract import fit, refitted
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import askers
from rung.models.client import open_clients
from rung.progress import Silent
from rung.store.tuned import TunedRecord
from rung.tuning.workspace import Spaces, Workplace
from rung.types import Candidate, Example, FitInput, Outcome, Task
from rung_nano.fetched import MODELS, Cache

PLACE = Path(__file__).parent / "results" / "record"
PORT = 8598  # beside the port of the climbs, so that both may run at once
DEV = 60  # examples of the fitting pool by which is chosen; the others of the first `pool` are shown, or learnt from
PROMPT_POOL = 250  # examples of the fitting pool that prompts are drafted from and chosen by
AT_ONCE = 40  # examples between two writes
COLUMNS = ("score", "input_tokens", "output_tokens", "seconds")
STEPS: Mapping[str, Mapping[str, Any]] = {
    "prompt": {},
    "fewshot": {"k": [5], "selections": ["nearest"]},
    "finetune": {"under": "short", "force": True, "tuner": {"lora": {"search": False}}},
}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Cell:
    """One approach of one model on one set. `pool`: examples of the fitting pool that it has, dev among them."""

    set: str
    model: str
    approach: str
    pool: int

    @property
    def key(self) -> str:
        return f"{self.model}/{self.approach}/{self.pool}"


class Kept:
    """The record of one set: the ids of its asked pool in their order, and of each cell the columns so far."""

    def __init__(self, name: str, ids: Sequence[str], place: Path = PLACE) -> None:
        """Raises ValueError where the file was made from other examples."""
        self._file = place / f"{name}.json"
        self.ids = tuple(ids)
        self.cells: dict[str, dict[str, Any]] = {}
        if self._file.exists():
            stored = json.loads(self._file.read_text(encoding="utf-8"))
            if stored["ids"] != list(ids):
                raise ValueError(
                    f"{self._file} holds other examples than the shared data give: move it away to begin anew"
                )
            self.cells = stored["cells"]

    def done(self, key: str, candidate: str | None = None) -> int:
        """Return how many examples of the order a cell holds; 0 where `candidate`, a hash, is not what it was asked with."""
        cell = self.cells.get(key)
        return 0 if cell is None or candidate not in (None, cell["sha256"]) else len(cell["score"])

    def add(self, key: str, candidate: Candidate, metric: str, outcomes: Sequence[Outcome]) -> None:
        """Write the next outcomes of a cell, atomically: the file is whole at any moment."""
        begun = {"candidate": candidate.name, "sha256": candidate.id, **{column: [] for column in COLUMNS}}
        cell = self.cells[key] if self.done(key, candidate.id) else begun
        added = zip(*(_row(o, metric) for o in outcomes), strict=True)
        self.cells[key] = {**cell, **{c: [*cell[c], *values] for c, values in zip(COLUMNS, added, strict=True)}}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(f"{json.dumps(k)}:{_short(v)}" for k, v in sorted(self.cells.items()))
        half = self._file.with_suffix(".half")
        half.write_text(f'{{"ids":{_short(list(self.ids))},\n"cells":{{\n{lines}\n}}}}\n', encoding="utf-8")
        half.replace(self._file)


def _short(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _row(outcome: Outcome, metric: str) -> tuple[float, int, int, float | None]:
    """Return score, tokens in and out, and seconds. Raises ConnectionError where no answer came: that is no outcome."""
    if outcome.unanswered or outcome.unjudged:
        raise ConnectionError(f"no answer to {outcome.example_id}: {outcome.failure}")
    score = round(outcome.value(metric, 0.0) or 0.0, 4)
    calls = outcome.answer.calls if outcome.answer is not None else ()
    seconds = outcome.answer.seconds if outcome.answer is not None else None
    tokens = (sum(getattr(c, f"{way}_tokens") or 0 for c in calls) for way in ("input", "output"))
    return int(score) if score in (0, 1) else score, *tokens, None if seconds is None else round(seconds, 2)  # type: ignore[return-value]


def config_of(of: RealSet, model: Mapping[str, Any], root: Path) -> Config:
    """Return a set as a configuration, with one model."""
    return parse_config(
        {
            "task": {
                "name": of.name, "kind": of.kind, "instruction": of.instruction, "inputs": ["text"], "target": "label",
                "metrics": [{of.metric: dict(of.settings)}], "goal": 0.95, "scope": "narrow", "facts_change": "rarely",
            },
            "data": {"path": "examples.jsonl", "id": "id"},
            "split": {"seed": SEED},
            "models": {"main": dict(model)},
            "diagnosis": {"calls": 0},
            "general_abilities": False,
        },
        root,
    )  # fmt: skip


def given(task: Task, fitting: Sequence[Example], pool: int, below: Candidate | None = None) -> FitInput:
    """Return what an approach chooses by: the first examples of the fitting pool."""
    return FitInput(task, tuple(fitting[DEV:pool]), tuple(fitting[:DEV]), below)


async def chosen(cell: Cell, task: Task, fitting: Sequence[Example], kit: RunKit) -> Candidate:
    """Return what the approach is measured as: chosen on dev, then with dev among what it shows."""
    step = Step(rung=cell.approach, settings=dict(STEPS[cell.approach]))
    below = None
    if cell.approach == "fewshot":
        below = (await fit(Step(rung="prompt"), given(task, fitting, PROMPT_POOL), kit)).candidate
    by = given(task, fitting, cell.pool, below)
    return refitted(step, (await fit(step, by, kit)).candidate, by, kit)


async def one(
    cell: Cell, wanted: int, pools: Pools, model: Mapping[str, Any], kept: Kept, home: Path, say: Say
) -> None:
    """Ask for what a cell lacks of so many examples, and write it down as it comes."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "examples.jsonl").touch()  # what is asked comes from the pools
    config = config_of(SETS[cell.set], model, home)
    task = as_task(config, SETS[cell.set].kind, pools.fitting)  # type: ignore[arg-type]
    sealed = frozenset(e.sha256 for e in (*pools.fitting[:DEV], *pools.asked))
    rooms = Spaces(Workplace(TunedRecord(home), sealed), (), Silent(), general=False)
    async with open_clients(config, home) as clients:
        kit = RunKit(task, askers(clients, home), SEED, Silent(), config.root, spaces=rooms)
        began = time.monotonic()
        candidate = await chosen(cell, task, pools.fitting, kit)
        say(f"{cell.set} {cell.key}: {candidate.name} is chosen ({time.monotonic() - began:.0f} s)")
        done, began = kept.done(cell.key, candidate.id), time.monotonic()
        for first in range(done, wanted, AT_ONCE):
            part = pools.asked[first : min(first + AT_ONCE, wanted)]
            kept.add(cell.key, candidate, task.metrics[0].name, await kit.answer(candidate, part))
    scores = kept.cells[cell.key]["score"]
    say(f"{cell.set} {cell.key}: {sum(scores) / len(scores):.3f} of {len(scores)} ({time.monotonic() - began:.0f} s)")


FIRST = ("banking77-10", "it-tickets", "restaurant8k")
FEW, THIRD, ALL = (
    300,
    750,
    1000,
)  # the stages of a cell: thrice 100 and thrice 250, so that a subset takes a third at most


def plan() -> Iterator[tuple[Cell, int]]:
    """Yield what is to be measured and on how many examples, the most useful first."""
    small, both = ("smollm2", "qwen05"), ("prompt", "fewshot")
    first, *others = FIRST
    yield from ((Cell(first, "qwen05", approach, 250), FEW) for approach in both)
    yield Cell(first, "smollm2", "prompt", PROMPT_POOL), FEW
    yield Cell(first, "smollm2", "finetune", 250), FEW
    for name in others:
        yield from ((Cell(name, "qwen05", approach, 250), FEW) for approach in both)
        yield Cell(name, "smollm2", "prompt", PROMPT_POOL), FEW
    yield from ((Cell(name, "smollm2", "fewshot", 250), FEW) for name in FIRST)
    yield Cell(first, "smollm2", "finetune", 250), THIRD
    for name in FIRST[:2]:
        yield Cell(name, "qwen15", "prompt", PROMPT_POOL), FEW
        yield Cell(name, "qwen15", "fewshot", 250), FEW
    for stage in (THIRD, ALL):
        for pool in (250, 100, 500):
            for name in FIRST:
                for model in small:
                    if pool == 250:
                        yield Cell(name, model, "prompt", PROMPT_POOL), stage
                    yield Cell(name, model, "fewshot", pool), stage
    yield Cell("it-tickets", "smollm2", "finetune", 250), ALL
    for name in [name for name in SETS if name not in FIRST]:
        for model in small:
            yield Cell(name, model, "prompt", PROMPT_POOL), ALL
            yield Cell(name, model, "fewshot", 250), ALL
    for name in FIRST:
        yield Cell(name, "qwen15", "prompt", PROMPT_POOL), ALL
        yield Cell(name, "qwen15", "fewshot", 250), ALL


@contextmanager
def opened(name: str, cache: Cache, threads: int = 2) -> Iterator[dict[str, Any]]:
    """Yield a model as rung.yaml names it: one that can be tuned here by `provider: local`, every other through a llama-server."""
    about = {"name": MODELS[name].title, "usd_per_hour": 0.1}
    if name == "smollm2":
        yield {
            **about,
            "provider": "local",
            "folder": str(cache.model(name).resolve()),
            "dtype": "bfloat16",
            "batch": 8,
            "threads": 1,
        }
        return
    with llama(cache.gguf(name), cache.server(), threads, PORT) as (url, _):
        yield {**about, "provider": "openai", "base_url": url, "concurrency": 2, "context": 4096, "timeout_s": 900}


def main(words: Sequence[str] | None = None) -> None:
    """Go on with the record until it is complete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(SETS), help="one set")
    parser.add_argument("--model", choices=list(MODELS), help="one model")
    parser.add_argument("--models", type=Path, default=Cache.usual(), help="where fetched weights lie")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--threads", type=int, default=2, help="of the server")
    parser.add_argument("--most", type=int, default=ALL, help="examples of a cell for now")
    parser.add_argument("--runs", type=Path, default=Path("runs/record"))
    args = parser.parse_args(words)
    cache = Cache(args.models, say=print)
    pools = {name: of.pools(args.shared) for name, of in SETS.items()}
    kept = {name: Kept(name, [e.id for e in p.asked]) for name, p in pools.items()}
    left = [(c, n) for c, n in plan() if args.only in (None, c.set) and args.model in (None, c.model)]

    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", flush=True)

    lacking = [(c, min(n, args.most, len(pools[c.set].asked))) for c, n in left]
    with ended_in_order():
        for name, items in itertools.groupby(lacking, lambda item: item[0].model):
            wanted = [(c, n) for c, n in items if kept[c.set].done(c.key) < n]
            if not wanted:
                continue
            with opened(name, cache, args.threads) as model:
                for cell, n in wanted:
                    settings, home = {**model, "max_tokens": SETS[cell.set].max_tokens}, args.runs / cell.set / name
                    asyncio.run(one(cell, n, pools[cell.set], settings, kept[cell.set], home.resolve(), say))


if __name__ == "__main__":
    main()
