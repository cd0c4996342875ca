"""The model is a Llama, starts able to copy, learns, and can be grown without changing what it computes."""

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import save_file

from rung_nano._scratch.export import damaged, export
from rung_nano._scratch.llama import Llama, Shape, start_with_copying
from rung_nano._scratch.muon import Muon, orthogonalise
from rung_nano._scratch.tokenizer import chat_tokenizer, train_tokenizer
from rung_nano.training.grow import grown

SMALL = Shape(vocabulary=300, width=64, layers=3, heads=2, hidden=96)


def logits(model: Llama, ids: torch.Tensor) -> torch.Tensor:
    """Next-token scores of the model."""
    with torch.no_grad():
        return model(ids) @ model.embed_tokens.weight.T


def ids(rows: int = 2, positions: int = 12) -> torch.Tensor:
    """Random token ids without special ones."""
    return torch.randint(6, 300, (rows, positions), generator=torch.Generator().manual_seed(0))


def test_exported_weights_compute_the_same_in_transformers(tmp_path: Path) -> None:
    model = Llama(SMALL, seed=1)
    tokenizer = chat_tokenizer(train_tokenizer(["a kettle and a lamp"] * 3, 300), SMALL.context)
    export(model, tokenizer, tmp_path, dtype=torch.float32)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        theirs = loaded(input_ids=ids()).logits
    assert torch.allclose(theirs, logits(model, ids()), atol=1e-4)
    assert loaded.config.max_position_embeddings == 2048
    assert damaged(tmp_path) == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer(train_tokenizer(["a kettle"], 300), SMALL.context)
    export(Llama(SMALL), tokenizer, tmp_path)
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    (tmp_path / "config.json").unlink()
    assert sorted(damaged(tmp_path)) == ["config.json", "model.safetensors"]


def test_later_tokens_do_not_change_earlier_scores() -> None:
    model, first = Llama(SMALL), ids()
    second = first.clone()
    second[:, 8:] = 7
    assert torch.allclose(logits(model, first)[:, :8], logits(model, second)[:, :8], atol=1e-5)
    assert not torch.allclose(logits(model, first)[:, 8:], logits(model, second)[:, 8:], atol=1e-2)


def test_a_new_model_copies_only_with_the_circuit() -> None:
    shape = Shape(vocabulary=1000, width=160, layers=4, heads=5, hidden=432)
    half = torch.randint(6, 1000, (8, 30), generator=torch.Generator().manual_seed(2))
    twice = torch.cat([half, half], 1)

    def hits(model: Llama) -> float:
        return float((logits(model, twice)[:, 30:-1].argmax(-1) == twice[:, 31:]).float().mean())

    plain, copying = Llama(shape), Llama(shape)
    start_with_copying(copying)
    assert hits(plain) < 0.05
    assert hits(copying) > 0.4


def test_a_grown_model_computes_the_same_and_its_twins_differ(tmp_path: Path) -> None:
    model = Llama(SMALL, seed=3)
    save_file({n: p.detach().contiguous() for n, p in model.named_parameters()}, tmp_path / "model.safetensors")
    large = Shape(300, 128, layers=4, heads=4, hidden=192)
    wide = grown(tmp_path / "model.safetensors", SMALL, large)
    assert torch.allclose(logits(wide, ids()), logits(model, ids()), atol=1e-4)
    exported = {f"model.{n}": p.detach().contiguous() for n, p in model.named_parameters()}
    save_file(exported, tmp_path / "exported.safetensors")
    assert torch.equal(grown(tmp_path / "exported.safetensors", SMALL, large).norm.weight, wide.norm.weight)
    weight = wide.layers[0].mlp.gate_proj.weight
    assert not torch.allclose(weight[:, :64], weight[:, 64:])


def test_growth_needs_doubled_sizes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must double"):
        grown(tmp_path / "none", SMALL, Shape(300, 100, 4, 4, 192))


def test_orthogonalised_singular_values_are_near_one() -> None:
    batch = torch.randn(3, 20, 50, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(batch))
    assert values.min() > 0.5
    assert values.max() < 1.3


@pytest.mark.parametrize("size", [(20, 50), (50, 20)])
def test_muon_brings_a_matrix_to_its_goal(size: tuple[int, int]) -> None:
    goal = torch.randn(size, generator=torch.Generator().manual_seed(1))
    matrix = torch.nn.Parameter(torch.zeros(size))
    optimizer = Muon([matrix], lr=0.05, decay=0.0)
    for _ in range(200):
        optimizer.zero_grad()
        ((matrix - goal) ** 2).sum().backward()
        optimizer.step()
    assert float((matrix.detach() - goal).norm() / goal.norm()) < 0.15


def test_only_weighted_tokens_enter_the_loss() -> None:
    model, tokens = Llama(SMALL), ids()
    weights = torch.zeros(tokens.shape)
    weights[:, 5] = 1.0
    loss, answers, _ = model.loss(tokens, weights)
    changed = tokens.clone()
    changed[:, 6:] = 9
    assert model.loss(changed, weights)[0].item() == pytest.approx(loss.item(), rel=1e-5)
    assert answers.item() == pytest.approx(loss.item(), rel=1e-5)
