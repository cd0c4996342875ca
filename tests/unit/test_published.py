"""Published comparisons replayed: the arithmetic of discordance, all 21 cases, and what is right in a case that leaves no doubt."""

import re

import pytest

from bench.replay import page
from bench.replay.published import CASES, DISCORDANCE, Case, discordance, shared_for, shares


def test_approaches_with_nothing_in_common_disagree_as_often_as_independent_ones():
    assert discordance(0.6, 0.8, 0.0) == pytest.approx(0.6 * 0.2 + 0.8 * 0.4)


def test_approaches_with_nearly_all_in_common_disagree_by_their_gap():
    assert discordance(0.6, 0.8, 0.995) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("wanted", DISCORDANCE)
def test_the_share_in_common_gives_the_discordance_that_is_asked_for(wanted):
    assert discordance(0.85, 0.88, shared_for(0.85, 0.88, wanted)) == pytest.approx(wanted, abs=1e-6)


def test_a_gap_above_the_discordance_leaves_as_little_as_it_can():
    assert discordance(0.58, 0.98, shared_for(0.58, 0.98, 0.1)) == pytest.approx(0.4, abs=0.005)


def test_all_cases_are_there_and_what_cannot_be_replayed_says_why():
    assert sorted({int(re.sub(r"\D", "", case.number)) for case in CASES}) == list(range(1, 22))
    for case in CASES:
        assert bool(case.why) != (case.n is not None and case.scores is not None), case.number


@pytest.mark.slow
def test_a_clear_gain_is_told_and_a_tie_on_few_examples_is_not():
    clear = Case("x", "clear", "", ("tuned",), 600, {"prompt": 0.5, "tuned": 0.95})
    assert shares(clear, 0.1, 3, 8) == {"tuned": 1.0}
    tied = Case("y", "tied", "", ("inconclusive",), 90, {"prompt": 0.6, "GEPA": 0.6})
    said = shares(tied, 0.1, 3, 8)
    assert max(said, key=said.__getitem__) == "inconclusive"


def test_every_case_has_its_row_on_the_page():
    rows = [line for line in page.published() if line.startswith("|")]
    assert len(rows) == len(CASES) + 2
