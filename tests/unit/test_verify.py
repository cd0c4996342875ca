"""`rung verify`: every stored number is looked at, and each that was changed is named with what it should be."""

from __future__ import annotations

import json
import shutil

import pytest

from rung.engine.verify import Check, verify
from rung.errors import IntegrityError
from rung.ladder import climb
from rung.store.run import RunFolder
from rung.types import Failure, Outcome
from tests.unit._commands import command
from tests.unit._worlds import NEEDS_EXAMPLES, world


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("verified")
    config = world(
        root, 160, model=NEEDS_EXAMPLES, stop_early=False, ladder=["baseline", {"prompt": {"rewrites": False}}]
    )
    climb(config, root / "run")
    return root / "run"


@pytest.fixture
def folder(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return RunFolder.open(tmp_path / "run")


def differing(folder):
    return {c.what: c.differs for c in verify(folder) if not c.passed}


def change(folder, name, edit):
    content = folder.read(name)
    edit(content)
    folder.write(name, content)


def test_what_is_looked_at_and_how_many_numbers_each_covers(folder):
    opened = folder.times_opened
    checks = verify(folder)
    rows = folder.read("parts/manifest.json")["test"]["rows"]
    assert [(c.what, c.passed) for c in checks] == [
        ("frozen test examples against the manifest", True),
        ("frozen training and dev examples against the manifest", True),
        ("configuration as the run began with it", True),
        ("planned approaches", True),
        ("task as the configuration tells it", True),
        ("stored answers", True),
        ("baseline: scores of the stored answers", True),
        ("baseline: estimates, bounds, cost, latency", True),
        ("prompt: scores of the stored answers", True),
        ("prompt: estimates, bounds, cost, latency", True),
        ("baseline: learnt from train and dev", True),
        ("levels by dev", True),
        ("prompt: what was predicted of it", True),
        ("comparisons", True),
        ("verdict", True),
        ("files as the run left them", True),
        ("events up to the end of the run", True),
    ]
    covers = {c.what: c.compared for c in checks}
    assert {covers[w] for w in covers if "test examples" in w or "scores" in w} == {rows}
    assert all(covers[w] > 10 for w in ("baseline: estimates, bounds, cost, latency", "comparisons", "verdict"))
    assert folder.times_opened == opened + 1
    assert folder.events()[-1]["why"] == "verify the stored numbers"


def test_a_verdict_of_a_version_that_kept_no_chance_of_a_second_run_still_verifies(folder):
    assert folder.read("verdict.json")["repeats"] > 0
    change(folder, "verdict.json", lambda content: content.pop("repeats"))
    assert differing(folder) == {}


@pytest.mark.parametrize(
    ("name", "what", "path"),
    [
        ("rungs/prompt/result.json", "prompt: estimates, bounds, cost, latency", ("quality", "upper")),
        (
            "rungs/prompt/result.json",
            "prompt: estimates, bounds, cost, latency",
            ("estimates", "normalized_match", "low"),
        ),
        ("rungs/prompt/result.json", "prompt: estimates, bounds, cost, latency", ("cost_per_1k_usd",)),
        ("rungs/baseline/result.json", "baseline: estimates, bounds, cost, latency", ("p95_latency_s",)),
        ("verdict.json", "verdict", ("minimum_detectable_effect",)),
        ("verdict.json", "verdict", ("repeats",)),
    ],
)
def test_a_changed_number_is_named_with_both_values(folder, name, what, path):
    found = {}

    def edit(content):
        for key in path[:-1]:
            content = content[key]
        found["old"] = content[path[-1]]
        content[path[-1]] = found["new"] = (found["old"] or 0.0) + 0.25

    change(folder, name, edit)
    found_again = differing(folder)
    assert {*found_again} <= {what, "verdict"}  # whose words may hold the number
    assert found_again[what] == (f"{'.'.join(path)}: stored {found['new']!r}, recomputed {found['old']!r}")


@pytest.mark.parametrize(
    "name", ["spend.json", "findings.json", "rungs/prompt/diagnosis.json", "rungs/baseline/dev.jsonl"]
)
def test_a_file_that_nothing_computes_anew_is_held_by_its_hash(folder, name):
    path = folder.path / name
    path.write_text(path.read_text().replace("1", "2", 1))
    differs = differing(folder)
    assert differs.pop("files as the run left them") == f"changed since: {name}"
    assert {*differs} <= {"verdict", "prompt: what was predicted of it", "comparisons"}


EVENTS = "events up to the end of the run"


@pytest.mark.parametrize(
    "edit",
    [
        lambda lines: lines[:-1],
        lambda lines: lines[1:],
        lambda lines: [line for line in lines if "test_opened" not in line],
        lambda lines: [*lines[:-1], lines[-1].replace("20", "19", 1)],
        lambda lines: [],
    ],
)
def test_events_that_were_changed_or_taken_away_are_noticed(folder, edit):
    path = folder.path / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(edit(lines)))
    assert "events.jsonl were changed or taken away since; it is only ever added to" in differing(folder)[EVENTS]
    path.write_text("".join(lines))
    assert differing(folder) == {}  # though looking has added a line


def test_a_revealing_after_the_verdict_cannot_be_taken_back(folder):
    path = folder.path / "events.jsonl"
    before = path.read_text()
    assert (
        command("report", folder.path, "--reveal-test", "--format", "text", folder=folder.path.parent).returncode == 0
    )
    assert differing(folder) == {}
    path.write_text(before)
    assert list(differing(folder)) == [EVENTS]


def test_many_changes_are_counted_and_three_are_shown(folder):
    def edit(content):
        for key in ("lower", "upper", "probability_good"):
            content["quality"][key] += 0.125
        content["tokens_per_request"] = 1.5
        content["new"] = None

    change(folder, "rungs/prompt/result.json", edit)
    said = differing(folder)["prompt: estimates, bounds, cost, latency"]
    assert said.count("stored") == 3
    assert said.endswith(" and 1 more")
    assert said.startswith("quality.lower: stored ")


def test_comparisons_and_the_words_of_the_verdict_are_recomputed(folder):
    change(folder, "comparisons.json", lambda c: c[0].update(wins=c[0]["wins"] + 1))
    assert list(differing(folder)) == ["comparisons"]
    change(folder, "verdict.json", lambda c: c.update(headline="Yes."))
    assert list(differing(folder)) == ["comparisons", "verdict"]
    assert differing(folder)["verdict"].startswith("headline: stored 'Yes.', recomputed ")


def edited_rows(folder, label, edit):
    name = f"rungs/{label}/outcomes.jsonl"
    lines = (folder.path / name).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    edit(rows)
    (folder.path / name).write_text("".join(json.dumps(r) + "\n" for r in rows))
    return rows


def test_rows_that_score_differently_now_are_counted_and_five_are_named(folder):
    def edit(rows):
        for row in rows[:6]:
            row["scores"]["normalized_match"]["value"] = 1.0 - row["scores"]["normalized_match"]["value"]

    rows = edited_rows(folder, "prompt", edit)
    said = differing(folder)["prompt: scores of the stored answers"]
    assert said == f"6 examples score differently now: {', '.join(r['example_id'] for r in rows[:5])}"


def test_a_row_that_is_no_test_row_is_named(folder):
    edited_rows(folder, "prompt", lambda rows: rows[0].update(example_id="made up"))
    assert differing(folder)["prompt: scores of the stored answers"] == (
        "1 examples score differently now: made up is no test example"
    )


@pytest.mark.parametrize(("cause", "judged_again"), [("model", False), ("timeout", False), ("metric", True)])
def test_a_row_whose_judge_gave_no_answer_is_not_scored_again(folder, cause, judged_again):
    rows = list(folder.rung("prompt").outcomes.need())
    rows[0] = Outcome(
        rows[0].example_id,
        rows[0].group,
        rows[0].answer,
        None,
        Failure(cause, "the judging model: busy"),
        label=rows[0].label,
    )
    folder.rung("prompt").outcomes.save(tuple(rows))
    assert ("prompt: scores of the stored answers" in differing(folder)) is judged_again


def test_a_climb_without_a_verdict_is_not_verified_to_its_end(folder):
    folder.verdict.forget()
    checks = verify(folder)
    assert checks[-1] == Check("verdict", 0, "the run has not come to a verdict yet")
    assert [c.passed for c in checks] == [True] * 13 + [False]
    folder.rung("prompt").result.forget()
    assert [
        c.what for c in verify(folder) if "baseline" in c.what or "prompt: s" in c.what or "prompt: e" in c.what
    ] == [
        "baseline: scores of the stored answers",
        "baseline: estimates, bounds, cost, latency",
        "baseline: learnt from train and dev",
    ]


def test_a_changed_test_row_stops_it(folder):
    path = folder.path / "parts/test.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(IntegrityError, match="is not what was frozen: 1 examples differ"):
        verify(folder)


def test_a_result_that_stopped_early_is_recomputed_as_one(folder):
    change(folder, "rungs/prompt/result.json", lambda c: c.update(stopped_early_at=3))
    said = differing(folder)["prompt: estimates, bounds, cost, latency"]
    assert "estimates.format.mean: stored 1.0, recomputed None" in said  # no mean is told after an early stop
    assert said.endswith(" and 26 more")
