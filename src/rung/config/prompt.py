"""A feature's own prompt: read from its file, text or chat messages, its placeholders written as `{{column}}` whatever tool it is from."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from rung.errors import ConfigError, Problem
from rung.foreign import file_text, safe_yaml
from rung.types import Message

CHAT = "a list of {role: system|user|assistant, content: text}"
_MAY_HOLD_ONE = re.compile(r"[{%$<]")
_BLOCK = r"\{%.{0,400}?%\}|\{#.{0,400}?#\}|<%.{0,400}?%>"  # Jinja, Nunjucks, EJS
_DOUBLE = r"\{\{(?!\s*+\w++\s*+:)\s*+(?:[#/^>&!~-]\s*+)?[\w$@][^{}\n]{0,120}\}\}"  # no JSON inside: {{label: ...}}, {{"label": ...}}
_SINGLE = (
    r"\{\s*[^\W\d][\w.]*(?:\([^(){}]*\)|\[[^\[\]{}]*\])*(?:![rsa])?(?::[^{}\s\"']{1,12})?(?:\s*\|[^{}\n]{1,40})?\s*\}"
)
_OTHER = re.compile(rf"(?<!\\)(?:{_BLOCK}|{_DOUBLE}|\$\{{[^{{}}\n\"]{{1,80}}\}}|%\(\w+\)[sdr])", re.DOTALL)
_LONE = re.compile(rf"(?<![\\{{}}^\w])(?:{_SINGLE})(?!\}})")  # x^{n} and f{x} are formulas
_ESCAPED = re.compile(rf"\\({_BLOCK}|\$?\{{|%\()", re.DOTALL)
_COMMAND = re.compile(r"(?:\\[A-Za-z]+|[\^_])$")  # of LaTeX, as \boxed{answer} or x^{n}: no placeholder


def not_utf8(error: UnicodeDecodeError) -> str:
    """Say where a file stops being UTF-8."""
    return f"is not UTF-8 at byte {error.start + 1} (0x{error.object[error.start]:02x}); save the file as UTF-8"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error


def read_prompt(path: Path) -> tuple[Message, ...]:
    """Read a feature's prompt: chat messages (a YAML or JSON list of role and content) or plain text (one message).

    Plain text that may hold a placeholder such as {{question}} becomes the user message, other text the system message.
    Raises ConfigError.
    """
    try:
        text = file_text(path)
    except OSError as error:
        raise ConfigError([Problem("task.prompt", f"cannot be read: {error.strerror}", str(path))]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("task.prompt", not_utf8(error), str(path))]) from error
    if not text.strip():
        raise ConfigError([Problem("task.prompt", "the prompt file is empty", str(path))])
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return (_lone(text),)
    try:
        value = _json(text) if path.suffix.lower() == ".json" else safe_yaml(text)[0]
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigError([Problem("task.prompt", f"is no valid {path.suffix[1:]}: {error}", str(path))]) from error
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if isinstance(value, str):
        return (_lone(value),)
    entries = value if isinstance(value, list) else []
    messages = tuple(
        Message(entry["role"], entry["content"])
        for entry in entries
        if isinstance(entry, dict)
        and entry.get("role") in ("system", "user", "assistant")
        and isinstance(entry.get("content"), str)
    )
    if not messages or len(messages) != len(entries):
        raise ConfigError([Problem("task.prompt", "is no chat", str(path), CHAT)])
    if any(not m.content.isascii() and m.content != m.content.encode("utf-8", "replace").decode() for m in messages):
        raise ConfigError(
            [Problem("task.prompt", "holds half of a surrogate pair, which no request can carry", str(path))]
        )
    return messages


def _lone(text: str) -> Message:
    return Message("user" if _MAY_HOLD_ONE.search(text) else "system", text.strip())


def for_columns(messages: Sequence[Message], columns: Sequence[str]) -> tuple[Message, ...]:
    """Return the prompt with each placeholder of an input column written as `{{column}}`.

    Read are `{{column}}`, `{{{column}}}`, `{column}`, `${column}`, `$column` (where nothing else is one), `%(column)s` and `<%= column %>`; in a
    prompt for `str.format`, doubled braces become single ones. A backslash before a placeholder leaves it as text. Raises ConfigError
    that names what looks like a placeholder and cannot be filled.
    """
    texts = _of_format([m.content for m in messages], columns)
    if texts is None:
        texts = [_written(m.content, columns) for m in messages]
        filled = _filled(columns)
        if not any(filled.search(text) for text in texts):
            texts = [_dollar(columns).sub(r"{{\1}}", text) for text in texts]
        single = any(_in_braces(columns).search(m.content) for m in messages) or not any(map(filled.search, texts))
        left = list(dict.fromkeys(hole for text in texts for hole in _holes(text, columns, single)))
        if left:
            allowed = ", ".join("{{" + column + "}}" for column in columns)
            problem = "holds placeholders that no input column fills; a backslash before one sends it as it stands"
            raise ConfigError([Problem("task.prompt", problem, ", ".join(left), allowed)])
        texts = [_unescaped(text, columns) for text in texts]
    return tuple(replace(message, content=text) for message, text in zip(messages, texts, strict=True))


def _any_of(columns: Sequence[str]) -> str:
    return "|".join(re.escape(c) for c in sorted(columns, key=lambda c: (-len(c), c)))


def _filled(columns: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\\)\{{\{{\s*(?:{_any_of(columns)})\s*\}}\}}")


def _in_braces(columns: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\\{{])\{{\s*(?:{_any_of(columns)})\s*\}}(?!\}})")


def _dollar(columns: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w$\\])\$({_any_of(columns)})(?!\w)")


def _of_format(texts: Sequence[str], columns: Sequence[str]) -> list[str] | None:
    """Return the texts of a prompt for `str.format` or a template literal; None where it is none, or could be another thing too."""
    if any(_filled(columns).search(text) for text in texts):
        return None
    try:
        parsed = [list(string.Formatter().parse(text)) for text in texts]
    except ValueError:
        return None
    fields = [part for parts in parsed for part in parts if part[1] is not None]
    if not fields or any(name not in columns or spec or conversion for _, name, spec, conversion in fields):
        return None
    dollars = all(literal.endswith("$") for literal, *_ in fields)  # `Hello ${name}`; but "It costs {n}, not ${price}"
    result = []
    for parts in parsed:
        text = ""
        for literal, name, *_ in parts:
            kept = _filled(columns).sub(lambda found: "\\" + found[0], literal)
            text += kept if name is None else f"{kept.removesuffix('$') if dollars else kept}{{{{{name}}}}}"
        result.append(text)
    return result


def _written(text: str, columns: Sequence[str]) -> str:
    names = _any_of(columns)
    forms = re.compile(
        rf"(\\?)(?:(?<!\{{)\{{\{{\{{\s*({names})\s*\}}\}}\}}(?!\}})|\{{\{{\s*({names})\s*\}}\}}|\$\{{\s*({names})\s*\}}"
        rf"|\{{\s*({names})\s*\}}|%\(({names})\)s|<%[=-]\s*({names})\s*%>)"
    )

    def plain(found: re.Match[str]) -> str:
        before = text[max(0, found.start() - 30) : found.start()]
        if found[1] or (found[5] and _COMMAND.search(before)):
            return found[0]
        return "{{" + next(name for name in found.groups()[1:] if name) + "}}"

    return forms.sub(plain, text)


def _holes(text: str, columns: Sequence[str], single: bool) -> Iterator[str]:
    """Yield what looks like a placeholder and is not filled; `single`: in single braces too, whatever it names."""
    rest = _filled(columns).sub(" ", text)
    for found in _OTHER.finditer(rest):
        yield " ".join(found[0].split())
    for found in _LONE.finditer(rest):
        name = re.split(r"\W", found[0].strip("{} "))[0]
        if (single or name in columns) and not _COMMAND.search(rest[max(0, found.start() - 30) : found.start()]):
            yield found[0]


def stray(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return what looks like a placeholder in a text that is never filled; in single braces, only what has one of the names."""
    found = [" ".join(m[0].split()) for m in _OTHER.finditer(text)]
    found += [m[0] for m in _LONE.finditer(text) if re.split(r"\W", m[0].strip("{} "))[0] in names]
    found += [m[0] for m in _dollar(names).finditer(text)] if names else []
    return tuple(dict.fromkeys(found))


def _unescaped(text: str, columns: Sequence[str]) -> str:
    """Take the backslash off what was to stand as it is, but where the template itself needs it."""
    column = re.compile(rf"\\\{{\{{\s*(?:{_any_of(columns)})\s*\}}\}}")
    return _ESCAPED.sub(lambda found: found[0] if column.match(text, found.start()) else found[1], text)
