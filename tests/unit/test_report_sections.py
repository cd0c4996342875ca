"""Sections of the report on what a rung costs to use, on advice, and on how good the diagnosis was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest

from rung.decide.economics import Offer, break_even, break_even_sentence, requests
from rung.diagnosis.failed_examples import share_of
from rung.report import blocks, markup
from rung.report.advice import matrix_of
from rung.report.causes import predicts, summary
from rung.report.data import as_data
from rung.report.economics import economics_of
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.sections import page_of
from rung.store.records import PredictionCheck
from rung.types import Cause, Estimate, Prediction, Preflight, RequestCost, Result, Served, Tuning
from tests.unit._results import rented
from tests.unit._run_folder import LADDER, Made, build


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return build(tmp_path_factory.mktemp("run"), (*LADDER, Made("rag", 0.9, 0.0011, 1.6)), goal=0.95)


@pytest.fixture(scope="module")
def page(run):
    return " ".join(render_page(load_report(run)).split())


def test_every_section_stands_in_the_page_in_order_and_its_word_in_the_navigation(run, page):
    sections = page_of(load_report(run)).sections
    kinds = {s.id: '<details class="part"' if s.folded else "<section" for s in sections}
    places = [page.find(f'{kind} id="{name}"') for name, kind in kinds.items()]
    assert -1 not in places
    assert places == sorted(places)
    assert [s.id for s in sections if s.word and f'<a href="#{s.id}">{s.word}</a>' not in page] == []


def test_every_kind_of_block_can_be_written_as_html():
    assert set(markup.WRITERS) == set(get_args(blocks.Block))


def test_costs_stand_beside_tokens_by_part_and_latency_unloaded(run, page):
    found = economics_of(load_report(run))
    assert (found.requests_per_month, found.efficient) == (300_000, ("baseline", "prompt", "fewshot", "rag"))
    assert "$174.00" in page
    assert "median of 5<" in page
    assert "Latency at concurrency 1" in page
    assert "instruction 160, examples 420, input 52" in page  # the title of the bar
    assert "prompt is cheaper at any volume" in page
    assert 'class="frontier"' in page
    assert page.count('class="efficient"') == 8  # four rungs, in the wide and the narrow chart


def test_what_a_latency_was_measured_at_stands_below_it_and_widens_no_column(tmp_path):
    made = build(tmp_path / "served", LADDER)
    result = made.load("rungs/fewshot/result.json", Result)
    served = Served(concurrency=2, n=72, p50_s=0.27, p95_s=0.41, low_s=0.38, high_s=0.51)
    made.save("rungs/fewshot/result.json", replace(result, served=served), Result)
    page = render_page(load_report(made))
    assert '<td class="r" data-label="Latency p50 / p95">0.27 s / 0.41 s<small>at concurrency 2</small></td>' in page
    assert '<td class="r" data-label="p50">0.27 s</td>' in page
    assert "| 0.92-0.98 | \\$0.58 | 0.27 s | meets the goal |" in render_markdown(made)


def test_a_rented_machine_breaks_even_at_a_volume(run):
    report = load_report(run)
    prompt = report.rung("prompt")
    renting = replace(prompt, result=rented(prompt.result, report.task, 0.5))
    report = replace(report, rungs=tuple(renting if r is prompt else r for r in report.rungs))
    offers = {o.label: o for o in economics_of(report).offers}
    assert offers["baseline"].machine_month_usd == 0.0
    assert offers["prompt"].machine_month_usd == 365.0
    assert "one machine serves up to 1,700,000" in " ".join(render_page(report).split())


def test_tuning_costs_its_machine_time_once(run):
    report = load_report(run)
    rung = report.rung("fewshot")
    tuning = Tuning("small", Preflight((), ""), (), (), None, seconds=7200.0)
    role = 'small+["rungs/finetune/weights","' + "a" * 64 + '","adapter"]'
    tuned = replace(
        rung,
        label="finetune",
        fitted=replace(rung.fitted, tuning=tuning),
        result=rented(replace(rung.result, candidate=replace(rung.result.candidate, model=role)), report.task, 0.9),
    )
    report = replace(report, rungs=(*report.rungs[:2], tuned))
    offer = economics_of(report).offers[-1]
    assert (offer.label, offer.one_off_usd, offer.cost.usd_per_hour) == ("finetune", pytest.approx(1.8), 0.9)
    unpriced = replace(report, rungs=(*report.rungs[:2], replace(tuned, result=rented(tuned.result, report.task, 0.0))))
    offer = economics_of(unpriced).offers[-1]
    assert (offer.one_off_usd, offer.one_off_note) == (
        None, "tuning took 7,200 s on a machine without a price (price.per_hour)",
    )  # fmt: skip


def offer(label, usd, usd_per_hour=0.0, **more):
    cost = RequestCost(None if usd is None else usd / 1000, usd_per_hour=usd_per_hour)
    return Offer(label, Estimate(0.5, 0.4, 0.6, 10, "wilson"), cost, usd, **more)


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        ({"usd": 2.0}, {"usd": 0.1, "usd_per_hour": 0.9}, "b is cheaper above 330,000 requests a month"),
        ({"usd": 2.0}, {"usd": 0.1, "one_off_usd": 19.0}, "b is cheaper at any volume; what it cost once is earned back in 3 days"),
        ({"usd": 0.2}, {"usd": 0.1, "one_off_usd": 19.0}, "b is cheaper at any volume; what it cost once is earned back in 58 days"),
        ({"usd": 0.2}, {"usd": 0.1, "one_off_usd": 90.0}, "b is cheaper at any volume; what it cost once is earned back in 9.0 months"),
        ({"usd": None}, {"usd": 0.1}, "unknown (what a costs is unknown)"),
    ],
)  # fmt: skip
def test_break_even_in_words(lower, upper, said):
    pair = break_even(offer("a", **lower), offer("b", **upper), 100_000)
    assert break_even_sentence(pair) == said


def test_crossings_are_written_with_two_digits():
    assert [requests(x) for x in (0.4, 7.3, 41_234, 328_500)] == ["1", "7", "41,000", "330,000"]
    assert requests(None) == "unknown"


def test_the_matrix_reads_the_run_and_what_was_told(run, page):
    found = matrix_of(load_report(run))
    assert found.measured == ("baseline", "prompt", "fewshot", "rag")
    assert found.by_evidence == "prompting"
    assert found.sentence in page
    assert "few-shot: $0.58 per 1,000, limit $1" in page
    run.told.save({"explainability": True})
    told = {r.fact.factor: r.fact for r in matrix_of(load_report(run)).rows}
    assert (told["explainability"].holds, told["explainability"].source) == (True, "told")
    run.told.forget()


def test_what_was_foretold_is_shown_beside_what_came_true(page):
    assert "How good the diagnosis was" in page
    assert "predicted to be fixed were" in page
    assert "capacity (no configured model is known to be larger than models.main)" in page


def checked(fixed, kept, not_fixed, surprises, found_by="experiment"):
    n = fixed + not_fixed
    return PredictionCheck(
        "prompt", "c", found_by, "fewshot", share_of(fixed, n), share_of(kept + surprises, n), fixed, kept, not_fixed, surprises
    )  # fmt: skip


def test_the_summary_says_how_good_the_diagnosis_was():
    assert summary([checked(10, 8, 10, 1)]) == (
        "By experiment it was right about 85 % of 20 predictions (64 % to 95 %, as if each stood alone): 80 % of the examples "
        "predicted to be fixed were, 10 % of the others."
    )
    assert summary([checked(10, 5, 10, 5)]).endswith("; it did not tell them apart.")
    assert summary([checked(10, 5, 0, 0)]).endswith("as if each stood alone).")
    assert summary([checked(1, 1, 1, 1, "reading")]) == "No prediction was made by experiment."


def test_what_a_cause_foretells_in_words():
    def cause(rung):
        told = Prediction(rung, ("a",), ("b",), share_of(1, 2))
        return Cause("c", 1, share_of(1, 2), "E.", (), "s", "experiment", told)

    assert predicts(cause("fewshot")) == "few-shot fixes 50 % (9 % to 91 %)"
    assert predicts(cause("@large")) == "models.large fixes 50 % (9 % to 91 %)"
    assert predicts(cause(None)) == "the next approach fixes 50 % (9 % to 91 %)"
    assert predicts(replace(cause(None), predicts=None)) == "nothing"


def test_programs_get_all_of_it(run):
    data = json.loads(json.dumps(as_data(run)))
    assert data["economics"]["efficient"] == ["baseline", "prompt", "fewshot", "rag"]
    assert len(data["economics"]["break_evens"]) == 6
    assert data["advice"]["totals"]["prompting"] == {"thumb": 3, "with_evidence": 1}
    assert [len(r["predicted"]) for r in data["rungs"]] == [0, 0, 2, 0]
    assert data["rungs"][2]["one_request"]["tokens"]["examples"] == 420.0


def test_json_says_what_the_page_says(run, page):
    sections = {s["id"]: s for s in as_data(run)["sections"]}
    assert [s.title for s in page_of(load_report(run)).sections if s.id in sections] == [
        s["title"] for s in sections.values()
    ]
    [table] = [found for found in sections["gains"]["blocks"] if "rows" in found]
    assert table["columns"][0] == "First over second"
    for row in table["rows"]:
        assert len(row) == len(table["columns"])
        assert row[2] in page
        assert row[-1].split(" (Wholly")[0] in page
    assert any(
        "A factor counts" in inner["text"] for inner in sections["advice"]["blocks"][1]["blocks"] if "text" in inner
    )
    assert "<" not in json.dumps(list(sections.values())).replace("p <", "").replace("< 0.01 ms", "")


def test_markdown_names_costs_and_what_was_foretold(run):
    text = render_markdown(run)
    costs = r"| few-shot | Pareto-optimal | \$0.58 | \$174.00 | \$0 | instruction 160, examples 420, input 52 | 4 | 0.72 s (median of 5) | 1.31 s |"
    assert costs in text
    assert "The rule of thumb says" in text
    assert "By experiment it was right about" in text
