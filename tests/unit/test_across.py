"""`rung compare`: two runs on the same frozen test rows, row by row; other rows and other metrics are refused."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung import cli
from rung.decide.across import Side, across
from rung.decide.compare import adjust, neighbours
from rung.decide.wording import bound, difference
from rung.engine.sides import side
from rung.errors import IntegrityError, RungError
from rung.stats.paired import compare_paired
from rung.store.sealed import sealed_test
from rung.types import Score
from tests.unit._results import result, task
from tests.unit._run_folder import LADDER, Made, build


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    build(root / "a")
    better = (*LADDER[:2], Made("fewshot", 0.97, 0.0001, 0.4))
    build(root / "b", better)
    build(root / "other", sizes=(300, 60, 150))
    return root


@pytest.mark.slow
def test_winners_are_compared_where_no_rung_is_named(runs):
    found = across(side(str(runs / "a")), side(str(runs / "b")))
    pair = found.comparison
    assert (pair.lower, pair.upper) == (f"{runs / 'a'}:fewshot", f"{runs / 'b'}:fewshot")
    assert (pair.n, pair.wins + pair.losses + pair.ties) == (200, 200)
    assert found.not_worse.shown
    assert found.spares == "cheaper"
    assert found.notes == ()


def test_any_two_rungs_of_one_run(runs):
    found = across(side(f"{runs / 'a'}:baseline"), side(f"{runs / 'a'}:fewshot"))
    assert (found.better, found.worse) == (True, False)
    back = across(side(f"{runs / 'a'}:fewshot"), side(f"{runs / 'a'}:baseline"))
    assert (back.better, back.worse, back.not_worse.shown) == (False, True, False)
    assert back.comparison.gain == pytest.approx(-found.comparison.gain)


def test_other_test_rows_are_refused(runs):
    with pytest.raises(IntegrityError, match="were measured on different test examples"):
        across(side(str(runs / "a")), side(str(runs / "other")))


def test_other_metrics_are_refused(runs, tmp_path):
    folder = build(tmp_path / "m")
    head = folder.read("run.json")
    head["task"]["metrics"] = [{"name": "token_f1", "settings": {}}]
    folder.write("run.json", head)
    with pytest.raises(IntegrityError, match="is judged by normalized_match and .* by token_f1"):
        across(side(str(runs / "a")), side(str(tmp_path / "m")))


def test_an_unknown_rung_is_named(runs):
    with pytest.raises(RungError, match="has no measured approach 'rag'; measured: baseline, prompt, fewshot"):
        across(side(f"{runs / 'a'}:rag"), side(str(runs / "b")))


def test_a_rung_is_found_by_the_spellings_that_people_type(runs):
    for said in ("few-shot", "FEW_SHOT", "fewshot"):
        assert side(f"{runs / 'a'}:{said}").name.endswith(":fewshot")


def test_what_weakens_a_comparison_is_told(runs, tmp_path):
    folder = build(tmp_path / "c", (LADDER[0], replace(LADDER[1], ability=0.5, stopped_at=60), LADDER[2]))
    sealed_test(folder).reveal()
    found = across(side(str(runs / "a")), side(f"{tmp_path / 'c'}:prompt"))
    assert found.comparison.n == 60
    name = f"{tmp_path / 'c'}:prompt"
    assert found.notes == (
        f"{name} stopped early: only the 60 examples that both visited are compared",
        f"the test examples of {name} were shown to people: what was made after that is not judged fairly",
    )


def test_the_verb_prints_a_line_for_each_question(runs, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["rung", "compare", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().out

    code, out = run(f"{runs / 'a'}:prompt", f"{runs / 'b'}:fewshot")
    assert code == 0
    assert "significantly better" in out
    code, out = run(f"{runs / 'b'}:fewshot", f"{runs / 'a'}:prompt")
    assert (code, "not shown to be at most 0.02 worse" in out) == (1, True)
    code, out = run(f"{runs / 'a'}:fewshot", f"{runs / 'b'}:fewshot")
    assert "cost per 1,000 requests $0.58 -> $0.1" in out
    assert "; shown to be cheaper" in out
    code, out = run(f"{runs / 'a'}:prompt", f"{runs / 'b'}:fewshot", "--json")
    data = json.loads(out)
    assert (data["better"], data["test_opened"]) == (True, [3, 3])
    assert data["cheaper_or_faster"] == "cheaper"  # rows on which only the prompt timed out are left out
    assert data["cost_per_1k_usd"] == [pytest.approx(0.21), pytest.approx(0.1)]


def test_a_run_without_a_winner_stands_for_its_lean_and_without_one_for_its_last_rung(runs, tmp_path):
    folder = build(tmp_path / "run")
    verdict = folder.verdict.need()
    named = {}
    for winner, lean in (("prompt", "baseline"), (None, "baseline"), (None, None)):
        folder.verdict.save(replace(verdict, winner=winner, tentative_pick=lean))
        named[winner, lean] = across(side(str(runs / "a")), side(str(folder.path))).upper.name.rpartition(":")[2]
    assert named == {("prompt", "baseline"): "prompt", (None, "baseline"): "baseline", (None, None): "fewshot"}
    folder.verdict.forget()
    assert across(side(str(runs / "a")), side(str(folder.path))).upper.name.endswith(":fewshot")
    folder.rung("fewshot").result.forget()
    assert across(side(str(runs / "a")), side(str(folder.path))).upper.name.endswith(":prompt")
    for name in ("baseline", "prompt"):
        folder.rung(name).result.forget()
    with pytest.raises(RungError, match=r"run has no measured approach yet; run `rung climb` there first"):
        across(side(str(runs / "a")), side(str(folder.path)))


def test_a_folder_whose_name_holds_a_colon_is_a_folder(runs, tmp_path):
    folder = build(tmp_path / "my:run")
    assert across(side(str(runs / "a")), side(str(folder.path))).upper.name == f"{folder.path}:fewshot"


def test_the_rules_are_those_of_the_second_task(runs, tmp_path):
    folder = build(tmp_path / "run")
    head = folder.read("run.json")
    head["task"] |= {"alpha": 0.01, "min_gain": 0.3, "failure_score": None}
    folder.write("run.json", head)
    found = across(side(f"{runs / 'a'}:baseline"), side(f"{folder.path}:prompt"))
    assert (found.alpha, found.margin, found.lower.task.alpha, found.upper.task.alpha) == (0.01, 0.3, 0.05, 0.01)
    assert found.notes == ("the two tasks count failed examples differently; both are counted as the second one does",)
    timeouts = folder.rung("prompt").measured().failures["timeout"]
    assert timeouts > 0
    assert found.comparison.n == 200  # what got no answer is unknown and never left out
    back = across(side(f"{folder.path}:prompt"), side(f"{runs / 'a'}:baseline"))
    assert (back.alpha, back.margin, back.comparison.n) == (0.05, 0.02, 200)
    assert (back.lower.opened, back.lower.revealed) == (3, False)


@pytest.mark.parametrize(
    ("gain", "p", "better", "worse"),
    [
        (0.1, 0.04, True, False),
        (0.1, 0.05, False, False),
        (-0.1, 0.04, False, True),
        (-0.1, 0.05, False, False),
        (0.0, 0.01, False, False),
    ],
)
def test_better_and_worse_need_a_significant_gain_of_their_sign(runs, gain, p, better, worse):
    found = across(side(f"{runs / 'a'}:baseline"), side(f"{runs / 'a'}:fewshot"))
    made = replace(found, comparison=replace(found.comparison, gain=gain, p_value=p))
    assert (made.better, made.worse) == (better, worse)


def test_rungs_without_a_common_scored_row_cannot_be_compared(tmp_path):
    one, two = (build(tmp_path / name, (LADDER[0],)) for name in ("one", "two"))
    kept = two.rung("baseline").outcomes
    kept.save(tuple(replace(o, example_id=f"x{o.example_id}") for o in kept.need()))
    with pytest.raises(RungError, match="share no test example that has a score in both"):
        across(side(str(one.path)), side(str(two.path)))


def held_against(a, b, alpha=0.05, groups=None):
    """Return the second row of scores compared with the first; `groups` names the group of each row."""
    t = task(0.9, alpha=alpha)
    sides = []
    for name, values in (("a", a), ("b", b)):
        found = result(values, t)
        if groups is not None:
            found = replace(
                found, outcomes=tuple(replace(o, group=g) for o, g in zip(found.outcomes, groups, strict=True))
            )
        sides.append(Side(name, found, t, 1, False, 7))
    return across(*sides)


BITS = st.sampled_from([0.0, 1.0])
GRADES = st.sampled_from([0.0, 0.25, 0.5, 0.8, 1.0])


@pytest.mark.parametrize("score", [BITS, GRADES], ids=["0/1", "graded"])
@given(data=st.data())
def test_what_is_said_never_contradicts_the_interval_beside_it(score, data):
    """Better: all of it above 0; worse: all below; no difference shown: 0 is in it. The gain always is."""
    a = data.draw(st.lists(score, min_size=9, max_size=60))
    flips = data.draw(st.lists(st.integers(0, 9), min_size=len(a), max_size=len(a)))
    b = [1.0 if f >= 7 else x for x, f in zip(a, flips, strict=True)]
    alpha = data.draw(st.sampled_from([0.01, 0.05, 0.2]))
    groups = [f"g{i // 2}" for i in range(len(a))] if data.draw(st.booleans()) else None
    for found in (held_against(a, b, alpha, groups), held_against(b, a, alpha, groups)):
        pair = found.comparison
        assert pair.low <= pair.gain <= pair.high
        said = {
            "significantly better": pair.low > 0,
            "significantly worse": pair.high < 0,
            "no significant difference": pair.low <= 0 <= pair.high,
        }
        assert said[found.word], (found.word, pair)
        assert (found.better, found.worse) == (
            found.word == "significantly better",
            found.word == "significantly worse",
        )


@pytest.mark.parametrize("score", [BITS, GRADES], ids=["0/1", "graded"])
@given(data=st.data())
def test_a_pair_of_a_ladder_has_one_interval_that_no_reader_contradicts(score, data):
    """The verdict's comparison and `rung compare` give one interval, whatever number of pairs corrects the p-value."""
    rows = data.draw(st.integers(9, 40))
    t = task(0.9, alpha=data.draw(st.sampled_from([0.01, 0.05, 0.2])))
    ladder = {name: result(data.draw(st.lists(score, min_size=rows, max_size=rows)), t) for name in "abc"}
    for pair in adjust(neighbours(ladder, t, seed=3), data.draw(st.integers(3, 6))):
        sides = [Side(name, ladder[name], t, 1, False, 3) for name in (pair.lower, pair.upper)]
        alone = across(*sides).comparison
        assert replace(pair, p_adjusted=pair.p_value) == alone
        shown = {
            "no significant difference": pair.low <= 0 <= pair.high,
            "significantly better": pair.low > 0,
            "significantly worse": pair.high < 0,
            "better as a single pair, not among all pairs compared": pair.low > 0,
            "worse as a single pair, not among all pairs compared": pair.high < 0,
        }
        assert shown[difference(pair, t.alpha)], pair


def test_graded_scores_are_resampled_alike_in_the_verdict_and_in_a_comparison(tmp_path):
    run = build(tmp_path / "run")
    for label in ("baseline", "prompt"):
        kept = run.rung(label).outcomes
        mild = (0.0, 0.21, 0.47, 0.66, 1.0)
        kept.save(
            tuple(
                replace(o, scores={"normalized_match": Score(mild[(n * n + n * len(label)) % 5], adheres=True)})
                if o.scores
                else o
                for n, o in enumerate(kept.need())
            )
        )
    measured = {label: run.rung(label).measured() for label in ("baseline", "prompt")}
    [stored] = neighbours(measured, run.task, run.parts.manifest.need()["seed"])
    found = across(side(f"{run.path}:baseline"), side(f"{run.path}:prompt")).comparison
    assert (found.gain, found.low, found.high) == (stored.gain, stored.low, stored.high)
    assert "bootstrap" in found.method


def test_the_very_case_an_exact_test_that_does_not_reject_beside_an_interval_without_0():
    """5 wins and no loss: McNemar's p is 0.0625, and Newcombe's interval lies above 0."""
    a, b = [1.0] * 35 + [0.0] * 5, [1.0] * 40
    bare = compare_paired(a, b)
    assert bare.p_value > 0.05
    assert bare.low > 0
    found = held_against(a, b)
    assert (found.word, found.comparison.low) == ("no significant difference", 0.0)
    assert found.comparison.high == bare.high
    assert [bound(v) for v in (0.0, 1e-6, -1e-6, 0.0123)] == ["+0.000", "above 0", "below 0", "+0.012"]
