"""A run as Python sees it: the verdict, tables of approaches and examples, the report, exports. All read from its folder."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rung.background import beside
from rung.engine.dev import CHOSEN, DevLook, OnDev
from rung.engine.verify import Check, verify
from rung.errors import RungError
from rung.evaluate.measure import unanswered
from rung.report.load import Report, RungReport, load_report
from rung.store.run import RunFolder
from rung.types import Decision, Example, Outcome, Result, Task, Verdict, by_id

PAGE_HEIGHT = 640  # pixels of the report in a notebook; it scrolls


class Table(list[dict[str, Any]]):
    """Lines of a table as dicts with equal keys: `pandas.DataFrame(table)`, or `to_pandas()`. None means unknown."""

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame. Raises MissingExtra where pandas is not installed."""
        from rung.plugins import require

        return require("pandas").DataFrame(list(self))

    def _repr_html_(self) -> str:
        """Return the table for a notebook, every text escaped."""
        if not self:
            return "<p>no lines</p>"
        head = "".join(f"<th>{_cell(name)}</th>" for name in self[0])
        lines = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in line.values())}</tr>" for line in self)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


@dataclass(frozen=True, repr=False)
class Run:
    """A run folder, finished or not. What is read once is kept; `load_run` again sees what was written since."""

    folder: Path

    @cached_property
    def task(self) -> Task:
        """What was asked, as the run used it."""
        return self._report.task

    @property
    def finished(self) -> bool:
        """Whether there is a verdict."""
        return self._report.verdict is not None

    @property
    def verdict(self) -> Verdict:
        """The answer with its reasons. Raises RungError for a run that was not finished."""
        if self._report.verdict is None:
            raise RungError(f"{self.folder} has no verdict yet; call `rung.climb` with the same arguments to go on")
        return self._report.verdict

    @property
    def decision(self) -> Decision:
        """meets, misses, inconclusive or stopped."""
        return self.verdict.decision

    @property
    def winner(self) -> str | None:
        """The approach that meets the goal; None where none does."""
        return self.verdict.winner

    @property
    def results(self) -> dict[str, Result]:
        """Each measured approach, in ladder order, without its single answers to test examples: these stay sealed."""
        return {r.label: r.result for r in self._report.measured if r.result is not None}

    @cached_property
    def unanswered(self) -> int:
        """Test examples without an answer by transport trouble; the same call asks them again."""
        return sum(unanswered(RunFolder(self.folder).rung(label).measured().outcomes) for label in self.results)

    @property
    def exit_code(self) -> int:
        """What the command line would return: 0 meets the goal, 1 not, 3 budget spent, 4 unanswered, 6 inconclusive."""
        return self.verdict.exit_code(self.unanswered)

    def frame(self) -> Table:
        """Return one line an approach: result, score with its 95 % interval, further metrics, cost, latency, failures.

        The score of one that stopped early is None: only the interval is known.
        """
        return Table(_approach(self._report, rung) for rung in self._report.rungs)

    def examples(self) -> Table:
        """Return one line an example and approach: dev examples, and test examples only once they were revealed."""
        return Table(_examples(load_report(RunFolder.open(self.folder))))

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report and return its path; the ending names the form (.html .md .txt .json .csv .xml).

        Without a path: the page in the run folder.
        """
        from rung.report.forms import format_of, rendered
        from rung.report.page import write_page
        from rung.store.folder import SHARED, write_atomic

        opened = RunFolder.open(self.folder)
        if path is None:
            return write_page(opened)
        place = Path(path)
        write_atomic(place, rendered(opened, format_of(place)).encode("utf-8"), SHARED)
        return place

    def export(
        self,
        approach: str | None = None,
        *,
        form: str | None = None,
        out: str | Path | None = None,
        dtype: str | None = None,
    ) -> Path:
        """Write an approach (by default the winner, else the tentative pick) for use elsewhere and return the folder.

        `form`: prompt, adapter, merged, rows and so on; by default what suits the approach. Raises RungError.
        """
        from rung.exports.write import chosen, exported

        label = approach or chosen(RunFolder.open(self.folder))
        place = Path(out) if out is not None else None
        return beside(lambda: exported(self.folder, label, form, place, dtype))[1]

    def verify(self) -> tuple[Check, ...]:
        """Recompute every number from stored answers; each check tells whether it `passed`. Opens the test set, on record."""
        return beside(lambda: verify(RunFolder.open(self.folder)))

    @cached_property
    def _report(self) -> Report:
        return load_report(RunFolder.open(self.folder), rows=False)

    def __repr__(self) -> str:
        return f"<rung.Run {self.folder}: {self.verdict.headline if self.finished else 'not finished'}>"

    def _repr_html_(self) -> str:
        """Return the report for a notebook: a frame that runs no script and loads nothing; single examples are left out."""
        from rung.report.page import render_page

        page = html.escape(render_page(self._report), quote=True)
        return (
            f'<iframe sandbox srcdoc="{page}" title="report of {html.escape(self.folder.name, quote=True)}" '
            f'style="width:100%;height:{PAGE_HEIGHT}px;border:0"></iframe>'
        )


@dataclass(frozen=True, repr=False)
class DevRun:
    """Approaches on dev examples alone: no verdict, and nothing of the test set. What was paid is kept by the project."""

    look: DevLook

    @property
    def results(self) -> dict[str, Result]:
        """Each approach on dev, in ladder order; chosen on these very examples, so a little too good."""
        return {approach.label: approach.result for approach in self.look.approaches}

    @property
    def usd(self) -> float | None:
        """Dollars that this look took; None where a price is unknown."""
        return self.look.usd

    def frame(self) -> Table:
        """Return one line an approach: score with its 95 % interval, cost, failures, all of them on dev."""
        return Table(_dev_approach(self.look, approach) for approach in self.look.approaches)

    def examples(self) -> Table:
        """Return one line an example and approach."""
        examples = by_id(self.look.examples)
        return Table(
            _example("dev", examples[outcome.example_id], approach.label, outcome, self.look.task)
            for approach in self.look.approaches
            for outcome in approach.result.outcomes
        )

    def __repr__(self) -> str:
        scores = "; ".join(f"{a.label} {a.score(self.look.task)}" for a in self.look.approaches)
        return f"<rung.DevRun on {len(self.look.examples)} dev examples: {scores or 'no approach was run'}>"

    def _repr_html_(self) -> str:
        return f"<p>{_cell(CHOSEN)}</p>{self.frame()._repr_html_()}"


def _dev_approach(look: DevLook, approach: OnDev) -> dict[str, Any]:
    estimate = approach.result.estimates.get(look.task.metrics[0].name)
    return {
        "approach": approach.label,
        "set": "dev",
        "score": estimate.mean if estimate else None,
        "low": estimate.low if estimate else None,
        "high": estimate.high if estimate else None,
        "examples": len(look.examples),
        "cost_per_1k_usd": approach.result.cost_per_1k_usd,
        "p50_latency_s": approach.result.p50_latency_s,
        "failures": sum(approach.result.failures.values()),
        "note": _note(approach.result),
    }


def _approach(report: Report, rung: RungReport) -> dict[str, Any]:
    result, estimate = rung.result, report.estimate(rung)
    line: dict[str, Any] = {
        "approach": rung.label,
        "result": rung.state,
        "score": estimate.mean if estimate else None,
        "low": estimate.low if estimate else None,
        "high": estimate.high if estimate else None,
        "examples": estimate.n if estimate else None,
    }
    for metric in report.task.metrics[1:]:
        further = result.estimates.get(metric.name) if result else None
        line[metric.name] = further.mean if further else None
    return {
        **line,
        "cost_per_1k_usd": result.cost_per_1k_usd if result else None,
        "p50_latency_s": result.p50_latency_s if result else None,
        "p95_latency_s": result.p95_latency_s if result else None,
        "p95_served_s": result.served.p95_s if result and result.served else None,
        "failures": sum(result.failures.values()) if result else None,
        "wins": report.verdict is not None and report.verdict.winner == rung.label,
        "note": rung.why_not if result is None else _note(result),
    }


def _note(result: Result) -> str | None:
    """Return what answers where that is no model, and why the score is missing, or what is to be known of the cost."""
    said = result.cost_note
    if result.stopped_early_at is not None:
        said = f"stopped early after {result.stopped_early_at} test examples: certain to miss the goal"
    return "; ".join(filter(None, (result.candidate.asked, said))) or None


def _examples(report: Report) -> Iterator[dict[str, Any]]:
    for side in report.sides:
        for approach, outcomes in side.outcomes.items():
            for example in side.examples:
                outcome: Outcome | None = outcomes.get(example.id)
                if outcome is not None:  # an approach that stopped early has not seen every example
                    yield _example(side.part, example, approach, outcome, report.task)


def _example(part: str, example: Example, approach: str, outcome: Outcome, task: Task) -> dict[str, Any]:
    scores = outcome.scores or {}
    return {
        "set": part,
        "id": example.id,
        "approach": approach,
        "answer": outcome.answer.text if outcome.answer else None,
        "expected": example.target,
        **{metric.name: scores[metric.name].value if metric.name in scores else None for metric in task.metrics},
        "failure": outcome.failure.message if outcome.failure else None,
        "cost_usd": outcome.answer.cost_usd if outcome.answer else None,
        "latency_s": outcome.answer.seconds if outcome.answer else None,
        **{f"input: {name}": example.inputs.get(name) for name in task.inputs},
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))
