"""What is looked for: forms of a query made from a row's input columns by rule, without asking a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rung.types import ALL_COLUMNS, Example

ASKED = "asked"
TELLING = "telling"
COLUMN = "column:"
ENOUGH = 0.2  # share of the rows that a form must change to be worth trying
MOST_COLUMNS = 3
_SENTENCE = re.compile(r"[^.!?\n]*[.!?\n]?")
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
FUNCTION_WORDS = frozenset(
    """a about all also an and any are as at be because been best but by can could dear did do does for from get give had
    has have he hello help her here hi him his how i if in into is it its just kind know let like many may me more much my
    need no not of on one or our out please pls regards she should sir so some such team tell thank thanks that the their
    them then there these they this those to us very want was we were what when where which who why will with would yes
    you your""".split()
)


def query_of(form: str, inputs: Mapping[str, str]) -> str:
    """Return what to look for in a row: all its text, one column, the questions in it, or its telling words.

    A form that leaves nothing of the row gives all its text.
    """
    whole = "\n".join(inputs.values())
    if form.startswith(COLUMN):
        found = inputs.get(form.removeprefix(COLUMN), "")
    elif form == ASKED:
        found = " ".join(s.strip() for s in _SENTENCE.findall(whole) if s.strip().endswith("?"))
    elif form == TELLING:
        found = _telling(whole)
    else:
        found = whole
    return found.strip() or whole


def forms_for(columns: Sequence[str], rows: Sequence[Example]) -> tuple[str, ...]:
    """Return the forms worth trying on such rows, the plainest first."""
    forms = [ALL_COLUMNS]
    if len(columns) > 1:
        size = {c: sum(len(r.inputs[c]) for r in rows) for c in columns}
        forms += [COLUMN + c for c in sorted(columns, key=lambda c: -size[c])[:MOST_COLUMNS]]
    for form in (ASKED, TELLING):
        changed = sum(set(_WORD.findall(query_of(form, r.inputs))) != set(_WORD.findall(r.text)) for r in rows)
        if rows and changed >= ENOUGH * len(rows):
            forms.append(form)
    return tuple(forms)


def _telling(text: str) -> str:
    """Return the words that are no function words; names and numbers twice, as they tell most."""
    found: list[str] = []
    fresh = True
    for match in _WORD.finditer(text):
        word, first = match[0], fresh
        rest = text[match.end() : match.end() + 2]
        fresh = bool(re.match(r"[.!?\n]", rest))
        if word.casefold() in FUNCTION_WORDS:
            continue
        name = any(c.isdigit() for c in word) or (word[0].isupper() and not first)
        found += [word, word] if name else [word]
    return " ".join(found)
