"""How a file of delimited rows is written: found out from its first rows, for examples and documents alike."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

SEPARATORS = ",;\t|"
LOOKED_AT = 50  # lines
_LONGEST_LOOK = 1 << 16  # characters
_SEP_LINE = re.compile(r"\"?sep=(.)\"?[\"\s]*", re.IGNORECASE)  # of a spreadsheet program; no part of the rows


def separator_line(line: str) -> str | None:
    """Return the separator that a first line such as "sep=;" names; None for any other line."""
    found = _SEP_LINE.fullmatch(line[:20].rstrip("\r\n"))
    return found[1] if found else None


def separator_of(lines: Sequence[str], default: str) -> str:
    """Return the separator by which the first lines of a file are parted best.

    Best is what parts the header and gives every row as many cells as the header; of several such, `default`, then the one with
    most cells. Where none does, the one that stands most often in the header.
    """
    header = next((line for line in lines if line.strip()), "")
    candidates = [s for s in SEPARATORS if s in header]
    if default not in SEPARATORS or not candidates:
        return default
    best = max(candidates, key=lambda s: (*_fit(lines, s), s == default, header.count(s)))
    return best


def _fit(lines: Sequence[str], separator: str) -> tuple[bool, float]:
    """Return whether the lines are a table with this separator, and the share of rows that are as wide as the header."""
    sample, length = [], 0
    for line in lines[:LOOKED_AT]:
        length += len(line)
        if length > _LONGEST_LOOK:
            break
        sample.append(line)
    widths = []
    try:
        widths = [len(row) for row in csv.reader(sample, delimiter=separator) if any(row)]
    except csv.Error:
        return False, 0.0
    if len(widths) > 2 and len(sample) == LOOKED_AT:
        widths.pop()  # may be half a row
    if not widths or widths[0] < 2:
        return False, 0.0
    alike = sum(width == widths[0] for width in widths) / len(widths)
    return alike == 1.0, alike
