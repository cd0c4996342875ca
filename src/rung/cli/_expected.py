"""`rung label --feedback`: people say what the answer to a served input should have been; by keys, or by a sheet."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rung.cli._screen import echo, print_json
from rung.cli.feedback import waiting_of
from rung.errors import DataError, RungError
from rung.invisible import visible

if TYPE_CHECKING:
    from rung.feedback.worth import Waiting
    from rung.store.records import Feedback
    from rung.store.run import RunFolder
    from rung.types import Task

KEY, WHY, ANSWER, EXPECTED, SKIP = "feedback_id", "why", "answer", "expected", "?"
USUAL = 50  # inputs of one sitting
LONGEST_SHOWN = 6_000  # characters of one text on the screen
HELP = "the number or name of a label, or = where the answer is right; ? cannot tell, < undo, . leave"
TYPED = "what is right, or = where the answer is; ? cannot tell, < undo, . leave"

Said = Mapping[str, str | None]


def ask_expected(run: RunFolder, rows: int | None, sheet: Path | None, as_json: bool) -> int:
    """Ask for the inputs of the queue's head; exit code 1 while some of them wait."""
    items = run.feedback.get()
    if not items:
        raise RungError(f"{run.path} has no feedback yet; `rung feedback {run.path} LOG` takes it in")
    head = waiting_of(run.path, items)[: rows or USUAL]
    done: Said = {}
    if sheet is not None and sheet.exists():
        done = _read(sheet, items, run.task)
        _save(run, done)
        if not as_json:
            echo(f"Read {len(done):,} answers from {sheet}.")
    elif sheet is not None:
        _write(sheet, head)
        if not as_json:
            echo(
                f"Wrote {len(head):,} inputs to {sheet}: fill the column {EXPECTED} (= where the answer is right, ? where you"
            )
            echo("cannot tell), save it as CSV UTF-8, and run the same command again.")
    elif not as_json:
        done = _asked(head, run.task, lambda said: _save(run, said))
    left = [w.item.id for w in head if w.item.id not in done]
    if as_json:
        print_json({"waiting": left})
    else:
        echo(
            f"{len(left):,} of these {len(head):,} wait. Make examples of the answers: rung data grow --folder {run.path}"
        )
    return 1 if left else 0


def _save(run: RunFolder, said: Said) -> None:
    """Keep what was said; None: cannot tell. An id that is not named stays as it is."""
    from rung.store.folder import now

    items = run.feedback.need()
    run.feedback.save(
        tuple(
            replace(i, expected=said[i.id], cannot_tell=said[i.id] is None, said_at=i.said_at or now())
            if i.id in said
            else i
            for i in items
        )
    )


def _asked(head: Sequence[Waiting], task: Task, keep: Callable[[Said], None]) -> Said:
    done: dict[str, str | None] = {}
    order: list[str] = []
    place = 0
    labels = list(task.labels or ())
    if labels:
        echo("Labels: " + ", ".join(f"{n} {visible(label)}" for n, label in enumerate(labels, 1)))
    while place < len(head):
        item = head[place].item
        _shown(head[place], place + 1, len(head))
        echo(f"[{HELP if labels else TYPED}]")
        typed = sys.stdin.readline()
        said = typed.strip()
        if not typed or said == ".":
            break
        if said == "<":
            if order:
                place -= 1
                del done[order.pop()]
                echo("  taken back")
            continue
        if not said or (said == "=" and item.answer is None):
            continue
        value = expected_of(said, item, task)
        if value is not None and labels and value not in labels:
            echo(f"  {visible(value[:60])!r} is none of the labels")
            continue
        done[item.id] = value
        order.append(item.id)
        keep({item.id: value})
        place += 1
    return done


def expected_of(said: str, item: Feedback, task: Task) -> str | None:
    """Return the right answer that a person gave; None where they cannot tell."""
    from rung.data.audit.private import masked
    from rung.feedback.reading import as_label

    if said == SKIP:
        return None
    if said == "=" and item.answer is not None:
        return item.answer
    labels = task.labels or ()
    if said.isdecimal() and said not in labels and 1 <= int(said[:9]) <= len(labels):
        return labels[int(said[:9]) - 1]
    return as_label(masked(said), task)


def _shown(waiting: Waiting, number: int, of: int) -> None:
    why = f" ({', '.join(waiting.why)})" if waiting.why else ""
    echo(f"\n{'─' * 60}\n{number} of {of}{why}")
    for title, text in (*waiting.item.inputs.items(), ("the answer", waiting.item.answer or "")):
        cut = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} … ({len(text):,} characters)"
        echo(f"{title}:\n" + ("\n".join(f"  {line}" for line in visible(cut).splitlines()) or "  (empty)"))


def _write(sheet: Path, head: Sequence[Waiting]) -> None:
    from rung.report.escape import cell
    from rung.store.folder import write_atomic

    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\r\n")
    columns = list(head[0].item.inputs) if head else []
    writer.writerow([KEY, WHY, *(cell(f"input: {c}") for c in columns), ANSWER, EXPECTED])
    for waiting in head:
        item = waiting.item
        cells = [item.id, ", ".join(waiting.why), *item.inputs.values(), item.answer or "", ""]
        writer.writerow([cell(text) for text in cells])
    write_atomic(sheet, page.getvalue().encode("utf-8-sig", "replace"))


def _read(sheet: Path, items: Sequence[Feedback], task: Task) -> Said:
    """Return what a filled sheet says. Raises DataError naming the line for an input that is none of this run's."""
    from rung.data.files import raw_rows
    from rung.data.load import as_text

    known = {i.id: i for i in items}
    found: dict[str, str | None] = {}
    for row in raw_rows(sheet):
        if KEY not in row.cells or EXPECTED not in row.cells:
            raise DataError(f"needs the columns {KEY!r} and {EXPECTED!r} that rung wrote", file=str(sheet))
        key, said = as_text(row.cells[KEY]).strip(), as_text(row.cells[EXPECTED]).strip()
        if not said:
            continue
        if key not in known:
            raise DataError(f"{key[:40]!r} is no input of this run's feedback", file=str(sheet), **row.place(KEY))
        if said == "=" and known[key].answer is None:
            raise DataError(
                "no answer is known here that could be right; write it out", file=str(sheet), **row.place(EXPECTED)
            )
        found[key] = expected_of(
            said.removeprefix("'") if said[:2] in ("'=", "'+", "'-", "'@") else said, known[key], task
        )
    return found
