"""Untrusted text made safe to show: rows, model answers and error messages, in a page, a terminal and Markdown.

Nothing is hidden: characters that a reader cannot see (controls, direction marks, zero-width and tag characters, lone
surrogates) are written as ⟦U+202E⟧, so that no text can pose as another or reorder the line it stands in.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from markupsafe import Markup, escape

ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS and other strings: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]",  # two-character escapes
    re.DOTALL,
)
KEPT = "\n\t"
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # Unicode general categories
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u180b\u180c\u180d\u180f")  # letters that draw nothing
VARIATION = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SPECIAL = re.compile(r"[^\x20-\x7e\n\t\u00a1-\u00ac\u00ae-\u02ff]")  # what needs a closer look; plain text skips it
_MARKDOWN = re.compile(r"([\\`*_\[\]|#~>!@$])")  # never & or <: these become entities


def visible(text: str) -> str:
    """Return the text with every invisible character written out as ⟦U+XXXX⟧; newlines and tabs stay."""
    return _SPECIAL.sub(lambda m: _name(m[0]) if _hidden(m[0]) else m[0], text)


def shown(text: str) -> Markup:
    """Return the text for the body of an HTML page: escaped, the invisible characters marked.

    Not for attributes: there `visible` and the template's own escaping are right.
    """
    parts: list[str] = []
    end = 0
    for match in _SPECIAL.finditer(text):
        if _hidden(match[0]):
            parts += (str(escape(text[end : match.start()])), f'<span class="hid">{_point(match[0])}</span>')
            end = match.end()
    parts.append(str(escape(text[end:])))
    return Markup("".join(parts))  # every part was escaped above


def terminal(text: str, most: int | None = None) -> str:
    """Return the text for one terminal line: no control sequence, no line break, cut after `most` characters."""
    flat = visible(" ".join(ANSI.sub("", text).split()))
    return flat if most is None or len(flat) <= most else flat[: max(most - 1, 0)] + "…"


def markdown(text: str) -> str:
    """Return the text for one Markdown line or table cell: nothing in it is read as markup, link, mention or HTML."""
    flat = terminal(text).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKDOWN.sub(r"\\\1", flat).replace("://", ":\\//")


@lru_cache(maxsize=4096)
def _hidden(char: str) -> bool:
    return unicodedata.category(char) in INVISIBLE or char in FILLERS or bool(VARIATION.match(char))


def _point(char: str) -> str:
    return f"U+{ord(char):04X}"


def _name(char: str) -> str:
    return f"⟦{_point(char)}⟧"
