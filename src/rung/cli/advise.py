"""`rung advise`: nine factors against prompting, retrieval and fine-tuning, before a climb or after it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._screen import Screen, ask, console, echo, print_json

if TYPE_CHECKING:
    from rung.decide.factors import Fact
    from rung.decide.matrix import Matrix
    from rung.report.advice import Advice
    from rung.types import Task

GATE = {  # answers that the gate before tuning asks for: the key under `task:`, and its value by the answer
    "data_changes_often": ("facts_change", {True: "often", False: "rarely"}),
    "task_is_narrow": ("scope", {True: "narrow"}),
    "task_is_general": ("scope", {True: "general"}),
}
YES, NO = ("yes", "y", "true"), ("no", "n", "false")


def advise(
    path: Path = typer.Argument(Path("rung.yaml"), help="The experiment (before a run), or a run folder (after it)."),
    answers: Path = typer.Option(None, "--answers", help="A YAML or JSON file of answers: FACTOR: yes or no."),
    said: list[str] = typer.Option(None, "--set", help="One answer, FACTOR=yes or FACTOR=no; may be given again."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Ask nothing; what is not known stays so."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Set out the decision matrix: what the data, you and (after a run) the measurements say, and where they disagree.

    Answers given for a run folder are kept there for its report. No model is asked.
    """
    from rung.report.advice import advice_of, keep
    from rung.report.briefing import advice_before
    from rung.report.data import advice_data

    told = {**(_read(answers) if answers else {}), **_parse(said or ())}
    if path.is_dir():
        found = advice_of(path, told)
    else:
        with Screen(quiet=as_json).stage("reading and splitting", 1) as bar:
            found = advice_before(path, told)
            bar.advance()
    if sys.stdin.isatty() and not yes and not as_json:
        asked = _ask(found.open)
        told, found = {**told, **asked}, found.with_answers(asked)
    if path.is_dir() and told:
        keep(path, told)
    lines = gate_lines(told, found.task)
    if as_json:
        print_json({**advice_data(found.matrix), "open": [f.factor for f in found.open], "for_the_gate": lines})
    else:
        _show(found)
        if lines:
            said_so = ", ".join(f"{key}: {value}" for key, value in lines.items())
            echo(f"For the gate before tuning, write under `task:` of rung.yaml: {said_so}")
    return 0


def gate_lines(told: Mapping[str, bool], task: Task) -> dict[str, str]:
    """Return what the answers mean to the gate before tuning, key -> value under `task:`; nothing that stands there."""
    lines = {}
    for factor, (key, words) in GATE.items():
        word = words.get(told[factor]) if factor in told else None
        if word is not None and getattr(task, key) != word:
            lines[key] = word
    return lines


def _read(file: Path) -> dict[str, bool]:
    import yaml

    from rung.errors import RungError
    from rung.foreign import file_text, safe_yaml

    try:
        content = safe_yaml(file_text(file))[0]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RungError(f"the answers in {file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RungError(f"{file} holds no answers: write one FACTOR: yes or FACTOR: no a line")
    return {_factor(str(name)): _answer(str(name), value) for name, value in content.items()}


def _parse(said: Sequence[str]) -> dict[str, bool]:
    pairs = [text.partition("=") for text in said]
    return {_factor(name.strip()): _answer(name, value.strip()) for name, _, value in pairs}


def _factor(name: str) -> str:
    from rung.decide.factors import QUESTIONS
    from rung.errors import RungError

    if name in QUESTIONS:
        return name
    near = difflib.get_close_matches(name, QUESTIONS, n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(QUESTIONS)}"
    more = " (the number of examples is counted, not told)" if name == "few_examples" else ""
    raise RungError(f"{name!r} is no factor that can be answered{more}; {hint}")


def _answer(name: str, value: Any) -> bool:
    from rung.errors import RungError

    if isinstance(value, bool):
        return value
    text = str(value).strip().casefold()
    if text not in (*YES, *NO):
        raise RungError(f"the answer to {name} is {str(value)!r}; write yes or no")
    return text in YES


def _ask(facts: Sequence[Fact]) -> Mapping[str, bool]:
    from rung.decide.factors import QUESTIONS

    found: dict[str, bool] = {}
    if facts:
        echo("A few questions; Enter means: not known.\n")
    for fact in facts:
        while True:
            text = ask(f"{QUESTIONS[fact.factor]} [y/n]", default="").strip().casefold()
            if text in (*YES, *NO, ""):
                break
            echo("Please answer y or n, or just press Enter.")
        if text:
            found[fact.factor] = text in YES
    return found


def _show(found: Advice) -> None:

    console().print(_table(found.matrix))
    echo("")
    for line in (found.matrix.sentence, *(f"- {d}" for d in found.matrix.disagreements)):
        echo(line)
    if found.open:
        names = ", ".join(f.factor for f in found.open)
        echo(f"Not known, answer with --set FACTOR=yes or --answers FILE: {names}")


def _table(matrix: Matrix) -> Any:
    from rich.table import Table
    from rich.text import Text

    from rung.decide.matrix import TITLES
    from rung.report.advice import SIGNS, SOURCES
    from rung.report.escape import terminal

    colours = {2: "bold green", 1: "green", 0: "", -1: "red", -2: "bold red"}
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 1, 0))
    for name in ("factor", "holds", *TITLES.values()):
        table.add_column(name, ratio=3 if name in TITLES.values() else 2, overflow="fold")
    for row in matrix.rows:
        fact, counts = row.fact, bool(row.fact.holds)
        holds = Text(
            "yes" if fact.holds else "no" if fact.holds is False else "not known", style="bold" if counts else "dim"
        )
        holds.append(f"\n{terminal(fact.words)}, {SOURCES[fact.source]}", style="dim not bold")
        cells = []
        for cell in row.cells:
            text = Text(SIGNS[cell.leaning], style=colours[cell.leaning] if counts else "dim")
            text.append(f" {terminal(cell.value)}", style="not bold default" if counts else "dim")
            text.append(f"\n{SOURCES[cell.source]}", style="dim not bold")
            if cell.disagrees:
                text.append(f", rule of thumb {SIGNS[cell.thumb]}", style="yellow not bold")
            cells.append(text)
        table.add_row(Text(row.title, style="bold" if counts else "dim"), holds, *cells)
    totals = [f"{matrix.total(c):+d} (rule of thumb {matrix.total(c, thumb=True):+d})" for c in TITLES]
    table.add_row(Text("all that hold", style="bold"), "", *totals)
    return table
