"""`rung init` and `rung check`: guesses with reasons, a file that loads, refusals that say what to do."""

from __future__ import annotations

import io
import json
import random

import pytest
import typer
from typer.testing import CliRunner

from rung.cli import check as check_verb
from rung.cli import init as init_verb
from rung.config import load_config, read_prompt
from rung.data.cells import RawRow
from rung.data.choice import choose_metric
from rung.data.columns import guess_columns, guess_kind
from rung.errors import ConfigError, DataError, RungError
from rung.types import KINDS, Message

app = typer.Typer()
app.command()(init_verb.init)
app.command()(check_verb.check)


def run(*args, ok=True):
    result = CliRunner().invoke(app, [str(a) for a in args], standalone_mode=False)
    if ok and result.exception is not None:
        raise result.exception
    return result


def words(seed, n=8):
    rng = random.Random(seed)
    return " ".join("".join(rng.choice("abcdefghijklmnop") for _ in range(6)) for _ in range(n))


@pytest.fixture
def tickets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "ticket_id": 1000 + i,
            "customer": f"c{i % 70}",
            "subject": words(i, 3),
            "body": words(-i - 1),
            "created": "2026-01-02",
            "team": ("billing", "shipping", "access")[i % 3],
        }
        for i in range(400)
    ]
    path = tmp_path / "tickets.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def raw(**columns):
    return [
        RawRow(i + 1, dict(zip(columns, cells, strict=True)))
        for i, cells in enumerate(zip(*columns.values(), strict=True))
    ]


def test_writes_a_file_that_loads_and_says_why(tickets):
    said = run("init", tickets, "--yes").stdout
    config = load_config(tickets.parent / "rung.yaml")
    assert config.task.inputs == ("subject", "body")
    assert (config.task.target, config.task.kind, config.data.group_by) == ("team", "classification", "customer")
    assert config.task.name == "tickets"
    assert str(config.data.path) == "tickets.jsonl"
    assert [m.name for m in config.task.metrics] == ["normalized_match"]
    assert config.models["main"]["provider"] == "openai"
    assert "target: 'team' is a usual name for the expected output" in said
    assert "kind: classification, the expected outputs are 3 short labels over 400 examples" in said
    assert "group_by: 'customer' repeats over examples" in said
    assert "goal 0.9 is a placeholder of mine" in said
    assert "models.main holds placeholders" in said
    assert "too small for min_gain 2 points" in said
    assert "Next: look through rung.yaml, then `rung check rung.yaml`" in said


def test_every_line_of_the_file_is_explained(tickets):
    run("init", tickets, "--yes")
    text = (tickets.parent / "rung.yaml").read_text()
    assert "VARIABLE that holds the key, never the key" in text
    assert "PUT YOUR MODEL HERE" in text
    assert "nano" not in text


def test_a_column_of_row_names_is_an_id_and_nothing_to_read():
    texts = [f"my parcel number {i} is late" for i in range(20)]
    rows = raw(ticket=[f"T{i:04d}" for i in range(20)], body=texts, team=["a", "b"] * 10)
    guess = guess_columns(rows)
    assert (guess.id, guess.inputs, guess.target) == ("ticket", ("body",), "team")
    mixed = raw(ticket=[f"{'TX'[i % 2]}{i}" for i in range(20)], body=texts, team=["a", "b"] * 10)
    assert guess_columns(mixed).id is None


def test_flags_win_over_guesses(tickets):
    run(
        "init",
        tickets,
        "--yes",
        "--inputs",
        "body",
        "--target",
        "team",
        "--goal",
        0.8,
        "--kind",
        "knowledge",
        "--instruction",
        "Say: who?",
        "--model",
        "gpt-x",
        "--base-url",
        "https://models.example/v1",
        "--api-key-env",
        "MY_KEY",
        "--out",
        "sub/r.yaml",
    )
    config = load_config(tickets.parent / "sub" / "r.yaml")
    assert (config.task.inputs, config.task.goal, config.task.kind) == (("body",), 0.8, "knowledge")
    assert config.task.instruction == "Say: who?"
    assert str(config.data.path) == "../tickets.jsonl"
    assert config.models["main"] == {
        "provider": "openai",
        "name": "gpt-x",
        "base_url": "https://models.example/v1",
        "api_key_env": "MY_KEY",
    }


def test_inputs_may_stand_in_one_list(tickets):
    run("init", tickets, "--yes", "--inputs", "body, subject")
    assert load_config(tickets.parent / "rung.yaml").task.inputs == ("body", "subject")


def test_never_overwrites_without_force(tickets):
    run("init", tickets, "--yes")
    (tickets.parent / "rung.yaml").write_text("mine")
    result = run("init", tickets, "--yes", ok=False)
    assert isinstance(result.exception, RungError)
    assert "rung.yaml is already there; overwrite it with --force or write another file with --out" in str(
        result.exception
    )
    assert (tickets.parent / "rung.yaml").read_text() == "mine"
    run("init", tickets, "--yes", "--force")
    assert (tickets.parent / "rung.yaml").read_text() != "mine"


def test_nano_is_only_taken_by_name_and_says_what_it_is(tickets):
    said = run("init", tickets, "--yes", "--model", "nano").stdout
    assert "nano knows only its own small world" in said
    text = (tickets.parent / "rung.yaml").read_text()
    assert "main: {provider: nano}" in text
    assert "knows only its own small world" in text


def test_a_live_prompt_is_taken_by_path_and_names_the_inputs(tickets):
    prompt = tickets.parent / "live.txt"
    prompt.write_text("Ticket: {{ body }}\nWhich team?")
    said = run("init", tickets, "--yes", "--prompt", prompt).stdout
    config = load_config(tickets.parent / "rung.yaml")
    assert str(config.task.prompt) == "live.txt"
    assert config.task.inputs == ("body",)
    assert "inputs: 'body' as the prompt has placeholders for them" in said
    assert read_prompt(prompt)[0] == Message("user", "Ticket: {{ body }}\nWhich team?")


def test_a_chat_prompt_without_placeholders(tickets):
    chat = tickets.parent / "chat.yaml"
    chat.write_text("- {role: system, content: You route tickets.}\n- {role: user, content: 'Go: {{nowhere}}'}\n")
    said = run("init", tickets, "--yes", "--prompt", chat).stdout
    assert "the prompt has placeholders that are no input column: nowhere" in said
    plain = tickets.parent / "plain.txt"
    plain.write_text("You route tickets.")
    assert "has no {{column}} placeholder" in run("init", tickets, "--yes", "--force", "--prompt", plain).stdout


def test_what_cannot_be_guessed_is_asked_for_by_flag(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "d.csv"
    path.write_text("left,right\n" + "".join(f"{words(i)},{words(-i - 1)}\n" for i in range(30)))
    result = run("init", path, "--yes", ok=False)
    assert isinstance(result.exception, DataError)
    assert "cannot tell which column holds the expected output; name it with --target. Columns: 'left', 'right'" in str(
        result.exception
    )
    run("init", path, "--yes", "--target", "right")
    assert load_config(tmp_path / "rung.yaml").task.inputs == ("left",)


def test_what_cannot_be_guessed_is_asked_on_a_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "d.csv"
    path.write_text("left,right\n" + "".join(f"{words(i)},{words(-i - 1)}\n" for i in range(30)))
    answers = iter(["right", "left", 0.7, "Turn left into right."])
    monkeypatch.setattr(typer, "prompt", lambda *a, value_proc=str, **k: value_proc(str(next(answers))))
    proposal = init_verb.propose(init_verb.Wishes(path, tmp_path / "rung.yaml", ask=True))
    assert (proposal.draft.target, proposal.draft.inputs, proposal.draft.goal) == ("right", ("left",), 0.7)
    assert proposal.draft.instruction_is_own


def test_an_answer_that_cannot_be_is_told_and_asked_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("abc\n7\n0.8\n"))
    assert init_verb._ask("How good?", init_verb._as_goal, 0.9) == 0.8
    said = capsys.readouterr().out
    assert "is no number (found 'abc')" in said
    assert "is a share of what can be reached (found 7)" in said


@pytest.mark.parametrize(
    ("flags", "kind", "message"),
    [
        (["--target", "tem"], DataError, "there is no column 'tem'; did you mean 'team'?"),
        (["--inputs", "nope"], DataError, "there is no column 'nope'"),
        (["--group-by", "client"], DataError, "there is no column 'client'"),
        (
            ["--kind", "guessing"],
            ConfigError,
            "--kind: is no task kind (found 'guessing'); allowed: classification, extraction",
        ),
        (
            ["--goal", "90"],
            ConfigError,
            "--goal: is a share of what can be reached (found 90); allowed: above 0 and at most 1",
        ),
        (["--prompt", "none.txt"], ConfigError, "cannot be read"),
    ],
)
def test_wrong_flags_are_refused(tickets, flags, kind, message):
    result = run("init", tickets, "--yes", *flags, ok=False)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert not (tickets.parent / "rung.yaml").exists()


def test_json_form(tickets):
    told = json.loads(run("init", tickets, "--json").stdout)
    assert told["draft"]["target"] == "team"
    assert told["file"] == "rung.yaml"
    assert any(f["check"] == "power" for f in told["findings"])


def test_own_train_and_test_files(tickets):
    rows = tickets.read_text().splitlines()
    (tickets.parent / "a.jsonl").write_text("\n".join(rows[:300]))
    (tickets.parent / "b.jsonl").write_text("\n".join(rows[300:]))
    run("init", "a.jsonl", "--test", "b.jsonl", "--yes")
    config = load_config(tickets.parent / "rung.yaml")
    assert (str(config.data.train), str(config.data.test)) == ("a.jsonl", "b.jsonl")


def test_rows_that_cannot_be_used_are_told_of_at_once(tickets):
    rows = tickets.read_text().splitlines()
    tickets.write_text("\n".join([*rows, rows[0].replace('"access"', '""').replace('"billing"', '""')]))
    assert "warn: " in (said := run("init", tickets, "--yes").stdout)
    assert "1 example has no expected output in 'team' (line 401) and is set aside" in said


def test_of_a_large_file_only_the_first_rows_are_read_and_nothing_is_said_of_their_number(tickets, monkeypatch):
    for module in ("init", "_draft_notes"):
        monkeypatch.setattr(f"rung.cli.{module}.SAMPLE", 300)
    rows = tickets.read_text().splitlines()
    tickets.write_text("\n".join([*rows, "no JSON"]))
    said = run("init", tickets, "--yes").stdout
    assert "only the first 300 examples were looked at; `rung check` looks at all" in said
    assert "smallest visible gain" not in said  # 300 rows are not what there is
    assert "warn" not in said
    with pytest.raises(ConfigError, match="line 401: bad JSON"):
        run("check")


def test_a_folder_of_documents_is_named_counted_and_looked_up_by_the_ladder(tickets):
    folder = tickets.parent / "handbook"
    folder.mkdir()
    (folder / "photo.png").write_bytes(b"png")
    with pytest.raises(DataError, match=r"handbook: holds no file that is read; read are \.md"):
        run("init", tickets, "--yes", "--documents", "handbook")
    (folder / "refunds.md").write_text("# Refunds")
    said = run("init", tickets, "--yes", "--documents", "handbook").stdout
    assert "1 files of handbook are read by the first `rung docs update`" in said
    assert "not read: 1 .png (photo.png)" in said
    config = load_config(tickets.parent / "rung.yaml")
    assert config.documents is not None
    assert (str(config.documents.path), config.planned) == ("handbook", ("baseline", "prompt", "fewshot", "rag"))
    with pytest.raises(DataError, match="there is no such folder"):
        run("init", tickets, "--yes", "--force", "--documents", "nowhere")


# --- guessing


LABELS = [f"l{i % 4}" for i in range(60)]


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        (LABELS, "classification"),
        (["yes", "no"] * 5, "classification"),
        ([json.dumps({"a": i}) for i in range(20)], "extraction"),
        ([f"Subject: x{i}\nBody: y {i} z" for i in range(20)], "style"),
        ([f"- one {i}\n- two\n- three" for i in range(20)], "style"),
        ([str(i) for i in range(60)], "knowledge"),
        ([f"the town of {words(i, 1)}" for i in range(30)], "knowledge"),
        ([words(i, 40) for i in range(30)], "generation"),
        ([], "generation"),
    ],
)
def test_kinds(targets, kind):
    assert guess_kind(targets) == kind


def test_the_metric_fits_the_expected_outputs_and_says_why():
    def chosen(kind: str, targets: list[str]) -> str:
        return choose_metric(kind, targets).name

    assert chosen("knowledge", ["north", "sea"]) == "normalized_match"
    assert chosen("knowledge", ["in the north", "by sea"]) == "token_f1"
    assert chosen("knowledge", ["42", "1,200.5"]) == "numeric"
    assert chosen("extraction", ["{}"]) == "json_fields"
    assert chosen("classification", ["1", "2"]) == "normalized_match"
    assert chosen("generation", ["Dear Sir, thank you for your letter"]) == "token_f1"
    assert chosen("generation", ["SELECT a FROM t", "select b\nfrom t where x = 1"]) == "sql"
    assert chosen("generation", ["Select a good wine", "select b from t"]) == "token_f1"
    assert "docs/judge.md" in choose_metric("generation", ["a"]).reason
    for kind in KINDS:
        assert choose_metric(kind, ["a b c"]).reason


def test_target_by_content_when_no_name_helps():
    guess = guess_columns(raw(note=[words(i) for i in range(60)], kontor=LABELS))
    assert (guess.target, guess.inputs) == ("kontor", ("note",))
    assert "is the only column that holds labels" in guess.reasons[0]
    assert guess.unsure == ("inputs",)


def test_ids_must_differ_and_groups_repeat():
    n = 60
    rows = raw(
        id=[str(i // 2) for i in range(n)],
        text=[words(i) for i in range(n)],
        label=LABELS,
        user=[str(i) for i in range(n)],
    )
    guess = guess_columns(rows)
    assert guess.id is None
    assert guess.group is None


def test_a_training_text_that_holds_the_answer_is_never_an_input():
    """Alpaca's `text` repeats instruction, input and output: it would hide these two, and show the answer."""
    asked, given = [f"What does {words(i)} cost?" for i in range(40)], [f"list {i} {words(i)}" for i in range(40)]
    answers = [f"{words(3 * i)} euros" for i in range(40)]
    whole = [
        f"### Instruction:\n{q}\n### Input:\n{c}\n### Response:\n{a}"
        for q, c, a in zip(asked, given, answers, strict=True)
    ]
    rows = raw(instruction=asked, input=given, output=answers, text=whole)
    assert guess_columns(rows).inputs == ("instruction", "input")
    bare = raw(question=asked, output=answers, formatted=whole)
    assert guess_columns(bare).inputs == ("question",)
    passage = [
        f"{t}. It was said to be {a} by all who were there at that time." for t, a in zip(asked, answers, strict=True)
    ]
    assert guess_columns(raw(title=asked, output=answers, context=passage)).inputs == (
        "context",
    )  # nothing but a passage
    before = raw(question=asked, output=answers, text=[f"{a} {q}" for q, a in zip(asked, answers, strict=True)])
    assert guess_columns(before).inputs == ("text",)  # a passage that holds the answer, and the question at its end


def test_a_table_without_a_header_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "t.csv"
    place.write_text("".join(f"{words(i)},{('refund', 'invoice')[i % 2]}\n" for i in range(40)))
    said = run("init", place, "--yes").stdout
    assert (
        "the first line was read as the names of the columns, and 'refund' is a value of its column, too"
        in " ".join(said.split())
    )
    place.write_text("text,team\n" + place.read_text())
    assert "the first line was read" not in " ".join(run("init", place, "--yes", "--force").stdout.split())


def test_an_input_inside_another_is_left_out():
    texts = [words(i) for i in range(30)]
    guess = guess_columns(raw(text=texts, input=[f"Asked: {t}" for t in texts], expected=["a", "b"] * 15))
    assert guess.inputs == ("input",)


# --- check


def test_check_prints_findings_and_exits_zero(tickets):
    run("init", tickets, "--yes", "--model", "m-1")
    result = run("check", "rung.yaml")
    assert result.return_value == 0
    assert "400 examples of classification: " in result.stdout
    assert "0 stop, " in result.stdout
    assert "training examples for" in result.stdout


def test_check_says_what_a_drafted_file_still_wants(tickets, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run("init", tickets, "--yes")
    result = run("check", "rung.yaml", "--json")
    stops = [f["message"] for f in json.loads(result.stdout)["findings"] if f["severity"] == "stop"]
    assert result.return_value == 1
    assert stops[0] == "models.main.name: is still a placeholder: put your own there (found 'your-model-name')."
    assert stops[1].startswith("models.main: the environment variable OPENAI_API_KEY is not set")
    assert len(stops) == 2


def test_check_exits_one_at_a_stop_and_gives_json(tickets):
    tickets.write_text(tickets.read_text().replace("shipping", "billing").replace("access", "billing"))
    run("init", tickets, "--yes", "--model", "m-1")
    result = run("check", "rung.yaml", "--json")
    told = json.loads(result.stdout)
    assert result.return_value == told["exit_code"] == 1
    assert told["stops"] == 1
    assert told["findings"][0]["severity"] == "stop"
    assert told["parts"]["train"] + told["parts"]["dev"] + told["parts"]["test"] == 400


def test_check_writes_nothing(tickets):
    run("init", tickets, "--yes")
    before = sorted(p.name for p in tickets.parent.iterdir())
    run("check", "rung.yaml")
    assert sorted(p.name for p in tickets.parent.iterdir()) == before
