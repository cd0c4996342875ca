"""Generations: test examples stay, a challenger must be shown better, aliases move whole, and back again without training."""

import json
import random
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rung import cli
from rung.data.configured import read_rows
from rung.decide.promotion import FEWEST, contest
from rung.engine.sides import side
from rung.errors import FolderBusy, IntegrityError, Interrupted, RungError
from rung.generations.examples import grown
from rung.generations.retrain import NothingNew, level, retrain
from rung.generations.rollback import rollback
from rung.ladder import climb
from rung.models.direct import Direct
from rung.stats.spending import next_level
from rung.store.folder import locked
from rung.store.generations import Generations, champion_of
from rung.store.run import RunFolder
from tests.unit._worlds import rows, world

ONE = {"ladder": [{"prompt": {"rewrites": False}}], "diagnosis": {"calls": 0}, "task": {"goal": 0.4}}
WORSE, BETTER = {"abilities": {"base": 0.6}}, {"abilities": {"base": 0.97}}


def written(root, made):
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))


def of(root, model, n=300, **more):
    """The experiment over `n` rows, its model answering all of them."""
    return world(root, n, model=model, **{**ONE, **more})


@pytest.fixture
def root(tmp_path):
    climb(of(tmp_path, WORSE), tmp_path / "run")
    return tmp_path


@pytest.fixture
def place(root):
    return Generations(root / "again")


def seen(manifest):
    return {*manifest["train"]["ids"], *manifest["dev"]["ids"], *manifest["quarantined"]}


def again(root, place, model=BETTER, n=300, **more):
    return retrain(of(root, model, n), place, root / "run", "ann", **more)


def test_levels_sum_to_alpha_and_a_rejection_hands_its_own_on():
    assert next_level(0.05, []) == pytest.approx(0.025)
    assert sum(next_level(0.05, [False] * k) for k in range(1000)) == pytest.approx(0.05, abs=1e-4)
    assert next_level(0.05, [True]) == pytest.approx(0.025 + 0.05 / 6)
    assert next_level(0.05, [True, False]) == pytest.approx(0.05 / 12)
    assert next_level(0.05, [True] * 9) < 0.05


def test_a_better_challenger_is_promoted_on_new_test_examples_alone(root, place):
    before = RunFolder.open(root / "run").parts.manifest.need()
    found = again(root, place, n=900, why="ticket 7")
    assert found.promoted
    assert found.contest.fresh
    after = RunFolder.open(place.path / "2").parts.manifest.need()
    old, new = before["test"]["ids"], after["test"]["ids"]
    assert old.items() <= new.items()
    assert set(new) - set(old) == found.examples.fresh
    assert not found.examples.fresh & (before["train"]["ids"].keys() | before["dev"]["ids"].keys())
    assert len(found.examples.fresh) == pytest.approx(600 * 0.4, abs=3)
    assert found.contest.decided.comparison.n == len(found.examples.fresh) >= FEWEST
    assert found.contest.earlier.comparison.n == len(old)
    assert found.contest.level == pytest.approx(0.025)
    champion = place.champion.need()
    assert (champion.generation, champion.folder, champion.approach, champion.by) == (2, "2", "prompt", "ann")
    assert champion.why == "shown better at the level 0.025; ticket 7"
    assert [s.what for s in place.steps] == ["begun", "promoted"]
    assert place.challenger.need() == champion
    assert champion_of(place.path) == (place.path / "2", "prompt", 2)


def test_without_new_test_examples_all_decide_and_the_levels_are_spent(root, place):
    with pytest.raises(NothingNew, match="nothing has changed since generation 1"):
        again(root, place, WORSE)
    same = again(root, place, {**WORSE, "seed": 4})
    assert (same.promoted, same.contest.fresh, same.contest.earlier) == (False, False, None)
    assert same.contest.decided.comparison.n == 120
    assert "shown neither better" in same.step.why
    assert place.champion.need().generation == 1
    assert (place.challenger.need().generation, place.challenger.need().what) == (2, "kept")
    assert level(place, 0.05) == pytest.approx(0.05 / 6)
    third = again(root, place)
    assert (third.promoted, third.step.generation, third.contest.level) == (True, 3, pytest.approx(0.05 / 6))


def test_an_equal_one_takes_the_place_only_where_it_is_cheaper_and_shown_not_to_be_worse(root):
    climb(of(root, BETTER), root / "good")
    one = side(str(root / "good"))
    cheap = replace(one.result, outcomes=tuple(
        replace(o, answer=replace(o.answer, calls=tuple(replace(c, cost_usd=c.cost_usd / 2) for c in o.answer.calls)))
        for o in one.result.outcomes
    ))  # fmt: skip
    wide = replace(one.task, min_gain=0.1)
    assert contest(one, replace(one, task=wide), (), 0.025).won is False
    won = contest(one, replace(one, result=cheap, task=wide), (), 0.025)
    assert won.won
    assert "at most 0.1 worse and cheaper" in won.why
    narrow = contest(one, replace(one, result=cheap, task=replace(one.task, min_gain=0.001)), (), 0.025)
    assert not narrow.won


def test_a_gain_is_told_at_the_level_that_is_left_and_not_at_alpha(root):
    climb(of(root, {"abilities": {"base": 0.69}}), root / "little")
    before, after = side(str(root / "run")), side(str(root / "little"))
    p = contest(before, after, (), 0.05).decided.comparison.p_value
    assert p < 0.05
    assert contest(before, after, (), 0.05).won
    assert not contest(before, after, (), p).won


def test_a_test_example_that_is_gone_or_changed_stops_it_and_the_champion_stays(root, place):
    config = of(root, BETTER)
    made = rows(300)
    gone = next(iter(RunFolder.open(root / "run").parts.manifest.need()["test"]["ids"]))
    written(root, [r for r in made if r["id"] != gone])
    with pytest.raises(RungError, match=f"1 test examples of earlier generations.*{gone}.*put them back"):
        retrain(config, place, root / "run", "ann")
    written(
        root,
        [{**r, "team": "billing" if r["team"] != "billing" else "returns"} if r["id"] == gone else r for r in made],
    )
    with pytest.raises(RungError, match="put them back"):
        retrain(config, place, root / "run", "ann")
    assert place.champion.need().generation == 1


def test_new_examples_join_by_group_and_by_likeness(root, place):
    held = RunFolder.open(root / "run").parts.manifest.need()
    by_id = {r["id"]: r for r in rows(300)}
    shown, tested = (by_id[next(iter(held[part]["ids"]))] for part in ("train", "test"))
    draw = random.Random(5)
    twins = [
        {"id": "like-train", "text": shown["text"] + "!", "team": shown["team"]},
        {"id": "like-test", "text": tested["text"] + "!", "team": tested["team"]},
    ]
    free = [{**r, "id": f"new{i}"} for i, r in enumerate(rows(50, seed=9))]
    draw.shuffle(free)
    written(root, [*rows(300), *twins, *free])
    config = world(root, 300, **ONE)
    written(root, [*rows(300), *twins, *free])
    found = grown(config, RunFolder.open(root / "run"), held["test"]["ids"], seen(held), place.path)
    parts = {part: {e.id for e in getattr(read_rows(found.config), part).examples} for part in ("train", "test")}
    assert "like-train" in parts["train"]
    assert "like-test" in parts["test"]
    assert found.new == 52
    assert len(found.fresh) == pytest.approx(20, abs=1)
    assert found.fresh <= parts["test"] - {"like-test"}
    assert parts["train"].isdisjoint(parts["test"])
    again_ = grown(config, RunFolder.open(root / "run"), held["test"]["ids"], seen(held), place.path)
    assert again_ == found


def test_a_test_set_of_the_users_own_stays_it_and_what_was_trained_on_is_not_fresh(root, place):
    held = RunFolder.open(root / "run").parts.manifest.need()
    made = {r["id"]: r for r in rows(300)}
    moved = next(iter(held["train"]["ids"]))
    new = [{**r, "id": f"new{i}"} for i, r in enumerate(rows(40, seed=9))]
    test = [*(made[i] for i in held["test"]["ids"]), made[moved], *new]
    train = [made[i] for i in (*held["train"]["ids"], *held["dev"]["ids"]) if i != moved]
    for name, part in (("train", train), ("test", test)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in part))
    config = world(
        root, 300, **ONE, data={"train": "train.jsonl", "test": "test.jsonl", "id": "id"}, split={"dev": 0.2}
    )
    found = grown(config, RunFolder.open(root / "run"), held["test"]["ids"], seen(held), place.path)
    assert found.config is config
    assert found.fresh == {r["id"] for r in new}
    assert not place.path.exists()


def test_the_same_file_twice_adds_no_test_example_again_though_the_champion_stays(root, place):
    poor = {"abilities": {"base": 0.2}}  # meets no goal
    first = again(root, place, poor, n=500)
    assert (first.promoted, first.examples.new) == (False, 200)
    tested = place.tested.need()
    spent = level(place, 0.05)
    with pytest.raises(NothingNew, match="since generation 2: no new example"):
        again(root, place, poor, n=500)
    assert (place.tested.need(), level(place, 0.05), len(place.steps)) == (tested, spent, 2)
    again_ = again(root, place, {**poor, "seed": 4}, n=500)
    assert (again_.examples.new, again_.examples.fresh) == (0, frozenset())
    assert place.tested.need() == tested
    grown_ = again(root, place, poor, n=600)
    assert grown_.examples.new == 100
    assert len(grown_.examples.fresh) == pytest.approx(40, abs=2)


def test_a_challenger_that_answers_otherwise_in_service_is_not_promoted(root, place, monkeypatch):
    async def other(direct, request):
        return replace(await ask(direct, request), text="another")

    ask = Direct.ask
    monkeypatch.setattr(Direct, "ask", other)
    found = again(root, place, n=900)
    assert (found.contest.won, found.promoted, found.step.what) == (True, False, "kept")
    assert (
        "shown better at the level 0.025, but prompt does not answer as it was measured: 20 of 20 stored"
        in found.step.why
    )
    assert place.champion.need().generation == 1
    monkeypatch.undo()
    assert again(root, place, {"abilities": {"base": 1.0}}, n=900).promoted


def test_two_at_once_and_one_that_cannot_be_read_change_nothing(root, place):
    again(root, place)
    with locked(place), pytest.raises(FolderBusy, match="another run is at work"):
        again(root, place, n=400)
    outcomes = place.path / "2/rungs/prompt/outcomes.jsonl"
    outcomes.write_bytes(outcomes.read_bytes()[:-200])
    for call in (lambda: again(root, place, n=400), lambda: champion_of(place.path)):
        with pytest.raises(IntegrityError, match="generation 2 in .* is not what was recorded.*rung rollback"):
            call()
    assert [s.what for s in place.steps] == ["begun", "promoted"]
    step, _ = rollback(place, "bob", "it broke")
    assert (step.generation, place.champion.need().generation) == (1, 1)
    with pytest.raises(RungError, match="generation 2 in .* is not whole; generation 1 stays"):
        rollback(place, "bob", to=2)


def test_a_retrain_that_is_broken_off_goes_on_and_decides_nothing_before_its_end(root, place):
    config = of(root, {**BETTER, "input_usd_per_mtok": 2000.0}, 600)
    poor = config.model_copy(update={"limits": config.limits.model_copy(update={"budget_usd": 1.0})})
    with pytest.raises(Interrupted, match="generation 2 .* has not come to its end .*champion stays"):
        retrain(poor, place, root / "run", "ann")
    assert [s.what for s in place.steps] == ["begun"]
    found = retrain(config, place, root / "run", "ann")
    assert (found.promoted, found.step.generation) == (True, 2)


@pytest.mark.parametrize("change", [{"n": 700}, {"n": 600, "ladder": ["prompt"]}])
def test_another_experiment_than_the_one_broken_off_is_a_generation_of_its_own(root, place, change):
    config = of(root, {**BETTER, "input_usd_per_mtok": 2000.0}, 600)
    poor = config.model_copy(update={"limits": config.limits.model_copy(update={"budget_usd": 1.0})})
    with pytest.raises(Interrupted):
        retrain(poor, place, root / "run", "ann")
    found = retrain(of(root, {**BETTER, "input_usd_per_mtok": 2000.0}, **change), place, root / "run", "ann")
    assert (found.promoted, found.step.generation) == (True, 3)


def test_rollback_goes_to_the_last_champion_that_is_whole_and_says_what_it_passed_over(root, place):
    again(root, place, {"abilities": {"base": 0.8}})
    again(root, place, {"abilities": {"base": 1.0}})
    assert [s.what for s in place.steps] == ["begun", "promoted", "promoted"]
    (place.path / "2/rungs/prompt/fit.json").unlink()
    step, passed_over = rollback(place, "bob")
    assert step.generation == 1
    assert len(passed_over) == 1
    assert "lacks fit.json" in passed_over[0]
    assert place.steps[-1].why == "instead of generation 3"
    for to, said in (
        (None, "there is no champion before this one"), (1, "generation 1 is the champion already; generation 1 stays"),
        (2, "generation 2 in .* is not whole; generation 1 stays; .* lacks fit.json"), (7, r"never champion in .* \(former ones: 2, 3\)"),
    ):  # fmt: skip
        with pytest.raises(RungError, match=said):
            rollback(place, "bob", to=to)
    assert rollback(place, "bob", to=3)[0].generation == 3
    (place.path / "../run/rungs/prompt/fit.json").unlink()
    with pytest.raises(RungError, match="no earlier champion in .* is whole; generation 3 stays"):
        rollback(place, "bob")


def test_an_alias_that_a_crash_left_behind_follows_the_history(root, place):
    again(root, place, n=600)
    kept = place.champion.where.read_bytes()
    for damage in (json.dumps({"what": "begun"}).encode(), b"{", kept.replace(b'"generation":2', b'"generation":1')):
        place.champion.where.write_bytes(damage)
        with place.held():
            assert place.champion.where.read_bytes() == kept


def test_no_generation_without_a_first_run_and_none_that_a_judge_alone_decides(root, place, monkeypatch):
    with pytest.raises(RungError, match="is not a run folder"):
        retrain(of(root, BETTER), place, root / "nowhere", "ann")
    verdict = root / "run/verdict.json"
    text = verdict.read_text()
    verdict.write_text(json.dumps({**json.loads(text), "winner": None, "tentative_pick": None}))
    with pytest.raises(RungError, match="no winner and no tentative pick, so there is no champion to begin with"):
        again(root, place)
    verdict.write_text(text)
    assert not place.path.exists()
    monkeypatch.setattr("rung.generations.retrain.is_opinion", lambda task: True)
    with pytest.raises(RungError, match="is judged by a model, whose opinion promotes nothing"):
        again(root, place)
    assert not (place.path / "2").exists()
    with pytest.raises(RungError, match="is no folder of generations"):
        rollback(Generations(root / "nothing"), "bob")


def test_the_folders_may_move_together(root, place):
    again(root, place, n=600)
    (root / "moved").mkdir()
    for name in ("run", "again"):
        shutil.move(root / name, root / "moved" / name)
    place = Generations(root / "moved/again")
    assert rollback(place, "bob")[0].generation == 1
    assert champion_of(place.path)[0].resolve() == root / "moved/run"


@pytest.fixture
def said(root, monkeypatch, capsys):
    """Run the command line in the folder; return the exit code and what was printed."""

    def run(*words):
        monkeypatch.chdir(root)
        monkeypatch.setattr(sys, "argv", ["rung", *words])
        code = cli.run()
        return code, capsys.readouterr().out

    return run


def test_feedback_of_the_folder_is_that_of_the_champions_run(root, place, said):
    assert said("feedback", "again")[0] == 2  # not there yet
    again(root, place, n=900)
    line = {"id": "a", "at": "2026-11-30T10:00:00+00:00", "way": "/v1/predict", "inputs": {"text": "amber basil"}}
    (root / "log.jsonl").write_text(json.dumps({**line, "status": 200, "answer": "billing", "generation": 2}) + "\n")
    code, out = said("feedback", "again", "log.jsonl")
    champion = champion_of(place.path)[0]
    assert (code, champion.name) == (0, "2")
    assert "1 input of 1 request:" in out
    assert "1 waits: rung label again --feedback" in out
    assert [f.answer for f in RunFolder.open(champion).feedback.need()] == ["billing"]
    assert RunFolder.open(root / "run").feedback.get() is None
    code, _ = said("label", "again", "--feedback", "--csv", "sheet.csv")
    assert (code, (root / "sheet.csv").exists()) == (1, True)


def test_the_command_line_tells_what_was_decided_and_by_whom(root, said):
    import yaml

    raw = of(root, BETTER, 900).model_dump(mode="json", exclude={"root"})
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))
    shutil.copytree(root / "run", root / "runs/routing")
    facts = json.loads((root / "runs/routing/run.json").read_text())
    (root / "runs/routing/run.json").write_text(json.dumps({**facts, "root": "../.."}))
    code, out = said("retrain", "--by", "ann")
    assert code == 0
    for words in ("On the test examples that decided nothing before:", "On the earlier test examples", "cost per 1,000",
                  "Generation 2 (prompt) is the champion: shown better at the level 0.025"):  # fmt: skip
        assert words in out
    code, out = said("retrain", "--by", "ann")
    assert (code, "nothing has changed since generation 2" in out) == (1, True)
    raw["models"]["main"]["seed"] = 4
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))
    code, out = said("retrain", "--by", "ann", "--json")
    found = json.loads(out)
    assert (code, found["promoted"], found["generation"], found["decided_on_new_alone"]) == (1, False, 3, False)
    assert found["decided"]["n"] > 200
    code, out = said("rollback", "runs/routing-generations", "--by", "bob", "--why", "complaints", "--json")
    assert (code, json.loads(out)["generation"]) == (0, 1)
    page = (root / "runs/routing/report.html").read_text()  # generation 1, which is the champion again
    for words in ("generation 1 (prompt) begun by ann", "generation 2 (prompt) promoted by ann: shown better",
                  "champion again by bob, instead of generation 2; complaints"):  # fmt: skip
        assert words in page
    assert (
        "generation 3 (prompt) not promoted (asked by ann)"
        in (root / "runs/routing-generations/3/report.html").read_text()
    )
    listed = {Path(r["place"]).as_posix(): r["history"] for r in json.loads(said("runs", "--json")[1])}
    assert [(s["what"], s["by"]) for s in listed["runs/routing"]] == [("begun", "ann"), ("rolled back", "bob")]
    assert [(s["what"], s["why"]) for s in listed["runs/routing-generations/2"]] == [
        ("promoted", "shown better at the level 0.025")
    ]
    history = Generations(root / "runs/routing-generations").steps
    assert [(s.what, s.generation, s.by) for s in history] == [
        ("begun", 1, "ann"), ("promoted", 2, "ann"), ("kept", 3, "ann"), ("rolled back", 1, "bob")]  # fmt: skip
    code, out = said("runs", "runs")
    assert code == 0
    shown = out[out.index("runs/routing-generations\n") :].splitlines()[1:]
    assert [line.split("  ", 2)[2] for line in shown] == [
        "generation 1 (prompt) begun by ann",
        f"generation 2 (prompt) promoted by ann: {history[1].why}",
        f"generation 3 (prompt) not promoted (asked by ann): {history[2].why}",
        "generation 1 (prompt) champion again by bob, instead of generation 2; complaints",
    ]
    Generations(root / "runs/routing-generations").history.where.write_text("{}\n")
    code, out = said("runs", "runs")
    assert (code, "history.jsonl, line 1 is damaged" in out) == (0, True)
    assert history[-1].why == "instead of generation 2; complaints"


def test_a_champion_whose_own_budget_is_spent_answers_within_that_of_the_retraining(tmp_path):
    dear = {**WORSE, "input_usd_per_mtok": 100.0}
    config = of(tmp_path, dear)
    climb(config, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    spent = run.spend.need()["usd"]
    limits = {**run.facts["config"]["limits"], "budget_usd": spent * 1.01}
    run.note(config={**run.facts["config"], "limits": limits})
    place = Generations(tmp_path / "again")
    rich = of(tmp_path, {**BETTER, "input_usd_per_mtok": 100.0}, 900, limits={"budget_usd": 100.0})
    found = retrain(rich, place, tmp_path / "run", "ann")
    assert found.promoted
    assert found.contest.fresh
    assert run.spend.need()["usd"] == pytest.approx(spent)
