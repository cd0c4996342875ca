"""How answers are normalised, and how an answer is taken out of its wrapping. Pure functions on text."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NOT_WORD = re.compile(r"[^\w\s]|_")
_FENCE = re.compile(r"```[\w+-]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_LEAD = re.compile(r"^\s*(?:[#>*\-]+\s*)?[\w /()*-]{0,40}?(?::|->|=>|→|=)\s*(?P<rest>\S.*)$")
_PAIRS = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`", "(": ")", "[": "]", "<": ">", "*": "*", "_": "_"}
_DEEPEST = 50  # levels of JSON; deeper answers are runaways, and recursion over them would end in a crash
# Scripts written without spaces: each character counts as one word, as in the multilingual variants of SQuAD scoring.
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")


def squeeze(text: str) -> str:
    """Return the text in Unicode form NFKC, outer space removed, inner runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def normalise(text: str, *, casefold: bool = True, punctuation: bool = True, articles: bool = False) -> str:
    """Return the squeezed text; a True flag forgives case, punctuation (each mark becomes a space) or English articles."""
    text = unicodedata.normalize("NFKC", text)
    if casefold:
        text = text.casefold()
    if punctuation:
        text = _NOT_WORD.sub(" ", text)
    if articles:
        text = _ARTICLES.sub(" ", text) if casefold else re.sub(_ARTICLES.pattern, " ", text, flags=re.IGNORECASE)
    return " ".join(text.split())


def words(text: str, *, articles: bool = True) -> list[str]:
    """Return the casefolded words; `articles` True leaves a, an, the out. Characters of CJK scripts are single words."""
    found = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return [w for w in found if w not in ("a", "an", "the")] if articles else found


def without_fences(text: str) -> str:
    """Return the content of the first code fence, or the text itself where there is none."""
    found = _FENCE.search(text)
    return found.group(1).strip() if found else text.strip()


def without_quotes(text: str) -> str:
    """Return the text without the quotes, brackets or emphasis marks that enclose all of it."""
    text = text.strip()
    while len(text) >= 2 and _PAIRS.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


def unwrapped(text: str) -> Iterator[str]:
    """Yield ever barer readings of an answer: as it is, without fences, quotes, a lead-in such as `Label:`, JSON keys."""
    bare = without_fences(text)
    yield bare
    yield without_quotes(bare)
    yield from json_strings(bare)
    lines = [line for line in bare.splitlines() if line.strip()]
    for line in (lines[:1] + lines[-1:]) if len(lines) > 1 else lines:
        yield without_quotes(line)
        found = _LEAD.match(line)
        if found:
            yield without_quotes(found["rest"].strip().rstrip("."))


def parse_json(text: str) -> Any:
    """Return the JSON value of the whole text. Raises ValueError also for NaN, Infinity and nesting that is too deep."""
    if text.count("{") + text.count("[") > _DEEPEST and _depth(text) > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    return json.loads(text, parse_constant=_no_constant)


def outermost_object(text: str) -> dict[str, Any] | None:
    """Return the first JSON object that can be read anywhere in the text; None if there is none."""
    if text.count("{") + text.count("[") > _DEEPEST and _depth(text) > _DEEPEST:
        return None
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = decoder.raw_decode(text, start)
        except ValueError:
            start = text.find("{", start + 1)
            continue
        return value if isinstance(value, dict) else None
    return None


def json_strings(text: str) -> list[str]:
    """Return the text values of the outermost JSON object's fields; empty where there is no object."""
    found = outermost_object(text) if "{" in text else None
    return [v.strip() for v in found.values() if isinstance(v, str)] if found else []


def _depth(text: str) -> int:
    """Return the deepest nesting of brackets, those inside strings counted too: an upper bound."""
    depth = deepest = 0
    for mark in re.findall(r"[{}\[\]]", text):
        depth = max(0, depth + (1 if mark in "{[" else -1))
        deepest = max(deepest, depth)
    return deepest


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
