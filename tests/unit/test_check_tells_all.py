"""Whatever a climb or its plan refuses before the first call, `rung check` refuses too, and all of it at once."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml

import rung
from rung.config import load_config
from rung.documents.index import EMBEDDER
from rung.engine.check import check
from rung.engine.obstacles import obstacles
from rung.engine.permission import allow
from rung.engine.plan import plan
from rung.errors import ConfigError, RungError
from rung.ladder import climb
from rung.progress import Silent
from rung.rag.opening import open_document_store
from rung.store.cache import AnswerCache
from rung.testing.kit import small_rows
from rung.types import StoreChange

SOURCE = Path(rung.__file__).parent
README = Path(__file__).parents[2] / "README.md"
ROWS = [{"text": row.inputs["text"], "team": row.target} for row in small_rows(300, "ticket")]
OPENAI = {"provider": "openai", "name": "m-1", "base_url": "http://127.0.0.1:9/v1"}
PRICE = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 1.0}


def project(root):
    """Return a configuration that climbs, as plain data; its rows are written."""
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return {
        "task": {"name": "t", "instruction": "Name the team.", "inputs": ["text"], "target": "team", "goal": 0.9},
        "data": {"path": "rows.jsonl"},
        "models": {"main": {"provider": "fake", "answers": {r["text"]: r["team"] for r in ROWS}}},
        "ladder": ["prompt"],
    }


def put(*path_and_value):
    """Return a change that sets one place of the configuration."""
    *path, last, value = path_and_value

    def change(raw, root):
        place = raw
        for key in path:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        place[last] = value

    return change


def file(name, content, *then):
    def change(raw, root):
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        for more in then:
            more(raw, root)

    return change


def both(*changes):
    def change(raw, root):
        for one in changes:
            one(raw, root)

    return change


def run_won_by_baseline(raw, root):
    """A finished run whose winner asks no model."""
    there = root / "won"
    there.mkdir()
    inner = project(there) | {"ladder": ["baseline"]}
    inner["task"]["goal"] = 0.5
    (there / "rung.yaml").write_text(yaml.safe_dump(inner))
    found = climb(load_config(there / "rung.yaml"), there / "run")
    assert found.verdict.winner == "baseline"
    raw["regression_tasks"] = ["won/run"]


# what is wrong -> how it comes about, who refuses it (a "step" is left out by the climb), and words of what check says
CASES = {
    "prompt file is no UTF-8": (file("p.txt", b"\xff{{text}}", put("task", "prompt", "p.txt")), "file", "task.prompt"),
    "prompt file is empty": (file("p.txt", " ", put("task", "prompt", "p.txt")), "file", "the prompt file is empty"),
    "prompt file is not there": (put("task", "prompt", "p.txt"), "file", "task.prompt"),
    "prompt file is no YAML": (file("p.yaml", "a: [", put("task", "prompt", "p.yaml")), "file", "is no valid yaml"),
    "prompt file is no chat": (file("p.yaml", "a: 1", put("task", "prompt", "p.yaml")), "file", "is no chat"),
    "placeholder without a column": (
        file("p.txt", "{{text}} {{customer}}", put("task", "prompt", "p.txt")),
        "file",
        "customer",
    ),
    "placeholder of another tool": (
        file("p.txt", "{% if text %}{{text}}{% endif %}", put("task", "prompt", "p.txt")),
        "file",
        "{%",
    ),
    "unknown key": (put("task", "gaol", 1), "file", "did you mean 'goal'?"),
    "unknown provider": (put("models", "main", {"provider": "opnai", "name": "m"}), "file", "opnai"),
    "answers of a fake that are not there": (
        put("models", "main", {"provider": "fake", "answers": "nowhere.jsonl"}),
        "file",
        "nowhere.jsonl is not there",
    ),
    "unknown rung": (put("ladder", ["promt"]), "file", "promt"),
    "unknown metric": (put("task", "metrics", ["accuracy"]), "file", "normalized_match"),
    "unknown retriever": (
        both(file("docs/a.md", "# A\n\nText."), put("documents", {"path": "docs", "store": "redis:x"})),
        "file",
        "redis",
    ),
    "role that is not there": (put("ladder", [{"prompt": {"model": "large"}}]), "file", "models.large"),
    "embedder that is not there": (
        both(file("docs/a.md", "# A\n\nText."), put("documents", {"path": "docs", "embedder": "vectors"})),
        "file",
        "models.vectors",
    ),
    "examples that are not there": (put("data", "path", "none.csv"), "file", "data.path"),
    "folder of documents that is not there": (put("documents", {"path": "none"}), "file", "documents.path"),
    "judgements that are not there": (
        both(file("docs/a.md", "# A\n\nText."), put("documents", {"path": "docs", "relevant": "none.tsv"})),
        "file",
        "documents.relevant",
    ),
    "judgements of unknown documents": (
        both(
            file("docs/a.md", "# A\n\nText."),
            file("r.tsv", "r1\tnowhere.md\t1\n"),
            put("documents", {"path": "docs", "relevant": "r.tsv"}),
        ),
        "climb",
        "r.tsv",
    ),
    "regression task that is not there": (put("regression_tasks", ["none"]), "file", "regression_tasks.0"),
    "regression task that is no run": (
        both(file("some/a.txt", "a"), put("regression_tasks", ["some"])),
        "plan",
        "neither a rung.yaml nor a run folder",
    ),
    "regression task with a problem": (
        both(file("other.yaml", "task: {name: x}\n"), put("regression_tasks", ["other.yaml"])),
        "plan",
        "regression_tasks.0",
    ),
    "regression run that asks no model": (run_won_by_baseline, "plan", "which asks no model"),
    "column that is not there": (put("task", "target", "label"), "data", "label"),
    "cap without a price": (
        both(put("models", "main", OPENAI), put("limits", {"budget_usd": 1})),
        "plan",
        "models.main: limits.budget_usd is set, but",
    ),
    "latency at more requests than a model takes": (
        both(
            put("models", "main", OPENAI | {"concurrency": 2}),
            put("limits", {"p95_latency_s": 1}),
            put("volume", {"concurrency": 8}),
        ),
        "plan",
        "models.main.concurrency allows fewer (2)",
    ),
    "variable that is not set": (
        put("models", "main", OPENAI | {"api_key_env": "RUNG_T_NOT_SET"}),
        "climb",
        "the environment variable RUNG_T_NOT_SET is not set",
    ),
    "variable of a preset that is not set": (
        put("models", "main", {"provider": "anthropic", "name": "m"}),
        "climb",
        "the environment variable ANTHROPIC_API_KEY is not set",
    ),
    "variable that no header may hold": (
        both(put("models", "main", OPENAI | {"api_key_env": "RUNG_T_ODD"}), file(".env", 'RUNG_T_ODD="a\\nb"\n')),
        "climb",
        "holds characters that no header may have",
    ),
    "variables that cannot be read": (
        both(put("models", "main", OPENAI | {"api_key_env": "RUNG_T_ODD"}), file(".env", b"\xff")),
        "climb",
        "is not UTF-8",
    ),
    "preset's key for another host": (
        put("models", "main", {"provider": "gemini", "name": "m", "base_url": "https://models.example.com/v1"}),
        "file",
        "would send GEMINI_API_KEY",
    ),
    "placeholder of a draft": (put("models", "main", OPENAI | {"name": "your-model-name"}), "climb", "placeholder"),
    "address of the pages, not filled in": (
        put("models", "main", OPENAI | {"base_url": "https://RESOURCE.openai.azure.com/openai/v1"}),
        "climb",
        "models.main.base_url: is still a placeholder",
    ),
    "deployment of the pages, not filled in": (
        put(
            "models",
            "main",
            OPENAI | {"base_url": "https://a.example.com/openai/deployments/DEPLOYMENT/chat/completions"},
        ),
        "climb",
        "models.main.base_url: is still a placeholder",
    ),
    "server of the pages, not filled in": (
        put("models", "main", OPENAI | {"base_url": "http://HOST:11434"}),
        "climb",
        "models.main.base_url: is still a placeholder",
    ),
    "embedder without embeddings": (
        both(
            file("docs/a.md", "# A\n\nText."),
            file(".env", "ANTHROPIC_API_KEY=k\n"),
            put("documents", {"path": "docs"}),
            put("models", "embedder", {"provider": "anthropic", "name": "m"}),
        ),
        "climb",
        "models.embedder: Anthropic offers no embeddings",
    ),
    "weights that are not here": (
        put("ladder", ["prompt", "finetune"]),
        "step",
        "whose weights are not on this machine",
    ),
    "adapter on an adapter": (
        both(
            file("a/adapter_config.json", "{}"),
            put("models", "small", {"provider": "local", "name": "m", "adapter": "a"}),
            put("ladder", ["prompt", {"finetune": {"model": "small"}}]),
        ),
        "step",
        "carries an adapter already",
    ),
    "recipe that is none": (
        both(
            put("models", "small", {"provider": "local", "name": "m"}),
            put("ladder", ["prompt", {"finetune": {"model": "small", "tuner": ["lorra"]}}]),
        ),
        "plan",
        "lorra",
    ),
    "setting that a recipe does not have": (
        both(
            put("models", "small", {"provider": "local", "name": "m"}),
            put("ladder", ["prompt", {"finetune": {"model": "small", "tuner": [{"lora": {"rankk": 8}}]}}]),
        ),
        "plan",
        "ladder.1.tuner.lora.rankk",
    ),
    "rag without documents": (put("ladder", ["prompt", "rag"]), "step", "none are configured"),
    "packages of a local model": (
        both(put("models", "main", {"provider": "local", "name": "m"}), put("hidden", ["torch"])),
        "climb",
        "pip install 'rung[local]'",
    ),
    "packages of tuning": (
        both(
            put("models", "small", {"provider": "local", "name": "m"}),
            put("ladder", ["prompt", {"finetune": {"model": "small"}}]),
            put("hidden", ["peft"]),
        ),
        "step",
        "pip install 'rung[tune]'",
    ),
    "packages of reflection": (
        both(put("ladder", [{"prompt": {"reflection": "main"}}]), put("hidden", ["gepa"])),
        "climb",
        "pip install 'rung[optimize]'",
    ),
}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Write the project of a case, and return the path of its file."""
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "RUNG_T_NOT_SET", "RUNG_T_ODD"):
        monkeypatch.delenv(name, raising=False)

    def write(change):
        raw = project(tmp_path)
        change(raw, tmp_path)
        for package in raw.pop("hidden", []):
            monkeypatch.setitem(__import__("sys").modules, package, None)
        (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
        return tmp_path / "rung.yaml"

    return write


def told(path):
    """Return what check says against a file: the error, or its findings that stop."""
    try:
        found = check(load_config(path), Silent())
    except RungError as error:
        return str(error)
    return "\n".join(f.message for f in found.findings if f.severity == "stop")


def refused(path, work):
    """Return what a climb or a plan raises before the first call; None where it goes on."""
    try:
        work(load_config(path))
    except RungError as error:
        assert not AnswerCache.exists_in(path.parent / "run") or _answers(path.parent / "run") == 0
        return str(error)
    return None


def _answers(folder):
    with AnswerCache.open_in(folder) as cache:
        return sum(s.answers for s in cache.spend())


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "case", [c if n % 4 == 0 else pytest.param(c, marks=pytest.mark.slow) for n, c in enumerate(CASES)]
)
def test_check_refuses_what_a_climb_refuses(case, made, tmp_path):
    change, by, words = CASES[case]
    path = made(change)
    said = told(path)
    assert words in said
    if by == "step":  # the climb leaves it out when it gets there; that it begins is shown elsewhere
        assert [o.keeps for o in obstacles(load_config(path))] == ["step"]
        return
    raised = refused(path, lambda config: climb(config, tmp_path / "run"))
    assert raised is not None
    assert words in raised
    assert not (tmp_path / "run" / "rungs").exists()
    planned = refused(path, plan)
    assert (planned is not None) == (by != "climb" or case == "judgements of unknown documents")


def findings(path, folder):
    """Return what check says of a climb in a folder that would stop it."""
    return [f.message for f in check(load_config(path), Silent(), folder).findings if f.severity == "stop"]


@pytest.mark.slow
def test_check_says_what_a_climb_would_find_in_its_folder(made, tmp_path):
    path, folder = made(lambda raw, root: None), tmp_path / "run"
    assert findings(path, folder) == []
    climb(load_config(path), folder)
    before = {p: p.read_bytes() for p in folder.rglob("*.json*")}
    assert findings(path, folder) == []
    raw = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(raw | {"task": raw["task"] | {"goal": 0.8}}))
    assert findings(path, folder) == [], "another goal is always taken"
    path.write_text(yaml.safe_dump(raw | {"task": raw["task"] | {"instruction": "Which team?"}}))
    [said] = findings(path, folder)
    assert "holds a run with another configuration (changed: task.instruction)" in said
    with pytest.raises(ConfigError) as caught:
        climb(load_config(path), folder)
    assert str(caught.value.problems[0]) in said
    path.write_text(yaml.safe_dump(raw))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[1:]))
    [said] = findings(path, folder)
    assert "is not what this run was started on: 1 example vanished" in said
    assert {p: p.read_bytes() for p in folder.rglob("*.json*")} == before, "check writes nothing"


def test_check_says_what_a_climb_would_ask(made, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNG_T_KEY", "k")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    path = made(put("models", "main", OPENAI | {"api_key_env": "RUNG_T_KEY"}))
    assert findings(path, tmp_path / "run") == []  # RUNG_TRUST=1, as in all tests
    monkeypatch.delenv("RUNG_TRUST")
    [said] = findings(path, tmp_path / "run")
    assert "is not known on this machine and wants to send the variable RUNG_T_KEY to 127.0.0.1:9" in said
    assert "a run asks about it in a terminal and refuses elsewhere" in said
    allow(load_config(path))
    assert findings(path, tmp_path / "run") == []


def test_check_says_that_the_index_is_another_embedders(made, tmp_path):
    static = {"provider": "fake", "answers": {"a": "b"}, "name": "other"}
    path = made(
        both(file("docs/a.md", "# A\n\nText."), put("documents", {"path": "docs"}), put("models", "embedder", static))
    )
    config = load_config(path)
    assert findings(path, tmp_path / "run") == [], "no index is there yet"
    assert not (tmp_path / ".rung").exists(), "and none is made"
    with open_document_store(config) as store:
        fact = {"name": "the first one", "identity": "another", "dimensions": 4}
        store.write(StoreChange(facts={EMBEDDER: fact}))
    [said] = findings(path, tmp_path / "run")
    assert "made by 'the first one', and documents.embedder is now 'other'" in said
    with pytest.raises(ConfigError, match="vectors of two models cannot be compared"):
        climb(config, tmp_path / "run")


@pytest.mark.slow
def test_check_is_silent_on_a_configuration_that_climbs(made, tmp_path):
    path = made(lambda raw, root: None)
    assert told(path) == ""
    assert climb(load_config(path), tmp_path / "run").verdict.decision == "meets"


def test_all_problems_are_told_at_once(made):
    path = made(
        both(
            put("models", "main", OPENAI | {"api_key_env": "RUNG_T_NOT_SET", "name": "your-model"}),
            put("limits", {"budget_usd": 1}),
            put("ladder", ["prompt", "rag", "finetune"]),
            put("task", "target", "label"),  # no such column
        )
    )
    with pytest.raises(ConfigError) as caught:
        check(load_config(path), Silent())
    assert [p.path for p in caught.value.problems] == [
        *("models.main.name", "models.main", "models.main", "ladder.1", "ladder.2", "data"),
    ]
    with pytest.raises(ConfigError) as refusal:
        climb(load_config(path), path.parent / "run")
    assert [p.path for p in refusal.value.problems] == ["models.main.name", "models.main", "models.main"]


def test_the_file_that_the_readme_shows_is_no_file_to_climb_with(tmp_path, monkeypatch):
    """Its names are placeholders, its cap has no price, its key is not set: check says all of it."""
    monkeypatch.delenv("YOUR_KEY", raising=False)
    [block] = [b for b in README.read_text().split("```yaml\n")[1:] if b.startswith("version: 1")]
    (tmp_path / "rung.yaml").write_text(block.split("```")[0])
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "a.md").write_text("# A\n\nText.\n")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "live.yaml").write_text("- {role: user, content: '{{subject}} {{body}}'}\n")
    lines = [f"{i % 7},subject {r['text']},body {i},{r['team']}" for i, r in enumerate(ROWS)]
    (tmp_path / "tickets.csv").write_text("\n".join(["customer,subject,body,team", *lines]) + "\n")
    said = told(tmp_path / "rung.yaml")
    for words in (
        "models.main.name: is still a placeholder",
        "models.main.base_url: is still a placeholder",
        "models.main.api_key_env: is still a placeholder",
        "models.main: limits.budget_usd is set, but no price",
        "the environment variable YOUR_KEY is not set",
    ):
        assert words in said


# Every place that raises an error of the configuration: the cases above that lead there, or why none can.
RAISED = {
    "config/prompt.py read_prompt": "prompt file",
    "config/prompt.py for_columns": "placeholder",
    "config/reading.py load_config": "check reads the file by the same function",
    "config/reading.py parse_config": "unknown key",
    "config/reading.py _kept": "--only, which check does not take",
    "config/environment.py variable": "variables that cannot be read",
    "engine/obstacles.py refuse": "the shared list itself",
    "engine/check.py check": "check itself",
    "engine/start.py _check_same": "another configuration in a run folder: its own test below",
    "models/_post.py headers_from_environment": "variable",
    "models/client.py __init__": "cap without a price",
    "models/prices.py check_budget": "cap without a price",
    "tuning/regression.py _from_run": "regression",
    "rag/opening.py section_of": "commands about documents; a climb without them leaves rag out",
    "rag/admin.py _derived": "rung docs measure",
    "documents/index.py search": "a way to search that an approach chose among those that are there",
    "evaluate/roles.py __getitem__": "role that is not there",
    "cli/demo.py _fetched": "weights that cannot be fetched, before anything is read",
    "evaluate/roles.py _on_weights": "weights of a run, asked outside a run folder",
    "models/recorded.py book": "a stored answer asked outside a rung.yaml",
    "api.py _raw": "arguments of a Python program, read by check too",
    "api.py _of_a_file": "arguments of a Python program, read by check too",
    "api.py _parsed": "arguments of a Python program, read by check too",
    "cli/init.py _check_values": "rung init",
    "cli/init.py _check_goal": "rung init",
    "cli/init.py _as_goal": "rung init",
    "plugins.py require": "packages",
    "plugins.py find": "unknown",
    "plugins.py available": "unknown kind or two plug-ins of one name: raised while the file is read",
    "plugins.py learned_type": "reading a finished run",
    "cli/demo.py shipped_folder": "rung demo",
    "cli/climb.py _fit_together": "options of rung climb, which check does not take",
    "engine/further.py begin_second_look": "test examples added to a run, which check does not take",
    "engine/further.py with_second_look": "test examples added to a run, which check does not take",
}


@pytest.mark.slow
def test_every_place_that_raises_such_an_error_is_known():
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        if "testing" in path.parts:
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                    continue
                name = getattr(node.exc.func, "id", "")
                if name in ("ConfigError", "MissingExtra", "UnknownPlugin", "_unreadable"):
                    found.add(f"{path.relative_to(SOURCE).as_posix()} {function.name}")
    assert found == set(RAISED)
    named = [why for why in RAISED.values() if any(case.startswith(why) for case in CASES)]
    assert len(named) >= 11  # the rest says why no case can lead there
