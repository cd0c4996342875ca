"""What a stage shows: rows, money newly spent, nothing where nobody looks."""

from io import StringIO

from rich.console import Console

from rung.cli._screen import Screen
from rung.progress import paid
from rung.types import Answer, Completion, Outcome, Score


def row(*costs, cached=False):
    calls = tuple(Completion("x", "m", 1, 1, 0.1, usd, cached=cached) for usd in costs)
    return Outcome("r", "r", Answer("x", calls), {"normalized_match": Score(1.0)})


def test_only_new_money_counts_and_unknown_stays_unknown():
    assert paid(row(0.25, 0.5)) == 0.75
    assert paid(row(0.25, cached=True)) == 0.0
    assert paid(row(None)) is None
    assert paid(row()) == 0.0


def test_a_bar_adds_up_money_and_vanishes_where_there_is_no_terminal():
    screen = Screen()
    screen.console = Console(file=StringIO(), force_terminal=True, width=100)
    with screen.stage("prompt: as-is on dev", 3) as bar:
        bar.advance(usd=0.5)
        bar.advance(usd=None)
        bar.advance(usd=0.25)
        assert bar._progress.tasks[0].fields["usd"] == "$0.75"
    assert "prompt: as-is on dev" in screen.console.file.getvalue()
    screen.console = Console(file=StringIO(), force_terminal=False)
    with screen.stage("prompt", 1) as bar:
        bar.advance()
    assert screen.console.file.getvalue() == ""


def test_long_work_says_a_line_now_and_then_where_there_is_no_terminal(monkeypatch):
    now = 0.0
    monkeypatch.setattr("rung.cli._screen.time.monotonic", lambda: now)
    screen = Screen()
    screen.console = Console(file=StringIO(), force_terminal=False, width=100)
    with screen.stage("prompt: as-is on dev", 40) as bar:
        for _ in range(40):
            now += 2.0
            bar.advance(usd=0.001)
    lines = screen.console.file.getvalue().splitlines()
    assert lines[0] == "prompt: as-is on dev: 5 of 40, $0.0050, about 70 s left"
    assert 4 <= len(lines) <= 8
    screen.console = Console(file=StringIO(), force_terminal=False, width=100)
    with screen.stage("prompt", 40) as bar:
        now += 60.0
        bar.advance()
    assert screen.console.file.getvalue() == "prompt: 1 of 40\n", "the first of many at once: no time is told by it"


def test_a_line_stays_a_line_where_there_is_no_terminal():
    screen = Screen()
    screen.console = Console(file=StringIO(), force_terminal=False, width=40)
    screen.say("words " * 30)
    assert screen.console.file.getvalue().count("\n") == 1
