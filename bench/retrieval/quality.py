"""Ranking quality on benchmarks with judgements: BM25, static vectors, and both at a weight chosen on training queries.

The document store is asked as the document index asks it, without the text of the passages, which ranking does not need.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.retrieval.corpora import DATA, Benchmark, benchmark
from rung.documents.chunk import chunk
from rung.documents.index import DEPTH, fuse
from rung.documents.measure import WEIGHTS
from rung.embedding import Embedder
from rung.models.static import Static
from rung.retrievers.sqlite import SqliteRetriever
from rung.stats.estimate import interval_mean
from rung.stats.paired import sign_flip
from rung.stats.ranking import ndcg, recall, reciprocal_rank
from rung.types import StoreChange

MODEL = DATA.parent / "models" / "potion-base-4m-int8"
WHOLE = 5000  # words of a passage: every abstract is one
SIZES = (WHOLE, 180)

Rankings = Mapping[str, list[str]]  # query -> documents, best first


def run(names: tuple[str, ...] = ("scifact", "pubmedqa")) -> dict[str, Any]:
    """Return the figures by benchmark and size of passages."""
    return {name: {str(size): _one(benchmark(name), size) for size in SIZES} for name in names}


def _one(found: Benchmark, size: int) -> dict[str, Any]:
    embedder = Embedder("potion", "potion", Static(name="potion", folder=str(MODEL)).connect().complete)
    with tempfile.TemporaryDirectory() as place:
        document_store = SqliteRetriever(place=str(Path(place) / "index.sqlite")).open()
        passages = [p for d in found.documents for p in chunk(d, size)]
        document_store.write(StoreChange(put=found.documents, passages={size: passages}))
        texts = document_store.without_vector(size, len(passages))
        vectors = asyncio.run(embedder.embed(list(texts.values())))
        document_store.write(StoreChange(vectors={size: {k: v.tobytes() for k, v in zip(texts, vectors, strict=True)}}))
        of = {key: passage.document for key, passage in document_store.passages(list(texts), size).items()}
        parts = {}
        for part, queries in found.queries.items():
            asked = asyncio.run(embedder.embed(list(queries.values())))
            words = {k: document_store.match(q, DEPTH, size) for k, q in queries.items()}
            near = {k: document_store.nearest(v.tolist(), DEPTH, size) for k, v in zip(queries, asked, strict=True)}
            parts[part] = {"bm25": _documents(words, of), "dense": _documents(near, of)}
            for weight in WEIGHTS:
                parts[part][f"{weight}"] = _documents({k: fuse(words[k], near[k], weight) for k in queries}, of)
        document_store.close()
    by_weight = {w: _ndcg(parts["train"][f"{w}"], found.relevant["train"]).mean() for w in WEIGHTS}
    weight = max(WEIGHTS, key=lambda w: (round(float(by_weight[w]), 9), -w))
    test, relevant = parts["test"], found.relevant["test"]
    shown = {"bm25": "bm25", "dense": "dense", "hybrid 0.5": "0.5", f"hybrid {weight} (chosen)": f"{weight}"}
    return {
        "passages": len(passages),
        "train ndcg@10 by weight": {str(w): round(float(v), 4) for w, v in by_weight.items()},
        "test": {name: _figures(test[key], relevant) for name, key in shown.items()},
        "test: chosen minus bm25": _paired(test[f"{weight}"], test["bm25"], relevant),
        "test: 0.5 minus bm25": _paired(test["0.5"], test["bm25"], relevant),
    }


def _documents(ranked: Mapping[str, list[tuple[int, float]]], of: Mapping[int, str]) -> Rankings:
    return {query: list(dict.fromkeys(of[key] for key, _ in found)) for query, found in ranked.items()}


def _ndcg(ranked: Rankings, relevant: Mapping[str, Mapping[str, float]]) -> Any:
    return np.array([ndcg(found, relevant[query]) for query, found in ranked.items()], dtype=float)


def _figures(ranked: Rankings, relevant: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    rows = {
        "ndcg@10": _ndcg(ranked, relevant),
        "recall@5": [recall(found, relevant[q], 5) for q, found in ranked.items()],
        "recall@100": [recall(found, relevant[q], 100) for q, found in ranked.items()],
        "mrr@10": [reciprocal_rank(found, relevant[q]) for q, found in ranked.items()],
    }
    return {name: _said(interval_mean(np.array(values, dtype=float))) for name, values in rows.items()}


def _said(found: Any) -> str:
    return f"{found.mean:.4f} ± {max(found.high - found.mean, found.mean - found.low):.4f} (n={found.n})"


def _paired(a: Rankings, b: Rankings, relevant: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    gains = _ndcg(a, relevant) - _ndcg(b, relevant)
    return {"gain": round(float(gains.mean()), 4), "p_two_sided": round(sign_flip(gains, seed=7), 4), "n": len(gains)}
