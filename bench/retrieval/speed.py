"""How long it takes to build, to search and to change an index of 45-word passages, beside the plain libraries.

CPU seconds of this process, since the machine may be shared. Queries are scifact's 300 test claims, 100 results each.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import re
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.retrieval.corpora import benchmark, passages
from bench.retrieval.quality import STATIC
from rung import plugins
from rung.documents import folder as folders
from rung.documents.index import StoredDocumentIndex
from rung.embedding import Embedder
from rung.models.static import Static
from rung.protocols import DocumentStore
from rung.types import StoreChange

TOKENIZER = "porter unicode61 remove_diacritics 2"
K = 100


def memory_mb() -> float:
    """Return the resident memory of this process, after what was freed is given back to the system (Linux)."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def latencies(search: Callable[[str], Any], queries: list[str]) -> dict[str, float]:
    """Return CPU and wall milliseconds a query; the first pass fills what a process keeps, the second is reported."""
    for query in queries:
        search(query)
    cpu, wall = [], []
    for query in queries:
        began, cpu_began = time.perf_counter(), time.process_time()
        search(query)
        cpu.append((time.process_time() - cpu_began) * 1e3)
        wall.append((time.perf_counter() - began) * 1e3)
    cpu.sort()
    wall.sort()
    at = round(0.95 * (len(cpu) - 1))
    mean = sum(cpu) / len(cpu)
    return {
        "cpu_ms_p50": round(cpu[len(cpu) // 2], 2),
        "cpu_ms_p95": round(cpu[at], 2),
        "wall_ms_p95": round(wall[at], 2),
        "queries_per_cpu_s": round(1000 / mean),
    }


def plain_fts5(count: int, place: Path) -> dict[str, Any]:
    """FTS5 as in its manual: one table, one transaction, all words of the query joined by OR."""
    _, found = passages(count)
    db = sqlite3.connect(place / "plain.sqlite")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"CREATE VIRTUAL TABLE f USING fts5(title, text, tokenize='{TOKENIZER}')")
    before = memory_mb()

    def build() -> None:
        with db:
            db.executemany("INSERT INTO f VALUES (?, ?)", ((p.title, p.text) for p in found))

    _, seconds = timed(build)

    def search(query: str) -> Any:
        words = " OR ".join(f'"{w}"' for w in re.findall(r"\w+", query))
        return db.execute("SELECT rowid FROM f WHERE f MATCH ? ORDER BY rank LIMIT ?", (words, K)).fetchall()

    return _row(found, seconds, before, latencies(search, _queries()[:100]), place)


def bm25s_(count: int, place: Path) -> dict[str, Any]:
    import bm25s

    _, found = passages(count)
    before = memory_mb()

    def build() -> Any:
        index = bm25s.BM25()
        index.index(bm25s.tokenize([f"{p.title}\n{p.text}" for p in found], show_progress=False), show_progress=False)
        return index

    index, seconds = timed(build)
    index.save(str(place / "bm25s"))

    def search(query: str) -> Any:
        return index.retrieve(bm25s.tokenize(query, show_progress=False), k=K, show_progress=False)

    return _row(found, seconds, before, latencies(search, _queries()), place)


def tantivy_(count: int, place: Path) -> dict[str, Any]:
    import tantivy

    _, found = passages(count)
    before = memory_mb()
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", stored=False, tokenizer_name="en_stem")
    (place / "tantivy").mkdir()
    index = tantivy.Index(builder.build(), path=str(place / "tantivy"))

    def build() -> None:
        writer = index.writer(50_000_000, 1)
        for p in found:
            writer.add_document(tantivy.Document(text=f"{p.title}\n{p.text}"))
        writer.commit()
        writer.wait_merging_threads()

    _, seconds = timed(build)
    index.reload()
    searcher = index.searcher()

    def search(query: str) -> Any:
        words = " ".join(re.findall(r"\w+", query.lower()))
        return searcher.search(index.parse_query(words, ["text"]), K)

    return _row(found, seconds, before, latencies(search, _queries()), place)


def ours(count: int, place: Path, retriever: str = "sqlite") -> dict[str, Any]:
    """The product's own path: documents and passages written as a sync writes them, then vectors, then searches."""
    documents, found = passages(count)
    size = 45
    where = place / f"index.{retriever}"
    document_store: DocumentStore = plugins.make("retrievers", retriever, place=str(where)).open()
    before = memory_mb()
    _, seconds = timed(lambda: _write(document_store, documents, found, size))
    model = Static(name="potion", folder=str(STATIC)).connect()
    document_index = StoredDocumentIndex(document_store, size, Embedder("potion", "potion", model.complete))
    run = asyncio.new_event_loop().run_until_complete  # one for all queries, as in a climb
    words = latencies(lambda query: run(document_index.search(query, K)), _queries())
    row = _row(found, seconds, before, words, place)
    _, row["vectors_cpu_s"] = timed(lambda: run(document_index.search("one", 1, mode="dense")))
    row["vectors_cpu_s"] = round(row["vectors_cpu_s"], 2)
    row["hybrid"] = latencies(lambda query: run(document_index.search(query, 10, mode="hybrid")), _queries())
    row["rss_with_vectors_mb"] = round(memory_mb() - before)
    row["change"] = _change(document_store, document_index, size, run)
    document_store.close()
    return row


def whole_path(count: int, place: Path) -> dict[str, Any]:
    """Everything from a file: read, check, hash, scan, cut and index rows of JSON."""
    import json

    _, found = passages(count)
    (place / "docs").mkdir()
    with (place / "docs" / "rows.jsonl").open("w") as file:
        for n, p in enumerate(found):
            file.write(json.dumps({"id": str(n), "title": p.title, "text": p.text}) + "\n")
    document_store = plugins.make("retrievers", "sqlite", place=str(place / "index.sqlite")).open()
    _, first = timed(lambda: folders.sync(document_store, place / "docs", 180))
    _, again = timed(lambda: folders.sync(document_store, place / "docs", 180))
    document_store.close()
    return {"documents": len(found), "first_cpu_s": round(first, 2), "nothing_changed_cpu_s": round(again, 2)}


def _write(document_store: DocumentStore, documents: list[Any], found: list[Any], size: int) -> None:
    mine: dict[str, list[Any]] = {}
    for p in found:
        mine.setdefault(p.document, []).append(p)
    put: list[Any] = []
    held: list[Any] = []
    for d in documents:
        put.append(d)
        held += mine.get(d.name, [])
        if len(held) >= 10_000:
            document_store.write(StoreChange(put=put, passages={size: held}))
            put, held = [], []
    document_store.write(StoreChange(put=put, passages={size: held}))
    document_store.match("lamp", 1, size)  # what a place puts off to the first search belongs to its build


def _change(
    document_store: DocumentStore, document_index: StoredDocumentIndex, size: int, run: Callable[[Any], Any]
) -> dict[str, float]:
    """Add one document and search for it, then remove it and search again: seconds of CPU and on the clock until seen."""
    took: dict[str, float] = {}
    began, cpu = time.perf_counter(), time.process_time()
    folders.add(document_store, "new.md", b"# Quokka\n\nThe quokkazebra lives on Rottnest island.", size)
    hits = run(document_index.search("quokkazebra", 5, mode="hybrid"))
    took["add_s"], took["add_cpu_s"] = round(time.perf_counter() - began, 3), round(time.process_time() - cpu, 3)
    assert any(hit.source.document == "new.md" for hit in hits)
    began, cpu = time.perf_counter(), time.process_time()
    folders.remove(document_store, ["new.md"])
    hits = run(document_index.search("quokkazebra", 5, mode="hybrid"))
    took["remove_s"], took["remove_cpu_s"] = round(time.perf_counter() - began, 3), round(time.process_time() - cpu, 3)
    assert not any(hit.source.document == "new.md" for hit in hits)
    return took


def _queries() -> list[str]:
    return list(benchmark("scifact").queries["test"].values())


def _row(found: list[Any], seconds: float, before: float, searched: dict[str, float], place: Path) -> dict[str, Any]:
    disk = sum(f.stat().st_size for f in place.rglob("*") if f.is_file())
    return {
        "passages": len(found),
        "build_cpu_s": round(seconds, 3),
        "rss_mb": round(memory_mb() - before),
        "disk_mb": round(disk / 2**20),
        **searched,
    }


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "plain FTS5": plain_fts5,
    "rung sqlite": ours,
    "rung lance": lambda count, place: ours(count, place, "lance"),
    "bm25s": bm25s_,
    "tantivy": tantivy_,
    "rung sqlite, from a file": whole_path,
}


def run(count: int, names: list[str], rounds: int = 1) -> dict[str, Any]:
    """Measure each case in a process of its own; of several rounds the median build time counts."""
    import json

    found: dict[str, Any] = {}
    for name in names:
        tries = []
        for _ in range(rounds):
            command = [sys.executable, "-m", "bench.retrieval.speed", name, str(count)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            tries.append(json.loads(done.stdout.splitlines()[-1]))
        tries.sort(key=lambda row: row.get("build_cpu_s", row.get("first_cpu_s", 0)))
        found[name] = tries[len(tries) // 2]
        print(name, json.dumps(found[name]), flush=True)
    return found


if __name__ == "__main__":
    import json

    with tempfile.TemporaryDirectory() as folder:
        row = CASES[sys.argv[1]](int(sys.argv[2]), Path(folder))
        row["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        print(json.dumps(row))
