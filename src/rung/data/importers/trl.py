"""TRL's data sets whose labels judge an answer: unpaired preference and stepwise supervision. Its other shapes are plain rows.

Schema: https://huggingface.co/docs/trl/dataset_formats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rung.data.cells import RawRow
from rung.data.importers.base import Found, Importer, Sheet, Source, asked, plain

_NAME = "completion"


def recognise(source: Source) -> str | None:
    rows = [row.cells for row in source.head]
    if source.all_have("prompt", "completion", "label") and all(isinstance(r["label"], bool) for r in rows):
        return "each row holds a completion and a label that says whether it is good (unpaired preference)"
    if source.all_have("prompt", "completions", "labels") and all(_steps(r) for r in rows):
        return "each row holds the steps of a completion and a label for each (stepwise supervision)"
    return None


def _steps(row: dict[str, Any]) -> bool:
    steps, labels = row["completions"], row["labels"]
    return (
        isinstance(steps, list)
        and isinstance(labels, list)
        and len(steps) == len(labels)
        and all(isinstance(x, bool) for x in labels)
    )


def read(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield the prompts, each completion as a stored answer and its label as the verdict: none of them is an expected answer."""
    sheet = Sheet(source, found)
    for row in source.records():
        talk = asked(row.cells.get("prompt"), row.line, source.file, found)
        if talk is None:
            continue
        key = str(row.line)
        sheet.add(key, row.line, {"system": talk.system, "input": talk.text})
        text, good = _judged(row, source, found)
        if text is None:
            found.leave("completions that are no text")
            continue
        sheet.answer(key, _NAME, text, {"label": good})
    sheet.close()
    found.inputs = ["input"]
    found.said.append("labels judge the stored answers; no column holds expected answers")
    yield from sheet.rows()


def _judged(row: RawRow, source: Source, found: Found) -> tuple[str | None, float | None]:
    if "completions" in row.cells and _steps(row.cells):
        steps = [plain(step) or "" for step in row.cells["completions"]]
        return "\n".join(steps), float(all(row.cells["labels"]))
    talk = asked(row.cells.get("completion"), row.line, source.file, found)
    label = row.cells.get("label")
    good = float(label) if isinstance(label, bool) else None
    return None if talk is None else (talk.text if talk.answer is None else talk.answer), good


IMPORTER = Importer("TRL's labelled completions", recognise, read)
