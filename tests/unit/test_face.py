"""The public face: names and signatures, examples in memory, running loops, and what a run shows."""

import ast
import asyncio
import datetime as dt
import inspect
import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

import rung
from rung.errors import ConfigError, DataError, FolderBusy, Interrupted, RungError
from rung.models.settings import ProviderSettings
from rung.providers import ModelSettings
from rung.store.folder import locked
from rung.store.run import RunFolder
from tests.unit._worlds import rows

MADE = rows(300)
PRICES = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
MODEL = rung.Fake({r["text"]: r["team"] for r in MADE}, abilities={"base": 0.97}, **PRICES)
TASK = {"inputs": ["text"], "target": "team", "metric": "normalized_match", "goal": 0.85}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def climbed_once(tmp_path_factory):
    """A climb that the tests below share, each in a copy of its own."""
    root = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        climbed()
    return root / "runs/a"


@pytest.fixture
def run(climbed_once):
    shutil.copytree(climbed_once, "runs/a")
    return rung.load_run("runs/a")


def climbed(folder="runs/a", given=MADE, **changes):
    return rung.climb(given, folder, **{**TASK, "models": MODEL, "ladder": ["baseline", "prompt"], **changes})


SIGNATURES = {
    "climb": "(rows: 'Any', folder: 'str | Path | None' = None, *, dev: 'bool' = False, progress: 'Progress | bool | None' = None, "
    "**experiment: 'Unpack[ExperimentArguments]') -> 'Run | DevRun'",
    "aclimb": "(rows: 'Any', folder: 'str | Path | None' = None, *, dev: 'bool' = False, progress: 'Progress | bool | None' = None, "
    "**experiment: 'Unpack[ExperimentArguments]') -> 'Run | DevRun'",
    "check": "(rows: 'Any', folder: 'str | Path | None' = None, *, progress: 'Progress | bool | None' = None, "
    "**experiment: 'Unpack[ExperimentArguments]') -> 'tuple[Finding, ...]'",
    "load_run": "(folder: 'str | Path') -> 'Run'",
    "compare": "(lower: 'str | Path | Run', upper: 'str | Path | Run') -> 'Across'",
    "verify": "(run: 'str | Path | Run') -> 'tuple[Check, ...]'",
    "load_config": "(path: 'Path | str', overrides: 'Mapping[str, Any] | None' = None, said_as: 'Mapping[str, str] | None' = None) -> 'Config'",
    "open_run": "(path: 'Path | str', *, fresh: 'bool | str | Sequence[str]' = False) -> 'MeasuredRun'",
}


def test_the_public_names_and_signatures_are_these():
    assert rung.__all__ == [
        "Anthropic", "Azure", "BudgetSpent", "Config", "ConfigError", "DataError", "DevRun", "Example", "ExperimentArguments", "Fake", "Finding",
        "FolderBusy", "Gemini", "Http", "Interrupted", "Local", "Ollama", "OpenAI", "OpenRouter", "Python", "Recorded", "Result", "Run", "RungError",
        "Table", "Task", "Verdict", "Vllm", "__version__",
        "aclimb", "audit", "check", "climb", "compare", "load_config", "load_run", "open_run", "plugins", "verify",
    ]  # fmt: skip
    assert {name: str(inspect.signature(getattr(rung, name))) for name in SIGNATURES} == SIGNATURES
    assert sorted(rung.ExperimentArguments.__annotations__) == [
        "budget_usd", "documents", "goal", "group_by", "id", "inputs", "instruction", "ladder", "metric", "models", "name",
        "only", "seed", "settings", "target",
    ]  # fmt: skip
    public = [name for name in vars(rung.Run) if not name.startswith("_")]
    assert sorted([*public, *rung.Run.__annotations__]) == [
        "decision", "examples", "exit_code", "export", "finished", "folder", "frame", "report", "results", "task",
        "unanswered", "verdict", "verify", "winner",
    ]  # fmt: skip


def test_type_checkers_are_told_the_same_names_as_the_lazy_table():
    tree = ast.parse(Path(rung.__file__).read_text())
    [guarded] = [node for node in tree.body if isinstance(node, ast.If)]
    told = {alias.name: node.module for node in guarded.body for alias in node.names}
    assert told == {**rung._WHERE, "plugins": "rung"}
    assert sorted([*told, "__version__"]) == rung.__all__


def test_models_as_arguments_take_the_settings_that_there_are():
    from rung import plugins

    assert set(ModelSettings.__annotations__) == set(ProviderSettings.model_fields) - {"name"}
    for name, make in (
        ("openai", rung.OpenAI),
        ("local", rung.Local),
        ("http", rung.Http),
        ("python", rung.Python),
        ("recorded", rung.Recorded),
    ):
        own = set(inspect.signature(make).parameters) - {"settings"}
        assert own <= set(plugins.find("models", name).model_fields)
    assert rung.OpenAI("m", base_url="http://h/v1", concurrency=2) == {
        "provider": "openai", "name": "m", "base_url": "http://h/v1", "concurrency": 2,
    }  # fmt: skip


@pytest.mark.slow
def test_a_climb_from_dicts_keeps_its_rows_and_goes_on_where_it_was():
    run = climbed()
    assert (run.decision, run.winner, run.exit_code, run.finished, run.unanswered) == ("meets", "prompt", 0, True, 0)
    assert run.results["prompt"].outcomes == ()  # single answers to test examples stay sealed
    assert list(run.results) == ["baseline", "prompt"]
    [kept] = Path("runs/a/given").iterdir()
    assert [json.loads(line) for line in kept.read_text().splitlines()] == MADE
    assert oct(kept.stat().st_mode)[-3:] == "600"
    spent = RunFolder(run.folder).read("spend.json")["calls"]
    again = climbed()
    assert again.verdict == run.verdict
    assert RunFolder(run.folder).read("spend.json")["calls"] == spent
    assert [p.name for p in Path("runs/a/given").iterdir()] == [kept.name]
    assert all(found.passed for found in rung.verify(run))


@pytest.mark.slow
def test_other_rows_in_the_same_folder_are_another_climb(run):
    assert run.finished
    with pytest.raises(ConfigError, match="another configuration \\(changed: data.path\\)"):
        climbed(given=MADE[:-1])


@pytest.mark.slow
def test_a_resumption_from_another_directory_is_the_same_climb(tmp_path, monkeypatch):
    run = climbed(tmp_path / "runs/a")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert climbed(tmp_path / "runs/a").verdict == run.verdict


@pytest.mark.slow
def test_files_and_parts_of_your_own(tmp_path):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in MADE))
    assert climbed(given="rows.jsonl").verdict == climbed("runs/b", tmp_path / "rows.jsonl").verdict
    assert not Path("runs/a/given").exists()
    run = climbed("runs/c", {"train": MADE[:150], "test": MADE[150:]})
    assert run.results["prompt"].estimates["normalized_match"].n == 150


@pytest.mark.slow
def test_rung_yaml_and_what_may_be_changed(tmp_path):
    import yaml

    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in MADE))
    task = {"name": "routing", "instruction": "Which team?", "inputs": ["text"], "target": "team", "goal": 0.99}
    raw = {
        "task": task,
        "data": {"path": "rows.jsonl"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": dict(MODEL)},
        "ladder": ["baseline", "prompt"],
    }
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    run = rung.climb("rung.yaml", goal=0.85, only=["prompt"])
    assert (run.folder, run.winner, list(run.results)) == (Path("runs/routing"), "prompt", ["prompt"])
    with pytest.raises(ConfigError, match="ladder: is said by rung.yaml itself; allowed: goal, only, seed, budget_usd"):
        rung.climb("rung.yaml", ladder=["prompt"])
    with pytest.raises(ConfigError, match="goal: is said by a Config itself"):
        rung.climb(rung.load_config("rung.yaml"), goal=0.5)


@pytest.mark.slow
def test_data_frames_and_data_sets_are_read_as_they_are(run):
    pandas, datasets = pytest.importorskip("pandas"), pytest.importorskip("datasets")
    by_dicts = run.verdict
    assert climbed("runs/frame", pandas.DataFrame(MADE)).verdict == by_dicts
    teams = sorted({r["team"] for r in MADE})
    features = datasets.Features(
        {"id": datasets.Value("string"), "text": datasets.Value("string"), "team": datasets.ClassLabel(names=teams)}
    )
    assert climbed("runs/set", datasets.Dataset.from_list(MADE, features=features)).verdict == by_dicts
    parts = datasets.DatasetDict({"train": datasets.Dataset.from_list(MADE)})
    with pytest.raises(DataError, match="one dict with the keys 'train' holds no rows"):
        climbed("runs/parts", parts)


def test_odd_values_become_json_or_are_named():
    from rung.data.given import json_lines

    class Ticket:
        pass

    pandas, numpy = pytest.importorskip("pandas"), pytest.importorskip("numpy")
    odd = {"a": float("nan"), "b": dt.date(2026, 1, 2), "c": numpy.int64(3), "d": numpy.array([1.5]), 5: pandas.NA}
    assert json.loads(json_lines([odd], [])) == {"a": None, "b": "2026-01-02", "c": 3, "d": [1.5], "5": None}
    with pytest.raises(DataError, match="the given rows, column 'text': row 2 holds a Ticket, which is no text"):
        json_lines([{"text": "x"}, {"text": Ticket()}], ["text"])
    with pytest.raises(DataError, match="row 1 holds an infinite number"):
        json_lines([{"x": float("inf")}], [])
    with pytest.raises(DataError, match="row 1 is a str; a row is a dict"):
        json_lines(["x"], [])
    with pytest.raises(DataError, match="there are none"):
        json_lines([], [])
    with pytest.raises(DataError, match="a int holds no rows; allowed: a path, a list of dicts"):
        json_lines(3, [])


def test_wrong_arguments_are_all_named_before_anything_is_written():
    with pytest.raises(DataError, match="the given rows: there is no column 'txt'; did you mean 'text'"):
        climbed(inputs=["txt"])
    with pytest.raises(ConfigError) as caught:
        rung.climb(MADE, "runs/a", inputs="text", target="team", metric="accuracy", ladder=["promt"], models=MODEL)
    said = str(caught.value)
    assert "the call has 3 problems:" in said
    assert "goal: is missing" in said
    assert "metric.0: no metric is called 'accuracy'; use `normalized_match`" in said
    assert "ladder.0: no approach is called 'promt'; did you mean 'prompt'" in said
    with pytest.raises(TypeError, match="climb takes no argument 'gaol'; did you mean 'goal'"):
        rung.climb(MADE, gaol=0.9)
    with pytest.raises(ConfigError, match="models.main: is missing, and the approach prompt asks it"):
        rung.climb(MADE, "runs/a", **TASK)
    assert not Path("runs").exists()


def test_check_writes_nothing_and_finds():
    found = rung.check(MADE[:60], **TASK, ladder=["baseline"])
    assert any(f.severity in ("warn", "stop") for f in found)
    assert not list(Path().iterdir())


@pytest.mark.slow
def test_tables_of_approaches_and_dev_examples(run):
    baseline, prompt = run.frame()
    assert list(prompt) == [
        "approach", "result", "score", "low", "high", "examples", "cost_per_1k_usd", "p50_latency_s", "p95_latency_s",
        "p95_served_s", "failures", "wins", "note",
    ]  # fmt: skip
    assert (prompt["approach"], prompt["result"], prompt["wins"], baseline["wins"]) == ("prompt", "meets", True, False)
    assert prompt["low"] < prompt["score"] == run.results["prompt"].estimates["normalized_match"].mean < prompt["high"]
    examples = run.examples()
    assert {line["set"] for line in examples} == {"dev"}
    dev = RunFolder(run.folder).path.joinpath("parts/dev.jsonl").read_text().splitlines()
    assert len(examples) == 2 * len(dev)
    assert set(examples[0]) >= {"approach", "answer", "expected", "normalized_match", "input: text"}
    pandas = pytest.importorskip("pandas")
    assert list(run.frame().to_pandas()["approach"]) == list(pandas.DataFrame(run.frame())["approach"])


def test_test_examples_are_listed_once_they_were_revealed(run):
    from rung.store.sealed import sealed_test

    sealed_test(RunFolder(run.folder)).reveal()
    assert {line["set"] for line in run.examples()} == {"dev", "test"}


@pytest.mark.slow
def test_a_notebook_shows_the_report_escaped_and_without_script():
    evil = "</iframe><script>alert(1)</script>\"'"
    run = climbed(name="a&b", instruction=evil)
    page = run._repr_html_()
    assert page.startswith('<iframe sandbox srcdoc="')
    assert page.count("<") == 2
    assert "<script" not in page
    assert "prompt" in page
    table = rung.Table([{"<b>": "<i>&", "n": 0.123456, "none": None}])._repr_html_()
    assert "<th>&lt;b&gt;</th>" in table
    assert "<td>&lt;i&gt;&amp;</td><td>0.1235</td><td></td>" in table


@pytest.mark.slow
def test_reports_and_exports_by_name(run, tmp_path):
    assert run.report() == Path("runs/a/report.html")
    assert "## rung: team" in run.report(tmp_path / "r.md").read_text()
    assert json.loads(run.report(tmp_path / "r.json").read_text())
    with pytest.raises(RungError, match="'r.docx' names no form of a report by its ending; allowed: .html"):
        run.report(tmp_path / "r.docx")
    place = run.export(out=tmp_path / "out")
    assert place == tmp_path / "out"
    assert list(place.iterdir())


def test_a_run_that_is_not_finished_can_be_loaded(run):
    with pytest.raises(RungError, match="is not a run folder"):
        rung.load_run("runs/none")
    (run.folder / "verdict.json").unlink()
    loaded = rung.load_run("runs/a")
    assert not loaded.finished
    assert "not finished" in repr(loaded)
    assert loaded.frame()[1]["approach"] == "prompt"
    with pytest.raises(RungError, match="has no verdict yet; call `rung.climb` with the same arguments"):
        loaded.verdict  # noqa: B018


def test_runs_are_compared(run, climbed_once):
    shutil.copytree(climbed_once, "runs/b")
    assert rung.compare(run, "runs/b:baseline").worse
    assert rung.compare(run, "runs/b").comparison.gain == 0.0


@pytest.mark.slow
def test_inside_a_running_loop(run):
    async def cell():
        return climbed("runs/cell")

    assert asyncio.run(cell()).verdict == run.verdict

    async def check():
        return rung.verify(run), run.export(), rung.check(MADE, **TASK, ladder=["baseline"])

    checks, place, _ = asyncio.run(check())
    assert all(c.passed for c in checks)
    assert place.is_dir()


@pytest.mark.slow
def test_two_climbs_side_by_side_and_one_folder_for_one():
    async def both():
        arguments = {**TASK, "models": MODEL, "ladder": ["baseline", "prompt"]}
        return await asyncio.gather(rung.aclimb(MADE, "runs/a", **arguments), rung.aclimb(MADE, "runs/b", **arguments))

    one, two = asyncio.run(both())
    assert one.verdict == two.verdict
    with locked(RunFolder(Path("runs/a"))), pytest.raises(FolderBusy, match="another run is at work in runs/a"):
        climbed()


SLOW = rung.Fake(
    {r["text"]: r["team"] for r in MADE}, abilities={"base": 0.97}, latency_s=0.05, wait=True, concurrency=4, **PRICES
)


@pytest.mark.slow
def test_dev_beside_a_loop_and_within_one_is_the_same_look():
    arguments = {**TASK, "models": MODEL, "ladder": ["prompt"]}

    async def within():
        return await rung.aclimb(MADE, dev=True, **arguments), rung.climb(MADE, dev=True, **arguments)

    first, second = asyncio.run(within())
    assert isinstance(first, rung.DevRun)
    assert first.results["prompt"].estimates == second.results["prompt"].estimates
    assert second.look.taken > 0, "the project had paid for the first"
    assert not Path("runs").exists()


@pytest.mark.slow
def test_a_cancelled_climb_ends_cleanly_and_goes_on():
    arguments = {**TASK, "models": SLOW, "ladder": ["prompt"]}
    before = set(threading.enumerate())  # other tests leave threads of users' functions that hang on purpose

    async def interrupted():
        task = asyncio.create_task(rung.aclimb(MADE, "runs/a", **arguments))
        while not Path("runs/a/ledger.sqlite").exists():
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupted())
    folder = RunFolder(Path("runs/a"))
    assert folder.read("run.json")["status"] == "interrupted"
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("rung") and thread.name != "rung-signals":  # that one watches the process
            thread.join(30)
            assert not thread.is_alive()
    assert asyncio.run(rung.aclimb(MADE, "runs/a", **arguments)).winner == "prompt"


@pytest.mark.slow
def test_an_interrupt_in_a_running_loop_stops_the_thread():
    arguments = {**TASK, "models": SLOW, "ladder": ["prompt"]}

    def press():
        until = time.monotonic() + 30
        while not Path("runs/a/ledger.sqlite").exists() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)  # as a kernel is interrupted

    async def cell():
        return rung.climb(MADE, "runs/a", **arguments)

    loop = asyncio.new_event_loop()  # as a kernel runs it: no handler for the interrupt of its own
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever commands left in this process
    threading.Thread(target=press).start()
    try:
        with pytest.raises(Interrupted, match="interrupted; everything answered so far is kept in runs/a"):
            loop.run_until_complete(cell())
    finally:
        signal.signal(signal.SIGINT, before)
        loop.close()
    assert RunFolder(Path("runs/a")).read("run.json")["status"] == "interrupted"
    assert rung.climb(MADE, "runs/a", **arguments).winner == "prompt"


@pytest.mark.slow
def test_one_name_stands_for_a_list_of_one():
    run = rung.climb(
        MADE, "run", models=MODEL, ladder="prompt", only="prompt", settings={"task": {"min_gain": 0.05}}, **TASK
    )
    assert [line["approach"] for line in run.frame()] == ["prompt"]
    with pytest.raises(ConfigError, match="the call has 1 problem:\n  - only: is not in the ladder .found fewshot."):
        rung.climb(MADE, "other", models=MODEL, ladder="prompt", only="few-shot", **TASK)


def test_what_is_said_twice_or_is_no_model_is_named():
    with pytest.raises(ConfigError, match="settings.task.goal: is given as an argument, too; say it once"):
        rung.climb(MADE, "run", models=MODEL, settings={"task": {"goal": 0.5}}, **TASK)
    with pytest.raises(ConfigError, match="models: must be a mapping .found 'gpt-x'."):
        rung.climb(MADE, "run", models="gpt-x", **TASK)


@pytest.mark.slow
def test_progress_true_writes_a_line_a_stage(capsys):
    climbed("runs/told", given=MADE[:80], progress=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert "prompt: " in told.err
    assert any(line.endswith(")") and "(" in line for line in told.err.splitlines()), told.err
    rung.check(MADE[:80], progress=False, ladder=["baseline"], **TASK)
    assert capsys.readouterr() == ("", "")


def test_what_is_no_progress_is_refused_in_a_sentence():
    for given in (3, "yes", print):
        with pytest.raises(TypeError, match="progress is True, or an object with `say` and `stage`"):
            climbed(progress=given)
        with pytest.raises(TypeError, match="progress is True, or an object with `say` and `stage`"):
            asyncio.run(rung.aclimb(MADE, "runs/b", progress=given, **TASK))
    assert not Path("runs").exists()


def test_no_message_of_the_library_advises_a_flag_of_the_command_line():
    """What is raised may be read by somebody who calls Python: whole commands (`rung label --teach`) may be named."""
    programs = ("bare", "baseline", "prompt", "rag", "tuned")  # what calls exported programs, and their README files
    inside = {
        "cli",
        "report/summary.py",
        *(f"report/{name}.py" for name in ("sent", "sections", "tuned")),  # commands that the page prints
        "tuning/trl.py",  # a program that is written, and commands of others
        "tuning/vendors.py",
        *(f"exports/{name}.py" for name in (*programs, "gguf", "launch")),  # and commands of llama.cpp, Ollama and vLLM
    }  # and the command line itself, and the next commands
    alone = "exports/alone/"  # programs that are exported: their flags are their own
    found = []
    for file in sorted(Path(rung.__file__).parent.rglob("*.py")):
        place = file.relative_to(Path(rung.__file__).parent).as_posix()
        if place.split("/")[0] in inside or place in inside or place.startswith(alone):
            continue
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if re.search(r"(?<![-\w])--[a-z]", text) else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                flags = re.findall(
                    r"(?<![\w-])--[a-z][a-z-]*", re.sub(r"`rung [^`]*`?|\(rung [^)]*\)?", "", node.value)
                )
                found += [(place, node.lineno, flag) for flag in flags]
    assert found == []
