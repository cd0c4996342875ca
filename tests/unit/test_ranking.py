"""Ranking figures by hand, against scikit-learn, and the index's BM25 against the formula written out."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from sklearn.metrics import ndcg_score

from rung.documents.index import StoredDocumentIndex
from rung.documents.measure import choose_weight, measure, read_relevant
from rung.errors import DataError
from rung.retrievers._bm25 import K1, TITLE_WEIGHT, B
from rung.retrievers.sqlite import SqliteRetriever
from rung.stats.ranking import ndcg, recall, reciprocal_rank
from rung.types import Document, Passage, Source, StoreChange
from tests.unit.test_library import themed


def test_figures_by_hand():
    grades = {"a": 1.0, "b": 1.0, "z": 0.0}
    ranked = ["x", "a", "y", "b"]
    assert ndcg(ranked, grades) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3)))
    assert recall(ranked, grades, 2) == 0.5
    assert reciprocal_rank(ranked, grades) == 0.5
    assert (ndcg([], grades), recall([], grades, 5), reciprocal_rank(["x"] * 20, grades)) == (0.0, 0.0, 0.0)
    for nothing in ({}, {"a": 0.0}):
        assert ndcg(ranked, nothing) is recall(ranked, nothing, 5) is reciprocal_rank(ranked, nothing) is None


def test_ndcg_agrees_with_scikit_learn():
    draw = random.Random(3)
    for _ in range(50):
        names = [str(i) for i in range(20)]
        grades = {n: float(draw.randrange(4)) for n in names}
        order = draw.sample(names, 20)
        if any(grades.values()):
            theirs = ndcg_score([[grades[n] for n in order]], [list(range(20, 0, -1))], k=10)
            assert ndcg(order, grades) == pytest.approx(theirs)


@pytest.fixture
def document_store(tmp_path):
    opened = SqliteRetriever(place=str(tmp_path / "i")).open()
    yield opened
    opened.close()


def fill(document_store, texts, titles=None):
    titles = titles or [""] * len(texts)
    documents = [
        Document(f"d{i}", t, (Source(f"d{i}", "whole", x),), "f")
        for i, (x, t) in enumerate(zip(texts, titles, strict=True))
    ]
    passages = [Passage(d.name, 0, d.title, "whole", d.text) for d in documents]
    document_store.write(StoreChange(put=documents, passages={50: passages}))


def test_scores_are_those_of_the_formula(document_store):
    draw = random.Random(5)
    vocabulary = [f"w{i}" for i in range(12)]
    texts = [" ".join(draw.choices(vocabulary, k=draw.randrange(1, 200))) for _ in range(60)]
    titles = [" ".join(draw.choices(vocabulary, k=draw.randrange(0, 4))) for _ in range(60)]
    fill(document_store, texts, titles)
    lengths = [len(x.split()) + len(t.split()) for x, t in zip(texts, titles, strict=True)]
    mean = sum(lengths) / 60
    query = ["w1", "w5", "w7", "absent"]
    wanted = {}
    for i, (x, t) in enumerate(zip(texts, titles, strict=True)):
        score = 0.0
        for w in query:
            held = sum(w in (a + " " + b).split() for a, b in zip(texts, titles, strict=True))
            often = x.split().count(w) + TITLE_WEIGHT * t.split().count(w)
            idf = math.log(1 + (60 - held + 0.5) / (held + 0.5))
            score += idf * often * (K1 + 1) / (often + K1 * (1 - B + B * lengths[i] / mean)) if often else 0.0
        if score:
            wanted[f"d{i}"] = score
    found = document_store.match("w5 w1, W7! absent w1", 100, 50)
    names = {key: p.document for key, p in document_store.passages([k for k, _ in found], 50).items()}
    assert {names[k]: score for k, score in found} == pytest.approx(wanted, rel=1e-4)
    assert [s for _, s in found] == sorted((s for _, s in found), reverse=True)
    assert document_store.match("w5 w1 w7", 5, 50) == document_store.match("w5 w1 w7", 100, 50)[:5]


def test_words_are_found_in_any_form_accent_and_script(document_store):
    fill(
        document_store,
        ["The cats were running.", "Größe und Café", "東京の塔は高い", "nothing here", 'say "AND" OR NOT (x*'],
    )

    def names(query):
        hits = document_store.match(query, 9, 50)
        got = document_store.passages([k for k, _ in hits], 50)
        return [got[k].document for k, _ in hits]

    assert names("cat runs") == names("CATS") == ["d0"]
    assert names("cafe grosse größe") == ["d1"]
    assert names("塔") == ["d2"]
    assert names("AND OR NOT") == ["d4"]
    for odd in ("", " ", '"', "*", "a" * 100_000, "\x00", "NEAR(", "col:x", "-", "\ud800"):
        assert names(odd) in ([], ["d4"])


QRELS = {
    "tabs with a header": "query-id\tcorpus-id\tscore\nq1\td0\t1\n",
    "commas": "q1,d0,1\n",
    "trec": "q1 0 d0 1\n",
    "no grade": "q1\td0\n",
}


@pytest.mark.parametrize("form", QRELS)
def test_judgements_in_the_usual_forms(form, tmp_path):
    (tmp_path / "q").write_text(QRELS[form])
    assert read_relevant(tmp_path / "q", ["d0", "d1"]) == {"q1": {"d0": 1.0}}


def test_documents_may_be_named_by_row_or_without_ending(tmp_path):
    (tmp_path / "q").write_text("q1\t7\t1\nq1\trefunds\t2\nq2\tgone\t1\n")
    assert read_relevant(tmp_path / "q", ["t.jsonl#7", "a/refunds.md"]) == {
        "q1": {"t.jsonl#7": 1.0, "a/refunds.md": 2.0}
    }
    (tmp_path / "q").write_text("q1\tnowhere\t1\n")
    with pytest.raises(DataError, match="names no document of the index; documents are called d0, for example"):
        read_relevant(tmp_path / "q", ["d0"])
    (tmp_path / "q").write_text("q1\td0\t1\nq2\td0\tmuch\n")
    with pytest.raises(DataError, match="line 2: is no judgement; write the example's id, a document and a grade"):
        read_relevant(tmp_path / "q", ["d0"])


def test_the_weight_is_chosen_where_fusion_is_best_and_never_below_words_alone(document_store):
    fill(document_store, ["money back refund", "the lamp is bright", "a light for the desk lamp", "opens at nine"])
    document_index = StoredDocumentIndex(document_store, 50, themed())
    queries, relevant = (
        {"q1": "light", "q2": "refund"},
        {"q1": {"d1": 1.0, "d2": 1.0}, "q2": {"d0": 1.0}, "q3": {"d0": 1.0}},
    )
    tried = asyncio.run(choose_weight(document_index, queries, relevant))
    words = asyncio.run(measure(document_index, queries, relevant, "bm25"))
    assert tried[0].dense_weight > 0
    assert tried[0].figures["ndcg@10"].mean > words.figures["ndcg@10"].mean
    assert tried[0].figures["ndcg@10"].n == 2
    alone = asyncio.run(choose_weight(document_index, {"q2": "refund"}, relevant))
    assert (alone[0].dense_weight, alone[0].mode) == (0.0, "bm25")
    with pytest.raises(DataError, match="none of the examples has a relevant document"):
        asyncio.run(measure(document_index, {"other": "x"}, relevant, "bm25"))
