"""What right answers look like, read off the training answers: plain rules that can be put into a prompt."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from rung.types import Example

MOST_EXAMPLES = 3  # values quoted for a field
LONGEST_VALUE = 40  # characters of a quoted value
NEARLY_ALL = 0.95  # share of the training answers from which a habit is stated as a rule
FEWEST_ANSWERS = 5  # below this no habit is read off


def observed_rules(train: Sequence[Example]) -> tuple[str, ...]:
    """Return rules that (nearly) all training answers keep: fields, lines, length, words taken from the input."""
    if len(train) < FEWEST_ANSWERS:
        return ()
    records = [r for e in train if (r := as_record(e.target)) is not None]
    if len(records) >= NEARLY_ALL * len(train):
        return tuple(_field_rules(records, train))
    return tuple(_text_rules(train))


def as_record(text: str) -> dict[str, Any] | None:
    """Return the answer as a JSON object, None where it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the training answers: how often it is there, and its most frequent short values."""

    name: str
    share: float
    null_share: float
    examples: tuple[str, ...]


def fields_of(records: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    """Return the fields in order of first appearance."""
    values: dict[str, list[Any]] = defaultdict(list)
    for record in records:
        for name, value in record.items():
            values[name].append(value)
    found = []
    for name, seen in values.items():
        written = Counter(json.dumps(v, ensure_ascii=False) for v in seen if v is not None)
        short = [(text, n) for text, n in written.items() if len(text) <= LONGEST_VALUE]
        best = sorted(short, key=lambda item: (-item[1], item[0]))[:MOST_EXAMPLES]
        null_share = sum(v is None for v in seen) / len(seen)
        found.append(Field(name, len(seen) / len(records), null_share, tuple(text for text, _ in best)))
    return tuple(found)


def field_line(field: Field) -> str:
    """Return one line that shows a field by example: `"due": for example "2031-04-02" or null`."""
    examples = [*field.examples, *(["null"] if field.null_share > 0 else [])]
    shown = f": for example {' or '.join(examples)}" if examples else ""
    return f'"{field.name}"{shown}'


def _field_rules(records: Sequence[Mapping[str, Any]], train: Sequence[Example]) -> list[str]:
    fields = fields_of(records)
    always = [f for f in fields if f.share >= NEARLY_ALL]
    rules = []
    if always:
        keys = ", ".join(f'"{f.name}"' for f in always)
        rules.append(
            f"Write a JSON object with the keys {keys}" + (", in this order." if _same_order(records) else ".")
        )
        rules += [f"The key {field_line(f)}." for f in always if f.examples]
    if any(f.null_share > 0 for f in fields):
        rules.append("Write null where the input does not say it.")
    leaves = [(str(v), e.text) for e, r in zip(train, records, strict=False) for v in r.values() if isinstance(v, str)]
    if leaves and sum(value in text for value, text in leaves) >= NEARLY_ALL * len(leaves):
        rules.append("Copy values from the input word for word.")
    return rules


def _same_order(records: Sequence[Mapping[str, Any]]) -> bool:
    orders = Counter(tuple(r) for r in records)
    return max(orders.values()) >= NEARLY_ALL * len(records)


def _text_rules(train: Sequence[Example]) -> list[str]:
    targets = [e.target.strip() for e in train]
    rules = []
    lines = Counter(len(t.splitlines()) for t in targets)
    count, times = max(lines.items(), key=lambda item: (item[1], -item[0]))
    if times >= NEARLY_ALL * len(targets):
        rules.append("Answer on one line." if count <= 1 else f"Write exactly {count} lines.")
        rules += _line_rules([t.splitlines() for t in targets if len(t.splitlines()) == count], count)
    words = [len(t.split()) for t in targets]
    low, high = (round(q) for q in (quantiles(words, n=20)[0], quantiles(words, n=20)[-1]))
    if high > 3:
        rules.append(f"Write {low} to {high} words." if low < high else f"Write {high} words.")
    if sum(t in e.text for t, e in zip(targets, train, strict=True)) >= NEARLY_ALL * len(targets):
        rules.append("Copy the answer from the input word for word.")
    endings = Counter(t[-1:] for t in targets)
    ending, times = endings.most_common(1)[0]
    if ending in ".!?" and ending and times >= NEARLY_ALL * len(targets):
        rules.append(f'End with "{ending}".')
    return rules


def _line_rules(answers: Sequence[Sequence[str]], count: int) -> list[str]:
    """Return a rule for each line that always begins with the same word and colon, such as `Team:`."""
    rules = []
    for number in range(count):
        openings = Counter(a[number].split(":")[0] for a in answers if ":" in a[number][:LONGEST_VALUE])
        if not openings:
            continue
        opening, times = openings.most_common(1)[0]
        if times >= NEARLY_ALL * len(answers):
            where = f"Line {number + 1} begins" if count > 1 else "The answer begins"
            rules.append(f'{where} with "{opening}:".')
    return rules
