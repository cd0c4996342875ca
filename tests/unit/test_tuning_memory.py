"""What tuning takes at its peak is planned from a model's sizes, as measured on a real one; steps are cut smaller where memory is short."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rung.tuners._resources import PART_BYTES, Batches, Shape, held_bytes, tokens_at_once

SMOLLM2 = Shape(576, 30, 1536, 49152, 9, 3, 64, tied=True)
RANK_16 = 16 * sum(a + b for a, b in SMOLLM2.linears)
STEP = Batches(tokens=16 * 89, longest=89, learned=3, rows=16, cap=8192)


@pytest.mark.parametrize(("tokens", "measured"), [(712, 2_582e6), (1424, 4_276e6)])
def test_the_peak_is_what_was_measured(tokens, measured):
    """Peaks of resident memory, LoRA of rank 16 on every linear layer, float32, one thread."""
    planned = held_bytes(SMOLLM2, RANK_16) + SMOLLM2.batch_bytes(tokens, STEP.learned_in(tokens))
    assert planned == pytest.approx(measured, rel=0.2)


@pytest.mark.parametrize(("tokens", "measured"), [(180, 1_709e6), (593, 2_193e6), (720, 2_391e6)])
def test_so_is_the_peak_of_steps_in_bf16(tokens, measured):
    short = replace(SMOLLM2, bf16=True)
    planned = held_bytes(short, RANK_16) + short.batch_bytes(tokens, STEP.learned_in(tokens))
    assert planned == pytest.approx(measured, rel=0.2)


def test_a_step_is_computed_at_once_on_a_gpu_with_room():
    assert tokens_at_once(SMOLLM2, RANK_16, STEP, None, gpu=True) == 16 * 89
    assert tokens_at_once(SMOLLM2, RANK_16, STEP, 8_000_000_000, gpu=True) == 16 * 89


def test_on_a_cpu_parts_of_a_step_are_no_larger_than_what_is_as_quick():
    found = tokens_at_once(SMOLLM2, RANK_16, STEP, None)
    assert found == tokens_at_once(SMOLLM2, RANK_16, STEP, 100_000_000_000)
    assert SMOLLM2.batch_bytes(found, STEP.learned_in(found)) == pytest.approx(PART_BYTES, rel=0.1)


def test_where_memory_is_short_a_step_is_cut_into_parts_of_a_row_at_least():
    free = 2_000_000_000
    found = tokens_at_once(SMOLLM2, RANK_16, STEP, free)
    assert 89 < found < tokens_at_once(SMOLLM2, RANK_16, STEP, None)
    assert held_bytes(SMOLLM2, RANK_16) + SMOLLM2.batch_bytes(found, STEP.learned_in(found)) < free
    assert tokens_at_once(SMOLLM2, RANK_16, STEP, 1_000_000_000) == 89


def test_logits_of_a_large_vocabulary_count_where_they_are_learned():
    """152,000 entries in float32, four times: 2.4 MB a place. A family whose head is not plain pays at every position."""
    coder = Shape(896, 24, 4864, 151936, 14, 2, 64, tied=True)
    odd = Shape(896, 24, 4864, 151936, 14, 2, 64, tied=True, plain_head=False)
    assert odd.batch_bytes(1024, 64) - coder.batch_bytes(1024, 64) == (1024 - 64) * 16 * 151936


def test_an_adapter_shares_its_base_and_tuned_weights_lie_beside_others():
    """LoRA: one copy of the weights. All weights tuned: four copies, their gradients and two moments."""
    assert held_bytes(SMOLLM2, RANK_16) < 2 * 4 * SMOLLM2.parameters + 16 * RANK_16 + 300_000_000
    assert held_bytes(SMOLLM2, SMOLLM2.parameters) > 28 * SMOLLM2.parameters


def test_half_a_billion_parameters_are_tuned_within_eight_gigabytes():
    coder = Shape(896, 24, 4864, 151936, 14, 2, 64, tied=True)
    rank_16 = 16 * sum(a + b for a, b in coder.linears)
    step = Batches(tokens=270 * 64, longest=100, learned=8, rows=16, cap=8192)
    tokens = tokens_at_once(coder, rank_16, step, 8_000_000_000)
    assert held_bytes(coder, rank_16) + coder.batch_bytes(tokens, step.learned_in(tokens)) < 5_000_000_000
