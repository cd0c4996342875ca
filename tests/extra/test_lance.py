"""LanceDB behind the same promises as the built-in place."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lancedb")

from rung.documents.folder import sync
from rung.errors import IntegrityError, NewerFolder
from rung.retrievers.lance import LanceRetriever
from rung.testing.document_stores import check_retriever, document, put
from rung.types import StoreChange

pytestmark = [pytest.mark.extra, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_lance_keeps_the_promises_of_a_retriever(tmp_path):
    check_retriever(LanceRetriever, lambda name: {"place": str(tmp_path / name)})


def test_what_is_removed_leaves_the_files_too(tmp_path):
    document_store = LanceRetriever(place=str(tmp_path / "i")).open()
    document_store.write(put(document("secret.md", "zanzibarquux recipe"), document("b.md", "other")))
    document_store.write(StoreChange(remove=["secret.md"]))
    assert document_store.match("zanzibarquux", 3, 50) == []
    for file in (tmp_path / "i").rglob("*"):
        if file.is_file():
            assert b"zanzibarquux" not in file.read_bytes(), file.name
    document_store.close()


def test_a_folder_is_kept_in_step(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("The lamp costs 12 euros.")
    document_store = LanceRetriever(place=str(tmp_path / "i")).open()
    sync(document_store, tmp_path / "docs", 180)
    (tmp_path / "docs" / "a.md").write_text("The lamp costs 15 euros.")
    assert sync(document_store, tmp_path / "docs", 180).changed == ("a.md",)
    assert sync(document_store, tmp_path / "docs", 180).unchanged == 1
    [(key, _)] = document_store.match("lamp", 3, 180)
    assert "15 euros" in document_store.passages([key], 180)[key].text
    document_store.close()


def test_a_newer_index_is_left_alone(tmp_path):
    document_store = LanceRetriever(place=str(tmp_path / "i")).open()
    document_store.write(put(document("a", "one")))
    document_store._put_facts({"schema": 9})
    document_store.close()
    with pytest.raises(
        NewerFolder, match=r"written by a newer rung \(index version 9, this one reads up to 1\); upgrade rung"
    ):
        LanceRetriever(place=str(tmp_path / "i")).open()


def test_small_changes_are_taken_into_the_word_index_before_a_search_or_at_the_end_and_vectors_are_joined(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("rung.retrievers.lance._MANY", 8)
    monkeypatch.setattr("rung.retrievers.lance._FRAGMENTS", 3)

    def outside():
        return document_store._table("passages_50").index_stats("words_idx").num_unindexed_rows

    def add(*numbers):
        for n in numbers:
            document_store.write(put(document(f"d{n}.md", f"word{n} and more")))
            given = {key: np.ones(4, dtype="<f4").tobytes() for key in document_store.without_vector(50, 99)}
            document_store.write(StoreChange(vectors={50: given}))

    document_store = LanceRetriever(place=str(tmp_path / "i")).open()
    document_store.write(put(*(document(f"b{n}.md", f"base{n}") for n in range(20))))
    add(*range(5))
    assert outside() == 10  # fewer than half of those inside: put off
    assert len(document_store.match("word4", 3, 50)) == 1
    assert outside() == 0
    add(*range(5, 10))
    assert outside() == 10
    document_store.close()
    document_store = LanceRetriever(place=str(tmp_path / "i")).open()
    assert outside() == 0
    assert document_store._table("vectors_50").stats()["fragment_stats"]["num_fragments"] < 3
    assert len(document_store.nearest([1.0] * 4, 99, 50)) == 60
    add(*range(10, 40))
    assert outside() < 40  # half of those inside: at once
    document_store.close()


def test_passages_without_a_vector_are_given_however_they_lie_among_the_others(tmp_path, monkeypatch):
    document_store = LanceRetriever(place=str(tmp_path / "i")).open()
    document_store.write(put(*(document(f"d{n}.md", f"word{n}") for n in range(20))))
    every = dict(document_store.without_vector(50, 99))
    document_store.write(
        StoreChange(vectors={50: {key: np.ones(4, dtype="<f4").tobytes() for key in list(every)[::3]}})
    )
    left = {key: text for n, (key, text) in enumerate(every.items()) if n % 3}
    assert document_store.without_vector(50, 99) == left
    monkeypatch.setattr("rung.retrievers.lance._VALUES", 5)  # more than one condition holds: by range
    assert document_store.without_vector(50, 99) == left
    assert list(document_store.without_vector(50, 7)) == sorted(left)[:7]
    document_store.close()


def test_a_reader_whose_version_was_taken_away_reads_the_newest(tmp_path):
    """As happened once in a thousand reads beside a writer that removes."""
    document_store = LanceRetriever(place=str(tmp_path / "i")).open()
    document_store.write(put(document("a.md", "one")))
    opened = []

    def asked(table):
        opened.append(table)
        if len(opened) == 1:
            raise RuntimeError("lance error: LanceError(IO): Not found: data/1.lance")
        return table.count_rows()

    assert document_store._read("documents", asked) == 1
    assert opened[0] is not opened[1]
    document_store.close()


def test_a_file_that_is_missing_for_good_is_told(tmp_path):
    document_store = LanceRetriever(place=str(tmp_path / "i")).open()
    document_store.write(put(document("a.md", "one")))
    for file in (tmp_path / "i" / "documents.lance" / "data").iterdir():
        file.unlink()
    with pytest.raises(IntegrityError, match="is damaged .*; move it away and run `rung docs update`"):
        LanceRetriever(place=str(tmp_path / "i")).open().documents()
