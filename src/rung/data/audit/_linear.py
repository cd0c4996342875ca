"""Out-of-sample label probabilities from TF-IDF words and logistic regression, as scikit-learn fits it (its folds, its loss,
its optimizer and the figures that come of them, to rounding: docs/log.md), without the second that it takes to load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from rung.background import ONE_AT_A_TIME
from rung.data.terms import counted, rarity, splitter, weighed

FOLDS = 5
FEATURES = 50_000
ITERATIONS = 30  # the ranking of labels settles long before the weights do
INVERSE_PENALTY = 10.0
READ = 20_000  # characters of a text that are read
TOLERANCE, LINE_SEARCHES = 1e-4, 50  # of the optimizer
FLAT = 64 * np.finfo(np.float64).eps

Floats = NDArray[np.float64]


def out_of_sample(texts: list[str], labels: list[int], apart: list[NDArray[np.bool_]] | None = None) -> Floats | None:
    """Return probabilities of shape (rows, labels), each row's from a model fitted without its fold.

    `labels` are 0 to k - 1, each at least five times. `apart`: rows to leave out of one fit each, in place of random folds; a row in
    none of them has no probabilities (0). None where no text holds a word.
    """
    y = np.asarray(labels)
    split = splitter()
    found = counted((split(t[:READ]) for t in texts), most=FEATURES, dtype=np.float32)
    if found is None:  # only stop signs and single letters
        return None
    features = weighed(found.matrix, rarity(found.matrix)).astype(np.float64)
    result = np.zeros((len(y), int(y.max()) + 1))
    fold = stratified(y, FOLDS) if apart is None else np.empty(0)
    folds = [fold == k for k in range(FOLDS)] if apart is None else apart
    # one thread: the products are small, and waiting threads burn more processor time than they save
    with ONE_AT_A_TIME, threadpool_limits(limits=1):
        for held in folds:
            classes, own = np.unique(y[~held], return_inverse=True)
            result[np.ix_(held, classes)] = _fitted(features[~held], own, len(classes))(features[held])
    return result


def stratified(labels: NDArray[np.int_], folds: int) -> NDArray[np.int_]:
    """Return the fold of each row: every label spread evenly, drawn from seed 0 (scikit-learn's StratifiedKFold)."""
    draw = np.random.RandomState(0)
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    seen = np.argsort(np.argsort(first))[place]  # labels numbered in the order in which they appear
    ordered = np.sort(seen)
    shares = np.array([np.bincount(ordered[i::folds], minlength=len(first)) for i in range(folds)])
    result = np.empty(len(labels), dtype=np.int_)
    for label in range(len(first)):
        own = np.arange(folds).repeat(shares[:, label])
        draw.shuffle(own)
        result[seen == label] = own
    return result


def _fitted(features: Any, y: NDArray[np.int_], classes: int) -> Callable[[Any], Floats]:
    """Fit L2-penalised logistic regression with an intercept; return the function from features to probabilities.

    Two classes: one vector of weights. More: one a class (softmax).
    """
    rows, columns = features.shape
    turned = features.T.tocsr()
    penalty = 1.0 / (INVERSE_PENALTY * rows)
    width = 1 if classes == 2 else classes
    wanted = (y == 1).astype(np.float64)[:, None] if width == 1 else np.eye(classes)[y]

    def raw(weights: Floats, given: Any) -> Floats:
        return np.asarray(given @ weights[:columns] + weights[columns], dtype=np.float64)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(columns + 1, width)
        scores = raw(weights, features)
        if width == 1:
            lost = np.logaddexp(0.0, scores) - wanted * scores
        else:
            top = scores.max(axis=1, keepdims=True)
            lost = (np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]) - (wanted * scores).sum(axis=1)
        apart = (_probabilities(scores) - wanted) / rows
        slope = np.empty_like(weights)
        slope[:columns] = turned @ apart + penalty * weights[:columns]
        slope[columns] = apart.sum(axis=0)
        kept = weights[:columns].ravel()
        return float(lost.sum()) / rows + 0.5 * penalty * float(kept @ kept), slope.ravel()

    options = {"maxiter": ITERATIONS, "maxls": LINE_SEARCHES, "gtol": TOLERANCE, "ftol": FLAT}
    start = np.zeros((columns + 1) * width)
    best = minimize(loss, start, method="L-BFGS-B", jac=True, options=options).x.reshape(columns + 1, width)

    def probabilities(given: Any) -> Floats:
        found = _probabilities(raw(best, given))
        return np.hstack([1.0 - found, found]) if width == 1 else found

    return probabilities


def _probabilities(scores: Floats) -> Floats:
    """Return the logistic function of one column, or the softmax of several."""
    if scores.shape[1] == 1:
        halved: Floats = 0.5 * (1.0 + np.tanh(0.5 * scores))
        return halved
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = grown / grown.sum(axis=1, keepdims=True)
    return shares
