"""The static embedding model from the shared folder: near texts are near, and vectors are what the table says."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from rung.embedding import Embedder, embedding_request, read_vectors
from rung.errors import IntegrityError, ModelError
from rung.models.static import Static
from rung.types import Message, Request

pytestmark = pytest.mark.extra


@pytest.fixture(scope="module")
def potion() -> Path:
    root = Path(os.environ.get("RUNG_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    folder = root / "models" / "potion-base-4m-int8"
    if not folder.is_dir():
        pytest.skip(f"no shared model at {folder}; set RUNG_SHARED")
    return folder


def embedded(folder: Path, *texts: str):
    model = Static(folder=str(folder)).connect()
    return asyncio.run(Embedder("static", "x", model.complete).embed(texts))


def test_near_texts_are_near(potion):
    a, b, c = embedded(potion, "How do I get my money back?", "Can I have a refund?", "The lamp is green.")
    assert a @ b > 0.35 > 0.1 > a @ c
    assert np.allclose(np.linalg.norm([a, b, c], axis=1), 1.0, atol=1e-5)


def test_a_vector_is_the_mean_of_its_tokens_and_odd_texts_have_one_too(potion):
    table = load_file(potion / "model.safetensors")["embeddings"].astype(np.float32)
    vocabulary = json.loads((potion / "tokenizer.json").read_text())["model"]["vocab"]
    mean = (table[vocabulary["green"]] + table[vocabulary["lamp"]]) / 2
    [found] = embedded(potion, "Green lamp")
    assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-6)
    odd = embedded(potion, "", "\x00", "word " * 9000, "東京")
    assert odd.shape == (4, 128)
    assert np.isfinite(odd).all()


def test_it_embeds_and_does_nothing_else(potion):
    model = Static(folder=str(potion)).connect()
    with pytest.raises(ModelError, match="makes embeddings and answers no questions; name it under embedder only"):
        asyncio.run(model.complete(Request((Message("user", "Hello?"),))))
    answer = asyncio.run(model.complete(embedding_request(["one two", "three"])))
    assert read_vectors(answer.text).shape == (2, 128)
    assert answer.input_tokens == 3


def test_equal_files_are_the_same_embedder_wherever_they_lie(potion, tmp_path):
    for file in ("model.safetensors", "tokenizer.json"):
        (tmp_path / file).write_bytes((potion / file).read_bytes())
    assert Static(folder=str(potion)).identity() == Static(folder=str(tmp_path), name="mine").identity()


def test_wrong_folders_and_damaged_files_are_told(potion, tmp_path):
    with pytest.raises(
        ValidationError, match=r"holds no model.safetensors and no tokenizer.json; name one with a static model"
    ):
        Static(folder=str(tmp_path))
    (tmp_path / "tokenizer.json").write_bytes((potion / "tokenizer.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(IntegrityError, match=r"is damaged: .*; copy it anew"):
        Static(folder=str(tmp_path)).connect()
    save_file({"weight": np.zeros(3, dtype=np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(IntegrityError, match="holds weight and no table called embeddings; name a static model"):
        Static(folder=str(tmp_path)).connect()
