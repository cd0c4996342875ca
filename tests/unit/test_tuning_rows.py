"""No model is tuned on rows of the dev or test part: the workshop knows them by hash, and the rungs that train ask it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from rung.data.split import freeze, split
from rung.errors import NotOffered, RungError, TuningError
from rung.progress import Silent
from rung.rungs.finetune import FineTune
from rung.rungs.scratch import ScratchRung
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.tuning.workspace import RunTuningSpace, Workplace
from rung.types import Dataset, Example, FitInput
from tests.unit._kit import KitForTests, examples, task


class Reached(Exception):
    """The check of the rows was passed: the next step, which needs a model, began."""


class Shop(RunTuningSpace):
    """The workshop of a run folder, without a model to tune."""

    def __getattribute__(self, name):
        if name == "base":
            raise Reached
        return super().__getattribute__(name)


@dataclass
class Kit(KitForTests):
    shop: RunTuningSpace | None = None

    def tuning_space(self, role):
        return self.shop


@pytest.fixture
def frozen(tmp_path):
    parts = split(Dataset(tuple(examples(120, "r")), "rows.jsonl"))
    made = freeze(parts, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    shop = Shop(None, None, Workplace.of_run(run, tmp_path), Silent(), None)
    return made, sealed_test(run).read("to know what to look for"), shop


def test_the_workshop_knows_rows_of_dev_and_test_by_their_hashes(frozen):
    made, test, shop = frozen
    assert shop.sealed(made.train) == ()
    assert shop.sealed(made.dev) == tuple(e.id for e in made.dev)
    assert shop.sealed(test) == tuple(e.id for e in test)
    assert shop.sealed((made.train[0], test[3], made.dev[1])) == (test[3].id, made.dev[1].id)
    assert shop.sealed((replace(test[0], target="another"),)) == ()


def tune(rung, train, frozen):
    made, _, shop = frozen
    kit = Kit(task(), shop=shop)
    asyncio.run(rung.fit(FitInput(task(), tuple(train), made.dev), kit))


def test_tuning_starts_on_training_rows_alone(frozen):
    made, test, _ = frozen
    with pytest.raises((Reached, NotOffered)):  # NotOffered: the packages for tuning are not installed
        tune(FineTune(force=True), made.train, frozen)
    with pytest.raises(TuningError, match=rf"1 training examples stand in the dev or test set too \({test[0].id}\)"):
        tune(FineTune(force=True), (*made.train, test[0]), frozen)
    with pytest.raises(
        TuningError, match=rf"1 training examples stand in the dev or test set too \({made.dev[0].id}\)"
    ):
        tune(FineTune(force=True), (*made.train, made.dev[0]), frozen)


def test_a_dev_row_under_another_name_is_found_by_its_content(frozen):
    made, _, _ = frozen
    copy = replace(made.dev[0], id="copy", group="copy")
    with pytest.raises(
        TuningError, match=r"1 training examples stand in the dev or test set too \(copy\): tuning on them"
    ):
        tune(FineTune(force=True), (*made.train, copy), frozen)
    with pytest.raises((Reached, NotOffered)):  # the same question with another answer is another row
        tune(FineTune(force=True), (*made.train, replace(copy, target="refund?")), frozen)


def test_of_many_such_rows_five_are_named(frozen):
    made, test, _ = frozen
    ids = sorted(e.id for e in test[:7])
    with pytest.raises(TuningError) as caught:
        tune(FineTune(force=True), (*made.train, *test[:7]), frozen)
    assert f"7 training examples stand in the dev or test set too ({', '.join(ids[:5])})" in str(caught.value)


def test_a_tiny_model_is_trained_on_training_rows_alone_too(frozen):
    made, test, _ = frozen
    with pytest.raises((Reached, NotOffered)):
        tune(ScratchRung(train=True), made.train, frozen)
    with pytest.raises(TuningError, match="2 training examples stand in the dev or test set too: remove them"):
        tune(ScratchRung(train=True), (*made.train, test[0], made.dev[0]), frozen)


def test_rows_without_an_answer_are_not_looked_at(frozen):
    made, test, _ = frozen
    empty = Example(test[0].id, test[0].inputs, " ", test[0].group)
    with pytest.raises((Reached, NotOffered)):
        tune(FineTune(force=True), (*made.train, empty), frozen)


def test_a_plan_has_no_run_folder_to_look_into():
    with pytest.raises(RungError, match="no model is tuned in a plan or a first look"):
        RunTuningSpace(None, None, None, Silent(), None).sealed(examples(1, "r"))
