"""Assertions of promptfoo: which hold an expected output, and which only look at an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rung.data.cells import RawRow
from rung.errors import DataError

REFERENCES = (  # assertions whose value is the expected output
    *("equals", "contains", "icontains", "starts-with", "similar", "levenshtein", "rouge-n", "bleu", "gleu", "meteor"),
    *("factuality", "model-graded-factuality", "answer-relevance"),
)
ASSERTIONS = "__assert"  # the column with a test's assertions, which the metric `assertions` checks
CHECKED = frozenset(  # those that the metric `assertions` checks, alone or after "not-"
    "equals contains icontains contains-all contains-any icontains-all icontains-any starts-with regex is-json contains-json "
    "levenshtein word-count".split()
)
_OTHERS = frozenset(
    "contains-all contains-any icontains-all icontains-any regex is-json contains-json is-sql contains-sql is-xml contains-xml "
    "is-html contains-html is-refusal llm-rubric g-eval model-graded-closedqa javascript fn eval python ruby file http https "
    "webhook cost latency perplexity perplexity-score context-recall context-faithfulness context-relevance "
    "conversation-relevance grade classifier moderation guardrails select-best max-score pi assert-set finish-reason "
    "tool-call-f1 word-count search-rubric agent-rubric is-valid-openai-tools-call is-valid-openai-function-call "
    "is-valid-function-call trace-span-count trace-span-duration trace-error-spans skill-used".split()
)
_FAMILIES = ("is-", "contains-", "icontains-", "model-graded-", "context-", "llm-", "trace-", "trajectory")
_ASSERTION = re.compile(r"(not-)?([a-z][a-z0-9-]{0,60})(?:\([\d.]{1,20}\))?(?::(.*))?", re.DOTALL)
_ALONE = ("is-", "contains-")  # need no value: "is-json"
_EXPECTED = re.compile(r"__expected(\d{0,3})")


def expected_of(cells: Mapping[str, Any], row: RawRow, file: str) -> str | None:
    """Return the expected output in promptfoo's columns `__expected`, `__expected1` ...; None where there is no such column.

    Raises DataError where all of them only look at an answer.
    """
    columns = sorted((int(m[1] or 0), c) for c in cells if (m := _EXPECTED.fullmatch(c)))
    others = []
    for _, column in columns:
        text = str(cells[column] if cells[column] is not None else "")
        kind, value = _read(text)
        if kind is None and (value.strip() or len(columns) == 1):
            return value
        if kind is not None:
            others.append((column, kind))
    if not others:
        return "" if columns else None
    column, kind = others[0]
    raise DataError(
        f"the assertion {kind} names no expected output; write the output itself, or one of "
        f"{', '.join(REFERENCES[:4])} before it",
        file=file,
        **row.place(column),
    )


def without_expected(cells: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cells.items() if not _EXPECTED.fullmatch(name)}


def _read(text: str) -> tuple[str | None, str]:
    """Return the kind of an assertion that is no expected output, or None and the output: "paris", "equals: paris"."""
    found = _ASSERTION.fullmatch(text.strip())
    if found is None:
        return None, text
    negated, kind, value = found[1] or "", found[2], found[3]
    known = kind in REFERENCES or kind in _OTHERS or kind.startswith(_FAMILIES)
    if value is None:
        return (negated + kind, "") if known and kind.startswith(_ALONE) else (None, text)
    if not known:
        return None, text
    return (None, value.strip()) if kind in REFERENCES and not negated else (negated + kind, "")
