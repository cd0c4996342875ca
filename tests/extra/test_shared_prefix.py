"""A beginning kept once for all rows: the same logits as every row whole, and no sharing where that does not hold."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.extra
torch = pytest.importorskip("torch", reason="needs rung[local]")
transformers = pytest.importorskip("transformers", reason="needs rung[local]")

START, TAILS = [1, 5, 9, 11, 2], [[3, 4, 5, 6], [7], [8, 9]]
ANSWER = [*range(20, 60)]  # longer than one step of the memory


def llama(kv_heads, **settings):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=97, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=kv_heads, max_position_embeddings=128, initializer_range=0.5, **settings,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


@torch.inference_mode()
def behind_the_beginning(model):
    """Logits after each row's own part and after each token of an answer, the second row leaving half-way."""
    from rung.models._shared_prefix import Prefix, after, growing

    prefix = Prefix()
    for part in (START[:3], START[3:]):  # read in two steps, as when more of a beginning becomes known
        cache = growing(model.config)
        places = torch.arange(len(prefix.tokens), len(prefix.tokens) + len(part))[None]
        mask = torch.ones(1, len(part), dtype=torch.long)
        with after(prefix):
            model(input_ids=torch.tensor([part]), attention_mask=mask, position_ids=places, past_key_values=cache)
        prefix = prefix.with_more(tuple(part), cache)
    assert prefix.first(4).tokens == tuple(START[:4])
    assert prefix.first(4).keys[0].shape[2] == 4
    width = max(map(len, TAILS))
    new = torch.tensor([[0] * (width - len(t)) + t for t in TAILS])
    mask = torch.tensor([[0] * (width - len(t)) + [1] * len(t) for t in TAILS])
    rows, cache, found = list(range(len(TAILS))), growing(model.config), {row: [] for row in range(len(TAILS))}
    for count, token in enumerate([None, *ANSWER]):
        if token is not None:
            if count == len(ANSWER) // 2:
                kept = torch.tensor([0, 2])
                cache.batch_select_indices(kept)
                mask, rows = mask[kept], [rows[i] for i in kept]
            new = torch.full((len(rows), 1), token)
            mask = torch.cat((mask, mask.new_ones(len(rows), 1)), 1)
        places = (len(START) + mask.cumsum(1) - 1)[:, -new.shape[1] :]
        with after(prefix):
            out = model(input_ids=new, attention_mask=mask, position_ids=places, past_key_values=cache)
        for row, logits in zip(rows, out.logits[:, -1], strict=True):
            found[row].append(logits)
    return found


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_logits_equal_those_of_whole_rows(kv_heads, kernel, monkeypatch):
    from rung.models import _shared_prefix

    if not kernel:
        monkeypatch.setattr(_shared_prefix, "_FLASH", None)
    model = llama(kv_heads)
    assert _shared_prefix.installed(model)
    for row, got in behind_the_beginning(model).items():
        with torch.inference_mode():
            whole = model(torch.tensor([[*START, *TAILS[row], *ANSWER]])).logits[0, len(START) + len(TAILS[row]) - 1 :]
        assert len(got) == (len(ANSWER) // 2 if row == 1 else len(ANSWER) + 1)
        assert torch.allclose(torch.stack(got), whole[: len(got)], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("part", ["_reading", "_answering"])
def test_an_attention_that_computes_something_else_is_not_used(part, monkeypatch):
    from rung.models import _shared_prefix

    right = getattr(_shared_prefix, part)
    monkeypatch.setattr(_shared_prefix, part, lambda *given: 1.05 * right(*given))
    model = llama(2)
    assert not _shared_prefix.installed(model)
    assert model.config._attn_implementation == "sdpa"


def test_a_model_without_sdpa_keeps_its_own_attention():
    from rung.models._shared_prefix import installed

    model = llama(2, attn_implementation="eager")
    assert not installed(model)
    assert model.config._attn_implementation == "eager"
