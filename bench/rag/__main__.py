"""Climb pubmedqa and scifact with their documents: real retrieval, answers by a stub that needs the right passage.

    python -m bench.rag [--shared FOLDER] [--runs FOLDER] [SET ...]

The stub behind a real HTTP endpoint knows every row and answers it right with probability 0.95 when a sentence of a relevant
abstract stands in the prompt, and wrong otherwise. So the quality of the rung is that of the search and the layout, and the
knowledge split has a known truth. Writes bench/rag/results.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.real.__main__ import running
from rung.config import Config, parse_config
from rung.documents.measure import measure, read_relevant
from rung.ladder import climb
from rung.models.fake import FakeModel, KnownRow
from rung.progress import Silent
from rung.rag.opening import gather, open_document_index
from rung.rag.query import query_of
from rung.store.run import RunFolder
from rung.types import RagLearned, learned_as

HERE = Path(__file__).parent
READS = 0.95
SETS: Mapping[str, str] = {
    "pubmedqa": "Answer the biomedical question with yes, no or maybe.",
    "scifact": "Does the literature support the claim, contradict it, or is there not enough information?",
}


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read JSON lines, gzipped or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:  # type: ignore[union-attr]
        yield from map(json.loads, lines)


def telling(text: str) -> str:
    """Return a stretch of an abstract that the stub must see: the longest sentence that reads alike in every layout."""
    sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+", text)]
    plain = [s for s in sentences if not re.search(r"[\[\]<`]|://", s)] or sentences
    return max(plain, key=lambda s: (min(len(s), 120), -plain.index(s)))


def prepared(data: Path, work: Path, name: str) -> tuple[Mapping[str, Any], tuple[KnownRow, ...]]:
    """Write the set's files as a user would have them; returns the configuration without a model, and the stub's rows."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "documents").mkdir(parents=True)
    abstracts = {d["id"]: d for d in lines_of(data / "documents.jsonl.gz")}
    with (work / "documents" / "abstracts.jsonl").open("w") as out:
        for d in abstracts.values():
            out.write(json.dumps({"id": d["id"], "title": d["title"], "text": d["text"]}) + "\n")
    judged = [(data / f"qrels_{part}.tsv").read_text().strip().split("\n") for part in ("train", "test")]
    (work / "judgements.tsv").write_text("\n".join([*judged[0], *judged[1][1:]]) + "\n")
    known, needed = [], []
    for part in ("train", "test"):
        rows = list(lines_of(data / f"{part}.jsonl"))
        with (work / f"{part}.jsonl").open("w") as out:
            for r in rows:
                out.write(json.dumps({"id": str(r["id"]), "input": r["input"], "expected": r["expected"]}) + "\n")
        needed += [f"{r['id']}\t{r['doc_ids'][0]}\t1" for r in rows]
        known += [
            KnownRow(
                inputs={"input": r["input"]},
                answer=r["expected"],
                passage=telling(abstracts[str(r["doc_ids"][0])]["text"]),
            )
            for r in rows
        ]
    (work / "relevant.tsv").write_text("\n".join(needed) + "\n")  # what the stub needs: one abstract a row
    task = {
        "name": name,
        "kind": "classification",
        "instruction": SETS[name],
        "inputs": ["input"],
        "target": "expected",
        "metrics": ["normalized_match"],
        "goal": 0.85,
        "min_gain": 0.03,
        "tolerance": 0.03,
    }
    raw = {
        "task": task,
        "data": {"train": "train.jsonl", "test": "test.jsonl", "id": "id"},
        "documents": {"path": "documents", "relevant": "relevant.tsv"},
        "ladder": ["baseline", "prompt", "rag"],
        "stop_early": False,
    }
    return raw, tuple(known)


async def searched(config: Config, run: Path, queries: Mapping[str, str]) -> dict[str, Any]:
    """Measure the search alone on the test queries: figures by the set's own judgements, and its cost."""
    fitted = RunFolder.open(run).rung("rag").fitted.need()
    choice = learned_as(fitted.candidate, RagLearned).choice
    assert config.documents is not None
    async with open_document_index(config, {}, Silent()) as document_index:
        assert document_index is not None
        relevant = read_relevant(run.parent / "judgements.tsv", [d.document for d in document_index.documents()])
        found = {}
        for form, size in dict.fromkeys((("all", None), (choice.query, choice.chunk_words))):
            asked = {i: query_of(form, {"input": q}) for i, q in queries.items()}
            measured = await measure(document_index, asked, relevant, "bm25", chunk_words=size)
            name = f"BM25, query {form}, {size or config.documents.chunk_words} words"
            found[name] = {k: [v.mean, v.low, v.high, v.n] for k, v in measured.figures.items()}
        times = []
        for q in list(queries.values())[:300]:
            started = time.process_time()  # of all threads: a busy machine does not change it
            await document_index.search(q, 10)
            times.append(1000 * (time.process_time() - started))
    cost = {"mean_ms": statistics.fmean(times), "p95_ms": statistics.quantiles(times, n=20)[-1], "queries": len(times)}
    return {"figures": found, "query": cost, "chosen": fitted.candidate.name}


def one(name: str, shared: Path, runs: Path) -> dict[str, Any]:
    """Climb one set and gather what was measured."""
    work = runs / name
    raw, known = prepared(shared / "data" / name, work, name)
    stub = FakeModel.model_validate({"answers": known, "abilities": {"base": 0.0, "passage": READS}})
    with running(stub) as url:
        model = {"provider": "openai", "name": "stub", "base_url": url, "concurrency": 16, "attempts": 2}
        config = parse_config(
            {**raw, "models": {"main": {**model, "input_usd_per_mtok": 1, "output_usd_per_mtok": 1}}}, work
        )
        started = time.perf_counter(), time.process_time()
        gather(config, Silent())
        build = {"wall_s": time.perf_counter() - started[0], "cpu_s": time.process_time() - started[1]}
        run = climb(config, work / "run")
    folder = RunFolder.open(work / "run")
    known_split = folder.rung("rag").diagnosis.need().knowledge
    fitted = folder.rung("rag").fitted.need()
    assert known_split is not None
    queries = {str(r["id"]): r["input"] for r in lines_of(work / "test.jsonl")}
    return {
        "set": name,
        "verdict": [run.verdict.decision, run.verdict.winner],
        "test": {label: str(r.estimates["normalized_match"]) for label, r in run.results.items()},
        "usd_per_1k": {label: r.cost_per_1k_usd for label, r in run.results.items()},
        "split": {
            "rows": known_split.rows,
            "closed": str(known_split.closed),
            "retrieved": str(known_split.retrieved),
            "gold": str(known_split.gold),
            "wrong closed book": {c.name: c.count for c in known_split.causes},
            "wrong with passages": {c.name: c.count for c in known_split.failures},
            "paired": dict(known_split.paired),
            "search on dev": dict(known_split.search or {}),
        },
        "planted": [fitted.planted.obeyed, fitted.planted.asked] if fitted.planted else None,
        "tried": {t.candidate.name: [t.rows, t.mean] for t in fitted.trials},
        "calls": folder.spend.need()["calls"],
        "build": build,
        **asyncio.run(searched(config, work / "run", queries)),
    }


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Write the results as Markdown."""
    yield "| set | search | nDCG@10 | recall@5 | MRR@10 | n |"
    yield "|---|---|--:|--:|--:|--:|"
    for r in found:
        for how, f in r["figures"].items():
            n = f["ndcg@10"][3]
            yield f"| {r['set']} | {how} | {f['ndcg@10'][0]:.3f} | {f['recall@5'][0]:.3f} | {f['mrr@10'][0]:.3f} | {n} |"
    yield ""
    yield "| set | build, s CPU | query, ms CPU mean / p95 | chosen | prompt on test | rag on test | verdict |"
    yield "|---|--:|--:|---|---|---|---|"
    for r in found:
        q = r["query"]
        yield (
            f"| {r['set']} | {r['build']['cpu_s']:.1f} | {q['mean_ms']:.1f} / {q['p95_ms']:.1f} | {r['chosen']} | "
            f"{r['test']['prompt']} | {r['test']['rag']} | {r['verdict'][0]}, {r['verdict'][1]} |"
        )
    yield ""
    yield "| set | dev rows | closed book | with passages | right passage | wrong closed book | wrong with passages |"
    yield "|---|--:|---|---|---|---|---|"
    for r in found:
        s = r["split"]
        why = [
            ", ".join(f"{k} {v}" for k, v in s[side].items()) for side in ("wrong closed book", "wrong with passages")
        ]
        yield f"| {r['set']} | {s['rows']} | {s['closed']} | {s['retrieved']} | {s['gold']} | {why[0]} | {why[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--runs", type=Path, default=Path("runs/bench-rag"))
    options = parser.parse_args()
    found = []
    for name in options.sets:
        found.append(one(name, options.shared, options.runs))
        (HERE / "results" / f"{name}.json").write_text(json.dumps(found[-1], indent=1) + "\n")
        print("\n".join(table(found[-1:])), flush=True)
    if len(found) == len(SETS):
        (HERE / "results" / "rag.md").write_text("\n".join(table(found)) + "\n")


if __name__ == "__main__":
    main()
