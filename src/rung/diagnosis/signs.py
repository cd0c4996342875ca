"""How an answer says that the model declines, or that it does not know."""

from __future__ import annotations

import re

OPENING = 200  # characters at the beginning of an answer in which "I do not know" is looked for

REFUSAL = re.compile(
    r"^\W{0,20}(?:(?:i['’]?m|i am)? ?(?:very |so )?sorry|i apologi[sz]e|unfortunately|as an ai[^.,]{0,40})?\W{0,20}(?:but )?i"
    r"(?: can(?:no|['’])t| won['’]t| will not| must decline| have to decline|(?: am|['’]?m) (?:unable|not able|not allowed)) "
    r"(?:to )?(?:help|assist|answer|comply|provide|do that|fulfil|discuss)",
    re.IGNORECASE,
)
DOES_NOT_KNOW = re.compile(
    r"\b(?:i (?:do not|don['’]t) know|i(?:['’]m| am) not (?:sure|certain|aware)|no information|not enough information|"
    r"i (?:do not|don['’]t) have (?:any |that |this |the )?information|cannot be (?:determined|found))\b",
    re.IGNORECASE,
)


def only_here(pattern: re.Pattern[str], answer: str, target: str) -> bool:
    """Return whether the answer says it and the expected answer does not: "I do not know" may be the right answer."""
    return pattern.search(answer) is not None and pattern.search(target) is None
