"""The command line: exit codes, one paragraph for each mistake, JSON where asked."""

import io
import json
import sys

import pytest
import yaml

from rung import cli
from rung.errors import RungError
from rung.store.run import SCHEMA, RunFolder
from tests.unit._worlds import FORMAT_ONLY, IMPOSSIBLE, NEEDS_EXAMPLES, world


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Run the command line in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rung", *map(str, words)])
        code = cli.run()
        said = capfd.readouterr()
        return code, said.out, said.err

    return call


def write_config(folder, model=FORMAT_ONLY, n=300, **changes):
    config = world(folder, n, model=model, **changes)
    raw = config.model_dump(mode="json", exclude={"root", "volume"})
    raw["task"]["metrics"] = ["normalized_match"]
    raw["ladder"] = [s["rung"] for s in raw["ladder"]]
    (folder / "rung.yaml").write_text(yaml.safe_dump(raw))


@pytest.mark.slow
def test_climb_report_verify_compare(run, tmp_path):
    write_config(tmp_path, n=300)
    code, out, _ = run("climb")
    assert code == 0, out
    assert "no fine-tuning needed" in " ".join(out.split())
    assert "Report: runs/routing/report.html" in out
    code, out, _ = run("verify", "runs/routing")
    assert code == 0, out
    assert "numbers recomputed; all equal" in out
    code, out, _ = run("compare", "runs/routing:baseline", "runs/routing")
    assert code == 0
    assert "significantly better" in out
    code, out, _ = run("report", "runs/routing", "--format", "markdown")
    assert code == 0
    assert "No fine-tuning needed" in out


@pytest.mark.slow
def test_json_is_one_document(run, tmp_path):
    write_config(tmp_path, model=IMPOSSIBLE, n=160)
    code, out, _ = run("climb", "--json")
    assert json.loads(out)["exit_code"] == code == 1
    code, out, _ = run("plan", "--json")
    planned = json.loads(out)["rungs"]
    spent = json.loads(out)["spent"]
    assert spent["usd"] > 0
    assert spent["by_role"]["main"]["bound_usd"] == 0
    assert [r["rung"] for r in planned] == ["baseline", "prompt", "fewshot", "diagnosis"]
    assert planned[-1]["dev_calls"] == 2 * (120 + 5)
    code, out, _ = run("climb", "nowhere.yaml", "--json")
    assert (code, json.loads(out)["error"], json.loads(out)["exit_code"]) == (2, "ConfigError", 2)


@pytest.mark.slow
def test_a_plan_says_where_minutes_are_guessed_and_how_they_are_measured(run, tmp_path):
    write_config(tmp_path)
    told = "Minutes rest on a guess of what a call takes: `rung plan --timed` measures it."
    assert told in " ".join(run("plan")[1].split())
    assert told not in " ".join(run("plan", "--timed")[1].split())
    assert told not in " ".join(run("plan", "--only", "baseline")[1].split())


@pytest.mark.slow
def test_a_plan_says_what_was_spent_and_how_much_of_it_nobody_told(run, tmp_path):
    write_config(tmp_path)
    code, out, _ = run("plan")
    assert code == 0
    assert "Spent so far" not in out
    code, out, _ = run("plan", "--json")
    assert json.loads(out)["spent"] is None
    folder = RunFolder.create(tmp_path / "runs/routing")
    folder.note(schema=SCHEMA)
    main = {"calls": 7, "cached": 0, "usd": 0.5, "bound_usd": 0.125}
    folder.spend.save({"usd": 0.5, "calls": 7, "cached": 0, "by_role": {"main": main}})
    code, out, _ = run("plan")
    assert code == 0
    assert (
        "Spent so far in runs/routing: $0.50 (of which $0.12 is an upper bound: the endpoint did not tell), 7 calls"
        in " ".join(out.split())
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--quick", "--dev"), "give one"),
        (("--dev", "--folder", "r"), "beside --dev"),
        (("--quick", "--folder", "r"), "beside --quick"),
    ],
)
def test_what_cannot_be_meant_together_is_refused(run, words, said):
    code, _, err = run("climb", *words)
    assert (code, said in err) == (2, True), err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("climb", "--goal", "2"), "--goal: must be less than or equal to 1 (found 2.0)"),
        (("climb", "--budget", "0"), "--budget: must be greater than 0 (found 0.0)"),
        (("plan", "--budget", "-1"), "--budget: must be greater than 0 (found -1.0)"),
        (("climb", "--only", "rag"), "--only: is not in the ladder"),
    ],
)
def test_an_option_that_cannot_be_is_named_as_it_was_typed(run, tmp_path, words, said):
    write_config(tmp_path, n=40)
    code, _, err = run(*words)
    assert code == 2
    assert err.startswith("rung: What was given beside rung.yaml has 1 problem:")
    assert said in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("climb", "--seed", "x"), "rung: Invalid value for '--seed': must be a whole number\n"),
        (
            ("report", "r", "--format", "pdf"),
            "rung: Invalid value for '--format': 'pdf' is not one of 'html', 'text', ",
        ),
    ],
)
def test_a_value_of_another_kind_is_told_in_our_words(run, words, said):
    code, _, err = run(*words)
    assert code == 2
    assert " ".join(err.split()).startswith(said.strip())


@pytest.mark.parametrize("verb", ["check", "climb", "plan"])
@pytest.mark.parametrize(
    "content", [b"text,team\na,b\n", b'[{"text": "a"}]', b'{"data": []}', b"PK\x03\x04\xff", b"a: [\n"]
)
def test_a_file_of_examples_in_the_place_of_rung_yaml_leads_to_init(run, tmp_path, verb, content):
    (tmp_path / "rows.csv").write_bytes(content)
    code, _, err = run(verb, "rows.csv")
    assert code == 2
    assert "if it holds your examples, `rung init rows.csv` writes a rung.yaml for them" in err


def test_quick_leaves_no_run_behind(run, tmp_path):
    write_config(tmp_path)
    code, out, _ = run("climb", "--quick")
    assert code == 0
    assert "on 40 dev examples (test set untouched)" in out
    assert "format:" in out
    assert not (tmp_path / "runs").exists()


def test_mistakes_are_one_paragraph_and_exit_2(run, tmp_path):
    code, _, err = run("climb")
    assert code == 2
    assert "there is no such file; `rung init DATA` writes one" in err
    assert "Traceback" not in err
    code, _, err = run("climbs")
    assert code == 2
    assert "No such command 'climbs'" in err
    code, _, err = run("verify", "runs/none")
    assert code == 2
    assert "is not a run folder" in err
    code, _, err = run("compare", "a", "b")
    assert code == 2
    write_config(tmp_path)
    code, _, err = run("climb", "--only", "rag")
    assert code == 2
    assert "only: is not in the ladder (found rag)" in err


def test_rows_of_one_label_fail_the_check_and_are_bad_input_to_a_climb(run, tmp_path):
    rows = [{"text": f"ticket number {i}", "team": ("Billing", "BILLING ")[i % 2]} for i in range(60)]
    (tmp_path / "one.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (tmp_path / "rung.yaml").write_text(
        "task: {name: one, instruction: Route it., inputs: [text], target: team, goal: 0.9, kind: classification}\n"
        "data: {path: one.jsonl}\nladder: [baseline]\n"
    )
    code, out, _ = run("check", "--json")
    assert code == 1
    stops = [f["message"] for f in json.loads(out)["findings"] if f["severity"] == "stop"]
    assert len(stops) == 1
    code, _, err = run("climb")
    assert code == 2
    assert stops[0] in err


@pytest.mark.slow
def test_a_spent_budget_is_exit_3(run, tmp_path):
    write_config(tmp_path, model=NEEDS_EXAMPLES, n=200, limits={"budget_usd": 0.01})
    code, out, _ = run("climb")
    assert code == 3
    assert "stopped at the budget of" in " ".join(out.split())


def test_a_budget_too_small_for_one_call(run, tmp_path):
    write_config(tmp_path, model=NEEDS_EXAMPLES, n=120, limits={"budget_usd": 0.000001})
    code, out, _ = run("climb")
    assert code == 3
    assert "The budget of $1e-06 cannot hold the next call" in " ".join(out.split())


@pytest.mark.slow
def test_an_endpoint_that_never_answers_is_exit_2(run, tmp_path):
    write_config(tmp_path, model={"faults": {"always": 401}}, n=120)
    code, _, err = run("climb")
    assert code == 2
    assert "Traceback" not in err


def test_our_own_fault_is_exit_5_and_keyboard_interrupt_4(run, monkeypatch, tmp_path):
    def broken(**_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(cli, "app", broken)
    code, _, err = run("plugins")
    assert code == 5
    assert "internal error, please report it: oops" in err

    def in_a_library(**_):
        raise RuntimeError("KeyboardInterrupt: \n\nAt:\n  somewhere")

    monkeypatch.setattr(cli, "app", in_a_library)
    assert run("plugins")[0] == 4

    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    code, _, err = run("plugins")
    assert code == 4
    assert "the same command goes on" in err


def test_plugins_lists_and_answers_unknown_kinds(run):
    code, out, _ = run("plugins", "rungs")
    assert code == 0
    assert {"baseline", "prompt", "fewshot"} <= set(out.split())
    code, _, err = run("plugins", "rung")
    assert code == 2
    assert "no plugin kind 'rung'" in err


def test_plugins_says_each_in_a_whole_sentence(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    heavy = [name for name in ("torch", "transformers", "lancedb", "sentence_transformers") if name not in sys.modules]
    code, out, _ = run("plugins")
    assert code == 0
    lines = [line.rstrip() for line in out.splitlines()[1:] if line.strip()]
    assert len(lines) > 30
    assert [line for line in lines if not line.endswith(".") and "not installed: pip install" not in line] == []
    assert [name for name in heavy if name in sys.modules] == [], "a docstring is read, not imported"


def test_every_error_has_a_documented_exit_code():
    todo, seen = [RungError], set()
    while todo:
        kind = todo.pop()
        seen.add(kind.exit_code)
        todo += kind.__subclasses__()
    assert seen == {1, 2, 3, 4}


def test_check_warns_that_the_bundled_model_knows_only_its_world(run, tmp_path):
    write_config(tmp_path, n=300)
    raw = yaml.safe_load((tmp_path / "rung.yaml").read_text())
    raw["models"] = {"main": {"provider": "nano"}}
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    code, out, _ = run("check", "--json")
    [finding] = [f for f in json.loads(out)["findings"] if f["check"] == "model"]
    assert code == 0
    assert (finding["severity"], "knows only its own small world" in finding["message"]) == ("warn", True)


def test_no_words_at_all_is_the_help_without_cut_sentences(run):
    code, _, err = run()
    assert code == 2
    assert err.startswith("Usage: rung")
    assert "..." not in err.replace("[ARGS]...", "")


def test_quick_asks_the_first_model_of_the_ladder(run, tmp_path):
    write_config(tmp_path)
    raw = yaml.safe_load((tmp_path / "rung.yaml").read_text())
    raw["models"] = {"small": raw["models"]["main"]}
    raw["ladder"] = ["baseline", {"prompt": {"model": "small"}}]
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    code, out, err = run("climb", "--quick")
    assert code == 0, err
    assert "The bare instruction as the prompt, on 40 dev examples" in out


def test_a_terminal_without_the_letters_shows_codes_and_json_stays_json(tmp_path, monkeypatch):
    made = [{"text": f"Größe {i} {'ü' * (i % 5)} von {i * 7}", "team": ("Käse", "Öl")[i % 2]} for i in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    monkeypatch.chdir(tmp_path)

    def run(*words):
        terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(sys, "argv", ["rung", *words])
        code = cli.run()
        terminal.flush()
        return code, terminal.buffer.getvalue()

    assert run("init", "rows.jsonl", "--yes", "--model", "m-1")[0] == 0
    code, shown = run("check")
    assert code == 0, shown
    assert rb"K\xe4se" in shown or rb"\xd6l" in shown
    told = json.loads(run("check", "--json")[1])
    assert any("Käse" in f["message"] or "Öl" in f["message"] for f in told["findings"])
