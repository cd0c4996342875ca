"""The same run for a terminal, as Markdown, as JSON and through the verb."""

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from rung.cli.report import report
from rung.report import figures
from rung.report.data import as_data
from rung.report.markdown import render_markdown
from rung.report.text import render_text
from rung.store.run import RunFolder
from rung.types import Estimate, Finding, Result, Skipped, Verdict
from tests.unit._run_folder import LADDER, build

app = typer.Typer()
app.command()(report)


@pytest.fixture
def run(tmp_path):
    planned = ("baseline", "prompt", "fewshot", "rag")
    return build(tmp_path / "run", planned=planned, skipped=(Skipped("rag", "no documents are configured"),))


def printed(folder, width=120, verbose=False, **console):
    out = StringIO()
    render_text(folder, Console(file=out, width=width, **console), verbose=verbose)
    return out.getvalue()


def ask(*words):
    return CliRunner().invoke(app, [str(w) for w in words], standalone_mode=False)


def test_the_terminal_answers_first_and_needs_25_lines_of_80_columns(run):
    lines = [line.rstrip() for line in printed(run, 80).splitlines()]
    assert lines[:4] == [
        "ticket-routing: no fine-tuning needed",
        "",
        "  A better prompt meets the goal.",
        "  96 % correct on 200 held-out examples (95 % CI 92 to 98 %; goal 90 %).",
    ]
    assert len(lines) <= 25
    table = lines[5:10]
    assert table[0].split() == ["approach", "score", "95", "%", "CI", "$/1k", "req", "p50*", "result"]
    assert table[2].split()[:4] == ["prompt", "0.83", "0.75-0.88", "$0.21"]
    assert table[3].startswith("> few-shot ")
    assert table[4].split() == ["RAG", "-", "-", "-", "-", "skipped"]
    for line in (
        "  * one request at a time",
        "  5 test examples got no score from prompt: 5 timeout.",
        "  Next:   rung export run   use the winner",
    ):
        assert line in lines
    assert re.search(r"\n  Run: \$0.19, 731 calls.*\. 1 data warning: rung check\.", "\n".join(lines))


def test_a_missed_goal_names_the_cheapest_fix_with_cost_and_time(tmp_path):
    text = " ".join(printed(build(tmp_path, LADDER[:2], planned=("baseline", "prompt", "fewshot"))).split())
    assert "ticket-routing: not yet A better prompt comes closest with 0.83 (goal 0.90)" in text
    assert "15 of 80 dev examples still fail with prompt, 6 of them by label confusion." in text
    assert re.search(r"Cheapest fix: [a-z ]+ \(usually \$0, hours\)\.", text)
    assert f"Next: rung advise {tmp_path.name}" in text


def test_the_next_command_names_the_folder_as_it_was_given(run, tmp_path):
    out = StringIO()
    render_text(run, Console(file=out, width=120), place=Path("my runs/x"))
    assert "rung export 'my runs/x'" in out.getvalue()


def test_all_the_rest_is_printed_where_it_is_asked_for(run):
    text = printed(run, verbose=True)
    for line in (
        "RAG skipped no documents are configured",
        "prompt: 1 candidate was left out; prompt long-rules: its longest prompt has 4,210 tokens; toy-1 reads 4,096",
        "gain +0.290; 95 % CI +0.220 to +0.356 (n=200); losses and wins 61 wins, 3 losses; significance p < 0.001;",
        "baseline: causes format 5, label confusion 15, unexplained 15; dev examples failed 35 of 80",
        "labels stop: 2 examples with equal input have different teams. Next: decide which team is right",
    ):
        assert line in " ".join(text.split())
        assert line not in " ".join(printed(run).split())


def test_without_a_terminal_there_are_no_colours_and_with_one_there_are(run):
    assert "\x1b" not in printed(run)
    assert "\x1b[" in printed(run, force_terminal=True, color_system="standard")


@pytest.mark.sample(2)
@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_cut(tmp_path, width):
    run = build(tmp_path, (replace(LADDER[0], label="prompt@a-longer-model"), *LADDER[1:]))
    result = run.load("rungs/fewshot/result.json", Result)
    open_one = replace(result, quality=replace(result.quality, status="inconclusive"), limits_held=None)
    run.save("rungs/fewshot/result.json", open_one, Result)
    lines = printed(run, width).splitlines()
    assert max(len(line) for line in lines) <= width
    [row] = [line for line in lines if line.startswith("> few-shot")]
    assert {"0.96", "0.92-0.98", *([figures.cost(result.cost_per_1k_usd)] if width >= 80 else [])} <= {*row.split()}
    assert "inconclusive, limit open" in " ".join("".join(lines).split())


def test_a_plain_terminal_gets_plain_characters(run):
    class Ascii(StringIO):
        encoding = "ascii"

    out = Ascii()
    render_text(run, Console(file=out, width=100))
    assert out.getvalue().isascii()
    assert "0.96   0.92-0.98" in out.getvalue()


def test_hostile_texts_do_not_reach_the_terminal(run):
    bad = Finding("pii", "stop", "row says \x1b]0;owned\x07 [bold]x[/bold] \u202e", "look")
    run.save("findings.json", (bad,), tuple[Finding, ...])
    text = printed(run, verbose=True, force_terminal=True, color_system="standard")
    assert "\x1b]0" not in text
    assert "[bold]x[/bold] ⟦U+202E⟧" in text
    assert "\\[bold\\]x\\[/bold\\]" in render_markdown(run)


def test_a_rung_that_stopped_early_has_bounds_and_no_mean(tmp_path):
    folder = build(tmp_path, (LADDER[0], replace(LADDER[1], ability=0.5, stopped_at=60), LADDER[2]))
    row = next(line for line in printed(folder).splitlines() if line.startswith("  prompt"))
    assert row.split()[1:3] == ["-", "0.30-0.67"]
    assert "| prompt | - | 0.30-0.67 |" in render_markdown(folder)


def test_no_verdict_yet(run):
    (run.path / "verdict.json").unlink()
    assert "ticket-routing: no answer yet\n" in printed(run)
    assert "The run is done." in printed(run)
    assert "rung climb run    go on with this run" in printed(run)
    assert "**No answer yet: the run is done.**" in render_markdown(run)
    assert as_data(run)["verdict"] is None


def test_markdown_has_a_row_for_each_rung(run):
    text = render_markdown(run)
    assert text.startswith("## rung: ticket-routing\n\n**No fine-tuning needed: a better prompt meets the goal.**")
    assert "| **few-shot** | 0.96 | 0.92-0.98 |" in text
    assert "| RAG | - | - | - | - | skipped |" in text
    assert (
        "| +0.290 | +0.220 to +0.356 (n=200) | 61 wins, 3 losses | p &lt; 0.001 | Fixed 64 % of the failures that baseline left (61 of 96); folklore says 60 %. |"
        in text
    )
    tables = [len(re.split(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]
    assert all(tables.count(width) >= 3 for width in tables)  # head, rule and a line


def test_json_is_complete_and_keeps_unknown_as_null(tmp_path):
    folder = build(tmp_path, [replace(LADDER[1], usd=None)], sizes=(40, 20, 60))
    data = as_data(folder, rows=True)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    (rung,) = data["rungs"]
    assert rung["result"]["cost_per_1k_usd"] is None
    assert rung["result"]["cost_note"].startswith("no price is known")
    assert rung["result"]["estimates"]["normalized_match"]["n"] == 60
    assert rung["candidate"]["messages"][0]["role"] == "system"
    assert len(data["rows"]["dev"]) == 20
    assert set(data["rows"]["dev"][0]["outcomes"]["prompt"]) == {
        "answer", "scores", "failure", "unscored", "latency_s", "cost_usd",
    }  # fmt: skip
    assert "test" not in data["rows"]
    assert all(e["trouble"] is None for e in data["evidence"].values())
    assert data["test_opened"] == 1
    assert "rows" not in as_data(folder)


def test_the_verb_writes_the_page_into_the_folder(run):
    result = ask(run.path)
    assert result.output == f"Report: {run.path / 'report.html'}\n"
    assert (run.path / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert ask("--folder", run.path).return_value == 0


@pytest.mark.slow
def test_the_verb_prints_each_other_form_or_writes_it_to_a_file(run, tmp_path):
    assert ask(run.path, "--format", "markdown").output == render_markdown(run)
    assert json.loads(ask(run.path, "--json").output)["verdict"]["winner"] == "fewshot"
    assert "0.96   0.92-0.98" in ask(run.path, "--format", "text").output
    assert ask(run.path, "--format", "html", "--output", "-").output.startswith("<!doctype html>")
    for form in ("html", "text", "markdown", "json"):
        file = tmp_path / f"out.{form}"
        ask(run.path, "--format", form, "--output", file)
        assert re.search("few-?shot", file.read_text("utf-8"))


def test_reveal_test_is_written_down_and_said(run):
    result = ask(run.path, "--reveal-test")
    assert "200 test examples are revealed: this is written into the run" in result.output
    assert any(e["event"] == "test_revealed" for e in run.events())
    assert "row-test-" in (run.path / "report.html").read_text("utf-8")


def test_the_verb_wants_one_run_folder(tmp_path):
    assert "name one run folder" in str(ask().exception)
    assert "is not a run folder (no run.json)" in str(ask(tmp_path).exception)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (figures.money(0), "$0"),
        (figures.money(0.00021), "$0.00021"),
        (figures.money(0.0375), "$0.037"),
        (figures.money(1234.5), "$1,234.50"),
        (figures.money(None, "no price"), "unknown: no price"),
        (figures.money(1e-9), "$0.0000000010"),
        (figures.seconds(0.0021), "2.1 ms"),
        (figures.seconds(0.78), "0.78 s"),
        (figures.seconds(75), "75 s"),
        (figures.seconds(600), "10 min"),
        (figures.seconds(9000), "2 h 30 min"),
        (figures.seconds(None), "unknown: no example was answered"),
        (figures.percent(0.999), "> 99 %"),
        (figures.percent(1.0), "100 %"),
        (figures.percent(0.001), "< 1 %"),
        (figures.signed(-0.25), "−0.250"),
        (figures.p_value(0.0004), "p < 0.001"),
        (figures.p_value(0.027), "p = 0.027"),
        (figures.quality(Estimate(0.83, 0.79, 0.86, 100, "wilson")), "0.83 (95 % CI 0.79 to 0.86, n=100)"),
        (figures.quality(Estimate(None, 0.3, 0.6, 40, "wilson")), "0.30 to 0.60 (n=40, stopped early)"),
        (figures.quality(None), "unknown: not measured"),
        (figures.listed(["a", "b", "c"]), "a, b and c"),
        (figures.listed([]), ""),
    ],
)
def test_numbers_are_written_one_way(written, expected):
    assert written == expected


def test_exploratory_and_provisional_are_said_everywhere(run):
    verdict = replace(run.load("verdict.json", Verdict), exploratory=True, provisional="judged without labels")
    run.save("verdict.json", verdict, Verdict)
    folder = RunFolder.open(run.path)
    for text in (printed(folder), render_markdown(folder)):
        assert "Exploratory: people had seen test examples, or another candidate" in text
        assert "Provisional: judged without labels" in text
