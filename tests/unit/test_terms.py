"""Counted words, and the regression on them, against scikit-learn."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from rung.data.terms import ENGLISH, WORDS, counted, rarity, splitter, weighed

ODD = [
    "",
    "a",
    "x y",
    "Ünïted naïve ß ẞ İstanbul",
    "don't stop: it's l'été",
    "1 22 3,5 a_b",
    "same same same",
    "日本語 テスト",
    "\x00 \x01",
]


def texts(n=300, seed=3):
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdeé", k=draw.randint(1, 4))) for _ in range(120)]
    return [" ".join(draw.choices(words, k=draw.randint(0, 30))) for _ in range(n)] + ODD


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("pattern", "pairs", "most"),
    [(WORDS, False, None), (WORDS, False, 40), (r"\b\w+\b", True, None), (r"\b\w+\b", True, 90)],
)
def test_tf_idf_is_that_of_scikit_learn(dtype, pattern, pairs, most):
    from sklearn.feature_extraction.text import TfidfVectorizer

    theirs = TfidfVectorizer(
        sublinear_tf=True, token_pattern=pattern, ngram_range=(1, 2 if pairs else 1), max_features=most, dtype=dtype
    )
    wanted = theirs.fit_transform(texts()).toarray()
    found = counted(map(splitter(pattern), texts()), longest=2 if pairs else 1, most=most, dtype=dtype)
    ours = weighed(found.matrix, rarity(found.matrix))
    assert ours.dtype == dtype
    assert ours.shape == wanted.shape
    assert np.abs(ours.toarray() - wanted).max() <= 4 * np.finfo(dtype).eps
    assert [" ".join(words) for words in found.terms.texts()] == list(theirs.get_feature_names_out())


def test_words_that_tell_nothing_and_rows_that_a_term_must_stand_in():
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    assert ENGLISH == ENGLISH_STOP_WORDS
    given = [*texts(), "the cat and the dog", "a cat"]
    theirs = CountVectorizer(stop_words="english", binary=True, min_df=2)
    wanted = theirs.fit_transform(given).toarray()
    found = counted(map(splitter(without=ENGLISH), given), once=True, fewest_rows=2)
    assert (found.matrix.toarray() == wanted).all()
    assert [word for (word,) in found.terms.texts()] == list(theirs.get_feature_names_out())


def test_columns_of_another_text_are_those_of_the_analyzer():
    from sklearn.feature_extraction.text import CountVectorizer

    theirs = CountVectorizer(token_pattern=r"\b\w+\b", ngram_range=(1, 2), max_features=200).fit(texts())
    split = splitter(r"\b\w+\b")
    found = counted(map(split, texts()), longest=2, most=200)
    for text in texts(60, seed=9):
        wanted = [theirs.vocabulary_[t] for t in theirs.build_analyzer()(text) if t in theirs.vocabulary_]
        assert found.terms.columns(split(text)) == wanted


def test_without_any_term_there_is_nothing_to_count():
    assert counted([]) is None
    assert counted(map(splitter(), ["", "a ?"])) is None
    assert counted([["once"], ["twice"]], fewest_rows=2) is None


def test_runs_of_three_words_are_those_of_scikit_learn_in_the_order_of_their_texts():
    from sklearn.feature_extraction.text import CountVectorizer

    rows = [[*"abcab"], [*"cabd"], [], ["\0mark", "a", "b"], [*"ab"], ["ab", "c"]]

    def runs(words):
        return ["\1".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)]

    theirs = CountVectorizer(analyzer=runs, binary=True, min_df=2)
    wanted = theirs.fit_transform(rows).toarray()
    found = counted(rows, longest=3, fewest_rows=2, once=True)
    assert ["\1".join(words) for words in found.terms.texts()] == list(theirs.get_feature_names_out())
    assert (found.matrix.toarray() == wanted).all()


def test_directions_of_texts_are_those_of_scikit_learn():
    from sklearn.decomposition import TruncatedSVD

    from rung.data.audit._pairs import DIMENSIONS, _reduced

    for given in (texts(900), texts(100)):
        counts = counted(map(splitter(), given)).matrix
        rows = weighed(counts, rarity(counts))
        wanted = TruncatedSVD(DIMENSIONS, n_iter=2, random_state=0).fit_transform(rows)
        ours = _reduced(rows)
        assert np.abs(ours @ ours.T - wanted @ wanted.T).max() < 1e-9  # directions have no sign


@pytest.mark.parametrize("labels", [2, 3, 7])
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")  # thirty iterations are all that either makes
def test_probabilities_are_those_of_scikit_learn_in_double_precision(labels):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    from rung.data.audit._linear import out_of_sample, stratified

    given = texts(240)
    draw = random.Random(1)
    y = [i % labels if i < 10 * labels else draw.randrange(labels) for i in range(len(given))]
    counts = counted(map(splitter(), given), dtype=np.float32).matrix
    features = weighed(counts, rarity(counts)).astype(np.float64)
    wanted = np.zeros((len(y), labels))
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(features, y))
    for fit, held in folds:
        model = LogisticRegression(C=10.0, max_iter=30).fit(features[fit], np.asarray(y)[fit])
        wanted[held] = model.predict_proba(features[held])
    fold = stratified(np.asarray(y), 5)
    assert all((np.flatnonzero(fold == k) == held).all() for k, (_, held) in enumerate(folds))
    assert np.abs(out_of_sample(given, y) - wanted).max() < 1e-6


@pytest.mark.slow
def test_neither_a_check_nor_the_drafts_load_scikit_learn():
    code = (
        "import sys, rung.ladder, rung.data.audit, rung.prompts.similar as s, rung.data.audit._linear as a\n"
        "s.Index.of(['a b', 'c d']); a.out_of_sample(['red apple', 'blue sky'] * 20, [0, 1] * 20)\n"
        "print([m for m in ('sklearn', 'pandas', 'scipy.stats') if m in sys.modules])\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
