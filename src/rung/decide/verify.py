"""Recompute every reported number of a run from what is stored: answers -> scores -> results -> verdict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rung import plugin
from rung.config import Config
from rung.decide.compare import adjust, neighbours
from rung.decide.doors import uses
from rung.decide.knowledge import splits
from rung.decide.tuned import forecasts
from rung.decide.verdict import Climbed, decide
from rung.errors import IntegrityError
from rung.evaluate.answering import TRANSPORT, judge
from rung.evaluate.diagnosis.calibration import Foretold
from rung.evaluate.diagnosis.calibration import check as check_foretold
from rung.evaluate.kit import RunKit
from rung.evaluate.labels import People, people_of
from rung.evaluate.measure import summarise
from rung.evaluate.stored import stored_kit
from rung.evaluate.trust import FILE as TRUST
from rung.evaluate.trust import Trust, labels_sha256, trust_of
from rung.store.folder import RunFolder, load_result, to_json
from rung.store.sealed import open_test
from rung.types import Answer, Comparison, Diagnosis, Example, Finding, Outcome, Result, Skipped, Task, Verdict, by_id


@dataclass(frozen=True, slots=True)
class Check:
    """One recomputation: what, how many numbers it covers, and what differs (empty: nothing)."""

    what: str
    compared: int
    differs: str = ""

    @property
    def passed(self) -> bool:
        return not self.differs


def verify(folder: RunFolder) -> tuple[Check, ...]:
    """Recompute a finished run. Opens the test part (which is written down). Raises IntegrityError for damaged files."""
    return tuple(_checks(folder))


def _checks(folder: RunFolder) -> Iterator[Check]:
    head = folder.read("run.json")
    task = folder.load_field("run.json", "task", Task)
    rows = by_id(open_test(folder.path, "verify the stored numbers"))
    yield Check("frozen test rows against the manifest", len(rows))
    if folder.has(TRUST) and folder.load(TRUST, Trust).labels_sha256 != labels_sha256(folder):
        why = "people gave labels since the verdict; run the same `rung climb` again, then verify"
        yield Check("labels that the verdict rests on", 1, why)
        return
    planned = tuple(head["planned"])
    results: dict[str, Result] = {}
    with stored_kit(folder, task) as kit:
        for label in planned:
            if folder.has(f"rungs/{label}/result.json"):
                results[label] = load_result(folder, label)
                yield _scores(label, results[label].outcomes, rows, kit)
                yield _result(label, results[label], task, len(planned), people_of(folder, task))
    yield from _foretold(folder, planned, task)
    if not folder.has("verdict.json"):
        yield Check("verdict", 0, "the climb has not come to a verdict yet")
        return
    yield from _conclusions(folder, head, task, results)


def _foretold(folder: RunFolder, planned: Sequence[str], task: Task) -> Iterator[Check]:
    """Recompute what the diagnoses of the rungs below foretold of each rung, from its dev rows."""
    earlier: list[Diagnosis] = []
    for label in planned:
        base = f"rungs/{label}"
        if folder.has(f"{base}/foretold.json") and earlier:
            stored = folder.load(f"{base}/foretold.json", tuple[Foretold, ...])
            again = check_foretold(earlier, label, folder.load_rows(f"{base}/dev.jsonl", Outcome), task)
            yield _same(f"{label}: what was foretold of it", again, stored, tuple[Foretold, ...])
        if folder.has(f"{base}/diagnosis.json"):
            earlier.append(folder.load(f"{base}/diagnosis.json", Diagnosis))


def _conclusions(
    folder: RunFolder, head: Mapping[str, Any], task: Task, results: Mapping[str, Result]
) -> Iterator[Check]:
    config = Config.model_validate(head["config"])
    stored = folder.load("comparisons.json", tuple[Comparison, ...])
    again = adjust(neighbours(results, task, config.split.seed), len(head["planned"]))
    yield _same("comparisons", again, stored, tuple[Comparison, ...])
    trained = {s.label for s in config.ladder if plugin.find("rungs", s.rung).trains}
    manifest = folder.read("parts/manifest.json")
    verdict = decide(
        Climbed(
            task=task,
            planned=tuple(head["planned"]),
            results=results,
            comparisons=again,
            skipped=folder.load("skipped.json", tuple[Skipped, ...]),
            trained=frozenset(trained & set(results)),
            seed=config.split.seed,
            test_rows=manifest["test"]["rows"],
            requests_per_month=config.volume.requests_per_month,
            stopped=head.get("stopped"),
            exploratory=bool(head.get("exploratory")),
            findings=folder.load("findings.json", tuple[Finding, ...]) if folder.has("findings.json") else (),
            forecasts=forecasts(folder, results),
            knowledge=splits(folder, results),
            uses=uses(folder, config, results),
        )
    )
    yield _same("verdict", verdict, folder.load("verdict.json", Verdict), Verdict)
    if folder.has(TRUST):
        yield _same("the judge", trust_of(folder), folder.load(TRUST, Trust), Trust)


def _scores(label: str, outcomes: tuple[Outcome, ...], rows: Mapping[str, Example], kit: RunKit) -> Check:
    wrong = [f"{o.example_id} is no test row" for o in outcomes if o.example_id not in rows]
    answered = [o for o in outcomes if o.example_id in rows and o.answer is not None and _settled(o)]
    try:
        again = asyncio.run(_judged([(rows[o.example_id], o.answer) for o in answered if o.answer is not None], kit))
    except IntegrityError as error:
        return Check(f"{label}: scores of the stored answers", len(outcomes), str(error))
    for stored, new in zip(answered, again, strict=True):
        if to_json(new, Outcome) != to_json(stored, Outcome):
            wrong.append(stored.example_id)
    differs = f"{len(wrong)} rows score differently now: {', '.join(wrong[:5])}" if wrong else ""
    return Check(f"{label}: scores of the stored answers", len(outcomes), differs)


async def _judged(answered: Sequence[tuple[Example, Answer]], kit: RunKit) -> list[Outcome]:
    return [await judge(example, answer, kit.score) for example, answer in answered]


def _settled(outcome: Outcome) -> bool:
    """Whether the row was judged: one whose judge gave no answer is asked again on resumption."""
    return outcome.failure is None or outcome.failure.cause not in TRANSPORT


def _result(label: str, stored: Result, task: Task, planned: int, people: People | None) -> Check:
    again = summarise(
        stored.candidate,
        stored.outcomes,
        task,
        planned,
        test_sha256=stored.test_sha256,
        stopped_at=stored.stopped_early_at,
        people=people,
    )
    return _same(f"{label}: estimates, bounds, cost, latency", _bare(again), _bare(stored), Result)


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
