"""Files that attack whatever reads them, made by code: `build(folder)` writes all of them, each in a folder of its own.

`rows`: given as the examples; `documents`: given as a folder of documents. What needs a package that is not there is left out.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from bench.pdf import written
from tests.hostile.strings import FETCHED, JS, SHORT

Use = Literal["rows", "documents"]
ROW = b'{"text": "late", "team": "delivery"}\n'
XML = '<?xml version="1.0"?>'
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 12}">' for i in range(12))
    + "]>"
)
XXE = '<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/hostname"><!ENTITY z SYSTEM "' + FETCHED + '">]>'


@dataclass(frozen=True)
class HostileFile:
    """One file on the disk, the idea behind it, and what it is given as."""

    idea: str
    use: Use
    path: Path


Make = Callable[[Path], None]
_MADE: dict[tuple[Use, str], tuple[str, Make, str | None]] = {}


def _file(use: Use, name: str, idea: str, content: bytes | Callable[[], bytes], needs: str | None = None) -> None:
    """Note a file with bytes in it; `needs`: the module that its maker or its reader imports."""

    def make(path: Path) -> None:
        path.write_bytes(content() if callable(content) else content)

    _other(use, name, idea, make, needs)


def _other(use: Use, name: str, idea: str, make: Make, needs: str | None = None) -> None:
    assert (use, name) not in _MADE, name
    _MADE[use, name] = (idea, make, needs)


def build(folder: Path) -> list[HostileFile]:
    """Write every file below `folder` and return them, always in the same order."""
    return list(_built(folder))


def _built(folder: Path) -> Iterator[HostileFile]:
    for number, ((use, name), (idea, make, needs)) in enumerate(_MADE.items()):
        if needs is not None and find_spec(needs) is None:
            continue
        place = folder / f"{number:03d}"
        place.mkdir(parents=True)
        make(place / name)
        yield HostileFile(idea, use, place / name)


def _members(block: bytes, count: int) -> bytes:
    """Return a gzip file of many members: little to write, much to unpack."""
    return gzip.compress(block, 9, mtime=0) * count


def _zip(parts: dict[str, bytes], bombs: dict[str, int] | None = None) -> bytes:
    page = io.BytesIO()
    with zipfile.ZipFile(page, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        for name, size in (bombs or {}).items():
            about = zipfile.ZipInfo(name)
            about.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(about, "w") as part:
                for _ in range(size >> 20):
                    part.write(b" " * (1 << 20))
    return page.getvalue()


def _deflated(size: int) -> bytes:
    squeeze = zlib.compressobj(1)
    return b"".join(squeeze.compress(b" " * (1 << 20)) for _ in range(size >> 20)) + squeeze.flush()


# Text formats of rows: encodings
for _name, _idea, _bytes in (
    ("empty.jsonl", "no byte", b""),
    ("blank.jsonl", "blank lines alone", b"\n\r\n \t\n"),
    ("mark.jsonl", "a byte order mark alone", b"\xef\xbb\xbf"),
    ("utf16.jsonl", "UTF-16", ROW.decode().encode("utf-16")),
    ("utf32.csv", "UTF-32", "text,team\na,b\n".encode("utf-32")),
    ("latin1.csv", "Latin-1", "text,team\nGrüße,é\n".encode("latin-1")),
    ("half.jsonl", "half of a surrogate pair, escaped", b'{"text": "\\ud800", "team": "x"}\n'),
    ("half_raw.jsonl", "half of a surrogate pair, in bytes", b'{"text": "\xed\xa0\x80", "team": "x"}\n'),
    ("overlong.csv", "an overlong form of a slash", b"text,team\n\xc0\xaf,x\n"),
    ("cut.csv", "cut within a character", "text,team\nlate,deliver\u20ac".encode()[:-1]),
    ("nul.csv", "NUL bytes", b"text,team\na\x00b,c\x00\n\x00,\x00\n"),
    ("nul_only.jsonl", "NUL bytes alone", b"\x00" * 100_000),
    ("marks.jsonl", "byte order marks in the middle", ROW + b"\xef\xbb\xbf" + ROW),
    ("ctrl_z.csv", "an end of file of old", b"text,team\na,b\n\x1ac,d\n"),
):
    _file("rows", _name, _idea, _bytes)

# JSON
for _name, _idea, _bytes in (
    ("deep.json", "a hundred thousand brackets", b"[" * 100_000),
    ("deep_closed.json", "brackets that are closed", b"[" * 50_000 + b"]" * 50_000),
    ("deep.jsonl", "objects within objects", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    ("deep_row.jsonl", "a row of 101 levels", b'{"text": ' + b"[" * 101 + b"]" * 101 + b', "team": "x"}\n'),
    ("endless.jsonl", "a number beyond all", b'{"text": 1e999, "team": "x"}\n'),
    ("digits.jsonl", "a number of ten thousand digits", b'{"text": ' + b"9" * 10_000 + b', "team": "x"}\n'),
    ("nan.jsonl", "NaN", b'{"text": NaN, "team": "x"}\n'),
    ("twice.jsonl", "a key twice", b'{"text": "a", "text": "b", "team": "x", "team": "y"}\n'),
    ("cut.json", "cut in the middle", b'[{"text": "a", "team": "b"}, {"text": "c'),
    ("comma.json", "a comma too many", b'[{"text": "a", "team": "b"},]'),
    ("lists.jsonl", "lists in the place of rows", b"[1]\n[2]\n"),
    ("scalar.json", "one number", b"42"),
    ("mixed.json", "values of several kinds", b'{"text": "a", "team": "b"} 7 [] "x"'),
    ("dunder.jsonl", "names of Python and JavaScript", b'{"__proto__": {}, "__class__": 1, "text": "a", "team": "b"}\n'),
    ("many_keys.jsonl", "a row of fifty thousand columns", lambda: json.dumps({f"c{i}": i for i in range(50_000)}).encode()),
    ("half_key.jsonl", "half of a surrogate pair in a name", b'{"text": "a", "team": "b", "\\ud800": 1}\n' * 9),
    ("unclosed.jsonl", "a text that never ends", b'{"text": "' + b"x" * 1_000_000),
):  # fmt: skip
    _file("rows", _name, _idea, _bytes)

# CSV
for _name, _idea, _content in (
    ("giant_cell.csv", "a cell of 20 MB", lambda: b'text,team\n"' + b"x" * 20_000_000 + b'",y\n'),
    ("open_quote.csv", "a quote that is never closed", lambda: b'text,team\n"' + b"x,y\n" * 1_000_000),
    ("quotes.csv", "two million quotes", lambda: b"text,team\n" + b'"' * 2_000_000 + b",y\n"),
    ("wide.csv", "a hundred thousand columns", lambda: b",".join(b"c%d" % i for i in range(100_000)) + b"\n"),
    ("commas.csv", "a million empty cells", lambda: b"," * 1_000_000 + b"\n"),
    ("returns.csv", "bare carriage returns", b"text,team\ra,b\rc,d\r"),
    ("ends.csv", "every end of line", b"text,team\na,b\r\nc,d\n\re,f\r\n"),
    ("header.csv", "a header alone", b"text,team"),
    ("doubled.csv", "a column twice", b"text,team,text\na,b,c\n"),
    ("ragged.csv", "rows of other lengths", b"text,team\na\nb,c,d\n"),
    ("binary.csv", "a program", b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40),
    ("archive.jsonl", "an archive under a wrong name", lambda: _zip({"a.jsonl": ROW})),
    ("sep.csv", "a line that names a strange separator", b"sep=\x00\ntext,team\na,b\n"),
    ("line.jsonl", "a line of 70 MB", lambda: b'{"text": "' + b"x" * 70_000_000 + b'", "team": "y"}\n'),
    ("formulas.csv", "formulas in cells and header", b"=1+1,team\n\"=HYPERLINK(\"\"x\"\")\",=1\n"),
):  # fmt: skip
    _file("rows", _name, _idea, _content)

# Archives
for _name, _idea, _content in (
    ("bomb.jsonl.gz", "2 GB in 2 MB", lambda: _members(b" " * (1 << 24), 130)),
    ("bomb_rows.csv.gz", "many rows in few bytes", lambda: b"".join((gzip.compress(b"text,team\n", mtime=0), _members(b"order 7 is late,delivery\n" * (1 << 19), 90)))),
    ("cut.jsonl.gz", "cut in the middle", lambda: gzip.compress(ROW * 1_000)[:60]),
    ("not.jsonl.gz", "no gzip at all", ROW),
    ("twice.jsonl.gz", "packed twice", lambda: gzip.compress(gzip.compress(ROW))),
    ("tail.jsonl.gz", "something behind the archive", lambda: gzip.compress(ROW * 9) + b"\x00\x01garbage"),
    ("sum.jsonl.gz", "a wrong check sum", lambda: gzip.compress(ROW * 9)[:-8] + b"\x00" * 8),
    ("none.json.gz", "an empty archive", lambda: gzip.compress(b"")),
):  # fmt: skip
    _file("rows", _name, _idea, _content)

# Workbooks
_TYPES = (
    f'{XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType='
    '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.'
    'openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.'
    'openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
)
_RELS = (
    f'{XML}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{}" Target="{}"/></Relationships>'
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_BOOK = (
    f'{XML}<workbook xmlns="{_MAIN}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>'
)


def _book(sheet: str, target: str = "worksheets/sheet1.xml", bomb: int = 0) -> bytes:
    parts = {
        "[Content_Types].xml": _TYPES, "_rels/.rels": _RELS.format("officeDocument", "xl/workbook.xml"), "xl/workbook.xml": _BOOK,
        "xl/_rels/workbook.xml.rels": _RELS.format("worksheet", target), **({} if bomb else {"xl/worksheets/sheet1.xml": sheet}),
    }  # fmt: skip
    return _zip({k: v.encode() for k, v in parts.items()}, {"xl/worksheets/sheet1.xml": bomb} if bomb else None)


def _sheet(cells: str, before: str = "", dimension: str = "") -> str:
    return f'{XML}{before}<worksheet xmlns="{_MAIN}">{dimension}<sheetData>{cells}</sheetData></worksheet>'


_HEAD = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>text</t></is></c><c r="B1" t="inlineStr"><is><t>team</t></is></c></row>'
)
for _name, _idea, _content in (
    ("text.xlsx", "no archive", ROW),
    ("empty.xlsx", "an empty archive", lambda: _zip({})),
    ("bomb.xlsx", "a sheet of 320 MB", lambda: _book("", bomb=320 << 20)),
    ("laughs.xlsx", "entities that multiply", lambda: _book(_sheet(_HEAD + "<row r='2'><c r='A2' t='str'><v>&m;</v></c></row>", LAUGHS))),
    ("xxe.xlsx", "entities from elsewhere", lambda: _book(_sheet(_HEAD + "<row r='2'><c r='A2' t='str'><v>&y;</v></c><c r='B2' t='str'><v>&z;</v></c></row>", XXE))),
    ("broken.xlsx", "XML that is none", lambda: _book(_sheet("<row>")[:-30])),
    ("dimension.xlsx", "a sheet that claims every cell", lambda: _book(_sheet(_HEAD, dimension='<dimension ref="A1:XFD1048576"/>'))),
    ("far.xlsx", "one cell far away", lambda: _book(_sheet(_HEAD + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'))),
    ("numbers.xlsx", "numbers that are none", lambda: _book(_sheet(_HEAD + '<row r="2"><c r="A2"><v>1e999</v></c><c r="B2"><v>x</v></c></row>'))),
    ("places.xlsx", "places that are none", lambda: _book(_sheet(_HEAD + '<row r="0"><c r="ZZZZ9"><v>1</v></c><c r=""><v>1</v></c></row>'))),
    ("shared.xlsx", "a shared text that is not there", lambda: _book(_sheet(_HEAD + '<row r="2"><c r="A2" t="s"><v>99</v></c></row>'))),
    ("climb.xlsx", "a part outside the archive", lambda: _book(_sheet(_HEAD), "../../../../etc/passwd")),
    ("elsewhere.xlsx", "a part at an address", lambda: _book(_sheet(_HEAD), FETCHED)),
    ("cut.xlsx", "cut in the middle", lambda: _book(_sheet(_HEAD))[:-40]),
):  # fmt: skip
    _file("rows", _name, _idea, _content, "openpyxl")


# Parquet
def _parquet(change: Callable[[bytes], bytes]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    page = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.table({"text": list(map(str, range(300))), "team": ["a", "b", "c"] * 100}), page
    )
    return change(page.getvalue())


for _name, _idea, _change in (
    ("noise.parquet", "noise between two right marks", lambda b: b"PAR1" + b"\xff" * 100 + b"PAR1"),
    ("cut.parquet", "cut in the middle", lambda b: b[: len(b) // 2]),
    ("long.parquet", "a footer longer than the file", lambda b: b[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1"),
    ("empty.parquet", "no byte", lambda b: b""),
    ("pages.parquet", "pages overwritten", lambda b: b[:4] + b"\x00" * 400 + b[404:]),
    ("foot.parquet", "a footer with other numbers", lambda b: b[:-200] + bytes(255 - c for c in b[-200:-8]) + b[-8:]),
    ("text.parquet", "text under a wrong name", lambda b: ROW),
):
    _file("rows", _name, _idea, lambda change=_change: _parquet(change), "pyarrow")

# YAML, as promptfoo writes tests
_NEST = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'x'}]\n" for i in range(9))
for _name, _idea, _bytes in (
    ("laughs.yaml", "anchors that multiply", _NEST.encode() + b"tests: [{vars: {text: *a8}, assert: [{type: equals, value: x}]}]\n"),
    ("self.yaml", "an anchor within itself", b"tests: &a [{vars: *a}, *a]\n"),
    ("merge.yaml", "merges of merges", b"a: &a {x: 1}\n" + b"".join(b"b%d: &b%d {<<: [*%s, *%s]}\n" % ((i, i) + (b"a" if i == 0 else b"b%d" % (i - 1),) * 2) for i in range(40)) + b"tests: []\n"),
    ("tag.yaml", "a tag that runs Python", b"tests: !!python/object/apply:os.system ['touch RAN']\n"),
    ("new.yaml", "a tag that makes an object", b"tests: !!python/object/new:subprocess.Popen [['touch', 'RAN']]\n"),
    ("deep.yaml", "brackets", b"tests: " + b"[" * 20_000),
    ("indent.yaml", "ever deeper lists", b"tests:\n" + b"".join(b" " * i + b"-\n" for i in range(1, 1_500))),
    ("control.yaml", "control characters", b"tests:\n  - vars: {text: \"a\x07b\"}\n"),
    ("unknown.yaml", "an alias to nothing", b"tests: *nothing\n"),
    ("refer.yaml", "rows from another file", b"tests: file:///etc/passwd\n"),
    ("refer_in.yaml", "a value from another file", b"tests:\n  - vars: {text: file:///etc/passwd}\n    assert: [{type: equals, value: file://../../etc/passwd}]\n"),
    ("script.yaml", "an assertion with code", b"tests:\n  - vars: {text: a}\n    assert: [{type: javascript, value: \"process.exit()\"}, {type: python, value: \"import os\"}]\n"),
    ("keys.yaml", "keys that are no text", b"tests:\n  - vars: {? [a, b] : c, 1: 2, null: x}\n"),
    ("two.yaml", "two documents", b"tests: []\n---\ntests: []\n"),
    ("sexagesimal.yaml", "a number in the base of sixty", b"tests:\n  - vars: {text: " + b"59:" * 3_000 + b"59}\n"),
):  # fmt: skip
    _file("rows", _name, _idea, _bytes)


# What is no plain file
def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(path.name)
    finally:
        os.chdir(here)


def _to(target: str) -> Make:
    return lambda path: path.symlink_to(target)


def _sparse(size: int) -> Make:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def _folder_with(*makes: tuple[str, Make]) -> Make:
    def make(path: Path) -> None:
        path.mkdir()
        for name, one in makes:
            one(path / name)

    return make


def _plain(content: bytes) -> Make:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


for _name, _idea, _make in (
    ("fifo.jsonl", "a pipe", _fifo),
    ("socket.jsonl", "a socket", _socket),
    ("zero.csv", "a link to a device without end", _to("/dev/zero")),
    ("tty.jsonl", "a link to the terminal", _to("/dev/tty")),
    ("stdin.jsonl", "a link to standard input", _to("/dev/stdin")),
    ("passwd.csv", "a link to a file of the machine", _to("/etc/passwd")),
    ("loop.jsonl", "a link to itself", _to("loop.jsonl")),
    ("nowhere.jsonl", "a link to nothing", _to("/nowhere/at/all")),
    ("memory.jsonl", "a link to the memory of this process", _to("/proc/self/mem")),
    ("folder.csv", "a folder under a file's name", _folder_with()),
    ("sparse.jsonl", "2 GB of nothing", _sparse(2 << 30)),
    ("texts", "a folder of texts with links and a pipe", _folder_with(
        ("a.input.txt", _plain(b"late")), ("a.output.txt", _plain(b"delivery")), ("b.input.txt", _to("/dev/zero")), ("b.output.txt", _plain(b"x")),
    )),
    ("pipes", "a folder of texts with a pipe", _folder_with(("a.input.txt", _fifo), ("a.output.txt", _plain(b"x")))),
    ("twins", "a folder that holds itself", _folder_with(("a.input.txt", _plain(b"x")), ("a.output.txt", _plain(b"y")), ("in", _to(".")))),
):  # fmt: skip
    _other("rows", _name, _idea, _make)

# Names
for _number, _name in enumerate(
    (
        "a\nb",
        "a\x1b]0;owned\x07",
        "--help",
        "-rf ",
        "a'\"$(touch RAN)",
        "\u202egnp",
        "#1",
        "a: b",
        "=1+1",
        "%s{0}{{x}}",
        "\udcff",
    )
):
    _file("rows", f"{_name}.jsonl", "a hostile name", ROW * 2)

# Documents: pages
for _name, _idea, _content in (
    ("deep.html", "elements within elements", lambda: b"<div>" * 30_000 + b"x"),
    ("deep_table.html", "tables within tables", lambda: b"<table><tr><td>" * 3_000 + b"x"),
    ("comments.html", "comments that never end", lambda: b"<!--" * 75_000),
    ("attributes.html", "a hundred thousand attributes", lambda: b"<p " + b" ".join(b"a%d=1" % i for i in range(100_000)) + b">x</p>"),
    ("styles.html", "styles that repeat", lambda: b"<p style='" + b"opacity:0" + b"0" * 200_000 + b"'>x</p>"),
    ("rules.html", "many rules upon many elements", lambda: b"<style>" + b"".join(b".c%d > p > b{display:none}" % i for i in range(2_000)) + b"</style>" + b"<p class=c1><b>x</b></p>" * 2_000),
    ("script.html", "scripts", f"<p>refunds take 14 days</p><script>{JS}</script><img src=x onerror={JS}>".encode()),
    ("loads.html", "loads from elsewhere", f"<link rel=stylesheet href={FETCHED}/a.css><img src={FETCHED}/i><iframe src=file:///etc/passwd></iframe><p>x</p>".encode()),
    ("utf7.html", "a false name of its encoding", b"<meta charset=utf-7>+ADw-script+AD4-x <p>text</p>"),
    ("utf16.html", "bytes and words that disagree", "<meta charset=utf-8><p>text</p>".encode("utf-16")),
    ("cut.html", "cut in a tag", b"<p>text</p><a href="),
    ("nul.html", "NUL bytes", b"<p>te\x00xt</p>\x00<b\x00>x"),
    ("laughs.xhtml", "entities that multiply", f"{XML}{LAUGHS}<html xmlns='http://www.w3.org/1999/xhtml'><body><p>&m;</p></body></html>".encode()),
    ("xxe.xhtml", "entities from elsewhere", f"{XML}{XXE}<html><body><p>&y;&z;</p></body></html>".encode()),
    ("spans.html", "cells that claim a million rows", b"<table><tr><td rowspan=1000000 colspan=1000000>x</td></tr></table>"),
    ("bomb.html.gz", "600 MB in 600 kB", lambda: _members(b" " * (1 << 24), 36)),
):  # fmt: skip
    _file("documents", _name, _idea, _content, "lxml")


# Documents: PDF
_ROOT, _PAGE = (
    b"<< /Type /Catalog /Pages 2 0 R >>",
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << >> >>",
)
_PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"


def _stream(content: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), more, content)


for _name, _idea, _content in (
    ("noise.pdf", "noise", b"%PDF-1.7\n" + bytes(range(256)) * 20),
    ("text.pdf", "text under a wrong name", b"no PDF at all"),
    ("cut.pdf", "cut in the middle", lambda: written(_ROOT, _PAGES, _PAGE, _stream(b"BT (x) Tj ET"))[:180]),
    ("circle.pdf", "pages within themselves", lambda: written(_ROOT, b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>")),
    ("count.pdf", "a billion pages", lambda: written(_ROOT, b"<< /Type /Pages /Kids [] /Count 1000000000 >>")),
    ("bomb.pdf", "a stream of 600 MB", lambda: written(_ROOT, _PAGES, _PAGE, _stream(_deflated(600 << 20), b"/Filter /FlateDecode"))),
    ("filters.pdf", "a stream packed over and over", lambda: written(_ROOT, _PAGES, _PAGE, _stream(b"x", b"/Filter [" + b"/FlateDecode " * 5_000 + b"]"))),
    ("xref.pdf", "a table that points to itself", lambda: written(_ROOT, _PAGES, tail=b"trailer\n<< /Size 3 /Root 1 0 R /Prev 9 >>\nstartxref\n9\n%%EOF")),
    ("arrays.pdf", "arrays within arrays", lambda: written(_ROOT, _PAGES, _PAGE, b"[" * 20_000)),
    ("script.pdf", "a script and a launch", lambda: written(_ROOT[:-2] + b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >> /AA << /S /Launch /F (RAN) >> >>", _PAGES, _PAGE, _stream(b""))),
    ("length.pdf", "a length that lies", lambda: written(_ROOT, _PAGES, _PAGE, b"<< /Length 99999999999 >>\nstream\nBT (x) Tj ET\nendstream")),
    ("self.pdf", "a length that is the stream itself", lambda: written(_ROOT, _PAGES, _PAGE, b"<< /Length 4 0 R >>\nstream\nBT (x) Tj ET\nendstream")),
):  # fmt: skip
    _file("documents", _name, _idea, _content, "pypdf")

# Documents: DOCX
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_WORD_TYPES = (
    f'{XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType='
    '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName='
    '"/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)


def _docx(body: str, before: str = "", target: str = "word/document.xml", bomb: int = 0) -> bytes:
    text = f'{XML}{before}<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>'
    parts = {
        "[Content_Types].xml": _WORD_TYPES,
        "_rels/.rels": _RELS.format("officeDocument", target),
        **({} if bomb else {"word/document.xml": text}),
    }
    return _zip({k: v.encode() for k, v in parts.items()}, {"word/document.xml": bomb} if bomb else None)


_P = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
for _name, _idea, _content in (
    ("text.docx", "no archive", b"plain"),
    ("empty.docx", "an archive of nothing", lambda: _zip({})),
    ("bomb.docx", "a part of 600 MB", lambda: _docx("", bomb=600 << 20)),
    ("laughs.docx", "entities that multiply", lambda: _docx(_P.format("&m;"), LAUGHS)),
    ("xxe.docx", "entities from elsewhere", lambda: _docx(_P.format("&y;&z;"), XXE)),
    ("deep.docx", "tables within tables", lambda: _docx("<w:tbl><w:tr><w:tc>" * 1_500 + _P.format("x") + "</w:tc></w:tr></w:tbl>" * 1_500)),
    ("climb.docx", "a part outside the archive", lambda: _docx("", target="../../../../etc/passwd")),
    ("broken.docx", "XML that is none", lambda: _docx("<w:p>")),
    ("many.docx", "an archive of twenty thousand parts", lambda: _zip({f"word/{i}.xml": b"<a/>" for i in range(20_000)})),
):  # fmt: skip
    _file("documents", _name, _idea, _content, "docx")

# Documents: Markdown, text, tables, and what is no file
for _name, _idea, _content in (
    ("quotes.md", "quotes within quotes", lambda: b">" * 50_000 + b" x"),
    ("brackets.md", "brackets", lambda: b"[" * 40_000),
    ("images.md", "images that never end", lambda: b"![" * 30_000),
    ("refs.md", "references to references", lambda: b"".join(b"[a%d]: <a%d>\n" % (i, i + 1) for i in range(8_000))),
    ("hostile.md", "every hostile text", lambda: "\n\n".join(SHORT).encode("utf-8", "replace")),
    ("words.txt", "one word of a megabyte", lambda: b"x" * (1 << 20)),
    ("spaces.txt", "blanks alone", lambda: b" " * (1 << 20)),
    ("rows.csv", "a table whose header is hostile", b"=1+1,<b>,\x1b[2J\nx,y,z\n"),
    ("deep.json", "brackets", lambda: b"[" * 100_000),
    ("half.jsonl", "half of a surrogate pair", b'{"text": "\\ud800"}\n'),
    ("noise.txt", "noise", lambda: bytes(range(256)) * 1_000),
):  # fmt: skip
    _file("documents", _name, _idea, _content)
for _name, _idea, _make in (
    ("fifo.txt", "a pipe", _fifo),
    ("zero.txt", "a link to a device without end", _to("/dev/zero")),
    ("passwd.txt", "a link to a file of the machine", _to("/etc/passwd")),
    ("loop.md", "a link to itself", _to("loop.md")),
    ("up", "a link to the folder above", _to("..")),
    ("sparse.txt", "1 GB of nothing", _sparse(1 << 30)),
    ("a\x1b[2J\n<b>.md", "a hostile name", _plain(b"refunds take 14 days")),
    ("socket.md", "a socket", _socket),
):  # fmt: skip
    _other("documents", _name, _idea, _make)


def harmless(path: Path) -> bool:
    """Whether it is a plain file of its own, or a folder."""
    kind = path.lstat().st_mode
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind)
