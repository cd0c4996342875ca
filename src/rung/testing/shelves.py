"""The promises of a Retriever and its Shelf as checks, the same for the built-in place and for a stranger's.

from rung.testing.shelves import check_retriever
def test_my_retriever(tmp_path):
    check_retriever(MyRetriever, lambda name: {"place": str(tmp_path / name)})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rung.protocols import Retriever, Shelf
from rung.testing.conformance import Promises, check_settings, promises
from rung.types import Change, Document, Passage, Source

_TEXTS = {
    "refunds.md": "Money comes back within ten days of the return.",
    "opening.md": "The shop opens at nine and closes at five.",
    "lamp.md": "The green lamp costs twelve euros.",
    'it\'s % _ "odd".md': "Zebras are striped; 東京 and Café Größe, too.",
}
_SIZE, _OTHER = 50, 20
_ODD = ("", " ", "?", "'", '"', "AND OR NOT", "NEAR(a b)", "col:*", "a" * 20_000, "\x00", "\ud800", "-1", "%", "🦓")


def check_retriever(cls: type[Any], settings: Callable[[str], Mapping[str, Any]]) -> None:
    """Check a retriever on a few documents. `settings`: given a name, the settings of a fresh place."""
    check_settings(cls, settings("settings"))
    with promises(f"retriever {cls.__name__}") as p:
        if not p.that(isinstance(cls.model_validate(dict(settings("a"))), Retriever), "it has open"):
            return

        def opened(name: str) -> Shelf:
            shelf: Shelf = cls.model_validate(dict(settings(name))).open()
            return shelf

        shelf = opened("a")
        try:
            _empty(p, shelf)
            _filled(p, shelf)
            _searched(p, shelf)
            _vectors(p, shelf)
            other = opened("a")
            try:
                _changed(p, shelf, other)
            finally:
                other.close()
        finally:
            shelf.close()
        again = opened("a")
        p.that("lamp.md" in again.documents(), "what was written is there when the place is opened again")
        p.that(bool(again.match("lamp", 3, _SIZE)), "... and is found")
        again.close()


def document(name: str, text: str) -> Document:
    return Document(name, name.partition(".")[0], (Source(name, "start", text), Source(name, "end", "The end.")), name)


def passages(made: Document, size: int) -> list[Passage]:
    """One passage a part: enough for a test."""
    return [Passage(made.name, n, made.title, part.position, part.text) for n, part in enumerate(made.parts)]


def put(*documents: Document, sizes: tuple[int, ...] = (_SIZE,), **more: Any) -> Change:
    return Change(put=documents, passages={s: [x for d in documents for x in passages(d, s)] for s in sizes}, **more)


def _empty(p: Promises, shelf: Shelf) -> None:
    p.that(not shelf.documents() and set(shelf.facts()) <= {"schema"}, "a new place is empty")
    p.that(shelf.read() == () and shelf.read(["no"]) == (), "reading an empty place gives nothing")
    shelf.write(Change(passages={_SIZE: []}))
    p.that(_SIZE in shelf.sizes(), "a size is there once it was written, without passages too")
    p.that(
        shelf.match("lamp", 3, _SIZE) == [] and shelf.nearest([1.0, 0.0], 3, _SIZE) == [], "nothing is found in nothing"
    )


def _filled(p: Promises, shelf: Shelf) -> None:
    before = shelf.version()
    made = [document(name, text) for name, text in _TEXTS.items()]
    shelf.write(put(*made, facts={"file/a": {"n": 1}, "file/b'%": [1, None, "é"], "other": True}))
    p.that(shelf.version() != before, "version differs after a write")
    p.that(shelf.version() == shelf.version(), "version stays while nobody writes")
    p.that(dict(shelf.documents()) == {d.name: d.sha256 for d in made}, "documents gives every name with its hash")
    p.that(list(shelf.documents()) == sorted(_TEXTS), "documents come sorted by name")
    p.that(shelf.read() == tuple(sorted(made, key=lambda d: d.name)), "read gives documents back as they were")
    p.that(shelf.read([made[3].name, "no"]) == (made[3],), "read gives those that are asked for and there")
    p.that(dict(shelf.facts("file/")) == {"file/a": {"n": 1}, "file/b'%": [1, None, "é"]}, "facts are found by prefix")
    shelf.write(Change(facts={"file/a": None, "other": 2}))
    p.that(set(shelf.facts("file/")) == {"file/b'%"} and shelf.facts("other") == {"other": 2}, "facts change and go")
    p.that(shelf.sizes().get(_SIZE) == 2 * len(made), "sizes counts the passages")


def _names(shelf: Shelf, query: str, k: int = 9, size: int = _SIZE) -> list[str]:
    ranked = shelf.match(query, k, size)
    found = shelf.passages([key for key, _ in ranked], size)
    return [found[key].document for key, _ in ranked]


def _searched(p: Promises, shelf: Shelf) -> None:
    for query, name in (
        ("lamps of green", "lamp.md"),
        ("money", "refunds.md"),
        ("ZEBRA", 'it\'s % _ "odd".md'),
        ("cafe", 'it\'s % _ "odd".md'),
    ):
        p.that(_names(shelf, query)[:1] == [name], f"words are found in any case and form ({query})")
    ranked = shelf.match("the shop opens", 9, _SIZE)
    p.that([s for _, s in ranked] == sorted((s for _, s in ranked), reverse=True), "match gives the best first")
    p.that(len({key for key, _ in ranked}) == len(ranked), "match gives a passage once")
    p.that(len(shelf.match("the", 2, _SIZE)) <= 2, "match gives at most k")
    p.that(shelf.match("xylophone", 9, _SIZE) == [], "match finds nothing where no word is there")
    for query in _ODD:
        p.that(isinstance(shelf.match(query, 3, _SIZE), list), "odd queries are searched like any other, not parsed")
    key = shelf.match("green lamp euros", 1, _SIZE)[0][0]
    found = shelf.passages([key, 987654321], _SIZE)
    wanted = Passage("lamp.md", 0, "lamp", "start", _TEXTS["lamp.md"])
    p.that(dict(found) == {key: wanted}, "passages gives what was put, and leaves out keys that are gone")
    shelf.write(Change(passages={_OTHER: [x for d in shelf.read() for x in passages(d, _OTHER)]}))
    p.that(_names(shelf, "lamp", size=_OTHER)[:1] == ["lamp.md"], "passages of another size stand beside the first")
    p.that(set(shelf.sizes()) == {_SIZE, _OTHER}, "sizes names both")


def _vectors(p: Promises, shelf: Shelf) -> None:
    missing = shelf.without_vector(_SIZE, 99)
    p.that(len(missing) == 2 * len(_TEXTS), "without_vector gives every passage at first")
    p.that(len(shelf.without_vector(_SIZE, 3)) == 3, "without_vector gives at most so many")
    p.that(any("lamp\nThe green lamp" in text for text in missing.values()), "without_vector gives title and text")
    draw = np.random.default_rng(1)
    made = {key: draw.standard_normal(8).astype("<f4") for key in missing}
    first = dict(list(made.items())[:5])
    shelf.write(Change(vectors={_SIZE: {key: v.tobytes() for key, v in first.items()}}))
    p.that(set(shelf.without_vector(_SIZE, 99)) == set(made) - set(first), "without_vector leaves out what has one")
    shelf.write(Change(vectors={_SIZE: {key: v.tobytes() for key, v in made.items()}}))
    wanted = draw.standard_normal(8).astype(np.float32)
    found = shelf.nearest(wanted.tolist(), 4, _SIZE)
    exact = sorted(((key, float(v @ wanted)) for key, v in made.items()), key=lambda r: (-r[1], r[0]))[:4]
    p.that([key for key, _ in found] == [key for key, _ in exact], "nearest is exact, the best first")
    p.that(np.allclose([s for _, s in found], [s for _, s in exact], atol=1e-4), "nearest gives the dot product")


def _changed(p: Promises, shelf: Shelf, other: Shelf) -> None:
    """Changes through one shelf are seen by the other's next call."""
    before = shelf.version()
    changed = document("lamp.md", "The blue lantern costs twenty euros.")
    other.write(put(changed, sizes=(_SIZE, _OTHER)))
    p.that(shelf.version() != before, "version differs after another shelf wrote to the place")
    p.that(_names(shelf, "lantern") == ["lamp.md"], "a document put again takes the place of the old one, at once")
    p.that("lamp.md" not in _names(shelf, "green"), "... whose words are found no more")
    p.that(len(shelf.without_vector(_SIZE, 99)) == 2, "... and whose vectors are gone")
    p.that(shelf.sizes().get(_OTHER) == 2 * len(_TEXTS), "... in every size")
    odd = next(name for name in _TEXTS if "odd" in name)
    other.write(Change(remove=["refunds.md", odd, "no such"]))
    p.that(_names(shelf, "money zebra") == [] and "refunds.md" not in shelf.documents(), "what is removed is not found")
    keys = [key for key, _ in shelf.nearest([1.0] * 8, 99, _SIZE)]
    p.that(len(keys) == 2, "vectors of what is removed are gone")
    other.write(Change(forget_vectors=True))
    p.that(shelf.nearest([1.0] * 8, 9, _SIZE) == [], "vectors can be forgotten")
    shelf.write(Change(vectors={_SIZE: {123456789: np.ones(8, dtype="<f4").tobytes()}}))
    p.that(shelf.nearest([1.0] * 8, 9, _SIZE) == [], "a vector of a passage that is gone is not kept")
