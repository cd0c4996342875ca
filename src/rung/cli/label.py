"""`rung label`: people say what answers are worth, or which of two is better, one key each, so that a judge or a gain of fine-tuning is believed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._label_sheet import read_sheet, write_sheet
from rung.cli._screen import echo, print_json
from rung.invisible import visible

if TYPE_CHECKING:
    from rung.judging.labelling import Item, LabelSession, Question

SKIP, UNDO, QUIT = "s", "u", "q"
LONGEST_SHOWN = 6_000  # characters of one text on the screen
TEACHING = 20  # dev answers that --teach asks for


def label(
    folder: Path = typer.Argument(..., help="The run folder, or a folder of generations: its champion's run."),
    rows: int = typer.Option(
        None,
        "--rows",
        min=1,
        help="Test examples to draw; 100 at first, of pairs 30. More later costs some alpha. Of feedback: 50.",
    ),
    sheet: Path = typer.Option(
        None, "--csv", help="Write the answers to this file, or read it back where it is there."
    ),
    teach: bool = typer.Option(False, "--teach", help="Label the dev answers that tell most about the judge instead."),
    feedback: bool = typer.Option(
        False, "--feedback", help="Say what the answers to served inputs should be, those worth most first."
    ),
    as_json: bool = typer.Option(
        False, "--json", help="Print what is labelled and what is missing as JSON; ask nothing."
    ),
) -> int:
    """Label answers of a judged run; of a fine-tuned winner, compare pairs with the best cheaper approach's.

    Blind, one key each, with undo; stop at any time and go on later.

    Exit code 0: everything is labelled; 1: some answers wait.
    """
    from rung.config import Config
    from rung.judging.labelling import session, teaching
    from rung.store.folder import locked
    from rung.store.generations import run_in

    opened = run_in(folder)
    if feedback:
        from rung.cli._expected import ask_expected

        with locked(opened):
            return ask_expected(opened, rows, sheet, as_json)
    settings, root = opened.config
    config = Config.model_validate({**settings, "root": root})
    with locked(opened):
        found = teaching(opened, config, rows or TEACHING) if teach else session(opened, config, rows)
        if sheet is not None:
            found = _by_sheet(sheet, found, as_json)
        elif not as_json:
            found = _asked(found)
    return _told(found, folder, teach, as_json)


def _by_sheet(sheet: Path, session: LabelSession, as_json: bool) -> LabelSession:
    if not sheet.exists():
        write_sheet(sheet, session)
        if not as_json:
            names = ", ".join(session.question.choices)
            echo(
                f"Wrote {len(session.items)} {_things(session)} to {sheet}: fill the column label ({names} or skip), save as CSV"
            )
            echo("UTF-8, and run the same command again.")
        return session
    values = read_sheet(sheet, session)
    before = session.values
    changed = {k: v for k, v in values.items() if k not in before or before[k] != v}
    if not as_json:
        echo(f"Read {len(values)} labels from {sheet}, {len(changed)} of them new or changed.")
    return session.all_said(changed) if changed else session


def _things(session: LabelSession) -> str:
    return "pairs of answers" if session.question.pairs else "answers"


def _asked(session: LabelSession) -> LabelSession:
    """Ask one answer after the other until nothing waits or the person leaves."""
    keys = keys_of(session.question)
    if session.waiting:
        _introduced(session, keys)
    while session.waiting:
        item = session.waiting[0]
        _shown(item, session.question, len(session.items) - len(session.waiting) + 1, len(session.items))
        key = _key()
        while key not in (*keys, SKIP, UNDO, QUIT):
            echo(f"  {key!r} is no key here: {_help(keys)}")
            key = _key()
        if key == QUIT:
            break
        if key == UNDO:
            session = session.undone()
            echo("  taken back" if session.labels else "  nothing to take back")
            continue
        session = session.said(item, None if key == SKIP else keys[key][1])
        echo(f"  {'cannot tell' if key == SKIP else keys[key][0]}")
    return session


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


def _introduced(session: LabelSession, keys: Mapping[str, tuple[str, float]]) -> None:
    asked = "Which answer is right? The task" if session.question.pairs else "The rubric"
    echo(f"{len(session.waiting)} of {len(session.items)} {_things(session)} wait. {asked}:\n")
    echo(session.question.rubric)
    echo(f"\nKeys: {_help(keys)}. Every label is kept at once.")


def _help(keys: Mapping[str, tuple[str, float]]) -> str:
    named = [f"{key} {name}" for key, (name, _) in keys.items()]
    return ", ".join([*named, f"{SKIP} cannot tell", f"{UNDO} undo", f"{QUIT} leave"])


def _shown(item: Item, question: Question, number: int, of: int) -> None:
    def text(title: str, content: str) -> None:
        cut = content if len(content) <= LONGEST_SHOWN else f"{content[:LONGEST_SHOWN]} … ({len(content):,} characters)"
        body = "\n".join(f"  {line}" for line in visible(cut).splitlines()) or "  (empty)"
        echo(f"{title}:\n{body}")

    echo(f"\n{'─' * 60}\n{number} of {of}")
    for column, content in item.inputs.items():
        text(column, content)
    titles = "is this answer", "worse than, as good as, or better than this one"
    titles = ("the first answer", "the second answer") if question.pairs else titles
    text("the answer" if item.other is None else titles[0], item.answer)
    if item.other is not None:
        text(titles[1], item.other)


def _told(session: LabelSession, folder: Path, teach: bool, as_json: bool) -> int:
    waiting = session.waiting
    skipped = sum(value is None for value in session.values.values())
    if as_json:
        print_json(
            {
                "part": "dev" if teach else "test",
                "answers": len(session.items),
                "labelled": len(session.items) - len(waiting),
                "cannot_tell": skipped,
                "waiting": [item.answer_id for item in waiting],
            }
        )
        return 1 if waiting else 0
    done = "compared" if session.question.pairs else "labelled"
    echo(
        f"{len(session.items) - len(waiting)} of {len(session.items)} {_things(session)} are {done} ({skipped} cannot tell)."
    )
    if waiting:
        echo(f"{len(waiting)} wait: `rung label {folder}` goes on where you left.")
    elif teach:
        echo("These labels tell about the judge (`rung report`); a verdict rests on random test examples alone.")
    else:
        echo("Run the same `rung climb` again: it asks nothing twice and gives the verdict that these labels carry.")
    return 1 if waiting else 0
