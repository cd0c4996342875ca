"""What right answers look like, read off the training answers: plain rules that can be put into a prompt."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from rung.foreign import whole_data
from rung.prompts.frames import MOST_CHOICES, NEARLY_ALL, choices, described, frame_of, within
from rung.types import Example

LONGEST_VALUE = 40  # characters of a quoted value
FEWEST_ANSWERS = 5  # below this no habit is read off
MOST_LINES = 12  # lines that are described one by one
SOMETIMES = 0.05  # share of the training answers from which an optional key is mentioned


def observed_rules(train: Sequence[Example]) -> tuple[str, ...]:
    """Return rules that (nearly) all training answers keep: keys and values, lines, fixed texts, length."""
    if len(train) < FEWEST_ANSWERS:
        return ()
    records = [(r, e) for e in train if (r := as_record(e.target)) is not None]
    if len(records) >= NEARLY_ALL * len(train):
        return tuple(_record_rules([r for r, _ in records], [e for _, e in records]))
    return tuple(_text_rules(train))


def source_name(example: Example) -> str:
    """Return what a prompt calls the row: the name of its only column, else "input"."""
    names = list(example.inputs)
    return names[0].replace("_", " ").strip().casefold() or "input" if len(names) == 1 else "input"


def as_record(text: str) -> dict[str, Any] | None:
    """Return the answer as a JSON object, None where it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return whole_data(value) if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class Field:
    """One key of the training answers: the share of answers that have it, and what its values look like."""

    name: str
    share: float
    rule: str | None


def fields_of(records: Sequence[Mapping[str, Any]], examples: Sequence[Example]) -> tuple[Field, ...]:
    """Return the keys in order of first appearance; `examples` are the rows of the records."""
    values: dict[str, list[tuple[Any, str]]] = defaultdict(list)
    for record, example in zip(records, examples, strict=True):
        for name, value in record.items():
            values[name].append((value, example.text))
    source = source_name(examples[0]) if examples else "input"
    return tuple(
        Field(name, len(seen) / len(records), _value_rule(name, seen, source)) for name, seen in values.items()
    )


def _value_rule(name: str, seen: Sequence[tuple[Any, str]], source: str) -> str | None:
    """Return a sentence on the values of a key: where they come from, else which they are, else one of them."""
    filled = [(value, text) for value, text in seen if value is not None]
    missing = ", or null if it is missing" if len(filled) < len(seen) else ""
    if not filled:
        return f"{_quoted(name)} is null."
    origin = _origin([(v, text) for v, text in filled if isinstance(v, str)], source)
    if origin is not None:
        return f"{_quoted(name)} is {origin}{missing}."
    counts = Counter(_quoted(value) for value, _ in filled)
    listed = tuple(counts) if len(counts) == 1 and len(filled) >= FEWEST_ANSWERS else choices(tuple(counts.elements()))
    if listed and all(len(text) <= LONGEST_VALUE for text in listed):
        return f"{_quoted(name)} is {_either(listed)}{missing}."
    short = sorted((text for text in counts if len(text) <= LONGEST_VALUE), key=lambda t: (-counts[t], t))
    return f"{_quoted(name)} looks like {short[0]}{missing}." if short else None


def _origin(values: Sequence[tuple[str, str]], source: str) -> str | None:
    """Say how text values come out of the input: copied, in capital letters, with something in front; None if otherwise."""
    needed = NEARLY_ALL * len(values)
    if not values:
        return None
    if sum(within(value, text) for value, text in values) >= needed:
        return f"copied from the {source}"
    if sum(value == value.upper() and within(value.casefold(), text.casefold()) for value, text in values) >= needed:
        return f"copied from the {source} in capital letters"
    front = frame_of([value for value, _ in values]).prefix
    if front and sum(v.startswith(front) and within(v[len(front) :], text) for v, text in values) >= needed:
        return f"{_quoted(front)} with a text copied from the {source} behind it"
    return None


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _either(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def _record_rules(records: Sequence[Mapping[str, Any]], examples: Sequence[Example]) -> list[str]:
    fields = fields_of(records, examples)
    always = [f for f in fields if f.share >= NEARLY_ALL]
    at_times = [f for f in fields if SOMETIMES <= f.share < NEARLY_ALL][:MOST_CHOICES]
    rules = []
    if always:
        order = ", in this order" if _same_order(records, [f.name for f in always]) else ""
        exactly = "" if len(always) < len(fields) else "exactly "
        keys = ", ".join(_quoted(f.name) for f in always)
        rules.append(f"Write one JSON object with {exactly}these keys{order}: {keys}.")
    if at_times:
        rules.append(f"Add these keys only where they apply: {', '.join(_quoted(f.name) for f in at_times)}.")
    return rules + [f.rule for f in (*always, *at_times) if f.rule is not None]


def _same_order(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> bool:
    orders = Counter(tuple(name for name in r if name in names) for r in records)
    return max(orders.values()) >= NEARLY_ALL * len(records)


def _text_rules(train: Sequence[Example]) -> list[str]:
    answers = [(e.target.strip().splitlines(), e) for e in train]
    count, times = max(Counter(len(lines) for lines, _ in answers).items(), key=lambda item: (item[1], -item[0]))
    if times < NEARLY_ALL * len(answers):
        return [*_outer_rules(answers), *_length_rules(train)]
    if count <= 1:
        return ["Answer on one line.", *_one_line_rules(train), *_length_rules(train)]
    lines = line_rules(train)
    rules = [f"Write exactly {count} lines.", *(f"Line {number}: {rule}" for number, rule in lines.items())]
    return rules if len(lines) == count else [*rules, *_length_rules(train)]


def line_rules(train: Sequence[Example]) -> dict[int, str]:
    """Return what each line of the training answers looks like, by its number from 1; nothing where their number varies."""
    answers = [(e.target.strip().splitlines(), e) for e in train]
    counts = Counter(len(lines) for lines, _ in answers)
    if len(train) < FEWEST_ANSWERS or not counts:
        return {}
    count, times = counts.most_common(1)[0]
    if times < NEARLY_ALL * len(answers) or not 1 < count <= MOST_LINES:
        return {}
    kept = [(lines, e) for lines, e in answers if len(lines) == count]
    texts, source = [e.text for _, e in kept], source_name(train[0])
    found = {n + 1: described([lines[n].strip() for lines, _ in kept], texts, source) for n in range(count)}
    return {number: rule for number, rule in found.items() if rule is not None}


def _outer_rules(answers: Sequence[tuple[Sequence[str], Example]]) -> list[str]:
    """Return rules for the first and the last line where these are always the same."""
    kept = [lines for lines, _ in answers if lines]
    rules = []
    for where, place in (("first", 0), ("last", -1)):
        frame = frame_of([lines[place].strip() for lines in kept])
        if frame.telling:
            rules.append(f'The {where} line is "{frame}".')
    return rules


def _one_line_rules(train: Sequence[Example]) -> list[str]:
    targets = [e.target.strip() for e in train]
    texts = [e.text for e in train]
    rule = described(targets, texts, source_name(train[0]))
    if rule is None or rule.startswith("about "):
        return []
    if rule.startswith("copied"):
        return [f"Copy the answer from the {source_name(train[0])} word for word."]
    if rule.startswith("one sentence"):
        return ["Write one sentence."]
    return [f"Answer in the form {rule}" if rule.startswith('"') else f"Write {rule}"]


def _length_rules(train: Sequence[Example]) -> list[str]:
    """Return the usual number of words: that of the middle nine tenths of the answers."""
    words = [len(e.target.split()) for e in train]
    low, high = (round(q) for q in (quantiles(words, n=20)[0], quantiles(words, n=20)[-1]))
    if high <= 3:
        return []
    return [f"Write {low} to {high} words." if low < high else f"Write about {high} words."]
