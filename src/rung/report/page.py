"""The report as one self-contained HTML file: no remote load, everything from the run folder; one script of ours searches its examples."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rung.report import charts, curves, figures, gains, sections
from rung.report.escape import shown, visible
from rung.report.evidence import Evidence, slug
from rung.report.judging import facts
from rung.report.load import Report, load_report
from rung.report.rows import anchor_of_row
from rung.report.sent import command_for
from rung.report.several import KINDS, Several
from rung.report.tuned import how, saving
from rung.store.folder import SHARED, write_atomic
from rung.store.run import RunFolder
from rung.types import Candidate, Demonstration, Diagnosis
from rung.usual_names import shown_name

HERE = Path(__file__).parent
LONGEST_PROMPT = 20_000  # characters of one message shown
DEMONSTRATIONS_SHOWN = 8
IDS_SHOWN = 12

BADGES = {"meets": "Goal met", "inconclusive": "Inconclusive", "misses": "Goal missed", "stopped": "Stopped early"}
STATUSES = {
    "meets": "meets",
    "misses": "misses the goal",
    "inconclusive": "inconclusive",
    "waiting": "waiting",
    "skipped": "skipped",
    "not_reached": "not reached",
}


def write_page(folder: RunFolder) -> Path:
    """Write the page into the run folder and return its path. Test rows are shown only once they were revealed."""
    write_atomic(folder.page, render_page(load_report(folder)).encode("utf-8"), SHARED)
    return folder.page


def render_page(report: Report) -> str:
    """Return the page. Equal reports give equal pages."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            task=report.task,
            verdict=report.verdict,
            **_ours(),
            badge=BADGES[report.verdict.decision] if report.verdict else "No verdict yet",
            sections=sections.SECTIONS,
            **sections.names(report),
        )
    )


def render_several(found: Several) -> str:
    """Return the page over several runs."""
    return (
        _environment()
        .get_template("runs.html")
        .render(several=found, kinds=KINDS, pages={run.name: run.page for run in found.runs}, **_ours())
    )


@cache
def _ours() -> Mapping[str, str]:
    """Return style and script of the page with the hashes by which its policy allows them, and nothing else."""
    names = {"style": "page.css", "script": "page.js"}
    texts = {what: (HERE / name).read_text(encoding="utf-8") for what, name in names.items()}
    hashes = {
        f"{what}_hash": base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for what, text in texts.items()
    }
    return {**{what: Markup(text) for what, text in texts.items()}, **hashes}


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
        slug=slug,
        IDS_SHOWN=IDS_SHOWN,
        wins_and_losses=charts.wins_and_losses,
        share_bar=charts.share_bar,
        stacked=charts.stacked,
        anchor_of_row=anchor_of_row,
        judge_facts=facts,
        learning_curve=curves.learning_curve,
        trade_off=curves.trade_off,
        how=how,
        saving=saving,
        example_command=command_for,
    )
    environment.filters["shown"] = shown
    return environment


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _chat(candidate: Candidate) -> Sequence[tuple[str, str]]:
    """Return the chosen prompt as (role, text), empty where the candidate has none."""
    return [(m.role, _cut(m.content)) for m in candidate.prompt or ()]


def _demonstrations(candidate: Candidate) -> tuple[Sequence[str], int]:
    """Return the first demonstrations as text, and how many there are."""
    found = candidate.demonstrations
    return [_cut(_plain(d)) for d in found[:DEMONSTRATIONS_SHOWN]], len(found)


def _settings(candidate: Candidate) -> str:
    """Return what was learned besides the prompt, as short JSON: long lists by their length."""
    rest = {k: v for k, v in asdict(candidate.learned).items() if k not in ("messages", "demonstrations")}
    return json.dumps(_brief(rest), ensure_ascii=False, indent=1)


def _brief(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _brief(v) for k, v in list(value.items())[:40]}
    if isinstance(value, list | tuple):
        return [_brief(v) for v in value] if len(value) <= 12 else f"{len(value):,} entries, in the run folder"
    return _cut(value, 400) if isinstance(value, str) else value


def _plain(demonstration: Demonstration) -> str:
    return "\n".join([*(f"{k}: {v}" for k, v in demonstration.inputs.items()), f"→ {demonstration.target}"])


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


_FIGURES = (
    "quality",
    "money",
    "latency_at",
    "latencies",
    "cost",
    "seconds",
    "percent",
    "count",
    "signed",
    "span",
    "p_values",
    "p_value",
    "examples",
    "failures",
    "listed",
    "tokens",
)
_VIEWS: dict[str, Any] = {
    "said_to_fix": gains.said_to_fix,
    "usual": gains.usual,
    "chat": _chat,
    "demonstrations": _demonstrations,
    "settings": _settings,
    "value_of": _value,
    "fixed_of": gains.fixed_of,
    "regained_of": gains.regained_of,
    "claim": gains.claim,
    "segments": _segments,
    "name_of": shown_name,
    "goal_of": figures.goal,
}
