"""The same prompt by other tools: no text of a row, a prompt or a model becomes code, a template, a file or a variable there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rung.exports.bare import MARKDOWN, NUMPY, SCIPY, Said
from rung.exports.others import write_others
from rung.exports.prompt import put_program
from rung.types import Example
from tests.unit.test_export_safety import ALONE, HOSTILE, KEY, listening

RULE = "Rule {x} {{ env.HOME }} {% raw %} {# c #} #} {{{ $ref: file:///etc/passwd os.environ/HOME"
TEXTS = (
    "late", "{{ env.HOME }}", "{% for %}", "#} %} }}", "file:///etc/passwd", "package:fs:readFileSync", "{{row}}", "{c0} {x!r}", *HOSTILE,
)  # fmt: skip
TOOLS = ("langchain-openai", "litellm", NUMPY, SCIPY, MARKDOWN)  # the last three: what exports name
PROMPTFOO = "promptfoo@0.121.20"


def written(out: Path, address: str, key: str | None = "MY", **changes) -> Path:
    """Write a prompt with its tools, as `Prompt.write` does, for two columns of which one has a hostile name."""
    out.mkdir()
    columns = [HOSTILE[0], "b c"]
    sent = {"temperature": 0.0, "max_tokens": 3, "top_k": 1}
    content = {
        "columns": columns, "turn": 1, "example": [],
        "messages": [{"role": "system", "content": RULE}, {"role": "user", "content": "{{" + columns[0] + "}} and {{b c}}"}],
        "examples": [{"id": str(n), "inputs": {columns[0]: t, "b c": "{c1}"}, "target": t} for n, t in enumerate(TEXTS)],
        "model": {"name": "m", "base_url": address, "max_tokens": 3, "temperature": 0.0, "extra_body": {"top_k": 1}},
        **changes,
    }  # fmt: skip
    if key:
        content["model"] |= {"api_key_env": key, "headers_env": {"x-team": "TEAM"}}
    (out / "prompt.json").write_text(json.dumps(content))
    put_program(out, nearest="nearest" in content)
    rows = [(Example(str(n), {columns[0]: t, "b c": t}, "x", str(n)), Said("billing")) for n, t in enumerate(TEXTS)]
    assert write_others(content, {"model": "m", "messages": [], **sent}, rows, out) == ""
    return out


def test_configurations_hold_data_as_data_and_programs_are_constant(tmp_path):
    place = written(tmp_path / "out", "http://127.0.0.1:1/v1") / "others"
    names = {"langchain.json", "litellm.yaml", "promptfoo_rows.json", "promptfooconfig.yaml"}
    programs = {f"with_{tool}.py" for tool in ("langchain", "litellm", "openai", "promptfoo")}
    assert {p.name for p in place.iterdir()} == names | programs
    for name in programs:
        assert (place / name).read_bytes() == (ALONE / name).read_bytes()
    for name in names:  # JSON that YAML reads as the same
        held = (place / name).read_text()
        assert yaml.safe_load(held) == json.loads(held)
    config = (place / "promptfooconfig.yaml").read_text()
    assert not any(text in config for text in TEXTS[1:])
    assert not re.search(r"\{\{|\{%|\{#", config)
    params = json.loads((place / "litellm.yaml").read_text())["model_list"][0]["litellm_params"]
    assert (params["api_key"], params["extra_headers"]) == ("os.environ/MY", {"x-team": "os.environ/TEAM"})
    assert [str(p) for p in place.rglob("*") if p.is_file() and p.stat().st_mode & 0o077] == []


def test_a_template_for_langchain_stands_for_the_chat_that_was_measured(tmp_path):
    out = written(tmp_path / "out", "http://127.0.0.1:1/v1")
    turns = json.loads((out / "others/langchain.json").read_text())["prompt"]
    filled = [[role, text.format(c0="late {x}", c1="{{b}}")] for role, text in turns]
    code = "import ask, json, sys; print(json.dumps(ask.turns(json.loads(sys.argv[1]))))"
    given = json.dumps({HOSTILE[0]: "late {x}", "b c": "{{b}}"})
    said = subprocess.run([sys.executable, "-c", code, given], cwd=out, env={}, capture_output=True, check=True)
    assert filled == [[turn["role"], turn["content"]] for turn in json.loads(said.stdout)]
    assert len(turns) == 2 + 2 * len(TEXTS)


def test_a_text_that_litellm_would_take_for_a_variable_is_not_written(tmp_path):
    (tmp_path / "a").mkdir()
    content = {
        "columns": ["t"],
        "messages": [],
        "examples": [],
        "nearest": 1,
        "model": {"name": "m", "base_url": "http://h"},
    }
    body = {"model": "m", "response_format": {"enum": ["os.environ/HOME"]}}
    said = write_others(content, body, [], tmp_path / "a")
    assert said.startswith("; no litellm.yaml, where 'os.environ/' at the head of a text")
    assert not {"litellm.yaml", "with_litellm.py"} & {p.name for p in (tmp_path / "a/others").iterdir()}
    assert json.loads((tmp_path / "a/others/langchain.json").read_text())["prompt"] is None


def asked_by(python: str, out: Path, tool: str, **variables):
    """Ask two rows by one tool; return what it printed last, and whether it ended well."""
    words = [python, "-I", str(out / f"others/with_{tool}.py"), "late {x}", "{{text}}"]
    return subprocess.run(
        words, env={"HOME": str(out), **variables}, cwd=out, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["openai", "langchain", "litellm"])
def test_a_tool_asks_what_was_measured_and_sends_what_is_named(tmp_path, tool, request):
    if tool != "openai":
        python = request.getfixturevalue("tools")
    else:
        pytest.importorskip("openai")
        python = sys.executable
    more = {"OPENAI_API_KEY": "sk-other", "OPENAI_ORG_ID": "org-other", "OPENAI_PROJECT_ID": "proj-other"}
    with listening() as (elsewhere, stolen), listening(elsewhere) as (moved, _), listening() as (address, seen):
        done = asked_by(python, written(tmp_path / "a", address + "/v1"), tool, MY=KEY, TEAM="blue", **more)
        assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["billing"]), done.stderr
        path, headers, body = seen[0]
        assert path == "/v1/chat/completions"
        assert (headers["authorization"], headers["x-team"]) == (f"Bearer {KEY}", "blue")
        assert "other" not in str(seen)
        assert {k: v for k, v in body.items() if k not in ("messages", "stream")} == {
            "model": "m", "temperature": 0.0, "max_tokens": 3, "top_k": 1,
        }  # fmt: skip
        turns = json.loads((tmp_path / "a/others/langchain.json").read_text())["prompt"]
        filled = [{"role": role, "content": text.format(c0="late {x}", c1="{{text}}")} for role, text in turns]
        assert body["messages"] == filled
        unset = asked_by(python, tmp_path / "a", tool, MY=KEY)
        assert "set the environment variable TEAM" in unset.stderr
        bare = asked_by(python, written(tmp_path / "b", address + "/v1", key=None), tool, **more)
        assert bare.returncode == 0, bare.stderr
        assert seen[-1][1]["authorization"] == "Bearer none"
        assert "other" not in str(seen)
        sent_on = asked_by(python, written(tmp_path / "c", moved + "/v1"), tool, MY=KEY, TEAM="blue")
        assert sent_on.returncode != 0
        assert stolen == []


def by_night(request, variable):
    """Skip what installs hundreds of megabytes, but in the nightly tests."""
    if request.config.getoption("--hypothesis-profile") != "nightly":
        pytest.skip(f"installs packages of others: runs in make nightly, or where {variable} names them")


@pytest.fixture(scope="session")
def tools(tmp_path_factory, request):
    """A Python with LangChain and LiteLLM: that of RUNG_TOOLS, else installed from the registry, else the test is skipped."""
    held = os.environ.get("RUNG_TOOLS")
    if held:
        return held
    by_night(request, "RUNG_TOOLS")
    place = tmp_path_factory.mktemp("tools")
    made = subprocess.run([sys.executable, "-m", "venv", str(place)], capture_output=True, check=False)
    pip = [str(place / "bin/python"), "-m", "pip", "install", "-q", "--retries", "1", "--timeout", "10", *TOOLS]
    if made.returncode or subprocess.run(pip, capture_output=True, check=False).returncode:
        pytest.skip(f"{', '.join(TOOLS)} cannot be installed from the package registry here")
    return str(place / "bin/python")


@pytest.fixture(scope="session")
def promptfoo(tmp_path_factory, request):
    """promptfoo's program: that of RUNG_PROMPTFOO, else installed by npm where Node is 20 or later, else the test is skipped."""
    node, npm = shutil.which("node"), shutil.which("npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout if node else ""
    if int(re.sub(r"v(\d+).*", r"\1", version.strip() or "v0")) < 20:
        pytest.skip(f"promptfoo needs Node 20 or later; here is {version.strip() or 'none'}")
    held = os.environ.get("RUNG_PROMPTFOO")
    if held:
        return [node, held]
    by_night(request, "RUNG_PROMPTFOO")
    place = tmp_path_factory.mktemp("promptfoo")
    if not npm:
        pytest.skip("npm is not here")
    words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", PROMPTFOO]
    if subprocess.run(words, cwd=place, capture_output=True, check=False).returncode:
        pytest.skip(f"{PROMPTFOO} cannot be installed from the package registry here")
    return [node, str(place / "node_modules/promptfoo/dist/src/entrypoint.js")]


@pytest.mark.slow
def test_promptfoo_runs_the_configuration_and_evaluates_no_text(tmp_path, promptfoo):
    with listening() as (address, seen):
        out = written(tmp_path / "out", address + "/v1")
        words = [
            *promptfoo,
            "eval",
            "--no-cache",
            "--no-write",
            "--no-table",
            "--no-progress-bar",
            "-o",
            str(tmp_path / "r.json"),
        ]
        done = subprocess.run(
            words, cwd=out / "others", capture_output=True, text=True, check=False,
            env={
                "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PROMPTFOO_PYTHON": sys.executable, "MY": KEY, "TEAM": "blue",
                "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_CONFIG_DIR": str(tmp_path / "pf"),
            },
        )  # fmt: skip
    found = json.loads((tmp_path / "r.json").read_text())["results"]["results"]
    assert [r["success"] for r in found] == [True] * len(TEXTS), done.stdout
    assert {body["messages"][0]["content"] for _, _, body in seen} == {RULE}
    assert {body["messages"][-1]["content"] for _, _, body in seen} == {f"{t} and {t}" for t in TEXTS}
    assert not (out / "others/RAN").exists()
