"""A feature's own prompt, read from its file: text or chat messages."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from rung.errors import ConfigError, Problem
from rung.types import Message

CHAT = "a list of {role: system|user|assistant, content: text}"


def not_utf8(error: UnicodeDecodeError) -> str:
    """Say where a file stops being UTF-8."""
    return f"is not UTF-8 at byte {error.start + 1} (0x{error.object[error.start]:02x}); save the file as UTF-8"


def read_prompt(path: Path) -> tuple[Message, ...]:
    """Read a feature's prompt: chat messages (a YAML or JSON list of role and content) or plain text (one message).

    Plain text with a placeholder such as {{question}} becomes the user message, without one the system message.
    Raises ConfigError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem("task.prompt", f"cannot be read: {error.strerror}", str(path))]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("task.prompt", not_utf8(error), str(path))]) from error
    if not text.strip():
        raise ConfigError([Problem("task.prompt", "the prompt file is empty", str(path))])
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return (Message("user" if "{{" in text else "system", text.strip()),)
    try:
        value = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigError([Problem("task.prompt", f"is no valid {path.suffix[1:]}: {error}", str(path))]) from error
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if isinstance(value, str):
        return (Message("user" if "{{" in value else "system", value.strip()),)
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
