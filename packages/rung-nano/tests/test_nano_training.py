"""The record of a training, its data, its command; the measuring script scores as it says."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.nano.cases import CELLS, TASKS, Case, Rung, cases, chat, checks
from rung.stats.estimate import wilson
from rung_nano._scratch.corpus import Corpus
from rung_nano._scratch.llama import Llama, Shape
from rung_nano._scratch.loop import Settings, Trainer
from rung_nano.training.documents import KINDS
from rung_nano.training.family import stages
from rung_nano.training.mixtures import DRILLS, MIXTURES, WHOLE
from rung_nano.training.record import NAME, Run, record, thinned, write
from rung_nano.training.rewriting import rewritten
from rung_nano.training.tasks.reply import Reply
from rung_nano.training.world import World, reserved

SHAPE = Shape(vocabulary=40, width=32, layers=3, heads=2, hidden=48)


def source(shard: int) -> Corpus:
    """Documents of one repeated token, another one in each shard."""
    return Corpus(np.full(400, 6 + shard % 30, np.uint16), np.full(400, 100, np.uint8), np.full(20, 20, np.int32))


@pytest.mark.parametrize("task", list(TASKS))
def test_the_right_answer_passes_every_check_and_another_fails(task: str) -> None:
    rung = Rung(passages=2)
    for case in cases(task, rung, 4, seed=1):
        _, expected = chat(case, rung)
        scored = {k: v for k, v in checks(case, rung, expected, expected).items() if not k.startswith("(")}
        assert scored
        assert all(scored.values()), (expected, scored)
        assert not all(v for k, v in checks(case, rung, expected, "xyz").items() if not k.startswith("("))


def test_closed_book_rewards_honesty_only() -> None:
    rung = Rung()
    case = cases("product questions", rung, 1, seed=2)[0]
    _, expected = chat(case, rung)
    assert checks(case, rung, expected, "I do not have that information.")["abstains"]
    assert not checks(case, rung, expected, str(case.item.value))["abstains"]


def test_every_cell_names_a_task_and_builds_its_prompts() -> None:
    for task, _, rung in CELLS:
        case: Case = cases(task, rung, 1, seed=3)[0]
        document, _ = chat(case, rung)
        assert document[-1].role == "assistant"
        assert len(case.shots) == rung.shots


def test_test_rows_use_reserved_strings() -> None:
    for case in cases("brand voice", Rung(), 8, seed=4):
        assert isinstance(case.job, Reply)
        assert reserved(case.job.house.call)


def test_wilson_agrees_with_its_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263, score method
    interval = wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


def test_rewritten_prompts_quote_the_fixed_lines() -> None:
    world, seen = World(3), 0
    while seen < 10:
        job = Reply(world, mode="fact")
        if len(job.parts) >= 3 and "call" in job.parts and not job.joined:
            assert f'exactly "{job.house.call}"' in rewritten(world, job, False)
            seen += 1


def test_the_record_of_a_run_has_its_tokens_threads_and_curve(tmp_path: Path) -> None:
    settings = Settings(tokens=1200, tokens_per_batch=256, bf16=False, log_every=2)
    Trainer(Llama(SHAPE), source, settings, tmp_path).run()
    (tmp_path / "tokenizer.json").write_text("{}")
    found = record(Run(tmp_path, "nothing", settings), tmp_path / "tokenizer.json")
    assert found["tokens"] == Trainer(Llama(SHAPE), source, settings, tmp_path).state.tokens
    assert found["threads"] >= 1  # type: ignore[operator]
    assert found["curve"][-1]["tokens"] <= found["tokens"]  # type: ignore[index, operator]
    assert len(thinned([{"tokens": i, "seconds": i, "loss": 1.0, "answer_accuracy": 0.5} for i in range(400)])) == 40


def test_a_second_stage_keeps_the_record_of_the_first(tmp_path: Path) -> None:
    settings = Settings(tokens=1200, tokens_per_batch=256, bf16=False, log_every=1, steps=3)
    trainer = Trainer(Llama(SHAPE), source, settings, tmp_path)
    assert trainer.run().step == 3, "steps stop a run before its tokens are spent"
    (tmp_path / "tokenizer.json").write_text("{}")
    for folder, before in (("first", None), ("second", tmp_path / "first" / NAME)):
        (tmp_path / folder).mkdir()
        write(Run(tmp_path, folder, settings), tmp_path / "tokenizer.json", tmp_path / folder, before)
    stages = json.loads((tmp_path / "second" / NAME).read_text())["stages"]
    assert [stage["origin"] for stage in stages] == ["first", "second"]


def test_the_family_is_trained_in_stages_that_go_on_from_one_another() -> None:
    chain = [dict(zip(w[::2], w[1::2], strict=True)) for w in (s.format(b="B").split(" ") for s in stages())]
    for before, after in pairwise(chain):
        assert after.get("--start-from", after.get("--grow-from")) == before["--folder"] + "/state"
        assert ("--grow-from" in after) == (after["--size"] != before["--size"])
    assert all(stage["--out"] == stage["--folder"] + "/weights" for stage in chain), "its record is looked for there"
    assert all(stage["--mixture"] in MIXTURES for stage in chain)
    assert len({stage.get("--stage", "0") for stage in chain}) == len(chain), "no stage sees the documents of another"


def test_every_mixture_is_of_known_documents_and_the_first_shards_are_mostly_drills() -> None:
    assert all(set(shares) <= set(KINDS) for shares in MIXTURES.values())
    assert DRILLS["task"] < WHOLE["task"] / 2
