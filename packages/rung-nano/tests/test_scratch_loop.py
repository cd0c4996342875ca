"""The training loop lowers the loss, follows its schedule and goes on after a stop as if there had been none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rung_nano._scratch.corpus import Corpus
from rung_nano._scratch.llama import Llama, Shape
from rung_nano._scratch.loop import Settings, State, Trainer, progress, rate

SHAPE = Shape(vocabulary=40, width=32, layers=2, heads=2, hidden=48)
SETTINGS = Settings(tokens=4000, tokens_per_batch=256, warmup_steps=3, bf16=False, log_every=5)


def source(shard: int) -> Corpus:
    """Documents that count upwards."""
    rng = np.random.default_rng(shard)
    rows = [np.arange(start, start + 20, dtype=np.uint16) for start in rng.integers(6, 20, 30)]
    return Corpus(np.concatenate(rows), np.full(600, 100, np.uint8), np.full(30, 20, np.int32))


def trainer(folder: Path, settings: Settings = SETTINGS) -> Trainer:
    """A fresh trainer; it resumes if the folder holds a state."""
    return Trainer(Llama(SHAPE, seed=0), source, settings, folder)


def test_training_lowers_the_loss_and_logs_it(tmp_path: Path) -> None:
    state = trainer(tmp_path).run()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert state.tokens >= SETTINGS.tokens
    assert rows[-1]["answer_loss"] < rows[0]["answer_loss"] - 0.5
    assert rows[-1]["tokens_per_s"] > 0


def test_a_stopped_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole")
    whole.run()
    first = trainer(tmp_path / "parts", replace(SETTINGS, tokens=1900, decay_share=0.35 * 1e-9))
    # the first part must see the schedule of the whole way, so it is stopped by hand
    first.settings = SETTINGS
    stream = first._stream()
    for _ in range(4):
        batch = next(stream)
        share = progress(first.state, SETTINGS)
        first._step(batch, rate(first.state.step, share, SETTINGS))
        state = first.state
        first.state = replace(state, step=state.step + 1, tokens=state.tokens + batch.tokens, batch=state.batch + 1)
    first.save()
    second = trainer(tmp_path / "parts")
    assert second.state.step == 4
    second.run()
    for (name, a), (_, b) in zip(whole.model.named_parameters(), second.model.named_parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5), name
    assert second.state.data_sha256 == whole.state.data_sha256 != ""


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    done = trainer(tmp_path).run()
    assert trainer(tmp_path).run() == replace(done, seconds=pytest.approx(done.seconds))


def test_the_rate_rises_stays_and_falls() -> None:
    assert rate(0, 0.0, SETTINGS) == pytest.approx(1 / 3)
    assert rate(50, 0.5, SETTINGS) == 1.0
    assert rate(50, 1 - 0.35 / 2, SETTINGS) == pytest.approx(0.5)
    assert rate(50, 1.0, SETTINGS) == SETTINGS.floor


def test_progress_counts_tokens_or_minutes_whichever_is_further() -> None:
    assert progress(State(tokens=1000), SETTINGS) == 0.25
    assert progress(State(tokens=1000, seconds=30), replace(SETTINGS, minutes=1.0)) == 0.5
    assert progress(State(tokens=9999), SETTINGS) == 1.0


def test_the_state_on_disk_is_json_and_safetensors(tmp_path: Path) -> None:
    trainer(tmp_path).run()
    assert sorted(p.name for p in (tmp_path / "state").iterdir()) == [
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]
