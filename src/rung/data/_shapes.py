"""Rows of known tools as plain columns: chats in every usual form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rung.data.cells import RawRow
from rung.errors import DataError
from rung.types import json_text

# Columns that may hold a chat. A whole one ends with the answer; a question holds the turns before it; an answer those after.
_WHOLE = ("messages", "conversations", "conversation", "dialog", "dialogue", "chat", "contents")
_QUESTIONS = ("input", "prompt", "question")
_ANSWERS = ("completion", "chosen", "rejected", "response", "output", "answer", "ideal", "expected", "target", "label")
_HISTORIES = ("history", "chat_history", "previous_turns")
_ROLES = {
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatbot", "chatgpt", "ai", "bing", "bard"), "assistant"),
    **dict.fromkeys(("user", "human", "customer", "prompter"), "user"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "tool_response", "ipython"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), "assistant"),
}
_SPEAKERS, _WORDS = (
    ("role", "from", "speaker"),
    ("content", "value", "text", "message", "parts", "tool_calls", "function_call"),
)
MADE_OF_CHATS = ("system", "input", "output")
Turn = tuple[str, str]  # role, text


def plain_columns(row: RawRow, file: str) -> RawRow:
    """Return the row with chats taken apart; rows without one come back as they are.

    - `{"item": {...}}`: the item's columns.
    - `messages`, `conversations` ...: `system`, `input`, and `output`, which is None where the assistant does not have the last word.
    - `input` or `prompt` that is a chat: its turns as text, and `system`; `completion`, `chosen` ...: the last turn.
    - any other column that is a chat, or a `history` of pairs of question and answer: its turns as text.
    - `ideal` with one answer: that answer.
    Turns may be role and content, from and value (ShareGPT), role and parts (Gemini), also as JSON text in a cell.
    """
    cells = row.cells
    if isinstance(cells.get("item"), dict) and set(cells) <= {"item", "sample"}:
        cells = cells["item"]
    for column in _WHOLE:
        chat = _chat(cells.get(column))
        if chat and not {"input", "output"} & set(cells):
            cells = _with_whole(cells, column, chat, row, file)
            break
    for column in (*_QUESTIONS, *_ANSWERS):
        chat = _chat(cells.get(column))
        if chat:
            taken = _as_question if column in _QUESTIONS else _as_answer
            cells = taken(cells, column, _turns(chat, row, file, column))
    for column in [c for c in cells if c not in (*_WHOLE, *_QUESTIONS, *_ANSWERS)]:
        earlier = _chat(cells[column]) or _pairs(column, cells[column])
        if earlier:
            cells = {**cells, column: _as_text(_turns(earlier, row, file, column))}
    ideal = cells.get("ideal")
    if isinstance(ideal, list) and len(ideal) == 1:
        cells = {**cells, "ideal": ideal[0]}
    return row if cells is row.cells else replace(row, cells=dict(cells))


def broken_chat(cells: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the column of a chat that cannot be read, and what is wrong with it; None where no column is one."""
    for column in _WHOLE:
        value = cells.get(column, ...)
        if _chat(value) is not None:
            continue
        said = value.strip() if isinstance(value, str) else value
        if said in (None, "", "null", "[]") or said == []:
            return column, "the conversation is empty; give it its turns, or take the example out"
        if isinstance(said, list) or (isinstance(said, str) and said.startswith("[")):
            return column, (
                "is no conversation, which is a list of turns with a role and a text (role and content, or from and value); "
                "correct it, or take the example out"
            )
    return None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat as plain texts: the system message, the turns up to the last question, and what was answered to it, if anything."""

    system: str
    text: str
    answer: str | None


def conversation(value: Any, row: RawRow, file: str, column: str) -> Conversation | None:
    """Return a chat in any usual form as plain texts; None for a value that is none. Raises DataError for parts that are no text."""
    chat = _chat(value)
    if chat is None:
        return None
    turns = _turns(chat, row, file, column)
    rest = [(role, text) for role, text in turns if role != "system"]
    answer = rest.pop()[1] if rest and rest[-1][0] == "assistant" else None
    return Conversation(_system(turns), _as_text(rest), answer)


def _chat(value: Any) -> list[dict[str, Any]] | None:
    """Return the messages of a cell that is a chat, also where it is one as JSON text; None for any other cell."""
    if isinstance(value, str) and value.lstrip().startswith("[") and ('"role"' in value or '"from"' in value):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, list) or not value or not all(map(_is_message, value)):
        return None
    return value


def _pairs(column: str, value: Any) -> list[dict[str, Any]] | None:
    """Return a history of [question, answer] pairs as messages; None for any other cell."""
    if column.casefold() not in _HISTORIES or not isinstance(value, list) or not value:
        return None
    if not all(isinstance(pair, list) and len(pair) == 2 and all(isinstance(t, str) for t in pair) for pair in value):
        return None
    roles = ("user", "assistant")
    return [{"role": role, "content": text} for pair in value for role, text in zip(roles, pair, strict=True)]


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict) or not any(w in value for w in _WORDS):
        return False
    role = next((value[s] for s in _SPEAKERS if s in value), None)
    plain = "role" in value and ("content" in value or "tool_calls" in value)
    return isinstance(role, str) and (plain or role.casefold() in _ROLES)


def _turns(chat: list[dict[str, Any]], row: RawRow, file: str, column: str) -> list[Turn]:
    found = []
    for message in chat:
        role = str(next(message[s] for s in _SPEAKERS if s in message)).casefold()
        found.append((_ROLES.get(role, role), _content(message, row, file, column)))
    return found


def _with_whole(
    cells: Mapping[str, Any], column: str, chat: list[dict[str, Any]], row: RawRow, file: str
) -> dict[str, Any]:
    talk = conversation(chat, row, file, column)
    assert talk is not None
    new: dict[str, Any] = {"system": talk.system, "output": talk.answer, "input": talk.text}
    kept = {k: v for k, v in cells.items() if k != column}
    return {**{k: v for k, v in new.items() if k not in kept}, **kept}


def _as_question(cells: Mapping[str, Any], column: str, turns: list[Turn]) -> dict[str, Any]:
    said = {} if "system" in cells else {"system": _system(turns)}
    return {**said, **cells, column: _as_text([turn for turn in turns if turn[0] != "system"])}


def _as_answer(cells: Mapping[str, Any], column: str, turns: list[Turn]) -> dict[str, Any]:
    """Return the row with the last turn as the answer; turns before it are the question, where there is no other."""
    last = turns[-1][1] if turns[-1][0] == "assistant" else _as_text(turns)
    found = {**cells, column: last}
    before = turns[:-1]
    if before and column != "rejected":
        question = next((q for q in _QUESTIONS if q in cells), None)
        asked = _as_text([turn for turn in before if turn[0] != "system"])
        if question is None:
            return {"system": _system(before), "input": asked, **found}
        held = str(found[question])
        if asked and asked not in held:
            found[question] = f"{held}\n\n{asked}"
    return found


def _system(turns: list[Turn]) -> str:
    return "\n\n".join(text for role, text in turns if role == "system")


def _as_text(turns: list[Turn]) -> str:
    lone = len(turns) == 1 and turns[0][0] == "user"
    return turns[0][1] if lone else "\n\n".join(f"{role.capitalize()}: {text}" for role, text in turns)


def _content(message: dict[str, Any], row: RawRow, file: str, column: str) -> str:
    """Return the text of one turn; a tool call is the JSON of its calls, below the text that came with it."""
    content = next((message[w] for w in _WORDS[:5] if message.get(w) is not None), None)
    call = message.get("tool_calls") or message.get("function_call")
    if call:
        said = "" if content is None else _content({"content": content}, row, file, column)
        return "\n".join(text for text in (said, json_text(call)) if text)
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            kind = part.get("type", "unknown") if isinstance(part, dict) else type(part).__name__
            raise DataError(
                f"a message holds a part of the type {kind!r}; rung reads text alone: take the row out or put text there",
                file=file,
                **row.place(column),
            )
    return "\n".join(part["text"] for part in parts)
