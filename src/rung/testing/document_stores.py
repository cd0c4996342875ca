"""The promises of a Retriever and its DocumentStore as checks, the same for the built-in place and for a stranger's.

from rung.testing.document_stores import check_retriever
def test_my_retriever(tmp_path):
    check_retriever(MyRetriever, lambda name: {"place": str(tmp_path / name)})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rung.protocols import DocumentStore, Retriever
from rung.testing.climbs import trouble_in_a_climb
from rung.testing.conformance import Promises, check_settings, promises
from rung.types import Document, Passage, Source, StoreChange

_TEXTS = {
    "refunds.md": "Money comes back within ten days of the return.",
    "opening.md": "The shop opens at nine and closes at five.",
    "lamp.md": "The green lamp costs twelve euros.",
    'it\'s % _ "odd".md': "Zebras are striped; 東京 and Café Größe, too.",
}
_TEAMS = {
    "teams.md": "Billing answers about invoices, delivery about parcels, login about passwords.",
    "hours.md": "All teams answer on week days.",
}
_SIZE, _OTHER = 50, 20
_ODD = ("", " ", "?", "'", '"', "AND OR NOT", "NEAR(a b)", "col:*", "a" * 20_000, "\x00", "\ud800", "-1", "%", "🦓")


def check_retriever(cls: type[Any], settings: Callable[[str], Mapping[str, Any]]) -> None:
    """Check a retriever on a few documents. `settings`: given a name, the settings of a fresh place."""
    check_settings(cls, settings("settings"))
    with promises(f"retriever {cls.__name__}") as p:
        if not p.that(isinstance(cls.model_validate(dict(settings("a"))), Retriever), "it has open"):
            return

        def opened(name: str) -> DocumentStore:
            document_store: DocumentStore = cls.model_validate(dict(settings(name))).open()
            return document_store

        document_store = opened("a")
        try:
            _empty(p, document_store)
            _filled(p, document_store)
            _searched(p, document_store)
            _vectors(p, document_store)
            other = opened("a")
            try:
                _changed(p, document_store, other)
            finally:
                other.close()
        finally:
            document_store.close()
        again = opened("a")
        p.that("lamp.md" in again.documents(), "what was written is there when the place is opened again")
        p.that(bool(again.match("lamp", 3, _SIZE)), "... and is found")
        again.close()
        if not p.broken:
            trouble = trouble_in_a_climb("retrievers", cls, settings("climb"), documents=_TEAMS)
            p.that(trouble is None, f"a small climb with it ends in a verdict that verifies: {trouble}")


def document(name: str, text: str) -> Document:
    return Document(name, name.partition(".")[0], (Source(name, "start", text), Source(name, "end", "The end.")), name)


def passages(made: Document, size: int) -> list[Passage]:
    """One passage a part: enough for a test."""
    return [Passage(made.name, n, made.title, part.position, part.text) for n, part in enumerate(made.parts)]


def put(*documents: Document, sizes: tuple[int, ...] = (_SIZE,), **more: Any) -> StoreChange:
    return StoreChange(
        put=documents, passages={s: [x for d in documents for x in passages(d, s)] for s in sizes}, **more
    )


def _empty(p: Promises, document_store: DocumentStore) -> None:
    p.that(not document_store.documents() and set(document_store.facts()) <= {"schema"}, "a new place is empty")
    p.that(document_store.read() == () and document_store.read(["no"]) == (), "reading an empty place gives nothing")
    document_store.write(StoreChange(passages={_SIZE: []}))
    p.that(_SIZE in document_store.sizes(), "a size is there once it was written, without passages too")
    p.that(
        document_store.match("lamp", 3, _SIZE) == [] and document_store.nearest([1.0, 0.0], 3, _SIZE) == [],
        "nothing is found in nothing",
    )


def _filled(p: Promises, document_store: DocumentStore) -> None:
    before = document_store.version()
    made = [document(name, text) for name, text in _TEXTS.items()]
    document_store.write(put(*made, facts={"file/a": {"n": 1}, "file/b'%": [1, None, "é"], "other": True}))
    p.that(document_store.version() != before, "version differs after a write")
    p.that(document_store.version() == document_store.version(), "version stays while nobody writes")
    p.that(
        dict(document_store.documents()) == {d.name: d.sha256 for d in made}, "documents gives every name with its hash"
    )
    p.that(list(document_store.documents()) == sorted(_TEXTS), "documents come sorted by name")
    p.that(document_store.read() == tuple(sorted(made, key=lambda d: d.name)), "read gives documents back as they were")
    p.that(document_store.read([made[3].name, "no"]) == (made[3],), "read gives those that are asked for and there")
    p.that(
        dict(document_store.facts("file/")) == {"file/a": {"n": 1}, "file/b'%": [1, None, "é"]},
        "facts are found by prefix",
    )
    document_store.write(StoreChange(facts={"file/a": None, "other": 2}))
    p.that(
        set(document_store.facts("file/")) == {"file/b'%"} and document_store.facts("other") == {"other": 2},
        "facts change and go",
    )
    p.that(document_store.sizes().get(_SIZE) == 2 * len(made), "sizes counts the passages")


def _names(document_store: DocumentStore, query: str, k: int = 9, size: int = _SIZE) -> list[str]:
    ranked = document_store.match(query, k, size)
    found = document_store.passages([key for key, _ in ranked], size)
    return [found[key].document for key, _ in ranked]


def _searched(p: Promises, document_store: DocumentStore) -> None:
    for query, name in (
        ("lamps of green", "lamp.md"),
        ("money", "refunds.md"),
        ("ZEBRA", 'it\'s % _ "odd".md'),
        ("cafe", 'it\'s % _ "odd".md'),
    ):
        p.that(_names(document_store, query)[:1] == [name], f"words are found in any case and form ({query})")
    ranked = document_store.match("the shop opens", 9, _SIZE)
    p.that([s for _, s in ranked] == sorted((s for _, s in ranked), reverse=True), "match gives the best first")
    p.that(len({key for key, _ in ranked}) == len(ranked), "match gives a passage once")
    p.that(len(document_store.match("the", 2, _SIZE)) <= 2, "match gives at most k")
    p.that(document_store.match("xylophone", 9, _SIZE) == [], "match finds nothing where no word is there")
    for query in _ODD:
        p.that(
            isinstance(document_store.match(query, 3, _SIZE), list),
            "odd queries are searched like any other, not parsed",
        )
    key = document_store.match("green lamp euros", 1, _SIZE)[0][0]
    found = document_store.passages([key, 987654321], _SIZE)
    wanted = Passage("lamp.md", 0, "lamp", "start", _TEXTS["lamp.md"])
    p.that(dict(found) == {key: wanted}, "passages gives what was put, and leaves out keys that are gone")
    document_store.write(
        StoreChange(passages={_OTHER: [x for d in document_store.read() for x in passages(d, _OTHER)]})
    )
    p.that(
        _names(document_store, "lamp", size=_OTHER)[:1] == ["lamp.md"],
        "passages of another size stand beside the first",
    )
    p.that(set(document_store.sizes()) == {_SIZE, _OTHER}, "sizes names both")


def _vectors(p: Promises, document_store: DocumentStore) -> None:
    missing = document_store.without_vector(_SIZE, 99)
    p.that(len(missing) == 2 * len(_TEXTS), "without_vector gives every passage at first")
    p.that(len(document_store.without_vector(_SIZE, 3)) == 3, "without_vector gives at most so many")
    p.that(any("lamp\nThe green lamp" in text for text in missing.values()), "without_vector gives title and text")
    draw = np.random.default_rng(1)
    made = {key: draw.standard_normal(8).astype("<f4") for key in missing}
    first = dict(list(made.items())[:5])
    document_store.write(StoreChange(vectors={_SIZE: {key: v.tobytes() for key, v in first.items()}}))
    p.that(
        set(document_store.without_vector(_SIZE, 99)) == set(made) - set(first),
        "without_vector leaves out what has one",
    )
    document_store.write(StoreChange(vectors={_SIZE: {key: v.tobytes() for key, v in made.items()}}))
    wanted = draw.standard_normal(8).astype(np.float32)
    found = document_store.nearest(wanted.tolist(), 4, _SIZE)
    exact = sorted(((key, float(v @ wanted)) for key, v in made.items()), key=lambda r: (-r[1], r[0]))[:4]
    p.that([key for key, _ in found] == [key for key, _ in exact], "nearest is exact, the best first")
    p.that(np.allclose([s for _, s in found], [s for _, s in exact], atol=1e-4), "nearest gives the dot product")


def _changed(p: Promises, document_store: DocumentStore, other: DocumentStore) -> None:
    """Changes through one document store are seen by the other's next call."""
    before = document_store.version()
    changed = document("lamp.md", "The blue lantern costs twenty euros.")
    other.write(put(changed, sizes=(_SIZE, _OTHER)))
    p.that(document_store.version() != before, "version differs after another document store wrote to the place")
    p.that(
        _names(document_store, "lantern") == ["lamp.md"], "a document put again takes the place of the old one, at once"
    )
    p.that("lamp.md" not in _names(document_store, "green"), "... whose words are found no more")
    p.that(len(document_store.without_vector(_SIZE, 99)) == 2, "... and whose vectors are gone")
    p.that(document_store.sizes().get(_OTHER) == 2 * len(_TEXTS), "... in every size")
    odd = next(name for name in _TEXTS if "odd" in name)
    other.write(StoreChange(remove=["refunds.md", odd, "no such"]))
    p.that(
        _names(document_store, "money zebra") == [] and "refunds.md" not in document_store.documents(),
        "what is removed is not found",
    )
    keys = [key for key, _ in document_store.nearest([1.0] * 8, 99, _SIZE)]
    p.that(len(keys) == 2, "vectors of what is removed are gone")
    other.write(StoreChange(forget_vectors=True))
    p.that(document_store.nearest([1.0] * 8, 9, _SIZE) == [], "vectors can be forgotten")
    document_store.write(StoreChange(vectors={_SIZE: {123456789: np.ones(8, dtype="<f4").tobytes()}}))
    p.that(document_store.nearest([1.0] * 8, 9, _SIZE) == [], "a vector of a passage that is gone is not kept")
