"""Real texts from the shared data, cut into as many passages as are wanted."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rung.types import Document, Passage, Source

DATA = Path(os.environ.get("RUNG_SHARED") or Path(__file__).resolve().parents[2].parent / "shared") / "data"
WORDS = 45  # of a passage, as in the published comparison of stores that this repeats


@dataclass(frozen=True)
class Benchmark:
    """Documents, queries by part and judgements by query: document -> grade."""

    name: str
    documents: tuple[Document, ...]
    queries: Mapping[str, Mapping[str, str]]
    relevant: Mapping[str, Mapping[str, Mapping[str, float]]]


def benchmark(name: str) -> Benchmark:
    """Load scifact or pubmedqa."""
    folder = DATA / name
    with gzip.open(folder / "documents.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    documents = tuple(
        Document(r["id"], r["title"], (Source(r["id"], "whole", f"{r['title']}\n{r['text']}"),), "documents.jsonl.gz")
        for r in rows
    )
    queries: dict[str, dict[str, str]] = {}
    relevant: dict[str, dict[str, dict[str, float]]] = {}
    for part in ("train", "test"):
        lines = (folder / f"{part}.jsonl").read_text().rstrip("\n").split("\n")
        judged: dict[str, dict[str, float]] = {}
        for line in (folder / f"qrels_{part}.tsv").read_text().rstrip("\n").split("\n")[1:]:
            query, document, grade = line.split("\t")
            judged.setdefault(query, {})[document] = float(grade)
        queries[part] = {r["id"]: r["input"] for r in map(json.loads, lines) if r["id"] in judged}
        relevant[part] = judged
    return Benchmark(name, documents, queries, relevant)


def passages(count: int) -> tuple[list[Document], list[Passage]]:
    """Return about so many passages of 45 words: abstracts of scifact and pubmedqa cut at steps that give the number.

    Where passages are wanted closer than 45 words they overlap, so that beyond 29,000 they repeat words of one another.
    """
    documents = [*benchmark("scifact").documents, *benchmark("pubmedqa").documents]
    documents = [Document(f"{d.file}{i}", d.title, d.parts, d.file) for i, d in enumerate(documents)]
    texts = [d.text.split() for d in documents]
    total = sum(len(words) for words in texts)
    step = max(1, round(total / count))
    while sum(-(-max(1, len(w) - WORDS) // step) for w in texts) < count and step > 1:
        step -= 1
    found = []
    for document, words in zip(documents, texts, strict=True):
        for n, start in enumerate(range(0, max(1, len(words) - WORDS), step)):
            found.append(
                Passage(document.name, n, document.title, f"word {start}", " ".join(words[start : start + WORDS]))
            )
    return documents, found[:count]
