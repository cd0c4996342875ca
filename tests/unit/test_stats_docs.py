"""The examples in docs/statistics.md run and print what they say, and the table of numbers of examples is computed."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from rung.stats.power import minimum_detectable_effect, rows_for_met
from rung.stats.sizes import NEEDS

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


def test_examples_in_the_statistics_page_run():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted >= 6
    assert result.failed == 0


def test_the_numbers_of_examples_are_those_of_the_statistics():
    text = (PAGE.parent / "how-many-examples.md").read_text("utf-8")
    told = re.findall(r"\| (0\.\d+) \| (\d+) % \| ([\d,]+) \|", text)
    assert len(told) == 9
    for goal, truth, rows in told:
        assert rows_for_met(int(truth) / 100, float(goal), 0.02, 0.05, 5) == int(rows.replace(",", ""))
    gains = re.search(
        r"difference of ([\d.]+) points with 100 test examples, ([\d.]+) with 200, ([\d.]+) with 500 and ([\d.]+)", text
    )
    for n, points in zip((100, 200, 500, 1000), gains.groups(), strict=True):
        assert round(100 * minimum_detectable_effect(n, 0.1, 0.05), 1) == float(points)
    needs = re.findall(r"\| ([a-z]+)[^|]* \| ([\d,]+) \| ([\d,]+) \|", text)
    kinds = {"questions": "knowledge", "free": "generation"}
    found = {kinds.get(kind, kind): (int(a.replace(",", "")), int(b.replace(",", ""))) for kind, a, b in needs}
    assert found == {kind: (need.minimum, need.ideal) for kind, need in NEEDS.items()}
