"""The action and its example: valid by the published schemas, and every step does its work in bash against a stub endpoint."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from rung.testing.endpoint import Endpoint
from tests.unit._serving import in_a_thread
from tests.unit._worlds import rows

ROOT = Path(__file__).parents[2]
ACTION, WORKFLOW = ROOT / "action.yml", ROOT / "examples" / "github" / "rung.yml"
GH = """#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
held = here / "comments.json"
comments = json.loads(held.read_text()) if held.exists() else {}
words = sys.argv[1:]
body = next((pathlib.Path(w.partition("@")[2]).read_text() for w in words if w.startswith("body=@")), None)
if "--jq" in words:
    marker = words[words.index("--jq") + 1].partition('"')[2].rpartition('"')[0]
    print("\\n".join(k for k, v in comments.items() if v.startswith(marker)))
else:
    number = next((w.rpartition("/")[2] for w in words if "issues/comments/" in w), str(len(comments) + 1))
    comments[number] = body
    held.write_text(json.dumps(comments))
"""


def steps():
    return yaml.safe_load(ACTION.read_text())["runs"]["steps"]


class Job:
    """One run of the composite action as a runner would do it: each step in bash, with its `env` and its outputs."""

    def __init__(self, root, **inputs):
        self.root, self.outputs, self.failed = root, {}, None
        declared = yaml.safe_load(ACTION.read_text())["inputs"]
        self.inputs = {**{k: v["default"] for k, v in declared.items()}, "install": "", **inputs}
        self.temp = root / "temp"
        self.temp.mkdir(exist_ok=True)
        tools = root / "tools"
        tools.mkdir(exist_ok=True)
        for name, text in (("rung", f'#!/bin/sh\nexec "{sys.executable}" -m rung "$@"\n'), ("gh", GH)):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.env = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
        self.env.pop("RUNG_TRUST", None)

    def value(self, text):
        """Return an `env` entry with its expressions filled; whatever else an expression names is empty here."""
        context = {
            **{f"inputs.{k}": v for k, v in self.inputs.items()},
            **{f"steps.{s}.outputs.{k}": v for s, found in self.outputs.items() for k, v in found.items()},
            "runner.temp": str(self.temp), "github.repository": "acme/desk", "github.event.pull_request.number": "7",
        }  # fmt: skip
        return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda m: context.get(m[1], ""), str(text))

    def run(self):
        for step in steps():
            if step["name"] == "Install" or (
                step["name"] == "Comment" and "comment" not in self.outputs.get("report", {})
            ):
                continue
            files = {name: self.temp / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
            files["GITHUB_OUTPUT"].write_text("")
            env = {
                **self.env,
                **{k: str(v) for k, v in files.items()},
                **{k: self.value(v) for k, v in step["env"].items()},
            }
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False)
            if step.get("id"):
                said = [line.partition("=") for line in files["GITHUB_OUTPUT"].read_text().splitlines()]
                self.outputs[step["id"]] = {k: v for k, _, v in said}
            if done.returncode:
                self.failed = (step["name"], done.returncode, done.stderr)
                return self
        return self

    @property
    def comments(self):
        held = self.root / "tools" / "comments.json"
        return json.loads(held.read_text()) if held.exists() else {}


def project(root, url, prompt="Which team takes the ticket?", goal=0.8):
    task = {"name": "desk", "kind": "classification", "instruction": prompt, "inputs": ["text"], "target": "team",
            "metrics": ["normalized_match"], "goal": goal}  # fmt: skip
    model = {"provider": "openai", "name": "stub", "base_url": url, "price": {"input": 1.0, "output": 2.0}}
    raw = {"task": task, "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15}, "models": {"main": model},
           "ladder": [{"prompt": {"rewrites": False}}], "limits": {"cost_per_1k_usd": 5.0}, "stop_early": False}  # fmt: skip
    (root / "rung.yaml").write_text(json.dumps(raw))
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows(150)))


@pytest.mark.slow
def test_the_steps_comment_the_verdict_compare_with_main_and_decide(tmp_path):
    known = {r["text"]: r["team"] for r in rows(150)}
    endpoint = Endpoint(answering=lambda text: known[text.split("\n")[-1].strip()])
    with in_a_thread(endpoint):
        project(tmp_path, endpoint.url)
        first = Job(tmp_path, folder="runs/main").run()
        assert first.failed is None, first.failed
        assert first.outputs["climb"]["exit-code"] == "0"
        [comment] = first.comments.values()
        assert "| 1,000 requests cost at most \\$5 |" in comment
        assert "Against the baseline" not in comment
        project(tmp_path, endpoint.url, prompt="Name the team.")
        well = endpoint.answering
        endpoint.answering = lambda text: "no idea" if zlib.crc32(text.encode()) % 3 else well(text)
        second = Job(tmp_path, folder="runs/pr", baseline="runs/main").run()
        name, code, said = second.failed
        assert (name, code) == ("Decide", 1), said
        [comment] = second.comments.values()  # in the place of the first
        assert re.search(
            r"\*\*Against the baseline:\*\* prompt against prompt of the baseline: -0\.\d+ .*worse", comment
        )
        assert "The verdict was _meets_ and is _misses_." in comment
        assert "Exploratory" in comment  # another prompt on the test set of the run on main
        suite = ET.parse(second.outputs["report"]["junit"]).getroot()
        assert suite.get("failures") == "1"
        asked = endpoint.counts.requests
        again = Job(tmp_path, folder="runs/pr", baseline="runs/main", accept="0 1").run()
        assert again.failed is None, again.failed
        assert endpoint.counts.requests == asked  # with the folders kept nothing is paid twice


@pytest.mark.slow
def test_a_broken_configuration_fails_the_job_with_its_own_code_and_no_comment(tmp_path):
    (tmp_path / "rung.yaml").write_text("task: {}\n")
    job = Job(tmp_path, accept="0 6").run()
    assert job.failed[:2] == ("Decide", 2)
    assert job.comments == {}


def test_no_step_reads_an_expression_as_code():
    """What a pull request may name stands in `env` alone: an expression inside `run` is source before bash sees it."""
    texts = [step["run"] for step in steps()]
    texts += [
        step["run"]
        for job in yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    assert not [text for text in texts if "${{" in text]
    assert all(step["shell"] == "bash" for step in steps())


def test_the_example_gives_only_what_the_action_takes():
    declared = yaml.safe_load(ACTION.read_text())
    [used] = [
        s for j in yaml.safe_load(WORKFLOW.read_text())["jobs"].values() for s in j["steps"] if s.get("id") == "rung"
    ]
    assert set(used["with"]) <= set(declared["inputs"])
    assert set(re.findall(r"steps\.rung\.outputs\.([\w-]+)", WORKFLOW.read_text())) <= set(declared["outputs"])
