"""Every string in every place that a writer of ours fills: rung.yaml, cells for spreadsheets, labels, data versions, names."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rung.cli._draft import Draft, ModelDraft, as_yaml, render
from rung.cli._label_sheet import KEY, SAID, read_sheet, write_sheet
from rung.cli._screen import json_text
from rung.config import load_config, parse_config
from rung.data.version import VERSION, _record
from rung.errors import ConfigError, IntegrityError
from rung.invisible import escaped
from rung.report.escape import cell
from rung.store.run import RunFolder
from rung.tuning.vendors import readme
from rung.types import is_file_name
from tests.hostile import _checks as held
from tests.hostile.strings import ALL, IDEAS, SHORT
from tests.tiers import NIGHTLY
from tests.unit._run_folder import LADDER, build

MODEL = ModelDraft(name="m", base_url="http://localhost:8000/v1", api_key_env="KEY")
DRAFT = Draft(
    "task", "generation", "as you said", "Answer.", True, None, ("text",), "answer", "token_f1", False, "words", 0.9, True,
    "rows.jsonl", None, None, None, MODEL,
)  # fmt: skip
PLACES = {  # of a draft: how a text is put there, and where it stands in the file
    "instruction": (lambda t: replace(DRAFT, instruction=t), lambda raw: raw["task"]["instruction"]),
    "prompt": (lambda t: replace(DRAFT, prompt=t), lambda raw: raw["task"]["prompt"]),
    "an input": (lambda t: replace(DRAFT, inputs=(t, "b")), lambda raw: raw["task"]["inputs"][0]),
    "the last input": (lambda t: replace(DRAFT, inputs=("b", t)), lambda raw: raw["task"]["inputs"][1]),
    "target": (lambda t: replace(DRAFT, target=t), lambda raw: raw["task"]["target"]),
    "name": (lambda t: replace(DRAFT, name=t), lambda raw: raw["task"]["name"]),
    "data": (lambda t: replace(DRAFT, data=t), lambda raw: raw["data"]["path"]),
    "train": (lambda t: replace(DRAFT, data=t, test="b"), lambda raw: raw["data"]["train"]),
    "test": (lambda t: replace(DRAFT, test=t), lambda raw: raw["data"]["test"]),
    "id": (lambda t: replace(DRAFT, id=t), lambda raw: raw["data"]["id"]),
    "group_by": (lambda t: replace(DRAFT, group=t), lambda raw: raw["data"]["group_by"]),
    "model": (lambda t: replace(DRAFT, model=replace(MODEL, name=t)), lambda raw: raw["models"]["main"]["name"]),
    "address": (lambda t: replace(DRAFT, model=replace(MODEL, base_url=t)), lambda raw: raw["models"]["main"]["base_url"]),
    "key": (lambda t: replace(DRAFT, model=replace(MODEL, api_key_env=t)), lambda raw: raw["models"]["main"]["api_key_env"]),
    "provider": (lambda t: replace(DRAFT, model=ModelDraft(t, "m")), lambda raw: raw["models"]["main"]["provider"]),
}  # fmt: skip
TEXTS = tuple(text for text in ALL if 0 < len(text) < 2_000)


@pytest.mark.slow
def test_what_init_writes_is_read_back_equal():
    """Every text in all places at once; `make nightly` puts each into each place alone, too."""
    for text in TEXTS:
        model = ModelDraft("openai", text, text, text)
        full = replace(
            DRAFT, name=text, instruction=text, prompt=text, inputs=(text, f"{text} b"), target=text, data=text, id=text, group=text, model=model
        )  # fmt: skip
        for draft in (full, replace(full, test=text)):
            written = render(draft)
            raw = yaml.safe_load(written)
            given = raw["data"]["path"] if draft.test is None else (raw["data"]["train"], raw["data"]["test"])
            assert given == (text if draft.test is None else (text, text))
            found = {
                place: get(raw)
                for place, (_, get) in PLACES.items()
                if place not in ("data", "train", "test", "provider")
            }
            assert found == {**dict.fromkeys(found, text), "the last input": f"{text} b"}, repr(text)
            assert sorted(raw) == ["data", "ladder", "models", "split", "task", "version"]
            assert held.obeyed(written, ours=False) <= {hex(ord(c)) for c in text if c > "\uffff"}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_what_init_writes_in_one_place_is_read_back_equal(place):
    put, found = PLACES[place]
    for text in TEXTS if NIGHTLY else TEXTS[::25]:
        assert found(yaml.safe_load(render(put(text)))) == text, repr(text)


@given(st.text(max_size=30))
def test_any_text_is_read_back_from_yaml_and_from_json(text):
    written = as_yaml(text)
    assert yaml.safe_load(f"a: {written}\nb: [{written}, {{c: {written}}}]") == {"a": text, "b": [text, {"c": text}]}
    assert json.loads(escaped(json.dumps({text: [text]}, ensure_ascii=False))) == {text: [text]}
    assert json.loads(json_text({text: text})) == {text: text}


@pytest.mark.parametrize("idea", IDEAS)
def test_a_cell_is_no_formula_and_reads_as_the_text(idea):
    for text in IDEAS[idea]:
        page = io.StringIO()
        csv.writer(page, lineterminator="\r\n").writerow(["first", cell(text), "last"])
        assert held.formulas(page.getvalue()) == [], repr(text)
        [row] = csv.reader(io.StringIO(page.getvalue(), newline=""), strict=True)
        assert held.read_back(row[1], text)
        assert cell(cell(text)).count("'") <= cell(text).count("'") + 1


@pytest.mark.parametrize(
    "text", ["yes, -5 degrees", "a = b", "x - y", "mail a@b.example", "1 + 1", "plain; then", "3.5", ""]
)
def test_a_text_that_is_no_formula_stays_as_it_is(text):
    assert cell(text) == text


@pytest.mark.parametrize("pairs", [False, True])
def test_labels_are_read_back_from_a_sheet_of_hostile_answers(tmp_path, pairs):
    items = tuple(
        SimpleNamespace(answer_id=f"{i:04d}", example_id=text, inputs={text: text}, answer=text, other=text) for i, text in enumerate(SHORT[:200])
    )  # fmt: skip
    question = SimpleNamespace(choices={"no": 0.0, "yes": 1.0}, compares=True, pairs=pairs)
    session = SimpleNamespace(
        items=items, question=question, values={item.answer_id: float(i % 2) for i, item in enumerate(items)}
    )
    write_sheet(tmp_path / "labels.csv", session)
    text = (tmp_path / "labels.csv").read_bytes().decode("utf-8-sig")
    assert held.formulas(text) == []
    [header, *lines] = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header[0] == KEY
    assert header[-1] == SAID
    assert all(held.read_back(line[-3], item.answer) for line, item in zip(lines, items, strict=True))
    assert read_sheet(tmp_path / "labels.csv", session) == session.values


def config(**changes):
    task = {
        "name": "t",
        "instruction": "x",
        "inputs": ["text"],
        "target": "team",
        "goal": 0.5,
        **changes.pop("task", {}),
    }
    raw = {
        "task": task,
        "data": {"path": "rows.jsonl"},
        "models": {"main": {"provider": "fake", "answers": {}}},
        "ladder": ["prompt"],
    }
    return {**raw, **changes}  # fmt: skip


NAMES = {
    "task": lambda t: config(task={"name": t}),
    "metric": lambda t: config(task={"metrics": [{"token_f1": {"name": t}}]}),
    "approach": lambda t: config(ladder=[{"prompt": {"name": t}}]),
    "role": lambda t: config(models={t: {"provider": "fake", "answers": {}}}, ladder=[{"prompt": {"model": t}}]),
    "plug-in": lambda t: config(ladder=[t]),
    "data": lambda t: config(data={"path": t}),
    "documents": lambda t: config(documents={"path": t}),
    "prompt": lambda t: config(task={"prompt": t}),
    "store": lambda t: config(documents={"path": ".", "store": t}),
    "group": lambda t: config(data={"path": "rows.jsonl", "group_by": t, "id": t}),
    "target": lambda t: config(task={"target": t, "inputs": [f"{t} in"]}),
    "setting": lambda t: config(ladder=[{"prompt": {t: t}}]),
    "key": lambda t: config(**{t: t}) if t not in ("task", "data", "models", "ladder") else config(),
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_that_no_folder_can_have_is_refused_in_a_sentence(kind, tmp_path):
    taken = 0
    for text in SHORT:
        try:
            (tmp_path / "rows.jsonl").touch()
            found = parse_config(NAMES[kind](text), tmp_path)
        except ConfigError:
            continue
        taken += 1
        assert all(map(is_file_name, found.planned))
        assert is_file_name(found.task.name)
    assert taken < len(SHORT) or kind in ("group", "target")


def test_the_steps_for_those_who_tune_elsewhere_name_any_role(tmp_path):
    (tmp_path / "rows.jsonl").touch()
    plain = readme("tuned", {})
    taken = 0
    for role in SHORT:
        try:
            parse_config(NAMES["role"](role), tmp_path)
        except ConfigError:
            continue
        taken += 1
        told = readme(role, {})
        assert held.obeyed(told, ours=False) == set()
        assert held.markdown_blocks(told) == held.markdown_blocks(plain), repr(role)
        kinds = [{found.split()[0] for found in held.markdown_foreign(text)} for text in (told, plain)]
        assert kinds[0] == kinds[1]
        [line] = [line for line in told.split("\n") if line.endswith("{provider: ..., name: ...}")]
        assert yaml.safe_load(line) == {role: {"provider": "...", "name": "..."}}
    assert taken > 200


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/tty", "/dev/stdin", "fifo", ".", "/proc/self/mem"])
@pytest.mark.parametrize("kind", ["prompt", "rung.yaml"])
def test_what_is_no_plain_file_is_not_read_as_a_prompt_or_a_configuration(kind, path, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "rows.jsonl").touch()
    read = {
        "prompt": lambda: parse_config(config(task={"prompt": path}), tmp_path),
        "rung.yaml": lambda: load_config(tmp_path / path),
    }
    with pytest.raises(ConfigError, match="cannot be read"):
        read[kind]()


@pytest.mark.parametrize("label", ["../../elsewhere", "a/b", "..", "x" * 300, "a\x1b[2J", "", "a\x00b", "a\\b"])
def test_a_run_folder_whose_labels_lead_out_of_it_is_damaged(tmp_path, label):
    run = build(tmp_path / "run", LADDER[:1], sizes=(8, 6, 8))
    head = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps({**head, "planned": [label]}))
    with pytest.raises(IntegrityError, match="is no label that a folder can have"):
        _ = RunFolder.open(run.path).measured


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "{}",
        '{"key": 1, "files": {}, "accepted": []}',
        '{"key": "a", "files": {"../x": "b"}, "accepted": []}',
        "[" * 100_000,
    ],
)
def test_a_version_file_of_another_program_is_none_of_ours(tmp_path, text):
    (tmp_path / VERSION).write_text(text)
    assert _record(tmp_path / VERSION) is None
