"""The decision matrix: nine factors against prompting, retrieval and fine-tuning; the rule of thumb beside the evidence.

A leaning is -2 (speaks strongly against a column) to +2 (strongly for it). The rule of thumb is what teams say by hand; a
cell that a climb measured keeps both, so that the two can disagree in the open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rung.data.audit.sizes import NEEDS
from rung.decide.factors import FACTORS, Fact, Source
from rung.types import Cause, Comparison, KnowledgeSplit, Result, Task, Verdict

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "prompting": ("prompt", "fewshot"),
    "rag": ("rag",),
    "finetune": ("finetune", "scratch"),
}
TITLES: Mapping[str, str] = {"prompting": "Prompting, few-shot", "rag": "RAG", "finetune": "Fine-tuning"}
THUMB: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "knowledge_external": {
        "prompting": (-1, "only what fits into the prompt"),
        "rag": (2, "looks it up and names its source"),
        "finetune": (-1, "no way to teach facts"),
    },
    "style_matters": {
        "prompting": (1, "instructions and examples go far"),
        "rag": (0, "no help with form"),
        "finetune": (2, "learns a form for good"),
    },
    "data_changes_often": {
        "prompting": (1, "edit the prompt"),
        "rag": (2, "replace a document, no training"),
        "finetune": (-2, "must be trained again"),
    },
    "low_latency": {
        "prompting": (0, "one call; long prompts take longer"),
        "rag": (-1, "a search and a longer prompt"),
        "finetune": (2, "a small model, a short prompt"),
    },
    "few_examples": {
        "prompting": (2, "needs a handful"),
        "rag": (1, "needs documents, not examples"),
        "finetune": (-2, "likely to overfit"),
    },
    "cost_must_fall": {
        "prompting": (0, "every token is paid each time"),
        "rag": (-1, "passages are paid each time"),
        "finetune": (2, "a small model does the work"),
    },
    "task_is_narrow": {
        "prompting": (1, "easy to describe"),
        "rag": (0, "neither here nor there"),
        "finetune": (2, "what small tuned models are good at"),
    },
    "task_is_general": {
        "prompting": (2, "keeps the model's breadth"),
        "rag": (1, "breadth with facts"),
        "finetune": (-2, "loses breadth"),
    },
    "explainability": {
        "prompting": (0, "the prompt can be read, the answer not traced"),
        "rag": (2, "every answer with its passages"),
        "finetune": (-1, "weights explain nothing"),
    },
}
MANY_UNKNOWN = 0.2  # share of dev failures for want of knowledge that speaks against prompting
AS_FAST = 1.1  # times the fastest column: as fast as that


@dataclass(frozen=True)
class Measured:
    """What a climb measured of one rung.

    `over`: its comparison with the rung below; `knowledge`: dev rows that failed for want of it; `split`: dev rows asked
    closed book and with passages.
    """

    label: str
    result: Result
    over: Comparison | None = None
    knowledge: Cause | None = None
    split: KnowledgeSplit | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One factor for one column: the rule of thumb, what the evidence says (None: nothing), the value shown, its source."""

    column: str
    thumb: int
    evidence: int | None
    value: str
    source: Source | None  # None: a rule of thumb alone

    @property
    def leaning(self) -> int:
        """The evidence where there is some, else the rule of thumb."""
        return self.thumb if self.evidence is None else self.evidence

    @property
    def disagrees(self) -> bool:
        """Whether the evidence points the other way than the rule of thumb."""
        return self.evidence is not None and self.thumb * self.evidence < 0


@dataclass(frozen=True)
class Row:
    """One factor with its three cells; only a factor that holds counts."""

    fact: Fact
    cells: tuple[Cell, ...]

    @property
    def title(self) -> str:
        return FACTORS[self.fact.factor]


@dataclass(frozen=True)
class Matrix:
    """The whole matrix. `by_thumb` and `by_evidence` name a column; None: nothing speaks for one."""

    rows: tuple[Row, ...]
    by_thumb: str | None
    by_evidence: str | None
    measured: tuple[str, ...]
    disagreements: tuple[str, ...]

    def total(self, column: str, *, thumb: bool = False) -> int:
        """Return the sum of a column over the factors that hold."""
        held = [c for r in self.rows if r.fact.holds for c in r.cells if c.column == column]
        return sum(c.thumb if thumb else c.leaning for c in held)

    @property
    def sentence(self) -> str:
        """Say what the rule of thumb and the evidence advise."""
        thumb = f"The rule of thumb says {TITLES[self.by_thumb]}" if self.by_thumb else "The rule of thumb names none"
        if not self.measured:
            return f"{thumb}; nothing was measured yet."
        if self.by_evidence is None:
            return f"{thumb}; what was measured shows no column to be good enough."
        if self.by_evidence == self.by_thumb:
            return f"{thumb}, and the evidence agrees."
        return f"{thumb}; the evidence says {TITLES[self.by_evidence]}."


def column_of(label: str | None) -> str | None:
    """Return the column of a rung's label; None for a rung without one (the baseline) or no label."""
    name = (label or "").split("@")[0]
    return next((column for column, rungs in COLUMNS.items() if name in rungs), None)


def matrix(
    facts: Sequence[Fact],
    task: Task,
    train_rows: int,
    measured: Sequence[Measured] = (),
    verdict: Verdict | None = None,
) -> Matrix:
    """Lay the facts and, after a climb, the evidence out as a matrix."""
    best = {c: m for c in COLUMNS if (m := _best(measured, c, task)) is not None}
    rows = tuple(Row(f, tuple(_cell(f, c, best, task, train_rows) for c in COLUMNS)) for f in facts)
    found = Matrix(rows, None, None, tuple(m.label for m in measured), ())
    totals = {c: found.total(c, thumb=True) for c in COLUMNS}
    top = max(totals.values())
    by_thumb = next(c for c, total in totals.items() if total == top) if any(totals.values()) else None
    by_evidence = column_of((verdict.winner or verdict.lean) if verdict else None)
    rungs = {c: m.label for c, m in best.items()}
    return Matrix(
        rows, by_thumb, by_evidence, found.measured, tuple(_disagreements(rows, by_thumb, by_evidence, rungs, verdict))
    )


def _best(measured: Sequence[Measured], column: str, task: Task) -> Measured | None:
    """Return the column's rung: the lowest that is good enough, else the one with the highest estimate."""
    own = [m for m in measured if column_of(m.label) == column and task.metrics[0].name in m.result.estimates]
    good = next((m for m in own if m.result.good_enough), None)
    return good or max(own, key=lambda m: m.result.estimates[task.metrics[0].name].point, default=None)


def _cell(fact: Fact, column: str, best: Mapping[str, Measured], task: Task, train_rows: int) -> Cell:
    thumb, words = THUMB[fact.factor][column]
    if fact.factor == "few_examples" and column == "finetune":
        return _rows_for_tuning(thumb, task, train_rows)
    finder = _EVIDENCE.get(fact.factor)
    seen = finder(best[column], column, best, task) if finder is not None and column in best else None
    if seen is None:
        return Cell(column, thumb, None, words, None)
    evidence, value = seen
    return Cell(column, thumb, evidence, value, "measured")


def _rows_for_tuning(thumb: int, task: Task, rows: int) -> Cell:
    need = NEEDS[task.kind]
    if rows >= need.ideal:
        return Cell("finetune", thumb, 2, f"{rows:,} training rows: the ideal of {need.ideal:,} is reached", "data")
    leaning, side = (-2, "below") if rows < need.minimum else (1, "above")
    words = f"{rows:,} training rows: {side} the minimum of {need.minimum:,} for {task.kind}"
    return Cell("finetune", thumb, leaning, words, "data")


Seen = tuple[int, str] | None


def _knowledge(own: Measured, column: str, best: Mapping[str, Measured], task: Task) -> Seen:
    split = next((m.split for m in best.values() if m.split is not None), None)
    if split is not None and column in ("prompting", "rag"):
        return _known(split, column, task)
    if column == "prompting":
        if own.knowledge is None:
            return None
        share, n = own.knowledge.share, own.knowledge.share.n
        leaning = -1 if (share.mean or 0.0) > MANY_UNKNOWN else 1
        return leaning, f"{own.knowledge.count} of {n} failures at {own.label} for want of knowledge"
    return _gain(own, task)


def _known(split: KnowledgeSplit, column: str, task: Task) -> Seen:
    """Read the rows that were asked both ways: what is right closed book needs no documents."""
    seen = split.closed if column == "prompting" else split.retrieved
    apart = split.retrieved.low > split.closed.high
    leaning = (2 if column == "rag" else -1) if apart else 0 if column == "rag" else 1
    words = "closed book" if column == "prompting" else "with passages"
    return leaning, f"dev rows right {words}: {seen}"


def _gain(own: Measured, task: Task) -> Seen:
    if own.over is None:
        return None
    gain, real = own.over, own.over.p_adjusted < task.alpha
    leaning = (2 if gain.gain > 0 else -2) if real else 0
    word = "" if real else ", not shown"
    return leaning, f"{own.label} {gain.gain:+.3f} over {gain.lower} (n={gain.n}{word})"


def _form(own: Measured, column: str, best: Mapping[str, Measured], task: Task) -> Seen:
    form = own.result.estimates.get("format")
    if form is None:
        return None
    leaning = 2 if form.low >= task.goal else -1 if form.high < task.goal else 1 if form.point >= task.goal else 0
    return leaning, f"right form at {own.label}: {form}"


def _latency(own: Measured, column: str, best: Mapping[str, Measured], task: Task) -> Seen:
    seconds, limit = own.result.p95_latency_s, task.limits.p95_latency_s
    if seconds is None:
        return None
    if limit is not None:
        return (1 if seconds <= limit else -2), f"{own.label}: p95 {seconds:.2g} s, limit {limit:g} s"
    return _against_least(own, seconds, [m.result.p95_latency_s for m in best.values()], f"p95 {seconds:.2g} s")


def _cost(own: Measured, column: str, best: Mapping[str, Measured], task: Task) -> Seen:
    usd, limit = own.result.cost_per_1k_usd, task.limits.cost_per_1k_usd
    if usd is None:
        return None
    if limit is not None:
        return (1 if usd <= limit else -2), f"{own.label}: ${usd:.2g} per 1,000, limit ${limit:g}"
    return _against_least(own, usd, [m.result.cost_per_1k_usd for m in best.values()], f"${usd:.2g} per 1,000")


def _against_least(own: Measured, value: float, all_values: Sequence[float | None], words: str) -> Seen:
    known = [v for v in all_values if v is not None]
    if len(known) < 2:
        return 0, f"{own.label}: {words}"
    least = value <= AS_FAST * min(known)
    return (
        1 if least else -1
    ), f"{own.label}: {words}, {'the least' if least else 'more than another'} of those measured"


def _quality(own: Measured, column: str, best: Mapping[str, Measured], task: Task) -> Seen:
    leaning = {"met": 2, "unclear": 0, "not_met": -1}[own.result.quality.status]
    words = {"met": "goal met", "unclear": "unclear", "not_met": "goal not met"}[own.result.quality.status]
    return leaning, f"{own.label}: {words}, {own.result.estimates[task.metrics[0].name]}"


_EVIDENCE = {
    "knowledge_external": _knowledge,
    "style_matters": _form,
    "low_latency": _latency,
    "few_examples": _quality,
    "cost_must_fall": _cost,
    "task_is_narrow": _quality,
}


def _disagreements(
    rows: Sequence[Row],
    by_thumb: str | None,
    by_evidence: str | None,
    rungs: Mapping[str, str],
    verdict: Verdict | None,
) -> list[str]:
    found = []
    if by_thumb and by_evidence and by_thumb != by_evidence:
        chosen = (verdict.winner or verdict.lean) if verdict else None
        word = "the climb met the goal at" if verdict and verdict.winner else "the climb leans to"
        found.append(f"The rule of thumb says {TITLES[by_thumb]}; {word} {chosen} ({TITLES[by_evidence]}).")
    for row in rows:
        for cell in row.cells if row.fact.holds else ():
            if cell.disagrees:
                side = "for" if cell.thumb > 0 else "against"
                found.append(
                    f"{row.title}: a rule of thumb speaks {side} {TITLES[cell.column]}, the evidence does not ({cell.value})."
                )
    return found
