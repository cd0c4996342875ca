"""Rung 3 on real abstracts: a stub that can answer only from the right passage, and judgements that name it."""

from __future__ import annotations

import json

from bench.rag.__main__ import prepared
from rung.config import parse_config
from rung.ladder import climb
from rung.store.run import RunFolder


def test_pubmedqa_is_lifted_by_its_abstracts_and_the_split_knows_why(shared_data, tmp_path):
    work = tmp_path / "pubmedqa"
    raw, known = prepared(shared_data / "pubmedqa", work, "pubmedqa")
    for part, rows in (("train", 160), ("test", 120)):
        lines = (work / f"{part}.jsonl").read_text().splitlines()
        (work / f"{part}.jsonl").write_text("\n".join(lines[:rows]) + "\n")
    answers = work / "known.jsonl"
    answers.write_text(
        "".join(json.dumps({"inputs": dict(k.inputs), "answer": k.answer, "passage": k.passage}) + "\n" for k in known)
    )
    fake = {"provider": "fake", "answers": "known.jsonl", "abilities": {"base": 0.0, "passage": 1.0}}
    settings = {"rag": {"k": [3], "chunk_words": [], "canaries": 0}}
    config = parse_config(
        {**raw, "models": {"main": fake}, "ladder": [{"prompt": {"rewrites": False}}, settings]}, work
    )
    run = climb(config, work / "run")
    assert run.results["prompt"].estimates["normalized_match"].mean == 0.0
    assert run.results["rag"].estimates["normalized_match"].mean >= 0.9
    split = RunFolder.open(work / "run").rung("rag").diagnosis.need().knowledge
    assert split.search["recall_at_5"] >= 0.95
    assert split.gold.n == split.rows
    names = {c.name: c.count for c in split.causes}
    assert names["does not know"] >= 0.85 * split.rows
    assert sum(names.values()) == split.rows
