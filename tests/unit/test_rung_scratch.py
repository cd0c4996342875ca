"""Rung 5 without torch: it is not offered, and says why; its trainer is in a package of its own."""

import asyncio

import pytest

from rung.errors import NotOffered
from rung.rungs.scratch import ScratchRung
from rung.testing.kit import small_rows, small_task
from rung.types import FitInput
from tests.unit._kit import KitForTests

TASK, TRAIN, DEV = small_task(), small_rows(60, "train"), small_rows(20, "dev")


def test_it_is_not_offered_and_says_what_it_would_take():
    with pytest.raises(
        NotOffered, match=r"a model from nothing wants about 20 tokens a parameter: 600 million parameters"
    ):
        asyncio.run(ScratchRung().fit(FitInput(TASK, tuple(TRAIN), tuple(DEV)), KitForTests(TASK)))
    with pytest.raises(NotOffered, match=r"2 billion parameters on 40 billion tokens.*\$4 an hour"):
        ScratchRung(parameters=2e9, usd_per_gpu_hour=4).plan(
            FitInput(TASK, tuple(TRAIN), tuple(DEV)), KitForTests(TASK)
        )


def test_no_rows_are_no_reason_to_train():
    with pytest.raises(NotOffered, match="hold about 0 tokens") as caught:
        asyncio.run(ScratchRung(train=True).fit(FitInput(TASK, (), tuple(DEV)), KitForTests(TASK)))
    assert "train: true" not in str(caught.value)


@pytest.mark.parametrize("ask", ["fit", "plan"])
def test_without_its_trainer_it_says_what_to_install(without_other_packages, ask):
    rung, kit = ScratchRung(train=True), KitForTests(TASK)
    with pytest.raises(NotOffered, match=r"^'scratch' comes with the package rung-nano, .*: pip install rung-nano$"):
        rung.plan(FitInput(TASK, TRAIN, DEV), kit) if ask == "plan" else asyncio.run(
            rung.fit(FitInput(TASK, TRAIN, DEV), kit)
        )
