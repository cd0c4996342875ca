"""`rung label`: people say what answers are worth, one key an answer, so that a judge's word may decide."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._label_sheet import read_sheet, write_sheet
from rung.cli._screen import print_json

if TYPE_CHECKING:
    from rung.evaluate.labelling import Item, Question, Sitting

SKIP, UNDO, QUIT = "s", "u", "q"
LONGEST_SHOWN = 6_000  # characters of one text on the screen
TEACHING = 20  # dev answers that --teach asks for


def label(
    folder: Path = typer.Argument(..., help="The run folder."),
    rows: int = typer.Option(
        None, "--rows", min=1, help="Test rows to draw; 100 at first. More later costs some alpha."
    ),
    sheet: Path = typer.Option(
        None, "--csv", help="Write the answers to this file, or read it back where it is there."
    ),
    teach: bool = typer.Option(False, "--teach", help="Label the dev answers that tell most about the judge instead."),
    as_json: bool = typer.Option(
        False, "--json", help="Print what is labelled and what is missing as JSON; ask nothing."
    ),
) -> int:
    """Label answers of a judged run: blind, one key an answer, with undo; stop at any time and go on later.

    Exit code 0: everything is labelled; 1: some answers wait.
    """
    from rung.config import Config
    from rung.evaluate.labelling import sitting, teaching
    from rung.store.folder import RunFolder, locked

    opened = RunFolder.open(folder)
    head = opened.read("run.json")
    config = Config.model_validate({**head["config"], "root": folder / head.get("root", ".")})
    with locked(opened):
        found = teaching(opened, config, rows or TEACHING) if teach else sitting(opened, config, rows)
        if sheet is not None:
            found = _by_sheet(sheet, found, as_json)
        elif not as_json:
            found = _asked(found)
    return _told(found, folder, teach, as_json)


def _by_sheet(sheet: Path, sitting: Sitting, as_json: bool) -> Sitting:
    if not sheet.exists():
        write_sheet(sheet, sitting)
        if not as_json:
            names = ", ".join(sitting.question.choices)
            typer.echo(
                f"Wrote {len(sitting.items)} answers to {sheet}: fill the column label ({names} or skip), save as CSV"
            )
            typer.echo("UTF-8, and run the same command again.")
        return sitting
    values = read_sheet(sheet, sitting)
    before = sitting.values
    changed = {k: v for k, v in values.items() if k not in before or before[k] != v}
    if not as_json:
        typer.echo(f"Read {len(values)} labels from {sheet}, {len(changed)} of them new or changed.")
    return sitting.all_said(changed) if changed else sitting


def _asked(sitting: Sitting) -> Sitting:
    """Ask one answer after the other until nothing waits or the person leaves."""
    keys = keys_of(sitting.question)
    if sitting.waiting:
        _introduced(sitting, keys)
    while sitting.waiting:
        item = sitting.waiting[0]
        _shown(item, len(sitting.items) - len(sitting.waiting) + 1, len(sitting.items))
        key = _key()
        while key not in (*keys, SKIP, UNDO, QUIT):
            typer.echo(f"  {key!r} is no key here: {_help(keys)}")
            key = _key()
        if key == QUIT:
            break
        if key == UNDO:
            sitting = sitting.undone()
            typer.echo("  taken back" if sitting.labels else "  nothing to take back")
            continue
        sitting = sitting.said(item, None if key == SKIP else keys[key][1])
        typer.echo(f"  {'cannot tell' if key == SKIP else keys[key][0]}")
    return sitting


def keys_of(question: Question) -> Mapping[str, tuple[str, float]]:
    """Return the keys with the choices that they stand for: numbers from the worst, and y or n where there are two."""
    found = {str(i): (name, value) for i, (name, value) in enumerate(question.choices.items(), 1)}
    if len(found) == 2:
        return {"n": found["1"], "y": found["2"]}
    return found


def _key() -> str:
    """Return one key; where no terminal is there, the first letter of a line, and the end of the input leaves."""
    if sys.stdin.isatty():
        key = typer.getchar()
        if key in ("\x03", "\x04"):
            return QUIT
        return key.lower()
    line = sys.stdin.readline()
    return line.strip()[:1].lower() if line.strip() else (QUIT if not line else " ")


def _introduced(sitting: Sitting, keys: Mapping[str, tuple[str, float]]) -> None:
    from rung.report.escape import visible

    typer.echo(f"{len(sitting.waiting)} of {len(sitting.items)} answers wait. The rubric:\n")
    typer.echo(visible(sitting.question.rubric))
    typer.echo(f"\nKeys: {_help(keys)}. Every label is kept at once.")


def _help(keys: Mapping[str, tuple[str, float]]) -> str:
    named = [f"{key} {name}" for key, (name, _) in keys.items()]
    return ", ".join([*named, f"{SKIP} cannot tell", f"{UNDO} undo", f"{QUIT} leave"])


def _shown(item: Item, number: int, of: int) -> None:
    from rung.report.escape import visible

    def text(title: str, content: str) -> None:
        cut = content if len(content) <= LONGEST_SHOWN else f"{content[:LONGEST_SHOWN]} … ({len(content):,} characters)"
        body = "\n".join(f"  {line}" for line in visible(cut).splitlines()) or "  (empty)"
        typer.echo(f"{title}:\n{body}")

    typer.echo(f"\n{'─' * 60}\n{number} of {of}")
    for column, content in item.inputs.items():
        text(visible(column), content)
    text("the answer" if item.other is None else "is this answer", item.answer)
    if item.other is not None:
        text("worse than, as good as, or better than this one", item.other)


def _told(sitting: Sitting, folder: Path, teach: bool, as_json: bool) -> int:
    waiting = sitting.waiting
    skipped = sum(value is None for value in sitting.values.values())
    if as_json:
        print_json(
            {
                "part": "dev" if teach else "test",
                "answers": len(sitting.items),
                "labelled": len(sitting.items) - len(waiting),
                "cannot_tell": skipped,
                "waiting": [item.answer_id for item in waiting],
            }
        )
        return 1 if waiting else 0
    typer.echo(
        f"{len(sitting.items) - len(waiting)} of {len(sitting.items)} answers are labelled ({skipped} cannot tell)."
    )
    if waiting:
        typer.echo(f"{len(waiting)} wait: `rung label {folder}` goes on where you left.")
    elif teach:
        typer.echo("These labels tell about the judge (`rung report`); a verdict rests on random test rows alone.")
    else:
        typer.echo(
            "Run the same `rung climb` again: it asks nothing twice and gives the verdict that these labels carry."
        )
    return 1 if waiting else 0
