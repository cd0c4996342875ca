"""The nine factors of the decision matrix: what is known of each before a climb, and by whom."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rung.stats.sizes import NEEDS, RULE_OF_THUMB
from rung.types import Example, Task

Source = Literal["measured", "data", "told", "assumed"]
FACTORS: Mapping[str, str] = {
    "knowledge_external": "Knowledge is external",
    "style_matters": "Style or format matters",
    "data_changes_often": "Data changes often",
    "low_latency": "Low latency needed",
    "few_examples": f"Fewer than {RULE_OF_THUMB} examples",
    "cost_must_fall": "Cost must fall",
    "task_is_narrow": "Task is narrow",
    "task_is_general": "Task is general",
    "explainability": "Explainability needed",
}
QUESTIONS: Mapping[str, str] = {
    "knowledge_external": "Does a right answer need facts that stand neither in the input nor in the model (your documents, prices, rules)?",
    "style_matters": "Must answers keep an exact form or a certain tone?",
    "data_changes_often": "Do facts in the answers change more often than you would want to train again?",
    "low_latency": "Must an answer come within about a second or two?",
    "cost_must_fall": "Must the cost of a request fall?",
    "task_is_narrow": "Is it one kind of request, asked again and again?",
    "task_is_general": "May users ask for almost anything?",
    "explainability": "Must an answer show where it comes from?",
}
FAST_S = 2.0  # a limit on the 95th percentile up to this means that latency matters
FEW_LABELS = 50
QUOTED_SHARE = 0.8  # of a target's words found in the input, and of the rows with such a target
MANY_REQUESTS = 100_000  # a month, from which the cost of a request matters
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Fact:
    """Whether a factor holds (None: unknown), in words, and where that comes from."""

    factor: str
    holds: bool | None
    words: str
    source: Source


@dataclass(frozen=True)
class Situation:
    """What the file and the rows say before anything is measured. `requests_per_month` None: not told."""

    task: Task
    train_rows: int
    documents: bool = False
    requests_per_month: int | None = None
    facts_change: str | None = None  # "often", "rarely"
    scope: str | None = None  # "narrow", "general"
    quoted: float | None = None  # share of rows whose target stands in the input; None: not looked at


def quoted_share(rows: Sequence[Example]) -> float | None:
    """Return the share of rows whose expected output is made of words of the input; None without rows."""
    if not rows:
        return None
    return sum(_quotes(row) for row in rows) / len(rows)


def _quotes(row: Example) -> bool:
    wanted = [w.casefold() for w in _WORD.findall(_content(row.target))]
    given = {w.casefold() for w in _WORD.findall(row.text)}
    return bool(wanted) and sum(w in given for w in wanted) >= QUOTED_SHARE * len(wanted)


def _content(target: str) -> str:
    """Return the values of a JSON answer, whose keys stand in no input; any other answer as it is."""
    if not target.lstrip().startswith(("{", "[")):
        return target
    try:
        return " ".join(_leaves(json.loads(target)))
    except ValueError:
        return target


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)


def facts(situation: Situation, told: Mapping[str, bool] | None = None) -> tuple[Fact, ...]:
    """Return the nine factors: what the user told wins, then what the data show, then what the kind of task suggests."""
    answers = told or {}
    found = []
    for factor in FACTORS:
        if factor in answers and factor != "few_examples":
            found.append(Fact(factor, answers[factor], "yes" if answers[factor] else "no", "told"))
        else:
            found.append(_FINDERS[factor](situation))
    return tuple(found)


def open_questions(found: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return the facts that only the user can tell: unknown, or assumed from the kind of task."""
    return tuple(f for f in found if f.source == "assumed" and f.factor in QUESTIONS)


def _knowledge(s: Situation) -> Fact:
    name = "knowledge_external"
    if s.documents:
        return Fact(name, True, "documents are configured", "told")
    if s.task.kind == "classification":
        return Fact(name, False, "the answers are labels", "data")
    if s.quoted is not None and s.quoted >= QUOTED_SHARE:
        return Fact(name, False, f"{s.quoted:.0%} of the expected outputs stand in the input", "data")
    if s.task.kind == "knowledge":
        return Fact(name, True, "a question-answering task whose answers do not stand in the input", "data")
    return Fact(name, None, "not told", "assumed")


def _style(s: Situation) -> Fact:
    if s.task.kind not in ("style", "extraction", "classification"):
        return Fact("style_matters", None, "not told", "assumed")
    words = f"a task of kind {s.task.kind}, judged by {s.task.metrics[0].name}"
    return Fact("style_matters", s.task.kind != "classification", words, "data")


def _changes(s: Situation) -> Fact:
    if s.facts_change is None:
        return Fact("data_changes_often", None, "not told", "assumed")
    return Fact("data_changes_often", s.facts_change == "often", f"facts change {s.facts_change}", "told")


def _latency(s: Situation) -> Fact:
    limit = s.task.limits.p95_latency_s
    if limit is None:
        return Fact("low_latency", None, "no limit is set", "assumed")
    return Fact("low_latency", limit <= FAST_S, f"limit {limit:g} s at the 95th percentile", "told")


def _few(s: Situation) -> Fact:
    need = NEEDS[s.task.kind]
    words = f"{s.train_rows:,} training examples; tuning {s.task.kind} wants {need.minimum:,}, better {need.ideal:,}"
    return Fact("few_examples", s.train_rows < max(RULE_OF_THUMB, need.minimum), words, "data")


def _cost(s: Situation) -> Fact:
    limit = s.task.limits.cost_per_1k_usd
    if limit is not None:
        return Fact("cost_must_fall", True, f"limit ${limit:g} per 1,000 requests", "told")
    if s.task.objective == "cheapest":
        return Fact("cost_must_fall", True, "the run seeks the cheapest", "told")
    if s.requests_per_month is not None:
        many = s.requests_per_month >= MANY_REQUESTS
        return Fact("cost_must_fall", many, f"{s.requests_per_month:,} requests a month", "told")
    return Fact("cost_must_fall", None, "neither limit nor volume is told", "assumed")


def _narrow(s: Situation) -> Fact:
    if s.scope is not None:
        return Fact("task_is_narrow", s.scope == "narrow", f"scope {s.scope}", "told")
    labels = s.task.labels
    if labels is not None:
        return Fact("task_is_narrow", len(labels) <= FEW_LABELS, f"{len(labels)} labels", "data")
    if s.task.kind in ("extraction", "style"):
        return Fact("task_is_narrow", True, f"a task of kind {s.task.kind}", "data")
    return Fact("task_is_narrow", None, "not told", "assumed")


def _general(s: Situation) -> Fact:
    if s.scope is not None:
        return Fact("task_is_general", s.scope == "general", f"scope {s.scope}", "told")
    if s.task.kind in ("classification", "extraction", "style"):
        return Fact("task_is_general", False, f"a task of kind {s.task.kind}", "data")
    return Fact("task_is_general", None, "not told", "assumed")


def _explain(s: Situation) -> Fact:
    return Fact("explainability", None, "not told", "assumed")


_FINDERS = {
    "knowledge_external": _knowledge,
    "style_matters": _style,
    "data_changes_often": _changes,
    "low_latency": _latency,
    "few_examples": _few,
    "cost_must_fall": _cost,
    "task_is_narrow": _narrow,
    "task_is_general": _general,
    "explainability": _explain,
}
