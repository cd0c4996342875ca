"""A map for the queries of a frozen sentence model, learnt from questions whose passage is known.

A query vector q becomes unit(q M). M starts as the identity and lowers the cross-entropy of the right passage among those of the batch and the
nearest wrong ones (InfoNCE; van den Oord et al. 2018, arXiv:1807.03748), with a penalty on its distance to the identity. Vectors of passages stay as
they are, so that nothing is indexed anew. Penalty and steps are chosen by the reciprocal rank of a fifth of the questions that is held out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

SHARPNESS = 20.0  # what cosines are multiplied by, as usual for sentence models
HARD = 15  # nearest wrong passages beside each right one
STEPS, RATE, BATCH = 200, 0.003, 64
PENALTIES = (0.0, 0.01, 0.1, 1.0)
HELD_OUT = 5  # every fifth question


def unit(vectors: Matrix) -> Matrix:
    """Return vectors of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def learnt(queries: Matrix, passages: Matrix, pairs: Sequence[tuple[int, int]], seed: int = 7) -> Matrix:
    """Return M, (d, d). `queries` (n, d) and `passages` (m, d) have length 1; `pairs`: (query, its passage) as rows. The identity where
    nothing learnt ranks the held-out questions higher."""
    held = [p for p in pairs if p[0] % HELD_OUT == 0]
    fit = [p for p in pairs if p[0] % HELD_OUT]
    best, choice = reciprocal_rank(queries, passages, held, np.eye(queries.shape[1], dtype=np.float32)), None
    for penalty in PENALTIES:
        for steps, turn in _descent(queries, passages, fit, penalty, seed):
            score = reciprocal_rank(queries, passages, held, turn)
            if score > best:
                best, choice = score, (penalty, steps)
    if choice is None:
        return np.eye(queries.shape[1], dtype=np.float32)
    return dict(_descent(queries, passages, pairs, choice[0], seed))[choice[1]]


def reciprocal_rank(queries: Matrix, passages: Matrix, pairs: Sequence[tuple[int, int]], turn: Matrix) -> float:
    """Return the mean reciprocal rank of the right passage among all."""
    rows, right = (np.array(x) for x in zip(*pairs, strict=True))
    scores = unit(queries[rows] @ turn) @ passages.T
    ranks = 1 + (scores > scores[np.arange(len(rows)), right][:, None]).sum(axis=1)
    return float((1.0 / ranks).mean())


def _descent(
    queries: Matrix, passages: Matrix, pairs: Sequence[tuple[int, int]], penalty: float, seed: int
) -> Sequence[tuple[int, Matrix]]:
    """Return M after every 50 steps of Adam (Kingma and Ba 2015, arXiv:1412.6980)."""
    rng = np.random.default_rng(seed)
    rows, right = (np.array(x) for x in zip(*pairs, strict=True))
    known = {i: {r for q, r in pairs if q == i} for i in set(rows.tolist())}
    order = np.argsort(-(queries[rows] @ passages.T), axis=1)[:, : HARD + 5]
    hard = [
        [r for r in near if r not in known[q]][:HARD] for q, near in zip(rows.tolist(), order.tolist(), strict=True)
    ]
    start = np.eye(queries.shape[1], dtype=np.float32)
    turn, first, second, kept = start.copy(), np.zeros_like(start), np.zeros_like(start), []
    for step in range(1, STEPS + 1):
        batch = rng.choice(len(rows), min(BATCH, len(rows)), replace=False)
        shown = np.unique(np.concatenate([right[batch], np.array([r for b in batch for r in hard[b]], dtype=int)]))
        gradient = _gradient(queries[rows[batch]], passages[shown], np.searchsorted(shown, right[batch]), turn)
        gradient += penalty * (turn - start)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        turn = turn - RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        if step % 50 == 0:
            kept.append((step, turn.astype(np.float32)))
    return kept


def _gradient(queries: Matrix, passages: Matrix, right: NDArray[np.int64], turn: Matrix) -> Matrix:
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
    return (queries.T @ by_raw).astype(np.float32)
