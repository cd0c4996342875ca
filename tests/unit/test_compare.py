"""Two measured approaches on the same rows: what is paired, by which test, who is not worse, cheaper or faster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rung.decide.compare import (
    adjust,
    cheaper,
    compare,
    neighbours,
    shown_cheaper_or_faster,
    shown_not_worse,
)
from rung.stats.paired import compare_paired, non_inferior, sign_flip
from rung.stats.ppi import rectified_gain, rectified_non_inferior
from rung.types import Result
from tests.unit._results import outcome, result, share, task

T = task(0.9)


def graded(values: list[float | None], groups: int | None = None) -> Result:
    made = result(values, T)
    if groups is None:
        return made
    return replace(made, outcomes=tuple(replace(o, group=f"g{i % groups}") for i, o in enumerate(made.outcomes)))


def paired(lower: Result, upper: Result, for_task=T):
    found = compare(("a", lower), ("b", upper), for_task, 7)
    assert found is not None
    return found


def test_the_gain_is_upper_minus_lower_with_its_interval_and_both_names():
    a, b = share(60, 100), share(70, 100, shift=50)
    found, test = paired(result(a, T), result(b, T)), compare_paired(a, b, None, seed=7)
    assert (found.lower, found.upper, found.metric, found.n) == ("a", "b", "normalized_match", 100)
    assert (found.gain, found.low, found.high, found.p_value) == (test.gain, test.low, test.high, test.p_value)
    assert (found.wins, found.losses, found.ties, found.method) == (test.wins, test.losses, test.ties, test.method)
    assert found.p_adjusted == found.p_value
    assert found.gain == pytest.approx(0.1)
    assert (found.wins, found.losses) == (40, 30)


def test_graded_scores_that_add_up_alike_keep_their_wins_and_losses():
    a, b = [0.0, 0.21, 0.47, 0.66, 1.0] * 20, [0.0, 0.66, 0.21, 1.0, 0.47] * 20
    found = paired(graded(a), graded(b))
    assert (found.wins, found.losses, found.ties) == (40, 40, 20)
    assert found.gain == pytest.approx(0.0, abs=1e-12)


def test_the_seed_and_the_groups_reach_the_test():
    a, b = [0.1 * (i % 7) for i in range(40)], [0.1 * ((3 * i) % 10) for i in range(40)]
    for groups in (None, 20):
        names = [f"g{i % 20}" for i in range(40)] if groups else None
        for seed in (1, 2):
            found = compare(("a", graded(a, groups)), ("b", graded(b, groups)), T, seed)
            test = compare_paired(a, b, names, seed=seed)
            assert (found.p_value, found.low, found.method) == (test.p_value, test.low, test.method)
            assert neighbours({"a": graded(a, groups), "b": graded(b, groups)}, T, seed) == (found,)
    assert compare_paired(a, b, None, seed=1).low != compare_paired(a, b, None, seed=2).low


def test_only_rows_with_a_value_in_both_are_paired():
    out = task(0.9, failure_score=None)
    a = result([1.0, 0.0, None, 1.0, 0.0], out, cause="refusal")
    b = result([1.0, 1.0, 1.0, None, 0.0], out, cause="refusal")
    assert paired(a, b, out).n == 3
    assert paired(a, b).n == 5  # failed rows count as wrong
    assert (paired(a, b).wins, paired(a, b).losses) == (2, 1)
    other = replace(a, outcomes=tuple(replace(o, example_id=f"x{o.example_id}") for o in a.outcomes))
    assert compare(("a", a), ("b", other), T, 7) is None
    assert shown_not_worse(a, other, T) is None
    short = replace(b, outcomes=b.outcomes[1:3])
    assert paired(a, short).n == 2


def test_the_share_of_wrong_rows_that_were_mended():
    assert paired(graded([0.0, 0.5, 0.0, 1.0]), graded([1.0, 1.0, 0.9, 0.0])).fixed_share == pytest.approx(2 / 3)
    assert paired(graded([1.0, 1.0]), graded([1.0, 0.0])).fixed_share is None


def test_neighbours_in_ladder_order_corrected_over_the_planned_ladder():
    results = {"a": result(share(50, 100), T), "b": result(share(60, 100), T), "c": result(share(66, 100), T)}
    pairs = neighbours(results, T, 7)
    assert [(p.lower, p.upper, p.wins) for p in pairs] == [("a", "b", 10), ("b", "c", 6)]
    raw = [p.p_value for p in pairs]
    assert raw == [pytest.approx(2 / 2**10), pytest.approx(2 / 2**6)]
    assert [p.p_adjusted for p in adjust(pairs, 3)] == pytest.approx([2 * raw[0], raw[1]])
    assert [p.p_adjusted for p in adjust(pairs, 5)] == pytest.approx([4 * raw[0], 3 * raw[1]])
    assert [p.p_adjusted for p in adjust(pairs, 2)] == pytest.approx([2 * raw[0], raw[1]])  # more pairs than planned
    apart = replace(
        results["b"], outcomes=tuple(replace(o, example_id=f"x{o.example_id}") for o in results["b"].outcomes)
    )
    assert neighbours({**results, "b": apart}, T, 7) == ()


def test_not_worse_by_min_gain_of_the_reference():
    wide = task(0.9, min_gain=0.1, alpha=0.04)
    a, b = share(380, 400), share(376, 400, shift=3)
    found = shown_not_worse(result(a, T), result(b, T), wide)
    assert found == non_inferior(a, b, None, 0.1, 0.04)
    assert shown_not_worse(result(b, T), result(a, T), wide) == non_inferior(b, a, None, 0.1, 0.04)
    names = [f"g{i % 40}" for i in range(400)]
    assert shown_not_worse(graded(a, 40), graded(b, 40), wide) == non_inferior(a, b, names, 0.1, 0.04)


# --- with labels that people gave


def labelled(values: list[float], said: dict[int, float | None], groups: int | None = None) -> Result:
    return replace(graded(values, groups), labels={f"r{i}": v for i, v in said.items()})


JUDGE_A, JUDGE_B = [0.25 * (i % 5) for i in range(60)], [0.25 * ((2 * i + 1) % 5) for i in range(60)]
SAID_A = {i: (None if i == 3 else float(i % 3 == 0)) for i in range(30)}
SAID_B = {i: (None if i == 4 else float(i % 2 == 0)) for i in range(1, 31)}
BOTH = range(1, 30)


def worst(i: int) -> float:
    """Upper minus lower by people; what they could not tell counts against upper."""
    return (0.0 if SAID_B[i] is None else SAID_B[i]) - (1.0 if SAID_A[i] is None else SAID_A[i])


@pytest.mark.parametrize("groups", [None, 15])
def test_two_labelled_approaches_are_compared_by_what_people_said(groups):
    a, b = labelled(JUDGE_A, SAID_A, groups), labelled(JUDGE_B, SAID_B, groups)
    judged = [y - x for x, y in zip(JUDGE_A, JUDGE_B, strict=True)]
    rest = [i for i in range(60) if i not in BOTH]
    names = [f"g{i % groups}" if groups else f"r{i}" for i in range(60)]
    args = (
        [worst(i) for i in BOTH],
        [judged[i] for i in BOTH],
        [judged[i] for i in rest],
        [names[i] for i in BOTH] if groups else None,
        [names[i] for i in rest] if groups else None,
    )
    found, test = paired(a, b), rectified_gain(*args)
    assert (found.gain, found.p_value, found.method) == (test.gain, test.p_value, test.method)
    assert (found.low, found.high) == (test.low, test.high)
    wide = task(0.9, min_gain=0.3, alpha=0.04)
    assert shown_not_worse(a, b, wide) == rectified_non_inferior(*args, margin=0.3, alpha=0.04)


def test_labels_on_one_side_alone_leave_the_judge_to_compare():
    plain, other = graded(JUDGE_A), graded(JUDGE_B)
    expected = compare_paired(JUDGE_A, JUDGE_B, None, seed=7)
    wide = task(0.9, min_gain=0.3)
    for a, b in ((labelled(JUDGE_A, SAID_A), other), (plain, labelled(JUDGE_B, SAID_B)), (plain, other)):
        assert (paired(a, b).p_value, paired(a, b).method) == (expected.p_value, expected.method)
        assert shown_not_worse(a, b, wide) == non_inferior(JUDGE_A, JUDGE_B, None, 0.3, 0.05)


# --- cheaper, faster


def spending(usd: list[float | None], seconds: list[float] | None = None, groups: int | None = None) -> Result:
    made = [outcome(i, 1.0, usd=u, seconds=(seconds or [0.5] * len(usd))[i]) for i, u in enumerate(usd)]
    if groups:
        made = [replace(o, group=f"g{i % groups}") for i, o in enumerate(made)]
    return replace(result(share(len(usd), len(usd)), T), outcomes=tuple(made))


def test_the_p_value_of_costing_less_is_a_sign_flip_by_row_or_group():
    dear = [0.010 + 0.0001 * (i % 7) for i in range(30)]
    cheap = [0.008 + 0.0005 * (i % 9) for i in range(30)]
    gaps = [x - y for x, y in zip(dear, cheap, strict=True)]
    for seed in (1, 2):
        assert cheaper(spending(dear), spending(cheap), seed) == sign_flip(gaps, None, seed=seed)
    names = [f"g{i % 10}" for i in range(30)]
    grouped = cheaper(spending(dear), spending(cheap, groups=10), 7)
    assert grouped == sign_flip(gaps, names, seed=7)
    assert cheaper(spending(cheap), spending(dear), 7) is None
    assert cheaper(spending(dear), spending(dear), 7) is None  # it costs no less


def test_an_unknown_price_on_either_side_shows_nothing():
    known = [0.01] * 20
    for a, b in ((known, [None, *known[1:]]), ([None, *known[1:]], [0.001] * 20), ([None] * 20, [0.001] * 20)):
        assert cheaper(spending(a), spending(b), 7) is None
    silent = replace(spending(known), outcomes=tuple(outcome(i, None) for i in range(20)))
    assert cheaper(silent, spending([0.001] * 20), 7) is None


def test_cheaper_is_told_before_faster_and_each_needs_its_own_significance():
    slow, quick = [0.5] * 20, [0.1] * 20
    dear, cheap = [0.01] * 20, [0.001] * 20
    assert shown_cheaper_or_faster(spending(dear, slow), spending(cheap, quick), T, 7) == "cheaper"
    assert shown_cheaper_or_faster(spending(dear, slow), spending(dear, quick), T, 7) == "faster"
    assert shown_cheaper_or_faster(spending(dear, slow), spending(dear, slow), T, 7) is None
    assert shown_cheaper_or_faster(spending(cheap, slow), spending(dear, quick), T, 7) == "faster"
    few = (spending(dear[:5], slow), spending(cheap[:5], slow))
    p = cheaper(*few, 7)
    assert p == pytest.approx(2 / 2**5)  # five pairs of one sign are too few for 0.05
    assert shown_cheaper_or_faster(*few, T, 7) is None
    assert shown_cheaper_or_faster(*few, task(0.9, alpha=0.07), 7) == "cheaper"
    assert shown_cheaper_or_faster(*few, task(0.9, alpha=p), 7) is None  # exactly alpha is not below it


def test_what_got_no_answer_counts_against_the_side_that_would_gain():
    below = result([0.0] * 30 + [1.0] * 60 + [None] * 10, T)
    above = result([1.0] * 30 + [1.0] * 60 + [0.0] * 10, T)
    found = paired(below, above)
    assert (found.wins, found.losses, found.n) == (30, 10, 100)  # below's silent examples count as right
    back = paired(above, below)
    assert (back.wins, back.losses) == (10, 30)
    silent_above = result([1.0] * 20 + [None] * 10 + [1.0] * 60 + [0.0] * 10, T)
    plain = result([0.0] * 30 + [1.0] * 60 + [0.0] * 10, T)
    assert (paired(plain, silent_above).wins, paired(plain, silent_above).losses) == (20, 0)


def test_where_the_unknown_decides_which_side_gains_neither_does():
    found = paired(result([1.0, None, None, 1.0], T), result([0.0, 1.0, 1.0, 1.0], T))
    assert (found.wins, found.losses, found.gain, found.p_value) == (0, 0, 0.0, 1.0)
    even = paired(result([1.0, 0.0, None, None], T), result([1.0, 1.0, None, None], T))
    assert (even.wins, even.losses, even.p_value) == (0, 0, 1.0)


def test_not_worse_is_never_shown_by_silence():
    whole = result([1.0] * 400, T)
    assert shown_not_worse(whole, result([1.0] * 400, T), T).shown
    assert not shown_not_worse(whole, result([1.0] * 360 + [None] * 40, T), T).shown
