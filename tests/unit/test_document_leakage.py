"""Documents that hold questions and answers of the rows are told; those that merely know the facts are not."""

from __future__ import annotations

import json

import pytest

from rung.documents.leakage import leakage, leaks
from rung.ladder import climb
from rung.types import Document, Example, Source
from tests.unit._worlds import FORMAT_ONLY, world

ROWS = (
    Example("r1", {"question": "How much does the green lamp cost?"}, "It costs twelve euros.", "g1"),
    Example("r2", {"question": "Is the shop open on every Sunday?"}, "no", "g2"),
    Example("r3", {"question": "How much?"}, "It costs twelve euros.", "g3"),
)


def document(text, name="faq.md", title=""):
    return Document(name, title, (Source(name, "start", text),), name)


TEXTS = {
    "question and answer": ("Q: how much does THE green lamp\ncost? A: It costs twelve euros!", ["r1"]),
    "answer before": ("It costs twelve euros. (How much does the green lamp cost?)", ["r1"]),
    "the fact alone": ("The green lamp: it costs twelve euros.", []),
    "the question alone": ("How much does the green lamp cost? Ask us.", []),
    "far apart": ("How much does the green lamp cost? " + "word " * 500 + "It costs twelve euros.", []),
    "short answer at once": ("Is the shop open on every Sunday? No, never.", ["r2"]),
    "short answer by chance": (
        "Is the shop open on every Sunday? Well, dear friends, this is what we are often asked and no.",
        [],
    ),
    "short question": ("How much? It costs twelve euros.", []),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_row_leaks_where_question_and_answer_stand_together(case):
    text, ids = TEXTS[case]
    assert [leak.example_id for leak in leaks([document("Other."), document(text)], ROWS)] == ids


def test_rows_of_a_data_file_among_the_documents_leak_and_test_rows_are_not_named():
    table = [document(f"question: {r.inputs['question']}\nanswer: {r.target}", f"rows.jsonl#{r.id}") for r in ROWS]
    [finding] = leakage(table, ROWS, {"r1"})
    assert finding.message == (
        "2 of 3 examples stand in the documents word for word, question and answer together (1 of them in the sealed test set): "
        "in rows.jsonl#r1, rows.jsonl#r2."
    )
    assert finding.example_ids == ("r2",)
    assert "r1" not in json.dumps(finding.example_ids)
    assert not list(leakage([document("nothing")], ROWS, ()))


@pytest.mark.slow
def test_a_climb_tells_of_leaking_documents(tmp_path):
    config = world(tmp_path, 300, model=FORMAT_ONLY)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "faq.md").write_text("\n\n".join(f"{r['text']} {r['team']}" for r in rows))
    config = world(tmp_path, 300, model=FORMAT_ONLY, documents={"path": "docs"})
    for _ in range(2):  # found anew when the climb is resumed
        climb(config, tmp_path / "run")
        findings = json.loads((tmp_path / "run" / "findings.json").read_text())
        [finding] = [f for f in findings if f["check"] == "document leakage"]
        assert finding["message"].startswith("300 of 300 examples stand in the documents word for word")
        assert "(120 of them in the sealed test set)" in finding["message"]
