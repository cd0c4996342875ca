"""A model tuned elsewhere: planned, awaited with its rows written, brought back into the same run, and held to the rules of our own tuning."""

import json
import shutil

import pytest

from rung.config.roles import asked_roles, awaited_steps
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import ConfigError
from rung.exports.write import exported
from rung.ladder import climb
from rung.report.data import as_data
from rung.report.forms import Format, rendered
from rung.store.run import RunFolder
from rung.tuning.elsewhere import SERVICES, problems
from rung.tuning.vendors import VENDORS
from tests.unit._worlds import IMPOSSIBLE, rows, world

ANSWERS = {r["text"]: r["team"] for r in rows(500)}
TUNED = {"provider": "fake", "name": "ft:fake", "answers": ANSWERS, "abilities": {"base": 0.97}, "input_usd_per_mtok": 2.0,
         "output_usd_per_mtok": 4.0}  # fmt: skip
LADDER = ["prompt", {"finetune": {"model": "tuned", "trained": "elsewhere", "cost_usd": 40}}]


def project(root, tuned=None, ladder=LADDER, models=None, **changes):
    models = {**(models or {}), **({} if tuned is None else {"tuned": tuned})}
    return world(root, 500, model=IMPOSSIBLE, models=models, ladder=ladder, stop_early=False, **changes)


def openings(folder):
    return [e["why"] for e in folder.events() if e["event"] == "test_opened"]


def calls(folder):
    return {role: spent["calls"] for role, spent in folder.spend.need()["by_role"].items()}


@pytest.fixture(scope="module")
def waited(tmp_path_factory):
    root = tmp_path_factory.mktemp("waiting")
    return root, climb(project(root), root / "run")


@pytest.mark.slow
def test_the_climb_waits_with_rows_steps_and_the_line_to_add(waited):
    root, run = waited
    assert (run.verdict.decision, run.verdict.winner, run.exit_code) == ("inconclusive", None, 6)
    assert run.verdict.headline.startswith(
        "So far nothing cheaper meets the goal; waiting for the model tuned elsewhere."
    )
    folder = RunFolder.open(root / "run")
    assert folder.planned == ("prompt", "finetune@tuned")  # K of the first opening
    assert openings(folder) == ["measure prompt"]
    reason = folder.skipped.need()[0]
    assert reason.awaited
    assert "`tuned: {provider: openai, name: YOUR-TUNED-MODEL}`" in reason.reason
    written = root / "run" / "exports" / "finetune-tuned-rows"
    chats = (written / "chat-train.jsonl").read_text()
    assert all(not list(problems(chats, service)) for service in SERVICES.values())
    tests = [json.loads(line)["inputs"]["text"] for line in (root / "run/parts/test.jsonl").read_text().splitlines()]
    everything = "".join(p.read_text() for p in written.iterdir())
    assert not [text for text in tests if text in everything]
    readme = (written / "README.md").read_text()
    assert all(f"### {v.title}" in readme and f"tuned: {v.entry}" in readme for v in VENDORS)
    assert "trained: elsewhere" in readme
    assert all(c.passed for c in verify(folder))
    for form in Format:
        assert "waiting" in rendered(folder, form) or form is Format.csv, form
    assert next(r for r in as_data(folder)["rungs"] if r["label"] == "finetune@tuned")["state"] == "waiting"


@pytest.mark.slow
def test_the_same_run_goes_on_with_the_model_and_stays_confirmatory(waited, tmp_path):
    """No request is paid twice, the test set is opened once for each approach, and the gain test decides."""
    root, _ = waited
    before = calls(RunFolder.open(root / "run"))
    run = climb(project(root, TUNED), root / "run")
    folder = RunFolder.open(root / "run")
    assert (run.verdict.decision, run.verdict.winner, run.exit_code) == ("meets", "finetune@tuned", 0)
    assert not run.verdict.exploratory
    assert run.verdict.earlier is None
    assert [why for why in openings(folder) if why.startswith("measure")] == [
        "measure prompt",
        "measure finetune@tuned",
    ]
    assert calls(folder)["main"] == before["main"]
    assert folder.planned == ("prompt", "finetune@tuned")
    assert any("fine-tuning@tuned has a significant gain worth tuning" in r.claim for r in run.verdict.reasons)
    assert paid_once(folder) == 40
    for form in (Format.html, Format.text, Format.markdown):
        assert "ft:fake was tuned elsewhere, for $40.00" in rendered(folder, form).replace("\\", ""), form
    [(name, _, said)] = [exported(root / "run", "finetune@tuned", "prompt", tmp_path / "out", None)]
    assert name == "prompt"
    assert "finetune" not in said
    assert all(c.passed for c in verify(folder))


def paid_once(folder):
    return next(o for o in as_data(folder)["economics"]["offers"] if o["label"] == "finetune@tuned")["one_off_usd"]


@pytest.mark.slow
def test_afterwards_its_cost_may_change_and_the_model_may_not(waited, tmp_path):
    """Another tuned model on the same test set is another candidate: refused in this run, exploratory in a new one."""
    root = tmp_path / "again"
    shutil.copytree(waited[0], root)
    first = climb(project(root, TUNED), root / "run")
    with pytest.raises(ConfigError, match=r"another configuration \(changed: models\.tuned\.name\)"):
        climb(project(root, {**TUNED, "name": "ft:another"}), root / "run")
    told = [LADDER[0], {"finetune": {**LADDER[1]["finetune"], "cost_usd": 55}}]
    again = climb(project(root, TUNED, told), root / "run")
    assert again.verdict.winner == first.verdict.winner
    assert paid_once(RunFolder.open(root / "run")) == 55
    other = climb(project(root, {**TUNED, "name": "ft:another"}), root / "other")
    assert other.verdict.exploratory


def test_a_model_that_is_awaited_is_no_missing_role_and_costs_nothing_in_the_plan(tmp_path):
    config = project(tmp_path)
    assert [(step.label, role) for step, role in awaited_steps(config)] == [("finetune@tuned", "tuned")]
    assert list(asked_roles(config)) == ["main"]
    line = plan(config).rungs[1]
    assert (line.rung, line.usd) == ("finetune@tuned", 0.0)
    assert "waiting for the model tuned elsewhere, models.tuned" in line.note
    there = plan(project(tmp_path, TUNED)).rungs[1]
    assert there.dev_calls == 75
    assert there.test_calls == 200
    with pytest.raises(ConfigError, match="models.tuned: is missing, and the approach prompt@tuned asks it"):
        project(tmp_path, ladder=[{"prompt": {"model": "tuned"}}, *LADDER])


def test_what_it_was_before_is_planned_too_and_answers_no_test_example(tmp_path):
    """Without a base nothing is compared; with one both are asked what must be kept, each at its price."""
    models = {"before": {**TUNED, "name": "before", "input_usd_per_mtok": 200.0, "output_usd_per_mtok": 400.0}}
    step = {"model": "tuned", "trained": "elsewhere"}

    def line(**more):
        config = project(tmp_path, TUNED, ["prompt", {"finetune": {**step, **more}}], models, general_abilities=True)
        return plan(config).rungs[1]

    alone, beside = line(), line(base="before")
    assert beside.dev_calls - alone.dev_calls == 2 * 120
    assert beside.test_calls == alone.test_calls
    each = alone.usd / (alone.dev_calls + alone.test_calls)
    assert beside.usd == pytest.approx(alone.usd + 120 * each + 120 * 100 * each)


@pytest.mark.parametrize("step", [{"trained": "elsewhere", "tuner": "full"}, {"trained": "elsewhere", "teacher": "main"},
                                  {"cost_usd": 3}, {"base": "main"}, {"trained": "there"}])  # fmt: skip
def test_settings_that_do_not_go_together_are_refused(tmp_path, step):
    with pytest.raises(ConfigError, match="do not go together|must be 'here' or 'elsewhere'"):
        project(tmp_path, ladder=["prompt", {"finetune": {"model": "tuned", **step}}])


@pytest.mark.slow
def test_what_it_forgets_keeps_it_from_winning(tmp_path):
    """The base passes the kept task, the tuned model does not: the same veto as for weights tuned here."""
    kept = [{"text": f"kept {r['text']}", "team": r["team"], "id": r["id"]} for r in rows(200, seed=5)]
    (tmp_path / "kept.jsonl").write_text("".join(json.dumps(r) + "\n" for r in kept))
    task = {"name": "kept", "kind": "classification", "instruction": "Which team?", "inputs": ["text"], "target": "team",
            "metrics": ["normalized_match"], "goal": 0.9}  # fmt: skip
    raw = {"task": task, "data": {"path": "kept.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15}, "models": {"main": {"provider": "fake", "answers": {}}},
           "ladder": ["prompt"]}  # fmt: skip
    (tmp_path / "kept.yaml").write_text(json.dumps(raw))
    knows = {**ANSWERS, **{r["text"]: r["team"] for r in kept}}
    ladder = ["prompt", {"finetune": {"model": "tuned", "trained": "elsewhere", "base": "before"}}]
    before = {**TUNED, "name": "before", "answers": knows, "abilities": {"base": 1.0}}
    config = project(tmp_path, TUNED, ladder, {"before": before}, regression_tasks=["kept.yaml"])
    run = climb(config, tmp_path / "run")
    assert (run.verdict.decision, run.verdict.winner) == ("misses", None)
    assert "task kept 1.00 to 0.0" in str(run.results["finetune@tuned"].candidate.forgets)
    folder = RunFolder.open(tmp_path / "run")
    assert "task kept 1.00 to 0.0" in rendered(folder, Format.markdown)
    assert "task kept 1.00 to 0.0" in rendered(folder, Format.html)
    assert all(c.passed for c in verify(RunFolder.open(tmp_path / "run")))
