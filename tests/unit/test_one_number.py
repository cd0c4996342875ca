"""One number, one interval: every score, interval and cost of the page, the terminal and Markdown is one that JSON holds."""

import re
from io import StringIO

import pytest
from rich.console import Console

from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.text import render_text
from rung.types import rate
from tests.unit._run_folder import LADDER, Made, build

INTERVAL = re.compile(r"(\d\.\d{2,3})(?:-| to )(\d\.\d{2,3})(?![\d%])")
PERCENT = re.compile(
    r"([\d.]+) % correct on ([\d,]+) held-out examples \(95 % CI ([\d.]+) to ([\d.]+) %; goal ([\d.]+) %\)"
)


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    run = build(tmp_path_factory.mktemp("run") / "r", (*LADDER, Made("rag", 0.95, 0.0011, 1.6)))
    screen = StringIO()
    render_text(run, Console(file=screen, width=80))
    page = re.sub(r"<style>.*?</style>", "", render_page(load_report(run)), flags=re.S)
    first = page[page.index("<h1>") : page.index('<details class="fold">')]
    plain = " ".join(re.sub(r"<[^>]+>", " ", first).split())
    return as_data(run), {"page": plain, "terminal": screen.getvalue(), "markdown": render_markdown(run)}


def estimates(data):
    return {r["label"]: r["result"]["estimates"]["normalized_match"] for r in data["rungs"] if r["result"]}


@pytest.mark.parametrize("form", ["page", "terminal", "markdown"])
def test_a_score_has_one_interval_in_every_form(forms, form):
    data, texts = forms
    known = {(rate(e["low"]), rate(e["high"])) for e in estimates(data).values()}
    found = set(INTERVAL.findall(texts[form].partition("What each approach")[0].partition("| upper over lower")[0]))
    assert known <= found
    assert found <= known, f"{form} has an interval that no other form has: {found - known}"


@pytest.mark.parametrize("form", ["page", "terminal", "markdown"])
def test_the_line_of_evidence_says_the_numbers_of_the_table(forms, form):
    data, texts = forms
    won = estimates(data)[data["verdict"]["winner"]]
    [(mean, n, low, high, goal)] = PERCENT.findall(" ".join(texts[form].split()))
    assert [float(x) / 100 for x in (mean, low, high)] == pytest.approx(
        [float(rate(won[k])) for k in ("mean", "low", "high")]
    )
    assert int(n.replace(",", "")) == won["n"]
    assert float(goal) / 100 == pytest.approx(data["task"]["goal"])


@pytest.mark.parametrize("form", ["page", "terminal", "markdown"])
def test_scores_and_costs_are_those_of_the_data(forms, form):
    data, texts = forms
    for label, estimate in estimates(data).items():
        cost = next(r["result"]["cost_per_1k_usd"] for r in data["rungs"] if r["label"] == label)
        assert rate(estimate["mean"]) in texts[form]
        assert (f"${cost:.2f}" if cost else "$0") in texts[form].replace("\\$", "$")


def test_a_month_costs_the_cost_per_1000_requests_times_the_volume(forms):
    data, texts = forms
    volume = data["economics"]["requests_per_month"]
    for offer in data["economics"]["offers"]:
        wanted = offer["cost_per_1k_usd"] * volume / 1000
        assert (f"${wanted:,.2f}" if wanted else "$0") in texts["page"]


def test_a_run_whose_answers_were_all_cached_does_not_say_that_nothing_was_called(tmp_path):
    run = build(tmp_path)
    spend = run.spend.need()
    run.spend.save({**spend, "calls": 0, "cached": 731})
    screen = StringIO()
    render_text(run, Console(file=screen, width=80))
    for text in (screen.getvalue(), render_page(load_report(run))):
        assert "no new calls, 731 cached answers" in " ".join(text.split())
        assert not re.search(r"(?<![\d,])0 calls", text)


def test_the_time_of_a_finished_run_does_not_grow_when_it_is_run_again(tmp_path):
    run = build(tmp_path)
    before = load_report(run, rows=False).elapsed_s
    run.event("climb_started", config="same")
    run.event("climb_done")
    once = load_report(run, rows=False).elapsed_s
    run.event("climb_started", config="same")
    run.event("climb_done")
    assert load_report(run, rows=False).elapsed_s == once
    assert before is None or once >= before
