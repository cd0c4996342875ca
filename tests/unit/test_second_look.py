"""`rung climb --more`: further test examples for a run whose question is open, decided under alpha that both looks share."""

from __future__ import annotations

import json

import pytest

from rung.config import parse_config
from rung.engine import audited, further, start
from rung.engine.verify import verify
from rung.errors import ConfigError, RungError
from rung.ladder import climb
from rung.stats.sequential import second_level
from rung.store.cache import AnswerCache
from rung.store.register import Register
from rung.store.run import RunFolder
from rung.types import Finding
from tests.unit._commands import command
from tests.unit._worlds import rows

N, ADDED = 250, 300


def config_of(root, wrong=0.0556, more=None, kept=0.2, added=None, extra=()):
    """Tickets that a model answers wrongly in a share of cases; the added ones lie in a file of their own."""
    made = rows(N + ADDED, seed=5)
    first, later = made[:N], made[N:] if added is None else added(made)
    for name, part in (("rows", first), ("more", later)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in part))
    step = round(1 / wrong)
    answers = {r["text"]: "other" if i % step == 0 else r["team"] for i, r in enumerate([*made, *extra])}
    raw = {
        "task": {
            "name": "routing", "kind": "classification", "instruction": "Which team?", "inputs": ["text"], "target": "team",
            "metrics": ["normalized_match"], "goal": 0.92,
        },
        "data": {"path": "rows.jsonl", "id": "id", **({"more": more} if more else {})},
        "split": {"test": 0.4, "dev": 0.15, **({"alpha_for_more": kept} if kept else {})},
        "models": {"main": {"provider": "fake", "answers": answers}},
        "ladder": [{"prompt": {"rewrites": False}}],
    }  # fmt: skip
    return parse_config(raw, root)


def test_added_examples_decide_with_the_old_ones_at_the_alpha_kept_for_them(tmp_path):
    first = climb(config_of(tmp_path), tmp_path / "run")
    assert (first.verdict.decision, first.exit_code) == ("inconclusive", 6)
    assert first.results["prompt"].level == pytest.approx(0.04)  # 80 % of .05, one approach
    assert len(first.results["prompt"].outcomes) == 100
    with AnswerCache.open_in(tmp_path / "run") as kept:
        paid = sum(s.answers for s in kept.spend())
    second = climb(config_of(tmp_path, more="more.jsonl"), tmp_path / "run")
    result = second.results["prompt"]
    hits = sum(o.value("normalized_match", 0.0) or 0.0 for o in first.results["prompt"].outcomes)
    exact = second_level(round(hits), 100, ADDED, 0.904, 0.04, 0.05)
    assert (len(result.outcomes), result.level) == (100 + ADDED, exact)
    assert exact > 0.01  # what the share of alpha alone would give
    assert {o.example_id for o in first.results["prompt"].outcomes} <= {o.example_id for o in result.outcomes}
    assert second.verdict.decision == "meets"
    assert not second.verdict.exploratory
    with AnswerCache.open_in(tmp_path / "run") as kept:
        assert sum(s.answers for s in kept.spend()) == paid + ADDED  # what was answered is not paid again
    folder = RunFolder.open(tmp_path / "run")
    [told] = [f for f in folder.findings.need() if f.check == "second-look"]
    assert told.message.startswith("300 test examples were added after a first look at 100 (Inconclusive: about ")
    assert told.message.endswith(
        "all 400 decide, and both looks together err at most as often as one would (20 % of alpha were kept for this)."
    )
    assert [c.what for c in verify(folder) if not c.passed] == []
    again = climb(config_of(tmp_path, more="more.jsonl"), tmp_path / "run")
    assert (again.read_back, again.verdict) == (True, second.verdict)


def test_added_examples_that_are_near_duplicates_of_each_other_decide_at_the_share_that_was_kept(tmp_path):
    climb(config_of(tmp_path), tmp_path / "run")

    def twice(made):
        return [*made[N:], *(dict(r, id=f"twin {r['id']}", text=f"{r['text']}!") for r in made[N : N + 40])]

    found = climb(config_of(tmp_path, more="more.jsonl", added=twice), tmp_path / "run")
    assert found.results["prompt"].level == pytest.approx(0.01)  # the exact boundary is of independent examples


def test_after_a_goal_that_was_changed_the_share_that_was_kept_decides(tmp_path):
    climb(config_of(tmp_path), tmp_path / "run")
    second = config_of(tmp_path, more="more.jsonl")
    climb(second, tmp_path / "run")
    other = second.model_copy(update={"task": second.task.model_copy(update={"goal": 0.95})})
    found = climb(other, tmp_path / "run")
    assert found.results["prompt"].level == pytest.approx(0.01)  # the exact boundary is of the goal that was planned
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []


def test_without_alpha_kept_the_added_examples_decide_alone(tmp_path):
    first = climb(config_of(tmp_path, kept=0), tmp_path / "run")
    second = climb(config_of(tmp_path, kept=0, more="more.jsonl"), tmp_path / "run")
    ids = [{o.example_id for o in r.results["prompt"].outcomes} for r in (first, second)]
    assert (len(ids[1]), ids[0] & ids[1]) == (ADDED, set())
    assert second.results["prompt"].level == first.results["prompt"].level == pytest.approx(0.05)
    [told] = [f for f in RunFolder.open(tmp_path / "run").findings.need() if f.check == "second-look"]
    assert "they alone decide, at alpha of their own" in told.message
    assert not second.verdict.exploratory


def test_old_test_examples_that_equal_each_other_are_in_no_part_of_a_look_at_the_added_ones(tmp_path):
    config_of(tmp_path)
    held = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    twice = [*held, *(dict(row, id=f"again {row['id']}") for row in held[::5])]
    for more in (None, "more.jsonl"):
        config = config_of(tmp_path, wrong=0.1, kept=0, more=more)
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in twice))
        found = climb(config, tmp_path / "run")
    assert len(found.results["prompt"].outcomes) == ADDED


def test_alpha_of_both_looks_together_is_what_was_set(tmp_path):
    looks = [
        config_of(tmp_path, more=more).as_task(kind="classification", labels=()).alpha for more in (None, "more.jsonl")
    ]
    assert sum(looks) == pytest.approx(0.05)
    assert config_of(tmp_path, kept=0).as_task(kind="classification", labels=()).alpha == 0.05
    plain = config_of(tmp_path, kept=0).model_dump(mode="json", exclude={"root"})
    assert "more" not in plain["data"]
    assert "alpha_for_more" not in plain["split"]  # a file without them has the hash that it had before


def test_a_second_look_is_no_later_run_for_the_register_and_a_later_run_sees_it(tmp_path):
    climb(config_of(tmp_path), tmp_path / "run")
    climb(config_of(tmp_path, more="more.jsonl"), tmp_path / "run")
    other = config_of(tmp_path)
    other = other.model_copy(update={"task": other.task.model_copy(update={"instruction": "Choose the team."})})
    later = climb(other, tmp_path / "other")
    assert later.verdict.exploratory
    assert Register(tmp_path).path.read_text().count('"run"') == 3


@pytest.mark.parametrize(
    ("added", "says"),
    [
        (
            lambda made: [dict(made[i], id=f"n{i}") for i in range(N)],
            r" of the 250 examples equal, .* in train or dev \(n.*: leave them out",
        ),
        (lambda made: [], "holds no examples; put one"),
    ],
)
def test_added_examples_that_cannot_test_anything_are_refused_in_one_sentence(tmp_path, added, says):
    climb(config_of(tmp_path), tmp_path / "run")
    with pytest.raises(RungError, match=says):
        climb(config_of(tmp_path, more="more.jsonl", added=added), tmp_path / "run")
    assert (
        RunFolder.open(tmp_path / "run").verdict.get() is not None
    )  # nothing is given up for a file that cannot be used


def test_added_examples_that_are_in_the_test_set_count_once(tmp_path):
    first = climb(config_of(tmp_path), tmp_path / "run")
    held = {o.example_id for o in first.results["prompt"].outcomes}

    def again(made):
        return [dict(r, id=f"n{i}") for i, r in enumerate(made) if r["id"] in held or i >= N]

    with pytest.raises(RungError, match=r"100 of the 400 examples equal, .* in the test set already"):
        climb(config_of(tmp_path, more="more.jsonl", added=again), tmp_path / "run")
    good = climb(
        config_of(tmp_path, more="more.jsonl"), tmp_path / "run"
    )  # the file put right, the same command goes on
    assert len(good.results["prompt"].outcomes) == 400


def test_more_is_given_once_to_a_run_whose_question_is_open(tmp_path):
    with pytest.raises(ConfigError, match="names test examples to add to a run that has its verdict: begin without it"):
        climb(config_of(tmp_path, more="more.jsonl"), tmp_path / "fresh")
    climb(config_of(tmp_path, wrong=0.001), tmp_path / "won")
    with pytest.raises(ConfigError, match="would ask again what this run has answered: the goal is met already"):
        climb(config_of(tmp_path, wrong=0.001, more="more.jsonl"), tmp_path / "won")
    climb(config_of(tmp_path, wrong=0.1), tmp_path / "run")
    climb(config_of(tmp_path, wrong=0.1, more="more.jsonl"), tmp_path / "run")
    (tmp_path / "third.jsonl").write_text((tmp_path / "more.jsonl").read_text())
    with pytest.raises(ConfigError, match="has been given to this run once: begin a new run"):
        climb(config_of(tmp_path, wrong=0.1, more="third.jsonl"), tmp_path / "run")


def test_a_file_that_cannot_be_used_is_given_up_for_another_or_for_none(tmp_path):
    first = climb(config_of(tmp_path), tmp_path / "run")
    for name in ("nowhere.jsonl", "rows.jsonl"):
        with pytest.raises(RungError, match=r"no such file|equal, nearly equal"):
            climb(config_of(tmp_path, more=name), tmp_path / "run")
    back = climb(config_of(tmp_path), tmp_path / "run")
    assert (back.verdict.headline, back.verdict.decision) == (first.verdict.headline, first.verdict.decision)
    assert [o.scores for o in back.results["prompt"].outcomes] == [o.scores for o in first.results["prompt"].outcomes]
    assert [f for f in RunFolder.open(tmp_path / "run").findings.need() if f.check == "second-look"] == []
    with pytest.raises(RungError, match="no such file"):
        climb(config_of(tmp_path, more="nowhere.jsonl"), tmp_path / "run")
    good = climb(config_of(tmp_path, more="more.jsonl"), tmp_path / "run")
    assert (good.verdict.decision, len(good.results["prompt"].outcomes)) == ("meets", 100 + ADDED)
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []


@pytest.mark.parametrize("at", ["reconsider", "alpha", "findings", "note"])
def test_a_second_look_that_was_broken_off_while_it_began_goes_on(tmp_path, monkeypatch, at):
    climb(config_of(tmp_path), tmp_path / "run")
    second = config_of(tmp_path, more="more.jsonl")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if at == "note":
            patch.setattr(
                start, "begin_second_look", lambda run, config: (further.begin_second_look(run, config), killed())
            )
        elif at == "reconsider":
            patch.setattr(RunFolder, at, killed)
        else:
            patch.setattr(RunFolder, at, property(killed))
        with pytest.raises(KeyboardInterrupt):
            start.start(tmp_path / "run", second)
    found = climb(second, tmp_path / "run")
    assert (found.verdict.decision, len(found.results["prompt"].outcomes)) == ("meets", 100 + ADDED)
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []


def test_added_examples_that_the_audit_refuses_leave_the_verdict_standing(tmp_path, monkeypatch):
    climb(config_of(tmp_path), tmp_path / "run")

    def refuses(*_, **__):
        return [Finding("labels", "stop", "No added example shows the label.", "Add some.")]

    with monkeypatch.context() as patch:
        patch.setattr(audited, "audit", refuses)
        with pytest.raises(RungError, match="No added example shows the label"):
            climb(config_of(tmp_path, more="more.jsonl"), tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    assert folder.verdict.get() is not None
    assert [c.what for c in verify(folder) if not c.passed] == []


def test_a_plain_climb_after_both_looks_says_how_it_goes_on(tmp_path):
    climb(config_of(tmp_path), tmp_path / "run")
    climb(config_of(tmp_path, more="more.jsonl"), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"was given to this run: `rung climb .*run` goes on with it"):
        climb(config_of(tmp_path), tmp_path / "run")


def test_rows_that_changed_since_the_first_look_are_found(tmp_path):
    climb(config_of(tmp_path), tmp_path / "run")
    second = config_of(tmp_path, more="more.jsonl")
    held = (tmp_path / "rows.jsonl").read_text().splitlines()
    (tmp_path / "rows.jsonl").write_text("".join(line + "\n" for line in held[:-3]))
    with pytest.raises(RungError, match="is not what the first look at this run's test examples was on"):
        climb(second, tmp_path / "run")


def test_the_command_takes_a_file_from_where_it_is_called(tmp_path):
    climb(config_of(tmp_path), tmp_path / "run")
    (tmp_path / "new").mkdir()
    (tmp_path / "more.jsonl").rename(tmp_path / "new" / "later.jsonl")
    found = command("climb", "../run", "--more", "later.jsonl", folder=tmp_path / "new")
    assert found.returncode == 0, found.stderr
    assert RunFolder.open(tmp_path / "run").config[0]["data"]["more"] == "new/later.jsonl"


def test_added_examples_that_were_in_train_are_named_as_the_file_names_them(tmp_path):
    """By their own ids, or, in a file without ids, by their text; never by an id that rung made."""
    climb(config_of(tmp_path), tmp_path / "run")
    seen = [e.id for e in RunFolder.open(tmp_path / "run").parts.train.need()][:3]
    again = config_of(
        tmp_path, more="more.jsonl", added=lambda made: [*(r for r in made[:N] if r["id"] in seen), *made[N:]]
    )
    with pytest.raises(RungError) as caught:
        climb(again, tmp_path / "run")
    said = f"more.jsonl: 3 of the {ADDED + 3} examples equal, nearly equal or share the group of one in train or dev ("
    assert said in str(caught.value)
    assert sorted(str(caught.value).partition(" dev (")[2].partition(")")[0].split(", ")) == sorted(seen)
    raw = again.model_dump(mode="json", exclude={"root"})
    raw["data"] = {"path": "rows.jsonl", "more": "more.jsonl"}
    bare = parse_config({**raw, "data": {"path": "rows.jsonl"}}, tmp_path)
    climb(bare, tmp_path / "bare")
    train = {e.inputs["text"] for e in RunFolder.open(tmp_path / "bare").parts.train.need()}
    taken = [r for r in rows(N + ADDED, seed=5)[:N] if r["text"] in train][:2]
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(r) + "\n" for r in [*taken, *rows(N + ADDED, seed=5)[N:]]))
    with pytest.raises(RungError) as caught:
        climb(parse_config(raw, tmp_path), tmp_path / "bare")
    assert all(f"'{row['text'][:40]}" in str(caught.value) for row in taken)
    assert "more:" not in str(caught.value)
