"""A whole climb with documents on disk: retrieval is the verdict, and changed documents are measured anew."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rung.cli import export
from rung.config import Step, parse_config
from rung.decide.knowledge import RULE
from rung.decide.tuned import must_fall_short
from rung.decide.verify import verify
from rung.errors import DataError, IntegrityError, NotOffered
from rung.evaluate.kit import RunKit
from rung.evaluate.plan import plan
from rung.evaluate.progress import Silent
from rung.ladder import climb
from rung.report.evidence import Archive
from rung.rungs.rag import Rag
from rung.store.folder import RunFolder
from rung.types import Candidate, Cause, Diagnosis, Estimate
from tests.unit import _catalogue as world


def config(root, **changes):
    (root / "sheets").mkdir(parents=True, exist_ok=True)
    for name, text in world.library().texts.items():
        (root / "sheets" / name).write_text(text)
    rows = world.rows(160, "row")
    lines = [{"id": e.id, **e.inputs, "answer": e.target} for e in rows]
    (root / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = {
        "name": "prices",
        "kind": "knowledge",
        "instruction": "Answer the question.",
        "inputs": ["question", "product"],
        "target": "answer",
        "metrics": ["exact_match"],
        "goal": 0.9,
        "tolerance": 0.1,
    }
    model = {
        "provider": "fake",
        "answers": "rows.jsonl",
        "reads": world.READS,
        "input_usd_per_mtok": 1.0,
        "output_usd_per_mtok": 1.0,
    }
    raw = {
        "task": task,
        "data": {"path": "rows.jsonl", "id": "id"},
        "documents": {"path": "sheets"},
        "models": {"main": model},
        "ladder": ["prompt", "rag"],
        **changes,
    }
    return parse_config(raw, root)


def test_retrieval_is_the_verdict_and_every_number_can_be_recomputed(tmp_path):
    run = climb(config(tmp_path), tmp_path / "run")
    assert (run.verdict.decision, run.verdict.winner) == ("met", "rag")
    assert run.results["prompt"].estimates["exact_match"].mean == 0.0
    folder = RunFolder.open(tmp_path / "run")
    first = folder.load("rungs/prompt/diagnosis.json", Diagnosis)
    assert first.next_rung == "rag"
    known = folder.load("rungs/rag/diagnosis.json", Diagnosis).knowledge
    assert [c.name for c in known.causes] == ["does not know"]
    [reason] = [r for r in run.verdict.reasons if r.rule == RULE]
    assert (
        f"{known.rows} of {known.rows} dev rows are wrong without passages (does not know {known.rows})" in reason.claim
    )
    assert all(Archive(folder).look_up(key).resolves for key in reason.evidence)
    assert all(check.passed for check in verify(folder))
    outcome = run.results["rag"].outcomes[0]
    assert outcome.answer.sources[0].document.endswith(".md")


def test_exported_prompts_hold_passages_without_remote_links_and_images(tmp_path, capsys):
    made = config(tmp_path)
    for sheet in (tmp_path / "sheets").iterdir():
        text = sheet.read_text().replace(
            "It ships at once.", "See [terms](https://x.example/t) ![p](https://x.example/p.png)."
        )
        sheet.write_text(text)
    climb(made, tmp_path / "run")
    assert export.export(tmp_path / "run", "rag", None, None, None, True) == 0
    assert "without remote links and images" in json.loads(capsys.readouterr().out)["said"]
    out = tmp_path / "run" / "exports" / "rag-rag"
    prompt = json.loads((out / "prompt.json").read_text())
    chats = [json.loads(line) for line in (out / "chats.jsonl").read_text().splitlines()]
    assert prompt["search"]["k"] >= 1
    assert len(chats) == 20
    texts = [m["content"] for chat in chats for m in chat["messages"]]
    assert any("See terms p." in text for text in texts)
    assert not any("x.example" in text for text in texts)
    assert all(chat["passages"][0]["document"].endswith(".md") for chat in chats)


def test_changed_documents_are_measured_anew_by_the_same_command(tmp_path):
    first = climb(config(tmp_path), tmp_path / "run")
    same = climb(config(tmp_path), tmp_path / "run")
    assert same.results["rag"].candidate.id == first.results["rag"].candidate.id
    changed = config(tmp_path)
    for sheet in sorted((tmp_path / "sheets").iterdir())[:40]:
        sheet.write_text(sheet.read_text().replace(" costs ", " is sold for "))
    again = climb(changed, tmp_path / "run")
    assert again.results["rag"].candidate.id != first.results["rag"].candidate.id
    before, after = (r.results["rag"].estimates["exact_match"].point for r in (first, again))
    assert before > 0.95
    assert after < 0.7


def test_answers_over_different_documents_are_never_mixed():
    documents = world.library()
    kit = RunKit(world.task(), {}, 7, Silent(), library=documents)
    candidate = Candidate("rag", "k=1", {"library": documents.sha256}, {}, None)
    documents.put("new.md", "The Alder kettle costs 12 euros.")
    with pytest.raises(IntegrityError, match="the documents have changed since 'k=1' of the rung rag was chosen"):
        kit_answer(kit, candidate)


def kit_answer(kit, candidate):
    import asyncio

    return asyncio.run(kit.answer(candidate, ()))


def test_told_relevance_reaches_the_split(tmp_path):
    (tmp_path / "relevant.tsv").touch()
    made = config(tmp_path, documents={"path": "sheets", "relevant": "relevant.tsv"})
    (tmp_path / "relevant.tsv").unlink()  # gone after the file was read
    with pytest.raises(DataError, match=r"relevant.tsv: there is no such file; it is named in documents.relevant"):
        climb(made, tmp_path / "early")
    lines = [f"{e.id}\t{e.inputs['product'].lower().replace(' ', '-')}.md\t1" for e in world.rows(160, "row")]
    (tmp_path / "relevant.tsv").write_text("\n".join(lines) + "\n")
    climb(made, tmp_path / "run")
    known = RunFolder.open(tmp_path / "run").load("rungs/rag/diagnosis.json", Diagnosis).knowledge
    assert known.gold.n == known.rows
    assert known.search["recall_at_5"] == 1.0


def test_tuning_is_not_offered_where_facts_are_what_is_missing():
    rows = Estimate(0.5, 0.4, 0.6, 20, "wilson")
    facts = Cause("not retrieved", 12, rows, "", (), "", "experiment")
    rest = Cause("not a knowledge problem", 8, rows, "", (), "", "experiment")
    step = Step(rung="finetune", settings={"model": "main"})
    lacking = Diagnosis("rag", 40, 20, (), None, "", (facts, rest))
    with pytest.raises(NotOffered, match="12 of 20 failures at rag lack a fact .*tuning is no way to teach facts"):
        must_fall_short(world.task(), step, {}, lacking)
    must_fall_short(world.task(), Step(rung="finetune", settings={"force": True}), {}, lacking)
    must_fall_short(world.task(), step, {}, replace(lacking, experiments=(replace(facts, count=7), rest)))
    must_fall_short(world.task(), step, {}, replace(lacking, experiments=()))
    must_fall_short(world.task(), step, {}, None)


def test_a_plan_knows_the_documents(tmp_path):
    rag = next(r for r in plan(config(tmp_path)).rungs if r.rung == "rag")
    assert rag.dev_calls > 100
    assert rag.input_tokens > 0
    assert Rag().k == (1, 3, 6)
