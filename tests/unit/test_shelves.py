"""The built-in place for documents keeps every promise; it survives kills, readers beside a writer, and a busy file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from rung.errors import FolderBusy, IntegrityError, RungError
from rung.retrievers.sqlite import SqliteDocumentStore, SqliteRetriever
from rung.testing.conformance import Broken
from rung.testing.document_stores import check_retriever, document, passages, put
from rung.types import StoreChange


def test_the_built_in_retriever_keeps_its_promises(tmp_path):
    check_retriever(SqliteRetriever, lambda name: {"place": str(tmp_path / name)})


class Forgetful(SqliteDocumentStore):
    def write(self, change):
        super().write(StoreChange(change.remove, change.put, change.passages, change.vectors, {}))

    def nearest(self, vector, k, size):
        return super().nearest(vector, k, size)[::-1]


class Leaky(SqliteRetriever):
    def open(self):
        from pathlib import Path

        return Forgetful(Path(self.place), 1.0)


def test_the_suite_catches_a_retriever_that_breaks_its_word(tmp_path):
    with pytest.raises(Broken) as caught:
        check_retriever(Leaky, lambda name: {"place": str(tmp_path / name)})
    assert "facts are found by prefix" in str(caught.value)
    assert "nearest is exact, the best first" in str(caught.value)


WRITER = """
import sys
from rung.retrievers.sqlite import SqliteRetriever
from rung.testing.document_stores import document, put
document_store = SqliteRetriever(place=sys.argv[1]).open()
for n in range(10_000):
    made = document(f"d{n}", f"word{n} and common words")
    document_store.write(put(made))
    print(made.name, flush=True)
"""


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill_and_readers_see_whole_documents_meanwhile(tmp_path):
    place = tmp_path / "i"
    readers = [SqliteRetriever(place=str(place)).open() for _ in range(2)]
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE, text=True)
    told = []
    try:
        for _ in range(25):
            told.append(writer.stdout.readline().strip())
            for reader in readers:
                there = set(reader.documents())
                assert set(told) <= there
                assert reader.match(f"word{len(told) - 1}", 3, 50)
                keys = [key for key, _ in reader.match("common", 99, 50)]
                assert len(keys) >= len(told)
                assert {p.document for p in reader.passages(keys, 50).values()} <= set(reader.documents())
    finally:
        writer.kill()
        told += [line.strip() for line in writer.stdout.read().splitlines() if line.strip()]
        writer.wait()
        writer.stdout.close()
    for reader in readers:
        reader.close()
    again = SqliteRetriever(place=str(place)).open()
    assert set(told) <= set(again.documents())
    for name in told:
        assert again.match(f"word{name[1:]}", 3, 50)
    again.write(put(document("after", "written after the kill")))
    again.close()
    with sqlite3.connect(place) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.execute("INSERT INTO fts_50(fts_50, rank) VALUES ('integrity-check', 0)")
    db.close()


def test_a_file_that_another_process_is_writing_is_told_and_nothing_changes(tmp_path):
    place = str(tmp_path / "i")
    document_store = SqliteRetriever(place=place, busy_s=0).open()
    document_store.write(put(document("a", "one")))
    holder = sqlite3.connect(place, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(FolderBusy) as caught:
        document_store.write(put(document("b", "two")))
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        f"another process has been writing to the index of documents {place} for 0 s; nothing was changed: wait until it is "
        "done and run the same command again, or name another place in documents.store"
    )
    assert list(document_store.documents()) == ["a"]  # reading goes on
    holder.execute("ROLLBACK")
    holder.close()
    document_store.write(put(document("b", "two")))
    assert list(document_store.documents()) == ["a", "b"]
    document_store.close()


def test_a_change_that_fails_half_way_changes_nothing(tmp_path):
    document_store = SqliteRetriever(place=str(tmp_path / "i")).open()
    document_store.write(put(document("a", "one"), facts={"x": 1}))
    made = document("b", "two")
    with pytest.raises(TypeError):
        document_store.write(
            StoreChange(remove=["a"], put=[made], passages={50: passages(made, 50)}, facts={"y": object()})
        )
    assert list(document_store.documents()) == ["a"]
    assert document_store.match("one", 3, 50)
    assert not document_store.match("two", 3, 50)
    document_store.close()


def test_a_place_that_cannot_be_written_and_a_file_that_is_no_index(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        RungError, match=r"cannot open the index of documents .*file/i: .*; name a place that you may write"
    ):
        SqliteRetriever(place=str(tmp_path / "file" / "i")).open()
    (tmp_path / "text").write_text("no database " * 500)
    with pytest.raises(IntegrityError, match="is damaged .*move it away and run `rung docs update`"):
        SqliteRetriever(place=str(tmp_path / "text")).open()


def test_vectors_made_anew_for_the_same_passages_are_seen_by_every_shelf(tmp_path):
    document_store, other = (SqliteRetriever(place=str(tmp_path / "i")).open() for _ in range(2))
    document_store.write(put(document("a.md", "one"), document("b.md", "two")))
    keys = list(document_store.without_vector(50, 9))
    for width, first in ((4, 1.0), (6, 2.0)):  # the second embedder makes longer vectors
        document_store.write(StoreChange(forget_vectors=True))
        made = {key: np.full(width, first * n, dtype="<f4").tobytes() for n, key in enumerate(keys, 1)}
        document_store.write(StoreChange(vectors={50: made}))
        for each in (document_store, other):
            best = [(key, pytest.approx(width * first * (n + 1))) for n, key in reversed(list(enumerate(keys)))]
            assert each.nearest([1.0] * width, 9, 50) == best
    other.close()
    document_store.close()


def test_a_shelf_that_follows_ranks_as_one_that_is_opened_anew(tmp_path):
    draw = np.random.default_rng(5)
    words = [f"w{n}" for n in range(30)]

    def text() -> str:
        return " ".join(draw.choice(words, size=int(draw.integers(1, 60))))

    place = str(tmp_path / "i")
    document_store = SqliteRetriever(place=place).open()
    document_store.write(put(*(document(f"d{n}", text()) for n in range(40))))
    for step in range(8):
        gone = [f"d{n}" for n in draw.integers(0, 60, size=3)]
        document_store.write(StoreChange(remove=gone))
        document_store.write(put(*(document(f"d{n}", text()) for n in set(draw.integers(0, 60, size=4).tolist()))))
        missing = list(document_store.without_vector(50, 999))
        some = missing if step % 2 else missing[::2]  # passages without a vector stand among the others
        document_store.write(
            StoreChange(vectors={50: {key: draw.standard_normal(5).astype("<f4").tobytes() for key in some}})
        )
        fresh = SqliteRetriever(place=place).open()
        asked = draw.standard_normal(5).tolist()
        assert document_store.match("w1 w2 w3", 99, 50) == fresh.match("w1 w2 w3", 99, 50)
        assert document_store.nearest(asked, 99, 50) == fresh.nearest(asked, 99, 50)
        fresh.close()
    document_store.close()
