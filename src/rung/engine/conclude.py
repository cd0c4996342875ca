"""From the run folder to the verdict: what a climb decides at its end, and what `rung verify` decides again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rung import plugins
from rung.config import Config
from rung.decide.cheaper_equal import uses
from rung.decide.form import right_but_for_form
from rung.decide.frontier import compared
from rung.decide.knowledge import missing_facts, splits
from rung.decide.looks import in_question
from rung.decide.tuned import forecasts
from rung.decide.verdict import Climbed, decide
from rung.evaluate.alpha import superseded
from rung.judging.human_labels import is_opinion
from rung.judging.pairs import looks_of
from rung.judging.trust import trust_of
from rung.store.archive import answers_seen
from rung.store.run import RunFolder
from rung.types import Result, Skipped, Stopped, Verdict


def gathered(
    run: RunFolder, config: Config, results: Mapping[str, Result], skipped: Sequence[Skipped], stopped: Stopped | None
) -> Climbed:
    """Return everything that the decision rests on, from the run folder: equal folders give equal verdicts."""
    task, seed, planned = run.task, config.split.seed, run.planned
    records = {label: run.rung(label) for label in results}
    fits = {label: record.fitted.get() for label, record in records.items()}
    tunings = {label: fit.tuning for label, fit in fits.items() if fit is not None and fit.tuning is not None}
    diagnoses = {label: record.diagnosis.need() for label, record in records.items() if record.diagnosis.exists}
    profiles = {label: record.profile.need() for label, record in records.items() if record.profile.exists}
    current = results.get(task.as_good_as or "")
    comparisons = compared(task, results, len(planned), seed)
    everything = results
    results = {label: result for label, result in results.items() if label != task.as_good_as}
    trains = frozenset(step.label for step in config.ladder if plugins.rung_type(step.rung).trains)
    asked = None if is_opinion(task) else in_question(task, results, trains & set(results), seed)
    said = run.labels.pairs_draw.get(), run.labels.pairs.get() or ()
    return Climbed(
        task=task,
        planned=planned,
        results=results,
        comparisons=comparisons,
        current=current,
        looks=None if asked is None else looks_of(task, asked, everything, *said, seed),
        skipped=tuple(skipped),
        trained=trains & set(results),
        seed=seed,
        test_rows=run.parts.manifest.need()["test"]["rows"],
        stopped=stopped,
        exploratory=bool(run.facts.get("exploratory")) or superseded(run),
        earlier=use.earlier if (use := run.test_use) is not None else None,
        findings=run.findings.get() or (),
        forecasts=forecasts(tunings),
        knowledge=splits(diagnoses),
        uses=uses(results, tunings, profiles),
        facts=missing_facts(next(reversed(diagnoses.values()), None)),
        form=right_but_for_form(task, reversed(diagnoses.values())),
        trains=trains,
    )


def stored_stop(run: RunFolder) -> Stopped | None:
    """Return why the run ended before its time, as it was written down."""
    found = run.facts.get("stopped")
    return Stopped(**found) if isinstance(found, dict) else None


def conclude(
    run: RunFolder, config: Config, results: Mapping[str, Result], skipped: Sequence[Skipped], stopped: Stopped | None
) -> Verdict:
    """Decide over what the run folder holds, and keep the verdict and what it stands on."""
    climbed = gathered(run, config, results, skipped, stopped)
    verdict = decide(climbed)
    save_conclusion(run, climbed, verdict)
    return verdict


def save_conclusion(run: RunFolder, climbed: Climbed, verdict: Verdict) -> None:
    """Keep the verdict and what it stands on."""
    run.comparisons.save(climbed.comparisons)
    run.skipped.save(climbed.skipped)
    run.verdict.save(verdict)
    judged = trust_of(run)
    if judged is not None:
        run.trust.save(judged)
    why = asdict(climbed.stopped) if climbed.stopped is not None else None
    run.note(stopped=why, labels=run.labels.sha256, answers=answers_seen(run.path), files=run.unrepeated)
    run.status("done" if verdict.decision != "stopped" else "interrupted")
