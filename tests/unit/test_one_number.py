"""One number, one interval: what the page, the terminal and Markdown say is what JSON holds, whatever the goal is."""

import html
import re
from io import StringIO

import pytest
from rich.console import Console

from rung.ladder import climb
from rung.report import figures
from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.text import render_text
from rung.store.run import RunFolder
from rung.types import rate
from rung.usual_names import shown_name
from tests.unit import test_as_good_as, test_frontier
from tests.unit._run_folder import LADDER, Made, build

KINDS = ("goal", "as good as", "frontier")
FORMS = ("page", "terminal", "markdown")
INTERVAL = re.compile(r"(\d\.\d{2,3})(?:-| to )(\d\.\d{2,3})(?![\d%])")
PERCENT = re.compile(
    r"([\d.]+) % correct on ([\d,]+) held-out examples \(95 % CI ([\d.]+) to ([\d.]+) %(?:; goal ([\d.]+) %)?\)"
)
DIFFERENCE = re.compile(r"([+−-]\d\.\d{3}) against \S+ \(95 % CI ([+−-]\d\.\d+) to ([+−-]\d\.\d+)")
NUMBER = re.compile(r"(?<![\w.#])\d[\d,]*(?:\.\d+)?(?![\w.]*\w)")
NAMES = {
    "95",
    "1,000",
    "0.001",
    "10,000",
    "10000",
}  # of an interval, of costs and counts, below which p-values are not written
FOLKLORE = {"60", "20"}  # what teams say that an approach fixes, in percent


def made(kind, place):
    if kind == "goal":
        return build(place / "r", (*LADDER, Made("rag", 0.95, 0.0011, 1.6)))
    config = test_as_good_as.config_of(place) if kind == "as good as" else test_frontier.config_of(place)
    climb(config, place / "run")
    return RunFolder.open(place / "run")


def plain(markup):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def page_rows(first):
    """Return the cells of the page's table by approach: score, interval, cost, latency, result."""
    rows = re.findall(r'<th scope="row">([^<]*)</th>(.*?)</tr>', first, re.DOTALL)
    cells = {name: dict(re.findall(r'data-label="([^"]*)">(.*?)</td>', rest, re.DOTALL)) for name, rest in rows}
    wanted = ("Score", "95 % CI", "Cost per 1,000", "p50", "Result")
    return {name: tuple(plain(found[key]) for key in wanted) for name, found in cells.items()}


def terminal_rows(text):
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("  approach")) + 1
    end = next(n for n in range(start, len(lines)) if not lines[n].strip() or lines[n].startswith("  *"))
    rows = [re.split(r" {2,}", line[2:].strip()) for line in lines[start:end]]
    return {row[0]: tuple(row[1:]) for row in rows}


def markdown_rows(text):
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| approach | score")) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([re.sub(r"\\(.)", r"\1", cell.strip().strip("*")) for cell in line.strip("|").split(" | ")])
    return {row[0]: tuple(row[1:]) for row in rows}


@pytest.fixture(scope="module", params=KINDS)
def forms(request, tmp_path_factory):
    run = made(request.param, tmp_path_factory.mktemp("run"))
    screen = StringIO()
    render_text(run, Console(file=screen, width=160))
    page = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", render_page(load_report(run)), flags=re.DOTALL)
    first = page[page.index("<h1>") : page.index('<details class="fold">')]
    whole = render_markdown(run)
    texts = {
        "page": plain(first),
        "terminal": screen.getvalue(),
        "markdown": whole.partition("\n### ")[0],
        "whole": whole,
    }
    tables = {
        "page": page_rows(first[first.index("<tbody>") :]),
        "terminal": terminal_rows(texts["terminal"]),
        "markdown": markdown_rows(texts["markdown"]),
    }
    return as_data(run), texts, tables


def estimates(data):
    found = {r["label"]: r["result"]["estimates"] for r in data["rungs"] if r["result"]}
    return {label: those["normalized_match"] for label, those in found.items()}


def results_of(data):
    return {shown_name(r["label"]): r for r in data["rungs"]}


@pytest.mark.parametrize("form", FORMS)
def test_the_table_says_the_same_in_every_form(forms, form):
    data, _, tables = forms
    rungs, lines = results_of(data), tables[form]
    assert len(lines) == len(rungs)
    for name, cells in lines.items():
        whole = next(n for n in tables["page"] if n == name or (name[-1] == "…" and n.startswith(name[:-1])))
        assert cells == tables["page"][whole]
        result = rungs[name.partition(",")[0]]["result"]
        if result is None:
            assert cells[:3] == ("-", "-", "-")
            continue
        estimate = result["estimates"]["normalized_match"]
        assert cells[0] == ("-" if estimate["mean"] is None else rate(estimate["mean"]))
        assert cells[1] == f"{rate(estimate['low'])}-{rate(estimate['high'])}"
        assert cells[2] == figures.cost(result["cost_per_1k_usd"])


@pytest.mark.parametrize("form", FORMS)
def test_a_score_has_one_interval_in_every_form(forms, form):
    data, texts, _ = forms
    known = {(rate(e["low"]), rate(e["high"])) for e in estimates(data).values()}
    found = set(INTERVAL.findall(texts[form]))
    assert known <= found
    assert found <= known, f"{form} has an interval that no other form has: {found - known}"


@pytest.mark.parametrize("form", FORMS)
def test_the_line_of_evidence_says_the_numbers_of_the_table(forms, form):
    data, texts, _ = forms
    won = estimates(data)[data["verdict"]["winner"]]
    [(mean, n, low, high, goal)] = PERCENT.findall(" ".join(texts[form].split()))
    assert [float(x) / 100 for x in (mean, low, high)] == pytest.approx(
        [float(rate(won[k])) for k in ("mean", "low", "high")]
    )
    assert int(n.replace(",", "")) == won["n"]
    if data["task"]["as_good_as"] is None:
        assert float(goal) / 100 == pytest.approx(data["task"]["goal"])
    else:
        now = estimates(data)[data["task"]["as_good_as"]]
        assert f"which runs now: {100 * float(rate(now['mean'])):g} %" in " ".join(texts[form].split())


def signed(text):
    return float(text.replace("−", "-"))


@pytest.mark.parametrize("form", FORMS)
def test_differences_are_those_of_the_data(forms, form):
    data, texts, _ = forms
    known = [(c["gain"], c["low"], c["high"]) for c in data["comparisons"]]
    found = DIFFERENCE.findall(" ".join(texts[form].split()))
    if data["task"]["objective"] == "frontier" and form != "terminal":
        assert len(found) == len(known)
    for said in found:
        assert any(
            tuple(map(signed, said)) == pytest.approx(tuple(round(v, 3) for v in pair), abs=0.0006) for pair in known
        )


@pytest.mark.parametrize("form", [*FORMS, "whole"])
def test_no_form_says_a_number_that_the_data_do_not_hold(forms, form):
    data, texts, _ = forms
    economy = data["economics"]
    bills = [o["cost_per_1k_usd"] * (economy["requests_per_month"] or 0) / 1000 for o in economy["offers"]]
    foretold = [
        (p["kept"] + p["not_fixed"] - p["surprises"], p["fixed"] + p["not_fixed"])
        for r in data["rungs"]
        for p in r["predicted"]
    ]
    failed = [round(e["n"] * (1 - e["mean"])) for e in estimates(data).values() if e["mean"] is not None]
    known = {
        *written(data),
        *written(bills),
        *written([right / n for right, n in foretold]),
        *written([n for _, n in foretold]),
    }
    known |= {*written(failed), *NAMES, *FOLKLORE}
    assert {n for n in NUMBER.findall(texts[form]) if n.rstrip(",") not in known} == set()


def written(value):
    """Yield every number of the data as a report may write it: rounded, as a percentage, as time or money; and those in its sentences."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from written(inner)
            yield from NUMBER.findall(key)
        return
    if isinstance(value, list):
        yield f"{len(value):,}"
        for inner in value:
            yield from written(inner)
        return
    if isinstance(value, str):
        yield from NUMBER.findall(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        size = abs(value)
        for number in (size, 100 * size, 10_000 * size):
            yield from (f"{number:,.{places}f}" for places in range(5))
        yield f"{size:g}"
        for told in (figures.money(size), figures.seconds(size)):
            yield from re.findall(r"[\d.,]+", told)


def test_a_month_costs_the_cost_per_1000_requests_times_the_volume(forms):
    data, texts, _ = forms
    volume = data["economics"]["requests_per_month"]
    assert ("Cost per month" in texts["page"]) == (volume is not None)
    for offer in data["economics"]["offers"] if volume else ():
        wanted = offer["cost_per_1k_usd"] * volume / 1000
        assert (f"${wanted:,.2f}" if wanted else "$0") in texts["page"]


def test_a_run_whose_answers_were_all_cached_does_not_say_that_nothing_was_called(tmp_path):
    run = build(tmp_path)
    spend = run.spend.need()
    run.spend.save({**spend, "calls": 0, "cached": 731})
    screen = StringIO()
    render_text(run, Console(file=screen, width=80))
    for text in (screen.getvalue(), render_page(load_report(run)), render_markdown(run)):
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
