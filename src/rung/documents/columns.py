"""Columns of text that a page draws line by line, across all of them: which lines belong to which column.

Most programs draw one column after the other, and the order of drawing is that of reading. Here lines of different columns would
be mixed. A table, too, is drawn row by row, and stays so: only text that runs on from line to line is put into columns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

Start = tuple[float, float]  # where a piece of text begins: from the left and from the bottom, in points
FEWEST = 6  # lines that show the columns
APART = 90.0  # points between the left edges of two columns
LONG = 20  # characters of a usual line of a column
RUNS_ON = 0.35  # share of lines that go on in the next one; in tables few do
_GAP = re.compile(" {3,}")
_ENDED = re.compile(r"[.?!:;。！？।]['\"”’)\]]*$")


def columns_of(starts: Sequence[Start]) -> int:
    """Return how many columns a page seems to draw line by line: 1 where its order of drawing is no such one."""
    lines: list[list[float]] = []
    height = None
    for x, y in starts:
        if height is None or abs(y - height) > 1.0:
            lines.append([])
            height = y
        lines[-1].append(x)
    edges: Counter[int] = Counter()
    for line in lines:
        edges.update({round(x / 3) for x in line[1:] if x > line[0] + APART})
    common = sorted(3 * edge for edge, n in edges.items() if n >= FEWEST and n >= 0.5 * len(lines))
    return 1 + sum(1 for n, edge in enumerate(common) if n == 0 or edge > common[n - 1] + APART)


def by_columns(layout: str, columns: int) -> str | None:
    """Return the text column by column. `layout`: the page as lines, with runs of blanks between what stands apart.

    None where the lines are no text in so many columns.
    """
    lines = layout.split("\n")
    full = [cells for line in lines if len(cells := _cells(line, columns)) == columns]
    if columns < 2 or len(full) < FEWEST:
        return None
    edges = [median(cells[n][0] for cells in full) for n in range(columns)]
    told: list[list[str]] = [[] for _ in range(columns)]
    for line in lines:
        for at, text in _cells(line, columns):
            told[min(range(columns), key=lambda n: abs(edges[n] - at))].append(text)
    if not all(median(len(cells[n][1]) for cells in full) >= LONG and _runs_on(told[n]) for n in range(columns)):
        return None
    return "\n".join(text for column in told for text in column)


def _cells(line: str, columns: int) -> list[tuple[int, str]]:
    """Return the pieces of a line with their places: it is cut at its widest gaps."""
    text, at = line.strip(), len(line) - len(line.lstrip())
    gaps = sorted(_GAP.finditer(text), key=lambda gap: gap.start() - gap.end())[: columns - 1]
    cuts = [(0, 0), *sorted(gap.span() for gap in gaps), (len(text), len(text))]
    return [(at + a[1], " ".join(text[a[1] : b[0]].split())) for a, b in pairwise(cuts) if text]


def _runs_on(column: Sequence[str]) -> bool:
    """Whether the lines of a column are one text: many do not end a sentence, and the next begins in its middle."""
    return len(column) > 1 and sum(_goes_on(column)) >= RUNS_ON * (len(column) - 1)


def _goes_on(column: Sequence[str]) -> Iterator[bool]:
    for one, two in pairwise(column):
        yield not _ENDED.search(one) and not two[0].isupper() and not two[0].isdigit()
