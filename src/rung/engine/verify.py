"""Recompute every reported number of a run from what is stored: answers -> scores -> results -> verdict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rung.data.configured import as_task
from rung.data.parts import thaw
from rung.decide.current import anchored
from rung.decide.verdict import decide
from rung.diagnosis.calibration import check as check_predictions
from rung.diagnosis.changes import changed_inputs
from rung.diagnosis.robustness import robustness_of
from rung.engine.conclude import gathered, stored_stop
from rung.engine.contract import refitted
from rung.engine.permission import require
from rung.engine.stored import stored_config, stored_kit
from rung.errors import IntegrityError
from rung.evaluate.alpha import differing
from rung.evaluate.answering import judge
from rung.evaluate.kit import RunKit, apart
from rung.evaluate.measure import as_served, held_beside, summarise
from rung.judging.human_labels import HumanLabels, human_labels_of
from rung.judging.trust import trust_of
from rung.prompts.postprocessing import Step, raw_text, step_of
from rung.store.archive import answers_seen
from rung.store.folder import to_json
from rung.store.records import PredictionCheck, Robustness, Trust
from rung.store.run import EVENTS, HEAD, RunFolder
from rung.store.sealed import sealed_test
from rung.types import (
    TRANSPORT,
    Answer,
    Comparison,
    Diagnosis,
    Example,
    FitInput,
    Outcome,
    Profile,
    RagLearned,
    Result,
    Task,
    Verdict,
    by_id,
    content_hash,
    latest_in,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One recomputation: what, how many numbers it covers, and what differs (empty: nothing)."""

    what: str
    compared: int
    differs: str = ""

    @property
    def passed(self) -> bool:
        return not self.differs


def verify(run: RunFolder) -> tuple[Check, ...]:
    """Recompute a finished run. Opens the test part (which is written down). Raises IntegrityError for damaged files,
    NotAllowed where the run is from elsewhere and scores with code."""
    require(stored_config(run), run.facts.get("task"), asks=False)
    return tuple(_checks(run))


def _checks(run: RunFolder) -> Iterator[Check]:
    task, planned = run.task, run.planned
    rows = by_id(sealed_test(run).recompute("verify the stored numbers"))
    yield Check("frozen test examples against the manifest", len(rows))
    yield from _given(run, task)
    trust = run.trust.get()
    before = run.facts.get("labels") if trust is None else trust.labels_sha256
    if before is not None and before != run.labels.sha256:
        why = "people gave labels since the verdict; run the same `rung climb` again, then verify"
        yield Check("labels that the verdict rests on", 1, why)
        return
    results: dict[str, Result] = {}
    latest = latest_in(run.parts.manifest.need())
    with stored_kit(run, task) as kit:
        for label in run.measured:
            results[label] = run.rung(label).measured()
            chat = results[label].candidate.chat
            plain = chat is not None and not isinstance(chat, RagLearned)  # citations are taken out before these steps
            steps = step_of(chat.postprocessing, task.labels) if chat is not None and plain else None
            yield _scores(label, results[label].outcomes, rows, kit, steps, task)
            taken = run.rung(label).profile.get()
            current = None if label == task.as_good_as else results.get(task.as_good_as or "")
            yield _result(label, results[label], task, len(planned), human_labels_of(run, task), taken, current, latest)
    yield from _learnt_anew(run, task, results)
    kept = run.alpha.get()
    if kept is not None:
        off = differing(run, task)
        yield Check("levels by dev", len(kept), f"they are others for {', '.join(off)}" if off else "")
    seen = task
    if task.as_good_as is not None and run.rung(task.as_good_as).dev.exists:
        seen = anchored(task, run.rung(task.as_good_as).dev.need())
    yield from _predicted(run, planned, seen)
    if not run.verdict.exists:
        yield Check("verdict", 0, "the run has not come to a verdict yet")
        return
    yield from _conclusions(run, results)
    yield from _robust(run, task)
    yield from _as_left(run)


def _given(run: RunFolder, task: Task) -> Iterator[Check]:
    """Compare what the climb started from with what was written down of it: rows, configuration, task, stored answers."""
    try:
        split = thaw(run.path)
    except IntegrityError as error:
        yield Check("frozen training and dev examples against the manifest", 0, str(error))
        return
    yield Check("frozen training and dev examples against the manifest", len(split.train) + len(split.dev))
    config = stored_config(run)
    started = [e["config"] for e in run.events() if e.get("event") == "climb_started" and "config" in e]
    if started:
        same = started[-1] == content_hash(config.model_dump(mode="json", exclude={"root"}))
        yield Check(
            "configuration as the run began with it",
            1,
            "" if same else f"config in {run.path / HEAD} was changed since",
        )
    yield _same("planned approaches", config.planned, run.planned, tuple[str, ...])
    told = as_task(config, task.kind, (*split.train, *split.dev))
    now = run.rung(told.as_good_as) if told.as_good_as is not None else None
    told = anchored(told, now.outcomes.need()) if now is not None and now.result.exists else told
    yield _same("task as the configuration tells it", told, task, Task)
    noted = run.facts.get("answers")
    if isinstance(noted, list) and len(noted) == 2 and isinstance(noted[0], int):
        found = answers_seen(run.path, noted[0])
        why = "they are not those of the verdict" if found else "they are not in the folder any more"
        yield Check("stored answers", noted[0], "" if found is not None and list(found) == noted else why)


def _learnt_anew(run: RunFolder, task: Task, results: Mapping[str, Result]) -> Iterator[Check]:
    """Let the chosen candidates learn from train and dev again: what was measured is one of the two."""
    config = stored_config(run)
    try:
        split = thaw(run.path)
    except IntegrityError:  # which `_given` tells
        return
    with stored_kit(run, task) as kit:
        for step in config.ladder:
            fitted = run.rung(step.label).fitted.get()
            if step.label not in results or fitted is None or fitted.candidate.id == results[step.label].candidate.id:
                continue
            again = refitted(step, fitted.candidate, FitInput(task, split.train, split.dev), kit)
            same = again.id == results[step.label].candidate.id
            yield Check(
                f"{step.label}: learnt from train and dev", 1, "" if same else "what was measured is another candidate"
            )


def _as_left(run: RunFolder) -> Iterator[Check]:
    """Compare what cannot be computed anew with the hashes that the climb left: files, and the journal up to then."""
    noted = run.facts.get("files")
    if isinstance(noted, dict) and run.facts.get("status") == "done":  # a climb that goes on writes them anew
        now = run.unrepeated
        changed = sorted(name for name in {*noted, *now} if noted.get(name) != now.get(name))
        yield Check("files as the run left them", len(now), f"changed since: {', '.join(changed)}" if changed else "")
    noted = run.facts.get("events")
    if isinstance(noted, list) and len(noted) == 2 and isinstance(noted[0], int):
        same = list(run.events_until(noted[0])) == noted
        why = f"lines of {run.path / EVENTS} were changed or taken away since; it is only ever added to"
        yield Check("events up to the end of the run", noted[0], "" if same else why)


def _predicted(run: RunFolder, planned: Sequence[str], task: Task) -> Iterator[Check]:
    """Recompute what the diagnoses of the rungs below predicted of each rung, from its dev rows."""
    earlier: list[Diagnosis] = []
    for label in planned:
        record = run.rung(label)
        stored = record.predictions.get()
        if stored is not None and earlier:
            again = check_predictions(earlier, label, record.dev.need(), task)
            yield _same(f"{label}: what was predicted of it", again, stored, tuple[PredictionCheck, ...])
        diagnosis = record.diagnosis.get()
        if diagnosis is not None:
            earlier.append(diagnosis)


def _conclusions(run: RunFolder, results: Mapping[str, Result]) -> Iterator[Check]:
    config = stored_config(run)
    climbed = gathered(run, config, results, run.skipped.need(), stored_stop(run))
    yield _same("comparisons", climbed.comparisons, run.comparisons.need(), tuple[Comparison, ...])
    stored, again = run.verdict.need(), decide(climbed)
    again = again if stored.repeats is not None else replace(again, repeats=None)  # older versions kept neither this
    again = again if stored.bets is not None else replace(again, bets=None)  # nor that
    yield _same("verdict", again, stored, Verdict)
    if run.trust.exists:
        yield _same("the judge", trust_of(run), run.trust.need(), Trust)


def _robust(run: RunFolder, task: Task) -> Iterator[Check]:
    """Score the stored answers to changed dev examples again, over changes made anew, and recompute what they cost."""
    stored, seed = run.robustness.get(), stored_config(run).split.seed
    if stored is None:
        return
    dev = by_id(run.parts.dev.need())
    again = []
    with stored_kit(run, task) as kit:
        for one in stored:
            record = run.rung(one.rung)
            answered = record.changed.need()
            strange = [a.outcome.example_id for a in answered if a.outcome.example_id not in dev]
            if strange:
                yield Check(f"{one.rung}, changed dev examples", len(answered), f"{strange[0]} is no dev example")
                return
            for change in dict.fromkeys(a.change for a in answered):
                outcomes = tuple(a.outcome for a in answered if a.change == change)
                rows = {o.example_id: changed_inputs(change, dev[o.example_id], seed) for o in outcomes}
                yield _scores(f"{one.rung}, dev examples changed in {change}", outcomes, rows, kit, None, task)
            again.append(robustness_of(one.rung, record.dev.need(), answered, one.untried, task, seed))
    yield _same("robustness", tuple(again), stored, tuple[Robustness, ...])


def _scores(
    label: str,
    outcomes: tuple[Outcome, ...],
    rows: Mapping[str, Example],
    kit: RunKit,
    steps: Step | None,
    task: Task,
) -> Check:
    wrong = [f"{o.example_id} is no test example" for o in outcomes if o.example_id not in rows]
    answered = [o for o in outcomes if o.example_id in rows and o.answer is not None and _settled(o)]
    try:
        again = asyncio.run(_judged([(rows[o.example_id], o.answer) for o in answered if o.answer is not None], kit))
    except IntegrityError as error:
        return Check(f"{label}: scores of the stored answers", len(outcomes), str(error))
    before_tables = not task.floors and all(o.label is None and not o.slices for o in outcomes)
    if not before_tables:
        known = {o.example_id for o in answered}
        others = [o for o in outcomes if o.example_id in rows and o.example_id not in known]
        again, told = (list(apart(kit, some, list(rows.values()))) for some in (again, others))
        wrong += [o.example_id for o, new in zip(others, told, strict=True) if o != new]
    for stored, new in zip(answered, again, strict=True):
        if to_json(new, Outcome) != to_json(stored, Outcome) or not _as_said(stored, steps):
            wrong.append(stored.example_id)
    differs = f"{len(wrong)} examples score differently now: {', '.join(wrong[:5])}" if wrong else ""
    return Check(f"{label}: scores of the stored answers", len(outcomes), differs)


def _as_said(outcome: Outcome, steps: Step | None) -> bool:
    """Whether an answer's text is what the candidate's steps make of what its model said."""
    if steps is None or outcome.answer is None or not outcome.answer.calls:
        return True
    return outcome.answer.text == steps(raw_text(outcome))


async def _judged(answered: Sequence[tuple[Example, Answer]], kit: RunKit) -> list[Outcome]:
    return [await judge(example, answer, kit.score) for example, answer in answered]


def _settled(outcome: Outcome) -> bool:
    """Whether the row was judged: one whose judge gave no answer is asked again on resumption."""
    return outcome.failure is None or outcome.failure.cause not in TRANSPORT


def _result(
    label: str,
    stored: Result,
    task: Task,
    planned: int,
    people: HumanLabels | None,
    taken: Profile | None,
    current: Result | None,
    latest: frozenset[str],
) -> Check:
    again = summarise(
        stored.candidate,
        stored.outcomes,
        task,
        planned,
        test_sha256=stored.test_sha256,
        stopped_at=stored.stopped_early_at,
        people=people,
        level=stored.level,
    )
    again = held_beside(again, current, task, planned, people, latest)
    if stored.served is not None and taken is not None:
        again = as_served(again, task, planned, taken)
    return _same(
        f"{label}: estimates, bounds, cost, latency", _bare(replace(again, load=stored.load)), _bare(stored), Result
    )


def _bare(result: Result) -> Result:
    """Leave out the outcomes, whose scores are compared row by row."""
    return replace(result, outcomes=())


def _same(what: str, again: Any, stored: Any, shape: Any) -> Check:
    new, old = _leaves(_plain(again, shape)), _leaves(_plain(stored, shape))
    different = sorted(k for k in {*new, *old} if new.get(k) != old.get(k))
    shown = "; ".join(f"{k}: stored {old.get(k)!r}, recomputed {new.get(k)!r}" for k in different[:3])
    return Check(what, len(old), shown + (f" and {len(different) - 3} more" if len(different) > 3 else ""))


def _plain(value: Any, shape: Any) -> Any:
    return json.loads(to_json(value, shape))


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Return every number, text and null inside plain data by its path."""
    if isinstance(value, dict):
        return {
            k: v for key, inner in value.items() for k, v in _leaves(inner, f"{path}.{key}" if path else key).items()
        }
    if isinstance(value, list):
        return {k: v for i, inner in enumerate(value) for k, v in _leaves(inner, f"{path}[{i}]").items()}
    return {path: value}
