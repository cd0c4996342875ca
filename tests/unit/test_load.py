"""Loading: every format, every way a file can be wrong, and what stays of a value."""

from __future__ import annotations

import gzip
import json
import os
import re

import pytest

from rung.data import cells, files
from rung.data.cells import LONGEST_CELL
from rung.data.files import raw_rows
from rung.data.load import load
from rung.errors import DataError

ROWS = [{"q": "one", "a": "yes"}, {"q": "two", "a": "no"}]
LINES = "\n".join(json.dumps(r) for r in ROWS)


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path, **kw):
    return load(path, **{"inputs": ["q"], "target": "a", **kw})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.jsonl", LINES),
        ("d.ndjson", LINES + "\n\n"),
        ("d.jsonl", LINES.replace("\n", "\r\n")),
        ("d.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
        ("d.csv", "q,a\none,yes\ntwo,no\n"),
        ("d.csv", "q,a\r\none,yes\r\n\r\ntwo,no\r\n"),
        ("d.csv", b"\xef\xbb\xbfq,a\none,yes\ntwo,no"),
        ("d.csv", "q;a\none;yes\ntwo;no\n"),
        ("d.tsv", "q\ta\none\tyes\ntwo\tno\n"),
        ("d.json", json.dumps(ROWS, indent=2)),
        ("d.JSON", " [" + LINES.replace("\n", ",") + "] \n"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_gives_the_same_rows(tmp_path, name, content, packed):
    raw = content if isinstance(content, bytes) else content.encode()
    path = put(tmp_path, name + ".gz", gzip.compress(raw)) if packed else put(tmp_path, name, raw)
    found = read(path)
    assert [(e.inputs["q"], e.target) for e in found.examples] == [("one", "yes"), ("two", "no")]
    assert found.source == str(path)


def test_ids_are_made_from_content_and_stay_when_rows_move(tmp_path):
    a = read(put(tmp_path, "a.csv", "q,a\none,yes\ntwo,no\none,yes\none,yes\n"))
    b = read(put(tmp_path, "b.jsonl", "\n".join(json.dumps(r) for r in [ROWS[1], ROWS[0], ROWS[0], ROWS[0]])))
    assert {e.id for e in a.examples} == {e.id for e in b.examples}
    stem = a.examples[0].id
    assert [e.id for e in a.examples][2:] == [f"{stem}-2", f"{stem}-3"]
    assert all(e.group == e.id for e in a.examples)


def test_a_column_called_id_names_the_rows(tmp_path):
    path = put(tmp_path, "d.csv", "id,q,a\n7,one,yes\n8,two,no\n")
    assert [e.id for e in read(path).examples] == ["7", "8"]
    assert next(e.id for e in read(path, inputs=["id", "q"]).examples).startswith("r")


def test_doubled_id_names_both_lines(tmp_path):
    path = put(tmp_path, "d.csv", 'id,q,a\n7,"one\nand a half",yes\n8,two,no\n7,three,no\n')
    with pytest.raises(
        DataError, match=r"line 5, column 'id' .cell A4.: the id '7' is also that of line 2; ids must differ"
    ):
        read(path)


def test_empty_id_is_refused(tmp_path):
    with pytest.raises(DataError, match="line 2, column 'id': the example has no id"):
        read(put(tmp_path, "d.jsonl", '{"id":"x","q":"a","a":"b"}\n{"id":null,"q":"a","a":"b"}'))


def test_values_become_text(tmp_path):
    row = '{"q": 1.50, "b": true, "n": null, "o": {"z": [1], "a": "\u00e9"}, "a": 3}'
    found = read(put(tmp_path, "d.jsonl", row), inputs=["q", "b", "n", "o"])
    assert dict(found.examples[0].inputs) == {"q": "1.5", "b": "true", "n": "", "o": '{"z":[1],"a":"é"}'}
    assert found.examples[0].target == "3"


def test_quoted_newlines_and_crlf_inside_cells(tmp_path):
    found = read(put(tmp_path, "d.csv", 'q,a\r\n"line 1\r\nline ""2""",yes\r\n'))
    assert found.examples[0].inputs["q"] == 'line 1\nline "2"'


def test_groups_by_column_and_alone_without_value(tmp_path):
    found = read(put(tmp_path, "d.csv", "id,q,a,c\n1,x,y,acme\n2,x2,y,acme\n3,x3,y,\n"), group_by="c")
    assert [e.group for e in found.examples] == ["acme", "acme", "3"]


def test_one_row_is_a_dataset(tmp_path):
    assert len(read(put(tmp_path, "d.csv", "q,a\nx,y\n"))) == 1


BAD = [
    ("d.csv", "", "holds no examples; put one example a line"),
    ("d.csv", "q,a\n", "holds no examples"),
    ("d.jsonl", "\n\n", "holds no examples"),
    ("d.json", "[]", "holds no examples"),
    ("d.json", "  ", "holds no examples"),
    ("d.csv", "q,b\nx,y\n", "there is no column 'a'"),
    ("d.csv", "question,answer\nx,y\n", "there is no column 'q'"),
    ("d.csv", "q,aa\nx,y\n", "there is no column 'a'; did you mean 'aa'? Columns: 'q', 'aa'"),
    ("d.jsonl", LINES + '\n{"q": "x"}', "line 3: there is no column 'a'"),
    (
        "d.jsonl",
        '{"q": "x", "a": "y"}\n  {"q": "x", "a" "y"}',
        "line 2: bad JSON at character 18: Expecting ':' delimiter",
    ),
    ("d.jsonl", "[1, 2]", "line 1: is a number; each row must be an object of columns"),
    ("d.jsonl", "[\n", "line 2: bad JSON at character 1: Expecting value"),
    ("d.jsonl", '{"q": NaN, "a": "y"}', "line 1: bad JSON: NaN is no JSON value; write null or leave the key out"),
    ("d.json", '{"q": 1}', "there is no column 'a'. Columns: 'q'"),
    ("d.json", "5", "is a number; each row must be an object"),
    ("d.json", '{"q": 1', "line 1: bad JSON at character 8: Expecting ',' delimiter"),
    (
        "d.json",
        '{"train": [{"q": 1}], "test": [{"q": 2}]}',
        "holds several lists of rows: 'train', 'test'; put each into",
    ),
    ("d.json", '{"q": ["x", "y"], "a": ["z"]}', "holds columns of different lengths ('q' 2, 'a' 1)"),
    ("d.json", '{"columns": ["q", "a"], "data": [["x"]]}', "has rows that are not as long as its 2 columns"),
    ("d.jsonl", '{"q": 1e999, "a": "y"}', "line 1: bad JSON: 1e999 is larger than any number that can be kept"),
    ("d.jsonl", '{"q": ' + "9" * 5000 + ', "a": "y"}', "line 1: bad JSON: a number has thousands of digits"),
    ("d.jsonl", '{"q": ' + "[" * 150 + "]" * 150 + ', "a": "y"}', "holds lists and objects more than 100 levels deep"),
    ("d.json", '[\n{"q":"x","a":"y"},\n{"q":"x" "a":1}]', "line 3: bad JSON at character 10: Expecting ',' delimiter"),
    ("d.json", '[\n{"q":"x","a":"y"}\n{"q":"x"}]', "line 3: bad JSON: expected ',' or ']' after an element"),
    ("d.json", '[{"q":"x","a":"y"}] 5', "something follows the end of the list"),
    ("d.json", '[{"q":"x","a":"y"}, 5]', "is a number; each row must be an object"),
    ("d.csv", b"q,a\nx,y\nz,\xff\xfe\n", "line 3: byte 3 of the line (0xff) is not UTF-8; save the file as UTF-8"),
    ("d.csv", "q,a\nx,y\n".encode("utf-16"), "line 1: is UTF-16; save it as UTF-8"),
    ("d.csv", b"PK\x03\x04rest", "is a packed or binary file under a text file's name"),
    ("d.csv", "q,a\nx,y,z\n", "line 2: the row has 3 cells and the header 2; put a cell that holds the separator"),
    (
        "d.csv",
        'q,a\nx,y\n"never closed,y\nmore,z\n',
        "line 3: not readable as CSV: a quote is opened here and never closed",
    ),
    (
        "d.csv",
        b"q,a\nx,y\n" + b"x" * (LONGEST_CELL + 1) + b",y\n",
        "line 3: not readable as CSV: a cell has more than 16 MiB, or a quote is opened here and never closed",
    ),
    ("d.csv", 'q,a\n"x"y,z\n', "line 2: not readable as CSV"),
    ("d.csv", "q,a\rx,y\r", "the lines end in a bare carriage return"),
    ("d.csv", "q,a,q\nx,y,z\n", "the header names 'q' twice"),
    (
        "d.csv",
        "q,a\n" + "x,\n" * 12,
        "12 examples have no expected output in 'a' (cells B2, B3, B4, B5, B6, B7, B8, B9, B10, B11 and 2 more), and no example has one",
    ),
    ("d.jsonl", '{"q": "\\ud800", "a": "y"}', "line 1, column 'q': holds half of a surrogate pair at character 1"),
    (
        "d.xml",
        "<a/>",
        "has the ending '.xml'; allowed: .jsonl, .ndjson, .csv, .tsv, .json, .parquet, .xlsx, .xlsm, .yaml, .yml, .eval, the text forms",
    ),
    ("d", "x", "has the ending '(none)'"),
    ("d.csv.gz", b"no gzip at all", "is not a complete gzip file"),
    ("d.csv.gz", gzip.compress(b"q,a\nx,y\n" * 500, mtime=0)[:-12], "is not a complete gzip file"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_bad_files_are_refused_with_file_and_place(tmp_path, name, content, message):
    path = put(tmp_path, name, content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_rows_without_an_expected_output_are_set_aside_and_counted(tmp_path):
    told: list[str] = []
    data = load(put(tmp_path, "d.csv", 'q,a\nx,\ny,ok\nz,  \nw,""\n'), inputs=["q"], target="a", on_note=told.append)
    assert [(e.inputs["q"], e.target) for e in data.examples] == [("y", "ok")]
    assert told == [
        "3 examples have no expected output in 'a' (cells B2, B4, B5) and are set aside; where nothing is the right answer, write it "
        "as a word, for example 'none' or '{}'"
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.json", "{lines}"),
        ("d.json", '{{"version": "1.1", "data": {list}}}'),
        ("d.json", '{{"examples": {list}}}'),
        ("d.json", '{{"q": {{"0": "one", "1": "two"}}, "a": {{"0": "yes", "1": "no"}}}}'),
        ("d.json", '{{"q": ["one", "two"], "a": ["yes", "no"]}}'),
        ("d.json", '{{"0": {{"q": "one", "a": "yes"}}, "1": {{"q": "two", "a": "no"}}}}'),
        ("d.json", '{{"columns": ["q", "a"], "index": [0, 1], "data": [["one", "yes"], ["two", "no"]]}}'),
        ("d.json", '{{"features": [{{"name": "q"}}], "rows": [{{"row_idx": 0, "row": {one}}}, {{"row": {two}}}]}}'),
        ("d.json", '{{\n  "q": "one",\n  "a": "yes"\n}}\n{{\n  "q": "two",\n  "a": "no"\n}}'),
        ("d.jsonl", '{{\n  "q": "one",\n  "a": "yes"\n}}\n{{\n  "q": "two",\n  "a": "no"\n}}'),
        ("d.jsonl", "{list}"),
        ("d.jsonl", "\n\n{list}"),
        ("d.csv", "sep=;\r\nq;a\r\none;yes\r\ntwo;no\r\n"),
        ("d.csv", '"sep=|"\nq|a\none|yes\ntwo|no\n'),
        ("d.csv", "SEP=\t\nq\ta\none\tyes\ntwo\tno\n"),
        ("d.csv", "q\ta\none\tyes\ntwo\tno\n"),
        ("d.csv", "q|a\none|yes\ntwo|no\n"),
        ("d.csv", "q;a\none;yes\ntwo;no\n"),
        ("d.tsv", "q,a\none,yes\ntwo,no\n"),
    ],
)
def test_every_usual_form_of_rows_is_read(tmp_path, name, content):
    one, two = json.dumps(ROWS[0]), json.dumps(ROWS[1])
    filled = content.format(lines=f"{one}\n{two}\n", list=json.dumps(ROWS, indent=1), one=one, two=two)
    assert [(e.inputs["q"], e.target) for e in read(put(tmp_path, name, filled)).examples] == [
        ("one", "yes"),
        ("two", "no"),
    ]


def test_the_separator_is_the_one_that_makes_a_table(tmp_path):
    def header(text):
        return list(next(raw_rows(put(tmp_path, "d.csv", text))).cells)

    assert header("q, long\ta\none, x, y\tb\ntwo\tc\n") == ["q, long", "a"]
    assert header('q,a\n"one\ttwo\tthree",x;y\nfour,z\n') == ["q", "a"]
    assert header("q;a\n1,5;yes\n2;no\n") == ["q", "a"]
    assert header("q\none; two\n") == ["q"]
    with pytest.raises(DataError, match=r"d.csv, line 3 .row 2.: the row has 3 cells"):
        list(raw_rows(put(tmp_path, "d.csv", "sep=;\nq;a\nx;y;z\n")))


def test_questions_in_paragraphs_are_rows(tmp_path):
    asked = [{"id": "1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}, {"text": "Ada"}]}]
    squad = {"version": "2", "data": [{"title": "T", "paragraphs": [{"context": "Ada did.", "qas": asked}]}]}
    told: list[str] = []
    rows = list(raw_rows(put(tmp_path, "d.json", json.dumps(squad)), told.append))
    assert rows[0].cells == {"id": "1", "title": "T", "context": "Ada did.", "question": "Who?", "answer": ["Ada"]}
    assert told == ["the questions in the paragraphs under 'data' were read (SQuAD's form)"]


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl", "d.json", "d.yaml", "d.csv.gz", "d.xlsx", "d.parquet"])
def test_only_ordinary_files_are_opened(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="is a pipe or a device; write the rows into a file"):
        list(raw_rows(tmp_path / name))
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(DataError, match="is a pipe or a device"):
        list(raw_rows(tmp_path / name))


def test_a_folder_of_texts_holds_ordinary_files(tmp_path):
    (tmp_path / "a.input.txt").write_text("x")
    os.mkfifo(tmp_path / "a.output.txt")
    with pytest.raises(DataError, match="is a pipe or a device"):
        list(raw_rows(tmp_path))


@pytest.mark.slow
def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 1_000_000)
    monkeypatch.setattr(files, "MOST_AT_ONCE", 100_000)
    monkeypatch.setattr(cells, "LONGEST_LINE", 50_000)
    packed = gzip.compress(b'{"q": "x", "a": "y"}\n' * 100_000)
    with pytest.raises(DataError, match="holds more than"):
        read(put(tmp_path, "d.jsonl.gz", packed))
    with pytest.raises(DataError, match="holds more than 0 MiB, which are read at once; write it as .jsonl"):
        read(put(tmp_path, "d.json.gz", gzip.compress(b" " * 200_000)))
    with pytest.raises(DataError, match="line 1: the line has more than 0 MiB; put one example a line"):
        read(put(tmp_path, "d.csv.gz", gzip.compress(b"q" * 60_000)))
    with pytest.raises(DataError, match="holds more than"):
        read(put(tmp_path, "d.csv", "q,a\n" + "x,y\n" * 300_000))


def test_missing_file_names_what_is_there(tmp_path):
    put(tmp_path, "tickets.csv", "q,a\nx,y\n")
    with pytest.raises(DataError, match=r"there is no such file; that folder holds tickets.csv"):
        read(tmp_path / "ticket.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is a folder without pairs of texts .it holds nothing.; name the file in it"):
        read(tmp_path / "folder.csv")


def test_deep_json_is_an_error_not_a_crash(tmp_path):
    with pytest.raises(DataError, match="line 1: bad JSON"):
        read(put(tmp_path, "d.jsonl", '{"q": ' + "[" * 200_000 + "]" * 200_000 + ', "a": "y"}'))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["d.csv", "d.jsonl"])
def test_reading_streams(tmp_path, name):
    """The first row comes before the broken last line is looked at."""
    line = "q,a\nx,y\n" if name == "d.csv" else '{"q": "x", "a": "y"}\n'
    rows = raw_rows(
        put(tmp_path, name, line * 20_000 + "\udcff".encode("utf-8", "surrogatepass").decode("latin-1") + '"')
    )
    assert next(rows).cells == {"q": "x", "a": "y"}
    with pytest.raises(DataError):
        list(rows)
