"""Tasks whose examples have no expected answers: which metrics can judge them, and what else they cannot have."""

from __future__ import annotations

from collections.abc import Sequence

from rung.types import MetricSpec

COMPARING = (  # built-in metrics that say nothing without an expected answer
    *("exact_match", "normalized_match", "token_f1", "json_fields", "numeric", "rouge_l", "chrf", "similarity", "sql"),
    *("contains", "citations", "assertions", "macro_f1", "balanced_accuracy", "label_f"),
)
_WAYS = "name the column with the expected output as task.target, or"


def check_expected(target: str, accepted: Sequence[str], kind: str, metrics: Sequence[MetricSpec]) -> None:
    """Raise ValueError for a task without a target column that needs one."""
    if target:
        return
    if accepted:
        raise ValueError(
            f"accepted_answers are further right answers, and there is no first one: {_WAYS} leave them out"
        )
    if not metrics:
        raise ValueError(
            f"without expected answers the default metric has nothing to compare with: {_WAYS} name a metric that does "
            "without, such as {judge: {rubric: what makes an answer good}}"
        )
    if kind in ("classification", "extraction"):
        raise ValueError(f"kind {kind} is a matter of expected answers: {_WAYS} leave the kind away")
    first = metrics[0]
    compares = first.plugin == "judge" and first.settings.get("mode") == "compare"
    if compares or (first.plugin in COMPARING and not first.settings.get("texts")):
        what = "the judge's mode `compare`" if compares else f"the metric {first.name}"
        raise ValueError(f"{what} compares with expected answers: {_WAYS} judge by a rubric, a pattern or a function")
