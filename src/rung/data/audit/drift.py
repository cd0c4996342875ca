"""Does what was learnt earlier still hold? The latest fifth of the examples, by a word model that learnt from earlier ones or from any others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from rung.data.audit.audit_input import percent
from rung.data.audit.labels import FEWEST_PER_LABEL
from rung.plugins import require
from rung.stats.paired import PairedTest, agreeing, compare_paired
from rung.types import Example, Finding

LATEST = 0.2  # share of the examples that both are asked about
FEWEST = 100  # examples, below which nothing is compared
MOST = 5_000  # examples that are looked at, spread evenly over the time
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Latest:
    """Shares right on the latest examples, from `since` on, and their paired difference: learnt at random less learnt from earlier ones."""

    by_time: float
    at_random: float
    since: str
    examples: int
    found: PairedTest


def on_the_latest(rows: Sequence[Example], when: Mapping[str, float]) -> Latest | None:
    """Compare both ways to learn on the latest fifth; None where nothing can be learnt, or too few examples have a date.

    Either way learns from four fifths of the examples and is asked about examples that it has not seen. One example of each group counts.
    """
    single = {e.group: e for e in rows if e.id in when}.values()
    counts = Counter(e.target for e in single)
    known = sorted((e for e in single if counts[e.target] >= FEWEST_PER_LABEL), key=lambda e: (when[e.id], e.id))
    known = known[:: -(-len(known) // MOST)] if known else []
    names = {name: i for i, name in enumerate(sorted({e.target for e in known}))}
    if len(known) < FEWEST or len(names) < 2 or min(Counter(e.target for e in known).values()) < FEWEST_PER_LABEL:
        return None
    first = round((1.0 - LATEST) * len(known))
    latest = np.arange(len(known)) >= first
    texts, labels = [e.text for e in known], [names[e.target] for e in known]
    learn: Any = require("rung.data.audit._linear").out_of_sample
    any_others, earlier = learn(texts, labels), learn(texts, labels, [latest])
    if any_others is None or earlier is None:
        return None
    right = [(p[latest].argmax(axis=1) == np.asarray(labels)[latest]).astype(float) for p in (earlier, any_others)]
    found = agreeing(compare_paired(right[0], right[1]), LEVEL)
    since = datetime.fromtimestamp(when[known[first].id], UTC).date().isoformat()
    return Latest(float(right[0].mean()), float(right[1].mean()), since, int(latest.sum()), found)


def drift_findings(column: str, by_time: bool, seen: Latest | None) -> Iterator[Finding]:
    """Say what the latest examples show. `by_time`: whether the examples are divided by that column already."""
    advice = f"To test on the latest examples, set `split: {{by: time, column: {column}}}`."
    plain = (
        f"the column {column!r} holds dates, and examples are divided at random: what changes with time is hidden so."
    )
    if seen is None:
        if not by_time:
            yield Finding("by-time", "note", plain, advice, measured={"column": column})
        return
    measured: dict[str, Any] = {
        "column": column, "examples": seen.examples, "since": seen.since, "by_time": seen.by_time, "at_random": seen.at_random,
        "difference": seen.found.gain, "low": seen.found.low, "high": seen.found.high, "p_value": seen.found.p_value,
    }  # fmt: skip
    points = f"{100 * seen.found.gain:+.1f} points, 95 % CI {100 * seen.found.low:+.1f} to {100 * seen.found.high:+.1f}"
    said = (
        f"the latest fifth by {column!r} has {seen.examples:,} examples, from {seen.since} on. A word model that learnt from earlier ones is right in "
        f"{percent(seen.by_time)} of them; one that learnt from any others, in {percent(seen.at_random)} ({points})"
    )
    if seen.found.p_value < LEVEL and seen.found.gain > 0:
        flatters = "a division at random flatters every approach by what changes with time"
        done = "Nothing to do: they are divided by time."
        yield Finding(
            "by-time",
            "note" if by_time else "warn",
            f"{said}: {flatters}.",
            done if by_time else advice,
            measured=measured,
        )
    elif not by_time:
        yield Finding("by-time", "note", f"{said}: no change with time is seen.", advice, measured=measured)
