"""Files of other tools, as the tools themselves wrote them (tests/fixtures/importers): rows, stored answers, verdicts, what is left."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from rung.cli._draft import model_named, render
from rung.cli.init import Wishes, propose
from rung.config import load_config
from rung.data.assertions import CHECKED
from rung.data.configured import read_rows
from rung.data.files import raw_rows
from rung.data.importers.base import Found
from rung.engine import fidelity
from rung.errors import DataError
from rung.metrics.assertions import CHECKS, Assertions, distance
from rung.types import Example, Failure
from tests.unit._kit import task

WRITTEN = Path(__file__).parent.parent / "fixtures" / "importers"


def read(path):
    """Return the rows' cells, what the file says besides, and what is told of the reading."""
    found, told = Found(), []
    rows = [row.cells for row in raw_rows(path, told.append, found)]
    return rows, found, told


def written(folder, value, name="d.jsonl"):
    lines = value if name.endswith("jsonl") else None
    text = "\n".join(map(json.dumps, lines)) if lines is not None else json.dumps(value)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def refused(path, words):
    with pytest.raises(DataError) as caught:
        list(raw_rows(path))
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert caught.value.exit_code == 2


def configured(folder, path, **task):
    """Return the configuration that `rung init` proposes for a file, as it is read back."""
    proposal = propose(Wishes(path, folder / "rung.yaml", **task))
    if proposal.prompt is not None:
        (folder / proposal.draft.prompt).write_text(proposal.prompt)
    (folder / "rung.yaml").write_text(render(proposal.draft))
    return load_config(folder / "rung.yaml"), proposal


# --- Inspect


@pytest.mark.parametrize("name", ["inspect.json", "inspect.eval"])
def test_an_inspect_log(tmp_path, name):
    if name.endswith("eval"):
        pytest.importorskip("pyarrow")  # inspect-ai packs by Zstandard
    rows, found, told = read(WRITTEN / name)
    assert [(r["id"], r["target"], r["answer:mockllm/model"]) for r in rows] == [
        ("s1", "green", "green"), ("s2", "red", "It is red."), ("s3", "blue", "grey"), ("s4", "yellow", "Yellow"),
    ]  # fmt: skip
    assert rows[3]["input"] == "Which colour has the gate of Südholm?"
    assert rows[0]["metadata.town"] == "Ostheim"
    [stored] = found.stored.values()
    assert [[r[stored.verdicts[s]] for r in rows] for s in ("includes", "exact")] == [[1, 1, 0, 1], [1, 0, 0, 1]]
    assert (found.inputs, found.target, found.id) == (["input"], "target", "id")
    assert not found.unmapped
    assert told[0].startswith("read as an Inspect log: ")


def test_what_init_makes_of_an_inspect_log(tmp_path):
    config, proposal = configured(tmp_path, WRITTEN / "inspect.json")
    assert config.task.instruction == "Name the colour in one word."
    assert (config.task.inputs, config.task.target, [m.name for m in config.task.metrics]) == (
        ("input",),
        "target",
        ["contains"],
    )
    assert config.models["v1"] == {
        "provider": "recorded", "name": "mockllm/model", "column": "answer:mockllm/model", "latency": "latency_s:mockllm/model",
    }  # fmt: skip
    assert config.planned[0] == "prompt@v1"
    assert any("never taken for the expected answer" in note for note in proposal.notes)
    loaded = read_rows(config)
    assert [e.target for e in loaded.whole.examples] == ["green", "red", "blue", "yellow"]
    by_scorer = {one.scorer: one for one in fidelity.compare(config, loaded)}
    assert by_scorer["includes"].differing == ()
    assert by_scorer["exact"].differing == (("s2", 0.0, 1.0),)  # `contains` finds red in "It is red."
    [same, other] = fidelity.findings(config, loaded, {"s1", "s2"})
    assert (same.severity, other.severity) == ("note", "warn")
    assert "otherwise than exact did for 1 of 4 (s2: 0 there, 1 here)" in other.message
    assert "s2" not in fidelity.findings(config, loaded, {"s1"})[1].message  # a test example is counted and not named


def test_epochs_failed_samples_and_odd_scores_are_told(tmp_path):
    log = json.loads((WRITTEN / "inspect.json").read_text())
    one, two, three, four = log["samples"]
    log["samples"] = [one, {**one, "epoch": 2}, {**two, "error": {"message": "x"}}, {**three, "scores": {"exact": {"value": 7}}},
                      {**four, "input": [{"role": "user", "content": [{"type": "image", "image": "x"}]}]}]  # fmt: skip
    rows, found, told = read(written(tmp_path, log, "d.json"))
    assert [r["id"] for r in rows] == ["s1", "s2", "s3"]
    assert rows[1]["answer:mockllm/model"] is None
    assert found.unmapped == {
        "further answers of one model to one example": 1,
        "samples whose run failed: they have no stored answer": 1,
        "scores of exact that are no number from 0 to 1": 1,
        "inputs with images or other parts that are no text": 1,
    }
    assert "not read, as rung has nothing that it could become" in told[-1]


def test_damaged_logs(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.eval").write_text("no zip")
    refused(tmp_path / "a.eval", "is no zip archive that can be opened")
    raw = (WRITTEN / "inspect.eval").read_bytes()
    (tmp_path / "b.eval").write_bytes(raw[:3000])
    refused(tmp_path / "b.eval", "is no zip archive that can be opened")
    at = raw.index(b"samples/s1_epoch_1.json") + 60
    (tmp_path / "c.eval").write_bytes(raw[:at] + b"\0" * 40 + raw[at + 40 :])
    refused(tmp_path / "c.eval", "the member 'samples/s1_epoch_1.json' cannot be unpacked")
    with zipfile.ZipFile(tmp_path / "d.eval", "w") as archive:
        archive.writestr("other.json", "{}")
    refused(tmp_path / "d.eval", "is an archive that no importer of rung knows")
    with zipfile.ZipFile(tmp_path / "e.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", '{"eval": {"model": "m"}, "status": "error"}')
    refused(tmp_path / "e.eval", "holds no samples (its status is 'error')")
    with zipfile.ZipFile(tmp_path / "f.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/x.json", "[" * 100_000)
    refused(tmp_path / "f.eval", "bad JSON")


@pytest.mark.slow
def test_an_archive_that_unpacks_endlessly_is_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        for n in range(17):
            archive.writestr(f"samples/{n}.json", b" " * (1 << 26))
    refused(tmp_path / "a.eval", "unpacks to more than 1,024 MiB")


def test_the_metric_is_the_one_that_agrees_with_the_verdicts(tmp_path):
    log = json.loads((WRITTEN / "inspect.json").read_text())
    for sample in log["samples"]:
        sample["scores"] = {"mine": sample["scores"]["includes"]}
    _, proposal = configured(tmp_path, written(tmp_path, log, "d.json"))
    assert (proposal.draft.metric, proposal.draft.metric_reason) == (
        "contains",
        "agrees with mine on 4 of 4 stored answers",
    )


# --- lm-evaluation-harness


def test_samples_of_lm_eval_with_two_filters():
    rows, found, _ = read(WRITTEN / "lamps_gen.jsonl")
    assert [(r["target"], r["answer:model (strict)"], r["answer:model (number)"]) for r in rows] == [
        ("12", "The answer is 12.", "12"), ("6", "6", "6"), ("10", "I count 7. The answer is 7.", "7"),
    ]  # fmt: skip
    assert rows[0]["prompt"] == "Q: How many legs have three stools of four legs?\nA:"
    by_filter = {s.name: [r[s.verdicts["exact_match"]] for r in rows] for s in found.stored.values()}
    assert by_filter == {"model (strict)": [0, 1, 0], "model (number)": [1, 1, 0]}
    assert (found.inputs, found.target, found.id, found.metric) == (["prompt"], "target", "doc_id", "exact_match")


def test_multiple_choice_of_lm_eval_is_told_by_its_texts(tmp_path):
    rows, _, _ = read(WRITTEN / "lamps_choice.jsonl")
    assert [(r["target"], r["answer:model"], r["verdict:model:acc"]) for r in rows] == [
        ("12", "12", 1), ("6", "6", 1), ("10", "25", 0),
    ]  # fmt: skip
    config, _ = configured(tmp_path, WRITTEN / "lamps_choice.jsonl")
    [same] = fidelity.compare(config, read_rows(config))
    assert (same.compared, same.differing) == (3, ())


def test_perplexities_of_lm_eval_are_no_answers(tmp_path):
    sample = {
        "doc_id": 0,
        "doc": {"t": "x"},
        "target": "x",
        "arguments": {"gen_args_0": {"arg_0": "x"}},
        "resps": [[["-1.5"]]],
    }
    rows, found, _ = read(
        written(tmp_path, [{**sample, "resps": [[-1.5]]}, {"doc_id": 1, "doc": {}, "arguments": {}, "resps": []}])
    )
    assert [r["prompt"] for r in rows] == ["x"]
    assert found.unmapped == {
        "samples whose responses are likelihoods of one text (perplexity): no answer": 1,
        "samples without the prompt that was sent": 1,
    }


# --- promptfoo


def test_promptfoos_own_verdicts_are_ours_row_by_row(tmp_path):
    """Thirteen kinds of assertion, right and wrong, also negated, as promptfoo 0.121 judged them."""
    rows, found, told = read(WRITTEN / "promptfoo_results.json")
    kinds = {a["type"].removeprefix("not-") for row in rows for a in row["__assert"]}
    assert kinds == CHECKED == set(CHECKS)
    assert (len(rows), found.target, found.prompt) == (40, "__assert", "Say what {{thing}} is like.")
    assert "assertions of the type latency (1)" in told[-1]
    config, _ = configured(tmp_path, WRITTEN / "promptfoo_results.json")
    assert (config.task.inputs, config.planned) == (("thing",), ("prompt@v1", "prompt"))
    assert (tmp_path / config.task.prompt).read_text() == "Say what {{thing}} is like."
    [same] = fidelity.compare(config, read_rows(config))
    assert (same.compared, same.differing) == (38, ())  # two answers are empty, which a store cannot tell from none
    verdicts = [row["verdict:stub-model:promptfoo"] for row in rows]
    assert (verdicts.count(1), verdicts.count(0)) == (24, 16)


def test_the_suite_itself_makes_the_same_examples_as_its_results():
    pick = ("thing", "__assert")
    suite, found, _ = read(WRITTEN / "promptfoo_suite.yaml")
    results, _, _ = read(WRITTEN / "promptfoo_results.json")
    assert [[r[c] for c in pick] for r in suite] == [[r[c] for c in pick] for r in results]
    assert (found.prompt, found.model) == ("Say what {{thing}} is like.", "file://promptfoo_stub.cjs")


@pytest.mark.parametrize(("ids", "names_rows"), [(["7", "8", "7"], False), (["7", "8", "9"], True)])
def test_a_variable_called_id_names_rows_only_where_it_differs(tmp_path, ids, names_rows):
    tests = [
        {"vars": {"id": one, "q": f"Where is parcel {n}?"}, "assert": [{"type": "equals", "value": f"box {n}"}]}
        for n, one in enumerate(ids)
    ]
    path = written(tmp_path, {"prompts": ["Say it: {{q}}"], "tests": tests}, "p.json")
    config, proposal = configured(tmp_path, path)
    assert (config.data.id, config.task.inputs) == ("id" if names_rows else None, ("q",))
    found = read_rows(config).whole.examples
    assert ([e.id for e in found] == ids) is names_rows
    assert len({e.id for e in found}) == 3
    assert (
        any(note.startswith("left out, the model does not see them: 'id'") for note in proposal.notes) is not names_rows
    )


def test_a_prompt_that_only_promptfoo_can_fill_is_told_and_not_taken(tmp_path):
    asked = "tests: [{vars: {q: x}, assert: [{type: equals, value: y}]}]\nprompts:\n"
    (tmp_path / "p.yaml").write_text(
        asked + "  - 'Say {{ q | upper }}'\n  - '{% if q %}Say{% endif %} {{q}}'\n  - 'Say {{ q }}.'\n"
    )
    found = Found()
    list(raw_rows(tmp_path / "p.yaml", None, found))
    assert found.prompt == "Say {{ q }}."
    assert found.unmapped["prompts with filters or tags of the template language"] == 2


def test_verdicts_that_rest_on_other_assertions_and_failed_providers_are_told(tmp_path):
    whole = json.loads((WRITTEN / "promptfoo_results.json").read_text())
    one, two = whole["results"]["results"][:2]
    rubric = {"pass": False, "score": 0, "assertion": {"type": "llm-rubric", "value": "good"}}
    one["gradingResult"]["componentResults"].append(rubric)
    one["success"] = False
    two["failureReason"] = 2
    other = {**one, "promptIdx": 1, "provider": {"id": "other"}}
    whole["results"]["results"] = [one, two, other]
    rows, found, _ = read(written(tmp_path, whole, "d.json"))
    assert list(found.stored) == ["stub-model (prompt 0)", "other (prompt 1)"]
    assert [r["verdict:other (prompt 1):promptfoo"] for r in rows] == [1, None]
    assert found.unmapped["verdicts that rest on assertions which rung cannot check"] == 2
    assert found.unmapped["results without an output: their provider failed"] == 1


@pytest.mark.parametrize(
    ("written_as", "provider", "name"),
    [
        ("openai:gpt-x", "openai", "gpt-x"),
        ("openai:chat:gpt-x", "openai", "gpt-x"),
        ("openai/gpt-x", "openai", "gpt-x"),
        ("anthropic:messages:claude-x", "anthropic", "claude-x"),
        ("google/gem-x", "gemini", "gem-x"),
        ("ollama:chat:small:3b", "ollama", "small:3b"),
        ("openrouter/some/model", "openrouter", "some/model"),
    ],
)
def test_the_model_that_a_tool_asked(written_as, provider, name):
    found = model_named(written_as)
    assert found is not None
    assert (found.provider, found.name) == (provider, name)


@pytest.mark.parametrize("written_as", ["file://stub.js", "mockllm/model", "echo", "", "openai:", "openai:chat:"])
def test_models_that_rung_cannot_ask(written_as):
    assert model_named(written_as) is None


def test_an_assertion_that_nothing_can_map_is_one_sentence(tmp_path):
    tests = {"tests": [{"vars": {"q": "a"}, "assert": [{"type": "javascript", "value": "true"}]}]}
    refused(written(tmp_path, tests, "d.json"), "1 of 1 tests have no assertion that rung can check")


@pytest.mark.parametrize(
    ("asserted", "words"),
    [
        ([{"type": "regex", "value": "("}], "is no regular expression"),
        ([{"type": "is-odd"}], "the type 'is-odd' is none of equals"),
        ([{"type": "is-json", "value": {"type": "nonsense"}}], "its JSON schema"),
        ([{"type": "word-count", "value": "many"}], "invalid literal"),
        ([{"type": "levenshtein", "value": "y" * 20_000, "threshold": 1e9}], "takes too long"),
        ([], "no list of {type, value}"),
        ({"type": "equals"}, "no list of {type, value}"),
    ],
)
def test_assertions_that_cannot_be_checked_are_failures_of_the_metric(asserted, words):
    said = Assertions().score('"' + "x" * 20_000 + '"', Example("e", {}, json.dumps(asserted), "e"), task())
    assert isinstance(said, Failure)
    assert said.cause == "metric"
    assert words in said.message


@pytest.mark.parametrize(
    ("one", "two"), [("", ""), ("kitten", "sitting"), ("abc", ""), ("flaw", "lawn"), ("a" * 9, "b" * 7)]
)
def test_distances_are_those_of_the_whole_table(one, two):
    table = [[0] * (len(two) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) + 1):
        for j in range(len(two) + 1):
            table[i][j] = max(i, j) if not i or not j else min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (one[i - 1] != two[j - 1])
            )  # fmt: skip
    full = table[-1][-1]
    for most in range(12):
        assert distance(one, two, most) == min(full, most + 1)
