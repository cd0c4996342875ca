"""How likely a second run ends in the same verdict: exact where it can be counted, and told in the report's data."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from rung.decide.rerun import same_again, sentence
from rung.decide.verdict import decide
from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.text import render_text
from rung.stats.power import hits_for_met, hits_for_not_met
from rung.stats.rerun import status_chances
from tests.unit._results import result, share, task
from tests.unit._run_folder import build
from tests.unit.test_verdict import climbed

T = task(0.9)


def test_the_chances_are_those_of_drawing_a_rate_and_then_rows():
    draw = np.random.default_rng(3)
    rates = draw.beta(186.5, 14.5, 200_000)
    hits = draw.binomial(200, rates)
    met, missed = hits_for_met(200, 0.9, 0.02, 0.05, 3)[0], hits_for_not_met(200, 0.9, 0.05)[0]
    found = status_chances(186, 200, 200, 0.9, 0.02, 0.05, 3)
    assert found == pytest.approx((np.mean(hits >= met), np.mean(hits <= missed)), abs=0.005)


def chance(*hits, n=200, **changes):
    t = replace(T, **changes)
    results = {f"p{i}": result(share(h, n), t) for i, h in enumerate(hits)}
    verdict = decide(climbed(t, results, planned=tuple(results)))
    return verdict, same_again(t, verdict, results, n, len(results))


def test_a_clear_winner_is_found_again_and_a_narrow_one_half_of_the_time():
    verdict, clear = chance(120, 199)
    assert (verdict.winner, clear > 0.99) == ("p1", True)
    narrow = min(k for k in range(180, 200) if chance(120, k)[0].winner == "p1")
    assert chance(120, narrow)[1] == pytest.approx(0.55, abs=0.1)
    assert chance(120, narrow - 1)[0].winner is None


def test_one_below_that_nearly_meets_makes_it_less_likely():
    assert chance(184, 199)[1] < chance(120, 199)[1] - 0.2
    cheapest = chance(184, 199, objective="cheapest")
    assert cheapest[1] == pytest.approx(chance(120, 199)[1], abs=0.01)


def test_misses_and_inconclusive_are_what_is_left():
    verdict, missed = chance(100, 110)
    assert (verdict.decision, missed > 0.999) == ("misses", True)
    verdict, open_ = chance(100, 180)
    assert verdict.decision == "inconclusive"
    meets, misses = status_chances(180, 200, 200, 0.9, 0.02, 0.05, 2)
    assert open_ == pytest.approx(1.0 - meets - misses, abs=1e-3)


def test_nothing_is_said_of_what_has_no_answer_yet():
    verdict, _ = chance(120, 199)
    assert same_again(T, verdict, {}, 200, 1) is None
    assert (
        same_again(T, replace(verdict, provisional="40 labels are missing"), {"p": result(share(9, 10), T)}, 10, 1)
        is None
    )
    assert sentence(None) is None


def test_the_data_of_a_report_tells_it_in_a_sentence(tmp_path):
    run = build(tmp_path / "run")
    told = json.loads(json.dumps(as_data(run)))["rerun"]
    assert 0.0 <= told["probability"] <= 1.0
    assert told["sentence"] == (
        f"A second run on as many fresh test examples would end in the same verdict with a probability of about {told['probability']:.0%}."
    )


def test_the_page_the_terminal_and_markdown_say_it_in_the_same_words(tmp_path):
    folder = build(tmp_path / "run")
    said = as_data(folder)["rerun"]["sentence"]
    assert said.startswith("A second run on as many fresh test examples would end in the same verdict")
    screen = io.StringIO()
    render_text(folder, Console(file=screen, width=400), verbose=True)
    for form in (render_page(load_report(folder)), render_markdown(folder), screen.getvalue()):
        assert said in form
