"""The whole path on known-answer worlds: right rung, resumption, money, seals."""

import gc
import json
import re
import shutil
from typing import Any

import pytest

from rung import plugins
from rung.config import parse_config
from rung.engine.verify import verify
from rung.errors import ConfigError, DataError, IntegrityError, ModelError, RungError
from rung.ladder import climb
from rung.report.evidence import Archive
from rung.store.run import RunFolder
from rung.types import FitInput, Fitted, RungPlan
from rung.usual_names import shown_name
from tests.unit._worlds import FORMAT_ONLY, IMPOSSIBLE, NEEDS_EXAMPLES, world


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A climb for all tests that look at what one leaves: the folder of its rows and its run, and what it returned."""
    root = tmp_path_factory.mktemp("climbed")
    return root, climb(world(root, 200, model=NEEDS_EXAMPLES), root / "run")


@pytest.fixture
def climbed(once, tmp_path):
    """Lay a copy of that climb into the test's own folder; return what the climb returned."""
    root, run = once
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    return run


@pytest.mark.slow
def test_a_better_prompt_is_enough_where_only_the_form_is_wrong(tmp_path):
    run = climb(world(tmp_path, 300, model=FORMAT_ONLY), tmp_path / "run")
    assert (run.verdict.decision, run.verdict.winner, run.exit_code) == ("meets", "prompt", 0)
    assert run.verdict.headline == "No fine-tuning needed: a better prompt meets the goal."
    assert set(run.results) == {"baseline", "prompt"}
    assert run.results["prompt"].candidate.name != "as-is"


@pytest.mark.slow
def test_examples_where_only_they_show_the_convention(tmp_path):
    run = climb(world(tmp_path, 400, model=NEEDS_EXAMPLES, task={"goal": 0.8}), tmp_path / "run")
    assert (run.verdict.decision, run.verdict.winner) == ("meets", "fewshot")
    assert run.results["prompt"].quality.status == "misses"


@pytest.mark.slow
def test_nothing_helps_where_nothing_can(tmp_path):
    run = climb(world(tmp_path, 200, model=IMPOSSIBLE), tmp_path / "run")
    assert (run.verdict.decision, run.verdict.winner, run.exit_code) == ("misses", None, 1)


@pytest.mark.slow
@pytest.mark.usefixtures("climbed")
def test_every_reported_number_can_be_recomputed(tmp_path):
    folder = RunFolder.open(tmp_path / "run")
    checks = verify(folder)
    assert [c.what for c in checks if not c.passed] == []
    assert sum(c.compared for c in checks) > 500
    stored = folder.read("rungs/prompt/result.json")
    stored["quality"]["lower"] += 0.01
    folder.write("rungs/prompt/result.json", stored)
    assert "quality.lower" in " ".join(c.differs for c in verify(folder))


@pytest.mark.slow
def test_every_reason_of_a_verdict_has_evidence_that_resolves(tmp_path):
    limits = {"cost_per_1k_usd": 0.000001}
    run = climb(
        world(tmp_path, 200, model=NEEDS_EXAMPLES, limits=limits, ladder=["prompt", "fewshot"]), tmp_path / "run"
    )
    archive = Archive(RunFolder.open(tmp_path / "run"))
    keys = [key for reason in run.verdict.reasons for key in reason.evidence]
    assert len(keys) > 6
    assert [key for key in keys if archive.look_up(key).trouble] == []
    assert archive.look_up("prompt/result#quality.lowest").trouble


@pytest.mark.usefixtures("climbed")
def test_a_tampered_answer_is_noticed(tmp_path):
    path = tmp_path / "run/rungs/prompt/outcomes.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[0])
    row["answer"]["text"] = "something else"
    path.write_text("\n".join([json.dumps(row), *lines[1:]]))
    assert any("examples score differently now" in c.differs for c in verify(RunFolder.open(tmp_path / "run")))


def test_the_same_command_asks_nothing_again_and_leaves_the_test_part_shut(tmp_path, climbed):
    folder = RunFolder.open(tmp_path / "run")
    calls, opened = folder.read("spend.json")["calls"], RunFolder(tmp_path / "run").times_opened
    again = climb(world(tmp_path, 200, model=NEEDS_EXAMPLES), tmp_path / "run")
    assert again.verdict == climbed.verdict
    assert folder.read("spend.json")["calls"] == calls
    assert folder.read("spend.json")["by_role"]["main"]["retries"] == 0
    assert RunFolder(tmp_path / "run").times_opened == opened


@pytest.mark.usefixtures("climbed")
def test_another_configuration_or_other_rows_are_refused_with_what_changed(tmp_path):
    other = {**NEEDS_EXAMPLES, "timeout_s": 7.0}  # what may change is not named among the culprits
    with pytest.raises(ConfigError, match=r"another configuration \(changed: task\.instruction\)"):
        climb(world(tmp_path, 200, model=other, task={"instruction": "Which?", "goal": 0.85}), tmp_path / "run")
    config = world(tmp_path, 200, model=NEEDS_EXAMPLES)
    rows = (tmp_path / "rows.jsonl").read_text().splitlines()
    (tmp_path / "rows.jsonl").write_text("\n".join([rows[0].replace('"text": "', '"text": "changed '), *rows[1:]]))
    with pytest.raises(IntegrityError, match=r"1 example changed \(r0000\)"):
        climb(config, tmp_path / "run")


@pytest.mark.slow
def test_what_nothing_stands_on_may_be_mended_in_the_same_folder(tmp_path):
    away = {"faults": {"always": 404}}
    with pytest.raises(ModelError):
        climb(world(tmp_path, 200, model=away), tmp_path / "run")
    assert RunFolder(tmp_path / "run").times_opened == 1  # the baseline was measured, no model answered
    with pytest.raises(ConfigError, match=r"another configuration \(changed: .*task\.instruction\)"):
        climb(world(tmp_path, 200, task={"goal": 0.7, "instruction": "Which?"}), tmp_path / "run")
    run = climb(world(tmp_path, 200, model=FORMAT_ONLY), tmp_path / "run")
    assert list(run.results) == ["baseline", "prompt"]
    assert all(c.passed for c in verify(RunFolder.open(tmp_path / "run")))

    ladder = {"ladder": ["prompt"]}
    with pytest.raises(ModelError):
        climb(world(tmp_path, 200, model=away, **ladder), tmp_path / "other")
    run = climb(
        world(tmp_path, 200, model=FORMAT_ONLY, task={"goal": 0.7}, split={"seed": 8}, **ladder), tmp_path / "other"
    )
    assert RunFolder.open(tmp_path / "other").read("parts/manifest.json")["seed"] == 8


@pytest.mark.slow
def test_a_metric_beside_the_file_climbs_and_verifies_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text("def right(answer, target, inputs):\n    return answer == target\n")
    metrics = [{"python": {"function": "own.py:right"}}]
    climb(world(tmp_path, 200, model=FORMAT_ONLY, task={"metrics": metrics}, ladder=["prompt"]), tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert all(c.passed for c in verify(RunFolder.open(tmp_path / "run")))
    assert str(tmp_path) not in (tmp_path / "run/run.json").read_text()


def test_a_metric_that_judges_no_row_is_no_verdict(tmp_path):
    (tmp_path / "own.py").write_text("def right(answer, target, inputs):\n    raise KeyError('boom')\n")
    metrics = [{"python": {"function": "own.py:right"}}]
    broken = world(tmp_path, 200, task={"metrics": metrics}, ladder=["prompt"])
    with pytest.raises(
        RungError, match=r"judge none of .* answers: own.py:right raised KeyError: 'boom'; .* same command"
    ):
        climb(broken, tmp_path / "run")


@pytest.mark.slow
def test_a_budget_is_never_overshot_and_more_money_goes_on(tmp_path):
    poor = world(tmp_path, 200, model=NEEDS_EXAMPLES, limits={"budget_usd": 0.01})
    run = climb(poor, tmp_path / "run")
    assert (run.verdict.decision, run.exit_code) == ("stopped", 3)
    folder = RunFolder.open(tmp_path / "run")
    spent, calls = folder.read("spend.json")["usd"], folder.read("spend.json")["calls"]
    assert 0 < spent <= 0.01
    needs = re.search(
        r"^Stopped at the budget of \$0.01 .*; (.*) needs? at most \$([\d.]+) more\.$", run.verdict.headline
    )
    left = [shown_name(label) for label in ("baseline", "prompt", "fewshot") if label not in run.results]
    assert needs is not None
    assert needs[1] == " and ".join(left)
    assert float(needs[2]) > 0.01
    assert "raise the budget (`budget_usd`) to at least" in run.verdict.counterfactuals[0]
    rich = climb(world(tmp_path, 200, model=NEEDS_EXAMPLES, limits={"budget_usd": 5}), tmp_path / "run")
    assert rich.verdict.decision != "stopped"
    assert folder.read("spend.json")["calls"] > calls
    assert folder.read("spend.json")["usd"] > spent


def test_a_budget_with_an_unknown_price_is_a_configuration_error(tmp_path):
    config = world(
        tmp_path, 200, model={"input_usd_per_mtok": None, "output_usd_per_mtok": None}, limits={"budget_usd": 1}
    )
    with pytest.raises(ConfigError, match=r"models\.main: limits\.budget_usd is set, but no price is known for fake"):
        climb(config, tmp_path / "run")


@pytest.mark.slow
def test_faults_are_mended_and_change_no_answer(tmp_path):
    calm = climb(world(tmp_path / "a", 100, model=NEEDS_EXAMPLES, diagnosis={"calls": 0}), tmp_path / "a/run")
    faults = {"rate_limit": 0.05, "server_error": 0.03, "drop": 0.02, "malformed": 0.02, "retry_after_s": 0.001}
    stormy = climb(
        world(tmp_path / "b", 100, model={**NEEDS_EXAMPLES, "faults": faults}, diagnosis={"calls": 0}),
        tmp_path / "b/run",
    )
    assert stormy.verdict == calm.verdict
    assert stormy.unanswered_rows == 0


@pytest.mark.slow
def test_an_endpoint_that_never_answers_ends_the_climb_at_once(tmp_path):
    config = world(tmp_path, 200, model={"faults": {"always": 401}})
    with pytest.raises(ModelError, match="status 401"):
        climb(config, tmp_path / "run")
    assert RunFolder.open(tmp_path / "run").read("run.json")["status"] == "failed"


def test_a_stop_finding_stops_before_any_call(tmp_path):
    config = world(tmp_path, 60)
    one = [{"id": str(i), "text": f"ticket number {i} " + "xyz " * (i % 7), "team": "billing"} for i in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in one))
    with pytest.raises(DataError, match="rung check"):
        climb(config, tmp_path / "run")
    assert not (tmp_path / "run/rungs").exists()


@pytest.mark.slow
def test_your_own_train_and_test_files(tmp_path):
    config = world(tmp_path, 300)
    lines = (tmp_path / "rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "train.jsonl").write_text("".join(lines[:160]))
    (tmp_path / "test.jsonl").write_text("".join(lines[160:]) + lines[3].replace("r0003", "t0003"))
    raw = config.model_dump(mode="json", exclude={"root"})
    raw["task"]["metrics"] = ["normalized_match"]
    raw["ladder"] = ["baseline"]
    raw["data"] = {"train": "train.jsonl", "test": "test.jsonl", "id": "id"}
    run = climb(parse_config(raw, tmp_path), tmp_path / "run")
    manifest = RunFolder.open(tmp_path / "run").read("parts/manifest.json")
    assert manifest["test"]["rows"] == 141
    assert "r0003" in manifest["quarantined"]
    assert run.results["baseline"].estimates["normalized_match"].n == 141


class Spy:
    """A rung that walks everything it is handed, in search of test rows or a way to them."""

    found: list[Any] = []

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def fit(self, given: FitInput, kit: Any) -> Fitted:
        Spy.found.append(reachable([given, kit]))
        return await self.inner.fit(given, kit)

    def plan(self, *args: Any) -> RungPlan:
        return self.inner.plan(*args)


def reachable(roots: list[Any], most: int = 400_000) -> list[str]:
    """Return every text that can be reached through attributes, containers, closures and bound methods."""
    seen: set[int] = set()
    texts: list[str] = []
    queue = list(roots)
    while queue and len(seen) < most:
        item = queue.pop()
        if id(item) in seen or isinstance(item, type(gc)):  # modules are the import contract's matter
            continue
        seen.add(id(item))
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            queue += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set | frozenset):
            queue += list(item)
        elif not isinstance(item, type):
            queue += [getattr(item, "__self__", None), getattr(item, "__dict__", None)]
            queue += [cell.cell_contents for cell in getattr(item, "__closure__", None) or () if _filled(cell)]
            queue += [getattr(item, slot, None) for slot in getattr(type(item), "__slots__", ())]
    return texts


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def test_a_rung_cannot_reach_the_test_part(tmp_path, monkeypatch):
    Spy.found = []
    make = plugins.make
    monkeypatch.setattr(
        plugins,
        "make",
        lambda kind, name, /, **s: Spy(make(kind, name, **s)) if kind == "rungs" else make(kind, name, **s),
    )
    run_folder = tmp_path / "secret-run-folder"
    answers = {"t" * 5: "billing"}  # the fake's own truth table is no way in: it knows none of these rows
    config = world(tmp_path, 120, model={"answers": answers})
    climb(config, run_folder)
    test_rows = [json.loads(line) for line in (run_folder / "parts/test.jsonl").read_text().splitlines()]
    train_rows = [json.loads(line) for line in (run_folder / "parts/train.jsonl").read_text().splitlines()]
    assert len(Spy.found) == 3
    for texts in Spy.found:
        reached = "\n".join(texts)
        assert train_rows[0]["inputs"]["text"] in reached, "the walk must be able to find examples that are there"
        assert not [r["id"] for r in test_rows if r["inputs"]["text"] in reached]
        assert str(run_folder) not in reached, "the run folder's path would lead to the test file"
