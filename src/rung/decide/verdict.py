"""From measured rungs to a verdict: the three-way rule over the ladder, two doors, reasons and counterfactuals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rung.decide.doors import Door, Use, door_reasons, offer, second_door, volumes
from rung.decide.economics import bill
from rung.decide.knowledge import knowledge_reasons
from rung.decide.labels import label_counterfactuals
from rung.decide.tuned import gain_over_best, gate_was_open, tuned_counterfactuals, tuned_reasons, worth_tuning
from rung.decide.wording import (
    counterfactuals,
    headline_exhausted,
    headline_met,
    headline_stopped,
    headline_undecided,
    headline_unproven,
    reasons,
)
from rung.stats.power import smallest_visible_gain
from rung.types import Comparison, Decision, Finding, KnowledgeSplit, Result, Skipped, Task, Verdict

UNCORRECTED = "Labels by people may move every figure here: the judge's scores are not corrected yet."
LEAN = 0.8  # the smallest probability of being good enough at which a rung is leaned to


@dataclass(frozen=True)
class Climbed:
    """Everything the decision may look at: the rungs measured, in ladder order, and what was left out."""

    task: Task
    planned: tuple[str, ...]
    results: Mapping[str, Result]
    comparisons: tuple[Comparison, ...]  # adjacent pairs, adjusted
    skipped: tuple[Skipped, ...]
    trained: frozenset[str]  # labels of rungs that changed weights
    seed: int
    test_rows: int
    requests_per_month: int | None = None
    stopped: str | None = None  # why the climb ended before its time
    exploratory: bool = False
    findings: tuple[Finding, ...] = ()  # of the audit
    forecasts: Mapping[str, str] = field(default_factory=dict)  # what more rows would bring, of tuned rungs
    knowledge: Mapping[str, KnowledgeSplit] = field(default_factory=dict)  # of rungs that look answers up
    uses: Mapping[str, Use] = field(default_factory=dict)  # what each rung takes to use: rent, tuning, latency unloaded

    @cached_property
    def counted(self) -> Mapping[str, Result]:
        """The rungs that may decide: all but those tuned by force alone, or that forget what must be kept."""
        return {
            k: r for k, r in self.results.items() if k not in self.trained or gate_was_open(self.task, k, self.results)
        }


def decide(climb: Climbed) -> Verdict:
    """Return the verdict; equal inputs give an equal verdict."""
    winner, doors = _winner(climb)
    lean = None if winner else _lean(climb)
    open_rung = _open_question(climb)
    if winner is not None:
        decision: Decision = "met"
        result = climb.results[winner]
        month = bill(offer(climb.task, winner, result, climb.uses), climb.requests_per_month)
        headline = headline_met(climb.task, winner, result, climb.planned, f" ({month})" if month else "")
    elif climb.stopped is not None:
        decision, headline = "stopped", headline_stopped(climb.stopped, lean)
    elif open_rung is not None:
        decision = "undecided"
        headline = _headline_open(climb, open_rung, lean)
    else:
        decision, headline = "exhausted", headline_exhausted(climb.task, climb.counted, climb.results)
    provisional = _provisional(climb, winner)
    if provisional:
        headline = f"Provisional, since no or too few labels stand beside the judge. {headline}"
    not_settled = decision in ("undecided", "stopped")
    return Verdict(
        decision=decision,
        winner=winner,
        lean=lean,
        headline=headline,
        reasons=(
            *reasons(climb.task, winner, climb.results, climb.comparisons, climb.skipped, len(climb.planned)),
            *knowledge_reasons(climb.knowledge),
            *tuned_reasons(climb.task, climb.trained, climb.results, climb.seed),
            *door_reasons(climb.task, doors, climb.results),
        ),
        counterfactuals=(
            *(
                (UNCORRECTED,)
                if provisional
                else counterfactuals(climb.task, winner, climb.counted, climb.requests_per_month)
            ),
            *(volumes(climb.task, winner, climb.counted, climb.uses, climb.requests_per_month) if winner else ()),
            *tuned_counterfactuals(climb.task, climb.forecasts, climb.results),
            *label_counterfactuals(climb.task, climb.findings, winner),
        ),
        rows_needed=climb.results[open_rung].quality.rows_needed if open_rung and not_settled else None,
        smallest_visible_gain=smallest_visible_gain(
            climb.test_rows, discordance=_discordance(climb.comparisons), alpha=climb.task.alpha
        ),
        exploratory=climb.exploratory,
        provisional=provisional,
    )


def _provisional(climb: Climbed, winner: str | None) -> str | None:
    """Say why nothing is shown yet: the winner, or without one any rung, rests on a judge without enough labels."""
    resting = [winner] if winner is not None else list(climb.results)
    waiting = {k: why for k in resting if (why := climb.results[k].quality.provisional) is not None}
    if not waiting:
        return None
    first = next(iter(waiting))
    others = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    return f"{first!r}{others} {waiting[first]}"


def stops(task: Task, label: str, results: Mapping[str, Result], trained: Collection[str], seed: int) -> bool:
    """Whether the climb stops at this rung: it is good enough and the user seeks no cheaper one."""
    return task.seek == "good_enough" and _accepted(task, label, results, trained, seed)


def _accepted(task: Task, label: str, results: Mapping[str, Result], trained: Collection[str], seed: int) -> bool:
    """The first door: good enough; a tuned rung must also be worth tuning against the best rung below."""
    if not _eligible(task, label, results, trained):
        return False
    return label not in trained or worth_tuning(task, label, results, seed)


def _eligible(task: Task, label: str, results: Mapping[str, Result], trained: Collection[str]) -> bool:
    """Good enough on all rows, and not there by force alone."""
    result = results[label]
    if not result.good_enough or result.stopped_early_at is not None:
        return False
    return label not in trained or gate_was_open(task, label, results)


def _winner(climb: Climbed) -> tuple[str | None, tuple[Door, ...]]:
    """The first accepted rung; seeking the cheapest, a not-worse one that is significantly cheaper or faster replaces it."""
    task, results, trained = climb.task, climb.results, climb.trained
    winner = next((k for k in results if _accepted(task, k, results, trained, climb.seed)), None)
    if winner is None or task.seek != "cheapest":
        return winner, ()
    names = list(results)
    others = [k for k in names[names.index(winner) + 1 :] if _eligible(task, k, results, trained)]
    return second_door(task, winner, others, results, climb.uses, climb.seed)


def _headline_open(climb: Climbed, label: str, lean: str | None) -> str:
    """Say what keeps the verdict open: the quality of a rung, or the gain of a tuned one whose quality is shown."""
    result = climb.results[label]
    if label in climb.trained and result.good_enough:
        return headline_unproven(
            climb.task, label, result, gain_over_best(climb.task, label, climb.results, climb.seed)
        )
    return headline_undecided(climb.task, label, result, lean)


def _lean(climb: Climbed) -> str | None:
    """The lowest rung that is good enough with probability 0.8 or more and breaks no limit; none that is there by force."""
    for label, result in climb.counted.items():
        if result.quality.probability_good >= LEAN and result.limits_held is not False:
            return label
    return None


def _open_question(climb: Climbed) -> str | None:
    """The rung whose unclear result keeps the verdict open: the lean, else the unclear one most likely good enough."""
    unclear = {k: r for k, r in climb.counted.items() if r.quality.status == "unclear" and r.limits_held is not False}
    unproven = {
        k: r
        for k, r in climb.counted.items()
        if r.good_enough and not _accepted(climb.task, k, climb.results, climb.trained, climb.seed)
    }
    waiting = {**unclear, **unproven}
    if not waiting:
        return None
    lean = _lean(climb)
    return lean if lean in waiting else max(waiting, key=lambda k: waiting[k].quality.probability_good)


def _discordance(comparisons: Sequence[Comparison]) -> float:
    """The share of rows on which neighbouring rungs disagreed, or 0.1 before any was seen."""
    rows = sum(c.n for c in comparisons)
    return max(0.01, sum(c.wins + c.losses for c in comparisons) / rows) if rows else 0.1
