"""Whether an answer declines to answer for want of knowledge: an outcome of its own, beside right and wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from rung.metrics.text import normalise
from rung.types import Abstention

DEFAULT_PHRASE = "I do not have that information."
OPENING = 200  # characters at the beginning of an answer in which abstention is looked for
_PLACE = (
    r"(?:the|these|this|our|any|given|provided) (?:given |provided )?(?:documents?|passages?|context|sources?|text)"
)
_SAYS = re.compile(
    r"\b(?:i (?:do not|don['’]t) know|i(?:['’]m| am) not (?:sure|certain|aware)|(?:no|not enough|insufficient) information|"
    r"(?:i|we) (?:do not|don['’]t) have (?:any |that |this |the |enough )?(?:information|data|details)|"
    r"can(?:not|['’]t) be (?:determined|found|answered)|"
    rf"not (?:found |mentioned |stated |given |covered )?(?:in|by) {_PLACE}|"
    rf"{_PLACE} (?:do|does) not (?:say|tell|mention|contain|state|provide))\b",
    re.IGNORECASE,
)


def abstains(text: str, phrase: str | None = None) -> bool:
    """Return whether the answer says that it does not know: in usual words near its beginning, or exactly as `phrase`."""
    if phrase is not None and normalise(text) == normalise(phrase):
        return True
    return _SAYS.search(text[:OPENING]) is not None


def abstention(answer: str, targets: Sequence[str]) -> Abstention | None:
    """Return how an answer stands to the expected ones where either declines; None where both answer.

    "right": both decline; "wrong": the answer declines and no expected one does; "missed": it does not, and the first
    expected one does.
    """
    if not any(targets):
        return None  # nobody says what was expected
    said = abstains(answer)
    expected = any(map(abstains, targets)) if said else abstains(targets[0])
    if said:
        return "right" if expected else "wrong"
    return "missed" if expected else None


def phrase_of(targets: Iterable[str]) -> str:
    """Return the words in which these expected answers most often decline, or the usual ones where none does."""
    found = Counter(t.strip() for t in targets if abstains(t))
    return min(found, key=lambda t: (-found[t], t)) if found else DEFAULT_PHRASE
