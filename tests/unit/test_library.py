"""A folder of documents, kept in step and searched: by words, by meaning, by both, in passages of any size."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rung.documents.folder import add, remove, sync
from rung.documents.index import DEPTH, StoredDocumentIndex, fuse
from rung.embedding import Embedder, is_embedding, write_vectors
from rung.errors import ConfigError, DataError, ModelError, RungError
from rung.retrievers.sqlite import SqliteRetriever
from rung.types import Completion

HANDBOOK = {
    "refunds.md": "# Refunds\n\nMoney comes back within ten days.\n\n## Late parcels\n\nA late parcel is refunded in full.\n",
    "opening.txt": "The shop opens at nine.\n\nOn Sundays it is closed.\n",
    "stock/lamp.md": "The green lamp costs 12 euros.\n",
}
THEMES = {"refund": 0, "money": 0, "parcel": 0, "opens": 1, "sundays": 1, "hours": 1, "lamp": 2, "light": 2, "euros": 2}


def themed(dimensions: int = 3, name: str = "themes", drop: int = 0) -> Embedder:
    """An embedder whose vectors say which of three themes a text is about; it knows that a light is a lamp."""

    async def ask(request):
        assert is_embedding(request)
        vectors = np.full((len(request.messages) - drop, dimensions), 0.01, dtype=np.float32)
        for row, message in zip(vectors, request.messages, strict=False):
            for word, theme in THEMES.items():
                row[theme] += word in message.content.lower()
        return Completion(write_vectors(vectors), name, 1, 0, 0.0, 0.0)

    return Embedder(name, f"{name}/{dimensions}", ask)


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, text in HANDBOOK.items():
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "docs"


@pytest.fixture
def document_store(tmp_path):
    opened = SqliteRetriever(place=str(tmp_path / "index.sqlite")).open()
    yield opened
    opened.close()


def search(document_index, query, k=3, **how):
    return asyncio.run(document_index.search(query, k, **how))


def test_a_folder_is_searched_and_every_passage_says_where_it_stands(folder, document_store):
    synced = sync(document_store, folder, 180)
    assert (synced.added, synced.changed, synced.removed) == (tuple(sorted(HANDBOOK)), (), ())
    found = search(StoredDocumentIndex(document_store, 180), "Is a late parcel refunded?")
    assert (found[0].source.document, found[0].source.position) == ("refunds.md", "§ Refunds to Refunds > Late parcels")
    assert "refunded in full" in found[0].source.text
    assert search(StoredDocumentIndex(document_store, 180), "sunday")[0].source.position == "line 1 to line 3"


def test_passages_of_another_size_are_made_on_first_use_and_stand_beside_the_others(folder, document_store):
    sync(document_store, folder, 180)
    document_index = StoredDocumentIndex(document_store, 180)
    small = search(document_index, "late parcel", chunk_words=10)
    assert small[0].source.position == "§ Refunds > Late parcels"
    assert set(document_store.sizes()) == {10, 180}
    (folder / "opening.txt").write_text("The shop opens at seven.\n")
    sync(document_store, folder, 180)
    assert "seven" in search(document_index, "opens", chunk_words=10)[0].source.text
    assert "seven" in search(document_index, "opens")[0].source.text


def test_only_changed_files_are_read_again(folder, document_store):
    sync(document_store, folder, 180)
    before = StoredDocumentIndex(document_store, 180).sha256
    assert sync(document_store, folder, 180).unchanged == 3
    (folder / "stock/lamp.md").write_text("The green lamp costs 13 euros.\n")
    (folder / "opening.txt").unlink()
    (folder / "new.md").write_text("# Gift cards\n\nThey never expire.\n")
    synced = sync(document_store, folder, 180)
    assert (synced.added, synced.changed, synced.removed) == (("new.md",), ("stock/lamp.md",), ("opening.txt",))
    assert synced.unchanged == 1
    assert StoredDocumentIndex(document_store, 180).sha256 != before
    assert (
        "13 euros"
        in search(StoredDocumentIndex(document_store, 180), "price of the green lamp in euros")[0].source.text
    )
    assert search(StoredDocumentIndex(document_store, 180), "sundays") == ()


def test_another_shelf_at_the_same_place_sees_a_change_at_once(folder, document_store, tmp_path):
    sync(document_store, folder, 180)
    document_index = StoredDocumentIndex(document_store, 180, themed())
    assert "12 euros" in search(document_index, "lamp", mode="dense")[0].source.text
    other = SqliteRetriever(place=str(tmp_path / "index.sqlite")).open()
    add(other, "stock/lamp.md", b"The green lamp costs 99 euros.", 180)
    other.close()
    for mode in document_index.modes:
        assert "99 euros" in search(document_index, "lamp", mode=mode)[0].source.text


def test_what_is_removed_is_neither_found_nor_left_in_the_file(folder, document_store, tmp_path):
    (folder / "secret.md").write_text("Our zanzibarquux recipe needs wombatflour.\n")
    sync(document_store, folder, 180)
    document_index = StoredDocumentIndex(document_store, 180, themed())
    assert search(document_index, "zanzibarquux", mode="hybrid")[0].source.document == "secret.md"
    search(document_index, "zanzibarquux", chunk_words=20)
    assert remove(document_store, ["secret.md", "no-such.md"], ["secret.md"]) == ("secret.md",)
    assert search(document_index, "zanzibarquux") == search(document_index, "wombatflour", chunk_words=20) == ()
    assert "secret.md" not in {h.source.document for h in search(document_index, "recipe", mode="dense", k=9)}
    for file in tmp_path.glob("index.sqlite*"):
        content = file.read_bytes().lower()
        assert b"zanzibarquux" not in content, file.name
        assert b"wombatflour"[:9] not in content, file.name
    assert sync(document_store, folder, 180).added == ()  # the user took it out: it stays out while the file lies there
    add(document_store, "secret.md", (folder / "secret.md").read_bytes(), 180)
    assert search(document_index, "zanzibarquux")[0].source.document == "secret.md"


def test_without_an_embedder_words_are_all_there_is(folder, document_store):
    sync(document_store, folder, 180)
    document_index = StoredDocumentIndex(document_store, 180)
    assert document_index.modes == ("bm25",)
    with pytest.raises(ConfigError, match=r"documents: no embedder is configured \(found hybrid\); allowed: bm25"):
        search(document_index, "lamp", mode="hybrid")
    with pytest.raises(ConfigError, match=r"there is no such way to search \(found sparse\)"):
        search(StoredDocumentIndex(document_store, 180, themed()), "lamp", mode="sparse")


def test_meaning_finds_what_words_do_not(folder, document_store):
    sync(document_store, folder, 180)
    document_index = StoredDocumentIndex(document_store, 180, themed())
    assert search(document_index, "light") == ()
    for how in ({"mode": "dense"}, {"mode": "hybrid"}):
        assert search(document_index, "light", **how)[0].source.document == "stock/lamp.md"


def test_fusion_at_the_ends_is_one_of_the_two_rankings():
    words, near = [(1, 9.0), (2, 5.0)], [(3, 0.9), (1, 0.8)]
    assert [key for key, _ in fuse(words, near, 0.0)] == [1, 2]
    assert [key for key, _ in fuse(words, near, 1.0)] == [3, 1]
    assert fuse(words, near, 0.5) == [(1, 0.5 / 61 + 0.5 / 62), (3, 0.5 / 61), (2, 0.5 / 62)]
    assert DEPTH >= 50


def test_vectors_of_two_models_are_never_mixed(folder, document_store):
    sync(document_store, folder, 180)
    search(StoredDocumentIndex(document_store, 180, themed()), "lamp", mode="dense")
    (folder / "new.md").write_text("A blue lamp.")
    sync(document_store, folder, 180)
    with pytest.raises(RungError) as caught:
        search(StoredDocumentIndex(document_store, 180, themed(5, "wider")), "lamp", mode="dense")
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "the index of documents holds vectors of 3 numbers made by 'themes', and documents.embedder is now 'wider': "
        "vectors of two models cannot be compared. Put 'themes' back, or run `rung docs update --embed-again` to make all "
        "vectors anew; no vector was written"
    )
    assert (
        "12 euros"
        in search(StoredDocumentIndex(document_store, 180, themed()), "green lamp", mode="hybrid")[0].source.text
    )


def test_a_long_embedding_tells_how_far_it_is(folder, document_store, monkeypatch):
    monkeypatch.setattr("rung.documents.index._PASSAGES_A_CHANGE", 1)
    sync(document_store, folder, 180)
    said: list[str] = []
    search(StoredDocumentIndex(document_store, 180, themed(), said.append), "lamp", mode="dense")
    assert said == ["embedding passages of 180 words with themes"] + [
        f"{n} passages embedded, 3 are there" for n in (1, 2, 3)
    ]


def test_a_model_that_makes_longer_vectors_under_its_old_name_is_told(folder, document_store):
    sync(document_store, folder, 180)
    search(StoredDocumentIndex(document_store, 180, themed()), "lamp", mode="dense")
    other = replace(themed(5), identity=themed().identity)
    for mode in ("dense", "hybrid"):
        with pytest.raises(
            RungError, match="vectors of 3 numbers made by 'themes', and .* 'themes', which makes 5: vectors"
        ):
            search(StoredDocumentIndex(document_store, 180, other), "lamp", mode=mode)


def test_files_that_give_no_document_are_findings_and_no_change(folder, document_store, monkeypatch):
    (folder / "empty.md").write_text(" ")
    (folder / "huge.txt").write_text("a" * 5000)
    monkeypatch.setattr("rung.documents.folder.MOST_BYTES", 4000)
    first = sync(document_store, folder, 180)
    assert first.added == tuple(sorted(HANDBOOK))
    assert [f.message.partition(" ")[0] for f in first.findings] == ["empty.md", "huge.txt"]
    again = sync(document_store, folder, 180)
    assert (again.added, again.changed, again.unchanged) == ((), (), 5)
    assert again.findings == first.findings
    (folder / "empty.md").write_text("Filled.")
    assert sync(document_store, folder, 180).added == ("empty.md",)
    (folder / "empty.md").write_text("")
    assert sync(document_store, folder, 180).changed == ("empty.md",)
    assert "empty.md" not in document_store.documents()


def test_a_wrong_number_of_vectors_is_told_and_nothing_is_kept(folder, document_store):
    sync(document_store, folder, 180)
    with pytest.raises(
        ModelError, match="was given 3 texts and answered with 2 vectors, so nobody can tell which belongs"
    ):
        search(StoredDocumentIndex(document_store, 180, themed(drop=1)), "lamp", mode="dense")
    assert len(document_store.without_vector(180, 99)) == 3


def test_a_folder_without_a_document_is_one_clear_paragraph(tmp_path, document_store):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "photo.png").write_bytes(b"\x89PNG")
    (tmp_path / "docs" / "empty.md").write_bytes(b" \n")
    with pytest.raises(
        DataError, match=r"holds no document that can be read \(empty.md is empty: it was left out.; The folder"
    ):
        sync(document_store, tmp_path / "docs", 180)
    with pytest.raises(
        DataError, match=r"nowhere: there is no such folder; name the folder of your documents in documents.path"
    ):
        sync(document_store, tmp_path / "nowhere", 180)
