"""A tuned rung in the report: its curve, the trade-off of remedies, and the sentences."""

from dataclasses import replace

import pytest

from rung.report.curves import learning_curve, trade_off
from rung.report.tuned import saving
from rung.tuning.forgetting import compare_kept
from rung.types import CurvePoint, Preflight, Remedy, Tuning, Weights

CURVE = tuple(CurvePoint(rows, dev, 60) for rows, dev in ((125, 0.7), (250, 0.82), (500, 0.9)))
TUNING = Tuning(
    "nano-s",
    Preflight((), ""),
    (),
    CURVE,
    "about 800 more examples for 0.95",
    prompt_tokens=40.0,
    prompt_tokens_below=160.0,
)


def remedy(name, dev, kept, chosen=False):
    before = {"task notes": {f"r{i}": 1.0 for i in range(50)}}
    after = {"task notes": {f"r{i}": float(i < 50 * kept) for i in range(50)}}
    forgetting = compare_kept(before, after, alpha=0.05, margin=0.02, seed=1)
    return Remedy(name, dev, 60, forgetting, Weights("tuned/x", "0" * 64, "adapter"), chosen)


def test_the_curve_shows_every_point_and_the_goal():
    drawn = str(learning_curve(TUNING, 0.95))
    assert drawn.count("<circle") == 3
    for text in ("125", "250", "500", "0.82", "goal 0.95", "Learning curve: dev score 0.70 on 125 examples"):
        assert text in drawn
    assert str(learning_curve(replace(TUNING, curve=CURVE[:1]), 0.95)) == ""


def test_the_trade_off_tells_vetoed_from_kept():
    drawn = str(trade_off((remedy("as tuned", 0.95, 0.2), remedy("adapter scale 0.5", 0.93, 1.0, chosen=True)), 0.9))
    assert drawn.count("dot bad") == drawn.count("dot good") == 1
    assert "-0.80" in drawn
    assert str(trade_off((remedy("as tuned", 0.95, 1.0),), 0.9)) == ""


def test_the_prompt_saving_is_told_and_unknown_is_not():
    assert saving(TUNING) == "; its prompt takes 40 tokens, the best one below 160 (75 % fewer)"
    assert saving(replace(TUNING, prompt_tokens_below=None)) == ""


@pytest.mark.parametrize("kept", [0.2, 1.0])
def test_the_chosen_remedy_is_what_the_tuning_says_of_forgetting(kept):
    tuning = replace(
        TUNING, remedies=(remedy("as tuned", 0.9, 0.2), remedy("adapter scale 0.5", 0.9, kept, chosen=True))
    )
    assert tuning.forgetting is not None
    assert tuning.forgetting.vetoed == (kept < 1)
    assert TUNING.forgetting is None
