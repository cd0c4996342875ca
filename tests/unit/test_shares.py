"""How the examples are divided follows from what is planned; what rung.yaml says stands, and so do frozen parts."""

import json

import pytest

from rung.cli._draft import Draft, ModelDraft, render
from rung.config import load_config
from rung.data.configured import how_parted, part_rows, read_rows
from rung.data.shares import Shares, shares_by_need, shares_of
from rung.engine.check import check
from rung.engine.plan import plan, rest_of_plan
from rung.engine.start import other_configuration, start
from rung.exports.rows import for_tuning
from rung.progress import Silent
from rung.store.run import RunFolder
from rung.types import Example
from tests.unit.test_check_tells_all import project


def of(found: Shares) -> tuple[float, float, float]:
    assert found.train + found.dev + found.test == pytest.approx(1.0)
    return found.train, found.dev, found.test


@pytest.mark.parametrize(
    ("ladder", "rows", "expected"),
    [
        (["prompt"], 250, (0.1, 0.2, 0.7)),
        (["prompt", "rag"], 1000, (0.1, 0.2, 0.7)),
        (["prompt", "fewshot"], 250, (0.16, 0.2, 0.64)),  # 40 training examples
        (["prompt", "fewshot"], 1000, (0.1, 0.2, 0.7)),
        (["prompt", "fewshot"], 60, (0.45, 0.2, 0.35)),  # and never more than tuning gets
        (["baseline", "prompt", "fewshot"], 250, (0.3, 0.2, 0.5)),
        (["baseline", "prompt", "fewshot"], 100, (0.4, 0.2, 0.4)),
        (["baseline", "prompt", "fewshot", "finetune"], 250, (0.45, 0.15, 0.4)),
        (["prompt", "scratch"], 250, (0.45, 0.15, 0.4)),
        (["prompt"], 14, (0.45, 0.2, 0.35)),
    ],
)
def test_shares_follow_what_is_planned(ladder, rows, expected):
    assert of(shares_by_need(ladder, rows)) == pytest.approx(expected)


def test_without_expected_answers_nothing_learns_or_is_shown():
    assert of(shares_by_need(["baseline", "prompt", "fewshot"], 250, answers=False)) == pytest.approx((0.1, 0.2, 0.7))


def config_of(root, **changes):
    raw = project(root) | changes
    (root / "rung.yaml").write_text(json.dumps(raw))
    return load_config(root / "rung.yaml")


def test_what_rung_yaml_says_stands_and_what_it_leaves_out_is_divided_as_by_need(tmp_path):
    both = config_of(tmp_path, split={"test": 0.3, "dev": 0.3})
    assert of(shares_of(both, 250)) == pytest.approx((0.4, 0.3, 0.3))
    assert shares_of(both, 250).why == "as `split` says"
    half = config_of(tmp_path, split={"test": 0.4})  # of the other 60 %, two thirds are dev and one train
    assert of(shares_of(half, 250)) == pytest.approx((0.2, 0.4, 0.4))
    assert of(shares_of(config_of(tmp_path, split={"dev": 0.2}), 250)) == pytest.approx((0.1, 0.2, 0.7))
    tuned = config_of(tmp_path, ladder=["prompt", "finetune"], split={"test": 0.4})
    assert of(shares_of(tuned, 250)) == pytest.approx((0.45, 0.15, 0.4))


def test_check_plan_and_the_split_itself_use_the_same_shares_and_say_them(tmp_path):
    config = config_of(tmp_path)
    loaded = read_rows(config)
    parts = part_rows(config, loaded)[1]
    found, planned = check(config, Silent()), plan(config)
    sizes = {name: parts.sizes[name] for name in ("train", "dev", "test")}
    assert {name: found.parts[name] for name in sizes} == sizes == dict(planned.sizes)
    assert sizes["test"] == pytest.approx(shares_of(config, len(loaded.whole)).test * len(loaded.whole), abs=1.0)
    assert found.shares == planned.shares == how_parted(config, loaded)
    assert found.shares.endswith(" % test: nothing is tuned")


def test_what_is_left_of_a_plan_is_estimated_with_the_shares_of_all_of_it(tmp_path):
    price = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 1.0}
    models = {"main": project(tmp_path)["models"]["main"] | price}
    config = config_of(tmp_path, ladder=["baseline", "prompt", "fewshot"], models=models)
    alone = next(r.usd for r in plan(config).rungs if r.rung == "prompt")
    assert alone > 0
    assert rest_of_plan(config, ("baseline", "fewshot")) == pytest.approx(
        plan(config, [s for s in config.ladder if s.label == "prompt"]).usd
    )


def test_a_draft_says_the_shares_and_does_not_fix_them():
    draft = Draft(
        "t", "classification", "", "Name it.", False, None, ("text",), "team", "exact_match", False, "", 0.9, True, "rows.csv", None,
        None, None, ModelDraft(), rows=100,
    )  # fmt: skip
    [line] = [line for line in render(draft).splitlines() if line.startswith("split: ")]
    assert line.startswith("split: {seed: 7} ")
    assert "# 40 % train, 20 % dev, 40 % test (sealed), as nothing is tuned, and the baseline learns" in line


def test_a_run_with_the_shares_of_before_goes_on(tmp_path):
    before = config_of(tmp_path, split={"test": 0.4, "dev": 0.15})
    run = start(tmp_path / "run", before)
    run.event("test_opened")
    assert other_configuration(run, config_of(tmp_path)) is None  # the file says nothing now: the frozen parts stay
    other = other_configuration(RunFolder.open(tmp_path / "run"), config_of(tmp_path, split={"test": 0.5}))
    assert other is not None
    assert "split.test" in str(other)


def test_rows_for_tuning_elsewhere_are_divided_for_tuning():
    """A run that tunes nothing trains on few rows; whole groups stay together, and no row is lost."""
    train = tuple(Example(f"t{i}", {"text": "a"}, "x", f"t{i}") for i in range(20))
    dev = tuple(Example(f"d{i}", {"text": "a"}, "x", f"g{i % 20}") for i in range(40))
    more, fewer = for_tuning(train, dev)
    assert (len(more), len(fewer)) == (42, 18)  # 9 of 60 are wanted: nine groups, each of two
    assert {e.id for e in (*more, *fewer)} == {e.id for e in (*train, *dev)}
    assert not {e.group for e in more} & {e.group for e in fewer}
