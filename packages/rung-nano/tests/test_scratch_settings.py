"""The settings of the trainer from nothing, without torch."""

import pytest
from pydantic import ValidationError

from rung.types import Base, Message, TuningRow
from rung_nano.scratch import Scratch


def test_the_tuner_counts_its_parameters_and_refuses_odd_shapes():
    assert 1_500_000 < Scratch().parameters < 2_000_000
    with pytest.raises(ValidationError, match="width 160 must be an even multiple of heads 3"):
        Scratch(heads=3)
    base = Base("main", "any", "nowhere", "0", 100, 10, None)
    rows = [TuningRow(str(i), (Message("user", "hello there"),), "yes") for i in range(10)]
    need = Scratch(epochs=2).need(base, rows, lambda row: 10)
    assert need.tokens == 200
    assert need.note == "1.7 million parameters from nothing on one core"
