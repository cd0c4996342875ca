"""Do input and expected output belong together? A linear map from the words of one to the words of the other, learnt on other
rows, says which expected output it would look for; a row whose own comes late among those of other rows is doubted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from rung.data.terms import counted, rarity, splitter, weighed

FOLDS = 5
DIMENSIONS, OVERSAMPLES, POWERS = 64, 10, 2
OTHERS = 500  # expected outputs of other rows that the row's own is compared with
FEATURES = 20_000
READ = 2_000  # characters of a text that are read
PENALTY = 0.1


def ranks(inputs: Sequence[str], outputs: Sequence[str], groups: Sequence[int]) -> NDArray[np.float64] | None:
    """Return for each row the share of other rows' outputs that fit its input at least as well as its own, in [0, 1].

    Near 0: it fits; uniform on [0, 1] where input and output have nothing to do with each other. Rows of one group are
    never learnt from for each other. None where the texts have too few words to say anything.
    """
    with threadpool_limits(limits=1):
        x, y = _vectors(inputs), _vectors(outputs)
        if x is None or y is None:
            return None
        rng = np.random.default_rng(0)
        fold = rng.integers(0, FOLDS, max(groups) + 1)[np.asarray(groups)]
        wanted = np.zeros_like(y)
        for k in range(FOLDS):
            fit, held = fold != k, fold == k
            if not held.any() or not fit.any():
                continue
            gram = x[fit].T @ x[fit] + PENALTY * np.eye(x.shape[1])
            wanted[held] = x[held] @ np.linalg.solve(gram, x[fit].T @ y[fit])
        others = rng.choice(len(y), size=min(OTHERS, len(y)), replace=False)
        fits = wanted @ y[others].T
        own = np.einsum("ij,ij->i", wanted, y)
        return np.asarray((fits >= own[:, None] + 1e-9).mean(axis=1), dtype=np.float64)


def _vectors(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """Return unit vectors of shape (rows, dimensions), centred, from weighted words and pairs of words."""
    split = splitter(r"\w+|[^\w\s]")
    found = counted((split(t[:READ]) for t in texts), longest=2, fewest_rows=2, most=FEATURES)
    if found is None or min(found.matrix.shape) <= DIMENSIONS:  # None: no word stands in two rows
        return None
    dense = _reduced(weighed(found.matrix, rarity(found.matrix)))
    dense -= dense.mean(axis=0)
    return np.asarray(dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-9))


def _reduced(rows: Any) -> NDArray[Any]:
    """Return the rows in their DIMENSIONS strongest directions (latent semantic analysis), drawn from seed 0.

    Source: Halko, Martinsson and Tropp 2011, "Finding structure with randomness" (SIAM Review 53), algorithm 4.3 and 5.1, as
    scikit-learn's TruncatedSVD makes it.
    """
    wide = rows.shape[0] < rows.shape[1]
    matrix = (rows.T if wide else rows).tocsr()
    turned = matrix.T.tocsr()
    seen = np.random.RandomState(0).normal(size=(matrix.shape[1], DIMENSIONS + OVERSAMPLES)).astype(rows.dtype)
    for _ in range(POWERS):
        seen = turned @ (matrix @ seen)
    basis, _ = np.linalg.qr(matrix @ seen)
    left, _, right = np.linalg.svd((turned @ basis).T, full_matrices=False)
    directions = basis @ left if wide else right.T
    found: NDArray[Any] = rows @ directions[:, :DIMENSIONS]
    return found


def unfit_share(found: NDArray[np.float64]) -> float:
    """Return the estimated share of rows whose input and output have nothing to do with each other.

    Source: Storey 2002, "A direct approach to false discovery rates" (J. R. Stat. Soc. B 64), with lambda = 1/2: rows
    that do not belong together have uniform ranks, the others hardly any above one half.
    """
    return float(min(1.0, 2.0 * (found > 0.5).mean()))


def threshold(found: NDArray[np.float64], sure: float) -> float:
    """Return the lowest rank from which at least the share `sure` of the rows is estimated not to belong together."""
    share = unfit_share(found)
    for t in np.arange(0.02, 0.5, 0.02):
        above = (found > t).mean()
        if above and share * (1.0 - t) / above >= sure:
            return float(t)
    return 0.5
