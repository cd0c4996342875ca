"""Untrusted text made safe to show: rows, model answers and error messages, in a page, a terminal and Markdown.

Nothing is hidden: characters that a reader cannot see (controls, direction marks, zero-width and tag characters, lone
surrogates) are written as ⟦U+202E⟧, so that no text can pose as another or reorder the line it stands in.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from rung.invisible import point, visible, written_out

__all__ = ["cell", "code", "markdown", "shown", "terminal", "visible"]

_WWW = re.compile(r"(www)\.", re.IGNORECASE)  # which GitHub makes a link without any scheme
_STARTS_A_LIST = re.compile(r"\A(\d{0,9})([-+=.)])(?=[-+=\s]|\Z)")  # or a line, or a heading
_MAYBE_FORMULA = re.compile("[=+\\-@＝＋－＠\t\r\n]")
_BLANKS = "(?:[^\\S\t\r\n]|[\ufeff\u200b])*+"
_BLANKS = f'{_BLANKS}"?+{_BLANKS}'
_AT_START = re.compile(f"\\s*+{_BLANKS}[=+\\-@＝＋－＠]|[\t\r\n]")
_INSIDE = re.compile(f"([;\t\r\n]{_BLANKS})([=@＝＠]|[+\\-＋－](?=[^;\t\r\n]{{0,2000}}[(|!]))")
_MARKDOWN = re.compile(r"([\\`*_\[\]|#~>!@$])")  # never & or <: these become entities


def shown(text: str) -> Markup:
    """Return the text for the body of an HTML page: escaped, the invisible characters marked.

    Not for attributes: there `visible` and the template's own escaping are right.
    """
    marked = written_out(str(escape(text)), lambda char: f'<span class="hid">{point(char)}</span>')
    return Markup(marked)  # escaped before it was marked


def terminal(text: str, most: int | None = None) -> str:
    """Return the text for one terminal line: control characters written out, no line break, cut after `most` characters.

    Nothing is taken away: a sequence that a datum leaves open cannot swallow the words that stand after it.
    """
    flat = visible(" ".join(text.split()))
    return flat if most is None or len(flat) <= most else flat[: max(most - 1, 0)] + "…"


def markdown(text: str) -> str:
    """Return the text for one Markdown line or table cell: nothing in it is read as markup, link, mention or HTML."""
    flat = terminal(text).replace("&", "&amp;").replace("<", "&lt;")
    marked = _MARKDOWN.sub(r"\\\1", flat).replace("//", "/\\/")
    return _STARTS_A_LIST.sub(r"\1\\\2", _WWW.sub(r"\1\\.", marked))


def code(text: str) -> str:
    """Return the text as a code span of Markdown that nothing in it can end: the fence is longer than any run of backticks."""
    flat = terminal(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def cell(text: str) -> str:
    """Return the text as a cell of a CSV file that no spreadsheet takes for a formula; NUL, at which readers stop, as U+FFFD.

    An apostrophe stands before whatever could begin one (OWASP, "CSV Injection"): at the start, and where a program that
    cuts at semicolons, tabs or line ends would see a start. There "-" and "+" open lists, so they count only before a call,
    a command or another sheet.
    """
    text = text.replace("\x00", "\ufffd")
    if not _MAYBE_FORMULA.search(text):
        return text
    start = _INSIDE.sub(r"\1'\2", text)
    return f"'{start}" if _AT_START.match(text) else start
