"""Assertions as promptfoo writes them, one list an example: the answer is right if it passes all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from rung.bases import Metric
from rung.metrics._schema import check_schema, violation
from rung.types import Example, Failure, Score, Task, json_text

LONGEST = 20_000  # characters of an answer that a pattern is tried on
DISTANCE = 5.0  # greatest Levenshtein distance, where the assertion names none
MOST_STEPS = 4_000_000  # of one distance
_OBJECTS = 100  # places at which JSON is looked for in an answer
_JSON = json.JSONDecoder()


class Assertions(Metric):
    """Score 1 if the answer passes every assertion that the target lists, else 0; `parts` says which it passed.

    The target is a JSON list of {type, value, threshold}, as `rung init` reads it from promptfoo's tests. Types: equals,
    contains, icontains, contains-all, contains-any, icontains-all, icontains-any, starts-with, regex, is-json, contains-json,
    levenshtein, word-count, each also after "not-". Texts are compared as they stand, case and punctuation included.
    """

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        try:
            asserted = _asserted(example.target)
            found = {f"{n} {a['type']}": _passes(a, answer) for n, a in enumerate(asserted, 1)}
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            return Failure("metric", f"the assertions of example {example.id!r} cannot be checked: {error}")
        missed = [name for name, passed in found.items() if not passed]
        note = f"the answer fails {', '.join(missed[:3])}" if missed else None
        parts = {name: float(passed) for name, passed in found.items()} if len(found) > 1 else {}
        return Score(float(not missed), parts=parts, note=note)


@lru_cache(maxsize=4096)
def _read(target: str) -> Any:
    return json.loads(target)


def _asserted(target: str) -> list[Mapping[str, Any]]:
    held = _read(target)
    if not isinstance(held, list) or not held or not all(isinstance(a, dict) and "type" in a for a in held):
        raise ValueError("the target is no list of {type, value}")
    return held


def _passes(assertion: Mapping[str, Any], answer: str) -> bool:
    kind = str(assertion["type"])
    bare = kind.removeprefix("not-")
    if bare not in CHECKS:
        raise ValueError(f"the type {kind!r} is none of {', '.join(CHECKS)}")
    return CHECKS[bare](answer, assertion.get("value"), assertion.get("threshold")) != (bare != kind)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json_text(value)


def _texts(value: object) -> list[str]:
    """Return the texts of a list, or of one text with commas between them; a part in double quotes may hold commas."""
    if isinstance(value, list):
        return [_text(v) for v in value]
    found = re.findall(r'\s*("(?:[^"]|"")*"|[^,]+)', _text(value))
    return [part.strip().removeprefix('"').removesuffix('"').strip() for part in found]


def _equals(answer: str, value: object, _: object) -> bool:
    if isinstance(value, dict | list):
        try:
            return bool(json.loads(answer) == value)
        except (ValueError, RecursionError):
            return False
    return answer == _text(value)


def _contains(answer: str, value: object, _: object) -> bool:
    return _text(value) in answer


def _icontains(answer: str, value: object, _: object) -> bool:
    return _text(value).lower() in answer.lower()


def _contains_all(answer: str, value: object, _: object) -> bool:
    return all(text in answer for text in _texts(value))


def _contains_any(answer: str, value: object, _: object) -> bool:
    return any(text in answer for text in _texts(value))


def _icontains_all(answer: str, value: object, _: object) -> bool:
    return _contains_all(answer.lower(), [t.lower() for t in _texts(value)], _)


def _icontains_any(answer: str, value: object, _: object) -> bool:
    return _contains_any(answer.lower(), [t.lower() for t in _texts(value)], _)


def _starts_with(answer: str, value: object, _: object) -> bool:
    return answer.startswith(_text(value))


def _regex(answer: str, value: object, _: object) -> bool:
    try:
        return re.search(_text(value), answer[:LONGEST]) is not None
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error


def _is_json(answer: str, value: object, _: object) -> bool:
    try:
        return _fits(json.loads(answer), value)
    except (ValueError, RecursionError):
        return False


def _contains_json(answer: str, value: object, _: object) -> bool:
    """Whether an object or list of JSON stands somewhere in the answer, and fits."""
    at, tried = 0, 0
    while tried < _OBJECTS and (begin := re.search(r"[{\[]", answer[at:])):
        tried, at = tried + 1, at + begin.start()
        try:
            held, at = _JSON.raw_decode(answer, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if _fits(held, value):
            return True
    return False


def _fits(held: object, schema: object) -> bool:
    """Whether a value keeps to a JSON schema, where there is one. Raises LookupError for a schema that cannot be checked."""
    if not isinstance(schema, dict):
        return True
    try:
        check_schema(schema)
    except ValueError as error:
        raise LookupError(f"its JSON schema {error}") from error
    return violation(held, schema) is None


def _levenshtein(answer: str, value: object, threshold: object) -> bool:
    most = float(threshold) if isinstance(threshold, int | float) else DISTANCE
    return distance(answer, _text(value), int(most)) <= most


def distance(one: str, two: str, most: int) -> int:
    """Return the Levenshtein distance of two texts, counted no further than `most` + 1."""
    if abs(len(one) - len(two)) > most:
        return most + 1
    if len(one) * min(2 * most + 1, len(two) + 1) > MOST_STEPS:
        raise ValueError(f"a distance of up to {most:,} between texts of {len(one):,} characters takes too long")
    row = {j: j for j in range(min(len(two), most) + 1)}
    for i, char in enumerate(one, 1):
        low, high = max(0, i - most), min(len(two), i + most)
        new: dict[int, int] = {}
        for j in range(low, high + 1):
            if j == 0:
                new[j] = i
                continue
            steps = (row.get(j, most) + 1, new.get(j - 1, most) + 1, row.get(j - 1, most) + (char != two[j - 1]))
            new[j] = min(steps)
        row = new
    return min(row.get(len(two), most + 1), most + 1)


def _word_count(answer: str, value: object, _: object) -> bool:
    n = len(answer.split())
    if isinstance(value, dict):
        least, most = float(value.get("min", 0)), float(value.get("max", "inf"))
        return least <= n <= most
    return n == int(_text(value))


CHECKS: Mapping[str, Callable[[str, object, object], bool]] = {
    "equals": _equals,
    "contains": _contains,
    "icontains": _icontains,
    "contains-all": _contains_all,
    "contains-any": _contains_any,
    "icontains-all": _icontains_all,
    "icontains-any": _icontains_any,
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "levenshtein": _levenshtein,
    "word-count": _word_count,
}
