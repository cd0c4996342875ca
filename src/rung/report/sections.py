"""The sections of the page in their order: each a template, and the names that it needs beyond the report itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rung.decide.economics import Offer, break_even_sentence, requests
from rung.decide.matrix import TITLES
from rung.diagnosis.calibration import right_about
from rung.report import advice, charts, economics, predictions, told_apart
from rung.report.failure import first_failure
from rung.report.load import Report
from rung.report.robustness import DECIDES_NOTHING
from rung.report.rows import side_by_side
from rung.report.summary import summary

CAUSE_COLOURS = 6
TOKEN_COLOURS: Mapping[str, str] = {"instruction": "c0", "examples": "c1", "passages": "c2", "input": "c-rest"}
Names = Callable[[Report], Mapping[str, Any]]


def _nothing(report: Report) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class ReportSection:
    """One section: the id of its element, its word in the navigation (None: not there), its template, its names.

    Names are seen by all templates, so each section's own must differ from the others'.
    """

    id: str
    word: str | None
    template: str
    names: Names = _nothing


def _answer(report: Report) -> Mapping[str, Any]:
    return {"said": summary(report), "same_again": report.same_again}


def _ladder(report: Report) -> Mapping[str, Any]:
    found = economics.economics_of(report)
    several = len(report.measured) > 1  # one point makes no chart
    return {
        "chart_wide": charts.ladder(report, 980.0, 380.0, found.efficient) if several else "",
        "chart_narrow": charts.ladder(report, 360.0, 400.0, found.efficient) if several else "",
        "bills": {o.label: economics.month(o, found.requests_per_month) for o in found.offers},
    }


def _tables(report: Report) -> Mapping[str, Any]:
    found = told_apart.tables(report)
    return {
        "tables_subject": told_apart.subject(report),
        "floor_results": told_apart.floors(report),
        "floor_states": told_apart.STATES,
        "told_tables": found,
        "label_rows": told_apart.label_rows(found) if found else [],
        "confusion_matrix": told_apart.matrix(found) if found else None,
        "worst_confusions": told_apart.confusions(found) if found else [],
        "average_rows": told_apart.average_rows(found) if found else [],
        "slice_rows": told_apart.slice_rows(found) if found else [],
        "field_rows": told_apart.field_rows(found) if found else [],
    }


def _gains(report: Report) -> Mapping[str, Any]:
    return {"most_rows": max((max(c.wins, c.losses) for c in report.comparisons), default=1)}


def _why(report: Report) -> Mapping[str, Any]:
    return {
        "colours": cause_colours(report),
        "most_failed": max((r.diagnosis.failed for r in report.rungs if r.diagnosis), default=1),
        "checked": [f for rung in report.rungs for f in rung.predicted],
        "predicts": predictions.predicts,
        "right_about": right_about,
        "calibration_sentence": predictions.summary,
    }


def _rows(report: Report) -> Mapping[str, Any]:
    tables = side_by_side(report)
    shown = {row.anchor for table in tables for row in table.rows}
    return {"tables": tables, "shown_rows": shown, "failure": first_failure(tables)}


def _economics(report: Report) -> Mapping[str, Any]:
    found = economics.economics_of(report)
    totals = [sum(o.tokens.values()) for o in found.offers if o.tokens]
    return {
        "economy": found,
        "most_tokens": max(totals, default=1),
        "token_parts": token_parts,
        "token_key": [(name, word, TOKEN_COLOURS[name]) for name, word in economics.PARTS.items()],
        "month": economics.month,
        "requests": requests,
        "break_even": break_even_sentence,
    }


def _advice(report: Report) -> Mapping[str, Any]:
    return {
        "advice": advice.matrix_of(report),
        "columns": TITLES,
        "signs": advice.SIGNS,
        "sources": advice.SOURCES,
        "leaning_words": advice.WORDS,
    }


def _spend(report: Report) -> Mapping[str, Any]:
    return {"openings": [e for e in report.events if e.get("event") in ("test_opened", "test_revealed")]}


SECTIONS: tuple[ReportSection, ...] = (
    ReportSection("verdict", None, "_verdict.html", _answer),
    ReportSection("ladder", "Approaches", "_ladder.html", _ladder),
    ReportSection("failure", None, "_failure.html"),
    ReportSection("why", "Failures", "_why.html", _why),
    ReportSection("tables", None, "_tables.html", _tables),
    ReportSection("reasons", "Why", "_reasons.html"),
    ReportSection("economics", "Costs", "_economics.html", _economics),
    ReportSection("gains", "Gains", "_gains.html", _gains),
    ReportSection("judge", None, "_judge.html"),
    ReportSection("knowledge", None, "_knowledge.html"),
    ReportSection("tuning", None, "_tuning.html"),
    ReportSection("consistency", None, "_consistency.html"),
    ReportSection("robustness", None, "_robustness.html", lambda report: {"decides_nothing": DECIDES_NOTHING}),
    ReportSection("advice", "Advice", "_advice.html", _advice),
    ReportSection("rows", "Examples", "_rows.html", _rows),
    ReportSection("tried", "Candidates", "_tried.html"),
    ReportSection("data", "Data", "_data.html"),
    ReportSection("spend", "Record", "_spend.html", _spend),
)


def names(report: Report) -> dict[str, Any]:
    """Return what the templates of all sections need."""
    found: dict[str, Any] = {}
    for section in SECTIONS:
        found.update(section.names(report))
    return found


def cause_colours(report: Report) -> Mapping[str, str]:
    """Give each cause its class, the same in every rung; what is unexplained is grey."""
    known = {c.name: None for r in report.rungs if r.diagnosis for c in r.diagnosis.causes}
    explained = [n for n in known if n not in ("unexplained", "other")]
    colours = {name: f"c{i % CAUSE_COLOURS}" for i, name in enumerate(explained)}
    return {name: colours.get(name, "c-rest") for name in known}


def token_parts(offer: Offer) -> list[tuple[str, int, str]]:
    """Return an offer's prompt tokens as (name, tokens, class), without empty parts."""
    parts = offer.tokens or {}
    return [
        (word, round(parts[name]), TOKEN_COLOURS[name])
        for name, word in economics.PARTS.items()
        if round(parts.get(name, 0))
    ]
