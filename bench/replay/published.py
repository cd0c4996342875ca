"""Published comparisons replayed at their own number of test examples: python -m bench.replay.published [--climbs 100].

The reported scores are taken for the truth, outcomes are drawn with them so that the two best approaches disagree on 5, 10 or 20 % of the examples
(or on as few as their gap allows), and rung's decision code climbs. No dev examples are known of these papers, so alpha is divided equally among the
approaches that a case lists. Writes each figure to
results/published.jsonl when it is there; the same command goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

from bench.decisions.kept import read
from bench.decisions.labelled import deciding
from bench.decisions.memory import climb, config_of, label_of, let_in, named_rows, remembering
from bench.decisions.worlds import Rung, World
from rung.config import Config

RESULTS = Path(__file__).parent / "results"
DISCORDANCE = (0.05, 0.1, 0.2)
BELOW = (3, 8)  # points of the goal below the best score
DEV = 20  # examples that decide nothing here
INCONCLUSIVE, NONE = "inconclusive", "nothing reaches it"
ASKING, TUNED = ("now", "prompt", "examples", "passages"), ("tuned", "tuned@large")  # as bench.decisions calls them
GEPA = "Agrawal et al. 2025, arXiv 2507.19457, table 1"
OVADIA = "Ovadia et al. 2023, arXiv 2312.05934, table 2"
ANYSCALE = "anyscale.com, Llama-2 case study, as summarised by others"


@dataclass(frozen=True)
class Case:
    """One comparison. `scores` in the order of a ladder, tuned ones behind "tuned"; `reading`: what its source is cited for.

    `n` None, or no scores: what is known of it cannot be replayed, and `why` says so. `sure`: the size stands in a source that was read.
    """

    number: str
    title: str
    source: str
    reading: tuple[str, ...]
    n: int | None = None
    scores: Mapping[str, float] | None = None
    sure: bool = False
    why: str = ""

    @property
    def best(self) -> float:
        return max((self.scores or {}).values())


def _gepa(prompt: float, mipro: float, gepa: float, grpo: float) -> dict[str, float]:
    return {"prompt": prompt, "MIPROv2": mipro, "GEPA": gepa, "tuned (GRPO)": grpo}


def _events(base: float, rag: float, tuned: float, both: float) -> dict[str, float]:
    return {"prompt": base, "RAG": rag, "tuned": tuned, "tuned with RAG": both}


CASES = (
    Case("1", "HotpotQA, Qwen3-8B", GEPA, ("GEPA",), 300, _gepa(0.4233, 0.5533, 0.6233, 0.4333), True),
    Case("2", "HoVer, Qwen3-8B", GEPA, ("GEPA",), 300, _gepa(0.3533, 0.4733, 0.5233, 0.3867)),
    Case("3", "PUPA, Qwen3-8B", GEPA, ("GEPA",), 221, _gepa(0.8082, 0.8155, 0.9185, 0.8666)),
    Case("4", "IFBench, Qwen3-8B", GEPA, (INCONCLUSIVE, "prompt"), 294, _gepa(0.3690, 0.3622, 0.3861, 0.3588)),
    Case("5", "AIME-2025, Qwen3-8B", GEPA, ("tuned (GRPO)",), None, _gepa(0.2733, 0.20, 0.32, 0.38), why="its number of examples is not known here"),
    Case("6", "current events, Mistral-7B", OVADIA, ("RAG",), 910, _events(0.481, 0.875, 0.588, 0.830)),
    Case("7a", "current events, Llama2-7B", OVADIA, ("RAG",), 910, _events(0.353, 0.585, 0.392, 0.520)),
    Case("7b", "current events, Orca2-7B", OVADIA, ("RAG",), 910, _events(0.456, 0.876, 0.566, 0.826)),
    Case("8", "Icelandic correction", "OpenAI, guide on accuracy", ("tuned",), why="BLEU is no share of right answers, and no number of examples is told"),
    Case("9", "ViGGO, Llama-2-13B", ANYSCALE, ("tuned",), 1083, {"prompt": 0.58, "tuned": 0.98}),
    Case("10", "SQL-create-context, Llama-2-13B", ANYSCALE, ("tuned",), None, {"prompt": 0.42, "tuned": 0.89}, why="its number of examples is not known here"),
    Case("11", "GSM8K, Llama-2-13B", ANYSCALE, ("a larger model",), 1319, {"prompt": 0.28, "tuned": 0.47}),
    Case("12", "MedQA, GPT-4 prompted, Med-PaLM 2 tuned", "arXiv 2311.16452; Med-PaLM 2 table", ("prompt",), 1273, {"prompt": 0.90, "tuned": 0.865}),
    Case("13", "MedQA, open models", "arXiv 2402.19371", ("prompt",), 1273, {"prompt": 0.726, "tuned": 0.702}),
    Case("14", "BANKING77", "Khrapunova, ASRJETS 12048", ("few-shot",), why="differences are told, no scores"),
    Case("15", "Spider, GPT-3.5", "medium.com/querymind 739bbb5bc392", ("tuned",), 500, sure=True, why="differences are told, no scores"),
    Case("16", "31 tasks, 10 models", "LoRA Land, arXiv 2405.00732", ("by task",), why="means over tasks are told"),
    Case("17", "HotpotQA, Llama2-7B", "RAFT, arXiv 2403.10131", ("tuned with RAG",), why="differences are told, no scores"),
    Case("18", "agriculture", "arXiv 2401.08406", ("tuned with RAG",), why="differences are told, no scores"),
    Case("19", "sentiment, stance, emotion", "arXiv 2406.08660", ("tuned",), why="many tasks at once, no single pair of scores"),
    Case("20", "information extraction, enterprise", "Databricks, blog on automated prompt optimization", ("GEPA",), why="ranks are told, no scores"),
    Case("21", "questions on ESG", "github tyyim/esg_reason, error analysis of the dev set", (INCONCLUSIVE,), 93, {"prompt": 0.527, "MIPROv2": 0.484, "GEPA": 0.548}, True),
)  # fmt: skip


def discordance(first: float, second: float, shared: float) -> float:
    """Return how often one of two approaches alone is right, whose ease of an example has this share in common (a Gaussian copula)."""
    points, weights = np.polynomial.hermite_e.hermegauss(200)
    own = np.sqrt(1.0 - shared)
    p, q = (ndtr((ndtri(rate) - np.sqrt(shared) * points) / own) for rate in (first, second))
    return float(np.sum(weights * (p * (1 - q) + q * (1 - p))) / np.sqrt(2 * np.pi))


@lru_cache
def shared_for(first: float, second: float, wanted: float) -> float:
    """Return the share in common at which two approaches disagree that often; the greatest where their gap alone is more."""
    low, high = 0.0, 0.995
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if discordance(first, second, middle) > wanted else (low, middle)
    return low


def world_of(case: Case) -> tuple[World, dict[str, str]]:
    """Return a case as a world of bench.decisions, and its own name of each approach by the label that it has there."""
    asking, tuned = iter(ASKING), iter(TUNED)
    names = {name: next(tuned if name.startswith("tuned") else asking) for name in case.scores or {}}
    ladder = tuple(
        Rung(names[name], {"one": rate}, "tuned" if name.startswith("tuned") else "asking")
        for name, rate in (case.scores or {}).items()
    )
    return World(case.title, 0.0, ladder, ()), {label_of(r): name for r, name in zip(ladder, names, strict=True)}


def shares(case: Case, wanted: float, below: int, climbs: int) -> dict[str, float]:
    """Return how often each approach is named, none can be, or none is said to reach the goal."""
    let_in()
    world, names = world_of(case)
    scores, n = dict(case.scores or {}), case.n or 0
    plain = config_of(world, split={"seed": 7}, stop_early=False).model_dump()
    config = Config.model_validate(
        {**plain, "task": {**plain["task"], "goal": round(case.best - below / 100, 4), "tolerance": None}}
    )
    second, best = sorted(scores.values())[-2:]
    shared = shared_for(second, best, wanted)
    parts = named_rows("d", DEV), named_rows("t", n)
    ids = [e.id for part in parts for e in part]
    found: Counter[str] = Counter()

    async def one(seed: int) -> None:
        draw = np.random.default_rng([seed, n, below, round(1000 * wanted), *case.title.encode()])
        common = np.sqrt(shared) * draw.standard_normal(len(ids))
        rights = {}
        for rung, rate in zip(world.ladder, scores.values(), strict=True):
            ease = common + np.sqrt(1 - shared) * draw.standard_normal(len(ids))
            rights[label_of(rung), "one"] = dict(zip(ids, (ease < ndtri(rate)).tolist(), strict=True))
        verdict = (await climb(world, config, rights, parts, n)).verdict
        other = INCONCLUSIVE if verdict.decision == "inconclusive" else NONE
        found[names.get(verdict.winner or "", other)] += 1

    with remembering(), deciding(by_dev=False):
        for seed in range(climbs):
            asyncio.run(one(seed))
    return {name: found[name] / climbs for name in (*names.values(), INCONCLUSIVE, NONE) if found[name]}


def figure(case: Case, below: int, wanted: float, climbs: int) -> dict[str, object]:
    """Return who was named how often in a case, and how often that was what its source is cited for."""
    second, best = sorted((case.scores or {}).values())[-2:]
    said, drawn = shares(case, wanted, below, climbs), discordance(second, best, shared_for(second, best, wanted))
    read_so = sum(said.get(name, 0.0) for name in case.reading)
    return {"case": case.number, "n": case.n, "below": below, "discordance": wanted, "drawn": round(drawn, 4), "climbs": climbs,
            "read": round(read_so, 4), "said": said}  # fmt: skip


def main() -> None:
    """Replay what is not written yet with so many climbs; print and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay.published", description=__doc__)
    parser.add_argument("--climbs", type=int, default=100)
    climbs = parser.parse_args().climbs
    known = {
        (line["case"], line["below"], line["discordance"]): line
        for line in read("published", RESULTS)
        if line["climbs"] == climbs
    }
    for case in CASES:
        for below in BELOW if not case.why else ():
            for wanted in DISCORDANCE:
                if (case.number, below, wanted) not in known:
                    known[case.number, below, wanted] = figure(case, below, wanted, climbs)
                    print(json.dumps(known[case.number, below, wanted]), flush=True)
                    RESULTS.mkdir(exist_ok=True)
                    lines = (json.dumps(line) + "\n" for line in known.values())
                    (RESULTS / "published.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
