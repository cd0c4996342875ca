"""What a text puts into the index of words: broken words, scripts without blanks, Korean nouns with particles."""

from __future__ import annotations

import sqlite3

import pytest

from rung.retrievers._words import indexed
from rung.retrievers.sqlite import SqliteRetriever
from rung.types import Document, Passage, Source, StoreChange


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("all the infor-\nmation we have", "information"),
        ("all the infor-\n  mation we have", "information"),
        ("all the infor\u2010\nmation we have", "information"),
        ("a well-\nknown fact", "known"),
        ("a well-\nknown fact", "well"),
        ("오늘 게임을 했다", "게임"),
        ("반품 기한은 삼십일입니다", "기한"),
        ("삼십일입니다", "삼십일"),
        ("책을 읽다", "책"),
        ("the \ufb01rst o\ufb03ce", "first"),
        ("\uff33\uff21\uff2c\uff25", "sale"),
        ("\u1100\u1166\u110b\u1175\u11b7\u110b\u1173\u11af", "게임"),
        ("我们的退货期限是三十天", "退货"),
        ("ระยะเวลาคืนสินค้า", "คืน"),
    ],
)
def test_words_are_found_as_they_are_written(tmp_path, text, query):
    store = SqliteRetriever(place=str(tmp_path / "i.sqlite")).open()
    put(store, text)
    assert [key for key, _ in store.match(query, 3, 50)] == [1]
    store.close()


@pytest.mark.parametrize("text", ["a - b", "see pages 3-\n5", "end-\nOf Line"])
def test_what_is_no_broken_word_stays(text):
    assert indexed(text) == text


def put(store, text):
    document = Document("a", "t", (Source("a", "start", text),), "a")
    store.write(StoreChange([], [document], {50: [Passage("a", 0, "t", "start", text)]}))


def test_an_index_of_the_first_version_gets_the_words_of_this_one(tmp_path):
    path = tmp_path / "i.sqlite"
    store = SqliteRetriever(place=str(path)).open()
    put(store, "오늘 게임을 했다")
    store.close()
    old = sqlite3.connect(path)
    old.execute("DROP TABLE fts_50")
    old.execute(
        "CREATE VIRTUAL TABLE fts_50 USING fts5(title, text, content='', tokenize='porter unicode61 remove_diacritics 2')"
    )
    old.execute("INSERT INTO fts_50(rowid, title, text) VALUES (1, 't', '오늘 게임을 했다')")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    store = SqliteRetriever(place=str(path)).open()
    assert [key for key, _ in store.match("게임", 3, 50)] == [1]
    store.write(StoreChange(["a"], [], {}))
    assert store.match("게임", 3, 50) == []
    store.close()
