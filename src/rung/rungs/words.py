"""The baseline's words: TF-IDF of words and of runs of characters, and the linear classifier over them, as scikit-learn fits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rung.background import ONE_AT_A_TIME
from rung.plugins import require

END = " endoftext"  # in every text, so that it says nothing; keeps blank texts from an empty vocabulary
PIECES = (3, 5)  # characters, shortest and longest run within a word


def words_of() -> Any:
    """Return scikit-learn's counter of words (1-2) and of characters within words (3-5), which reads texts with `END` after them."""
    text, pipelines = require("sklearn.feature_extraction.text"), require("sklearn.pipeline")
    return pipelines.make_union(
        text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", max_features=100_000),
        text.TfidfVectorizer(analyzer="char_wb", ngram_range=PIECES, sublinear_tf=True, max_features=100_000),
    )


def classifier(c: float) -> Any:
    """Return a linear SVM that is not fitted yet; equal rows, equal fit."""
    return require("sklearn.svm").LinearSVC(C=c, random_state=0, max_iter=10_000)


def fitted_linear(texts: Sequence[str], answers: Sequence[str], c: float) -> Any:
    """Return the fitted pipeline of scikit-learn: `words_of`, and `classifier` over them."""
    pipeline = require("sklearn.pipeline").make_pipeline(words_of(), classifier(c))
    with ONE_AT_A_TIME:
        pipeline.fit([t + END for t in texts], answers)
    return pipeline


def counted(words: Any, text: str) -> Any:
    """Return the counts of one text by fitted `words_of`, a matrix of one row; without what the union checks and forks for."""
    sparse = require("scipy.sparse")
    with ONE_AT_A_TIME, require("sklearn").config_context(assume_finite=True, skip_parameter_validation=True):
        return sparse.hstack([counter.transform([text + END]) for _, counter in words.transformer_list], format="csr")


def told_by(model: Any, row: Any) -> Mapping[str, float]:
    """Return how much speaks for each answer by a fitted classifier, for a matrix of one row.

    As `decision_function`, without what it checks and forks for: two thirds of the time for one text.
    """
    with ONE_AT_A_TIME, require("sklearn").config_context(assume_finite=True, skip_parameter_validation=True):
        found = model.decision_function(row)[0]
    classes = [str(name) for name in model.classes_]
    if len(classes) == 2:  # one number: what speaks for the second
        return {classes[0]: -float(found), classes[1]: float(found)}
    return dict(zip(classes, found.tolist(), strict=True))
