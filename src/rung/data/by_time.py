"""Part the rows by time: train before dev before test, so that what is measured is how approaches do on what came later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rung.errors import SplitError
from rung.types import Example

_EPOCH = 1e8  # numbers above are seconds since 1970 (3 of them a decade), above a thousand times as much milliseconds


def moments(written: Mapping[str, str], column: str, source: str) -> dict[str, float]:
    """Return each row's moment in seconds since 1970 from what its column says; a date without a zone is UTC.

    `written`: row id -> its value; a row without one has its own id. Raises SplitError for the first that is no date.
    """
    found = {}
    for row, text in written.items():
        at = None if text == row else moment(text)
        if at is None:
            holds = "nothing" if text == row else f"{text[:40]!r}"
            raise SplitError(
                f"the column {column!r} holds {holds} in the example {row!r}, which is no date: write dates as 2025-03-31, "
                "2025-03-31T12:00:00Z or seconds since 1970, or leave split.by out",
                file=source,
            )
        found[row] = at
    return found


def is_date(text: str) -> bool:
    """Whether a text is a date as people write them; a bare number may be anything."""
    return not text.strip().isdigit() and moment(text) is not None


def moment(text: str) -> float | None:
    """Return seconds since 1970; None for no date."""
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return None if number < _EPOCH else number / 1000.0 if number >= 1000 * _EPOCH else number
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def latest(rows: Sequence[Example], when: Mapping[str, float]) -> list[str]:
    """Return the ids of the latest third of the rows, in their order: more or fewer where many have one moment, none where most do."""
    moments = sorted(when[e.id] for e in rows)
    cut = moments[len(moments) - max(1, round(len(moments) / 3))]
    found = [[e.id for e in rows if when[e.id] >= cut], [e.id for e in rows if when[e.id] > cut]]
    return next((ids for ids in found if len(rows) / 6 <= len(ids) <= len(rows) / 2), [])


def in_order(
    blocks: Sequence[Sequence[int]], rows: Sequence[Example], when: Mapping[str, float], shares: Mapping[str, float]
) -> list[str]:
    """Return the part of each block of rows that must stay together: the earliest go to the first part, by their latest row each, until
    it has its share."""
    order = sorted(range(len(blocks)), key=lambda b: (max(when[rows[i].id] for i in blocks[b]), rows[blocks[b][0]].id))
    ends, total = [], 0.0
    for share in shares.values():
        total += share * len(rows)
        ends.append(total)
    parts, names, done = [""] * len(blocks), list(shares), 0
    for b in order:
        middle = done + len(blocks[b]) / 2.0
        parts[b] = names[next(i for i, end in enumerate(ends) if middle <= end or i == len(ends) - 1)]
        done += len(blocks[b])
    return parts
