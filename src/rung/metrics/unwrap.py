"""How an answer is taken out of its wrapping: functions from text to text, each of them a step that may follow a model.

`STEPS` names those that need no settings. A step returns the text as it is where it finds nothing to take off, never raises, and
done twice does what it does once. What it takes off is the model's form; it never changes what stands inside.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from rung.metrics.text import normalise, whole

DEEPEST = 50  # levels of JSON; deeper answers are runaways, and recursion over them would end in a crash
_MOST_TRIED = 200  # places at which an object may begin
_LONGEST_MENDED = 20_000  # characters; a longer answer is a runaway
_LONGEST_LEAD = 60  # characters before the colon of "The final answer: 42"
_THOUGHT = re.compile(r"\s*<(think|thinking|thought|reasoning|reflection)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"\A(?:(?!<think>).)*?</think>", re.DOTALL | re.IGNORECASE)  # the template opened it
_FENCE = re.compile(r"(`{3,}|~{3,})[\w+.-]*[ \t]*\n?(.*?)(?:\1|\Z)", re.DOTALL)
_LEAD = re.compile(
    rf"\s*(?:[#>*\-]+\s*)?[\w /()*'-]{{0,{_LONGEST_LEAD}}}?(?:(?<!\d):(?!//)|:(?![\d/])|->|=>|→|=)\**\s*(?P<rest>\S.*)",
    re.DOTALL,
)
_ANSWER_IS = re.compile(
    r"(?:.*\W)?(?:final |correct |right )?(?:answer|label|category|class|result|intent|solution)(?:\s*(?:is|:|=|->))+\s*(?P<rest>\S.*)",
    re.DOTALL | re.IGNORECASE,
)
_PAIRS = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`", "(": ")", "[": "]", "<": ">", "*": "*", "_": "_"}
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_IN_STRING = r'"(?:[^"\\]|\\.?)*+(?:"|\Z)'  # one that does not end takes the rest
_TRAILING_COMMA = re.compile(rf"({_IN_STRING})|,(?=\s*[}}\]])", re.DOTALL)
_COMMENT = re.compile(rf"({_IN_STRING})|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)


def after_thought(text: str) -> str:
    """Return what follows a thought at the beginning (`<think>...</think>`, or all up to a lone `</think>`)."""
    while found := _THOUGHT.match(text) or _THOUGHT_END.match(text):
        text = text[found.end() :]
    return text.strip()


def strip_fence(text: str) -> str:
    """Return the content of the first code fence; one that is never closed ends with the text."""
    while found := _FENCE.search(text):
        text = found[2]
    return text.strip()


def strip_quotes(text: str) -> str:
    """Return the text without the quotes, brackets or emphasis marks that enclose all of it."""
    text = text.strip()
    while len(text) >= 2 and _PAIRS.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


def after_lead(text: str) -> str:
    """Return what follows a lead-in such as `Label:`, `The answer is` or `->`, without the full stop at its end."""
    text = text.strip()
    while found := _LEAD.fullmatch(text) or _ANSWER_IS.fullmatch(text):
        text = found["rest"].strip().rstrip(".").strip()
    return text


def first_line(text: str) -> str:
    """Return the first line that is not empty."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def last_line(text: str) -> str:
    """Return the last line that is not empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def boxed(text: str) -> str:
    r"""Return what stands in the last `\boxed{...}`, the form in which mathematical answers are asked for."""
    while found := [*_BOXED.finditer(text)]:
        start, depth = found[-1].end(), 1
        for end in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                break
        else:
            return text.strip()
        text = text[start:end]
    return text.strip()


def first_json(text: str) -> str:
    """Return the first JSON object in the text, written as JSON; trailing commas, comments and Python's spelling are mended."""
    found = json_object(text)
    return text.strip() if found is None else json.dumps(found, ensure_ascii=False)


def only_value(text: str) -> str:
    """Return the value of a JSON object that has one field, where that is text, a number or a truth value."""
    while (found := json_object(text)) is not None and len(found) == 1:
        value = next(iter(found.values()))
        if not isinstance(value, str | int | float):
            break
        text = _written(value)
    return text.strip()


def label_in_sentence(text: str, labels: Sequence[str]) -> str:
    """Return the one label that the text names, as it is spelled in `labels`; the text itself where it names none or several.

    A label inside a longer one that is named does not count.
    """
    forms = _forms(tuple(labels))
    found = only_named(normalise(text), forms) if len(forms) == len(labels) else None
    return text.strip() if found is None else found


@lru_cache(maxsize=16)
def _forms(labels: tuple[str, ...]) -> Mapping[str, str]:
    return {normalise(label): label for label in labels}


def only_named(said: str, names: Mapping[str, str]) -> str | None:
    """Return what the names that stand as words in a normalised text stand for, if that is one thing; else None."""
    rest = f" {said} "
    found: set[str] = set()
    for name in sorted((n for n in names if n), key=lambda n: (-len(n), n)):
        if f" {name} " in rest:
            found.add(names[name])
            rest = rest.replace(f" {name} ", " \n ")
    return found.pop() if len(found) == 1 else None


STEPS: Mapping[str, Callable[[str], str]] = {
    step.__name__: step
    for step in (
        after_thought,
        strip_fence,
        strip_quotes,
        after_lead,
        first_line,
        last_line,
        boxed,
        first_json,
        only_value,
    )
}


def unwrapped(text: str) -> Iterator[str]:
    """Yield ever barer readings of an answer: without thought, fence, quotes, a lead-in such as `Label:`, JSON keys."""
    bare = strip_fence(after_thought(text))
    yield bare
    yield strip_quotes(bare)
    yield from json_strings(bare)
    if "\\" in bare and boxed(bare) != bare:
        yield boxed(bare)
    for line in dict.fromkeys((first_line(bare), last_line(bare))):
        if line:
            yield strip_quotes(line)
            yield strip_quotes(after_lead(line))


def parse_json(text: str) -> Any:
    """Return the JSON value of the whole text. Raises ValueError also for NaN, Infinity and nesting that is too deep.

    A number beyond what a float holds, such as 1e400, is one as well: it has no value that could be compared.
    """
    if _too_deep(text):
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    return _written_whole(_DECODER.decode(text), text)


def json_object(text: str) -> dict[str, Any] | None:
    """Return the first object that can be read anywhere in the text, forgiving commas, comments and Python's spelling.

    Where the readings differ one is a part of the other, and the whole counts.
    """
    readings = [next(json_objects(text), None)]
    if "{" in text and len(text) <= _LONGEST_MENDED:
        readings += [next(json_objects(mended(text)), None), _python_object(text)]
    return max(
        (found for found in readings if found is not None), key=lambda found: len(json.dumps(found)), default=None
    )


def mended(text: str) -> str:
    """Return the text without the commas and comments that JSON does not know; a text that is too long as it is."""
    if len(text) > _LONGEST_MENDED:
        return text
    return _TRAILING_COMMA.sub(r"\1", _COMMENT.sub(r"\1", text))


def json_objects(text: str, read: json.JSONDecoder | None = None) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects that stand in the text side by side, whatever stands between them."""
    decoder = read or _DECODER
    start = text.find("{")
    for _ in range(_MOST_TRIED):
        if start < 0 or _too_deep(text[start:]):
            return
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        yield _written_whole(value, text)
        start = text.find("{", end)


def json_strings(text: str) -> list[str]:
    """Return the values of the first JSON object's fields that are text or numbers; empty where there is no object."""
    found = json_object(text) if "{" in text else None
    return [_written(v) for v in found.values() if isinstance(v, str | int | float)] if found else []


def _written(value: str | int | float) -> str:
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _python_object(text: str) -> dict[str, Any] | None:
    """Return a dict as Python writes it: {'paid': True}."""
    start, end = text.find("{"), text.rfind("}")
    if not 0 <= start < end or _too_deep(text[start : end + 1]):
        return None
    try:
        with warnings.catch_warnings():  # of an escape that Python does not know: "\\d"
            warnings.simplefilter("ignore")
            found = ast.literal_eval(text[start : end + 1])
        if not isinstance(found, dict):
            return None
        plain: dict[str, Any] = _written_whole(json.loads(json.dumps(found, allow_nan=False)), text)
        return plain
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _written_whole(value: Any, text: str) -> Any:
    """Return what was read from a text, halves of surrogate pairs replaced: escapes can write them, and no file keeps them."""
    return _whole(value) if "\\u" in text else value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {whole(key): _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def _too_deep(text: str) -> bool:
    """Return whether brackets nest deeper than is read, those inside strings counted too: an upper bound."""
    if text.count("{") + text.count("[") <= DEEPEST:
        return False
    depth = 0
    for mark in re.findall(r"[{}\[\]]", text):
        depth = max(0, depth + (1 if mark in "{[" else -1))
        if depth > DEEPEST:
            return True
    return False


def _finite(written: str) -> float:
    value = float(written)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{written[:40]} is beyond every number that can be compared")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
