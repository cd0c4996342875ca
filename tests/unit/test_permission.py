"""A project or run folder from elsewhere: what it asks for is listed, refused where nobody can be asked, and asked about once."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

import rung
from rung.config import load_config
from rung.engine import permission
from rung.engine.permission import allow, begin, made_here, require, wishes_of
from rung.engine.verify import verify
from rung.errors import NotAllowed
from rung.exports.write import exported
from rung.ladder import climb
from rung.store.run import RunFolder
from tests.unit._commands import command, on_a_terminal
from tests.unit._worlds import rows

CODE = "import pathlib\npathlib.Path({ran!r}).touch()\n\ndef answer(text):\n    return 'billing'\n\ndef score(answer, target, inputs):\n    return 1.0\n"


@pytest.fixture(autouse=True)
def stranger(monkeypatch, tmp_path):
    """A machine on which nothing was allowed yet."""
    monkeypatch.delenv("RUNG_TRUST", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TEAM_KEY", "sk-secret")


@pytest.fixture
def project(tmp_path):
    """Write a project; changes go into rung.yaml by section. Its code leaves a file RAN behind when it runs."""

    def write(models=None, task=None, **changes):
        root = tmp_path / "project"
        root.mkdir(exist_ok=True)
        (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows(80)))
        (root / "code.py").write_text(CODE.format(ran=str(tmp_path / "RAN")))
        fake = {"provider": "fake", "answers": {r["text"]: r["team"] for r in rows(80)}}
        raw = {
            "task": {"name": "t", "kind": "classification", "instruction": "Which?", "inputs": ["text"], "target": "team",
                     "goal": 0.5, "metrics": ["normalized_match"], **(task or {})},
            "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15}, "models": {"main": fake, **(models or {})},
            "ladder": [{"prompt": {"rewrites": False}}], "diagnosis": {"calls": 0}, **changes,
        }  # fmt: skip
        (root / "rung.yaml").write_text(yaml.safe_dump(raw))
        return root / "rung.yaml"

    return write


def openai(**settings):
    return {"main": {"provider": "openai", "name": "m", **settings}}


METRIC = {"metrics": [{"python": {"function": "code.py:score"}}]}
FEATURE = {"main": {"provider": "python", "function": "code.py:answer"}}


@pytest.mark.parametrize(
    ("models", "task", "listed"),
    [
        (FEATURE, {}, "run code.py:answer"),
        ({"main": {"provider": "python", "function": "json:dumps"}}, {}, "run json:dumps"),
        ({}, METRIC, "run code.py:score"),
        (openai(base_url="https://models.example.com/v1", api_key_env="TEAM_KEY"), {}, "send the variable TEAM_KEY to models.example.com"),
        (openai(base_url="http://10.0.0.1:8000/v1", headers_env={"x-a": "AWS_SECRET"}), {}, "send the variable AWS_SECRET to 10.0.0.1:8000"),
        (openai(), {}, "send the variable OPENAI_API_KEY to api.openai.com"),
        (openai(base_url="HTTPS://evil.example/v1", api_key_env="TEAM_KEY"), {}, "send the variable TEAM_KEY to evil.example"),
        ({"main": {"provider": "anthropic", "name": "m", "base_url": " https://evil.example", "api_key_env": "TEAM_KEY"}}, {},
         "send the variable TEAM_KEY to evil.example"),
        (openai(extra_body={"user": "https://known.example"}), {}, "send the variable OPENAI_API_KEY to api.openai.com"),
        ({"main": {"provider": "openai", "name": "https://known.example/m"}}, {}, "send the variable OPENAI_API_KEY to api.openai.com"),
        ({"main": {"provider": "http", "url": "HTTPS://evil.example/x", "headers_env": {"a": "HOME"}, "body": {"q": "{{prompt}}"}}}, {},
         "send the variable HOME to evil.example"),
        ({"main": {"provider": "http", "url": "https://evil.example/x", "headers_env": {"a": "HOME"}, "body": {"q": "{{prompt}}"}}}, {},
         "send the variable HOME to evil.example"),
    ],
)  # fmt: skip
def test_what_a_project_wants_is_listed_and_refused_before_anything_happens(project, tmp_path, models, task, listed):
    config = load_config(project(models, task))
    with pytest.raises(NotAllowed) as told:
        climb(config, tmp_path / "run")
    assert f"  - {listed}\n" in str(told.value)
    assert "allow it with RUNG_TRUST=1 in the environment, by `rung --trust COMMAND`" in str(told.value)
    assert not (tmp_path / "RAN").exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", ["absolute", "upwards", "a link", "home"])
@pytest.mark.parametrize("where", ["data", "prompt", "documents"])
def test_every_path_that_leaves_the_folder_is_listed(project, tmp_path, monkeypatch, where, how):
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    (outside / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows(80)))
    (outside / "prompt.txt").write_text("Which? {{text}}")
    (outside / "docs").mkdir()
    (outside / "docs" / "a.md").write_text("# a\n\ntext\n")
    name = {"data": "rows.jsonl", "prompt": "prompt.txt", "documents": "docs"}[where]
    target = outside / name
    path = project()
    written = {
        "absolute": str(target),
        "upwards": f"../outside/{name}",
        "home": f"~/outside/{name}",
        "a link": "link" + target.suffix,
    }[how]
    (path.parent / ("link" + target.suffix)).symlink_to(target)
    raw = yaml.safe_load(path.read_text())
    if where == "prompt":
        raw["task"]["prompt"] = written
    else:
        raw[where] = {"path": written}
    config_of = permission.Config.model_validate({**raw, "root": path.parent, "ladder": ["baseline"]})
    found = wishes_of(config_of).files
    assert len(found) == 1
    assert found[0].endswith(("link" + target.suffix, name))


def test_a_project_that_wants_nothing_is_never_asked_about(project, tmp_path):
    config = load_config(project())
    assert not wishes_of(config)
    climb(config, tmp_path / "run")
    assert all(c.passed for c in verify(RunFolder.open(tmp_path / "run")))
    assert not (tmp_path / "home").exists()


def test_what_was_allowed_once_is_allowed_for_its_runs_too_and_anything_more_is_not(project, tmp_path):
    config = load_config(project(task=METRIC))
    allow(config)
    climb(config, tmp_path / "run")
    assert all(c.passed for c in verify(RunFolder.open(tmp_path / "run")))
    more = load_config(project(FEATURE, METRIC))
    with pytest.raises(NotAllowed, match="run code.py:answer"):
        begin(more)


def test_what_rung_init_wrote_here_is_allowed_whatever_is_changed_in_it(project):
    path = project(task=METRIC)
    made_here(path.parent)
    begin(load_config(path))
    begin(load_config(project(FEATURE, METRIC)))


@pytest.mark.sample(1)
@pytest.mark.parametrize("where", ["config", "task"])
def test_a_run_folder_cannot_borrow_the_trust_of_another_project(project, tmp_path, where):
    """Its `root` is its own claim: only what was allowed there, word for word, is allowed to it."""
    path = project()
    made_here(path.parent)
    config = load_config(path)
    climb(config, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    head = run.facts
    if where == "config":
        head["config"]["task"]["metrics"] = [{"python": {"function": "code.py:score"}}]
    else:  # what scores a run is its task, which may say other than its configuration
        head["task"]["metrics"] = [{"plugin": "python", "settings": {"function": "code.py:score"}}]
    run.write("run.json", {**head, "root": str(path.parent)})
    for use in (lambda: verify(run), lambda: exported(run.path, "prompt", None, None, None)):
        with pytest.raises(NotAllowed, match="run code.py:score"):
            use()
    assert not (tmp_path / "RAN").exists()


def test_an_archive_is_verified_without_a_word_about_keys(project, tmp_path):
    """Verifying sends nothing: only code needs to be allowed."""
    config = load_config(project(openai(base_url="https://models.example.com/v1", api_key_env="TEAM_KEY")))
    require(config, asks=False)
    with pytest.raises(NotAllowed):
        require(config)


@pytest.mark.slow
def test_arguments_of_a_program_are_its_own_words_and_a_file_is_not(project, tmp_path, monkeypatch):
    path = project(task=METRIC)
    monkeypatch.chdir(path.parent)
    with pytest.raises(NotAllowed):
        rung.climb(path, folder=tmp_path / "a")
    done = rung.climb(rows(80), folder=tmp_path / "b", inputs="text", target="team", goal=0.6,
                      metric={"python": {"function": "code.py:score"}}, ladder=["baseline"])  # fmt: skip
    assert (tmp_path / "RAN").exists()
    assert all(c.passed for c in done.verify())


def test_another_task_that_is_named_for_regression_is_looked_through_too(project, tmp_path):
    path = project(task=METRIC)
    other = path.parent / "other.yaml"
    path.rename(other)
    config = load_config(project(regression_tasks=["other.yaml"]))
    assert wishes_of(config).code == ("code.py:score",)


@pytest.mark.slow
def test_looking_runs_no_code_and_asks_nothing(project, tmp_path):
    path = project(FEATURE, METRIC)
    allow(load_config(path))
    climb(load_config(path), path.parent / "run")
    (tmp_path / "RAN").unlink()
    shutil.rmtree(tmp_path / "home")
    for words in (["check"], ["plan"], ["advise", "--yes"], ["report", "run"], ["report", "run", "--format", "text"],
                  ["compare", "run:prompt", "run:prompt"], ["plugins"]):  # fmt: skip
        done = command(*words, folder=path.parent)
        assert done.returncode in (0, 1), done.stderr
        assert not (tmp_path / "RAN").exists(), words
    for words in (
        ["climb"],
        ["climb", "--quick"],
        ["verify", "run"],
        ["consistency", "run"],
        ["export", "run", "--rung", "prompt"],
        ["regression"],
    ):
        done = command(*words, folder=path.parent)
        assert done.returncode == 2, (words, done.stderr)
        assert "  - run code.py:" in done.stderr, words
        assert not (tmp_path / "RAN").exists(), words


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--trust", "climb"], ["climb", "--trust"], ["climb"]])
def test_trust_may_be_said_by_option_and_by_variable(project, tmp_path, words):
    path = project(task=METRIC)
    more = {} if "--trust" in words else {"RUNG_TRUST": "1"}
    done = command(*words, folder=path.parent, **more)
    assert done.returncode in (0, 1), done.stderr
    assert (tmp_path / "RAN").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("said", "code"), [("y\n", (0, 1)), ("\n", (2,)), ("n\n", (2,))])
def test_a_terminal_is_asked_once(project, tmp_path, said, code):
    path = project(task=METRIC)
    done = on_a_terminal("climb", folder=path.parent, typed=said)
    assert done.returncode in code, done.stdout
    assert "  - run code.py:score" in done.stdout
    assert "Allow it, now and from now on? [y/N]" in done.stdout
    again = command("climb", folder=path.parent)
    assert (again.returncode in (0, 1)) is (said == "y\n"), again.stderr


@pytest.mark.parametrize("held", [b"", b"[]", b"{", b"[" * 100_000, b'{"allowed": 3}', b"\xff"])
def test_a_damaged_memory_of_what_was_allowed_means_asking_again(project, tmp_path, held):
    config = load_config(project(task=METRIC))
    place = tmp_path / "home/rung/allowed.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(held)
    with pytest.raises(NotAllowed):
        begin(config)
    allow(config)
    begin(config)
    assert place.stat().st_mode & 0o777 == 0o600
    assert Path(place).read_text().count("\n") > 2
