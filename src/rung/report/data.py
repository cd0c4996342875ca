"""The report as plain data: every number of the page, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rung.decide.economics import Economics
from rung.decide.matrix import COLUMNS, Matrix
from rung.report.advice import matrix_of
from rung.report.causes import summary as calibration
from rung.report.economics import economics_of
from rung.report.load import LoadedSide, Report, RungReport, load_report
from rung.report.plain import as_sections
from rung.report.sections import page_of
from rung.store.folder import to_json
from rung.store.records import Consistency, PredictionCheck, Robustness, Trust
from rung.store.run import RunFolder
from rung.types import (
    Candidate,
    Comparison,
    Diagnosis,
    Edit,
    Finding,
    ModelTrial,
    Outcome,
    Profile,
    Result,
    Skipped,
    Task,
    Trial,
    Tuning,
    Verdict,
)

ABOUT = ("schema", "rung_version", "created", "status", "planned", "config_sha256", "exploratory", "environment")


def as_data(folder: RunFolder, *, rows: bool = False) -> dict[str, Any]:
    """Return the report as JSON-able data.

    With `rows` also every dev row with each rung's answer, and the test rows once they were revealed. Prompts and
    scores are whole; what a rung learned besides stays in the run folder.
    """
    report = load_report(folder, rows=rows)
    data = {
        "run": {"name": report.name, **{key: report.head.get(key) for key in ABOUT}},
        "task": _plain(report.task, Task),
        "verdict": _plain(report.verdict, Verdict) if report.verdict else None,
        "evidence": {key: asdict(found) for key, found in report.evidence.items()},
        "rungs": [_rung(rung) for rung in report.rungs],
        "comparisons": _plain(report.comparisons, tuple[Comparison, ...]),
        "skipped": _plain(report.skipped, tuple[Skipped, ...]),
        "findings": _plain(report.findings, tuple[Finding, ...]),
        "split": _split(report),
        "judge": _plain(report.trust, Trust) if report.trust else None,
        "spend": report.spend,
        "elapsed_s": report.elapsed_s,
        "history": list(report.history),
        "test_opened": report.opened,
        "test_revealed": report.revealed,
        "rerun": {"probability": report.verdict.repeats, "sentence": report.same_again} if report.verdict else None,
        "robustness": _plain(report.robustness, tuple[Robustness, ...]),
        "predictions": calibration(checked) if (checked := [f for r in report.rungs for f in r.predicted]) else None,
        "economics": _plain(economics_of(report), Economics),
        "advice": advice_data(matrix_of(report)),
        "sections": as_sections(page_of(report)),
    }
    return {**data, "rows": {side.part: _rows(side) for side in report.sides}} if rows else data


def _plain(value: Any, shape: Any) -> Any:
    return json.loads(to_json(value, shape))


def advice_data(found: Matrix) -> dict[str, Any]:
    """Return a decision matrix as JSON-able data, with its totals and its sentence."""
    return {
        **_plain(found, Matrix),
        "sentence": found.sentence,
        "totals": {c: {"thumb": found.total(c, thumb=True), "with_evidence": found.total(c)} for c in COLUMNS},
    }


def _rung(rung: RungReport) -> dict[str, Any]:
    result, fitted = rung.result, rung.fitted
    measured = _plain(result, Result) if result else None
    if measured:
        del measured["outcomes"]
        measured["candidate"] = _candidate(result.candidate) if result else None
    return {
        "label": rung.label,
        "state": rung.state,
        "why_not": None if result else rung.why_not,
        "result": measured,
        "candidate": _candidate(fitted.candidate) if fitted else None,
        "models": [_plain(m, ModelTrial) for m in fitted.models] if fitted else [],
        "trials": [{**_plain(t, Trial), "candidate": _candidate(t.candidate)} for t in fitted.trials] if fitted else [],
        "edits": _plain(fitted.edits, tuple[Edit, ...]) if fitted else [],
        "left_out": _plain(fitted.skipped, tuple[Skipped, ...]) if fitted else [],
        "tuning": _plain(fitted.tuning, Tuning) if fitted and fitted.tuning else None,
        "diagnosis": _plain(rung.diagnosis, Diagnosis) if rung.diagnosis else None,
        "predicted": _plain(rung.predicted, tuple[PredictionCheck, ...]),
        "consistency": _plain(rung.consistency, Consistency) if rung.consistency else None,
        "one_request": _plain(rung.profile, Profile) if rung.profile else None,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "id": candidate.id,
        "name": candidate.name,
        "rung": candidate.rung,
        "model": candidate.model,
        "settings": dict(candidate.learned.settings),
        "messages": [m.as_dict() for m in candidate.prompt] if candidate.prompt is not None else None,
        "trained_on": len(candidate.trained_on),
    }


def _split(report: Report) -> dict[str, Any] | None:
    if not report.manifest:
        return None
    parts = {
        name: {k: report.manifest[name][k] for k in ("rows", "groups", "sha256")} for name in ("train", "dev", "test")
    }
    return {**parts, "seed": report.manifest.get("seed"), "quarantined": sorted(report.manifest.get("quarantined", {}))}


def _rows(side: LoadedSide) -> list[dict[str, Any]]:
    return [
        {
            **example.as_dict(),
            "outcomes": {
                label: _outcome(found[example.id]) for label, found in side.outcomes.items() if example.id in found
            },
        }
        for example in side.examples
    ]


def _outcome(outcome: Outcome) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(outcome, Outcome)
    answer = outcome.answer
    return {
        "answer": answer.text if answer else None,
        "scores": plain["scores"],
        "failure": plain["failure"],
        "unscored": plain["unscored"],
        "latency_s": answer.seconds if answer else None,
        "cost_usd": answer.cost_usd if answer else None,
    }
