"""Ranking quality on benchmarks with judgements: BM25, vectors, and both at a weight chosen on training queries.

The document store is asked as the document index asks it, without the text of the passages, which ranking does not need. Vectors are those of
the static table and of a sentence model (all-MiniLM-L6-v2 in 8 bits), each also with queries turned by the map that `rung.rag.turned` learns
from the training queries. Vectors of passages are kept between calls, since a sentence model takes ten CPU-minutes for scifact.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.retrieval.corpora import DATA, Benchmark, benchmark
from rung.documents.chunk import chunk
from rung.documents.index import DEPTH, fuse
from rung.documents.measure import WEIGHTS
from rung.embedding import Embedder, unit
from rung.models.onnx import Onnx
from rung.models.settings import ProviderSettings
from rung.models.static import Static
from rung.rag.turned import learnt
from rung.retrievers.sqlite import SqliteRetriever
from rung.stats.estimate import interval_mean
from rung.stats.paired import sign_flip
from rung.stats.ranking import ndcg, recall, reciprocal_rank
from rung.types import StoreChange
from rung_nano.fetched import Cache

STATIC = DATA.parent / "models" / "potion-base-4m-int8"
WHOLE = 5000  # words of a passage: every abstract is one
SIZES = (WHOLE, 180)
AT_ONCE = 250  # passages between two writes of vectors

Rankings = Mapping[str, list[str]]  # query -> documents, best first
Matrix = NDArray[np.float32]


def models() -> Mapping[str, ProviderSettings]:
    """Return the models whose vectors are compared, by name."""
    cache = Cache(Cache.usual(), say=print)
    return {
        "static": Static(name="potion", folder=str(STATIC)),
        "minilm": Onnx(name="minilm", folder=str(cache.embedder().resolve())),
    }


def run(
    vectors: Path, names: tuple[str, ...] = ("scifact", "pubmedqa")
) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield model, benchmark, size of passages and the figures. `vectors`: the folder where vectors are kept."""
    for model, settings in models().items():
        for name in names if model == "static" else names[:1]:
            for size in SIZES if model == "static" else SIZES[:1]:
                found = _one(benchmark(name), size, settings, vectors / f"{model}-{name}-{size}.npy")
                yield model, name, str(size), found


def embedded(settings: ProviderSettings, texts: Sequence[str], kept: Path | None = None) -> Matrix:
    """Return one vector a text, (n, dimensions), taking up what an interrupted call left in `kept`."""
    embedder = Embedder(settings.name, settings.name, settings.connect().complete)
    done = np.load(kept, allow_pickle=False) if kept is not None and kept.exists() else None
    parts = [] if done is None else [done]
    for first in range(0 if done is None else len(done), len(texts), AT_ONCE):
        parts.append(np.stack(asyncio.run(embedder.embed(list(texts[first : first + AT_ONCE])))))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept.with_suffix(".half.npy"), np.concatenate(parts), allow_pickle=False)
            kept.with_suffix(".half.npy").replace(kept)
    return np.concatenate(parts).astype(np.float32)


def _one(found: Benchmark, size: int, settings: ProviderSettings, kept: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        document_store = SqliteRetriever(place=str(Path(place) / "index.sqlite")).open()
        passages = [p for d in found.documents for p in chunk(d, size)]
        document_store.write(StoreChange(put=found.documents, passages={size: passages}))
        texts = document_store.without_vector(size, len(passages))
        vectors = embedded(settings, list(texts.values()), kept)
        document_store.write(StoreChange(vectors={size: {k: v.tobytes() for k, v in zip(texts, vectors, strict=True)}}))
        of = {key: passage.document for key, passage in document_store.passages(list(texts), size).items()}
        asked = {part: embedded(settings, list(queries.values())) for part, queries in found.queries.items()}
        words = {
            part: {k: document_store.match(q, DEPTH, size) for k, q in queries.items()}
            for part, queries in found.queries.items()
        }

        def near(part: str, turn: Matrix | None = None) -> dict[str, list[tuple[int, float]]]:
            turned = asked[part] if turn is None else unit(asked[part] @ turn)
            return {
                k: document_store.nearest(v.tolist(), DEPTH, size)
                for k, v in zip(found.queries[part], turned, strict=True)
            }

        turn = learnt(asked["train"], vectors, _pairs(found, of, list(texts)))
        figures = {
            name: _fused(found, words, near, of, by) for name, by in (("as it is", None), ("queries turned", turn))
        }
        document_store.close()
    return {"passages": len(passages), **figures["as it is"][0], "queries turned": _turned(found, figures)}


def _pairs(found: Benchmark, of: Mapping[int, str], order: Sequence[int]) -> list[tuple[int, int]]:
    """Return which passage answers which training query, as rows of their vectors."""
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(order):
        rows.setdefault(of[key], []).append(row)
    return [
        (i, row)
        for i, query in enumerate(found.queries["train"])
        for document in found.relevant["train"][query]
        for row in rows.get(document, [])[:1]
    ]


def _fused(
    found: Benchmark, words: Any, near: Callable[..., Any], of: Mapping[int, str], turn: Matrix | None
) -> tuple[dict[str, Any], Mapping[str, Rankings]]:
    """Return the figures of one kind of query vectors, and the test rankings. The fusion weight is the best on the training queries."""
    parts: dict[str, dict[str, Rankings]] = {}
    for part in found.queries:
        by_meaning = near(part, turn)
        parts[part] = {"bm25": _documents(words[part], of), "dense": _documents(by_meaning, of)}
        for weight in WEIGHTS:
            fused = {k: fuse(words[part][k], by_meaning[k], weight) for k in by_meaning}
            parts[part][f"{weight}"] = _documents(fused, of)
    by_weight = {w: _ndcg(parts["train"][f"{w}"], found.relevant["train"]).mean() for w in WEIGHTS}
    weight = max(WEIGHTS, key=lambda w: (round(float(by_weight[w]), 9), -w))
    test, relevant = parts["test"], found.relevant["test"]
    shown = {"bm25": "bm25", "dense": "dense", "hybrid 0.5": "0.5", f"hybrid {weight} (chosen)": f"{weight}"}
    said = {
        "train ndcg@10 by weight": {str(w): round(float(v), 4) for w, v in by_weight.items()},
        "test": {name: _figures(test[key], relevant) for name, key in shown.items()},
        "test: chosen minus bm25": _paired(test[f"{weight}"], test["bm25"], relevant),
        "test: 0.5 minus bm25": _paired(test["0.5"], test["bm25"], relevant),
    }
    return said, {"dense": test["dense"], "chosen": test[f"{weight}"]}


def _turned(found: Benchmark, figures: Mapping[str, tuple[dict[str, Any], Mapping[str, Rankings]]]) -> dict[str, Any]:
    """Return the figures with turned queries, and their paired gain over the queries as they are; apart for the test queries of which a
    relevant document answers a training query, too, and for the others."""
    (_, before), (said, after) = figures["as it is"], figures["queries turned"]
    relevant = found.relevant["test"]
    taught = {document for grades in found.relevant["train"].values() for document in grades}
    parts = {
        "all": set(relevant),
        "document taught": {q for q, grades in relevant.items() if taught & set(grades)},
        "document not taught": {q for q, grades in relevant.items() if not taught & set(grades)},
    }
    gains = {
        f"{name}, {part}": _paired(
            *({q: of[name][q] for q in of[name] if q in asked} for of in (after, before)), relevant
        )
        for name in after
        for part, asked in parts.items()
        if asked
    }
    return {"test": said["test"], "test: minus as it is": gains}


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
    return {
        "ndcg@10": round(float(_ndcg(a, relevant).mean()), 4),
        "gain": round(float(gains.mean()), 4),
        "p_two_sided": round(sign_flip(gains, seed=7), 4),
        "n": len(gains),
    }
