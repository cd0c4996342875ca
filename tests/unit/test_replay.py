"""Decisions replayed on a record: the truth of a made-up record is found, rules are sorted by it, and the goals are those of the rule."""

import json

import pytest

from bench.replay import __main__ as replay
from bench.replay.climbs import RULE, Said, climbs, shares_for, sorted_into
from bench.replay.sources import Approach, Source, recorded
from rung.testing.kit import small_rows

ROWS = small_rows(600, "r")


def approach(share):
    """Right on the first of every so many rows."""
    return Approach(tuple(float(i % 20 < 20 * share) for i in range(len(ROWS))), 100.0, share)


def source(**shares):
    return Source("desk", "small", ROWS, {name: approach(share) for name, share in shares.items()})


def replayed(made, labelled=250, count=10, rule="default"):
    drawn, divided = replay.subsets(made, labelled, rule, count, None)
    return list(replay.cells(made, labelled, rule, drawn, divided))


@pytest.mark.slow
def test_the_right_approach_of_a_record_with_a_known_truth_is_named():
    made = source(prompt=0.5, fewshot=0.95)
    drawn, _ = replay.subsets(made, 250, "default", 5, None)
    truths = {**replay.truths_of(made, drawn), "baseline": 0.1}  # the made rows are easy for words: say they are not
    said = [s[RULE] for s in climbs(made, truths, 0.87, _without_baseline(drawn))]
    assert [s.named for s in said] == ["fewshot"] * 5
    assert {sorted_into(s, truths, 0.87) for s in said} == {"right"}


def _without_baseline(drawn):
    wrong = [dict.fromkeys((e.id for e in (*one.dev, *one.test)), 0.0) for one in drawn]
    return [
        type(one)(one.train, one.dev, one.test, type(one.baseline)(scores, scores))
        for one, scores in zip(drawn, wrong, strict=True)
    ]


@pytest.mark.slow
def test_every_cell_is_told_with_its_truths_and_all_shares():
    cells = replayed(source(prompt=0.5, fewshot=0.7), count=4)
    assert [cell["below"] for cell in cells] == [3, 8]
    for cell in cells:
        assert cell["goal"] == pytest.approx(max(cell["truths"].values()) - cell["below"] / 100)
        assert cell["truths"]["prompt"] == pytest.approx(0.5)
        assert cell["right"] == "baseline"  # words tell the made rows apart
        assert "always tune" not in cell["ways"]
        for way in cell["ways"].values():
            assert sum(way[what] for what in ("right", "too far", "too early", "inconclusive")) == pytest.approx(1.0)
        assert cell["ways"]["always prompt"]["too far"] == 1.0
        assert cell["ways"]["always prompt"]["points"] == pytest.approx(100 * (cell["goal"] - 0.5))


def test_what_is_named_is_sorted_by_the_first_approach_that_reaches_the_goal():
    truths = {"baseline": 0.7, "prompt": 0.9, "fewshot": 0.95}
    named = {name: sorted_into(Said(name, False, name), truths, 0.9) for name in truths}
    assert named == {"baseline": "too early", "prompt": "right", "fewshot": "too far"}
    assert sorted_into(Said(None, True, "prompt"), truths, 0.9) == "inconclusive"
    assert sorted_into(Said(None, False, "prompt"), truths, 0.9) == "too far"


def test_a_record_is_read_with_the_pool_that_is_nearest_and_on_the_examples_that_all_have(tmp_path):
    def cell(scores):
        columns = {name: [10] * len(scores) for name in ("input_tokens", "output_tokens", "seconds")}
        return {"candidate": "c", "sha256": "s", "score": scores, **columns}

    cells = {"m/prompt/250": cell([1, 0, 1]), "m/fewshot/100": cell([1, 1]), "m/fewshot/500": cell([0, 0, 0])}
    (tmp_path / "s.json").write_text(json.dumps({"ids": [e.id for e in ROWS[:3]], "cells": cells}))
    [found] = recorded("s", ROWS[:3], 125, tmp_path)
    assert {name: a.scores for name, a in found.approaches.items()} == {"prompt": (1, 0), "fewshot": (1, 1)}
    assert found.approaches["prompt"].usd == pytest.approx((10 * 0.1 + 10 * 0.4) / 1000)
    with pytest.raises(ValueError, match="other examples"):
        list(recorded("s", ROWS[1:4], 125, tmp_path))


def test_shares_are_the_products_own_or_those_of_a_rule():
    assert shares_for(("baseline", "prompt", "finetune"), 250, "default").test == 0.4
    assert shares_for(("baseline", "prompt"), 250, "default").test == 0.5
    assert shares_for(("baseline", "prompt"), 250, "10/20/70").test == 0.7
