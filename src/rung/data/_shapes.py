"""Rows of known tools as plain columns: chats of OpenAI evals and tuning files, and tests of promptfoo."""

from __future__ import annotations

import re
from typing import Any

from rung.data._cells import RawRow
from rung.errors import DataError
from rung.types import canonical_json

REFERENCES = (  # promptfoo assertions whose value is the expected output
    *("equals", "contains", "icontains", "starts-with", "similar", "levenshtein", "rouge-n", "bleu", "gleu", "meteor"),
    *("factuality", "answer-relevance"),
)
_ASSERTION = re.compile(r"(not-)?([a-z][a-z-]*)(?:\([\d.]+\))?:(.*)", re.DOTALL)
_OTHERS = (
    *("contains-all", "contains-any", "icontains-all", "icontains-any", "regex", "is-json", "contains-json", "is-sql"),
    *(
        "llm-rubric",
        "model-graded-closedqa",
        "javascript",
        "fn",
        "eval",
        "python",
        "file",
        "webhook",
        "cost",
        "latency",
    ),
    *(
        "perplexity",
        "context-recall",
        "context-faithfulness",
        "context-relevance",
        "grade",
        "is-valid-openai-tools-call",
    ),
)
EXPECTED = "__expected"


def plain_columns(row: RawRow, file: str) -> RawRow:
    """Return the row with chats taken apart; rows without one come back as they are.

    - `{"item": {...}}`: the item's columns.
    - `messages` that end with the assistant: `system`, `input`, `output`; so does an `input` that is a chat, without output.
    - `ideal` with one answer: that answer.
    - `__expected` of promptfoo: `expected`, without the name of the assertion.
    """
    cells = row.cells
    if isinstance(cells.get("item"), dict) and set(cells) <= {"item", "sample"}:
        cells = cells["item"]
    for column in ("messages", "input"):
        chat = cells.get(column)
        if chat and _is_chat(chat) and not (column == "messages" and {"input", "output"} & set(cells)):
            cells = _without_chat(cells, column, chat, row.line, file)
            break
    ideal = cells.get("ideal")
    if isinstance(ideal, list) and len(ideal) == 1:
        cells = {**cells, "ideal": ideal[0]}
    if EXPECTED in cells and "expected" not in cells:
        cells = {k: v for k, v in cells.items() if k != EXPECTED}
        cells["expected"] = reference_of(str(row.cells[EXPECTED] or ""), row.line, file)
    return row if cells is row.cells else RawRow(row.line, cells)


def reference_of(text: str, line: int, file: str) -> str:
    """Return the expected output in an assertion written as promptfoo's csv files do: "paris", "equals: paris"."""
    found = _ASSERTION.fullmatch(text.strip())
    if found is None or found[2] not in (*REFERENCES, *_OTHERS):
        return text
    if found[1] or found[2] in _OTHERS:
        raise DataError(
            f"the assertion {found[1] or ''}{found[2]} names no expected output; write the output itself, or one of "
            f"{', '.join(REFERENCES[:4])} before it",
            file=file,
            line=line,
            column=EXPECTED,
        )
    return found[3].strip()


def _is_chat(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(m, dict) and isinstance(m.get("role"), str) and ("content" in m or "tool_calls" in m)
            for m in value
        )
    )


def _without_chat(
    cells: dict[str, Any], column: str, chat: list[dict[str, Any]], line: int, file: str
) -> dict[str, Any]:
    turns = [(m["role"], _content(m, line, file, column)) for m in chat]
    system = "\n\n".join(text for role, text in turns if role in ("system", "developer"))
    rest = [(role, text) for role, text in turns if role not in ("system", "developer")]
    new: dict[str, Any] = {"system": system}
    if column == "messages" and rest and rest[-1][0] == "assistant":
        new["output"] = rest.pop()[1]
    lone = len(rest) == 1 and rest[0][0] == "user"
    new["input"] = rest[0][1] if lone else "\n\n".join(f"{role.capitalize()}: {text}" for role, text in rest)
    kept = {k: v for k, v in cells.items() if k != column}
    return {**{k: v for k, v in new.items() if k not in kept}, **kept}


def _content(message: dict[str, Any], line: int, file: str, column: str) -> str:
    """Return the text of one turn; a tool call is the JSON of its calls."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None:
        return canonical_json(message["tool_calls"]) if message.get("tool_calls") else ""
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            kind = part.get("type", "unknown") if isinstance(part, dict) else type(part).__name__
            raise DataError(
                f"a message holds a part of the type {kind!r}; rung reads text alone: take the row out or put text there",
                file=file,
                line=line,
                column=column,
            )
    return "\n".join(part["text"] for part in parts)
