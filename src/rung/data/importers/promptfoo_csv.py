"""promptfoo's tests as a table: columns are variables, `__expected`, `__expected2` ... assertions, further `__` columns of promptfoo.

Schema: https://www.promptfoo.dev/docs/configuration/test-cases (CSV format; checked 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rung.data.assertions import assertion_of
from rung.data.cells import RawRow
from rung.data.importers.base import Found, Importer, Source, plain
from rung.data.importers.promptfoo import promptfoo_rows

_EXPECTED = re.compile(r"__expected(\d{0,3})")
_THRESHOLD = re.compile(r"__config:__expected(\d{0,3}):threshold")
_KEPT = "__metadata:"  # columns that stay beside the variables; no column that begins with __ is taken for an input
_NOT_READ = {
    "__prefix": "texts before the prompt (__prefix)",
    "__suffix": "texts after the prompt (__suffix)",
    "__metric": "names for scores (__metric)",
    "__threshold": "scores that are enough to pass (__threshold)",
    "__providers": "filters by provider (__providers)",
}


def recognise(source: Source) -> str | None:
    if source.alone or not source.head or not all(any(map(_EXPECTED.fullmatch, row.cells)) for row in source.head):
        return None
    return "it has columns of assertions (__expected)"


def read(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield one row a test, as from promptfoo's own configuration. Raises DataError where no test has what rung can check."""
    rows = list(source.records())
    tests = [_test(row.cells, found) for row in rows]
    kept = [{name: value for name, value in row.cells.items() if name.startswith(_KEPT)} for row in rows]
    lines = tuple(RawRow(row.line, {}) for row in rows)
    beside = dict(zip((row.line for row in rows), kept, strict=True))
    for row in promptfoo_rows((RawRow(1, {"tests": tests}, whole=True), *lines), source.file, found):
        row.cells.update(beside[row.line])
        yield row


def _test(cells: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """Return a row as a test. What nothing becomes of is counted."""
    asserted: dict[int, dict[str, Any]] = {}
    thresholds: dict[int, float] = {}
    test: dict[str, Any] = {"vars": {}}
    for name, value in cells.items():
        text = (plain(value) or "").strip()
        if not name.startswith("__"):
            test["vars"][name] = value
        elif not text or name.startswith(_KEPT):
            continue
        elif (place := _EXPECTED.fullmatch(name)) is not None:
            asserted[int(place[1] or 1)] = assertion_of(text)
        elif name == "__description":
            test["description"] = text
        elif (place := _THRESHOLD.fullmatch(name)) is not None and _is_number(text):
            thresholds[int(place[1] or 1)] = float(text)
        else:
            found.leave(_NOT_READ.get(name, f"values of {name[:60]}"))
    for number, threshold in thresholds.items():
        if number in asserted:
            asserted[number]["threshold"] = threshold
    test["assert"] = [asserted[number] for number in sorted(asserted)]
    return test


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) is not None


IMPORTER = Importer("promptfoo tests", recognise, read)
