"""Files as other tools write them: chats, promptfoo's YAML and assertions, label names, escapes of workbooks; and traps."""

from __future__ import annotations

import json
import re
import zipfile

import pytest

from rung import foreign
from rung.cli.init import Wishes, propose
from rung.data.files import raw_rows
from rung.data.importers import promptfoo
from rung.data.load import load
from rung.errors import DataError


def rows(folder, content, name):
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return list(raw_rows(folder / name))


def cells(folder, content, name="d.jsonl"):
    [row] = rows(folder, content, name)
    return row.cells


ASKED = [{"role": "system", "content": "Route."}, {"role": "user", "content": "My card"}]
TOLD = [{"role": "assistant", "content": "card"}]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"messages": ASKED + TOLD}, {"system": "Route.", "input": "My card", "output": "card"}),
        ({"prompt": ASKED, "completion": TOLD}, {"system": "Route.", "prompt": "My card", "completion": "card"}),
        ({"prompt": ASKED, "completion": "card"}, {"system": "Route.", "prompt": "My card", "completion": "card"}),
        ({"prompt": "My card", "completion": TOLD}, {"prompt": "My card", "completion": "card"}),
        (
            {"prompt": ASKED, "chosen": TOLD, "rejected": [{"role": "assistant", "content": "bill"}]},
            {"system": "Route.", "prompt": "My card", "chosen": "card", "rejected": "bill"},
        ),
        (
            {"chosen": ASKED + TOLD, "rejected": [*ASKED, {"role": "assistant", "content": "bill"}]},
            {"system": "Route.", "input": "My card", "chosen": "card", "rejected": "bill"},
        ),
        (
            {"conversations": [{"from": "system", "value": "Route."}, {"from": "human", "value": "My card"}, {"from": "gpt", "value": "card"}]},
            {"system": "Route.", "input": "My card", "output": "card"},
        ),
        (
            {"contents": [{"role": "user", "parts": [{"text": "My card"}]}, {"role": "model", "parts": [{"text": "card"}]}]},
            {"system": "", "input": "My card", "output": "card"},
        ),
        (
            {"messages": [*ASKED, {"role": "assistant", "content": "Which?"}, {"role": "user", "content": "Visa"}, *TOLD]},
            {"system": "Route.", "input": "User: My card\n\nAssistant: Which?\n\nUser: Visa", "output": "card"},
        ),
        ({"messages": json.dumps(ASKED + TOLD)}, {"system": "Route.", "input": "My card", "output": "card"}),
        (
            {"messages": [*ASKED, {"role": "assistant", "content": None, "function_call": {"name": "f"}}]},
            {"system": "Route.", "input": "My card", "output": '{"name":"f"}'},
        ),
        ({"text": "[1, 2]", "label": "a"}, {"text": "[1, 2]", "label": "a"}),
        ({"text": "x", "label": [{"role": "PER", "text": "Ada"}]}, {"text": "x", "label": [{"role": "PER", "text": "Ada"}]}),
    ],
)  # fmt: skip
def test_chats_are_read_in_every_usual_form(tmp_path, row, found):
    assert cells(tmp_path, row) == found


def test_chats_stand_in_cells_of_csv_files_too(tmp_path):
    chat = json.dumps(ASKED + TOLD).replace('"', '""')
    assert cells(tmp_path, f'messages,id\n"{chat}",7\n', "d.csv") == {
        "system": "Route.", "input": "My card", "output": "card", "id": "7",
    }  # fmt: skip


EMPTY, NONE = (
    "the conversation is empty; give it its turns",
    "is no conversation, which is a list of turns with a role and a text",
)


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("conversations", [], EMPTY),
        ("conversations", None, EMPTY),
        ("messages", " [] ", EMPTY),
        ("conversations", [{"from": "human"}], NONE),
        ("messages", [{"user": "My card", "assistant": "card"}], NONE),
        ("chat", '[{"role": "user"', NONE),
    ],
)
def test_a_conversation_that_cannot_be_read_is_named(tmp_path, place, column, value, words):
    held = [
        {"conversations": [{"from": "human", "value": f"My card {n}"}, {"from": "gpt", "value": "card"}]}
        for n in range(3)
    ]
    held[place] = {column: value}
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, held)))
    with pytest.raises(DataError, match=re.escape(f"d.jsonl, line {place + 1}, column '{column}': {words}")):
        load(tmp_path / "d.jsonl", inputs=["input"], target="output")


def test_a_column_called_like_a_chat_is_any_column(tmp_path):
    (tmp_path / "d.jsonl").write_text(json.dumps({"chat": None, "text": "a", "label": "b"}))
    assert len(load(tmp_path / "d.jsonl", inputs=["text"], target="label")) == 1
    with pytest.raises(DataError, match="there is no column 'texts'; did you mean 'text'"):
        load(tmp_path / "d.jsonl", inputs=["texts"], target="label")


def test_a_conversation_without_an_answer_is_set_aside_and_told(tmp_path):
    (tmp_path / "d.jsonl").write_text(f"{json.dumps({'messages': ASKED + TOLD})}\n{json.dumps({'messages': ASKED})}")
    told = []
    held = load(tmp_path / "d.jsonl", inputs=["input"], target="output", on_note=told.append)
    assert [e.target for e in held.examples] == ["card"]
    assert told[0].startswith("1 example has no expected output in 'output' (line 2) and is set aside")


def test_init_tells_chats_without_answers_from_those_that_are_none(tmp_path):
    def proposed(*rows):
        (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
        return propose(Wishes(tmp_path / "d.jsonl", tmp_path / "rung.yaml"))

    told = {"role": "system", "content": "Route it to a team."}
    asked = proposed(*({"messages": [told, {"role": "user", "content": f"ticket {n}"}]} for n in range(9)))
    assert (asked.draft.inputs, asked.draft.target, asked.draft.metric) == (("input",), "", "judge")
    assert asked.draft.instruction == told["content"]
    assert not any(note.startswith("left out") for note in asked.notes)
    chats = [{"conversations": [*ASKED[1:], *TOLD]} for _ in range(9)]
    some = proposed(*chats, {"conversations": []}, {"conversations": ASKED[1:]}, {"messages": None})
    assert (some.draft.inputs, some.draft.kind_reason) == (
        ("input",),
        "the expected outputs are 1 short labels over 9 examples",
    )
    assert "2 of 12 conversations cannot be read (line 10, 12)" in " ".join(some.notes)
    with pytest.raises(DataError, match=re.escape(f"line 1, column 'conversations': {NONE}")):
        proposed(*({"conversations": [{"user": "My card", "assistant": "card"}]} for _ in range(9)))


YAML = """
tests:
  - vars: {a: NO, b: yes, c: off, d: 12:30, e: 010, f: 1.10, g: 1_000, h: 2024-01-02, i: 0x1F, j: 1e3, k: "=", l: y, m: .inf}
    assert: [{type: equals, value: no}]
  - vars: {a: true, b: 12, c: -3, d: 2.5, e: ~, f: null, g: "12"}
    assert: [{type: equals, value: 7}]
"""


def test_values_of_promptfoo_are_what_stands_there(tmp_path):
    one, two = (row.cells for row in rows(tmp_path, YAML, "p.yaml"))
    assert list(one.values()) == [
        *("NO", "yes", "off", "12:30", "010", "1.10", "1_000", "2024-01-02", "0x1F", "1e3", "=", "y", ".inf"), "no",
    ]  # fmt: skip
    assert list(two.values()) == [True, 12, -3, 2.5, None, None, "12", 7]


@pytest.mark.slow
def test_anchors_are_read_and_bombs_are_not(tmp_path, monkeypatch):
    shared = "shared: &s {lang: en}\ntests:\n  - {vars: {<<: *s, q: x}, assert: [{type: equals, value: y}]}\n"
    assert rows(tmp_path, shared, "p.yaml")[0].cells == {"lang": "en", "q": "x", "expected": "y"}
    levels = [
        "a: &a0 [x, x, x, x, x, x, x, x, x]",
        *(f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)),
    ]
    for bomb, words in (
        ("\n".join(levels), "its anchors unfold to more than 1,000,000 values"),
        ("tests: &t [*t]", "its anchors unfold to more than"),
        ("tests: " + "[" * 2_000, "it is nested too deeply"),
    ):
        with pytest.raises(DataError, match=re.escape(words)):
            rows(tmp_path, bomb, "p.yaml")
    many = {f"v{n}": ["a"] * 10 for n in range(9)}
    with pytest.raises(DataError, match="its variables make more than 100,000 rows"):
        rows(tmp_path, {"tests": [{"vars": many, "assert": [{"type": "equals", "value": "x"}]}]}, "p.json")
    monkeypatch.setattr(promptfoo, "MOST_ROWS", 3)
    two = {"vars": {"q": ["a", "b"]}, "assert": [{"type": "equals", "value": "x"}]}
    with pytest.raises(DataError, match="makes more than 3 rows"):
        rows(tmp_path, {"tests": [two, two]}, "p.json")
    monkeypatch.setattr(foreign, "MOST_VALUES", 5)
    with pytest.raises(DataError, match="more than 5 values"):
        rows(tmp_path, YAML, "p.yaml")


@pytest.mark.parametrize(
    "said",
    [
        *("llm-rubric: polite", "not-similar(0.8): x", "g-eval: good", "contains-html", "javascript: output.length"),
        *(
            "is-anything-new: x",
            "model-graded-later: x",
            "perplexity(5):x",
            "select-best: x",
            "trajectory:tool-used: x",
        ),
    ],
)
def test_what_only_looks_at_an_answer_is_none(tmp_path, said):
    with pytest.raises(DataError, match="1 of 1 tests have no assertion that rung can check, nor one whose value is"):
        rows(tmp_path, f'q,__expected\none,"{said}"\n', "d.csv")


def test_tests_without_an_expected_output_are_set_aside_and_told(tmp_path):
    tests = [
        {"vars": {"q": "a"}, "assert": [{"type": "equals", "value": "x"}]},
        {"vars": {"q": "b"}, "assert": [{"type": "llm-rubric", "value": "good"}]},
    ]
    (tmp_path / "p.json").write_text(json.dumps({"tests": tests}))
    told: list[str] = []
    assert [r.cells["expected"] for r in raw_rows(tmp_path / "p.json", told.append)] == ["x", None]
    assert "1 of 2 tests have no assertion that rung can check, nor one whose value is an expected output" in told[1]


# --- parquet and workbooks


def hf(folder, features, **columns):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    made = pyarrow.table(columns)
    about = {
        b"huggingface": json.dumps({"info": {"features": features}}).encode()
        if isinstance(features, dict)
        else features
    }
    parquet.write_table(made.replace_schema_metadata(about), folder / "d.parquet")
    return [row.cells for row in raw_rows(folder / "d.parquet")]


NAMES = {"_type": "ClassLabel", "names": ["bad", "good"]}


def test_names_of_labels_are_read_from_the_file(tmp_path):
    assert hf(tmp_path, {"label": NAMES}, label=[0, 1, None, -1, 7]) == [
        {"label": label} for label in ("bad", "good", None, None, 7)
    ]
    assert hf(tmp_path, {"tags": {"feature": NAMES, "_type": "Sequence"}}, tags=[[1, 0]]) == [{"tags": ["good", "bad"]}]
    assert hf(tmp_path, {"tags": [NAMES]}, tags=[[1]]) == [{"tags": ["good"]}]
    assert hf(tmp_path, {"a": {"b": NAMES}}, a=[{"b": 1, "c": 1}]) == [{"a": {"b": "good", "c": 1}}]
    for odd in ({"label": {"_type": "ClassLabel", "names": 3}}, {"label": 5}, b"no json", b"[]", b'{"info": 1}'):
        assert hf(tmp_path, odd, label=[1]) == [{"label": 1}]


def workbook(folder, *texts):
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    for text in texts:
        made.active.append([text, "x"])
    made.save(folder / "d.xlsx")
    return folder / "d.xlsx"


def changed(path, part, change):
    with zipfile.ZipFile(path) as old:
        content = {item.filename: old.read(item.filename) for item in old.infolist()}
    content[part] = change(content[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in content.items():
            new.writestr(name, data)
    return path


def test_escapes_of_a_workbook_are_the_characters_they_stand_for(tmp_path):
    texts = [
        "q_x0020_1",
        "one_x000D_\ntwo",
        "a_x0009_b",
        "_x005F_x000D_",
        "_xD83D__xDE00_",
        "_x12_ and _xyz_",
        "a_x000d_b",
    ]
    found = [next(iter(row.cells.values())) for row in raw_rows(workbook(tmp_path, *texts))]
    assert next(iter(next(raw_rows(tmp_path / "d.xlsx")).cells)) == "q 1"
    assert found == ["one\ntwo", "a\tb", "_x000D_", "\U0001f600", "_x12_ and _xyz_", "a\nb"]


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda xml: xml[: len(xml) // 2], "is no readable workbook ("),
        (lambda xml: b"<worksheet><sheetData><row></worksheet>", "is no readable workbook ("),
        (
            lambda xml: xml.replace(b"</sheetData>", b"</sheetData><mergeCells><mergeCell ref='A1:XFD1048576'/></mergeCells>"),
            "merges 17,179,869,184 cells",
        ),
        pytest.param(lambda xml: xml.replace(b'<row r="2"', b'<row r="99999999999"'), "has more than 1,048,576 rows",
                     marks=pytest.mark.slow),
        (lambda xml: b"", "is no readable workbook ("),
    ],
    ids=["cut", "malformed", "merged", "far", "empty"],
)  # fmt: skip
def test_a_workbook_that_is_no_workbook_is_one_sentence(tmp_path, change, words):
    path = changed(workbook(tmp_path, "q", "one", "two"), SHEET, change)
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        list(raw_rows(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = workbook(tmp_path, "q", "one", "two")
    from rung.data import _xlsx

    monkeypatch.setattr(_xlsx, "MOST_CELLS", 4)
    with pytest.raises(DataError, match="has more than 4 cells"):
        list(raw_rows(path))
    monkeypatch.setattr(_xlsx, "MOST_UNPACKED", 1_000)
    with pytest.raises(DataError, match="unpacks to 0 MiB, and at most 0 are read; take some thousand rows out"):
        list(raw_rows(path))
