"""Retrieval measured by itself: how high documents that are known to be relevant stand, and the fusion weight to use."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rung.errors import DataError
from rung.foreign import file_text
from rung.protocols import DocumentIndex
from rung.stats.estimate import interval_mean
from rung.stats.ranking import ndcg, recall, reciprocal_rank
from rung.types import Estimate

Relevant = Mapping[str, Mapping[str, float]]  # row or query -> document -> grade
WEIGHTS: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)  # of dense against BM25; 0 is BM25 alone
DEEP = 100  # passages looked at for the first documents: several may be of one


@dataclass(frozen=True)
class Measured:
    """One way to search over the queries with something relevant. Figures by name: ndcg@10, recall@5, recall@100, mrr@10."""

    mode: str
    dense_weight: float
    figures: Mapping[str, Estimate]
    ndcg_by_query: tuple[float, ...]  # in the order of the queries, for paired tests


def read_relevant(path: Path, documents: Iterable[str]) -> Relevant:
    """Read judgements: a row's id, a document, a grade; tabs, commas or blanks between, TREC's four columns too.

    A document may be named whole, by what stands after "#" (the id of a table's row), or by its file without ending.
    Raises DataError for a line that is none and for a file that names no document of the index.
    """
    known = _short_names(documents)
    found: dict[str, dict[str, float]] = {}
    lines = file_text(path).rstrip("\n").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = line.split("\t") if "\t" in line else next(csv.reader([line])) if "," in line else line.split()
        if len(cells) == 4:  # query, iteration, document, grade
            cells = [cells[0], cells[2], cells[3]]
        try:
            row, name, grade = cells[0].strip(), cells[1].strip(), float(cells[2]) if len(cells) > 2 else 1.0
        except (IndexError, ValueError) as error:
            if number == 1:  # a header
                continue
            raise DataError(
                "is no judgement; write the example's id, a document and a grade, with tabs between",
                file=str(path),
                line=number,
            ) from error
        if name in known:
            found.setdefault(row, {})[known[name]] = grade
    if not found:
        shown = ", ".join(list(known)[:3])
        raise DataError(f"names no document of the index; documents are called {shown}, for example", file=str(path))
    return found


async def measure(
    document_index: DocumentIndex,
    queries: Mapping[str, str],
    relevant: Relevant,
    mode: str,
    dense_weight: float = 0.5,
    chunk_words: int | None = None,
) -> Measured:
    """Search every query that has something relevant, and say how high that stands."""
    rows: dict[str, list[float]] = {"ndcg@10": [], "recall@5": [], "recall@100": [], "mrr@10": []}
    for key, query in queries.items():
        grades = relevant.get(key, {})
        if not any(grade > 0 for grade in grades.values()):
            continue
        hits = await document_index.search(query, DEEP, mode=mode, dense_weight=dense_weight, chunk_words=chunk_words)
        ranked = list(dict.fromkeys(hit.source.document for hit in hits))
        for name, value in (
            ("ndcg@10", ndcg(ranked, grades)),
            ("recall@5", recall(ranked, grades, 5)),
            ("recall@100", recall(ranked, grades, 100)),
            ("mrr@10", reciprocal_rank(ranked, grades)),
        ):
            rows[name].append(value or 0.0)
    if not rows["ndcg@10"]:
        raise DataError(
            "none of the examples has a relevant document; check that ids in the judgements are the examples' ids"
        )
    return Measured(
        mode, dense_weight, {name: _estimate(values) for name, values in rows.items()}, tuple(rows["ndcg@10"])
    )


async def choose_weight(
    document_index: DocumentIndex,
    queries: Mapping[str, str],
    relevant: Relevant,
    chunk_words: int | None = None,
    weights: Sequence[float] = WEIGHTS,
) -> tuple[Measured, ...]:
    """Measure fusion at each weight; the best comes first, on a tie the one that is nearer to BM25.

    Weight 0 is among them, so what is chosen never falls below BM25 on these queries.
    """
    found = [
        await measure(document_index, queries, relevant, "bm25" if weight == 0 else "hybrid", weight, chunk_words)
        for weight in sorted({0.0, *weights})
    ]
    return tuple(sorted(found, key=lambda m: (-(m.figures["ndcg@10"].mean or 0.0), m.dense_weight)))


def _estimate(values: Sequence[float]) -> Estimate:
    found = interval_mean(values)
    return Estimate(found.mean, found.low, found.high, found.n, found.method)


def _short_names(documents: Iterable[str]) -> dict[str, str]:
    """Return the ways in which documents may be named; a way that two share names neither."""
    found: dict[str, str] = {}
    shared: set[str] = set()
    whole = list(documents)
    for name in whole:
        for form in {name.rpartition("#")[2], name.rpartition("/")[2].rpartition(".")[0]} - {"", name}:
            if form in found:
                shared.add(form)
            found[form] = name
    return {**{form: name for form, name in found.items() if form not in shared}, **{name: name for name in whole}}
