"""A sentence model from a folder: it embeds, its vectors are what the document index itself makes, and what is missing is told."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("sentence_transformers")

import torch
from safetensors.numpy import load_file, save_file
from transformers import BertConfig, BertModel, BertTokenizerFast, BertTokenizerLegacy

from rung.embedding import Embedder
from rung.errors import ModelError
from rung.models.sentence import Encoder, Sentence
from rung.models.static import Static
from rung.types import Message, Request

pytestmark = [pytest.mark.extra, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The shared static model with its table in float32: torch takes no whole numbers for weights."""
    root = Path(os.environ.get("RUNG_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    found = root / "models" / "potion-base-4m-int8"
    if not found.is_dir():
        pytest.skip(f"no shared model at {found}; set RUNG_SHARED")
    made = tmp_path_factory.mktemp("model")
    for file in ("tokenizer.json", "config.json", "modules.json"):
        (made / file).write_bytes((found / file).read_bytes())
    save_file(
        {"embeddings": load_file(found / "model.safetensors")["embeddings"].astype(np.float32)},
        made / "model.safetensors",
    )
    return made


def test_it_gives_the_vectors_of_the_static_reader(folder):
    texts = ["How do I get my money back?", "The lamp is green."]
    model = Sentence(name=str(folder), device="cpu").connect()
    found = asyncio.run(Embedder("s", "s", model.complete).embed(texts))
    own = asyncio.run(Embedder("s", "s", Static(folder=str(folder)).connect().complete).embed(texts))
    assert np.allclose(found, own, atol=1e-3)
    with pytest.raises(ModelError, match="makes embeddings and answers no questions"):
        asyncio.run(model.complete(Request((Message("user", "Hello?"),))))
    asyncio.run(model.close())


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A sentence model with random weights that reads 16 tokens, with the kind of tokenizer that real ones have."""
    made = tmp_path_factory.mktemp("small")
    letters = [chr(c) for c in range(97, 123)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    (made / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizerFast(vocab={w: i for i, w in enumerate(vocabulary)})
    shape = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16,
    )  # fmt: skip
    torch.manual_seed(1)
    BertModel(shape).save_pretrained(made)
    tokenizer.save_pretrained(made)
    return made


def test_no_word_of_a_long_text_is_left_out(small):
    model = Sentence(name=str(small), device="cpu").connect()
    model._model.max_seq_length = 16
    short, long = "a b c d", "a b c d " * 10 + "z z z z z z"
    windows = model._windows(long)
    assert "".join(windows).replace(" ", "") == long.replace(" ", "")
    assert all(len(model._model.tokenizer(w)["input_ids"]) <= 16 for w in windows)
    assert model._windows("東" * 15) == ["東" * 14, "東"]  # each is a token, beside the two that stand around a text
    found = asyncio.run(Embedder("s", "s", model.complete).embed([short, long, "a b c d " * 10]))
    assert not np.allclose(found[1], found[2], atol=1e-4)  # they differ after what the model reads at once
    assert np.allclose(found[0], asyncio.run(Embedder("s", "s", model.complete).embed([short]))[0], atol=1e-5)
    asyncio.run(model.close())


def test_no_word_is_left_out_with_a_slow_tokenizer_either(small):
    slow = BertTokenizerLegacy(str(small / "vocab.txt"))
    assert not slow.is_fast
    model = Encoder(Sentence(name="slow"), SimpleNamespace(max_seq_length=16, tokenizer=slow))
    for long in ("a b c d " * 10 + "z z z z", "a b c d\n" * 10, "z" * 100):
        windows = model._windows(long)
        assert "".join(windows) == long
        assert 1 < len(windows) < 20
        assert all(len(slow.encode(window)) <= 16 for window in windows)
    assert model._windows("a b c d a b c d") == ["a b c d a b c d"]
    asyncio.run(model.close())


def test_a_tokenizer_that_counts_nothing_is_refused_a_long_text(small):
    model = Encoder(Sentence(name="odd"), SimpleNamespace(max_seq_length=16, tokenizer=SimpleNamespace()))
    assert model._windows("a b c d") == ["a b c d"]
    with pytest.raises(
        ModelError, match=r"tokenizer of the sentence model 'odd' counts no tokens, .* of 80 characters might"
    ):
        model._windows("a b c d " * 10)
    asyncio.run(model.close())


def test_many_requests_at_once_are_answered_while_tokens_are_counted(small):
    """A fast tokenizer that two threads use raises "Already borrowed"."""
    model = Sentence(name=str(small), device="cpu", batch=4).connect()
    request = Request(tuple(Message("user", "a b c d e f " * 3) for _ in range(16)))
    embedding = Embedder("s", "s", model.complete)

    async def ask():
        texts = [["a b c " * (i % 7 + 1)] * 8 for i in range(60)]
        work = [asyncio.create_task(embedding.embed(batch)) for batch in texts]
        while not all(task.done() for task in work):
            assert model.count_tokens(request.messages) > 16
            await asyncio.sleep(0)
        return await asyncio.gather(*work)

    assert len(asyncio.run(ask())) == 60
    asyncio.run(model.close())


def test_a_model_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        ModelError, match=r"the sentence model .* cannot be loaded \(.*\); check its name, or that this machine"
    ):
        Sentence(name=str(tmp_path / "nowhere"), device="cpu").connect()
