"""Labels as a CSV for a spreadsheet: written once, filled in, read back; rows may be sorted and columns added."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rung.delimited import LOOKED_AT, separator_of
from rung.errors import DataError

if TYPE_CHECKING:
    from rung.judging.labelling import LabelSession

KEY, SAID = "answer_id", "label"
SKIP = "skip"
_YES, _NO = ("yes", "y", "true", "ok", "good", "right", "+"), ("no", "n", "false", "bad", "wrong", "-")


def write_sheet(path: Path, session: LabelSession) -> None:
    """Write all answers with the labels that are there; a text that could be a formula begins with an apostrophe."""
    from rung.report.escape import cell as safe
    from rung.store.folder import write_atomic

    names = {value: name for name, value in session.question.choices.items()}
    columns = list(dict.fromkeys(column for item in session.items for column in item.inputs))
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\r\n")
    answers = ["answer", "expected"] if session.question.compares else ["answer"]
    answers = ["first answer", "second answer"] if session.question.pairs else answers
    writer.writerow([KEY, "row", *(safe(f"input: {c}") for c in columns), *answers, SAID])
    values = session.values
    for item in session.items:
        said = "" if item.answer_id not in values else _name(values[item.answer_id], names)
        other = [item.other or ""] if len(answers) > 1 else []
        cells = [item.answer_id, item.example_id, *(item.inputs.get(c, "") for c in columns), item.answer, *other, said]
        writer.writerow([safe(text) for text in cells])
    write_atomic(path, page.getvalue().encode("utf-8-sig", "replace"))


def read_sheet(path: Path, session: LabelSession) -> dict[str, float | None]:
    """Return the labels of a filled sheet, by answer id; empty cells are no label.

    Raises DataError naming the line for a label in no known spelling, an answer that is not of this run, two labels for
    one answer, or a file without the two columns.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte {error.start + 1} is not UTF-8; save the sheet as CSV UTF-8 and run again", file=str(path)
        ) from error
    csv.field_size_limit(1 << 24)  # characters; answers may be long
    cut = separator_of(text.split("\n", LOOKED_AT)[:LOOKED_AT], ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=cut)
    missing = [name for name in (KEY, SAID) if name not in (reader.fieldnames or ())]
    if missing:
        there = ", ".join(map(repr, reader.fieldnames or ())) or "none"
        raise DataError(
            f"has no column {missing[0]!r}; keep the columns that rung wrote (found: {there})", file=str(path)
        )
    known = {item.answer_id for item in session.items}
    found: dict[str, float | None] = {}
    for row in reader:
        said, key = (row[SAID] or "").strip(), (row[KEY] or "").strip()
        if not said:
            continue
        line = reader.line_num
        if key not in known:
            raise DataError(
                f"the answer_id {key[:40]!r} is none of this run's answers; take the line out, or name the sheet's own run",
                file=str(path), line=line, column=KEY,
            )  # fmt: skip
        value = _value(said, session.question.choices, path, line)
        if key in found and found[key] != value:
            raise DataError(f"the answer {key} has two different labels", file=str(path), line=line, column=SAID)
        found[key] = value
    return found


def spellings(choices: Mapping[str, float]) -> dict[str, float | None]:
    """Return every spelling that is understood, lower case: the choices, their numbers, yes and no where there are two."""
    found: dict[str, float | None] = {SKIP: None, "?": None}
    for number, (name, value) in enumerate(choices.items(), 1):
        found |= {str(number): value}
        found |= {name.casefold(): value}
    if len(choices) == 2:
        low, high = choices.values()
        del found["2"]  # of two choices, 1 and 0 are as clear as yes and no, and "2" would make 1 doubtful
        found = {**dict.fromkeys(_NO, low), **dict.fromkeys(_YES, high), **found, "0": low, "1": high}
    return found


def _value(said: str, choices: Mapping[str, float], path: Path, line: int) -> float | None:
    known = spellings(choices)
    form = " ".join(said.removeprefix("'").split()).casefold()
    if form in known:
        return known[form]
    near = difflib.get_close_matches(form, known, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise DataError(
        f"{said[:40]!r} is no label{hint} Allowed: {', '.join(_allowed(choices))}, or nothing",
        file=str(path),
        line=line,
        column=SAID,
    )


def _allowed(choices: Mapping[str, float]) -> Iterator[str]:
    yield from (repr(name) for name in choices)
    yield repr(SKIP)


def _name(value: float | None, names: Mapping[float, str]) -> str:
    return SKIP if value is None else names.get(value, "")
