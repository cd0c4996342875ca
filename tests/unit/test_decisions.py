"""Worlds whose right rung is known: the verdict is right where it must be, in memory as end to end; the page is true."""

import json
import sys

import pytest

from rung import plugins


@pytest.fixture(autouse=True)
def _own_plugins():
    """The rungs of these worlds come in by entry points; no other test is to see them."""
    yield
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("decisions/plugins")]
    plugins.available.cache_clear()


def let_in():
    from bench.decisions import memory

    memory.let_in()


def world(kind, margin):
    from bench.decisions.worlds import worlds

    [found] = [w for w in worlds(margin) if w.kind == kind]
    return found


def shares(kind, margin, n, seeds):
    from bench.decisions.cells import cell

    let_in()
    return cell(world(kind, margin), n, range(seeds))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["already good", "baseline wins", "own prompt is best", "format only", "convention shown by examples"]
)
def test_well_separated_worlds_stop_at_the_right_rung(kind):
    found = shares(kind, 0.10, 400, 12)
    assert found.shares == {"right": 1.0, "too far": 0.0, "too early": 0.0, "inconclusive": 0.0}
    assert found.chosen_best >= 0.9
    assert found.share_of_calls < 0.3


@pytest.mark.slow
def test_tuning_is_named_where_only_tuning_is_right_and_nowhere_else():
    assert shares("behaviour that only tuning gives", 0.10, 400, 12).shares["right"] >= 0.9
    assert shares("too few rows to tune", 0.10, 400, 6).shares["right"] == 1.0
    assert shares("impossible", 0.0, 200, 6).shares["right"] == 1.0
    assert shares("private knowledge", 0.0, 200, 30).false_tuning <= 0.15


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "n", "what", "published"),
    [("prompt at +0.03", 200, "right", 0.47), ("only tuning reaches it (0.94)", 200, "right", 0.62),
     ("nothing reaches it", 200, "right", 0.79), ("prompt at +0.01", 200, "too far", 0.25)],
)  # fmt: skip
def test_the_specified_table_is_met_within_simulation_error(kind, n, what, published):
    from bench.decisions.cells import cell, specified

    let_in()
    [(found, _)] = [(w, size) for w, size in specified() if (w.kind, size) == (kind, n)]
    got = cell(found, n, range(60)).shares[what]
    assert abs(got - published) < 3 * (published * (1 - published) / 60) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "margin"), [("convention shown by examples", 0.02)])
def test_end_to_end_and_in_memory_are_one(kind, margin):
    from bench.decisions.replay import twice

    let_in()
    both = twice(world(kind, margin), 80, 5)
    assert both.end_to_end == both.in_memory


def test_what_was_published_holds_or_says_why_not():
    from bench.decisions.page import RESULTS

    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    broken = [c["claim"] for c in data["checks"] if not c["held"]]
    assert [c for c in broken if "well separated, n = 400" not in c] == []  # its exact power is on the page
    assert all(c["false_tuning"] <= 0.06 for c in data["worst"])
    assert all(r["agree"] for r in data["replays"])
    assert len({c["kind"] for c in data["curves"]}) >= 12
