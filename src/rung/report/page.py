"""The report as one self-contained HTML file: no script, no remote load, everything from the run folder."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rung.decide.economics import bill
from rung.report import charts, curves, figures, gains, sections
from rung.report.economics import economics_of
from rung.report.escape import shown, visible
from rung.report.evidence import Evidence, slug
from rung.report.judging import facts
from rung.report.load import Report, RungReport, load_report
from rung.report.rows import anchor_of_row
from rung.report.tuned import saving
from rung.store.folder import RunFolder, write_atomic
from rung.types import Candidate, Diagnosis

HERE = Path(__file__).parent
PAGE = "report.html"
LONGEST_PROMPT = 20_000  # characters of one message shown
DEMONSTRATIONS_SHOWN = 8
IDS_SHOWN = 12
SHORTEST_LARGE, LONGEST_LARGE = 24, 130  # characters of a headline that are set large

BADGES = {"met": "Goal met", "undecided": "Undecided", "exhausted": "Goal not met", "stopped": "Stopped early"}
STATUSES = {
    "met": "met",
    "not_met": "not met",
    "unclear": "unclear",
    "skipped": "skipped",
    "not_reached": "not reached",
}
USUAL = {  # what teams see by hand: cost, time
    "baseline": "nothing, seconds",
    "prompt": "$0, minutes",
    "fewshot": "$0, hours",
    "rag": "low, days",
    "finetune": "medium to high, weeks",
    "scratch": "very high, months",
}


def write_page(folder: RunFolder) -> Path:
    """Write report.html into the run folder and return its path. Test rows are shown only once they were revealed."""
    path = folder.path / PAGE
    write_atomic(path, render_page(load_report(folder)).encode("utf-8"))
    return path


def render_page(report: Report) -> str:
    """Return the page. Equal reports give equal pages."""
    style = (HERE / "page.css").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            task=report.task,
            verdict=report.verdict,
            style=Markup(style),  # ours, and hashed in the policy
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            badge=BADGES[report.verdict.decision] if report.verdict else "No verdict yet",
            sections=sections.SECTIONS,
            **sections.names(report),
        )
    )


@cache
def _environment() -> Environment:
    """Autoescape everywhere; `finalize` writes out invisible characters in whatever is printed, attributes included."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    named: dict[str, Any] = {name: getattr(figures, name) for name in _FIGURES}
    environment.globals.update(
        **named,
        **_VIEWS,
        BADGES=BADGES,
        STATUSES=STATUSES,
        USUAL=USUAL,
        slug=slug,
        IDS_SHOWN=IDS_SHOWN,
        wins_and_losses=charts.wins_and_losses,
        share_bar=charts.share_bar,
        stacked=charts.stacked,
        anchor_of_row=anchor_of_row,
        judge_facts=facts,
        learning_curve=curves.learning_curve,
        trade_off=curves.trade_off,
        saving=saving,
    )
    environment.filters["shown"] = shown
    return environment


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _chat(candidate: Candidate) -> Sequence[tuple[str, str]]:
    """Return the chosen prompt as (role, text), empty where the candidate has none."""
    messages = candidate.learned.get("messages")
    if not isinstance(messages, list):
        return ()
    turns = [m for m in messages if isinstance(m, dict)]
    return [(str(m.get("role", "")), _cut(str(m.get("content", "")))) for m in turns]


def _demonstrations(candidate: Candidate) -> tuple[Sequence[str], int]:
    """Return the first demonstrations as text, and how many there are."""
    found = candidate.learned.get("demonstrations")
    if not isinstance(found, list):
        return (), 0
    return [_cut(_plain(d)) for d in found[:DEMONSTRATIONS_SHOWN]], len(found)


def _settings(candidate: Candidate) -> str:
    """Return settings, and what was learned besides the prompt, as short JSON: long lists by their length."""
    rest = {k: v for k, v in candidate.learned.items() if k not in ("messages", "demonstrations")}
    return json.dumps(
        {"settings": _brief(dict(candidate.settings)), "learned": _brief(rest)}, ensure_ascii=False, indent=1
    )


def _brief(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _brief(v) for k, v in list(value.items())[:40]}
    if isinstance(value, list | tuple):
        return [_brief(v) for v in value] if len(value) <= 12 else f"{len(value):,} entries, in the run folder"
    return _cut(value, 400) if isinstance(value, str) else value


def _plain(demonstration: Any) -> str:
    if not isinstance(demonstration, Mapping):
        return str(demonstration)
    inputs = demonstration.get("inputs")
    lines = [f"{k}: {v}" for k, v in inputs.items()] if isinstance(inputs, Mapping) else []
    answer = demonstration.get("target", demonstration.get("answer"))
    return "\n".join([*lines, f"→ {answer}"]) if lines else json.dumps(demonstration, ensure_ascii=False)


def _cut(text: str, most: int = LONGEST_PROMPT) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters in the run folder)"


def _value(evidence: Evidence) -> str:
    """Write the value that an evidence key points at."""
    value = evidence.value
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "null" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _cut(text, 80)


def _segments(diagnosis: Diagnosis, colours: Mapping[str, str]) -> list[tuple[str, int, str]]:
    return [(c.name, c.count, colours[c.name]) for c in diagnosis.causes]


def _monthly(report: Report, rung: RungReport) -> str:
    """Write the monthly bill at the configured volume, empty where either is unknown."""
    found = economics_of(report)
    return next((bill(o, found.requests_per_month) for o in found.offers if o.label == rung.label), "")


def _first_sentence(headline: str) -> tuple[str, str]:
    """Part a headline into what is said large and the rest: at its first colon or semicolon that is not too near."""
    found = next((m for m in re.finditer(r"[:;] ", headline) if m.start() >= SHORTEST_LARGE), None)
    if found is None or found.start() > LONGEST_LARGE:
        return headline, ""
    headline = headline.replace(" ± ", "\u00a0±\u00a0")  # of the same length: the break stays where it was found
    rest = headline[found.end() :]
    return headline[: found.start()] + ".", rest[:1].upper() + rest[1:]


_FIGURES = (
    "quality",
    "money",
    "seconds",
    "percent",
    "count",
    "signed",
    "p_value",
    "rows",
    "failures",
    "listed",
    "tokens",
)
_VIEWS: dict[str, Any] = {
    "FOLKLORE": gains.FOLKLORE,
    "chat": _chat,
    "demonstrations": _demonstrations,
    "settings": _settings,
    "value_of": _value,
    "fixed_of": gains.fixed_of,
    "regained_of": gains.regained_of,
    "claim": gains.claim,
    "disagrees": gains.disagrees,
    "segments": _segments,
    "monthly": _monthly,
    "headline_parts": _first_sentence,
}
