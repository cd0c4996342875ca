"""What to use now where nothing is shown: the shortfall and the worth of more examples by other means, one recommendation, its words."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.integrate import quad
from scipy.stats import beta

from rung.decide.bets import first_line, sentences
from rung.decide.verdict import decide
from rung.evaluate.measure import held_beside
from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.text import render_text
from rung.stats.shortfall import Seen, expected_shortfall, least_after
from tests.unit._results import result, share, task
from tests.unit._run_folder import build
from tests.unit.test_verdict import climbed

T = task(0.9)
SEEN = st.integers(1, 400).flatmap(lambda n: st.integers(0, n).map(lambda hits: Seen(float(hits), float(n))))


@given(SEEN, st.floats(0.05, 0.99))
@settings(max_examples=60, deadline=None)
def test_the_shortfall_is_its_integral(seen, goal):
    known = beta(seen.hits + 0.5, seen.n - seen.hits + 0.5)
    lowest = float(known.ppf(1e-12))
    wanted = quad(lambda p: (goal - p) * known.pdf(p), min(lowest, goal), goal, limit=200)[0]
    assert expected_shortfall(seen, goal) == pytest.approx(wanted, abs=2e-5)


@given(st.lists(SEEN, min_size=1, max_size=4), st.floats(0.5, 0.99))
@settings(max_examples=60, deadline=None)
def test_more_examples_never_make_the_best_bet_worse_and_of_one_rate_are_worth_nothing(seen, goal):
    now = [expected_shortfall(one, goal) for one in seen]
    after = least_after(seen, [50] * len(seen), goal)
    assert 0.0 <= after <= min(now) + 1e-12
    assert least_after(seen[:1], [50], goal) == pytest.approx(now[0], abs=1e-9)


def test_what_more_examples_are_worth_is_what_drawing_them_shows():
    draw, goal = np.random.default_rng(5), 0.9
    seen, more = [Seen(91.0, 100.0), Seen(88.0, 100.0), Seen(55.0, 60.0)], [100, 100, 50]
    rates = [draw.beta(s.hits + 0.5, s.n - s.hits + 0.5, 4000) for s in seen]
    hits = [draw.binomial(m, r) for m, r in zip(more, rates, strict=True)]
    after = [
        [expected_shortfall(Seen(s.hits + h, s.n + m), goal) for h in found]
        for s, m, found in zip(seen, more, hits, strict=True)
    ]
    assert least_after(seen, more, goal) == pytest.approx(np.min(after, axis=0).mean(), abs=2e-4)


@pytest.mark.parametrize("wrong", [Seen(-1.0, 5.0), Seen(6.0, 5.0)])
def test_what_is_no_rate_is_refused(wrong):
    with pytest.raises(ValueError, match="are no rate and no goal"):
        expected_shortfall(wrong, 0.9)
    with pytest.raises(ValueError, match="give one for each"):
        least_after([Seen(1.0, 2.0)], [5, 5], 0.9)


def verdict_of(hits, costs=None, **changes):
    t = replace(T, **changes)
    made = {name: result(share(h, 100), t) for name, h in hits.items()}
    made = {k: replace(r, cost_per_1k_usd=(costs or {}).get(k, 1.0)) for k, r in made.items()}
    return decide(climbed(t, made, planned=tuple(made)))


def test_the_one_recommendation_is_the_tentative_pick_where_there_is_one():
    verdict = verdict_of({"prompt": 91, "fewshot": 93}, {"prompt": 1.0, "fewshot": 2.0})
    bets = verdict.bets
    assert (verdict.tentative_pick, bets.pick, bets.each[0].label) == ("prompt", "prompt", "fewshot")
    less = 100 * (bets.picked.shortfall - bets.each[0].shortfall)
    assert 0.3 < less < 0.8
    said = list(sentences(bets))
    assert said[0] == "If you have to choose now: prompt."
    assert said[1] == (
        f"few-shot is expected to fall {less:.1f} points less short and costs $1.00 more per 1,000 requests: the better bet if a point is worth more than "
        f"${1 / less:.2f} per 1,000 requests to you."
    )
    assert len(said) == 3


def test_a_tentative_pick_that_is_dearer_and_falls_shorter_than_another_likely_one_gives_way():
    verdict = verdict_of({"prompt": 91, "fewshot": 93}, {"prompt": 2.0, "fewshot": 2.0})
    assert (verdict.tentative_pick, verdict.bets.pick) == ("fewshot", "fewshot")
    assert "Tentative pick: few-shot." in verdict.headline
    assert verdict_of({"prompt": 91, "fewshot": 93}, {"prompt": None, "fewshot": 2.0}).tentative_pick == "prompt"


def test_without_a_tentative_pick_it_is_the_least_expected_shortfall():
    verdict = verdict_of({"prompt": 86, "fewshot": 87})
    assert (verdict.tentative_pick, verdict.bets.pick) == (None, "fewshot")
    assert "Tentative pick" not in verdict.headline
    assert first_line(verdict.bets) == (
        f"A bet, if you have to choose now: few-shot, expected to fall {100 * verdict.bets.picked.shortfall:.1f} points short of the goal; "
        f"100 more test examples are worth {100 * verdict.bets.worth:.1f} points."
    )


def test_what_cannot_win_is_no_bet_and_a_decided_run_has_none():
    t = replace(T)
    made = {"prompt": result(share(87, 100), t), "fewshot": replace(result(share(92, 100), t), limits_held=False)}
    assert [bet.label for bet in decide(climbed(t, made)).bets.each] == ["prompt"]
    assert verdict_of({"prompt": 99}).bets is None
    assert verdict_of({"prompt": 60}).bets is None
    beside = replace(T, as_good_as="now", tolerance=0.05)
    now, other = result(share(91, 100), beside), result(share(90, 100, shift=5), beside, usd=0.0001)
    other = held_beside(other, now, beside, 2)
    verdict = decide(
        replace(climbed(beside, {"prompt": other}), current=now)
    )  # to keep what runs now falls short by nothing
    assert (verdict.decision, verdict.bets) == ("inconclusive", None)


def test_every_form_of_the_report_tells_the_bet(tmp_path):
    folder = build(tmp_path / "run")
    verdict = folder.verdict.need()
    bets = verdict_of({"prompt": 86, "fewshot": 87}, {"prompt": 1.0, "fewshot": None}).bets
    bets = replace(bets, pick="prompt")
    folder.verdict.save(replace(verdict, decision="inconclusive", winner=None, bets=bets))
    line = list(sentences(bets))[1]
    assert line.endswith(" points less short; give prices to see what that costs.")
    screen = io.StringIO()
    render_text(folder, Console(file=screen, width=400), verbose=True)
    for form in (render_page(load_report(folder)), render_markdown(folder), screen.getvalue()):
        assert line in form
        assert "If you have to choose now" in form
        assert "A bet, not a finding" in form
    assert "A bet, if you have to choose now: prompt, expected to fall" in screen.getvalue()
    told = json.loads(json.dumps(as_data(folder)))["verdict"]["bets"]
    assert (told["pick"], [bet["label"] for bet in told["each"]]) == ("prompt", ["fewshot", "prompt"])
