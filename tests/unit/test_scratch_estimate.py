"""What training from nothing takes."""

import pytest

from rung.tuning.scratch_estimate import ScratchEstimate, optimal, tokens_in, why_not
from rung.types import Example


def test_compute_optimal_tokens_and_operations():
    one_billion = optimal(1e9)
    assert one_billion.tokens == 20e9
    assert one_billion.operations == pytest.approx(1.2e20)
    assert one_billion.gpu_hours == pytest.approx(1.2e20 / (989e12 * 0.4 * 3600))
    assert one_billion.usd == pytest.approx(2.5 * one_billion.gpu_hours)


def test_the_chinchilla_model_itself():
    # 70 billion parameters on 1.4 trillion tokens, 5.76e23 FLOPs as published (arXiv 2203.15556, table A9)
    assert optimal(70e9).tokens == pytest.approx(1.4e12)
    assert optimal(70e9).operations == pytest.approx(5.88e23)


def test_the_reason_names_what_the_rows_hold():
    rows = [Example("a", {"text": "x" * 300}, "y" * 100, "a")] * 100
    assert tokens_in(rows) == 10_000
    text = why_not(rows, 0.6e9)
    assert (
        "600 million parameters on 12 billion tokens: 4.3e+19 FLOPs (6ND), about 30 hours of one H100 at 40% of its peak"
        in text
    )
    assert "The training examples hold about 10 thousand tokens, one part in 1.2 million of that" in text
    assert text.endswith("Tune such a model instead")


def test_small_numbers_read_well():
    assert "seconds of one H100" in str(ScratchEstimate(1e6, 1e6))
    assert "minutes of one H100" in str(ScratchEstimate(1e7, 1e9))
