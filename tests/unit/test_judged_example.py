"""`examples/judged-replies` from end to end: a rubric judge of known error, preference to today's replies, and 100 human labels."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from rung.config import load_config
from rung.engine.verify import verify
from rung.ladder import climb
from rung.store.run import RunFolder
from tests.unit._commands import command

EXAMPLE = Path(__file__).parents[2] / "examples" / "judged-replies"


@pytest.fixture(scope="module")
def provisional(tmp_path_factory):
    """The example's folder with its run, before anybody has labelled anything."""
    folder = tmp_path_factory.mktemp("example") / "replies"
    shutil.copytree(EXAMPLE, folder)
    climb(load_config(folder / "rung.yaml"), folder / "run")
    return folder


@pytest.fixture
def folder(provisional, tmp_path):
    return shutil.copytree(provisional, tmp_path / "replies")


def test_the_judge_alone_is_provisional_and_its_error_is_what_it_is_said_to_be(provisional):
    run = RunFolder.open(provisional / "run")
    verdict, result = run.verdict.need(), run.rung("prompt").measured()
    assert (verdict.decision, bool(verdict.provisional)) == ("meets", True)
    assert verdict.headline.startswith("Provisional: what `main` answered meets the goal; 100 more human labels")
    said = {o.example_id: o.scores["quality"].value for o in result.outcomes}
    people = {r["row"]: float(r["label"] == "pass") for r in _labels(provisional)}
    assert [row for row in people if people[row] > said[row]] == []  # it fails no good reply
    kind = [row for row in people if people[row] < said[row]]
    assert 0.05 < len(kind) / len(people) < 0.10
    replies = {row["id"]: row["new"] for row in map(json.loads, (provisional / "letters.jsonl").open())}
    assert all(
        any(v in replies[row] for v in ("soon", "quickly", "get back to you")) for row in kind
    )  # no day is named
    preference = result.estimates["preference"]
    assert preference.low > 0.9  # a tie is as good as today's reply
    assert {p for o in result.outcomes for p in o.scores["preference"].parts} == {"answer first", "answer second"}


def test_a_hundred_labels_decide_and_correct_the_judge(folder):
    done = command("label", "run", "--csv", "labels.csv", folder=folder)
    assert "100 of 100 answers are labelled" in done.stdout
    run = climb(load_config(folder / "rung.yaml"), folder / "run")
    assert (run.verdict.decision, run.verdict.provisional, run.exit_code) == ("meets", None, 0)
    estimates = run.results["prompt"].estimates
    assert estimates["quality:alone"].mean > 0.95
    assert 0.87 < estimates["quality"].mean < 0.93  # 90 of 100 pass, and the judge is as kind to the others
    kept = RunFolder.open(folder / "run")
    assert kept.trust.need().agreement.mean == pytest.approx(0.93, abs=0.02)
    assert [c.what for c in verify(kept) if not c.passed] == []


def test_labels_that_say_otherwise_overrule_the_judge(folder):
    rows = _labels(folder)
    for row in rows[:40]:
        row["label"] = "fail"
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert command("label", "run", "--csv", "labels.csv", folder=folder).returncode == 0
    run = climb(load_config(folder / "rung.yaml"), folder / "run")
    assert (run.verdict.decision, run.verdict.provisional, run.exit_code) == ("misses", None, 1)


def _labels(folder):
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
