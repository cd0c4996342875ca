"""A map for queries is learnt from questions whose passage is known, and is left out where it ranks nothing better."""

import asyncio

import numpy as np
import pytest

from rung.embedding import turned, unit, written_turn
from rung.rag.turned import _gradient, learnt, reciprocal_rank, turn_of
from rung.testing.document_index import PlainDocumentIndex
from rung.types import Choice, Example, MetricSpec, Task


def world(n=200, d=24, seed=1, noise=0.3):
    """Passages, and questions that point at them after a rotation that nobody was told."""
    rng = np.random.default_rng(seed)
    passages = unit(rng.normal(size=(60, d)).astype(np.float32))
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0].astype(np.float32)
    right = rng.integers(0, 60, n)
    queries = unit((passages[right] + noise * rng.normal(size=(n, d)) / np.sqrt(d)).astype(np.float32) @ rotation)
    return queries, passages, list(enumerate(right.tolist()))


def test_what_questions_mean_is_learnt_and_holds_on_fresh_ones():
    queries, passages, pairs = world()
    turn = learnt(queries[:150], passages, pairs[:150])
    fresh, known = queries[150:], [(i - 150, p) for i, p in pairs[150:]]
    assert reciprocal_rank(fresh, passages, known) < 0.2
    assert reciprocal_rank(unit(fresh @ turn), passages, known) > 0.6
    assert np.array_equal(turn, learnt(queries[:150], passages, pairs[:150]))


def test_nothing_is_learnt_where_questions_are_understood_already():
    queries, passages, pairs = world()
    assert learnt(passages[[p for _, p in pairs]], passages, pairs) is None
    assert queries.dtype == np.float32


def test_the_gradient_is_that_of_the_cross_entropy():
    queries, passages, pairs = world(n=12, d=6)
    rng = np.random.default_rng(3)
    turn = (np.eye(6) + 0.1 * rng.normal(size=(6, 6))).astype(np.float64)
    right = np.array([p for _, p in pairs])

    def loss(m):
        scores = 20.0 * unit(queries.astype(np.float64) @ m) @ passages.T
        return -(scores[np.arange(12), right] - np.log(np.exp(scores).sum(axis=1))).mean()

    found = _gradient(queries, passages, right, turn)
    for i, j in ((0, 0), (1, 4), (5, 2)):
        step = np.zeros((6, 6))
        step[i, j] = 1e-5
        assert found[i, j] == pytest.approx((loss(turn + step) - loss(turn - step)) / 2e-5, rel=1e-2, abs=1e-4)


def test_a_map_is_read_back_from_its_text_and_none_changes_nothing():
    queries, *_ = world(n=3)
    rng = np.random.default_rng(5)
    turn = rng.normal(size=(24, 24)).astype(np.float32)
    assert turned(queries[0], written_turn(turn)) == pytest.approx(unit(queries @ turn)[0], abs=2e-3)
    assert np.array_equal(turned(queries[0], ""), queries[0])
    with pytest.raises(ValueError, match="reshape"):
        turned(queries[0][:5], written_turn(turn))


def test_few_questions_or_an_index_without_vectors_teach_nothing():
    index = PlainDocumentIndex({"a": "the sofa costs 7 euros", "b": "the lamp costs 9 euros"})
    rows = [Example(str(i), {"q": f"what is the price of the sofa, {i}"}, "7 euros", str(i)) for i in range(50)]
    task = Task("t", "Answer.", ("q",), "answer", "knowledge", (MetricSpec("exact_match"),), 0.9)
    few, many = (asyncio.run(turn_of(index, Choice(), rows[:n], task)) for n in (3, 50))
    assert (few.turn, few.questions, many.turn, many.questions) == ("", 3, "", 50)
    assert few.passages == {"the sofa costs 7 euros"}
