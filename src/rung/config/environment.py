"""Variables that rung.yaml names: from the environment, else from the file `.env` beside rung.yaml.

Only the named ones are taken out of `.env`; the environment wins, and is never written to.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from rung.errors import ConfigError, Problem

FILE = ".env"
LONGEST = 1024 * 1024  # bytes of it
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_COMMENT = re.compile(r"(?:^|[ \t])#")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def variable(name: str, root: Path | None = None) -> str | None:
    """Return the value of an environment variable, else what `.env` in `root` says; None where neither knows it.

    Raises ConfigError for a `.env` that cannot be read.
    """
    if name in os.environ or root is None:
        return os.environ.get(name)
    path = root / FILE
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):  # as some call their virtual environment
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size > LONGEST:
            raise _unreadable(f"is no regular file of at most {LONGEST:,} bytes")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise _unreadable(f"is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise _unreadable(f"cannot be read: {error.strerror}") from None
    return read(text).get(name)


def read(text: str) -> Mapping[str, str]:
    """Return the variables of a `.env`: `NAME=value` lines, with `export`, quotes, comments and blank lines; the last counts.

    In single quotes a value stands as it is, in double ones with backslash escapes; either may go over lines. Nothing is
    expanded or run. A line of any other form is passed over.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        begins = _NAME.match(text, place)
        if begins is None:
            place = _line_end(text, place)
            continue
        place = begins.end()
        quote = text[place : place + 1]
        closed = _closing(text, place + 1, quote) if quote in ("'", '"') and quote else None
        if closed is not None:
            held = text[place + 1 : closed]
            found[begins[1]] = _unescaped(held) if quote == '"' else held
            place = closed
        else:
            line = text[place : _line_end(text, place)]
            comment = _COMMENT.search(line)
            found[begins[1]] = (line[: comment.start()] if comment else line).strip()
        place = _line_end(text, place)
    return found


def _line_end(text: str, place: int) -> int:
    """Return where the next line begins."""
    return text.find("\n", place) + 1 or len(text)


def _closing(text: str, place: int, quote: str) -> int | None:
    """Return where a quote closes; in double quotes a backslash takes the next character with it."""
    while place < len(text):
        if text[place] == quote:
            return place
        place += 2 if quote == '"' and text[place] == "\\" else 1
    return None


def _unescaped(held: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), held, flags=re.DOTALL)


def _unreadable(why: str) -> ConfigError:
    return ConfigError([Problem(f"the file {FILE} beside rung.yaml", why)], "the environment")
