"""The winner's approach on another model: its own prompt first, the same test examples, the old answers read and not asked."""

import json
import shutil
import sys

import pytest
import yaml

from rung import cli
from rung.errors import IntegrityError, Interrupted, RungError
from rung.generations.migrate import changes, experiment_on, migrate, migrate_champion
from rung.generations.retrain import NothingNew, retrain
from rung.generations.rollback import rollback
from rung.ladder import climb
from rung.store.generations import Generations
from rung.store.run import RunFolder
from rung.types import Candidate, Message, PromptLearned
from tests.unit._worlds import rows, world

N = 700
ANSWERS = {r["text"]: r["team"] for r in rows(N)}
CHEAP = {"provider": "fake", "answers": ANSWERS, "input_usd_per_mtok": 0.1, "output_usd_per_mtok": 0.2, "seed": 3}


def of(root, ability=0.97, **more):
    """The experiment with a further model of that ability, at a tenth of the price."""
    cheap = {**CHEAP, "abilities": {"base": ability}, **more.pop("cheap", {})}
    given = {"ladder": ["prompt"], "diagnosis": {"calls": 0}, "models": {"cheap": cheap}, **more}
    return world(root, N, model={"abilities": {"base": 0.97}}, task={"goal": 0.9}, **given)


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("migrated")
    climb(of(root), root / "run")
    return root


@pytest.fixture
def root(climbed, tmp_path):
    shutil.copytree(climbed, tmp_path / "it")
    return tmp_path / "it"


def test_the_old_answers_are_read_and_the_price_and_the_prompt_are_told(root):
    before = (root / "run/ledger.sqlite").read_bytes()
    found = migrate(of(root), root / "run", "cheap", 0.05)
    assert (root / "run/ledger.sqlite").read_bytes() == before
    assert (found.shown, found.approach, found.folder, found.step) == (True, "prompt@cheap", root / "run-cheap", None)
    assert found.why == "shown at most 0.05 worse at the level 0.05"
    pair = found.found.comparison
    assert pair.n == RunFolder.open(root / "run").parts.manifest.need()["test"]["rows"]
    costs = [side.result.cost_per_1k_usd for side in (found.found.lower, found.found.upper)]
    assert costs[1] < costs[0] / 5
    tests = [RunFolder.open(root / name).parts.manifest.need()["test"] for name in ("run", "run-cheap")]
    assert tests[0] == tests[1]
    assert any(line.startswith("+") and "labels" in line for line in found.changes)


def test_the_winners_own_prompt_is_the_first_candidate(root):
    config = experiment_on(of(root), RunFolder.open(root / "run"), "prompt", "cheap", root)
    chat = RunFolder.open(root / "run").rung("prompt").result.need().candidate.chat
    assert config.as_task(kind="classification", labels=()).prompt == chat.messages
    assert config.ladder[0].settings["model"] == "cheap"
    assert not config.stop_early  # every example is needed for its pair
    unmended = of(root, ladder=[{"prompt": {"rewrites": False}}])
    climb(unmended, root / "plain")
    found = migrate(unmended, root / "plain", "cheap")
    assert found.changes == ()


def test_shares_that_rung_chose_for_the_whole_ladder_stay_for_the_one_approach(tmp_path):
    climb(of(tmp_path, ladder=["baseline", "prompt"], split={}), tmp_path / "run")
    migrate(of(tmp_path, ladder=["baseline", "prompt"], split={}), tmp_path / "run", "cheap")
    parts = [RunFolder.open(tmp_path / name).parts.manifest.need()["test"]["sha256"] for name in ("run", "run-cheap")]
    assert parts[0] == parts[1]


def test_a_worse_model_is_not_shown_to_be_as_good_and_the_margin_may_be_given(root):
    found = migrate(of(root, 0.8), root / "run", "cheap")
    assert not found.shown
    assert found.why == "it misses the goal or breaks a limit"
    equal = migrate(of(root, ladder=[{"prompt": {"rewrites": False}}]), root / "run", "cheap", 0.001)
    assert (found.folder.name, equal.folder.name) == ("run-cheap", "run-cheap-2")
    assert not equal.shown
    assert equal.why == "not shown to be at most 0.001 worse at the level 0.05"


@pytest.mark.parametrize(
    ("ladder", "to", "said"),
    [
        (["baseline"], "cheap", "baseline asks no model of the configuration"),
        (
            ["prompt"],
            "nobody",
            "the experiment has no role 'nobody' under `models`; there are main, cheap: name one of these, or add it",
        ),
        (["prompt"], "main", "prompt asks models.main already; name another model"),
    ],
)
def test_what_cannot_be_moved_is_said_before_anything_is_asked(tmp_path, ladder, to, said):
    config = of(tmp_path, ladder=ladder).model_copy(deep=True)
    config = config.model_copy(update={"task": config.task.model_copy(update={"goal": 0.6})})
    climb(config, tmp_path / "run")
    if ladder == ["baseline"]:
        give_a_winner(tmp_path / "run")
    with pytest.raises(RungError, match=said):
        migrate(config, tmp_path / "run", to)
    assert not (tmp_path / f"run-{to}").exists()


def give_a_winner(folder):
    verdict = json.loads((folder / "verdict.json").read_text())
    (folder / "verdict.json").write_text(json.dumps({**verdict, "tentative_pick": "baseline"}))


def test_a_damaged_configuration_is_said_to_be_one(root):
    run = RunFolder.open(root / "run")
    run.note(config={**run.facts["config"], "ladder": 7})
    with pytest.raises(IntegrityError, match="run.json is damaged at config.ladder"):
        migrate(of(root), root / "run", "cheap")


def test_examples_that_changed_since_are_for_retrain(root):
    config = of(root)
    made = (root / "rows.jsonl").read_text()
    (root / "rows.jsonl").write_text(made + json.dumps({"id": "new", "text": "a new one", "team": "billing"}) + "\n")
    with pytest.raises(RungError, match="the examples are not those of .*1 example appeared .new.*rung retrain"):
        migrate(config, root / "run", "cheap")


def test_a_migration_that_is_broken_off_goes_on(root):
    config = of(root, cheap={"input_usd_per_mtok": 2000.0})
    climb(config, root / "run")
    poor = config.model_copy(update={"limits": config.limits.model_copy(update={"budget_usd": 1.0})})
    with pytest.raises(Interrupted, match="run-cheap has not come to its end .stopped.; the same command goes on"):
        migrate(poor, root / "run", "cheap")
    assert migrate(config, root / "run", "cheap", 0.05).shown


def test_in_a_folder_of_generations_it_is_the_next_one_and_can_be_rolled_back(root):
    place = Generations(root / "again")
    with pytest.raises(NothingNew):  # the folder is made, and no error is spent
        retrain(of(root), place, root / "run", "ann")
    found = migrate_champion(of(root), place, "cheap", "ann", "retires in May", 0.05)
    assert (found.step.what, found.step.generation, found.level) == ("migrated", 2, 0.025)
    assert found.step.why == "shown at most 0.05 worse at the level 0.025; retires in May"
    assert place.champion.need() == place.challenger.need() == found.step
    worse = migrate_champion(of(root, ladder=["prompt"], models={"cheap": CHEAP | {"abilities": {"base": 0.97}},
                             "weak": CHEAP | {"abilities": {"base": 0.6}}}), place, "weak", "ann")  # fmt: skip
    assert (worse.step.what, place.champion.need().generation) == ("kept", 2)
    assert rollback(place, "bob")[0].generation == 1


def test_what_changes_is_said_part_by_part():
    def candidate(text, **more):
        chat = PromptLearned(messages=(Message("user", text),), columns=("text",), **more)
        return Candidate("prompt", "as-is", chat, "main")

    assert changes(candidate("{{text}}"), candidate("{{text}}")) == []
    found = changes(
        candidate("{{text}}\nBe short."), candidate("{{text}}\nOne word.", effort="low", postprocessing="strip")
    )
    assert found == [" {{text}}", "-Be short.", "+One word.", "parameters: {} -> {'reasoning_effort': 'low'}",
                     "steps after the model: none -> strip"]  # fmt: skip


def test_the_command_line_tells_it_in_a_few_lines(root, monkeypatch, capsys):
    raw = of(root).model_dump(mode="json", exclude={"root"})
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["rung", "migrate", "--to", "cheap", "--folder", "run", "--margin", "0.05"])
    assert cli.run() == 0
    out = capsys.readouterr().out
    for words in ("cost per 1,000 requests", "What changes beside the model:", "prompt@cheap may take over (decided at the level 0.05)\n",
                  "To serve it: rung serve run-cheap --approach prompt@cheap"):  # fmt: skip
        assert words in out
    assert out.count("0.05 worse") == 1
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--json"])
    assert cli.run() == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["shown"], found["step"], found["compared"]["cheaper_or_faster"]) == (True, None, "cheaper")
