"""Alpha goes where dev says that *meets* is likely: fixed before the test rows are read, kept, and never more than alpha in all."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rung.config import load_config
from rung.engine.verify import verify
from rung.evaluate.alpha import differing, level_of, superseded
from rung.ladder import climb
from rung.stats.estimate import summarise
from rung.stats.wealth import LEAST_WEIGHT, WAITING, share, weight
from rung.store.records import AlphaShare
from rung.store.run import RunFolder
from rung.types import Candidate, PromptLearned
from tests.unit._results import outcome, task
from tests.unit.test_check_tells_all import project

PLANNED = ("baseline", "prompt", "fewshot")


@given(st.lists(st.floats(0.002, 1.0), min_size=1, max_size=9), st.floats(0.001, 0.2))
def test_the_shares_sum_to_at_most_alpha_and_the_last_takes_what_is_left(weights, alpha):
    wealth, given_out = alpha, []
    for at, own in enumerate(weights):
        given_out.append(share(wealth, own, len(weights) - 1 - at))
        wealth -= given_out[-1]
    assert sum(given_out) == pytest.approx(alpha)
    assert min(given_out) > 0.0
    assert all(s <= alpha + 1e-15 for s in given_out)


@given(st.floats(0.0, 0.1), st.floats(0.002, 1.0), st.floats(0.002, 1.0), st.integers(0, 6))
def test_more_weight_is_never_less_alpha(wealth, one, other, to_come):
    low, high = sorted((one, other))
    assert share(wealth, low, to_come) <= share(wealth, high, to_come) <= wealth
    assert share(wealth, low, to_come) == pytest.approx(wealth * low / (low + 0.5 * to_come))


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_weight_is_the_probability_of_being_good_enough(hits, n):
    hits = min(hits, n)
    expected = float(stats.beta.sf(0.88, hits + 0.5, n - hits + 0.5))
    assert weight(summarise([1.0] * hits + [0.0] * (n - hits)), 0.88) == pytest.approx(
        max(expected, LEAST_WEIGHT), abs=1e-9
    )


def test_rows_in_groups_weigh_by_their_effective_size():
    values = [1.0] * 57 + [0.0] * 3
    groups = [str(i // 6) for i in range(60)]
    assert weight(summarise(values, groups), 0.88) < weight(summarise(values), 0.88)
    assert weight(None, 0.88) == WAITING


def test_what_is_no_division_is_refused():
    for bad in ((-0.1, 0.5, 1), (0.05, 0.0, 1), (0.05, 1.1, 1), (0.05, 0.5, -1)):
        with pytest.raises(ValueError, match="are no division of alpha"):
            share(*bad)


def candidate(name: str) -> Candidate:
    return Candidate("prompt", name, PromptLearned(messages=(), columns=(name,)), "main")


def test_a_level_is_kept_and_another_candidate_makes_the_run_exploratory(tmp_path):
    run, t = RunFolder.create(tmp_path / "run"), task(0.9)
    run.note(planned=list(PLANNED), schema=2)
    good, bad = [outcome(i, 1.0) for i in range(40)], [outcome(i, float(i % 2)) for i in range(40)]
    first = level_of("baseline", candidate("a"), bad, t, run, PLANNED)
    assert first == pytest.approx(0.05 * 0.002 / 1.002)
    second = level_of("prompt", candidate("b"), good, t, run, PLANNED)
    assert second > 0.6 * 0.05
    assert level_of("prompt", candidate("b"), bad, t, run, PLANNED) == second  # dev again makes no other level
    assert not superseded(run)
    again = level_of("prompt", candidate("c"), good, t, run, PLANNED)  # another candidate of the same approach
    last = level_of("fewshot", candidate("d"), bad, t, run, PLANNED)
    assert superseded(run)
    assert again == second
    assert first + again + last == pytest.approx(0.05)
    assert [s.label for s in run.alpha.get()] == ["baseline", "prompt", "prompt", "fewshot"]
    assert level_of("fewshot", candidate("e"), good, t, run, PLANNED) == last  # the last one takes what is left


def project_of(root, **changes):
    raw = project(root)
    raw["ladder"] = ["baseline", "prompt"]
    raw |= changes
    (root / "rung.yaml").write_text(json.dumps(raw))
    return load_config(root / "rung.yaml")


@pytest.mark.slow
def test_a_climb_keeps_its_levels_and_verify_recomputes_them(tmp_path):
    config = project_of(tmp_path)
    climb(config, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    kept = run.alpha.need()
    assert sum(s.level for s in kept) <= 0.05 + 1e-12
    assert {s.label: s.level for s in kept} == {k: run.rung(k).measured().level for k in run.measured}
    assert all(c.passed for c in verify(run))
    assert "levels by dev" in {c.what for c in verify(run)}
    assert climb(config, tmp_path / "run").verdict == run.verdict.need()
    assert run.alpha.need() == kept
    run.alpha.save(tuple(AlphaShare(s.label, s.candidate, s.floor, s.weight, s.level / 2) for s in kept))
    assert set(differing(run, run.task)) == {s.label for s in kept}
    [off] = [c for c in verify(run) if c.what == "levels by dev"]
    assert off.differs.startswith("they are others for ")


def test_the_table_of_the_design_in_short():
    """250 labelled rows, goal .9, nothing learns from rows: more is decided than with equal shares, at no more error."""
    from bench.decisions.faults import alpha_by_dev

    figures = {(f.world, f.n, f.what): f for f in alpha_by_dev(150)}
    clear = figures["truth 0.95", 250, "inconclusive"]
    assert clear.now < clear.before
    right = figures["truth 0.95", 250, "right"]
    assert right.now > right.before
    wrong = [f.now for f in figures.values() if f.what == "wrong 'meets'"]
    assert np.mean(wrong) <= 0.05
