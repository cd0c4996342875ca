"""The decision matrix of a run: facts from its configuration and rows, cells from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rung import plugins
from rung.decide.factors import Fact, Situation, facts, open_questions, quoted_share
from rung.decide.matrix import COLUMNS, TITLES, Matrix, MatrixCell, MatrixInput, MatrixRow, column_for, matrix
from rung.report import blocks as b
from rung.report.load import Report, RungReport, load_report
from rung.store.run import RunFolder
from rung.types import Comparison, Task, Verdict

SIGNS: Mapping[int, str] = {2: "++", 1: "+", 0: "·", -1: "−", -2: "−−"}
WORDS: Mapping[int, str] = {
    2: "strongly for",
    1: "for",
    0: "neither for nor against",
    -1: "against",
    -2: "strongly against",
}
SOURCES: Mapping[str | None, str] = {
    "measured": "measured",
    "data": "from the data",
    "told": "told",
    "assumed": "not known",
    None: "rule of thumb",
}


def section(report: Report, ids: b.Ids) -> b.Section:
    """Return the decision matrix."""
    found = matrix_of(report)
    heads = b.columns("Factor", "Holds", *TITLES.values())
    total = (
        "All factors that hold",
        "",
        *((f"{found.total(c):+d}", b.small(f"rule of thumb alone {found.total(c, thumb=True):+d}")) for c in COLUMNS),
    )
    inner: list[b.Block] = [
        b.Text(
            "A factor counts where it holds. A cell shows what was measured here, else what teams say by hand.", "intro"
        )
    ]
    inner += [b.Bullets(found.disagreements, "plain disagreements")] if found.disagreements else []
    inner.append(b.Table(heads, [*(_line(row) for row in found.rows), b.Row(total, style="total")], "cards matrix"))
    ask = f"rung advise {report.inside} asks for what only you can tell. The verdict above rests on the measurements, never on this table."
    inner.append(b.Text(f"++ strongly for, + for, · neither, − against, −− strongly against. {ask}", "soft small"))
    return b.Section(
        "advice",
        "Advice",
        "Rule of thumb and evidence",
        (b.Text(found.sentence, "intro told"), b.Fold("", inner, style="bare")),
    )


def _line(row: MatrixRow) -> b.Row:
    holds = "not known" if row.fact.holds is None else "yes" if row.fact.holds else "no"
    held: b.Words = (b.bold(holds), b.small(f"{row.fact.words} · {SOURCES[row.fact.source]}"))
    return b.Row((row.title, held, *map(_cell, row.cells)), style="holds" if row.fact.holds else "aside-row")


def _cell(cell: MatrixCell) -> b.Words:
    other = f"; the rule of thumb says {SIGNS[cell.thumb]}" if cell.disagrees else ""
    sign = b.Bit(SIGNS[cell.leaning], f"sign sign{cell.leaning}", hint=WORDS[cell.leaning])
    return sign, f" {cell.value}", b.small(f"{SOURCES[cell.source]}{other}")


def matrix_of(report: Report) -> Matrix:
    """Return the decision matrix after (or during) a climb."""
    return _advice(report).matrix


def _advice(report: Report) -> Advice:
    rows = int(report.manifest["train"]["rows"]) if report.manifest else 0
    below: dict[str, Comparison] = {pair.upper: pair for pair in report.comparisons}
    measured = [m for rung in report.measured if (m := _measured(rung, below)) is not None]
    found = facts(situation_of(report, rows), report.told)
    return Advice(found, report.task, rows, tuple(measured), report.verdict)


def situation_of(report: Report, train_rows: int) -> Situation:
    """Return what the run's configuration and its dev rows say."""
    config = report.head.get("config") or {}
    dev = next((side.examples for side in report.sides if side.part == "dev"), ())
    wanted = report.task.kind not in ("classification", "style")
    return Situation(
        task=report.task,
        train_rows=train_rows,
        documents=bool(config.get("documents")),
        requests_per_month=report.task.service.requests_per_month,
        facts_change=(config.get("task") or {}).get("facts_change"),
        scope=(config.get("task") or {}).get("scope"),
        quoted=quoted_share(dev) if wanted and dev else None,
    )


def _measured(rung: RungReport, below: Mapping[str, Comparison]) -> MatrixInput | None:
    if rung.result is None:
        return None
    causes = rung.diagnosis.causes if rung.diagnosis else ()
    knowledge = next((c for c in causes if c.name == "knowledge"), None)
    split = rung.diagnosis.knowledge if rung.diagnosis else None
    column = None if rung.result.candidate.as_it_stands else column_of(rung.label)
    return MatrixInput(rung.label, rung.result, below.get(rung.label), knowledge, split, column)


def column_of(label: str) -> str | None:
    """Return the column of the matrix in which a rung stands; None where it asks no model, or its plug-in is gone."""
    name = label.split("@")[0]
    if name not in plugins.available("rungs"):
        return None
    traits = plugins.rung_type(name)
    return column_for(trains=traits.trains, asks=bool(traits.asks), fixes=traits.fixes)


@dataclass(frozen=True)
class Advice:
    """A decision matrix with what it was made from, so that an answer can be added."""

    facts: tuple[Fact, ...]
    task: Task
    train_rows: int
    measured: tuple[MatrixInput, ...] = ()
    verdict: Verdict | None = None

    @property
    def matrix(self) -> Matrix:
        return matrix(self.facts, self.task, self.train_rows, self.measured, self.verdict)

    @property
    def open(self) -> tuple[Fact, ...]:
        """What only the user can tell and has not told."""
        return open_questions(self.facts)

    def with_answers(self, told: Mapping[str, bool]) -> Advice:
        """Return the advice with these factors answered by the user."""
        answered = tuple(
            Fact(f.factor, told[f.factor], "yes" if told[f.factor] else "no", "told") if f.factor in told else f
            for f in self.facts
        )
        return replace(self, facts=answered)


def advice_of(path: Path, told: Mapping[str, bool]) -> Advice:
    """Return what a run folder advises, its measurements included."""
    report = load_report(RunFolder.open(path))
    return _advice(replace(report, told={**report.told, **told}))


def keep(path: Path, told: Mapping[str, bool]) -> None:
    """Keep the user's answers in a run folder, for its report; earlier answers to other factors stay."""
    folder = RunFolder.open(path)
    folder.told.save({**(folder.told.get() or {}), **told})
