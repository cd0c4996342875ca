"""The core from its lock file: into an empty environment, every wheel by its hash, then a climb that asks nobody.

Slow, and only where pip reaches an index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from supply.bill import bill
from supply.lock import LOCK, read
from tests.extra.test_distributions import ROOT, built

pytestmark = [pytest.mark.extra, pytest.mark.slow]
UNREACHED = (
    "No matching distribution",
    "Failed to establish",
    "Temporary failure",
    "ConnectTimeout",
    "Network is unreachable",
)
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1], encoding="utf-8").read()))
"""
CONFIG = """
version: 1
task: {name: tiny, kind: classification, instruction: Name it., inputs: [text], target: label, metrics: [exact_match], goal: 0.9}
data: {path: rows.jsonl}
split: {test: 0.5, dev: 0.2, seed: 7}
models: {main: {provider: fake, answers: rows.jsonl, answer_column: label}}
ladder: [prompt]
"""


class Fresh:
    """An empty environment: no package of this one, none of its variables that lead to one."""

    def __init__(self, place: Path) -> None:
        venv.create(place)
        self.python = place / ("Scripts" if os.name == "nt" else "bin") / "python"

    def run(self, *words: str, at: Path) -> subprocess.CompletedProcess[str]:
        return _run(str(self.python), "-I", "-m", *words, at=at)

    def pip(self, *words: str, at: Path) -> subprocess.CompletedProcess[str]:
        """Run the pip of this environment on the fresh one, which has none: a third of the time."""
        return _run(sys.executable, "-I", "-m", "pip", "--python", str(self.python), *words, at=at)

    def install(self, *words: str, at: Path) -> None:
        done = self.pip("install", "-q", "--disable-pip-version-check", "--no-compile", *words, at=at)
        if done.returncode and any(sign in done.stderr for sign in UNREACHED):
            pytest.skip(
                f"pip reaches no index that offers the locked wheels: {done.stderr.strip().splitlines()[-1][:200]}"
            )
        assert done.returncode == 0, done.stderr


def _run(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return subprocess.run(words, cwd=at, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built(ROOT, tmp_path_factory.mktemp("core") / "source")[1]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, wheel):
    place = tmp_path_factory.mktemp("fresh")
    environment = Fresh(place / "env")
    environment.install("--require-hashes", "-r", str(LOCK), at=place)
    environment.install("--no-deps", str(wheel), at=place)
    return environment


def test_the_lock_is_all_that_the_core_needs(fresh, tmp_path):
    assert fresh.pip("check", at=tmp_path).returncode == 0
    told = fresh.run("rung", "--help", at=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "climb" in told.stdout


def test_a_climb_that_asks_nobody_runs_on_the_locked_packages(fresh, tmp_path):
    rows = [
        {"text": f"number {i} and its sign {'minus' if i % 2 else 'plus'} {i * i}", "label": "-+"[i % 2]}
        for i in range(200)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    (tmp_path / "rung.yaml").write_text(CONFIG, encoding="utf-8")
    done = fresh.run("rung", "climb", "--trust", "--folder", "run", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))["status"] == "done"
    assert fresh.run("rung", "verify", "run", "--trust", at=tmp_path).returncode == 0


def test_a_wheel_with_another_hash_is_refused(fresh, tmp_path):
    name = next(p for p in read() if p.name == "mdurl")
    (tmp_path / "bad.lock").write_text(f"mdurl=={name.version} --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    words = ("install", "--force-reinstall", "--no-deps", "--require-hashes", "-r", "bad.lock")
    done = fresh.pip(*words, at=tmp_path)
    assert done.returncode != 0
    assert "HASH" in done.stderr


def test_the_bill_is_valid_by_the_schema_of_its_format(wheel, tmp_path):
    validator = Fresh(tmp_path / "env")
    validator.install("-c", str(ROOT / "constraints.txt"), "cyclonedx-python-lib[json-validation]", at=tmp_path)
    path = tmp_path / "bill.json"
    path.write_text(json.dumps(bill(wheel, read())), encoding="utf-8")
    script = tmp_path / "validate.py"
    script.write_text(VALIDATE, encoding="utf-8")
    done = subprocess.run(
        [str(validator.python), "-I", str(script), str(path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("None", "")
    broken = tmp_path / "broken.json"
    broken.write_text(
        json.dumps({**bill(wheel, read()), "components": [{"type": "thing", "name": "x"}]}), encoding="utf-8"
    )
    done = subprocess.run(
        [str(validator.python), "-I", str(script), str(broken)], capture_output=True, text=True, check=False
    )
    assert "thing" in done.stdout  # the validator looks
