"""Stored answers as an approach of their own: scored and compared, never asked, never paid, never shown to the others."""

import asyncio
import json
import random

import pytest
from pydantic import ValidationError

import rung
from rung import plugins
from rung.chats import bare_row
from rung.config import parse_config
from rung.engine.check import check
from rung.engine.dev import look_on_dev
from rung.engine.obstacles import obstacles
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import ConfigError, RungError
from rung.exports.write import exported
from rung.ladder import climb
from rung.models.settings import StoredSettings, configured
from rung.progress import Silent
from rung.prompts.templates import row_alone
from rung.report.markdown import render_markdown
from rung.store.run import RunFolder
from rung.testing.conformance import check_settings
from rung.types import Comparison, Fitted, Message, Outcome, Request, Skipped, Task
from tests.unit._worlds import rows

V2 = "def answer(text):\n    return KNOWN[text]\n"


def project(root, made=None, models=None, ladder=None, **changes):
    """Write 240 examples whose column `old` is right on two in three, and return a configuration over them."""
    made = stored() if made is None else made
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    raw = {
        "task": {"name": "t", "instruction": "Sort it.", "inputs": ["text"], "target": "team", "goal": 0.9,
                 "metrics": ["normalized_match"], "kind": "classification", **changes.pop("task", {})},
        "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15},
        "models": models or {"v1": {"provider": "recorded", "column": "old"}},
        "ladder": ladder or [{"prompt": {"model": "v1"}}],
        **changes,
    }  # fmt: skip
    return parse_config(raw, root)


def stored(n=240, seed=2):
    draw = random.Random(seed)
    return [{**r, "old": r["team"] if draw.random() < 2 / 3 else "no idea", "s": 0.5 + i / n, "usd": 0.002}
            for i, r in enumerate(rows(n))]  # fmt: skip


def test_stored_answers_cannot_be_exported(tmp_path):
    result = climb(project(tmp_path, task={"goal": 0.5}), tmp_path / "run")
    assert result.verdict.headline == "No fine-tuning needed: what `v1` answered meets the goal."
    page = render_markdown(RunFolder.open(tmp_path / "run"))
    assert "Next: `rung report" in page
    assert "rung export" not in page
    assert list(result.results) == ["prompt@v1"]
    for form in (None, "prompt", "rows"):
        with pytest.raises(
            RungError,
            match=r"^prompt@v1 cannot be exported: its answers were stored before \(provider: recorded\), and nothing of it answers a new "
            r"input\. Nothing else of this run can be\.$",
        ):
            exported(tmp_path / "run", "prompt@v1", form, None, None)
    assert not list((tmp_path / "run").glob("exports/*"))


def test_two_versions_and_a_service_climb_one_ladder(tmp_path):
    """v1 is what was stored, v2 a function: v1 asks nothing, v2 wins, and the two are compared row by row."""
    made = stored()
    for row in made[:12]:
        row["old"] = ""
    (tmp_path / "v2.py").write_text(f"KNOWN = { ({r['text']: r['team'] for r in made})!r}\n{V2}")
    models = {
        "v1": rung.Recorded("old", name="production"),
        "v2": {"provider": "python", "function": "v2.py:answer", "name": "next"},
    }
    ladder = [
        {"prompt": {"model": "v1", "name": "production"}},
        {"fewshot": {"model": "v1"}},
        {"prompt": {"model": "v2"}},
    ]
    config = project(tmp_path, made, models, ladder)
    result = climb(config, tmp_path / "run")
    assert list(result.results) == ["prompt@production", "prompt@v2"]
    assert (result.verdict.decision, result.verdict.winner) == ("meets", "prompt@v2")
    old = result.results["prompt@production"]
    teams = {r["id"]: r for r in made}
    known = {o.example_id: o for o in old.outcomes}
    assert len(known) == len(old.outcomes) == 96
    for name, outcome in known.items():
        row = teams[name]
        if row["old"]:
            assert outcome.answer.text == row["old"]
            assert outcome.scores["normalized_match"].value == float(row["old"] == row["team"])
        else:
            assert outcome.unanswered
            assert outcome.failure.message == "production holds no stored answer to this example"
    assert sum(o.unanswered for o in known.values()) == sum(not teams[name]["old"] for name in known) > 0
    assert (old.cost_per_1k_usd, old.p50_latency_s, old.p95_latency_s) == (None, None, None)
    folder = RunFolder.open(tmp_path / "run")
    spent = folder.spend.need()["by_role"]
    assert (spent["v1"]["calls"], spent["v1"]["usd"], spent["v2"]["calls"] > 0) == (0, 0.0, True)
    assert any("12 of 240 examples have no stored answer" in note for note in spent["v1"]["notes"])
    assert (result.unanswered_rows, result.exit_code) == (0, 0)
    [pair] = folder.load("comparisons.json", tuple[Comparison, ...])
    assert (pair.lower, pair.upper) == ("prompt@production", "prompt@v2")
    assert pair.losses == 0 < pair.wins
    fitted = folder.load("rungs/prompt@production/fit.json", Fitted)
    assert [t.candidate.name.partition(",")[0] for t in fitted.trials] == ["as stored"]
    dev = folder.load_rows("rungs/prompt@production/dev.jsonl", Outcome)
    causes = folder.rung("prompt@production").diagnosis.need().causes
    assert sum(c.count for c in causes) == sum(o.scores["normalized_match"].value < 0.9 for o in dev if o.scores) > 0
    [left_out] = folder.load("skipped.json", tuple[Skipped, ...])
    assert left_out.reason.startswith("the answers of production are stored")
    assert all(found.passed for found in verify(folder))
    assert r"prompt\@production" in render_markdown(folder)


def test_cost_and_latency_are_those_that_were_recorded(tmp_path):
    models = {"v1": rung.Recorded("old", latency="s", cost="usd")}
    limits = {"cost_per_1k_usd": 3, "p95_latency_s": 5, "budget_usd": 0.01}
    config = project(tmp_path, models=models, limits=limits, task={"goal": 0.5})
    assert plan(config).usd == 0
    found = climb(config, tmp_path / "run").results["prompt@v1"]
    assert found.cost_per_1k_usd == pytest.approx(2.0)
    assert 0.5 <= found.p50_latency_s <= 1.5
    assert found.served.n > 5
    assert found.served.p95_s < 1.6
    again = climb(config, tmp_path / "run").results["prompt@v1"]
    assert again == found
    assert all(c.passed for c in verify(RunFolder.open(tmp_path / "run")))


def test_a_latency_limit_stays_open_where_nobody_timed_them(tmp_path):
    config = project(tmp_path, limits={"p95_latency_s": 5}, task={"goal": 0.5})
    found = climb(config, tmp_path / "run").results["prompt@v1"]
    assert (found.quality.status, found.limits_held, found.served) == ("meets", None, None)


def test_one_stored_answer_to_everything_is_a_result_and_no_fault_of_a_prompt(tmp_path):
    made = [{**r, "old": "no idea"} for r in stored()]
    found = climb(project(tmp_path, made), tmp_path / "run").results["prompt@v1"]
    assert (found.quality.status, found.estimates["normalized_match"].mean) == ("misses", 0.0)


def test_on_dev_stored_answers_are_a_result_too_and_nothing_is_asked_again(tmp_path):
    made = [{**r, "old": "no idea"} for r in stored()]
    (tmp_path / "v2.py").write_text(f"KNOWN = { ({r['text']: r['team'] for r in made})!r}\n{V2}")
    models = {"v1": {"provider": "recorded", "column": "old"}, "v2": {"provider": "python", "function": "v2.py:answer"}}
    ladder = [{"prompt": {"model": "v1"}}, {"prompt": {"model": "v2"}}]
    look = look_on_dev(project(tmp_path, made, models, ladder), Silent())
    assert [(a.label, a.result.estimates["normalized_match"].mean) for a in look.approaches] == [
        ("prompt@v1", 0.0),
        ("prompt@v2", 1.0),
    ]
    assert (look.approaches[0].diagnosis.calls, look.approaches[0].diagnosis.experiments) == (0, ())


def test_other_stored_answers_are_measured_anew(tmp_path):
    made = stored()
    first = climb(project(tmp_path, made), tmp_path / "run").results["prompt@v1"]
    again = climb(project(tmp_path, [{**r, "old": r["team"]} for r in made]), tmp_path / "run")
    second = again.results["prompt@v1"]
    assert again.verdict.headline.startswith("Exploratory")
    assert first.estimates["normalized_match"].mean < 0.8
    assert second.estimates["normalized_match"].mean == 1.0


def test_a_file_with_ids_is_joined_to_the_examples(tmp_path):
    made = stored()
    lines = ["ticket,said", *(f"{r['id']},{r['old']}" for r in made[5:]), "gone,x"]
    (tmp_path / "answers.csv").write_text("\n".join(lines))
    entry = rung.Recorded("said", path="answers.csv", id="ticket", cost_per_1k_usd=2.5)
    config = project(tmp_path, made, {"v1": entry})
    model = configured(config)["v1"].connect()
    assert model.notices == (
        "1 id in answers.csv match no example (the first is 'gone')",
        "5 of 240 examples have no stored answer and count as unanswered",
    )
    found = [f for f in check(config, Silent()).findings if f.check == "stored answers"]
    assert [f.severity for f in found] == ["note", "note"]
    result = climb(config, tmp_path / "run").results["prompt@v1"]
    assert result.cost_per_1k_usd == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"column": "odl"}, "there is no column 'odl'; did you mean 'old'?"),
        ({"column": "old", "latency": "text2"}, "there is no column 'text2'"),
        ({"column": "said", "path": "answers.csv"}, "there is no column 'id'"),
        ({"column": "said", "path": "answers.csv", "id": "ticket"}, "none of the 2 ids in 'ticket' .* is that of an example"),
        ({"column": "old", "latency": "old"}, "holds '.*': write a number from 0 to 1,000,000, or nothing"),
    ],
)  # fmt: skip
def test_check_says_what_keeps_stored_answers_from_being_read(tmp_path, entry, says):
    (tmp_path / "answers.csv").write_text("ticket,said\nx1,a\nx2,b\n")
    config = project(tmp_path, models={"v1": {"provider": "recorded", **entry}})
    [found] = [f for f in check(config, Silent()).findings if f.check == "stored answers"]
    assert found.severity == "stop"
    with pytest.raises(RungError, match=says):
        climb(config, tmp_path / "run")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"column": "old", "path": "none.csv"}, "there is no file none.csv"),
        ({"column": "old", "usd_per_hour": 1}, "usd_per_hour prices calls, and none is made"),
        ({"column": "old", "cost": "usd", "cost_per_1k_usd": 1}, "not both"),
        ({"column": "old", "id": "x"}, "there is no path"),
        ({}, "column"),
    ],
)
def test_settings_that_cannot_be_are_told_with_the_file(tmp_path, entry, says):
    with pytest.raises(ConfigError, match=says):
        project(tmp_path, models={"v1": {"provider": "recorded", **entry}})


@pytest.mark.parametrize(
    ("column", "says"), [("text", "is an input of the task"), ("team", "holds the expected outputs")]
)
def test_the_column_is_no_input_and_no_expected_output(tmp_path, column, says):
    config = project(tmp_path, models={"v1": {"provider": "recorded", "column": column}})
    [found] = obstacles(config)
    assert (found.problem.path, found.keeps) == ("models.v1.column", "plan")
    with pytest.raises(ConfigError, match=says):
        climb(config, tmp_path / "run")


def test_of_equal_inputs_the_first_stored_answer_stands_and_that_is_told(tmp_path):
    made = [{"id": str(i), "text": f"row {i // 2}", "team": "a", "old": "ab"[i % 2]} for i in range(8)]
    model = configured(project(tmp_path, made))["v1"].connect()
    assert model.notices == ("4 inputs have several different stored answers, of which the first in the file counts",)
    found = asyncio.run(model.complete(Request((Message("user", "row 3"),))))
    assert (found.text, found.latency_s, found.cost_usd, found.cached) == ("a", None, None, True)


def test_a_row_is_written_as_the_prompt_of_a_bare_row_writes_it():
    for inputs in ({"text": "a {{b}}"}, {"order_id": "7", "{{x}}": "{{order_id}}\nz", "b": ""}):
        task = Task("t", "i", tuple(inputs), "y", "generation", (), 0.5)
        [message] = row_alone(task).render(inputs)
        assert message.content == bare_row(inputs)


def test_it_is_a_provider_like_the_others():
    cls = plugins.find("models", "recorded")
    check_settings(cls, {"column": "old"})
    made = cls(column="old")
    assert (isinstance(made, StoredSettings), made.reads_chat, made.provider) == (True, False, "recorded")
    with pytest.raises(ConfigError, match="holds stored answers to the examples of a rung.yaml"):
        made.connect()
    with pytest.raises(ValidationError):
        cls(column="")
