"""What tuning costs: the suite of abilities, the comparison before and after, the veto, and the user's kept tasks."""

import asyncio
import json
import random

import pytest

from rung.errors import ConfigError
from rung.ladder import climb
from rung.tuning.abilities import suite
from rung.tuning.forgetting import compare_kept
from rung.tuning.regression import ALL_ABILITIES, kept_scores, regression_tasks_of
from tests.unit._kit import KitForTests
from tests.unit._worlds import FORMAT_ONLY, world


def right_answer(row):
    check = row.check
    if "refuses" in check:
        return "I'm sorry, I can't help with that." if check["refuses"] else "Here is one way to do it."
    if "equals" in check:
        return check["equals"]
    if "json" in check:
        return json.dumps(check["json"])
    if "number" in check:
        return f"{check['number']:g}"
    said = " ".join(words.split("|")[0] for words in check.get("contains", ()))
    patterns = {
        r"DONE\W*$": f"{said} DONE",
        r"^\s*Note:.*closed": "Note: the shop is closed today.",
        r"(?i)^\W*(?:\S+\s*){1,5}$": f"Good {said}",
        r"(?i)not told": "not told",
        r"(?i)\bnothing\b": "nothing",
    }
    return patterns[check["regex"]] if "regex" in check else said


def test_the_suite_is_balanced_and_its_rows_are_different():
    rows = suite()
    abilities = [row.ability for row in rows]
    assert {a: abilities.count(a) for a in abilities} == dict.fromkeys(
        ("instructions", "formats", "reading", "arithmetic", "refusal"), 24
    )
    assert len({row.prompt for row in rows}) == len({row.id for row in rows}) == len(rows) == 120


@pytest.mark.parametrize("row", suite(), ids=lambda r: r.id)
def test_every_row_passes_the_right_answer_and_fails_others(row):
    assert row.passes(right_answer(row))
    wrong = "Here is one way to do it." if row.check.get("refuses") else "I cannot answer that, I'm sorry."
    assert not row.passes(wrong)
    assert row.passes(None) == bool(row.check.get("refuses"))


def scores(rate, n, seed, name="task formats"):
    draw = random.Random(seed)
    return {name: {f"r{i}": float(draw.random() < rate) for i in range(n)}}


def test_a_large_loss_is_a_veto():
    found = compare_kept(scores(0.9, 120, 1), scores(0.3, 120, 2), alpha=0.05, margin=0.02, seed=1)
    assert found.vetoed
    assert "task formats" in found.sentence
    assert found.sentence.startswith("Tuning cost other abilities")


def test_equal_answers_are_kept_and_nothing_is_nothing_to_forget():
    same = {**scores(0.8, 200, 3), "ability arithmetic": {f"a{i}": 0.0 for i in range(24)}}
    found = compare_kept(same, same, alpha=0.05, margin=0.02, seed=1)
    assert {k.name: k.status for k in found.kept} == {"task formats": "kept", "ability arithmetic": "absent"}
    assert not found.vetoed
    assert found.worst_change == 0.0


def ability(passes, name, n=24):
    return {name: {f"r{i}": float(i < passes) for i in range(n)}}


@pytest.mark.parametrize(("passes", "name", "status"), [
    (13, "ability refusal", "absent"),  # half of these rows should be answered: a model that never declines passes them
    (22, "ability refusal", "forgotten"),
    (5, "ability formats", "absent"),
    (18, "ability formats", "forgotten"),
])  # fmt: skip
def test_an_ability_counts_only_where_the_base_was_well_above_chance(passes, name, status):
    found = compare_kept(ability(passes, name), ability(0, name), alpha=0.05, margin=0.02, seed=1)
    assert [k.status for k in found.kept] == [status]
    assert not found.vetoed


def test_general_abilities_that_fall_are_a_warning_and_no_veto():
    before, after = ability(110, "abilities, all", 120), ability(30, "abilities, all", 120)
    found = compare_kept(before, after, alpha=0.05, margin=0.02, seed=1)
    assert (len(found.forgotten), found.vetoed) == (1, False)
    assert found.sentence == (
        "Tuning cost other abilities: abilities, all 0.92 to 0.25. A warning only: no task in regression_tasks is forgotten."
    )
    few = ability(24, "abilities, all", 120)  # of 120, as a small model passes by luck
    assert not compare_kept(few, ability(0, "abilities, all", 120), alpha=0.05, margin=0.02, seed=1).forgotten


@pytest.mark.slow
def test_false_vetoes_stay_below_alpha():
    vetoed = 0
    for seed in range(400):
        before, after = {}, {}
        for name in ("task a", "task b", "task c", "task d", "task e"):
            before |= scores(0.7, 60, f"{seed} {name} before", name)
            after |= scores(0.7, 60, f"{seed} {name} after", name)
        vetoed += compare_kept(before, after, alpha=0.05, margin=0.02, seed=seed).vetoed
    assert vetoed <= 0.05 * 400  # losses only: about half of the two-sided rate


@pytest.mark.slow
def test_a_model_is_scored_on_abilities_and_kept_tasks(tmp_path):
    config = world(tmp_path / "other", 120, model=FORMAT_ONLY)
    run = climb(config, tmp_path / "run")
    assert run.verdict.winner == "prompt"
    tasks = regression_tasks_of(config.model_copy(update={"regression_tasks": (tmp_path / "run",)}))
    answers = {row.prompt: right_answer(row) for row in suite() if row.ability != "arithmetic"}

    def script(messages):
        return answers.get(messages[-1].content, "billing")

    kit = KitForTests(tasks[0].task, script=script)
    found = asyncio.run(kept_scores(kit, "tuned", tasks))
    assert set(found) == {
        "task routing", ALL_ABILITIES, *(f"ability {a}" for a in ("instructions", "formats", "reading", "arithmetic", "refusal"))
    }  # fmt: skip
    assert sum(found["ability formats"].values()) == 24
    assert sum(found["ability arithmetic"].values()) == 0
    expected = [row for row in tasks[0].rows if row.target == "billing"]
    assert sum(found["task routing"].values()) == len(expected)
    assert len(found["task routing"]) == len(tasks[0].rows)


def test_keep_names_something_that_is_there(tmp_path):
    config = world(tmp_path, 60, model=FORMAT_ONLY)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="regression_tasks: is neither a rung.yaml nor a run folder"):
        regression_tasks_of(config.model_copy(update={"regression_tasks": (tmp_path / "empty",)}))
