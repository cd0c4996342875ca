"""Loading: every format, every way a file can be wrong, and what stays of a value."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from rung.data._files import raw_rows
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
    with pytest.raises(DataError, match=r"line 5, column 'id': the id '7' is also that of line 2; ids must differ"):
        read(path)


def test_empty_id_is_refused(tmp_path):
    with pytest.raises(DataError, match="line 2, column 'id': the row has no id"):
        read(put(tmp_path, "d.jsonl", '{"id":"x","q":"a","a":"b"}\n{"id":null,"q":"a","a":"b"}'))


def test_values_become_text(tmp_path):
    row = '{"q": 1.50, "b": true, "n": null, "o": {"z": [1], "a": "\u00e9"}, "a": 3}'
    found = read(put(tmp_path, "d.jsonl", row), inputs=["q", "b", "n", "o"])
    assert dict(found.examples[0].inputs) == {"q": "1.5", "b": "true", "n": "", "o": '{"a":"é","z":[1]}'}
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
    ("d.csv", "", "holds no rows; put one example a line"),
    ("d.csv", "q,a\n", "holds no rows"),
    ("d.jsonl", "\n\n", "holds no rows"),
    ("d.json", "[]", "holds no rows"),
    ("d.json", "  ", "holds no rows"),
    ("d.csv", "q,b\nx,y\n", "there is no column 'a'"),
    ("d.csv", "question,answer\nx,y\n", "there is no column 'q'"),
    ("d.csv", "q,aa\nx,y\n", "there is no column 'a'; did you mean 'aa'? Columns: 'q', 'aa'"),
    ("d.jsonl", LINES + '\n{"q": "x"}', "line 3: there is no column 'a'"),
    (
        "d.jsonl",
        '{"q": "x", "a": "y"}\n  {"q": "x", "a" "y"}',
        "line 2: bad JSON at character 18: Expecting ':' delimiter",
    ),
    ("d.jsonl", json.dumps(ROWS), "is a list; each row must be an object of columns"),
    ("d.jsonl", "[\n", "a JSON list belongs into a file that ends in .json"),
    ("d.jsonl", '{"q": NaN, "a": "y"}', "line 1: bad JSON: NaN is no JSON value; write null or leave the key out"),
    ("d.json", '{"q": 1}', "does not begin with '['; a .json file must hold one list of objects"),
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
    ("d.csv", 'q,a\n"x"y,z\n', "line 2: not readable as CSV"),
    ("d.csv", "q,a\rx,y\r", "the lines end in a bare carriage return"),
    ("d.csv", "q,a,q\nx,y,z\n", "the header names 'q' twice"),
    ("d.csv", "q,a\nx,\ny,ok\nz,  \n", "column 'a': 2 rows have no expected output (lines 2, 4); fill the cells"),
    (
        "d.csv",
        "q,a\n" + "x,\n" * 12,
        "12 rows have no expected output (lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more)",
    ),
    ("d.jsonl", '{"q": "\\ud800", "a": "y"}', "line 1, column 'q': holds half of a surrogate pair at character 1"),
    (
        "d.xml",
        "<a/>",
        "has the ending '.xml'; allowed: .jsonl, .ndjson, .csv, .tsv, .json, .parquet, .xlsx, .xlsm, .yaml, .yml, the text forms",
    ),
    ("d", "x", "has the ending '(none)'"),
    ("d.csv.gz", b"no gzip at all", "is not a complete gzip file"),
    ("d.csv.gz", gzip.compress(b"q,a\nx,y\n" * 500)[:-12], "is not a complete gzip file"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_bad_files_are_refused_with_file_and_place(tmp_path, name, content, message):
    path = put(tmp_path, name, content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


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
