"""The decision matrix: nine factors against prompting, retrieval and fine-tuning; the rule of thumb beside the evidence.

A leaning is -2 (speaks strongly against a column) to +2 (strongly for it). The rule of thumb is what teams say by hand; a
cell that a climb measured keeps both, so that the two can disagree in the open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from rung.decide.factors import FACTORS, Fact, Source
from rung.decide.headline import approach
from rung.decide.limits import latency
from rung.stats.sizes import NEEDS
from rung.types import FORMAT, Cause, Comparison, KnowledgeSplit, Result, Task, Verdict
from rung.usual_names import shown_name

COLUMNS: tuple[str, ...] = ("prompting", "rag", "finetune")
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
class MatrixInput:
    """What a climb measured of one rung.

    `over`: its comparison with the rung below; `knowledge`: dev rows that failed for want of it; `split`: dev rows asked
    closed book and with passages; `column`: where it stands, None where it asks no model or is what the user has already;
    `rejected`: it reaches the goal, and the verdict is that none does what is asked.
    """

    label: str
    result: Result
    over: Comparison | None = None
    knowledge: Cause | None = None
    split: KnowledgeSplit | None = None
    column: str | None = None
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class MatrixCell:
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
class MatrixRow:
    """One factor with its three cells; only a factor that holds counts."""

    fact: Fact
    cells: tuple[MatrixCell, ...]

    @property
    def title(self) -> str:
        return FACTORS[self.fact.factor]


@dataclass(frozen=True)
class Matrix:
    """The whole matrix. `by_thumb` and `by_evidence` name a column; None: nothing speaks for one.

    `winner`: the rung that the verdict names, whose column is `by_evidence`; without one that is a leaning only. `met_by`: the
    winner in words.
    """

    rows: tuple[MatrixRow, ...]
    by_thumb: str | None
    by_evidence: str | None
    measured: tuple[str, ...]
    disagreements: tuple[str, ...]
    winner: str | None = None
    met_by: str | None = None

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
        if self.winner is not None and self.by_evidence is None:
            return f"{thumb}; the goal was met by {self.met_by}, which is none of these."
        if self.winner is None and self.by_evidence is not None:
            return f"{thumb}; the evidence favours {TITLES[self.by_evidence]}, and the verdict is open."
        if self.by_evidence is None:
            return f"{thumb}; what was measured shows no column to be good enough."
        if self.by_evidence == self.by_thumb:
            return f"{thumb}, and the evidence agrees."
        return f"{thumb}; the evidence says {TITLES[self.by_evidence]}."


def column_for(*, trains: bool, asks: bool, fixes: Collection[str]) -> str | None:
    """Return the column of a rung by its traits; None where it asks no model (the baseline)."""
    if trains:
        return "finetune"
    return "rag" if "knowledge" in fixes else "prompting" if asks else None


def matrix(
    facts: Sequence[Fact],
    task: Task,
    train_rows: int,
    measured: Sequence[MatrixInput] = (),
    verdict: Verdict | None = None,
) -> Matrix:
    """Lay the facts and, after a climb, the evidence out as a matrix."""
    measured = [replace(m, rejected=_rejected(m, verdict)) for m in measured]
    best = {c: m for c in COLUMNS if (m := _best(measured, c, task)) is not None}
    rows = tuple(MatrixRow(f, tuple(_cell(f, c, best, task, train_rows) for c in COLUMNS)) for f in facts)
    found = Matrix(rows, None, None, tuple(m.label for m in measured), ())
    totals = {c: found.total(c, thumb=True) for c in COLUMNS}
    top = max(totals.values())
    by_thumb = next(c for c, total in totals.items() if total == top) if any(totals.values()) else None
    winner = verdict.winner if verdict and verdict.shown else None
    chosen = winner or _leaning(verdict)
    by_evidence = next((m.column for m in measured if m.label == chosen), None)
    rungs = {c: m.label for c, m in best.items()}
    disagreements = tuple(_disagreements(rows, by_thumb, by_evidence, rungs, verdict))
    met_by = next((approach(m.label, m.result) for m in measured if m.label == winner), None)
    return Matrix(rows, by_thumb, by_evidence, found.measured, disagreements, winner, met_by)


def _leaning(verdict: Verdict | None) -> str | None:
    """Return the rung that an open verdict leans to: a provisional winner, or the tentative pick."""
    open_still = verdict is not None and verdict.decision != "misses"
    return (verdict.winner or verdict.tentative_pick) if verdict is not None and open_still else None


def _rejected(own: MatrixInput, verdict: Verdict | None) -> bool:
    """Whether a rung reaches the goal and the verdict names none: it breaks a limit, forgets, ran by force or gains nothing."""
    return verdict is not None and verdict.decision == "misses" and own.result.quality.status == "meets"


def _best(measured: Sequence[MatrixInput], column: str, task: Task) -> MatrixInput | None:
    """Return the column's rung: the lowest that is good enough, else the one with the highest estimate."""
    own = [m for m in measured if m.column == column and task.metrics[0].name in m.result.estimates]
    good = next((m for m in own if m.result.good_enough), None)
    return good or max(own, key=lambda m: m.result.estimates[task.metrics[0].name].point, default=None)


def _cell(fact: Fact, column: str, best: Mapping[str, MatrixInput], task: Task, train_rows: int) -> MatrixCell:
    thumb, words = THUMB[fact.factor][column]
    if fact.factor == "few_examples" and column == "finetune":
        return _rows_for_tuning(thumb, task, train_rows)
    finder = _EVIDENCE.get(fact.factor)
    seen = finder(best[column], column, best, task) if finder is not None and column in best else None
    if seen is None:
        return MatrixCell(column, thumb, None, words, None)
    evidence, value = seen
    return MatrixCell(column, thumb, evidence, value, "measured")


def _rows_for_tuning(thumb: int, task: Task, rows: int) -> MatrixCell:
    need = NEEDS[task.kind]
    if rows >= need.ideal:
        return MatrixCell(
            "finetune", thumb, 2, f"{rows:,} training examples: the ideal of {need.ideal:,} is reached", "data"
        )
    leaning, side = (-2, "below") if rows < need.minimum else (1, "above")
    words = f"{rows:,} training examples: {side} the minimum of {need.minimum:,} for {task.kind}"
    return MatrixCell("finetune", thumb, leaning, words, "data")


Seen = tuple[int, str] | None


def _knowledge(own: MatrixInput, column: str, best: Mapping[str, MatrixInput], task: Task) -> Seen:
    split = next((m.split for m in best.values() if m.split is not None), None)
    if split is not None and column in ("prompting", "rag"):
        return _known(split, column, task)
    if column == "prompting":
        if own.knowledge is None:
            return None
        share, n = own.knowledge.share, own.knowledge.share.n
        leaning = -1 if (share.mean or 0.0) > MANY_UNKNOWN else 1
        return leaning, f"{own.knowledge.count} of {n} failures at {shown_name(own.label)} for want of knowledge"
    return _gain(own, task)


def _known(split: KnowledgeSplit, column: str, task: Task) -> Seen:
    """Read the rows that were asked both ways: what is right closed book needs no documents."""
    seen = split.closed if column == "prompting" else split.retrieved
    apart = split.retrieved.low > split.closed.high
    leaning = (2 if column == "rag" else -1) if apart else 0 if column == "rag" else 1
    words = "closed book" if column == "prompting" else "with passages"
    return leaning, f"dev examples right {words}: {seen}"


def _gain(own: MatrixInput, task: Task) -> Seen:
    if own.over is None:
        return None
    gain, real = own.over, own.over.p_adjusted < task.alpha
    leaning = (2 if gain.gain > 0 else -2) if real else 0
    word = "" if real else ", not shown"
    return leaning, f"{shown_name(own.label)} {gain.gain:+.3f} over {shown_name(gain.lower)} (n={gain.n}{word})"


def _form(own: MatrixInput, column: str, best: Mapping[str, MatrixInput], task: Task) -> Seen:
    form = own.result.estimates.get(FORMAT)
    if form is None:
        return None
    leaning = 2 if form.low >= task.goal else -1 if form.high < task.goal else 1 if form.point >= task.goal else 0
    return leaning, f"right form at {shown_name(own.label)}: {form}"


def _latency(own: MatrixInput, column: str, best: Mapping[str, MatrixInput], task: Task) -> Seen:
    seconds, served, limit = own.result.p95_latency_s, own.result.served, task.limits.p95_latency_s
    if limit is not None:
        if served is None or served.status is None:
            return None
        leaning = {"meets": 1, "misses": -2, "inconclusive": 0}[served.status]
        return leaning, f"{shown_name(own.label)}: {latency(own.result)}, limit {limit:g} s"
    if seconds is None:
        return None
    loaded = f"p95 {seconds:.2g} s under our own load"
    return _against_least(own, seconds, [m.result.p95_latency_s for m in best.values()], loaded)


def _cost(own: MatrixInput, column: str, best: Mapping[str, MatrixInput], task: Task) -> Seen:
    usd, limit = own.result.cost_per_1k_usd, task.limits.cost_per_1k_usd
    if usd is None:
        return None
    if limit is not None:
        return (1 if usd <= limit else -2), f"{shown_name(own.label)}: ${usd:.2g} per 1,000, limit ${limit:g}"
    return _against_least(own, usd, [m.result.cost_per_1k_usd for m in best.values()], f"${usd:.2g} per 1,000")


def _against_least(own: MatrixInput, value: float, all_values: Sequence[float | None], words: str) -> Seen:
    known = [v for v in all_values if v is not None]
    if len(known) < 2:
        return 0, f"{shown_name(own.label)}: {words}"
    least = value <= AS_FAST * min(known)
    return (
        1 if least else -1
    ), f"{shown_name(own.label)}: {words}, {'the least' if least else 'more than another'} of those measured"


def _quality(own: MatrixInput, column: str, best: Mapping[str, MatrixInput], task: Task) -> Seen:
    status = own.result.status
    leaning = 0 if own.rejected else {"meets": 2, "inconclusive": 0, "misses": -1}[status]
    words = {"meets": "goal met", "inconclusive": "inconclusive", "misses": "goal missed"}[status]
    words = "goal met, a floor missed" if status == "misses" and own.result.quality.status == "meets" else words
    words = "goal met, and yet it does not win" if own.rejected else words
    return leaning, f"{shown_name(own.label)}: {words}, {own.result.estimates[task.metrics[0].name]}"


_EVIDENCE = {
    "knowledge_external": _knowledge,
    "style_matters": _form,
    "low_latency": _latency,
    "few_examples": _quality,
    "cost_must_fall": _cost,
    "task_is_narrow": _quality,
}


def _disagreements(
    rows: Sequence[MatrixRow],
    by_thumb: str | None,
    by_evidence: str | None,
    rungs: Mapping[str, str],
    verdict: Verdict | None,
) -> list[str]:
    found = []
    if by_thumb and by_evidence and by_thumb != by_evidence:
        shown = verdict.winner if verdict and verdict.shown else None
        chosen = shown or _leaning(verdict)
        word = "the run met the goal at" if shown else "the run favours"
        found.append(
            f"The rule of thumb says {TITLES[by_thumb]}; {word} {shown_name(chosen or '')} ({TITLES[by_evidence]})."
        )
    for row in rows:
        for cell in row.cells if row.fact.holds else ():
            if cell.disagrees:
                side = "for" if cell.thumb > 0 else "against"
                found.append(
                    f"{row.title}: a rule of thumb speaks {side} {TITLES[cell.column]}, the evidence does not ({cell.value})."
                )
    return found
