"""The verdict at its edges: what is leaned to, what stays open, which reasons and counterfactuals stand beside it."""

import math
from dataclasses import replace

import pytest

from rung.decide.headline import approach
from rung.decide.knowledge import asks_for_facts, knowledge_reasons, splits
from rung.decide.tuned import not_short
from rung.decide.verdict import Climbed, decide, stops
from rung.decide.wording import mark, money, per_1k
from rung.stats.power import minimum_detectable_effect
from rung.types import Cause, Diagnosis, Finding, KnowledgeSplit, Learned, Limits, Result, Service, Stopped, Task
from tests.unit._results import result, share, task
from tests.unit.test_verdict import climbed


def with_quality(found: Result, **changes: object) -> Result:
    return replace(found, quality=replace(found.quality, **changes))


def of_status(status: str, good: float = 0.5, held: bool | None = True, rows: int | None = 900) -> Result:
    made = result(share(362, 400), task(0.9))
    return replace(
        with_quality(
            made, status=status, probability_good=good, examples_needed=rows if status == "inconclusive" else None
        ),
        limits_held=held,
    )


@pytest.mark.parametrize(
    ("good", "held", "lean"),
    [(0.8, True, "prompt"), (0.79, True, None), (0.95, None, "prompt"), (0.95, False, None)],
)
def test_a_rung_is_leaned_to_from_a_probability_of_four_fifths_on_and_within_its_limits(good, held, lean):
    t = task(0.9)
    results = {"baseline": of_status("misses", 0.1), "prompt": of_status("inconclusive", good, held)}
    assert decide(climbed(t, results)).tentative_pick == lean
    lowest = {"baseline": of_status("inconclusive", 0.85), "prompt": of_status("inconclusive", 0.95)}
    assert decide(climbed(t, lowest)).tentative_pick == "baseline"


@pytest.mark.parametrize(
    ("qualities", "open_rung"),
    [
        ({"a": ("inconclusive", 0.85, True), "b": ("inconclusive", 0.9, True)}, "a"),  # the lean
        ({"a": ("inconclusive", 0.3, True), "b": ("inconclusive", 0.6, True), "c": ("inconclusive", 0.5, True)}, "b"),
        ({"a": ("inconclusive", 0.3, True), "b": ("inconclusive", 0.6, False)}, "a"),  # b breaks a limit
        ({"a": ("inconclusive", 0.3, True), "b": ("inconclusive", 0.6, None)}, "b"),  # its limits are unknown
        ({"a": ("misses", 0.3, True), "b": ("inconclusive", 0.1, True)}, "b"),
        ({"a": ("misses", 0.3, True), "b": ("meets", 0.99, False)}, None),
        ({"a": ("meets", 0.9, None), "b": ("inconclusive", 0.3, True)}, "a"),  # a price would tell
    ],
)
def test_the_unclear_rung_that_keeps_a_verdict_open_is_named(qualities, open_rung):
    made = {k: of_status(s, p, held, rows=ord(k)) for k, (s, p, held) in qualities.items()}
    verdict = decide(climbed(task(0.9), made))
    assert verdict.winner is None
    assert verdict.decision == ("misses" if open_rung is None else "inconclusive")
    unpriced = open_rung is not None and qualities[open_rung][0] == "meets"
    assert unpriced or verdict.examples_needed == (None if open_rung is None else ord(open_rung))
    if open_rung is not None:
        said = (
            "No fine-tuning needed for quality; give a price for `main`" if unpriced else "Inconclusive: about 1 more"
        )
        assert verdict.headline.startswith(said)
        picked = "Tentative pick" if verdict.tentative_pick else "Closest"
        assert verdict.basis.startswith(f"{picked}, {open_rung}: 91 % correct on 400 held-out examples")


def test_a_stopped_climb_keeps_the_lean_and_the_rows_that_would_tell():
    made = {"prompt": of_status("inconclusive", 0.9, rows=700)}
    verdict = decide(climbed(task(0.9), made, stopped=Stopped("the budget is spent", 1.0)))
    assert (verdict.decision, verdict.tentative_pick, verdict.examples_needed) == ("stopped", "prompt", 700)
    assert verdict.headline == (
        "Stopped at the budget of $1.00 after prompt; baseline and few-shot need an unknown amount more."
    )
    assert verdict.basis.startswith("Tentative pick, prompt: ")
    met = {"prompt": result(share(395, 400), task(0.9))}
    won = decide(climbed(task(0.9), met, stopped=Stopped("the budget is spent", 1.0)))
    assert (won.decision, won.winner, won.tentative_pick, won.examples_needed) == ("meets", "prompt", None, None)
    both = {"baseline": of_status("inconclusive", 0.3, rows=700), "prompt": met["prompt"]}
    assert decide(climbed(task(0.9), both)).examples_needed is None  # the question is settled one rung higher


def test_a_rung_that_stopped_early_or_breaks_a_limit_neither_wins_nor_ends_the_climb():
    t, good = task(0.9), result(share(395, 400), task(0.9))
    for other in (
        replace(good, stopped_early_at=40),
        replace(good, limits_held=None),
        replace(good, limits_held=False),
    ):
        assert decide(climbed(t, {"prompt": other})).winner is None
        assert not stops(t, "prompt", {"prompt": other}, frozenset(), 7)
    assert stops(t, "prompt", {"prompt": good}, frozenset(), 7)
    assert not stops(task(0.9, objective="cheapest"), "prompt", {"prompt": good}, frozenset(), 7)


def lettered(for_task: Task, results: dict[str, Result], **changes: object) -> Climbed:
    """A climb over three rungs with short names."""
    return climbed(for_task, results, **{"planned": ("a", "b", "c"), **changes})


def test_the_first_good_rung_wins_and_what_follows_wins_only_by_the_second_door():
    good, cheap = result(share(395, 400), task(0.9), usd=0.01), result(share(395, 400), task(0.9), usd=0.001)
    early = replace(cheap, stopped_early_at=40)
    low = result(share(200, 400), task(0.9))
    assert decide(lettered(task(0.9), {"a": low, "b": good, "c": cheap})).winner == "b"
    seeking = task(0.9, objective="cheapest")
    assert decide(lettered(seeking, {"a": low, "b": good, "c": cheap})).winner == "c"
    assert decide(lettered(seeking, {"a": low, "b": good, "c": early})).winner == "b"
    assert decide(lettered(seeking, {"a": cheap, "b": good})).winner == "a"
    verdict = decide(lettered(seeking, {"a": low, "b": good, "c": cheap}))
    assert [r.claim.split(":")[0] for r in verdict.reasons if "the place of" in r.claim] == ["c takes the place of b"]


def test_an_opinion_without_labels_makes_a_verdict_provisional_with_how_many_rungs_rest_on_it():
    t = task(0.9)
    why = "rests on the judge alone"
    good, low = (with_quality(result(share(k, 400), t), provisional=why, labels_needed=60) for k in (395, 362))
    won = decide(climbed(t, {"prompt": low, "fewshot": good}))
    assert (won.winner, won.provisional, won.shown) == ("fewshot", f"few-shot {why}", False)
    assert won.headline == "Provisional: a better prompt meets the goal; 60 more human labels would confirm the judge."
    assert (
        won.counterfactuals[0] == "Human labels may move every figure here: the judge's scores are not corrected yet."
    )
    assert not any("With a goal above" in c for c in won.counterfactuals)
    open_ = decide(climbed(t, {"prompt": low, "fewshot": low}))
    assert open_.provisional == f"prompt (and 1 more) {why}"
    labelled = decide(climbed(t, {"prompt": low, "fewshot": result(share(395, 400), t)}))
    assert (labelled.provisional, labelled.winner, labelled.shown) == (None, "fewshot", True)


PAIRS = 2  # neighbours among the planned rungs of `lettered`


def test_the_smallest_gain_of_the_verdict_counts_the_rows_as_the_audit_did():
    t = task(0.9)
    rungs = {"a": result(share(280, 400), t), "b": result(share(300, 400), t)}
    audited = (Finding("visible-gain", "warn", "m", "n", measured={"effective": 120, "gain": 0.08}),)
    found = decide(lettered(t, rungs, test_rows=300, findings=audited)).minimum_detectable_effect
    assert found == minimum_detectable_effect(120, 20 / 400, 0.05 / PAIRS)


def test_the_minimum_detectable_effect_rests_on_rows_where_neighbours_differed():
    t = task(0.9)
    one, two = result(share(280, 400), t), result(share(300, 400), t)
    none = decide(lettered(t, {"a": one}, test_rows=300))
    assert none.minimum_detectable_effect == minimum_detectable_effect(300, 0.1, 0.05 / PAIRS)
    differ = decide(lettered(t, {"a": one, "b": two}, test_rows=300))
    assert differ.minimum_detectable_effect == minimum_detectable_effect(300, 20 / 400, 0.05 / PAIRS)
    three = decide(lettered(t, {"a": one, "b": two, "c": one}, test_rows=300))
    assert three.minimum_detectable_effect == minimum_detectable_effect(300, 40 / 800, 0.05 / PAIRS)
    same = decide(lettered(t, {"a": one, "b": one}, test_rows=20_000))
    assert same.minimum_detectable_effect == minimum_detectable_effect(
        20_000, 0.01, 0.05 / PAIRS
    )  # no rows differed: a hundredth
    assert same.minimum_detectable_effect is not None
    strict = replace(t, alpha=0.01)
    assert decide(
        lettered(strict, {"a": one, "b": two}, test_rows=300)
    ).minimum_detectable_effect == minimum_detectable_effect(300, 20 / 400, 0.01 / PAIRS)


def test_the_verdict_keeps_what_it_was_told_of_the_climb():
    t = task(0.9)
    good = result(share(395, 400), t)
    assert decide(climbed(t, {"prompt": good}, exploratory=True)).exploratory
    assert not decide(climbed(t, {"prompt": good})).exploratory
    billed = decide(climbed(replace(t, service=Service(20_000)), {"prompt": good}))
    assert not any("volume.requests_per_month" in c for c in billed.counterfactuals)
    assert any("volume.requests_per_month" in c for c in decide(climbed(t, {"prompt": good})).counterfactuals)


def reason(results: dict[str, Result], start: str, **changes: object):
    [found] = [r for r in decide(lettered(task(0.9), results, **changes)).reasons if r.claim.startswith(start)]
    return found


def test_each_rung_has_its_reason_with_bound_and_level():
    t = task(0.9)
    met, unclear, missed = (result(share(k, 400), t) for k in (390, 362, 280))
    results = {"a": missed, "b": unclear, "c": met}
    said = reason(results, "a misses")
    assert said.claim == f"a misses the goal: its upper bound {missed.quality.upper:.3f} is below 0.90"
    assert said.rule == "one-sided upper bound at alpha 0.05"
    assert said.evidence == tuple(f"a/result#quality.{k}" for k in ("status", "lower", "upper"))
    said = reason(results, "b is inconclusive")
    assert said.claim.endswith(
        f"leave both open; good enough with probability {unclear.quality.probability_good:.2f}, "
        f"and at the goal itself with {unclear.quality.probability_at_goal:.2f}"
    )
    assert said.rule == "neither bound decides; probability from Beta(k + 1/2, n - k + 1/2)"
    said = reason(results, "c meets")
    assert said.claim == (
        f"c meets the goal: its lower bound {met.quality.lower:.3f} is not below 0.88; good enough with probability 1.00, and at the "
        "goal itself with 1.00"
    )
    assert said.rule == "one-sided lower bound at alpha 0.05 / 3 approaches = 0.01667"
    opinion = with_quality(met, provisional="rests on the judge alone")
    assert reason({"c": opinion}, "c rests").rule == "a judge's opinion decides only beside labels (docs/judge.md)"


def test_pairs_are_told_as_better_worse_or_neither():
    t = task(0.9)
    low, high = result(share(280, 400), t), result(share(330, 400), t)
    near = result(share(282, 400), t)
    assert reason({"a": low, "b": high}, "b is significantly better than a").rule.endswith("Holm over 2 planned pairs")
    assert reason({"a": low, "b": high}, "b is significantly better than a: +0.125 (50 wins, 0 losses, adjusted p = ")
    assert reason({"a": high, "b": low}, "b is significantly worse than a: -0.125")
    assert reason({"a": low, "b": near}, "b is not significantly better than a: +0.005 (2 wins, 0 losses")
    said = reason({"a": high, "b": low, "c": near}, "c is not significantly")
    assert said.evidence == ("comparisons#1.gain", "comparisons#1.p_adjusted")


def test_broken_and_unknown_limits_are_reasons_and_the_headline_counts_them():
    good = result(share(395, 400), task(0.9))
    broken, unknown = replace(good, limits_held=False), replace(good, limits_held=None)
    assert reason({"a": broken}, "a breaks a limit on cost or latency").evidence == (
        "a/result#cost_per_1k_usd",
        "a/result#served",
    )
    assert (
        reason({"a": broken}, "a breaks a limit").rule
        == reason({"a": unknown}, "a: its cost or latency is unknown").rule
        == "an approach is good enough only within the limits of the task"
    )
    assert not [r for r in decide(lettered(task(0.9), {"a": good})).reasons if "cost or latency" in r.claim]
    one = decide(lettered(task(0.9), {"a": broken, "b": result(share(200, 400), task(0.9))}))
    assert one.headline == "Not yet: a better prompt meets the goal but breaks a limit on cost or latency."
    two = decide(lettered(task(0.9), {"a": broken, "b": broken}))
    assert two.headline == one.headline
    open_ = decide(lettered(task(0.9), {"a": broken, "b": unknown}))
    assert open_.headline == "No fine-tuning needed for quality; give a price for `main` to judge the cost limit."


@pytest.mark.parametrize(
    ("served", "decision", "headline", "claim"),
    [
        ([0.1] * 90, "meets", "No fine-tuning needed: ", "a keeps the latency limit of 0.3 s: p95 between 0.1 and 0.1 s on 90 requests, one at a time"),
        (
            [0.5] * 90, "misses", "Not yet: a better prompt meets the goal but takes 0.5 s at p95 (limit 0.3 s).",
            "a breaks a limit on latency (p95 between 0.5 and 0.5 s on 90 requests, one at a time; limit 0.3 s)",
        ),
        (
            [0.1] * 89 + [0.5], "inconclusive",
            "No fine-tuning needed for quality; the latency limit of 0.3 s is not settled yet.",
            "a: its latency is not settled",
        ),
        (None, "inconclusive", "No fine-tuning needed for quality; the latency limit of 0.3 s", "a: its latency"),
    ],
    ids=["keeps", "breaks", "near", "unasked"],
)  # fmt: skip
def test_a_latency_limit_is_judged_by_what_is_served_and_never_by_our_own_load(served, decision, headline, claim):
    """Under our own load answers take 5 s."""
    t = task(0.9, limits=Limits(p95_latency_s=0.3))
    found = result(share(395, 400), t, seconds=5.0, served=served)
    said = decide(lettered(t, {"a": found}))
    assert said.decision == decision
    assert said.headline.startswith(headline)
    assert any(r.claim.startswith(claim) for r in said.reasons)
    short = not_short(t, "main", {"a": found})
    if decision == "misses":
        assert short is None  # it has fallen short: the gate is open
    elif decision == "inconclusive":
        assert "good enough in quality, and its latency is not settled" in short
        assert "widen limits.p95_latency_s" in short


def test_how_much_higher_the_goal_could_be_is_told_unless_it_could_be_one():
    t = task(0.9)
    carried = "With a goal above 0.98, a would no longer meet the goal."
    assert decide(lettered(t, {"a": result(share(395, 400), t)})).counterfactuals[0] == carried
    all_right = decide(lettered(t, {"a": result(share(4000, 4000), t)})).counterfactuals
    assert not any("goal above" in c for c in all_right)


def test_limits_that_would_have_to_be_wider_are_named_with_their_figures():
    t = task(0.9, limits=Limits(cost_per_1k_usd=0.5, p95_latency_s=0.4))
    found = result(share(395, 400), t, served=[0.5] * 90)
    [said] = decide(lettered(t, {"a": found})).counterfactuals
    assert said == (
        "With limits of $1.00 per 1,000 requests instead of $0.50 and a p95 latency of 0.5 s instead of 0.4 s, a would be good "
        "enough."
    )
    dear = task(0.9, limits=Limits(cost_per_1k_usd=0.5, p95_latency_s=0.5))
    [said] = decide(lettered(dear, {"a": result(share(395, 400), dear, served=[0.5] * 90)})).counterfactuals
    assert said == "With limits of $1.00 per 1,000 requests instead of $0.50, a would be good enough."


def test_what_would_change_a_negative_answer_is_told_of_the_best_that_falls_short():
    t = task(0.9, tolerance=0.02)
    low, best = result(share(200, 400), t), result(share(362, 400), t)
    verdict = decide(lettered(t, {"a": low, "b": best}))
    lower = best.quality.lower
    wider = math.ceil(1000 * (0.9 - lower) - 1e-9) / 1000
    assert verdict.counterfactuals == (
        f"About {best.quality.examples_needed:,} test examples would settle b (now 400).",
        f"With a goal of {mark(lower + 0.02, down=True)} or less, b would meet the goal.",
        f"With a tolerance of {wider:g} instead of 0.02, b would meet the goal.",
    )
    assert wider <= 0.05
    far = decide(lettered(t, {"a": low}))
    assert [c.split(",")[0] for c in far.counterfactuals] == [
        "With a goal of 0.46 or less"
    ]  # no tolerance is that wide


def test_what_would_change_a_positive_answer_is_the_goal_and_the_rungs_below():
    t = task(0.9, service=Service(10))
    unclear, missed, won, above = (result(share(k, 400), t) for k in (362, 280, 395, 100))
    verdict = decide(lettered(t, {"a": unclear, "b": missed, "c": won, "d": above}, planned=("a", "b", "c", "d")))
    carried = mark(won.quality.lower + 0.02, down=True)
    q = unclear.quality
    assert verdict.counterfactuals == (
        f"With a goal above {carried}, c would no longer meet the goal.",
        f"a may be enough already (probability {q.probability_good:.2f}); about {q.examples_needed:,} test examples would tell.",
        f"With a goal of {mark(missed.quality.lower + 0.02, down=True)} or less, b would do.",
    )
    sure = decide(lettered(task(0.9, tolerance=0.02, service=Service(10)), {"a": result([1.0] * 4000, t)}))
    assert sure.counterfactuals == ()  # it carries any goal


# --- words


def test_money_keeps_two_significant_places():
    assert [money(u) for u in (None, 0, 0.1, 0.099, 0.000123, 1234.5)] == [
        "unknown", "$0", "$0.10", "$0.099", "$0.00012", "$1,234.50",
    ]  # fmt: skip
    assert money(None, "no price") == "unknown (no price)"
    assert mark(0.29, down=True) == "0.29"  # 0.29 * 100 is a little less than 29
    assert (mark(0.8951), mark(0.9000000001)) == ("0.895", "0.90")


def test_an_unknown_cost_is_told_without_its_long_reason():
    found = result(share(9, 10), task(0.9))
    assert per_1k(found) == "at $1.00 per 1,000 requests"
    assert (
        per_1k(replace(found, cost_per_1k_usd=None, cost_note="no price for x: give one"))
        == "at an unknown cost (no price for x)"
    )
    assert per_1k(replace(found, cost_per_1k_usd=None)) == "at an unknown cost"
    asks = replace(found, candidate=replace(found.candidate, learned=Learned(kind="own")))
    small = replace(found, candidate=replace(found.candidate, model="small"))
    assert [approach("prompt@small", small), approach("own", asks)] == ["a better prompt on `small`", "own"]


def test_an_undecided_headline_says_how_many_examples_or_what_else_would_decide():
    open_ = of_status("inconclusive", 0.3, rows=1234)
    said = decide(lettered(task(0.9), {"a": open_})).headline
    assert said == "Inconclusive: about 834 more test examples would decide."
    advised = with_quality(open_, examples_needed=None, advice="label more")
    assert decide(lettered(task(0.9), {"a": advised})).headline == "Inconclusive: label more."
    mute = with_quality(open_, examples_needed=None, advice=None)
    assert "not even ten times as many test examples would decide" in decide(lettered(task(0.9), {"a": mute})).headline


def test_an_exhausted_ladder_names_the_nearest_or_that_nothing_was_measured():
    t = task(0.9)
    low, near = result(share(200, 400), t), result(share(280, 400), t)
    found = decide(lettered(t, {"a": low, "b": near, "c": low}))
    assert found.headline == "Not yet: a better prompt comes closest with 0.70 (goal 0.90); fine-tuning was not tried."
    assert found.basis == "Closest, b: 70 % correct on 400 held-out examples (95 % CI 65 to 74 %; goal 90 %)."
    early = replace(near, estimates={"normalized_match": replace(near.estimates["normalized_match"], mean=None)})
    stopped = decide(lettered(t, {"a": early})).basis
    assert stopped == "Closest, a: 65 to 74 % on 400 held-out examples, where it stopped early (goal 90 %)."
    assert decide(climbed(t, {})).headline == "Not yet: no approach could be measured."


@pytest.mark.parametrize(("lower", "offered"), [(0.05, True), (0.0499, False)])
def test_no_goal_below_a_twentieth_is_offered(lower, offered):
    missed = with_quality(of_status("misses"), lower=lower)
    good = result(share(395, 400), task(0.9))
    assert (
        any(c.startswith("With a goal of 0.0") for c in decide(lettered(task(0.9), {"a": missed})).counterfactuals)
        is offered
    )
    below = decide(lettered(task(0.9), {"a": missed, "b": good})).counterfactuals
    assert any("a would do" in c for c in below) is offered


@pytest.mark.parametrize(("lower", "wider"), [(0.8499, None), (0.85, "0.05"), (0.879, "0.021"), (0.88, None)])
def test_a_wider_tolerance_is_offered_up_to_half_of_the_errors_that_the_goal_allows(lower, wider):
    found = decide(
        lettered(task(0.9), {"a": with_quality(of_status("inconclusive", rows=None), lower=lower)})
    ).counterfactuals
    told = [c for c in found if c.startswith("With a tolerance")]
    expected = [] if wider is None else [f"With a tolerance of {wider} instead of 0.02, a would meet the goal."]
    assert told == expected


def test_the_best_of_those_that_fall_short_is_the_one_with_the_highest_lower_bound():
    first, second = (with_quality(of_status("inconclusive", rows=None), lower=v) for v in (0.8, 0.86))
    met = replace(with_quality(of_status("meets"), lower=0.89), limits_held=None)
    found = decide(lettered(task(0.9), {"a": first, "b": second, "c": met})).counterfactuals
    assert found[-2:] == (
        "With a goal of 0.88 or less, b would meet the goal.",
        "With a tolerance of 0.04 instead of 0.02, b would meet the goal.",
    )


# --- knowledge and labels


def split(closed: tuple[Cause, ...], opened: tuple[Cause, ...]) -> KnowledgeSplit:
    at = result(share(20, 40), task(0.9)).estimates["normalized_match"]
    return KnowledgeSplit(40, at, at, None, closed, opened, {}, {})


def test_what_of_the_failures_was_knowledge_is_a_reason():
    at = result(share(20, 40), task(0.9)).estimates["normalized_match"]
    unknown, unused = (Cause(n, c, at, "", (), "") for n, c in (("does not know", 12), ("retrieved but not used", 3)))
    known = {"rag": split((unknown, unused), (unused,)), "second": split((), ())}
    first, second = knowledge_reasons(known)
    assert first.claim == (
        "RAG: 15 of 40 dev examples are wrong without passages (does not know 12; retrieved but not used 3); wrong with them: "
        "retrieved but not used 3"
    )
    assert first.evidence == (
        "rag/diagnosis#knowledge.closed.mean",
        "rag/diagnosis#knowledge.retrieved.mean",
    )
    assert second.claim == "second: 0 of 40 dev examples are wrong without passages (nothing); wrong with them: nothing"
    diagnoses = {
        label: Diagnosis(label, 40, 20, (), None, "", knowledge=found)
        for label, found in (("prompt", None), ("rag", known["rag"]))
    }
    assert splits(diagnoses) == {"rag": known["rag"]}


@pytest.mark.parametrize(("told", "offered"), [(11, True), (10, True), (9, False)])
def test_a_split_that_does_not_tell_is_no_reason_against_tuning(told, offered):
    """Where as many failures have no known passage as have one, the split says nothing."""
    at = result(share(20, 40), task(0.9)).estimates["normalized_match"]
    facts = Cause("does not know", 20, at, "", (), "", "experiment")
    failures = (Cause("no passage known", told, at, "", (), ""), Cause("not retrieved", 20 - told, at, "", (), ""))
    diagnosis = Diagnosis("rag", 40, 20, (), None, "", (facts,), knowledge=split((), failures))
    assert (asks_for_facts(diagnosis) is None) is offered


@pytest.mark.parametrize(("goal", "told"), [(0.9, False), (0.901, True)])
def test_labels_hold_rungs_down_where_the_goal_is_above_their_ceiling(goal, told):
    measured = {"ceiling": 0.9, "low": 0.88, "high": 0.93, "goal": goal, "wrong_share": 0.1, "way": "labels"}
    other = Finding("private", "warn", "", "", (), {})
    found = decide(climbed(task(goal), {}, findings=(other, Finding("ceiling", "warn", "", "", (), measured))))
    assert bool(found.counterfactuals) is told
    if told:
        assert found.counterfactuals == (
            "10% of the expected outputs seem wrong. A system that is always right would score about 0.90 here (0.88 "
            "to 0.93), below the goal of 0.901: with fixed test examples, or a goal of 0.90 or less, the answer may be another.",
        )
