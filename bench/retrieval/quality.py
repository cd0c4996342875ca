"""Ranking quality on benchmarks with judgements: BM25, static vectors, and both at a weight chosen on training queries."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.retrieval.corpora import DATA, Benchmark, benchmark
from rung.documents.chunk import chunk
from rung.documents.library import ShelvedLibrary
from rung.documents.measure import Measured, choose_weight, measure
from rung.embedding import Embedder
from rung.models.static import Static
from rung.retrievers.sqlite import SqliteRetriever
from rung.stats.paired import sign_flip
from rung.types import Change

MODEL = DATA.parent / "models" / "potion-base-4m-int8"
WHOLE = 5000  # words of a passage: every abstract is one
SIZES = (WHOLE, 180)


def run(names: tuple[str, ...] = ("scifact", "pubmedqa")) -> dict[str, Any]:
    """Return the figures by benchmark and size of passages."""
    return {name: {str(size): asyncio.run(_one(benchmark(name), size)) for size in SIZES} for name in names}


async def _one(found: Benchmark, size: int) -> dict[str, Any]:
    model = Static(name="potion-base-4m-int8", folder=str(MODEL)).connect()
    with tempfile.TemporaryDirectory() as place:
        shelf = SqliteRetriever(place=str(Path(place) / "index.sqlite")).open()
        passages = [p for d in found.documents for p in chunk(d, size)]
        shelf.write(Change(put=found.documents, passages={size: passages}))
        library = ShelvedLibrary(shelf, size, Embedder("potion", "potion", model.complete))
        tried = await choose_weight(library, found.queries["train"], found.relevant["train"])
        weight = tried[0].dense_weight
        test = (found.queries["test"], found.relevant["test"])
        bm25 = await measure(library, *test, "bm25")
        dense = await measure(library, *test, "dense")
        even = await measure(library, *test, "hybrid", 0.5)
        fused = await measure(library, *test, "hybrid", weight) if weight else bm25
        shelf.close()
    return {
        "passages": len(passages),
        "train ndcg@10 by weight": {
            str(m.dense_weight): _short(m)["ndcg@10"] for m in sorted(tried, key=lambda m: m.dense_weight)
        },
        "chosen weight": weight,
        "test": {
            "bm25": _short(bm25),
            "dense": _short(dense),
            "hybrid 0.5": _short(even),
            "hybrid chosen": _short(fused),
        },
        "test: chosen minus bm25": _paired(fused, bm25),
        "test: 0.5 minus bm25": _paired(even, bm25),
    }


def _short(found: Measured) -> dict[str, str]:
    return {
        name: f"{e.mean:.4f} ± {max(e.high - (e.mean or 0), (e.mean or 0) - e.low):.4f} (n={e.n})"
        for name, e in found.figures.items()
    }


def _paired(a: Measured, b: Measured) -> dict[str, float]:
    gains = np.array(a.ndcg_by_query) - np.array(b.ndcg_by_query)
    return {"gain": round(float(gains.mean()), 4), "p_two_sided": round(sign_flip(gains, seed=7), 4), "n": len(gains)}
