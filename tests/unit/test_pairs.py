"""Before fine-tuning is relied on people compare pairs of answers, blind: which are asked for, what is kept, and what the verdict makes of them."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rung import plugins
from rung.cli import app
from rung.config import Config
from rung.decide.looks import confirmed, in_question, refuted
from rung.decide.verdict import decide
from rung.engine.verify import verify
from rung.evaluate.measure import held_beside
from rung.judging.pairs import ALIKE, FIRST, SECOND, looks_of, pairs_to_ask
from rung.ladder import climb
from rung.stats.paired import sign_test
from rung.store.records import Draw, Label
from rung.store.run import RunFolder
from rung.types import Answer, Completion, Outcome, PairLooks, Result, Score
from tests.unit._results import result, share, task
from tests.unit.test_verdict import climbed
from tests.unit.test_verdict_tuned import PLANNED, TUNED, tuned_as

LOOKS = PairLooks("prompt", "finetune", 30, 0, 22, 6, 2, 0, 60, 400)


def answered(texts: list[str], right: list[bool], group: int = 1) -> Result:
    t = task(0.9)
    made = result([float(r) for r in right], t)
    calls = (Completion("x", "toy", 1, 1, 0.1, 0.001),)
    outcomes = tuple(
        Outcome(f"r{i}", f"g{i // group}", Answer(text, calls), {"normalized_match": Score(float(r))})
        for i, (text, r) in enumerate(zip(texts, right, strict=True))
    )
    return replace(made, outcomes=outcomes)


def test_the_sign_test_is_the_binomial_tail():
    assert sign_test(6, 0) == pytest.approx(1 / 64)
    assert sign_test(3, 1) == pytest.approx(5 / 16)
    assert sign_test(0, 0) == sign_test(0, 9) == 1.0


def test_pairs_are_drawn_among_examples_with_different_answers_one_a_group_and_the_order_tells_nothing():
    lower = answered(["a", "A ", "b", "b", "b", "b"] + ["b"] * 194, [True] * 200, group=2)
    upper = answered(["a", "a", "c", "c", "c", "b"] + ["c"] * 194, [True] * 200, group=2)
    asked, differing, both = pairs_to_ask(lower, upper, 7)
    assert (differing, both) == (197, 200)
    assert len(asked) == len({pair.example_id for pair in asked}) == 99  # of 100 groups one has equal answers
    assert pairs_to_ask(lower, upper, 7) == (asked, differing, both)
    assert pairs_to_ask(lower, upper, 8)[0] != asked
    assert {(p.first, p.second, p.upper_first) for p in asked} == {("b", "c", False), ("c", "b", True)}
    assert 25 < sum(p.upper_first for p in asked) < 75
    turned, _, _ = pairs_to_ask(upper, lower, 7)  # what people said is of texts, so it holds for whoever gave them
    assert {p.id for p in turned} == {p.id for p in asked}


def test_what_people_said_is_counted_for_whoever_gave_the_answer():
    lower, upper = answered(["b"] * 40, [False] * 40), answered(["c"] * 40, [True] * 40)
    asked, _, _ = pairs_to_ask(lower, upper, 7)
    draw = Draw(tuple(p.id for p in asked[:5]), (5,))

    def said(*values: float | None) -> PairLooks:
        labels = [Label(p.id, p.example_id, v, "") for p, v in zip(asked, values, strict=False)]
        return looks_of(task(0.9), ("prompt", "finetune"), {"prompt": lower, "finetune": upper}, draw, labels, 7)

    for_upper = [FIRST if p.upper_first else SECOND for p in asked]
    found = said(for_upper[0], 1 - for_upper[1], ALIKE, None)
    assert (found.drawn, found.waiting, found.for_upper, found.for_lower, found.alike, found.unknown) == (
        5,
        1,
        1,
        1,
        1,
        1,
    )
    assert found.against_labels == (asked[1].example_id,)  # its expected output calls the other one better
    assert not found.complete
    assert said(*for_upper[:5]).gain == pytest.approx(1.0)
    assert said(*for_upper[:4], 1 - for_upper[4]).gain == pytest.approx(0.6)
    other = Draw(("of other answers",), (1,))
    again = looks_of(task(0.9), ("prompt", "finetune"), {"prompt": lower, "finetune": upper}, other, (), 7)
    assert (again.drawn, again.waiting) == (30, 30)


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),  # 22 of 28: p = .002, and a gain of 8 points
        ({"for_upper": 18, "for_lower": 10}, False),  # p = .09
        ({"for_upper": 19, "for_lower": 9}, True),  # p = .044
        ({"for_upper": 19, "for_lower": 9, "draws": 2}, False),  # the second draw has half of alpha
        ({"differing": 14}, False),  # 1.9 points, less than min_gain
        ({"waiting": 1}, False),
    ],
)
def test_people_confirm_a_gain_that_is_significant_and_large_enough(changes, holds):
    looks = replace(LOOKS, **changes)
    assert confirmed(task(0.9), looks) is holds
    assert refuted(task(0.9), looks) is (not holds and looks.complete)
    assert not refuted(task(0.9), None)


def test_the_verdict_asks_then_believes_or_doubts():
    t = task(0.9)
    results = {"prompt": result(share(280, 400), t), "finetune": result(share(390, 400), t)}
    assert in_question(t, results, TUNED, 7) == ("prompt", "finetune")
    assert in_question(t, {"prompt": result(share(390, 400), t)}, TUNED, 7) is None
    assert in_question(replace(t, target=None), results, TUNED, 7) is None

    def verdict(looks):
        return decide(replace(climbed(t, results, planned=PLANNED, trained=TUNED), looks=looks))

    open_ = verdict(replace(LOOKS, for_upper=0, for_lower=0, alike=0, waiting=30))
    assert (open_.winner, open_.pairs_to_compare) == ("finetune", 30)
    assert any("30 test answers" in line and "`rung label` asks for them" in line for line in open_.counterfactuals)
    sure = verdict(LOOKS)
    assert (sure.winner, sure.pairs_to_compare) == ("finetune", None)
    assert not any("can be learnt" in line for line in sure.counterfactuals)
    assert any("people confirm the gain of fine-tuning: 22 of 30 pairs" in r.claim for r in sure.reasons)
    doubted = verdict(replace(LOOKS, for_upper=6, for_lower=22, against_labels=("r3", "r9")))
    assert (doubted.decision, doubted.winner, doubted.tentative_pick) == ("inconclusive", None, None)
    assert doubted.headline == (
        "Inconclusive: by the expected outputs fine-tuning meets the goal, but people who compared 30 pairs of answers do not prefer it over prompt "
        "(6 wins, 22 losses); check the expected outputs."
    )
    assert any(
        line.startswith("In 2 of 30 pairs people chose the answer") and "(r3, r9)" in line
        for line in doubted.counterfactuals
    )


BESIDE = task(0.95, tolerance=0.03, as_good_as="now")


@pytest.mark.parametrize(
    ("changes", "people"),
    [
        ({}, "confirm"),  # 22 for the tuned one, 6 for the other
        ({"for_upper": 15, "for_lower": 15, "alike": 0, "differing": 30}, "confirm"),
        ({"for_upper": 15, "for_lower": 15, "alike": 0}, "leave open"),  # no preference, where they differ on 60 of 400
        ({"for_upper": 9, "for_lower": 19}, "contradict"),  # p = .044
        ({"for_upper": 10, "for_lower": 16, "differing": 240}, "contradict"),  # 12 points worse by their count
        ({"for_upper": 0, "for_lower": 30, "differing": 10}, "confirm"),  # they differ on less than the margin
        ({"waiting": 1}, "leave open"),
    ],
)
def test_beside_what_runs_now_people_confirm_contradict_or_leave_open_that_it_is_at_most_the_margin_worse(
    changes, people
):
    looks = replace(LOOKS, lower="now", **changes)
    assert confirmed(BESIDE, looks) is (people == "confirm")
    assert refuted(BESIDE, looks) is (people == "contradict")


def test_a_tuned_one_that_is_as_good_as_what_runs_now_is_compared_with_that():
    now = result(share(380, 400), BESIDE, usd=0.01)
    others = {"prompt": result(share(280, 400), BESIDE), "finetune": tuned_as(result(share(390, 400), BESIDE))}
    beside = {label: held_beside(r, now, BESIDE, 2) for label, r in others.items()}
    assert in_question(BESIDE, {"now": now, **beside}, TUNED, 7) == ("now", "finetune")

    def verdict(looks):
        made = climbed(BESIDE, beside, planned=("now", *beside), trained=TUNED)
        return decide(replace(made, current=now, looks=looks))

    open_ = verdict(replace(LOOKS, lower="now", for_upper=0, for_lower=0, alike=0, waiting=30))
    assert (open_.winner, open_.pairs_to_compare) == ("finetune", 30)
    assert any("with those of 'now'" in line and "`rung label` asks for them" in line for line in open_.counterfactuals)
    sure = verdict(replace(LOOKS, lower="now"))
    assert sure.winner == "finetune"
    assert any("people confirm as good as what runs now: fine-tuning: 22 of 30 pairs" in r.claim for r in sure.reasons)
    unsettled = verdict(replace(LOOKS, lower="now", for_upper=14, for_lower=14))
    assert unsettled.winner == "finetune"
    assert any("30 pairs of answers neither confirm nor contradict" in line for line in unsettled.counterfactuals)
    doubted = verdict(replace(LOOKS, lower="now", for_upper=4, for_lower=24))
    assert (doubted.decision, doubted.winner) == ("inconclusive", None)
    assert doubted.headline == (
        "Inconclusive: by the expected outputs fine-tuning is as good, but people who compared 30 pairs of answers do not show it as good as now "
        "(4 wins, 24 losses); check the expected outputs."
    )


# --- end to end -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _own_plugins():
    yield
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("decisions/plugins")]
    plugins.available.cache_clear()


def tuned_world(root: Path) -> tuple[Config, dict[str, str]]:
    """Write the rows of a task that only a tuned model solves; return its climb, and the true answer by text."""
    from bench.decisions.memory import config_of, let_in
    from bench.decisions.replay import write_rows
    from bench.decisions.worlds import Rung, World

    let_in()
    ladder = (Rung("prompt", {"exact": 0.7}), Rung("tuned", {"3 epochs": 0.99}, "tuned", tokens=0.1))
    world = World("only tuning", 0.1, ladder, ("tuned",))
    root.mkdir(exist_ok=True)
    models = write_rows(world, root, 500, 3)
    config = config_of(world, root, models=models, split={"seed": 3, "test": 0.4, "dev": 0.15}, diagnosis={"calls": 0})
    return config, models["main"]["answers"]


@pytest.mark.slow
@pytest.mark.parametrize("agree", [True, False])
def test_pairs_end_to_end_by_sheet_and_by_key(tmp_path, agree):
    config, truth = tuned_world(tmp_path / "project")
    run = climb(config, tmp_path / "run")
    assert (run.verdict.winner, run.verdict.pairs_to_compare) == ("made-tuned", 30)
    shown = CliRunner().invoke(app, ["report", str(tmp_path / "run"), "--format", "text"])
    assert "compare 30 pairs of answers: is the" in shown.output, shown.output
    sheet = tmp_path / "pairs.csv"
    wrote = CliRunner().invoke(app, ["label", str(tmp_path / "run"), "--csv", str(sheet)])
    assert "Wrote 30 pairs of answers" in wrote.output
    lines = list(csv.DictReader(sheet.read_text("utf-8-sig").splitlines()))
    assert len(lines) == 30
    assert set(lines[0]) == {"answer_id", "row", "input: text", "first answer", "second answer", "label"}
    assert "tuned" not in sheet.read_text("utf-8-sig")
    for line in lines[1:]:
        right = [line[f"{which} answer"] == truth[line["input: text"]] for which in ("first", "second")]
        first = right[0] if agree else right[1]
        line["label"] = "no difference" if right[0] == right[1] else "the first" if first else "2"
    with sheet.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    read = CliRunner().invoke(app, ["label", str(tmp_path / "run"), "--csv", str(sheet)])
    assert "Read 29 labels" in read.output
    asked = CliRunner().invoke(app, ["label", str(tmp_path / "run")], input="s\n")
    assert "1 of 30 pairs of answers wait. Which answer is right? The task:" in asked.output
    assert "the first answer:" in asked.output
    assert "30 of 30 pairs of answers are compared (1 cannot tell)." in asked.output
    folder = RunFolder.open(tmp_path / "run")
    assert [c.differs for c in verify(folder) if c.differs] == [
        "people gave labels since the verdict; run the same `rung climb` again, then verify"
    ]
    again = climb(config, tmp_path / "run")
    assert (again.verdict.winner, again.verdict.decision) == (
        ("made-tuned", "meets") if agree else (None, "inconclusive")
    )
    assert again.verdict.pairs_to_compare is None
    assert [c.differs for c in verify(folder) if c.differs] == []
    assert json.loads(CliRunner().invoke(app, ["label", str(tmp_path / "run"), "--json"]).output)["waiting"] == []
    fewer = CliRunner().invoke(app, ["label", str(tmp_path / "run"), "--rows", "10", "--json"])
    assert "30 pairs are drawn already" in str(fewer.exception)
    if agree:
        more = CliRunner().invoke(app, ["label", str(tmp_path / "run"), "--rows", "40", "--json"])
        assert len(json.loads(more.output)["waiting"]) == 10
        assert folder.labels.pairs_draw.need().looks == (30, 40)
        waits = climb(config, tmp_path / "run")
        assert (waits.verdict.winner, waits.verdict.pairs_to_compare) == ("made-tuned", 10)
    shutil.rmtree(tmp_path / "project")
