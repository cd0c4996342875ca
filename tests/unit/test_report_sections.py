"""Sections of the report on what a rung costs to use, on advice, and on how good the diagnosis was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rung.decide.economics import Offer, break_even, break_even_sentence, requests
from rung.evaluate.diagnosis.calibration import Foretold
from rung.evaluate.diagnosis.case import share_of
from rung.report import sections
from rung.report.advice import matrix_of
from rung.report.data import as_data
from rung.report.economics import economics_of
from rung.report.foretelling import foretells, summary
from rung.report.load import TOLD, load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.sections import SECTIONS
from rung.types import Cause, Estimate, Prediction, Preflight, Tuning
from tests.unit._run_folder import LADDER, Made, build


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return build(tmp_path_factory.mktemp("run"), (*LADDER, Made("rag", 0.9, 0.0011, 1.6)), goal=0.95)


@pytest.fixture(scope="module")
def page(run):
    return " ".join(render_page(load_report(run)).split())


def test_every_section_stands_in_the_page_in_order_and_its_word_in_the_navigation(page):
    places = [page.find(f'<section id="{s.id}"') for s in SECTIONS]
    there = [place for place in places if place >= 0]
    assert there == sorted(there)
    assert [s.id for s, place in zip(SECTIONS, places, strict=True) if s.word and place < 0] == []
    assert [s.id for s in SECTIONS if s.word and f'<a href="#{s.id}">{s.word}</a>' not in page] == []


def test_no_section_file_is_left_out():
    files = {p.name for p in (Path(sections.__file__).parent).glob("_*.html")} - {"_macros.html"}
    assert files == {s.template for s in SECTIONS}


def test_costs_stand_beside_tokens_by_part_and_latency_unloaded(run, page):
    found = economics_of(load_report(run))
    assert (found.requests_per_month, found.efficient) == (300_000, ("baseline", "prompt", "fewshot", "rag"))
    assert "$174.00" in page
    assert "median of 5, one by one" in page
    assert "instruction 160, examples 420, input 52" in page  # the title of the bar
    assert "prompt is cheaper at any volume" in page
    assert 'class="frontier"' in page
    assert page.count('class="efficient"') == 8  # four rungs, in the wide and the narrow chart


def test_a_rented_machine_breaks_even_at_a_volume(run):
    report = load_report(run)
    config = {**report.head["config"], "models": {"main": {"usd_per_hour": 0.5}}}
    report = replace(report, head={**report.head, "config": config})
    offers = {o.label: o for o in economics_of(report).offers}
    assert offers["baseline"].usd_per_hour is None
    assert offers["prompt"].machine_month_usd == 365.0
    assert "one machine serves up to 1,700,000" in " ".join(render_page(report).split())


def test_tuning_costs_its_machine_time_once(run):
    report = load_report(run)
    config = {**report.head["config"], "models": {"small": {"usd_per_hour": 0.9}}}
    rung = report.rung("fewshot")
    tuning = Tuning("small", Preflight((), ""), (), (), None, seconds=7200.0)
    role = 'small+["rungs/finetune/weights","' + "a" * 64 + '","adapter"]'
    tuned = replace(
        rung,
        label="finetune",
        fitted=replace(rung.fitted, tuning=tuning),
        result=replace(rung.result, candidate=replace(rung.result.candidate, model=role)),
    )
    report = replace(report, head={**report.head, "config": config}, rungs=(*report.rungs[:2], tuned))
    offer = economics_of(report).offers[-1]
    assert (offer.label, offer.one_off_usd, offer.usd_per_hour) == ("finetune", pytest.approx(1.8), 0.9)
    unpriced = replace(report, head={**report.head, "config": {}})
    offer = economics_of(unpriced).offers[-1]
    assert (offer.one_off_usd, offer.one_off_note) == (
        None, "tuning took 7,200 s on a machine without a price (usd_per_hour)",
    )  # fmt: skip


def estimate():
    return Estimate(0.5, 0.4, 0.6, 10, "wilson")


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        ({"cost_per_1k_usd": 2.0}, {"cost_per_1k_usd": 0.1, "usd_per_hour": 0.9}, "b is cheaper above 330,000 requests a month"),
        ({"cost_per_1k_usd": 2.0}, {"cost_per_1k_usd": 0.1, "one_off_usd": 19.0}, "b is cheaper at any volume; what it cost once is earned back in 3 days"),
        ({"cost_per_1k_usd": 0.2}, {"cost_per_1k_usd": 0.1, "one_off_usd": 19.0}, "b is cheaper at any volume; what it cost once is earned back in 58 days"),
        ({"cost_per_1k_usd": 0.2}, {"cost_per_1k_usd": 0.1, "one_off_usd": 90.0}, "b is cheaper at any volume; what it cost once is earned back in 9.0 months"),
        ({"cost_per_1k_usd": None}, {"cost_per_1k_usd": 0.1}, "unknown (what a costs is unknown)"),
    ],
)  # fmt: skip
def test_break_even_in_words(lower, upper, said):
    pair = break_even(Offer("a", estimate(), **lower), Offer("b", estimate(), **upper), 100_000)
    assert break_even_sentence(pair) == said


def test_crossings_are_written_with_two_digits():
    assert [requests(x) for x in (0.4, 7.3, 41_234, 328_500)] == ["1", "7", "41,000", "330,000"]
    assert requests(None) == "unknown"


def test_the_matrix_reads_the_run_and_what_was_told(run, page):
    found = matrix_of(load_report(run))
    assert found.measured == ("baseline", "prompt", "fewshot", "rag")
    assert found.by_evidence == "prompting"
    assert found.sentence in page
    assert "fewshot: $0.58 per 1,000, limit $1" in page
    run.write(TOLD, {"explainability": True})
    told = {r.fact.factor: r.fact for r in matrix_of(load_report(run)).rows}
    assert (told["explainability"].holds, told["explainability"].source) == (True, "told")
    (run.path / TOLD).unlink()


def test_what_was_foretold_is_shown_beside_what_came_true(page):
    assert "How good the diagnosis was" in page
    assert "foretold to be mended were" in page
    assert "capacity (no configured model is known to be larger than models.main)" in page


def checked(mended, kept, unmended, surprises, found_by="experiment"):
    n = mended + unmended
    return Foretold(
        "prompt", "c", found_by, "fewshot", share_of(mended, n), share_of(kept + surprises, n), mended, kept, unmended, surprises
    )  # fmt: skip


def test_the_summary_says_how_good_the_diagnosis_was():
    assert summary([checked(10, 8, 10, 1)]) == (
        "By experiment it was right about 85 % of 20 predictions (64 % to 95 %, as if each stood alone): 80 % of the rows "
        "foretold to be mended were, 10 % of the others."
    )
    assert summary([checked(10, 5, 10, 5)]).endswith("; it did not tell them apart.")
    assert summary([checked(10, 5, 0, 0)]).endswith("as if each stood alone).")
    assert summary([checked(1, 1, 1, 1, "reading")]) == "No prediction was made by experiment."


def test_what_a_cause_foretells_in_words():
    def cause(rung):
        told = Prediction(rung, ("a",), ("b",), share_of(1, 2))
        return Cause("c", 1, share_of(1, 2), "E.", (), "s", "experiment", told)

    assert foretells(cause("fewshot")) == "fewshot mends 50 % (9 % to 91 %)"
    assert foretells(cause("@large")) == "models.large mends 50 % (9 % to 91 %)"
    assert foretells(cause(None)) == "the next rung mends 50 % (9 % to 91 %)"
    assert foretells(replace(cause(None), predicts=None)) == "nothing"


def test_programs_get_all_of_it(run):
    data = json.loads(json.dumps(as_data(run)))
    assert data["economics"]["efficient"] == ["baseline", "prompt", "fewshot", "rag"]
    assert len(data["economics"]["break_evens"]) == 6
    assert data["advice"]["totals"]["prompting"] == {"thumb": 3, "with_evidence": 1}
    assert [len(r["foretold"]) for r in data["rungs"]] == [0, 0, 2, 0]
    assert data["rungs"][2]["one_request"]["tokens"]["examples"] == 420.0


def test_markdown_names_costs_and_what_was_foretold(run):
    text = render_markdown(run)
    costs = r"| fewshot | \$0.58 | \$174.00 | \$0 | instruction 160, examples 420, input 52 | 0.72 s | yes |"
    assert costs in text
    assert "The rule of thumb says" in text
    assert "by experiment these pass: missing convention" in text
