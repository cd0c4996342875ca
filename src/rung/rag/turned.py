"""A map for the vectors of queries, learnt from training questions whose passage is known: questions and passages are worded apart.

A query vector q becomes unit(q M). M starts as the identity and lowers the cross-entropy of the right passage among those of the batch and the
nearest wrong ones (InfoNCE; van den Oord et al. 2018, arXiv:1807.03748), with a penalty on its distance to the identity. Vectors of passages stay as
they are, so that nothing is indexed anew. Penalty and steps are chosen by the reciprocal rank of a fifth of the questions that is held out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rung.embedding import Vectors, unit, written_turn
from rung.protocols import DocumentIndex, EmbeddingIndex
from rung.rag.gold import gold_of
from rung.rag.query import query_of
from rung.types import Choice, Example, Task

MOST_QUESTIONS, FEWEST_QUESTIONS = 1000, 40  # training questions with a known passage
SHARPNESS = 20.0  # what cosines are multiplied by, as usual for sentence models
HARD = 15  # nearest wrong passages beside each right one
STEPS, RATE, BATCH = (50, 100, 150, 200), 0.003, 64
PENALTIES = (0.0, 0.01, 0.1, 1.0)
HELD_OUT = 5  # every fifth question

Pairs = Sequence[tuple[int, int]]  # a question and its passage, as rows of their vectors


@dataclass(frozen=True)
class Turn:
    """A map as text ("": none that ranks better), from how many questions it was learnt, and the passages that answer them."""

    turn: str
    questions: int
    passages: frozenset[str]


async def turn_of(document_index: DocumentIndex, choice: Choice, rows: Sequence[Example], task: Task) -> Turn:
    """Return the map for the queries of a choice. Of fewer than 40 training examples with a known passage nothing is learnt."""
    asked: list[str] = []
    right: list[str] = []
    for row in rows[:MOST_QUESTIONS]:
        gold = await gold_of(document_index, row, task, choice.chunk_words)
        if gold is not None:
            asked.append(query_of(choice.query, row.inputs))
            right.append(gold.passage.text)
    if len(asked) < FEWEST_QUESTIONS or not isinstance(document_index, EmbeddingIndex):
        return Turn("", len(asked), frozenset(right))
    found = await asyncio.gather(
        *(document_index.search(query, HARD + 1, mode="dense", chunk_words=choice.chunk_words) for query in asked)
    )
    texts = list(dict.fromkeys([*right, *(hit.source.text for hits in found for hit in hits)]))
    place = {text: i for i, text in enumerate(texts)}
    pairs = [(i, place[text]) for i, text in enumerate(right)]
    turn = learnt(await document_index.vectors(asked), await document_index.vectors(texts), pairs)
    return Turn("" if turn is None else written_turn(turn), len(asked), frozenset(right))


def learnt(queries: Vectors, passages: Vectors, pairs: Pairs, seed: int = 7) -> Vectors | None:
    """Return M, (d, d); None where nothing learnt ranks the held-out questions higher. `queries` (n, d) and `passages` (m, d) have length 1."""
    held = [p for p in pairs if p[0] % HELD_OUT == 0]
    fit = [p for p in pairs if p[0] % HELD_OUT]
    best, choice = reciprocal_rank(queries, passages, held), None
    for penalty in PENALTIES:
        for steps, turn in _descent(queries, passages, fit, penalty, seed):
            score = reciprocal_rank(unit(queries @ turn), passages, held)
            if score > best:
                best, choice = score, (penalty, steps)
    return None if choice is None else dict(_descent(queries, passages, pairs, choice[0], seed))[choice[1]]


def reciprocal_rank(queries: Vectors, passages: Vectors, pairs: Pairs) -> float:
    """Return the mean reciprocal rank of the right passage among all, in (0, 1]; of equal ones it is in the middle."""
    rows, right = (np.array(x) for x in zip(*pairs, strict=True))
    scores = queries[rows] @ passages.T
    own = scores[np.arange(len(rows)), right][:, None]
    ranks = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) + 1) / 2
    return float((1.0 / ranks).mean())


def _descent(
    queries: Vectors, passages: Vectors, pairs: Pairs, penalty: float, seed: int
) -> Sequence[tuple[int, Vectors]]:
    """Return M after some numbers of steps of Adam (Kingma and Ba 2015, arXiv:1412.6980)."""
    rng = np.random.default_rng(seed)
    rows, right = (np.array(x) for x in zip(*pairs, strict=True))
    hard = _hard(queries, passages, pairs)
    start = np.eye(queries.shape[1], dtype=np.float32)
    turn, first, second, kept = start.copy(), np.zeros_like(start), np.zeros_like(start), []
    for step in range(1, STEPS[-1] + 1):
        batch = rng.choice(len(rows), min(BATCH, len(rows)), replace=False)
        shown = np.unique(np.concatenate([right[batch], *(hard[rows[b]] for b in batch)]))
        gradient = _gradient(queries[rows[batch]], passages[shown], np.searchsorted(shown, right[batch]), turn)
        gradient += penalty * (turn - start)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        turn = turn - RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        if step in STEPS:
            kept.append((step, turn.astype(np.float32)))
    return kept


def _hard(queries: Vectors, passages: Vectors, pairs: Pairs) -> dict[int, NDArray[np.int64]]:
    """Return the nearest wrong passages of each question."""
    known: dict[int, set[int]] = {}
    for question, passage in pairs:
        known.setdefault(question, set()).add(passage)
    near = {q: np.argsort(-(passages @ queries[q]), kind="stable")[: HARD + len(of)] for q, of in known.items()}
    return {q: np.array([p for p in near[q] if p not in of][:HARD], dtype=np.int64) for q, of in known.items()}


def _gradient(queries: Vectors, passages: Vectors, right: NDArray[np.int64], turn: Vectors) -> Vectors:
    """Return the gradient of the mean cross-entropy by M."""
    raw = queries @ turn
    length = np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-9)
    turned = raw / length
    scores = SHARPNESS * turned @ passages.T
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    shares /= shares.sum(axis=1, keepdims=True)
    shares[np.arange(len(right)), right] -= 1.0
    by_turned = SHARPNESS * shares @ passages / len(right)
    by_raw = (by_turned - turned * (by_turned * turned).sum(axis=1, keepdims=True)) / length
    found: Vectors = (queries.T @ by_raw).astype(np.float32)
    return found
