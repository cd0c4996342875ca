"""Assertions of promptfoo: which hold an expected output, which only look at an answer, and how they are written as a text."""

from __future__ import annotations

import re
from typing import Any

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
_ASSERTION = re.compile(r"(not-)?([a-z][a-z0-9-]{0,60})(?:\((\d{1,9}(?:\.\d{1,9})?)\))?(?::(.*))?", re.DOTALL)
_ALONE = ("is-", "contains-")  # need no value: "is-json"


def assertion_of(text: str) -> dict[str, Any]:
    """Return an assertion that is written as a text: "equals: paris", "similar(0.8): paris", "is-json"; any other text is what equals."""
    found = _ASSERTION.fullmatch(text.strip())
    if found is None:
        return {"type": "equals", "value": text}
    negated, kind, threshold, value = found[1] or "", found[2], found[3], found[4]
    known = kind in REFERENCES or kind in _OTHERS or kind.startswith(_FAMILIES)
    if not known or (value is None and not kind.startswith(_ALONE)):
        return {"type": "equals", "value": text}
    read = {"type": negated + kind, "value": None if value is None else value.strip()}
    return read if threshold is None else {**read, "threshold": float(threshold)}
