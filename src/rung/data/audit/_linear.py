"""Out-of-sample label probabilities from TF-IDF words and logistic regression. Imported on use: scikit-learn is slow to load."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

FOLDS = 5
FEATURES = 50_000
ITERATIONS = 30  # the ranking of labels settles long before the weights do
INVERSE_PENALTY = 10.0
READ = 20_000  # characters of a text that are read


def out_of_sample(texts: list[str], labels: list[int]) -> NDArray[np.float64] | None:
    """Return probabilities of shape (rows, labels), each row's from a model fitted without its fold.

    `labels` are 0 to k - 1, each at least five times. None where no text holds a word.
    """
    y = np.asarray(labels)
    try:
        features = TfidfVectorizer(sublinear_tf=True, max_features=FEATURES, dtype=np.float32).fit_transform(
            [t[:READ] for t in texts]
        )
    except ValueError:  # "empty vocabulary": only stop signs and single letters
        return None
    result = np.zeros((len(y), int(y.max()) + 1))
    # one thread: the products are small, and waiting threads burn more processor time than they save
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for fit, held in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(features, y):
            model = LogisticRegression(C=INVERSE_PENALTY, max_iter=ITERATIONS).fit(features[fit], y[fit])
            result[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return result
