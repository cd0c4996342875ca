"""The sections of the page in their order: each a template, and the names that it needs beyond the report itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rung.decide.economics import Offer, break_even_sentence, requests
from rung.decide.matrix import TITLES
from rung.report import advice, charts, economics, foretelling
from rung.report.load import Report
from rung.report.rows import side_by_side

CAUSE_COLOURS = 6
TOKEN_COLOURS: Mapping[str, str] = {"instruction": "c0", "examples": "c1", "passages": "c2", "input": "c-rest"}
Names = Callable[[Report], Mapping[str, Any]]


def _nothing(report: Report) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Section:
    """One section: the id of its element, its word in the navigation (None: not there), its template, its names.

    Names are seen by all templates, so each section's own must differ from the others'.
    """

    id: str
    word: str | None
    template: str
    names: Names = _nothing


def _ladder(report: Report) -> Mapping[str, Any]:
    return {
        "chart_wide": charts.ladder(report, efficient=economics.economics_of(report).efficient),
        "chart_narrow": charts.ladder(report, 360.0, 400.0, economics.economics_of(report).efficient),
    }


def _gains(report: Report) -> Mapping[str, Any]:
    return {"most_rows": max((max(c.wins, c.losses) for c in report.comparisons), default=1)}


def _why(report: Report) -> Mapping[str, Any]:
    return {
        "colours": cause_colours(report),
        "most_failed": max((r.diagnosis.failed for r in report.rungs if r.diagnosis), default=1),
        "checked": [f for rung in report.rungs for f in rung.foretold],
        "foretells": foretelling.foretells,
        "calibration_sentence": foretelling.summary,
    }


def _rows(report: Report) -> Mapping[str, Any]:
    tables = side_by_side(report)
    return {"tables": tables, "shown_rows": {row.anchor for table in tables for row in table.rows}}


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


SECTIONS: tuple[Section, ...] = (
    Section("verdict", None, "_verdict.html"),
    Section("ladder", "Ladder", "_ladder.html", _ladder),
    Section("economics", "Costs", "_economics.html", _economics),
    Section("gains", "Gains", "_gains.html", _gains),
    Section("judge", None, "_judge.html"),
    Section("why", "Failures", "_why.html", _why),
    Section("knowledge", None, "_knowledge.html"),
    Section("tuning", None, "_tuning.html"),
    Section("consistency", None, "_consistency.html"),
    Section("advice", "Advice", "_advice.html", _advice),
    Section("rows", "Rows", "_rows.html", _rows),
    Section("tried", "Candidates", "_tried.html"),
    Section("data", "Data", "_data.html"),
    Section("spend", "Record", "_spend.html", _spend),
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
