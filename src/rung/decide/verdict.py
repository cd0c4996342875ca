"""From measured rungs to a verdict: the three-way rule over the ladder, the cheaper alternative at equal quality, reasons and counterfactuals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rung.decide import headline as words
from rung.decide.bets import beaten_by, bets_on
from rung.decide.cheaper_equal import CheaperEqual, Use, cheaper_equal, cheaper_equal_reasons, offer, volumes
from rung.decide.compare import pairs_planned
from rung.decide.current import as_people_see, beside_line, beside_reasons, keep, other_margins, same_for_less
from rung.decide.economics import break_even, requests
from rung.decide.floors import (
    evidence_of,
    examples_needed,
    fails_a_floor,
    first_fault,
    floor_counterfactuals,
    floor_reasons,
    loss_reasons,
    missed_headline,
    open_headline,
)
from rung.decide.frontier import frontier_reasons
from rung.decide.knowledge import knowledge_reasons
from rung.decide.limits import held_back
from rung.decide.looks import looks_first, looks_reasons, not_confirmed, refuted
from rung.decide.rerun import same_again
from rung.decide.tuned import (
    gain_over_best,
    gate_was_open,
    tuned_counterfactuals,
    tuned_reasons,
    worth_tuning,
)
from rung.decide.wording import counterfactuals, failures_counted, label_counterfactuals, reasons
from rung.stats.power import minimum_detectable_effect
from rung.types import (
    Comparison,
    Decision,
    EarlierUse,
    Finding,
    KnowledgeSplit,
    PairLooks,
    Result,
    Skipped,
    Stopped,
    Task,
    Verdict,
)
from rung.usual_names import shown_name

UNCORRECTED = "Human labels may move every figure here: the judge's scores are not corrected yet."
PICKED_FROM = 0.8  # the smallest probability of being good enough at which a rung is a tentative pick


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
    stopped: Stopped | None = None  # why the run ended before its time
    exploratory: bool = False  # people had seen test examples, or another candidate was measured on them
    earlier: EarlierUse | None = None
    findings: tuple[Finding, ...] = ()  # of the audit
    forecasts: Mapping[str, str] = field(default_factory=dict)  # what more rows would bring, of tuned rungs
    knowledge: Mapping[str, KnowledgeSplit] = field(default_factory=dict)  # of rungs that look answers up
    uses: Mapping[str, Use] = field(default_factory=dict)  # what each rung takes to use: tuning, and seconds as served
    facts: tuple[int, int] | None = None  # failures that lack a fact, of how many, where these are half or more
    form: int | None = None  # right answers that fail by their form alone, where that keeps an approach from the goal
    trains: frozenset[str] = frozenset()  # planned labels whose rung would change weights
    looks: PairLooks | None = None  # what people say of answers of a tuned rung beside those of the best cheaper one
    current: Result | None = None  # what runs now, which `results` leave out, where the goal is to be as good as that

    @property
    def measured(self) -> Mapping[str, Result]:
        """Everything measured, what runs now among it."""
        now = {} if self.current is None or self.task.as_good_as is None else {self.task.as_good_as: self.current}
        return {**now, **self.results}

    @property
    def awaited(self) -> bool:
        """Whether a planned step waits for its model, which is tuned elsewhere."""
        return any(left_out.awaited for left_out in self.skipped)

    @cached_property
    def counted(self) -> Mapping[str, Result]:
        """The rungs that may decide: all but those tuned by force alone, or that forget what must be kept."""
        return {
            k: r for k, r in self.results.items() if k not in self.trained or gate_was_open(self.task, k, self.results)
        }


def decide(climb: Climbed) -> Verdict:
    """Return the verdict; equal inputs give an equal verdict."""
    climb = replace(climb, task=as_people_see(climb.task, climb.current))
    verdict = _decide(climb)
    chance = same_again(climb.task, verdict, climb.measured, climb.test_rows, len(climb.planned))
    open_ = verdict.decision == "inconclusive" and verdict.provisional is None and climb.task.as_good_as is None
    open_ = open_ and not any(held_back(climb.task, result) for result in climb.results.values())
    bets = bets_on(climb.task, _may_win(climb), verdict.tentative_pick) if open_ else None
    return replace(verdict, repeats=None if chance is None else round(chance, 4), bets=bets)


def _decide(climb: Climbed) -> Verdict:
    winner, alternatives = _winner(climb)
    tentative_pick = None if winner else _lean(climb)
    open_rung = _open_question(climb)
    if winner is not None:
        decision: Decision = "meets"
    elif climb.stopped is not None:
        decision = "stopped"
    else:
        decision = "inconclusive" if open_rung is not None or climb.awaited else "misses"
    provisional = _provisional(climb, winner)
    exploratory = climb.exploratory or (climb.earlier is not None and climb.earlier.other_candidates)
    subject = winner or tentative_pick or open_rung or _nearest(climb)
    headline = _headline(climb, decision, subject, tentative_pick, alternatives)
    if (provisional or exploratory) and decision != "stopped":
        labels = _labels_needed(climb, winner)
        headline = words.guarded(
            _core(climb, decision, subject), labels, provisional is not None, climb.exploratory, climb.earlier
        )
    not_settled = decision in ("inconclusive", "stopped")
    return Verdict(
        decision=decision,
        winner=winner,
        tentative_pick=tentative_pick,
        headline=headline,
        reasons=(
            *beside_reasons(climb.task, climb.current, climb.results),
            *reasons(climb.task, winner, climb.results, climb.comparisons, climb.skipped, len(climb.planned)),
            *(r for label, result in climb.results.items() for r in floor_reasons(climb.task, label, result)),
            *loss_reasons(climb.comparisons),
            *frontier_reasons(climb.task, climb.measured, climb.comparisons, len(climb.planned)),
            *knowledge_reasons(climb.knowledge),
            *tuned_reasons(climb.task, climb.trained, climb.results, climb.seed),
            *looks_reasons(climb.task, climb.looks),
            *cheaper_equal_reasons(climb.task, alternatives, climb.results),
        ),
        counterfactuals=tuple(_changes(climb, winner, decision, provisional is not None)),
        examples_needed=examples_needed(climb.results[open_rung]) if open_rung and not_settled else None,
        minimum_detectable_effect=_smallest_gain(climb),
        exploratory=exploratory,
        provisional=provisional,
        corrected=bool(provisional and winner and climb.results[winner].quality.corrected),
        earlier=climb.earlier,
        basis=_basis(climb, decision, subject, tentative_pick),
        pairs_to_compare=climb.looks.waiting or None
        if climb.looks is not None and climb.looks.upper == winner
        else None,
    )


def _changes(climb: Climbed, winner: str | None, decision: Decision, provisional: bool) -> Iterator[str]:
    """Yield what would change the answer."""
    task, requests_per_month = climb.task, climb.task.service.requests_per_month
    if decision == "stopped" and climb.stopped:
        yield f"{climb.stopped.why[:1].upper()}{climb.stopped.why[1:]}."
    yield from failures_counted(task, winner, climb.results, len(climb.planned))
    if provisional:
        yield UNCORRECTED
    elif climb.current is not None:
        yield from other_margins(task, winner, climb.counted)
    else:
        yield from counterfactuals(task, winner, climb.counted, requests_per_month)
    if winner:
        yield from volumes(task, winner, climb.counted, climb.uses, requests_per_month)
    if not provisional:
        yield from floor_counterfactuals(winner, climb.counted, climb.test_rows)
    yield from tuned_counterfactuals(task, climb.forecasts, climb.results)
    yield from looks_first(winner, climb.trained, task, climb.results, climb.looks)
    yield from label_counterfactuals(task, climb.findings, winner)


def _headline(
    climb: Climbed, decision: Decision, subject: str | None, pick: str | None, alternatives: Sequence[CheaperEqual]
) -> str:
    """Return the answer in one sentence, whatever stands in its way."""
    task, results = climb.task, climb.results
    if decision == "stopped" and climb.stopped is not None:
        aside = {*results, *(s.what for s in climb.skipped)}
        return words.stopped(climb.stopped, list(results), [k for k in climb.planned if k not in aside])
    if decision == "meets" and subject is not None:
        if climb.current is not None:
            won = results[subject]
            return same_for_less(task, words.approach(subject, won), won, words.share_of_cost(climb.current, won))
        if subject in climb.trained:
            return _tuned_wins(climb, subject, alternatives)
        return words.meets(subject, results[subject])
    open_rung = _open_question(climb)
    if decision == "inconclusive" and open_rung is not None:
        return _headline_open(climb, open_rung, pick)
    if decision == "inconclusive":
        return words.AWAITED
    over = [k for k, r in climb.counted.items() if r.status == "meets" and r.limits_held is False]
    if over:
        return words.over_limit(task, over[0], results[over[0]])
    short = fails_a_floor(climb.counted)
    if short is not None:
        return missed_headline(words.approach(short, results[short]), results[short])
    if climb.current is not None:
        return keep(results)
    trained = [k for k in results if k in climb.trained]
    return words.missed(
        task,
        results,
        climb.counted,
        trained,
        _nearest(climb),
        climb.facts,
        climb.form,
        bool(climb.trains),
    )


def _core(climb: Climbed, decision: Decision, subject: str | None) -> str:
    """Return the outcome as a clause, for a headline that begins with what keeps it from being shown."""
    if decision == "meets" and subject is not None:
        reached = words.reached(climb.results[subject])
        reached = "is as good as what runs now" if climb.current is not None else reached
        return f"{words.approach(subject, climb.results[subject])} {reached}"
    if decision == "stopped":
        return "the budget ended the run before an answer"
    return "the test examples do not settle it" if decision == "inconclusive" else "nothing measured meets the goal"


def _basis(climb: Climbed, decision: Decision, subject: str | None, pick: str | None) -> str:
    """Return the line of evidence; empty where nothing is measured."""
    if subject is None:
        return ""
    result = climb.results[subject]
    line = words.evidence_line(climb.task, result.estimates[climb.task.metrics[0].name])
    line += beside_line(
        climb.task,
        next((c for c in climb.comparisons if climb.current is not None and c.upper == subject), None),
        result.quality,
    )
    if decision == "meets":
        return line
    fault = first_fault(result)
    floor = f" {evidence_of(fault)}" if fault is not None else ""
    return words.near_line(subject, result, line, pick is not None) + floor


def _tuned_wins(climb: Climbed, winner: str, alternatives: Sequence[CheaperEqual]) -> str:
    """Say that fine-tuning is what the goal takes, or that it gives the same for less."""
    taken = next((a for a in alternatives if a.label == winner and a.holds(climb.task.alpha)), None)
    if taken is None:
        return words.JUSTIFIED_WITH_FLOORS if climb.task.floors else words.JUSTIFIED
    before, after = (climb.results[k] for k in (taken.reference, winner))
    offers = [offer(climb.task, k, climb.results[k], climb.uses) for k in (taken.reference, winner)]
    pair = break_even(offers[0], offers[1], climb.task.service.requests_per_month)
    from_ = requests(pair.requests) if pair.when == "from" else None
    return words.pays(before, after, from_, pair.when == "always")


def _nearest(climb: Climbed) -> str | None:
    """The approach that may win and misses the least: floors alone, else the highest score; None where nothing was measured."""
    if (short := fails_a_floor(climb.counted)) is not None:
        return short
    metric, among = climb.task.metrics[0].name, climb.counted or climb.results
    return max(among, key=lambda k: among[k].estimates[metric].point, default=None)


def _labels_needed(climb: Climbed, winner: str | None) -> int | None:
    resting = [winner] if winner is not None else list(climb.results)
    return max((climb.results[k].quality.labels_needed or 0 for k in resting), default=0) or None


def _provisional(climb: Climbed, winner: str | None) -> str | None:
    """Say why nothing is shown yet: the winner, or without one any rung, rests on a judge without enough labels."""
    resting = [winner] if winner is not None else list(climb.results)
    waiting = {k: why for k in resting if (why := climb.results[k].quality.provisional) is not None}
    if not waiting:
        return None
    first = next(iter(waiting))
    others = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    return f"{shown_name(first)}{others} {waiting[first]}"


def stops(task: Task, label: str, results: Mapping[str, Result], trained: Collection[str], seed: int) -> bool:
    """Whether the climb stops at this rung: it is good enough and the user seeks no cheaper one."""
    return task.objective == "good_enough" and _accepted(task, label, results, trained, seed)


def _accepted(task: Task, label: str, results: Mapping[str, Result], trained: Collection[str], seed: int) -> bool:
    """Good enough by its own score; a tuned rung must also be worth tuning against the best rung below."""
    if not _eligible(task, label, results, trained):
        return False
    return label not in trained or worth_tuning(task, label, results, seed)


def _eligible(task: Task, label: str, results: Mapping[str, Result], trained: Collection[str]) -> bool:
    """Good enough on all rows, and not there by force alone."""
    result = results[label]
    if not result.good_enough or result.stopped_early_at is not None:
        return False
    return label not in trained or gate_was_open(task, label, results)


def _winner(climb: Climbed) -> tuple[str | None, tuple[CheaperEqual, ...]]:
    """The first accepted rung; seeking the cheapest, one that meets the goal, too, for less or as well and faster, replaces it."""
    task, results, trained = climb.task, climb.results, climb.trained
    people_differ = trained if refuted(task, climb.looks) else ()
    good = (k for k in results if k not in people_differ)
    winner = next((k for k in good if _accepted(task, k, results, trained, climb.seed)), None)
    if winner is None or task.objective != "cheapest":
        return winner, ()
    names = list(results)
    others = [k for k in names[names.index(winner) + 1 :] if _eligible(task, k, results, trained)]
    return cheaper_equal(task, winner, others, results, climb.uses, climb.seed, trained)


def _headline_open(climb: Climbed, label: str, tentative_pick: str | None) -> str:
    """Say what keeps the verdict open: the quality of a rung, or the gain of a tuned one whose quality is shown."""
    result = climb.results[label]
    if label in _unpriced(climb):
        return words.unpriced(climb.task, label, result)
    if label in climb.trained and climb.looks is not None and refuted(climb.task, climb.looks):
        return not_confirmed(climb.task, climb.looks)
    if label in climb.trained and result.good_enough:
        return words.unproven(gain_over_best(climb.task, label, climb.results, climb.seed))
    n = result.estimates[climb.task.metrics[0].name].n
    if result.quality.status == "meets" and result.open_floors:
        return open_headline(words.approach(label, result), result, n)
    return words.undecided(result, n, tentative_pick)


def _may_win(climb: Climbed) -> dict[str, Result]:
    """The rungs that break no limit, are not there by force, and do not win by labels alone that people contradict."""
    contradicted = climb.trained if refuted(climb.task, climb.looks) else ()
    counted = {k: r for k, r in climb.counted.items() if k not in contradicted}
    return {k: r for k, r in counted.items() if r.limits_held is not False and r.saves is not False}


def _lean(climb: Climbed) -> str | None:
    """The lowest rung that is good enough with probability 0.8 or more, unless such a one is expected to fall short less at no higher cost."""
    likely = {k: r for k, r in _may_win(climb).items() if r.probability_good >= PICKED_FROM}
    first = next(iter(likely), None)
    return None if first is None else beaten_by(first, likely, climb.task) or first


def _open_question(climb: Climbed) -> str | None:
    """The rung whose inconclusive result keeps the verdict open: the tentative pick, else the inconclusive one most likely good enough."""
    inconclusive = {k: r for k, r in _may_win(climb).items() if r.status == "inconclusive"}
    people_differ = refuted(climb.task, climb.looks)
    unproven = {
        k: r
        for k, r in climb.counted.items()
        if r.good_enough and (people_differ or not _accepted(climb.task, k, climb.results, climb.trained, climb.seed))
    }
    waiting = {**inconclusive, **unproven, **_unpriced(climb)}
    if not waiting:
        return None
    tentative_pick = _lean(climb)
    return tentative_pick if tentative_pick in waiting else max(waiting, key=lambda k: waiting[k].probability_good)


def _unpriced(climb: Climbed) -> dict[str, Result]:
    """The rungs that meet the goal and whose limit cannot be judged: a price is unknown."""
    return {k: r for k, r in climb.counted.items() if r.status == "meets" and r.limits_held is None}


def _smallest_gain(climb: Climbed) -> float | None:
    """The smallest gain between neighbours that the test part can show: on as many independent examples as the audit counted."""
    found = (f.measured.get("effective") for f in climb.findings if f.check == "visible-gain")
    told = (int(count) for count in found if isinstance(count, int | float))
    pairs = pairs_planned(climb.task, len(climb.planned))
    return minimum_detectable_effect(
        next(told, climb.test_rows), discordance=_discordance(climb.comparisons), alpha=climb.task.alpha / pairs
    )


def _discordance(comparisons: Sequence[Comparison]) -> float:
    """The share of rows on which neighbouring rungs disagreed, or 0.1 before any was seen."""
    rows = sum(c.n for c in comparisons)
    return max(0.01, sum(c.wins + c.losses for c in comparisons) / rows) if rows else 0.1
