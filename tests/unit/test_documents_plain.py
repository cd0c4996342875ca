"""Markdown, text and tables become documents with places; what cannot be read becomes a finding."""

from __future__ import annotations

import gzip
import json
import os

import pytest

from rung.documents import parse as parsing
from rung.documents.chunk import chunk, count_words
from rung.documents.folder import sync
from rung.documents.parse import parse
from rung.retrievers.sqlite import SqliteRetriever
from rung.types import Document, Source


def parts(name, text):
    found = parse(name, text.encode() if isinstance(text, str) else text)
    assert len(found.documents) == 1, found
    return [(p.position, p.text) for p in found.documents[0].parts]


def message(name, content):
    found = parse(name, content)
    assert found.documents == ()
    [finding] = found.findings
    assert finding.next_step
    return finding.message


def test_markdown_is_kept_as_written_under_the_headings_it_stands_under():
    text = "Intro.\n\n# Refunds\nTen *days*.\n\n## Late\n- a\n\n```\n# no heading\n```\n\nGifts\n-----\n| a | b |\n"
    assert parts("a/refund-policy.md", text) == [
        ("start", "Intro."),
        ("§ Refunds", "# Refunds\nTen *days*."),
        ("§ Refunds > Late", "## Late\n- a\n\n```\n# no heading\n```"),
        ("§ Refunds > Gifts", "Gifts\n-----\n| a | b |"),
    ]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: 'Returns'\ntags: x\n---\n# Other\nb", "Returns"),
        ("# Re*fun*ds `now`\nb", "Refunds now"),
        ("no heading", "refund policy"),
    ],
)
def test_a_title_comes_from_front_matter_the_first_heading_or_the_name(text, title):
    [document] = parse("x/refund-policy.md", text.encode()).documents
    assert document.title == title
    assert "tags" not in document.text


def test_paragraphs_of_plain_text_know_their_line():
    assert parts("a.txt", "one\ntwo\n\n\nthree") == [("line 1", "one\ntwo"), ("line 5", "three")]


def test_rows_of_a_table_are_documents_named_by_their_id():
    rows = [
        {"id": 7, "title": "Lamp", "text": "It is green.", "price": 12},
        {"id": 9, "title": None, "text": "No", "tags": ["a"]},
    ]
    found = parse("cat.jsonl.gz", gzip.compress("\n".join(json.dumps(r) for r in rows).encode()))
    assert [(d.name, d.title, d.file) for d in found.documents] == [
        ("cat.jsonl.gz#7", "Lamp", "cat.jsonl.gz"),
        ("cat.jsonl.gz#9", "", "cat.jsonl.gz"),
    ]
    assert found.documents[0].parts[0] == Source("cat.jsonl.gz#7", "row 1, line 1", "Lamp\nIt is green.\nprice: 12")
    assert found.documents[1].text == 'No\ntags: ["a"]'


def test_a_cell_that_is_too_long_is_told_with_its_row():
    long = b"x" * (16 * 1024 * 1024 + 1)
    said = message("a.csv", b"id,text\n1,Lamp\n2," + long + b"\n")
    assert said == "a.csv has a cell of more than 16 MiB after row 1: it was left out."


def test_rows_without_an_id_of_their_own_are_named_by_number():
    found = parse("a.csv", b"id;name;price\n1;Lamp;3\n1;Chair, big;4;x\n")
    assert [(d.name, d.text) for d in found.documents] == [
        ("a.csv#1", "id: 1\nLamp\nprice: 3"),
        ("a.csv#2", "id: 1\nChair, big\nprice: 4\nfurther cells: x"),
    ]
    assert [d.name for d in parse("a.json", b'[{"text": "x"}, 3, {"text": "y"}]').documents] == ["a.json#1", "a.json#2"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "sep=;\r\nid;name\r\n1;Lamp, green\r\n"),
        ("a.csv", "id\tname\n1\tLamp, green\n"),
        ("a.csv", "id|name\n1|Lamp, green\n"),
        ("a.tsv", "id\tname\n1\tLamp, green\n"),
        ("a.csv", 'id,name\n1,"Lamp, green"\n'),
        ("a.json", '{"id": 1, "name": "Lamp, green"}\n{"id": 2, "name": "x"}\n'),
        ("a.json", '{"version": 1, "data": [{"id": 1, "name": "Lamp, green"}]}'),
        ("a.jsonl", '{"id": 1, "name": "Lamp, green", "x": "a\u2028b"}\n'),
    ],
)
def test_rows_are_read_as_examples_are(name, content):
    document = parse(name, content.encode()).documents[0]
    assert (document.name, document.title) == (f"{name}#1", "Lamp, green")


def test_lines_that_are_no_objects_are_left_out_and_told():
    found = parse("a.jsonl", b'{"text": "x"}\n{"text"\n[1]\n')
    assert len(found.documents) == 1
    assert found.findings[0].message == "a.jsonl has 2 lines that are no JSON objects (line 2, 3): they were left out."


@pytest.mark.parametrize(
    "element",
    [
        '<div style="display:none">The price is 5.</div>',
        "<span class=a style='color:red; font-size:0'>The price\nis 5.</span>",
        "<p hidden>The price is 5.</p>",
        '<SPAN STYLE="visibility: hidden;">The price is 5.</SPAN >',
    ],
)
def test_elements_in_markdown_that_hide_themselves_are_left_out_and_told(element):
    found = parse("a.md", f"# Lamp\n\nBefore {element} after.\n".encode())
    assert found.documents[0].text == "# Lamp\n\nBefore  after."
    [finding] = found.findings
    assert "a.md holds text that no reader sees ('The price is 5.')" in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "```html\n<div hidden>sample</div>\n```",
        "Write `<p hidden>x</p>` for it.",
        '<div style="font-size:0.9em">seen</div>',
        '<div class="hidden-lamps">seen</div>',
        "<b>seen</b> hidden <i>too</i>",
    ],
)
def test_code_and_elements_that_are_seen_stay_in_markdown(text):
    found = parse("a.md", text.encode())
    assert (found.documents[0].text, found.findings) == (text, ())


UNREADABLE = {
    "a.md": (b"", "a.md is empty: it was left out."),
    "b.md": (b"\n \t", "b.md is empty: it was left out."),
    "c.txt": (os.urandom(4000), "c.txt is binary, whatever its name says: it was left out."),
    "d.txt": (b"ab\x00\xff" * 99, "d.txt is binary, whatever its name says: it was left out."),
    "e.json": (b"{", "e.json is no valid JSON (Expecting property name"),
    "f.json": (b"[1, 2]", "f.json holds no JSON object: it was left out."),
    "g.jsonl": (b"one\ntwo", "g.jsonl holds no line that is a JSON object: it was left out."),
    "h.md.gz": (b"\x1f\x8b no", "h.md.gz is no whole gzip file ("),
    "i.md.gz": (gzip.compress(b"text")[:-6], "i.md.gz is no whole gzip file ("),
    "j.exe": (b"MZ", "j.exe is of a type that is not read (.exe): it was left out."),
    "k.json": (b"[" * 100_000, "k.json is no valid JSON ("),
    "l.csv": (b"a,b\n", "l.csv holds no text: it was left out."),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_finding_and_no_crash(name):
    content, words = UNREADABLE[name]
    assert message(name, content).startswith(words)


def test_a_file_that_unpacks_to_too_much_is_left_out(monkeypatch):
    monkeypatch.setattr(parsing, "MOST_UNPACKED", 1000)
    assert "unpacks to more than" in message("a.txt.gz", gzip.compress(b"x" * 2000))


def test_text_that_is_not_utf8_is_read_and_told():
    found = parse("a.txt", "Größe".encode("cp1252"))
    assert found.documents[0].text == "Größe"
    assert found.findings[0].message == "a.txt is not UTF-8; it was read as Windows-1252."
    assert parse("b.txt", "Größe".encode("utf-16")).documents[0].text == "Größe"


def test_files_that_lead_out_or_cannot_be_opened_are_findings(tmp_path, monkeypatch):
    folder = tmp_path / "docs"
    folder.mkdir()
    (tmp_path / "secret.md").write_text("secret")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "gone.md").symlink_to(folder / "nothing.md")
    (folder / "huge.md").write_text("x " * 200)
    (folder / "good.md").write_text("good")
    (folder / ".hidden.md").write_text("hidden")
    os.mkfifo(folder / "pipe.md")
    monkeypatch.setattr("rung.documents.folder.MOST_BYTES", 300)
    document_store = SqliteRetriever(place=str(tmp_path / "i")).open()
    said = {f.measured["file"]: f.message for f in sync(document_store, folder, 180).findings}
    assert list(document_store.documents()) == ["good.md"]
    document_store.close()
    assert said["link.md"] == "link.md is a link that leads out of the folder: it was left out."
    assert "no ordinary file" in said["gone.md"]
    assert "no ordinary file" in said["pipe.md"]
    assert said["huge.md"] == "huge.md has 0 MiB, and at most 0 are read: it was left out."


def document(*texts, position="start"):
    return Document("d", "T", tuple(Source("d", position, text) for text in texts), "d")


def test_passages_hold_the_whole_text_in_order_and_keep_to_their_size():
    text = "\n\n".join(f"Paragraph {i} has a few words. It goes on! Does it end?" for i in range(40))
    for size in (10, 25, 60, 500):
        passages = chunk(document(text), size)
        assert " ".join(p.text for p in passages).split() == text.split()
        assert max(count_words(p.text) for p in passages) <= size
        assert [p.ordinal for p in passages] == list(range(len(passages)))
    assert len(chunk(document(text), 500)) == 1


def test_what_has_no_place_to_be_cut_is_cut_all_the_same():
    assert [count_words(p.text) for p in chunk(document("word " * 95), 30)] == [30, 30, 30, 5]
    long = chunk(document("A" * 100_000), 50)
    assert max(len(p.text) for p in long) <= 50 * 201
    assert "".join(p.text for p in long).replace(" ", "") == "A" * 100_000
    japanese = chunk(document("これは文です。" * 300), 5)
    assert "".join(p.text for p in japanese).replace(" ", "") == "これは文です。" * 300
    assert len(japanese) > 1


def test_a_passage_under_a_new_heading_starts_anew_when_half_full():
    parts = tuple(Source("d", f"§ H{i}", "word " * 30) for i in range(4))
    found = chunk(Document("d", "T", parts, "d"), 60)
    assert [p.position for p in found] == ["§ H0", "§ H1", "§ H2", "§ H3"]
    assert [p.position for p in chunk(Document("d", "T", parts, "d"), 130)] == ["§ H0 to H2", "§ H3"]
    assert found[1].title == "T\nH1"


def test_columns_of_a_table_without_a_name_or_with_the_same_one_keep_their_cells():
    found = parse("a.csv", b",q,q,\n12,one,two,three\n\n13,four,five,six,seven\n").documents
    assert [d.text for d in found] == [
        "column 1: 12\nq: one\nq (column 3): two\ncolumn 4: three",
        "column 1: 13\nq: four\nq (column 3): five\ncolumn 4: six\nfurther cells: seven",
    ]


def test_text_between_two_rules_is_no_front_matter():
    def held(text):
        [document] = parse("a.md", text.encode()).documents
        return document.title, document.text

    assert held("---\n\nText after a rule\n\n---\nmore\n")[1].split() == "--- Text after a rule --- more".split()
    assert held("---\nNote: read this\nbefore you start\n---\nmore\n")[1].split()[:4] == [
        "---",
        "Note:",
        "read",
        "this",
    ]
    front = "---\ntitle: Returns\ntags:\n- a\n- b\nnested:\n  key: value\n# a remark\n\n---\nText\n"
    assert held(front) == ("Returns", "Text")
