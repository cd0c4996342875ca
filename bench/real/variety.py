"""How varied the hand-written examples of `rung demo real` are, beside ten labels of banking77: no two may share a frame.

    python -m bench.real.variety [--shared FOLDER]

Of as many texts of each: type-token ratio of the first 2,000 words in a drawn order, the share of texts with a near-duplicate (resemblance of
five-character shingles of .5 or more), and the share whose first three words open another text, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.real.__main__ import rows
from rung_nano import REAL

WORDS, NEAR, SHINGLE = 2000, 0.5, 5


def figures(texts: Sequence[str], seed: int = 7) -> tuple[int, float, float, float, float]:
    """Return the number of texts, their mean length in words, and the three figures."""
    drawn = list(texts)
    random.Random(seed).shuffle(drawn)
    words = [w for text in drawn for w in re.findall(r"[\w']+", text.lower())]
    sets = [_shingles(text) for text in texts]
    near = sum(any(i != j and _resemblance(a, b) >= NEAR for j, b in enumerate(sets)) for i, a in enumerate(sets))
    openings = Counter(_opening(text) for text in texts)
    shared = sum(openings[_opening(text)] > 1 for text in texts)
    ratio = len(set(words[:WORDS])) / len(words[:WORDS])
    return len(texts), len(words) / len(texts), ratio, near / len(texts), shared / len(texts)


def _shingles(text: str) -> frozenset[str]:
    flat = " ".join(re.findall(r"\w+", text.lower()))
    return frozenset(flat[i : i + SHINGLE] for i in range(max(1, len(flat) - SHINGLE + 1)))


def _resemblance(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def _opening(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower())[:3])


def compared(shared: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the shipped texts, and as many of banking77."""
    count = 0
    for example in sorted(REAL.glob("*/rows.jsonl")):
        lines = [json.loads(line) for line in example.read_text(encoding="utf-8").splitlines()]
        column = next(key for key in lines[0] if key != "id")
        count = max(count, len(lines))
        yield example.parent.name, [line[column] for line in lines]
    bank = [(r["input"], r["expected"]) for r in rows(shared / "data" / "banking77", "train")]
    yield "banking77, any labels", [text for text, _ in random.Random(7).sample(bank, count)]
    common = {label for label, _ in Counter(label for _, label in bank).most_common(10)}
    ten = [text for text, label in bank if label in common]
    yield "banking77, its ten commonest labels", random.Random(7).sample(ten, min(count, len(ten)))


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usual = os.environ.get("RUNG_SHARED", Path(__file__).parents[2] / ".." / "shared")
    parser.add_argument("--shared", type=Path, default=Path(usual))
    print("| texts | n | words | type-token ratio | near-duplicates | opening shared |\n|---|--:|--:|--:|--:|--:|")
    for name, texts in compared(parser.parse_args().shared):
        count, length, ratio, near, opening = figures(texts)
        print(f"| {name} | {count} | {length:.1f} | {ratio:.3f} | {near:.3f} | {opening:.3f} |")


if __name__ == "__main__":
    main()
