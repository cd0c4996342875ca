"""The world of the fake model: rows with their true answers, what a prompt offers, and draws that hash alone decides.

A draw never depends on time, order or other rows. Whether an answer is right comes from a Gaussian copula: a row has
one hidden ease, shared by all prompts, so that rungs fail on correlated rows, while each kind of prompt keeps its exact
probability of being right.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

from rung.errors import DataError
from rung.types import Message

_KEY = 16  # characters by which a row's text is looked up
_SHORT = 3  # shorter column values are found in any prompt; they are not searched for
_FAR = 120  # characters between a row and its answer inside one message, at most
_NORMAL = NormalDist()
_NOT_INPUTS = ("id", "group", "passage")


@dataclass(frozen=True)
class Truth:
    """One row as the fake knows it: input columns, right answer, group, and the passage that holds the answer."""

    inputs: Mapping[str, str]
    answer: str
    group: str | None = None
    passage: str | None = None

    @cached_property
    def text(self) -> str:
        return "\n".join(self.inputs.values())

    @cached_property
    def longest(self) -> str:
        return max((v.strip() for v in self.inputs.values()), key=len, default="")

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(re.findall(r"\w+", self.text.casefold()))

    def within(self, text: str) -> bool:
        """Whether every input column stands in the text as it is."""
        return all(v.strip() in text for v in self.inputs.values())


@dataclass(frozen=True)
class Offer:
    """What a prompt offers beyond the row: the features that abilities depend on. Its text seeds draws."""

    label_list: bool = False
    format_rule: bool = False
    examples: int = 0
    near_example: bool = False
    passage: bool = False
    hints: tuple[str, ...] = ()
    structured: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class World:
    """All rows, indexed so that a prompt of n characters is searched in O(n) whatever the number of rows."""

    rows: tuple[Truth, ...]
    labels: tuple[str, ...] = ()
    _index: dict[int, dict[str, list[Truth]]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.longest) >= _SHORT:
                size = min(_KEY, len(row.longest))
                self._index.setdefault(size, {}).setdefault(row.longest[:size], []).append(row)

    def found(self, text: str) -> tuple[tuple[int, Truth], ...]:
        """Return the rows whose input stands in the text, with the place of their longest column, in order of place.

        Of rows inside one another only the longest counts.
        """
        return self._remembered(text)

    @cached_property
    def _remembered(self) -> Callable[[str], tuple[tuple[int, Truth], ...]]:
        """All requests of a candidate share their system text and most examples: each is searched once."""
        return lru_cache(maxsize=256)(self._found)

    def _found(self, text: str) -> tuple[tuple[int, Truth], ...]:
        hits = [
            (place, row)
            for size, keyed in self._index.items()
            for place in range(len(text) - size + 1)
            for row in keyed.get(text[place : place + size], ())
            if text.startswith(row.longest, place) and row.within(text)
        ]
        kept: list[tuple[int, Truth]] = []
        end = -1
        for place, row in sorted(hits, key=lambda hit: (hit[0], -len(hit[1].text))):
            if place >= end:
                kept.append((place, row))
                end = place + len(row.longest)
        return tuple(kept)


def load(path: Path, answer_column: str) -> tuple[Truth, ...]:
    """Read rows from a jsonl file: `inputs` or plain text columns, the answer column, maybe `group` and `passage`.

    Raises DataError with file and line.
    """
    rows: list[Truth] = []
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_row(line, answer_column, path, number))
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror}; `answers` of a fake model names a jsonl file", file=str(path)
        ) from None
    return tuple(rows)


def _row(line: str, answer_column: str, path: Path, number: int) -> Truth:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", file=str(path), line=number) from None
    if not isinstance(row, dict) or answer_column not in row:
        raise DataError(f"a row needs the column {answer_column!r}", file=str(path), line=number)
    answer = row[answer_column]
    inputs = row["inputs"] if isinstance(row.get("inputs"), dict) else {
        k: v for k, v in row.items() if isinstance(v, str) and k != answer_column and k not in _NOT_INPUTS
    }  # fmt: skip
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return Truth(inputs, text, row.get("group"), row.get("passage"))


def read_prompt(
    world: World, messages: Sequence[Message], cue: re.Pattern[str], hints: Sequence[str], near: float
) -> tuple[Truth | None, Offer]:
    """Return the row that the chat asks about (the last one in its last user turn) and what the chat offers with it.

    Demonstrations are assistant turns, or other known rows with their answer soon after them: a row quoted without its
    answer (in the definition of a label, say) is none. `near`: word overlap (Jaccard) from which one is near.
    """
    last = next((i for i in reversed(range(len(messages))) if messages[i].role == "user"), None)
    if last is None:
        return None, Offer()
    asked = world.found(messages[last].content)
    row = asked[-1][1] if asked else None
    shown = _answered(messages[last].content, asked[:-1])
    turns = 0
    for i, message in enumerate(messages):
        if i != last and message.role != "assistant":
            hits = world.found(message.content)
            turn = message.role == "user" and i + 1 < len(messages) and messages[i + 1].role == "assistant"
            shown += [hit for _, hit in hits] if turn else _answered(message.content, hits)
        turns += message.role == "assistant" and i < last
    told = "\n".join(m.content for i, m in enumerate(messages) if m.role == "system" or i == last)
    rules = told
    for hit in (hit for _, hit in world.found(told)):
        rules = rules.replace(hit.longest, " ")
    overlap = max((_overlap(row, hit) for hit in shown), default=0.0) if row else 0.0
    everything = "\n".join(m.content for m in messages)
    return row, Offer(
        label_list=len(world.labels) > 1 and all(label in rules for label in world.labels),
        format_rule=cue.search(rules) is not None,
        examples=max(turns, len({hit.text for hit in shown})),
        near_example=overlap >= near,
        passage=bool(row and row.passage and _squeezed(row.passage) in _squeezed(everything)),
        hints=tuple(hint for hint in hints if hint in rules),
    )


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _answered(text: str, hits: Sequence[tuple[int, Truth]]) -> list[Truth]:
    """Return the rows whose answer stands between them and the next row, not far away."""
    found: list[Truth] = []
    for number, (place, row) in enumerate(hits):
        end = place + len(row.longest)
        stop = hits[number + 1][0] if number + 1 < len(hits) else len(text)
        if row.answer in text[end : min(stop, end + _FAR + len(row.answer))]:
            found.append(row)
    return found


def _overlap(a: Truth, b: Truth) -> float:
    union = len(a.words | b.words)
    return len(a.words & b.words) / union if union else 0.0


def uniform(*parts: Any) -> float:
    """Return a number in (0, 1) that depends on the parts' text alone."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2.0**64


def normal(*parts: Any) -> float:
    """Return a standard normal number that depends on the parts' text alone."""
    return _NORMAL.inv_cdf(min(max(uniform(*parts), 1e-12), 1 - 1e-12))


def mixed(*terms: tuple[float, float]) -> float:
    """Return the level in (0, 1) of independent standard normals mixed by shares of variance: uniform again."""
    total = sum(share for share, _ in terms)
    return _NORMAL.cdf(sum(math.sqrt(share / total) * z for share, z in terms))


def pieces(answer: str) -> dict[str, Any] | None:
    """Return the fields of a JSON object answer; None for any other answer."""
    if not answer.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(answer)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def others(world: World, row: Truth) -> Iterator[Truth]:
    """Yield rows with another answer, starting at a place that the row's text decides."""
    count = len(world.rows)
    start = int(uniform("other", row.text) * count)
    for step in range(count):
        other = world.rows[(start + step) % count]
        if other.answer != row.answer:
            yield other
