"""Rows of a table as the objects that a tool holds: JSON in cells is read, and columns such as `inputs.question` become one object.

LangSmith (https://docs.langchain.com/langsmith/manage-datasets, `get_test_results` of its SDK) and Langfuse
(https://langfuse.com/docs/api-and-data-platform/features/export-from-ui) write tables so.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from rung.data.cells import RawRow

_READ = frozenset(
    "inputs outputs reference_outputs input output expectedOutput expected_output metadata scores extra feedback_stats".split()
)
_FOLDED = {
    "inputs": "inputs", "input": "inputs", "outputs": "outputs", "output": "outputs", "reference": "reference_outputs",
    "reference_outputs": "reference_outputs", "feedback": "feedback_stats",
}  # fmt: skip


def as_object(row: RawRow) -> RawRow:
    """Return the row with what its cells hold. An empty cell that may hold JSON is None."""
    cells: dict[str, Any] = {name: _read(value) if name in _READ else value for name, value in row.cells.items()}
    dotted = {name: name.split(".", 1) for name in cells if "." in name}
    parts = {name: (_FOLDED[head], tail) for name, (head, tail) in dotted.items() if head in _FOLDED and tail}
    if {"inputs", "outputs"} <= {whole for whole, _ in parts.values()} and not {"inputs", "outputs"} & set(cells):
        for name, (whole, tail) in parts.items():
            value = cells.pop(name)
            if whole != "feedback_stats" or number_in(value) is not None:
                cells.setdefault(whole, {})[tail] = number_in(value) if whole == "feedback_stats" else _read(value)
    return replace(row, cells=cells)


def score_in(value: object) -> float | None:
    """Return the number in a cell of scores, which may be a list of one; None for anything else."""
    held = _read(value)
    if isinstance(held, list) and len(held) == 1:
        held = held[0]
    return number_in(held)


def number_in(value: object) -> float | None:
    """Return a number, also one in a text, and true and false as 1 and 0; None for anything else."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.strip().casefold() in ("true", "false"):
        return float(value.strip().casefold() == "true")
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _read(value: object) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text or text == "null":
        return None
    if text[0] + text[-1] in ("{}", "[]", '""') and len(text) > 1:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return value
    return value
