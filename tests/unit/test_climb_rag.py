"""A whole climb with documents on disk: retrieval is the verdict, and changed documents are measured anew."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace

import pytest

from rung.cli import export
from rung.config import parse_config
from rung.decide.knowledge import RULE
from rung.decide.tuned import must_fall_short
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import DataError, IntegrityError, NotOffered
from rung.evaluate.kit import RunKit
from rung.ladder import climb
from rung.progress import Silent
from rung.report.evidence import Archive
from rung.rungs.rag import Rag
from rung.store.run import RunFolder
from rung.types import Answer, Candidate, Cause, Choice, Diagnosis, Estimate, PromptLearned, RagLearned
from tests.unit import _catalogue as world


def config(root, **changes):
    (root / "sheets").mkdir(parents=True, exist_ok=True)
    for name, text in world.document_index().texts.items():
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
        "metrics": ["normalized_match"],
        "goal": 0.85,
        "tolerance": 0.05,
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
        "split": {"test": 0.4, "dev": 0.15},
        "documents": {"path": "sheets"},
        "models": {"main": model},
        "ladder": ["prompt", {"rag": {"stuff_tokens": 0}}],
        **changes,
    }
    return parse_config(raw, root)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Where the world was climbed as it is, and what the climb returned: made once, not to be changed."""
    root = tmp_path_factory.mktemp("climbed")
    return root, climb(config(root), root / "run")


@pytest.mark.slow
def test_retrieval_is_the_verdict_and_every_number_can_be_recomputed(once):
    root, run = once
    assert (run.verdict.decision, run.verdict.winner) == ("meets", "rag")
    assert run.results["prompt"].estimates["normalized_match"].mean == 0.0
    folder = RunFolder.open(root / "run")
    first = folder.load("rungs/prompt/diagnosis.json", Diagnosis)
    assert first.next_rung == "rag"
    known = folder.load("rungs/rag/diagnosis.json", Diagnosis).knowledge
    assert [c.name for c in known.causes] == ["does not know"]
    [reason] = [r for r in run.verdict.reasons if r.rule == RULE]
    assert (
        f"{known.rows} of {known.rows} dev examples are wrong without passages (does not know {known.rows})"
        in reason.claim
    )
    assert all(Archive(folder).look_up(key).resolves for key in reason.evidence)
    assert all(check.passed for check in verify(folder))
    outcome = run.results["rag"].outcomes[0]
    assert outcome.answer.sources[0].document.endswith(".md")


@pytest.mark.slow
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
    assert prompt["choice"]["k"] >= 1
    assert len(chats) == 20
    texts = [m["content"] for chat in chats for m in chat["messages"]]
    assert any("See terms p." in text for text in texts)
    assert not any("x.example" in text for text in texts)
    assert all(chat["passages"][0]["document"].endswith(".md") for chat in chats)


@pytest.mark.slow
def test_changed_documents_are_measured_anew_by_the_same_command(once, tmp_path):
    root, first = once
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    same = climb(config(tmp_path), tmp_path / "run")
    assert same.results["rag"].candidate.id == first.results["rag"].candidate.id
    changed = config(tmp_path)
    for sheet in sorted((tmp_path / "sheets").iterdir())[:40]:
        sheet.write_text(sheet.read_text().replace(" costs ", " is sold for "))
    again = climb(changed, tmp_path / "run")
    assert again.results["rag"].candidate.id != first.results["rag"].candidate.id
    before, after = (r.results["rag"].estimates["normalized_match"].point for r in (first, again))
    assert before > 0.95
    assert after < 0.7


def over(sha256):
    """Return a candidate that was chosen over documents of that hash."""
    learned = RagLearned(messages=(), columns=(), choice=Choice(k=1), phrase="?", documents_sha256=sha256)
    return Candidate("rag", "k=1", learned, None)


def test_answers_over_different_documents_are_never_mixed():
    documents = world.document_index()
    kit = RunKit(world.task(), {}, 7, Silent(), document_index=documents)
    candidate = over(documents.sha256)
    documents.put("new.md", "The Alder kettle costs 12 euros.")
    with pytest.raises(IntegrityError, match="the documents have changed since 'k=1' of the approach rag was chosen"):
        kit_answer(kit, candidate)


def test_documents_that_change_while_an_approach_answers_give_no_answers():
    documents = world.document_index()
    chosen = documents.sha256
    rows = world.rows(3, "row")

    class Writing:
        """A system that puts a document into the index while it answers, as a colleague may."""

        async def answer(self, inputs):
            documents.put("new.md", "The Alder kettle costs 12 euros.")
            return Answer("12 euros")

    def answered(candidate):
        kit = RunKit(world.task(), {}, 7, Silent(), document_index=documents)
        return asyncio.run(kit.answer(candidate, rows, system=Writing()))

    with pytest.raises(IntegrityError, match="the documents have changed since 'k=1' of the approach rag was chosen"):
        answered(over(chosen))
    assert documents.sha256 != chosen
    prompted = Candidate("prompt", "as-is", PromptLearned(messages=(), columns=()), None)
    assert len(answered(prompted)) == 3  # it searches no documents
    assert len(answered(over(documents.sha256))) == 3  # the same text again


def kit_answer(kit, candidate, rows=()):
    return asyncio.run(kit.answer(candidate, rows))


@pytest.mark.slow
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
    lacking = Diagnosis("rag", 40, 20, (), None, "", (facts, rest))
    with pytest.raises(NotOffered, match="12 of 20 failures at RAG lack a fact.*tuning is no way to teach facts"):
        must_fall_short(world.task(), "main", {}, {}, lacking)
    must_fall_short(world.task(), "main", {"force": True}, {}, lacking)
    must_fall_short(world.task(), "main", {}, {}, replace(lacking, experiments=(replace(facts, count=7), rest)))
    must_fall_short(world.task(), "main", {}, {}, replace(lacking, experiments=()))
    must_fall_short(world.task(), "main", {}, {}, None)


def test_a_plan_knows_the_documents(tmp_path):
    rag = next(r for r in plan(config(tmp_path)).rungs if r.rung == "rag")
    assert rag.dev_calls > 100
    assert rag.input_tokens > 0
    assert Rag().k == (1, 3, 6)
