"""Files that are more than lines of text: parquet, workbooks, folders of texts, chats, promptfoo tests."""

from __future__ import annotations

import datetime
import json
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from rung.cli.init import Wishes, propose
from rung.config import load_config
from rung.data.configured import read_rows
from rung.data.files import raw_rows
from rung.data.load import load
from rung.errors import ConfigError, DataError, MissingExtra

openpyxl = pytest.importorskip("openpyxl", reason="needs the extra 'files'")
pyarrow = pytest.importorskip("pyarrow", reason="needs the extra 'files'")
parquet = pytest.importorskip("pyarrow.parquet")


def cells(path, **kw):
    return [row.cells for row in raw_rows(path, **kw)]


def book(folder, *rows, name="d.xlsx", sheets=(), merge=()):
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    for area in merge:
        made.active.merge_cells(area)
    for title, more in sheets:
        sheet = made.create_sheet(title)
        for row in more:
            sheet.append(row)
    made.save(folder / name)
    return folder / name


def refused(path, message):
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        cells(path)
    assert Path(str(path)).name.split("#")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


# --- parquet


def table(folder, **columns):
    parquet.write_table(pyarrow.table(columns), folder / "d.parquet")
    return folder / "d.parquet"


@pytest.mark.slow
def test_parquet_rows_keep_their_values_and_nested_columns(tmp_path):
    path = table(
        tmp_path,
        q=["one", "two", None],
        n=[1, None, 3],
        f=[0.5, float("nan"), 2.0],
        answers=[{"text": ["a"], "start": [3]}, {"text": [], "start": []}, None],
        at=[datetime.datetime(2026, 1, 2, 3, 4), None, None],
        price=[Decimal("1.50"), None, None],
        raw=[b"abc", None, None],
    )
    first, second, third = cells(path)
    assert first == {
        "q": "one",
        "n": 1,
        "f": 0.5,
        "answers": {"text": ["a"], "start": [3]},
        "at": "2026-01-02T03:04:00",
        "price": "1.50",
        "raw": "abc",
    }
    assert (second["n"], second["f"], third["q"], third["answers"]) == (None, None, None, None)
    assert [r.line for r in raw_rows(path)] == [1, 2, 3]


def test_a_field_inside_a_column_is_named_with_a_dot(tmp_path):
    path = table(tmp_path, q=["one", "two"], answers=[{"text": "a", "more": {"n": 1}}, {"text": "b", "more": {"n": 2}}])
    found = load(path, inputs=["q"], target="answers.text", group_by="answers.more.n")
    assert [(e.target, e.group) for e in found.examples] == [("a", "1"), ("b", "2")]
    with pytest.raises(DataError, match=re.escape("there is no column 'answers.txt'")):
        load(path, inputs=["q"], target="answers.txt")
    whole = load(path, inputs=["q"], target="answers")
    assert whole.examples[0].target == '{"text":"a","more":{"n":1}}'


def test_a_dotted_column_that_is_there_is_itself(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"q": "one", "a.b": "x", "a": {"b": "y"}}\n')
    assert load(tmp_path / "d.jsonl", inputs=["q"], target="a.b").examples[0].target == "x"


def test_large_parquet_is_read_in_batches(tmp_path):
    path = table(tmp_path, q=[f"row {i}" for i in range(2_500)], a=["x"] * 2_500)
    found = load(path, inputs=["q"], target="a").examples
    assert (len(found), found[-1].inputs["q"]) == (2_500, "row 2499")


def test_bad_parquet(tmp_path):
    path = tmp_path / "d.parquet"
    path.write_bytes(b"PAR1 nothing")
    refused(path, "is no readable parquet file")
    refused(table(tmp_path, q=["a"], raw=[b"\xff\xd8"]), "line 1, column 'raw': holds bytes")
    refused(table(tmp_path, q=["a"], f=[float("inf")]), "line 1, column 'f': holds an infinite number")
    doubled = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["q", "q"])
    parquet.write_table(doubled, path)
    refused(path, "names 'q' twice")
    refused(tmp_path / "none.parquet", "there is no such file")
    (tmp_path / "e.parquet.gz").write_bytes(b"x")
    refused(tmp_path / "e.parquet.gz", "is a .parquet file packed again")


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.delitem(__import__("sys").modules, "rung.data._parquet", raising=False)
    path = tmp_path / "d.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match=re.escape("pip install 'rung[files]'")):
        cells(path)


# --- workbooks


def test_a_plain_workbook(tmp_path):
    day, moment = datetime.datetime(2026, 3, 1), datetime.datetime(2026, 3, 1, 9, 30)
    path = book(tmp_path, ["q", "n", "day", "at"], ["one", 1.0, day, moment], [None] * 4, ["two", 2.5, None, None])
    assert cells(path) == [
        {"q": "one", "n": 1, "day": "2026-03-01", "at": "2026-03-01T09:30:00"},
        {"q": "two", "n": 2.5, "day": None, "at": None},
    ]
    assert [r.line for r in raw_rows(path)] == [2, 4]


def test_several_sheets_are_told_apart_by_name(tmp_path):
    path = book(tmp_path, ["q", "a"], ["one", "x"], sheets=[("More", [["q", "a"], ["two", "y"]]), ("Empty", [])])
    refused(path, "has 2 sheets with rows: 'Sheet', 'More'; name one after the file, as in 'd.xlsx#Sheet'")
    assert cells(f"{path}#More") == [{"q": "two", "a": "y"}]
    refused(f"{path}#Mor", "has no sheet 'Mor'; sheets: 'Sheet', 'More', 'Empty'")


def test_the_only_sheet_with_rows_is_read_and_said_so(tmp_path):
    path = book(tmp_path, ["q", "a"], ["one", "x"], sheets=[("Empty", [])])
    told = []
    assert len(cells(path, on_note=told.append)) == 1
    assert told == ["the sheet 'Sheet' was read; the other sheets are empty"]


def test_cells_merged_downwards_fill_their_rows_and_others_are_refused(tmp_path):
    rows = [["team", "q"], ["billing", "one"], [None, "two"], ["login", "three"]]
    told = []
    assert [c["team"] for c in cells(book(tmp_path, *rows, merge=["A2:A3"]), on_note=told.append)] == [
        "billing",
        "billing",
        "login",
    ]
    assert told == ["1 cells were filled from the cell they are merged with"]
    refused(book(tmp_path, *rows, merge=["A4:B4"]), "the cells A4:B4 are merged over several columns ('login')")
    title = [["All tickets of 2026", None], *rows]
    refused(book(tmp_path, *title, merge=["A1:B1"]), "are merged over several columns ('All tickets of 2026')")
    refused(book(tmp_path, *title), "row 1 has one filled cell and the rows below up to 2: take titles out")


def with_stored_value(path, cell, value):
    """Store a value beside a formula, as a spreadsheet program does when it saves."""
    with zipfile.ZipFile(path) as packed:
        parts = {n: packed.read(n) for n in packed.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode()
    sheet, n = re.subn(rf'(<c r="{cell}"[^>]*>)(<f>[^<]*</f>)<v ?/?>(</v>)?', rf"\1\2<v>{value}</v>", sheet)
    assert n == 1
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in parts.items():
            packed.writestr(name, text)
    return path


def test_formulas_count_as_their_stored_value(tmp_path):
    path = book(tmp_path, ["q", "n", "double"], ["one", 2, "=B2*2"], ["two", 3, 6])
    refused(path, "1 formulas have no stored value (C2): the workbook was never calculated")
    told = []
    assert [c["double"] for c in cells(with_stored_value(path, "C2", 4), on_note=told.append)] == [4, 6]
    assert told == ["1 cells hold a formula; the values stored with them were read"]


def test_other_bad_workbooks(tmp_path):
    path = tmp_path / "d.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0 protected")
    refused(path, "is no readable workbook")
    refused(book(tmp_path), "holds no examples")
    refused(book(tmp_path, ["q", "q"], ["one", "x"]), "the header names 'q' twice")
    refused(book(tmp_path, ["q", "a"], ["one", "#N/A"]), "(cell B2): the cell holds the error #N/A")
    (tmp_path / "d.xls").write_bytes(b"x")
    refused(tmp_path / "d.xls", "is a workbook of the old form; save it as .xlsx")


def test_notes_of_the_reading_become_findings(tmp_path):
    book(tmp_path, ["text", "team"], ["one", "x"], [None, "y"], merge=["A2:A3"])
    (tmp_path / "rung.yaml").write_text(
        "task: {name: t, instruction: Route it., inputs: [text], target: team, goal: 0.9}\ndata: {path: d.xlsx}\n"
        "ladder: [baseline]\n"
    )
    loaded = read_rows(load_config(tmp_path / "rung.yaml"))
    assert [(f.check, f.severity, f.message) for f in loaded.findings] == [
        ("file", "note", "1 cells were filled from the cell they are merged with.")
    ]


# --- folders


def put(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ("a_input_txt", "a_output_txt", "b_input_txt", "b_output_txt"),
        ("input__a_txt", "output__a_md", "input__b_txt", "output__b_txt"),
    ],
)
def test_pairs_of_texts(tmp_path, names):
    put(
        tmp_path, **dict(zip(names, (b"\xef\xbb\xbfone\r\nline\n", "x\n", "two", "y\n\n"), strict=True)), _DS_Store="no"
    )
    assert cells(tmp_path) == [
        {"id": "a", "input": "one\nline", "output": "x"},
        {"id": "b", "input": "two", "output": "y\n"},
    ]
    found = load(tmp_path, inputs=["input"], target="output")
    assert [e.id for e in found.examples] == ["a", "b"]


def test_bad_folders(tmp_path):
    refused(
        put(tmp_path / "one", a_input_txt="x", a_output_txt="y", b_input_txt="z"),
        "1 of the texts lack a partner: b has no output",
    )
    refused(put(tmp_path / "two", a_txt="x", b_txt="y"), "the text 'a.txt' does not say which column it is")
    refused(
        put(tmp_path / "three", d_csv="q,a"), "is a folder without pairs of texts (it holds d.csv); name the file in it"
    )
    refused(put(tmp_path / "four", a_input_txt="x", a_input_md="x", a_output_txt="y"), "are one text twice")
    secret = put(tmp_path / "outside", secret_txt="secret") / "secret.txt"
    linked = put(tmp_path / "five", a_output_txt="y")
    (linked / "a.input.txt").symlink_to(secret)
    with pytest.raises(DataError, match="is a link that leads out of the folder") as caught:
        cells(linked)
    assert "a.input.txt" in str(caught.value)
    bad = put(tmp_path / "six", a_input_txt=b"\xff\xff", a_output_txt="y")
    with pytest.raises(DataError, match=r"a\.input\.txt, line 1: byte 1 of the line"):
        cells(bad)


# --- chats and promptfoo


def lines(folder, *rows, name="d.jsonl"):
    (folder / name).write_text("\n".join(json.dumps(r) for r in rows))
    return folder / name


SYSTEM = {"role": "system", "content": "Route the ticket to a team."}


def test_openai_evals_rows(tmp_path):
    asked = {"role": "user", "content": "My card is lost"}
    parts = {"role": "user", "content": [{"type": "text", "text": "My card"}, {"type": "text", "text": "is lost"}]}
    shots = [SYSTEM, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "hello"}, asked]
    path = lines(
        tmp_path,
        {"input": [SYSTEM, asked], "ideal": "card"},
        {"input": [parts], "ideal": ["card"]},
        {"input": shots, "ideal": ["card", "cards"]},
        {"item": {"ticket": "My card is lost", "team": "card"}},
    )
    one, two, three, four = cells(path)
    assert one == {"system": SYSTEM["content"], "input": "My card is lost", "ideal": "card"}
    assert two == {"system": "", "input": "My card\nis lost", "ideal": "card"}
    assert three["input"] == "User: Hi\n\nAssistant: hello\n\nUser: My card is lost"
    assert three["ideal"] == ["card", "cards"]
    assert four == {"ticket": "My card is lost", "team": "card"}


def test_tuning_rows(tmp_path):
    turns = [SYSTEM, {"role": "user", "content": "My card is lost"}, {"role": "assistant", "content": "card"}]
    call = [*turns[:2], {"role": "assistant", "content": None, "tool_calls": [{"name": "route"}]}]
    one, two = cells(lines(tmp_path, {"messages": turns}, {"messages": call, "tools": []}))
    assert one == {"system": SYSTEM["content"], "input": "My card is lost", "output": "card"}
    assert two["output"] == '[{"name":"route"}]'
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]
    refused(
        lines(tmp_path, {"messages": image}),
        "line 1, column 'messages': a message holds a part of the type 'image_url'",
    )


def test_init_takes_the_shared_system_message_as_the_instruction(tmp_path):
    def row(i, system):
        chat = [{"role": "system", "content": system}, {"role": "user", "content": f"ticket number {i}"}]
        return {"messages": [*chat, {"role": "assistant", "content": "ab"[i % 2]}]}

    path = lines(tmp_path, *(row(i, SYSTEM["content"]) for i in range(20)))
    draft = propose(Wishes(path, tmp_path / "rung.yaml")).draft
    assert (draft.instruction, draft.inputs, draft.target) == (SYSTEM["content"], ("input",), "output")
    path = lines(tmp_path, *(row(i, f"You serve customer {i}.") for i in range(20)))
    assert propose(Wishes(path, tmp_path / "rung.yaml")).draft.inputs == ("system", "input")


PROMPTFOO = """
prompts: ["Route: {{ticket}}"]
defaultTest: {vars: {lang: en}, assert: [{type: latency, threshold: 2000}]}
tests:
  - description: lost card
    vars: {ticket: My card is lost}
    assert:
      - {type: llm-rubric, value: is polite}
      - {type: equals, value: card}
  - vars: {ticket: [Cannot log in, No login]}
    assert: [{type: contains, value: "login {{lang}}"}]
"""


def test_promptfoo_tests(tmp_path):
    (tmp_path / "promptfooconfig.yaml").write_text(PROMPTFOO)
    told = []
    rows = list(raw_rows(tmp_path / "promptfooconfig.yaml", told.append))
    assert told[0] == "read as promptfoo tests: it holds `tests` with vars and assert"
    assert [(r.line, r.cells["ticket"], r.cells["lang"], r.cells["expected"]) for r in rows] == [
        (5, "My card is lost", "en", "card"),
        (10, "Cannot log in", "en", "login en"),
        (10, "No login", "en", "login en"),
    ]
    assert rows[0].cells["__description"] == "lost card"
    assert [[a["type"] for a in r.cells["__assert"]] for r in rows] == [["equals"], ["contains"], ["contains"]]
    draft = propose(Wishes(tmp_path / "promptfooconfig.yaml", tmp_path / "rung.yaml", inputs=("ticket",))).draft
    assert (draft.target, draft.metric) == ("__assert", "assertions")  # one metric for both kinds of assertion
    (tmp_path / "c.json").write_text(
        json.dumps({"tests": [{"vars": {"q": "one"}, "assert": [{"type": "equals", "value": "x"}]}]})
    )
    assert cells(tmp_path / "c.json") == [{"q": "one", "expected": "x"}]


def test_promptfoo_csv(tmp_path):
    (tmp_path / "t.csv").write_text(
        "q,__expected\none,paris\ntwo,equals: rome\nthree,similar(0.8):oslo\nfour,note: this\n"
    )
    assert [c["expected"] for c in cells(tmp_path / "t.csv")] == ["paris", "rome", "oslo", "note: this"]
    (tmp_path / "t.csv").write_text("q,__expected\none,llm-rubric: is polite\n")
    refused(tmp_path / "t.csv", "similar ...): line 2 (llm-rubric). Give them one, or take them out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "tests: file://tests.csv",
            "its tests stand in another file ('file://tests.csv'); name both: `rung init",
        ),
        ("tests:\n  - file://a.yaml\n  - vars: {q: x}", "its tests stand in another file ('file://a.yaml')"),
        (
            "scenarios:\n  - tests: [{vars: {q: x}}]",
            "its tests stand in `scenarios`; write each of them, with its `vars`, under `tests`",
        ),
        ("tests:\n  - vars: {q: file://doc.txt}\n    assert: [{type: equals, value: x}]", "q names another file"),
        (
            "tests:\n  - vars: {q: one}\n    assert: [{type: javascript, value: x}]\n  - vars: {q: two}",
            "2 of 2 tests have no assertion that rung can check, nor one whose value is an expected output",
        ),
        ("a: [1", "is no YAML"),
        ("prompts: [x]", "holds no list of `tests`"),
        ("tests: [1]", "line 1: is no test"),
    ],
)
def test_bad_promptfoo_files(tmp_path, text, message):
    (tmp_path / "p.yaml").write_text(text)
    refused(tmp_path / "p.yaml", message)


def test_a_sheet_named_in_the_file_is_found(tmp_path):
    rows = [[f"text {i}", "xy"[i % 2]] for i in range(40)]
    book(tmp_path, ["text", "team"], *rows, sheets=[("More", [["text", "team"], *rows])])
    text = "task: {name: t, instruction: Route it., inputs: [text], target: team, goal: 0.9}\nladder: [baseline]\n"
    (tmp_path / "rung.yaml").write_text(text + "data: {train: 'd.xlsx#More', test: d.xlsx#Sheet}\n")
    assert len(read_rows(load_config(tmp_path / "rung.yaml")).whole) == 80
    (tmp_path / "rung.yaml").write_text(text + "data: {path: e.xlsx#More}\n")
    with pytest.raises(ConfigError, match="there is no such file or folder"):
        load_config(tmp_path / "rung.yaml")


def test_init_reads_parquet_workbooks_and_folders(tmp_path):
    texts, teams = [f"ticket number {i}" for i in range(40)], ["ab"[i % 2] for i in range(40)]
    sources = [
        table(tmp_path, text=texts, team=teams),
        book(tmp_path, ["text", "team"], *zip(texts, teams, strict=True)),
    ]
    for source in sources:
        draft = propose(Wishes(source, tmp_path / "rung.yaml")).draft
        assert (draft.kind, draft.inputs, draft.target, draft.data) == (
            "classification",
            ("text",),
            "team",
            source.name,
        )
    pairs = tmp_path / "pairs"
    for i in range(40):
        put(pairs, **{f"r{i}_input_txt": texts[i], f"r{i}_output_txt": teams[i]})
    draft = propose(Wishes(pairs, tmp_path / "rung.yaml")).draft
    assert (draft.inputs, draft.target, draft.id, draft.data) == (("input",), "output", "id", "pairs")


def test_a_date_in_a_promptfoo_file_stays_text(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "tests:\n  - vars: {day: 2026-01-02}\n    assert: [{type: equals, value: 2026-01-03}]\n"
    )
    assert cells(tmp_path / "p.yaml") == [{"day": "2026-01-02", "expected": "2026-01-03"}]


CALL = [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"order": 7}'}}]


@pytest.mark.parametrize(
    ("history", "read"),
    [
        (
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
            "User: Hi\n\nAssistant: Hello",
        ),
        ([["Hi", "Hello"], ["Where?", "Here."]], "User: Hi\n\nAssistant: Hello\n\nUser: Where?\n\nAssistant: Here."),
        (
            [{"role": "assistant", "content": "I look.", "tool_calls": CALL}, {"role": "tool", "content": "found"}],
            "Assistant: I look.\n" + json.dumps(CALL, separators=(",", ":")) + "\n\nTool: found",
        ),
        ([{"from": "human", "value": "Hi"}], "Hi"),
        ([["Hi", 7]], '[["Hi",7]]'),
        ([], "[]"),
        ("plain", "plain"),
    ],
)
def test_a_history_in_a_column_of_any_name_is_read_as_turns(tmp_path, history, read):
    (tmp_path / "d.jsonl").write_text(json.dumps({"history": history, "q": "x", "a": "y"}) + "\n")
    [row] = load(tmp_path / "d.jsonl", inputs=["history", "q"], target="a").examples
    assert row.inputs == {"history": read, "q": "x"}


def test_a_picture_in_a_history_is_refused_by_name(tmp_path):
    part = {"type": "image_url", "image_url": {"url": "data:,"}}
    (tmp_path / "d.jsonl").write_text(
        json.dumps({"history": [{"role": "user", "content": [part]}], "q": "x", "a": "y"}) + "\n"
    )
    with pytest.raises(DataError, match="line 1, column 'history': a message holds a part of the type 'image_url'"):
        load(tmp_path / "d.jsonl", inputs=["history", "q"], target="a")
