"""rouge_l and chrf: values known by hand, from the definition, and from sacrebleu."""

from __future__ import annotations

import random
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF
from typer.testing import CliRunner

from rung import plugins
from rung.cli import app
from rung.errors import MissingExtra
from rung.metrics.rouge_l import longest_common
from rung.types import Example, MetricSpec, Task

TASK = Task("t", "Say it.", ("text",), "answer", "generation", (MetricSpec("rouge_l"),), 0.5)
WORDS = st.lists(st.sampled_from("abcde"), max_size=14)


def judged(name, answer, target, **settings):
    row = Example("r1", {"text": "x"}, target, "g1")
    metric = plugins.make("metrics", name, **settings)
    return metric.score(answer, row, TASK), metric.lenient(answer, row, TASK)


@pytest.mark.parametrize(
    ("answer", "target", "value"),
    [
        # The examples of Lin 2004, section 3.1, for "police killed the gunman": 3 of 4 words, and 2 of 4.
        ("police kill the gunman", "police killed the gunman", 0.75),
        ("the gunman kill police", "police killed the gunman", 0.5),
        ("The gunman, police killed!", "police killed the gunman", 0.5),
        ("", "a", 0.0),
        ("?", "!", 0.0),
        ("a b", "c d", 0.0),
        ("東京都", "東京", 0.8),
    ],
)
def test_rouge_l_by_hand(answer, target, value):
    score, _ = judged("rouge_l", answer, target)
    assert score.value == pytest.approx(value)
    assert score.adheres is None


def test_rouge_l_weighs_recall_by_beta_and_tells_both_parts():
    score, _ = judged("rouge_l", "a x y z", "a b", beta=2.0)
    assert score.parts == {"precision": 0.25, "recall": 0.5}
    assert score.value == pytest.approx(5 * 0.25 * 0.5 / (0.5 + 4 * 0.25))


def test_the_best_of_several_targets_counts_and_wrapping_is_forgiven():
    assert judged("rouge_l", "a b", "x | a b", alternatives="|")[0].value == 1.0
    assert judged("chrf", "ab", "x|ab", alternatives="|")[0].value == 1.0
    for name in ("rouge_l", "chrf"):
        score, lenient = judged(name, "Summary: the gunman ran", "the gunman ran")
        assert score.value < lenient == 1.0


def table(a, b):
    """The textbook's table of lengths."""
    row = [0] * (len(b) + 1)
    for x in a:
        last = row
        row = [0]
        for j, y in enumerate(b):
            row.append(last[j] + 1 if x == y else max(row[j], last[j + 1]))
    return row[-1]


@given(WORDS, WORDS)
def test_the_longest_common_subsequence_is_that_of_the_textbook(a, b):
    assert longest_common(a, b) == table(a, b) == longest_common(b, a)


def test_long_texts_take_milliseconds():
    draw = random.Random(1)
    a, b = (" ".join(draw.choices("abcdefghij", k=5000)) for _ in range(2))
    began = time.perf_counter()
    judged("rouge_l", a, b)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("settings", [{}, {"word_order": 2}, {"casefold": True, "beta": 1}, {"char_order": 3}])
@pytest.mark.parametrize("answer", ["The cat sat on a mat.", "the CAT", "x", "The cat sat on the mat."])
def test_chrf_is_that_of_sacrebleu(settings, answer):
    target = "The cat sat on the mat."
    options = {"lowercase" if key == "casefold" else key: value for key, value in settings.items()}
    score, _ = judged("chrf", answer, target, **settings)
    assert score.value == pytest.approx(CHRF(**options).sentence_score(answer, [target]).score / 100)
    assert score.adheres is None


def test_chrf_of_texts_without_a_character():
    assert judged("chrf", " ", "")[0].value == 1.0
    assert judged("chrf", "", "a")[0].value == 0.0
    assert judged("chrf", "a", " ")[0].value == 0.0


@pytest.mark.parametrize(("name", "package", "extra"), [("chrf", "sacrebleu", "text"), ("sql", "sqlglot", "sql")])
def test_without_its_package_a_metric_says_what_to_install(name, package, extra, monkeypatch):
    for module in [m for m in sys.modules if m.split(".")[0] == package or m == f"rung.metrics.{name}"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"needs the package '{package}.*: pip install 'rung\[{extra}\]'"):
        plugins.find("metrics", name)
    listed = CliRunner().invoke(app, ["plugins", "metrics"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    assert f"not installed: pip install 'rung[{extra}]'" in listed.output
