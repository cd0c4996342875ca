"""Every configuration that README and docs show is read as it stands, and goes through check, plan and a climb on a stub.

A whole rung.yaml stands for itself; a fragment is laid over a small whole one. What asks a vendor is climbed in test_presets.
"""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from rung import cli
from rung.config import load_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROWS = 48
BASE = {
    "version": 1,
    "task": {"name": "shown", "instruction": "Answer.", "inputs": ["text"], "target": "answer", "goal": 0.6},
    "data": {"path": "rows.jsonl"},
    "models": {"main": {"provider": "openai", "name": "m", "base_url": "http://localhost:1/v1"}},
    "ladder": ["prompt"],
}
OTHERS_ROLES = ("reflection", "small", "embedder", "judge", "now", "v1", "v2", "tuned", "late", "own")


def shown():
    """Yield each block of rung.yaml in the pages: its place and what it holds."""
    for page in PAGES:
        for found in re.finditer(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            text = found[1].replace("{..., ", "{")
            block = yaml.safe_load(text)
            line = page.read_text("utf-8")[: found.start()].count("\n") + 2
            if isinstance(block, dict):  # a list is a workflow's steps
                yield pytest.param(block, id=f"{page.relative_to(ROOT)}:{line}")


def whole(block):
    """Lay a fragment over a small whole configuration."""
    made = {key: {**value} if isinstance(value, dict) else value for key, value in BASE.items()}
    if "version" in block:
        made = {}
    for key, value in block.items():
        made[key] = {**made[key], **value} if isinstance(value, dict) and isinstance(made.get(key), dict) else value
    roles = json.dumps(made["ladder"])
    for role in OTHERS_ROLES:
        if f'"{role}"' in roles or role == made.get("documents", {}).get("embedder"):
            made["models"].setdefault(role, {**BASE["models"]["main"], "name": role})
    return made


def laid_out(place, config):
    """Write what a configuration names: rows, documents, a prompt, a rubric, variables."""
    task = config["task"]
    floors = task.get("floors", ())
    slices = {c: v for floor in floors for c, v in floor.get("where", {}).items()} | dict.fromkeys(
        task.get("slices", ()), "a"
    )
    label = next((floor["label"] for floor in floors if "label" in floor), "tea")
    columns = [*task["inputs"], *(config["data"].get("group_by", "").split()), "id"]
    used = {m.get("column") for m in config["models"].values() if m.get("column")}
    rows = [
        {c: f"{c} number {i} speaks of {'tea' if i % 2 else 'salt'}" for c in (*columns, *used)}
        | dict.fromkeys(used, label if i % 2 else "pepper")
        | {c: v if i % 3 else "other" for c, v in slices.items()}
        | {task.get("target", "answer"): '{"a": 1}' if task.get("kind") == "extraction" else label if i % 2 else "salt"}
        for i in range(ROWS)
    ]
    names = [config["data"]["path"], *(m["path"] for m in config["models"].values() if "path" in m)]
    for name in names:
        (place / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    if config["data"]["path"].endswith(".csv"):
        import csv

        with (place / config["data"]["path"]).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    if "documents" in config:
        (place / config["documents"]["path"]).mkdir()
        (place / config["documents"]["path"] / "a.md").write_text("# Tea\n\nTea is tea, salt is salt.\n")
        if relevant := config["documents"].get("relevant"):
            (place / relevant).write_text("")
    if "prompt" in task:
        (place / task["prompt"]).parent.mkdir(exist_ok=True)
        text = "Answer."
        (place / task["prompt"]).write_text(text if task["prompt"].endswith(".txt") else json.dumps([{"role": "system", "content": text}]))  # fmt: skip
    for metric in task.get("metrics", ()):
        if isinstance(metric, dict) and "rubric_file" in metric.get("judge", {}):
            (place / metric["judge"]["rubric_file"]).write_text("It says what is expected.")
    for model in config["models"].values():
        if "function" in model:
            file = place / model["function"].partition(":")[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("def answer(row):\n    return 'tea'\n")
        if "folder" in model:
            (place / model["folder"]).mkdir(parents=True, exist_ok=True)
            for name in ("config.json", "tokenizer.json", "model.safetensors"):
                (place / model["folder"] / name).write_text("{}")
        if "adapter" in model:
            (place / model["adapter"]).mkdir(parents=True, exist_ok=True)
            (place / model["adapter"] / "adapter_config.json").write_text("{}")
    return rows


def stubbed(config, rows):
    """Let every model answer from this machine, and leave out what trains or proposes prompts."""
    target = config["task"].get("target", "answer")
    known = [{"inputs": {c: row[c] for c in config["task"]["inputs"]}, "answer": row[target]} for row in rows]
    for role, model in config["models"].items():
        if model["provider"] == "recorded":
            continue
        config["models"][role] = {
            "provider": "fake",
            "name": role,
            "answers": known,
            "price": {"input": 1.0, "output": 1.0},
        }
        if role == "judge":
            config["models"][role] = {
                "provider": "python",
                "name": role,
                "function": "rung.testing.judges:fair",
                "price": {"input": 1.0, "output": 1.0},
            }
    steps = [step if isinstance(step, dict) else {step: {}} for step in config["ladder"]]
    kept = [step for step in steps if "finetune" not in step]
    config["ladder"] = [{name: {k: v for k, v in (said or {}).items() if not k.startswith(("reflect", "effort"))} for name, said in step.items()} for step in kept]  # fmt: skip
    if config.get("documents", {}).pop("embedder", None):
        config["documents"].pop("relevant", None)
    return config


@pytest.fixture
def rung(monkeypatch, capsys, tmp_path):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["rung", *words])
        code = cli.run()
        return code, capsys.readouterr()

    monkeypatch.chdir(tmp_path)
    for name in ("YOUR_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENROUTER_API_KEY", "ROUTE_AUTH"):  # fmt: skip
        monkeypatch.setenv(name, "secret")
    return run


@pytest.mark.parametrize("block", list(shown()))
def test_it_is_read_as_it_stands(block, tmp_path, rung):
    config = whole(block)
    laid_out(tmp_path, config)
    (tmp_path / "rung.yaml").write_text(json.dumps(config))
    assert load_config(tmp_path / "rung.yaml").task.inputs == tuple(config["task"]["inputs"])


@pytest.mark.sample(3)
@pytest.mark.parametrize("block", list(shown()))
def test_it_goes_through_check_plan_and_a_climb_on_a_stub(block, tmp_path, rung):
    config = whole(block)
    rows = laid_out(tmp_path, config)
    (tmp_path / "rung.yaml").write_text(json.dumps(stubbed(config, rows)))
    code, seen = rung("check")
    assert code in (0, 1), seen  # 1: findings in so few examples
    assert "internal error" not in seen.err
    code, seen = rung("plan", "--json")
    assert code == 0, seen
    code, seen = rung("climb", "--json")
    assert code in (0, 1, 6), seen
    assert json.loads(seen.out)["verdict"]["headline"]


def test_there_are_configurations_to_run():
    places = [case.id.partition(":")[0] for case in shown()]
    assert len(places) > 20
    assert {"README.md", "docs/judge.md", "docs/tasks/style.md", "docs/providers/azure.md"} <= set(places)
