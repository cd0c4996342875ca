"""Rung 5 without torch: it is not offered, and says why; the settings of its tuner are checked."""

import asyncio

import pytest
from pydantic import ValidationError

from rung.errors import NotOffered
from rung.rungs.scratch import ScratchRung
from rung.testing.kit import small_rows, small_task
from rung.tuners.scratch import Scratch
from rung.types import Base, Message, TuningRow
from tests.unit._kit import KitForTests

TASK, TRAIN, DEV = small_task(), small_rows(60, "train"), small_rows(20, "dev")


def test_it_is_not_offered_and_says_what_it_would_take():
    with pytest.raises(
        NotOffered, match=r"a model from nothing wants about 20 tokens a parameter: 600 million parameters"
    ):
        asyncio.run(ScratchRung().fit(TASK, TRAIN, DEV, KitForTests(TASK), None, None))
    with pytest.raises(NotOffered, match=r"2 billion parameters on 40 billion tokens.*\$4 an hour"):
        ScratchRung(parameters=2e9, usd_per_gpu_hour=4).plan(TASK, TRAIN, DEV, KitForTests(TASK))


def test_no_rows_are_no_reason_to_train():
    with pytest.raises(NotOffered, match="hold about 0 tokens") as caught:
        asyncio.run(ScratchRung(train=True).fit(TASK, (), DEV, KitForTests(TASK), None, None))
    assert "train: true" not in str(caught.value)


def test_the_tuner_counts_its_parameters_and_refuses_odd_shapes():
    assert 1_500_000 < Scratch().parameters < 2_000_000
    with pytest.raises(ValidationError, match="width 160 must be an even multiple of heads 3"):
        Scratch(heads=3)
    base = Base("main", "any", "nowhere", "0", 100, 10, None)
    rows = [TuningRow(str(i), (Message("user", "hello there"),), "yes") for i in range(10)]
    need = Scratch(epochs=2).need(base, rows, lambda row: 10)
    assert need.tokens == 200
    assert need.note == "1.7 million parameters from nothing on one core"
