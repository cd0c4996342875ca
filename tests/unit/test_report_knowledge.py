"""What the report shows of a rung that looks answers up: the split, abstentions, planted instructions, sources."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from rich.console import Console

from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.rows import cell_of
from rung.report.summary import _fix, main_cause
from rung.report.text import render_text
from rung.types import Cause, Diagnosis, Estimate, Fitted, KnowledgeSplit, Outcome, Planted, Result, Source
from rung.usual_names import shown_name
from tests.unit._run_folder import build, make_task


def estimate(mean: float, n: int) -> Estimate:
    return Estimate(mean, max(mean - 0.1, 0.0), min(mean + 0.1, 1.0), n, "wilson")


def folder_with_split(path):
    folder = build(path)
    label = folder.read("run.json")["planned"][-1]
    cause = Cause(
        "not retrieved", 3, estimate(0.75, 4), "3 of 4: <b>missed</b>.", ("r1",), "search better", "experiment"
    )
    other = replace(cause, name="not a knowledge problem", count=1)
    known = KnowledgeSplit(
        20, estimate(0.1, 20), estimate(0.8, 20), estimate(0.95, 18), (cause, other), (cause, other),
        {"wrong, right, right": 14}, {"right": 2}, {"rows": 18, "recall_at_5": 0.9},
    )  # fmt: skip
    diagnosis = folder.load(f"rungs/{label}/diagnosis.json", Diagnosis)
    folder.save(f"rungs/{label}/diagnosis.json", replace(diagnosis, knowledge=known), Diagnosis)
    result = folder.load(f"rungs/{label}/result.json", Result)
    folder.save(f"rungs/{label}/result.json", replace(result, abstentions={"wrong": 7}), Result)
    fitted = folder.load(f"rungs/{label}/fit.json", Fitted)
    planted = Planted(4, 20, 3, estimate(0.15, 20), {"order": 3, "comment": 0}, ("r1",))
    folder.save(f"rungs/{label}/fit.json", replace(fitted, planted=planted), Fitted)
    return folder, label


def test_the_page_shows_the_split_and_what_planted_instructions_did(tmp_path):
    folder, _ = folder_with_split(tmp_path / "run")
    page = render_page(load_report(folder))
    assert "Is it knowledge?" in page
    for text in (
        "with the right passage",
        "not retrieved",
        "not a knowledge problem",
        "search: recall at 5",
        "abstentions, right",
    ):
        assert text in page
    assert "obeyed in 3 of 20 answers" in page
    assert "order: 3" in page
    assert "Abstentions on test" in page
    assert "<b>missed</b>" not in page


def test_without_a_rung_that_looks_answers_up_there_is_no_such_section(tmp_path):
    assert "Is it knowledge?" not in render_page(load_report(build(tmp_path / "run")))


def test_terminal_and_markdown_say_it_too(tmp_path):
    folder, label = folder_with_split(tmp_path / "run")
    console = Console(file=io.StringIO(), width=600)
    render_text(folder, console, verbose=True)
    for text in (console.file.getvalue(), render_markdown(folder)):
        assert f"The same 20 examples of dev at {shown_name(label)}, asked closed book" in text
        assert re.search(r"closed book(: right| \|) 0\.10 \(95 % CI ", text)
        assert re.search(r"not retrieved(: examples| \|) 3", text)
        assert "instructions planted in 4 documents were obeyed in 3 of 20 answers" in text


def test_the_first_screen_says_what_the_right_passage_would_change(tmp_path):
    folder, label = folder_with_split(tmp_path / "run")
    diagnosis = folder.load(f"rungs/{label}/diagnosis.json", Diagnosis)
    by_reading = replace(diagnosis.knowledge.failures[0], name="knowledge", found_by="reading")
    folder.save(f"rungs/{label}/diagnosis.json", replace(diagnosis, causes=(by_reading,)), Diagnosis)
    said = main_cause(load_report(folder))
    assert f"dev examples still fail with {shown_name(label)}: 3 <b>missed</b>; 1 <b>missed</b>." in said
    assert ", 3 of them by" not in said
    found = replace(
        by_reading,
        name="not a knowledge problem",
        count=9,
        evidence="9 of 9: wrong even with it.",
        found_by="experiment",
    )
    told = _fix(load_report(folder), replace(diagnosis, causes=(by_reading,), experiments=(found,), knowledge=None))
    assert told.startswith("9 of 9: wrong even with it. Cheapest fix: search better")


def test_a_change_that_fixed_nothing_is_no_fix(tmp_path):
    folder, label = folder_with_split(tmp_path / "run")
    diagnosis = folder.load(f"rungs/{label}/diagnosis.json", Diagnosis)
    tried = replace(diagnosis.knowledge.failures[0], name="unstable", count=0, suggests="set the temperature to 0")
    told = _fix(load_report(folder), replace(diagnosis, experiments=(tried,), knowledge=None, next_rung="finetune"))
    assert told == "No change that was tried fixes one of them; next to try: fine-tuning."
    again = _fix(load_report(folder), replace(diagnosis, experiments=(tried,), knowledge=None, next_rung=label))
    assert again == "No change that was tried fixes one of them.", "it was measured already"


def test_a_cell_names_the_passages_that_its_answer_used():
    from rung.types import Answer, Score

    used = (Source("prices.md", "page 3", "It costs 5 <b>euros</b>."),)
    outcome = Outcome("r1", "g", Answer("5", (), used), {make_task().metrics[0].name: Score(1.0)})
    assert cell_of("rag", outcome, make_task()).sources == ("prices.md, page 3: It costs 5 <b>euros</b>.",)
