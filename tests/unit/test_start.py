"""What a climb finds in its run folder when it is started again: kept where it still holds, refused where it does not."""

from __future__ import annotations

import asyncio

import pytest

from rung.engine.start import _changes, _may_change, broken_off, save_spend, start
from rung.errors import ConfigError
from rung.store.cache import AnswerCache
from rung.store.run import SCHEMA, RunFolder
from rung.types import Completion
from tests.unit._worlds import world


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "run")


class Client:
    def __init__(self, usd):
        self.usd = usd

    def spend(self):
        return {"usd": self.usd, "calls": 3, "cached": 2}


def test_money_is_added_up_over_roles_and_unknown_where_one_is(run):
    save_spend(run, {"main": Client(0.5), "judge": Client(0.25)})
    spent = run.spend.need()
    assert (spent["usd"], spent["note"], spent["calls"], spent["cached"]) == (0.75, None, 6, 4)
    assert spent["by_role"]["judge"]["usd"] == 0.25
    save_spend(run, {"main": Client(0.5), "judge": Client(None)})
    spent = run.spend.need()
    assert (spent["usd"], spent["note"], spent["calls"]) == (None, "the price of a model is unknown", 6)


def test_differences_of_two_configurations_are_named_by_their_paths():
    before = {"a": 1, "b": {"c": [1], "d": 2}, "e": {"f": 1}}
    after = {"a": 1, "b": {"c": [2], "d": 2}, "e": 3, "g": None, "h": 0}
    assert _changes(before, after) == ["b.c", "e", "h"]
    assert _changes(before, before) == []
    assert _changes({}, {"x": {"y": 1}}) == ["x"]


def test_models_may_change_until_one_has_answered_and_all_else_until_the_test_part_is_open(run):
    def prepared():
        run.findings.save(())
        run.parts.manifest.save({})

    prepared()
    assert _may_change(run, ["models.main.name"])
    assert run.findings.exists
    assert run.parts.manifest.exists
    assert _may_change(run, ["models.main.name", "task.goal"])
    assert run.parts.manifest.exists, "to look changes nothing"
    run.event("test_opened", why="measure baseline", rows=3)
    assert _may_change(run, ["models.main.name"])
    assert not _may_change(run, ["task.goal"])
    assert run.parts.manifest.exists
    with AnswerCache.open_in(run.path):
        pass
    assert _may_change(run, ["models.main.name"])
    with AnswerCache.open_in(run.path) as answers:
        asyncio.run(answers.lose("main", 0.5, "timeout"))
    assert not _may_change(run, ["models.main.name"])


def test_one_answer_in_the_cache_stands_on_the_configuration(run):
    with AnswerCache.open_in(run.path) as answers:
        asyncio.run(answers.put(b"k", "main", Completion("x", "m", 1, 1, 0.1, 0.0)))
    assert not _may_change(run, ["task.goal"])
    assert _may_change(
        run, ["models.main.max_tokens", "task.prompt"]
    )  # nothing is measured, and answers are kept by their request
    assert not _may_change(run, ["models.main.max_tokens", "task.goal"])
    run.event("test_opened", why="measure baseline", rows=3)
    assert not _may_change(run, ["models.main.max_tokens"])


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "interrupted"), (ValueError("x"), "failed")], ids=["stopped", "failed"]
)
def test_a_climb_without_a_verdict_says_how_it_ended(run, error, status):
    run.note(status="running", kept=1)
    broken_off(run, error)
    assert run.facts == {"status": status, "kept": 1, "events": list(run.events_until())}
    assert [e["event"] for e in run.events()] == [f"climb_{status}"]


def test_a_run_is_begun_once_and_gone_on_with_under_the_configuration_as_it_is_now(tmp_path):
    place, first = tmp_path / "run", world(tmp_path, 30)
    run = start(place, first)
    head = run.facts
    assert (head["schema"], head["status"], head["planned"], head["root"], head["exploratory"]) == (
        SCHEMA, "running", ["baseline", "prompt", "fewshot"], "..", False,
    )  # fmt: skip
    assert head["config_sha256"] == first.sha256
    run.status("failed")
    run.note(kept="by a later field")
    changed = world(tmp_path, 30, model={"input_usd_per_mtok": 3.0}, ladder=["prompt"])
    again = start(place, changed)
    now = again.facts
    assert now["created"] == head["created"]
    assert (now["status"], now["planned"], now["config_sha256"], now["kept"]) == (
        "running", ["prompt"], changed.sha256, "by a later field",
    )  # fmt: skip
    assert now["config"]["models"]["main"]["input_usd_per_mtok"] == 3.0
    assert [e["event"] for e in again.events()] == ["climb_started", "climb_failed", "climb_started"]
    assert not now["exploratory"]
    again.event("test_revealed", why="x", rows=1)
    assert start(place, changed).facts["exploratory"] is True


def test_another_configuration_is_refused_with_what_changed_once_something_stands_on_the_old_one(tmp_path):
    place, first = tmp_path / "run", world(tmp_path, 30)
    run = start(place, first)
    before = run.facts
    run.event("test_opened", why="measure baseline", rows=3)
    with pytest.raises(
        ConfigError, match=r"holds a run with another configuration \(changed: task\.instruction\); name another"
    ):
        start(place, world(tmp_path, 30, task={"goal": 0.7, "instruction": "Which?"}, limits={"budget_usd": 1.0}))
    assert run.facts == before
    run.note(config_sha256="0" * 64)
    with AnswerCache.open_in(place) as answers:
        asyncio.run(answers.lose("main", 0.5, "timeout"))
    with pytest.raises(ConfigError, match=r"\(changed: its defaults\)"):
        start(place, first)
