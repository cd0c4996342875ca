"""Winners of real climbs, asked by other tools from what `rung export` wrote: each kind of winner by each tool, at a stub.

The tools come from their packages: in `make nightly`, or where RUNG_TOOLS (a Python) and RUNG_PROMPTFOO (its entrypoint.js) name them.
"""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from rung.config import parse_config
from rung.exports.write import exported
from rung.ladder import climb
from tests.unit._worlds import LABELS, rows
from tests.unit.test_export_others import promptfoo, tools  # noqa: F401  the fixtures
from tests.unit.test_export_rag import climbed, reading
from tests.unit.test_export_safety import KEY

KNOWN = {r["text"]: r["team"] for r in rows(240, informative=True)}
ASKED = 1  # dev examples by each of the others: a start takes seconds


def label_in(body):
    """Answer rightly, for the row at the end of the last turn."""
    said = body["messages"][-1]["content"]
    return next((team for text, team in KNOWN.items() if text in said), "no idea")


def with_examples(body):
    """Answer rightly only where examples are shown."""
    shown = any(turn["role"] == "assistant" for turn in body["messages"])
    return label_in(body) if shown else LABELS[zlib.crc32(str(body["messages"][-1]).encode()) % 3]


def fenced(body):
    """Answer rightly in a code fence, whatever is asked for."""
    return f"```\n{label_in(body)}\n```"


WINNERS = {
    "prompt": (label_in, [{"prompt": {"rewrites": False}}]),
    "fixed": (with_examples, [{"prompt": {"rewrites": False}}, {"fewshot": {"k": [3], "selections": ["fixed"]}}]),
    "nearest": (with_examples, [{"prompt": {"rewrites": False}}, {"fewshot": {"k": [3], "selections": ["nearest"]}}]),
    "steps": (fenced, ["prompt"]),
    "rag": (None, []),
}


@pytest.fixture(scope="module", params=WINNERS)
def winner(request, tmp_path_factory):
    """A kind of winner, its export, the address of its model and what that was asked."""
    root, (answering, ladder) = tmp_path_factory.mktemp(request.param), WINNERS[request.param]
    with pytest.MonkeyPatch.context() as patch, reading(answering=answering) as (address, seen):
        patch.setenv("MY_KEY", KEY)
        if answering is None:
            climbed(root, address)
        else:
            held = [{"text": text, "team": team} for text, team in KNOWN.items()]
            (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in held))
            raw = {
                "task": {
                    "name": "t", "kind": "classification", "instruction": "Which team?", "inputs": ["text"], "target": "team",
                    "metrics": ["exact_match"], "goal": 0.8,
                },
                "data": {"path": "rows.jsonl"}, "diagnosis": {"calls": 0}, "ladder": ladder,
                "models": {"main": {"provider": "openai", "name": "m", "base_url": address, "api_key_env": "MY_KEY"}},
            }  # fmt: skip
            climb(parse_config(raw, root), root / "run")
        verdict = json.loads((root / "run/verdict.json").read_text())
        _, out, _ = exported(root / "run", verdict["winner"], None, root / "out", None)
        yield request.param, out, seen


def measured(out: Path):
    """Return the dev examples of an export and what was measured."""
    found = json.loads((out / "others/promptfoo_rows.json").read_text())
    assert len(found) > ASKED
    return found


def environment(out: Path) -> dict[str, str]:
    return {"HOME": str(out.parent), "PATH": os.environ["PATH"], "MY_KEY": KEY}


def first_line(text: str) -> str:
    return text.partition("\n\nsources:")[0].strip()


@pytest.mark.slow
def test_each_kind_of_winner_is_what_its_name_says(winner):
    name, out, _ = winner
    said = json.loads((out / "prompt.json").read_text())
    assert bool(said["examples"]) is (name in ("fixed", "nearest"))
    assert ("nearest" in said) is (name == "nearest")
    assert ("strip_fence" in json.dumps(said)) is (name == "steps")
    assert (out / "rag.py").exists() is (name == "rag")


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["openai", "langchain", "litellm"])
def test_a_tool_gives_the_measured_answers(winner, tool, request):
    _, out, seen = winner
    if tool == "openai":
        pytest.importorskip("openai")
    python = sys.executable if tool == "openai" else request.getfixturevalue("tools")
    for row in measured(out)[:ASKED]:
        before = len(seen)
        words = [python, "-I", str(out / f"others/with_{tool}.py"), *row["inputs"].values()]
        done = subprocess.run(words, env=environment(out), cwd=out.parent, capture_output=True, text=True, check=False)
        assert (done.returncode, first_line(done.stdout)) == (0, row["measured"]), done.stderr[-2000:]
        program = next(out / name for name in ("rag.py", "ask.py") if (out / name).exists())
        own = [sys.executable, "-I", str(program), *row["inputs"].values()]
        subprocess.run(own, env=environment(out), cwd=out.parent, capture_output=True, check=True)
        by_tool, by_program = seen[before:]
        assert by_tool[1] == f"Bearer {KEY}"
        assert {k: v for k, v in by_tool[2].items() if k != "stream"} == by_program[2]


@pytest.mark.slow
def test_promptfoo_finds_every_answer_as_it_was_measured(winner, promptfoo, tmp_path):  # noqa: F811  the fixture
    _, out, _ = winner
    words = ["eval", "--no-cache", "--no-write", "--no-table", "--no-progress-bar", "-o", str(tmp_path / "r.json")]
    held = {
        **environment(out), "PROMPTFOO_PYTHON": sys.executable, "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_CONFIG_DIR": str(tmp_path / "pf"),
    }  # fmt: skip
    rows_file, rows_held = out / "others/promptfoo_rows.json", measured(out)
    before = rows_file.read_text()
    changed = {**rows_held[0], "measured": rows_held[0]["measured"] + "?"}
    try:  # one that was measured otherwise must fail
        rows_file.write_text(json.dumps([changed, *rows_held[1:]]))
        done = subprocess.run(
            [*promptfoo, *words], cwd=out / "others", env=held, capture_output=True, text=True, check=False
        )
    finally:
        rows_file.write_text(before)
    found = json.loads((tmp_path / "r.json").read_text())["results"]["results"]
    right = {r["vars"]["row"]: r["success"] for r in found}
    assert right == {n: n > 0 for n in range(len(rows_held))}, done.stdout[-2000:]
