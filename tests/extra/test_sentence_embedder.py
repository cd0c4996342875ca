"""A sentence model from a folder: it embeds, its vectors are what the library itself makes, and what is missing is told."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sentence_transformers")

from safetensors.numpy import load_file, save_file

from rung.embedding import Embedder
from rung.errors import ModelError
from rung.models.sentence import Sentence
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


def test_a_model_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        ModelError, match=r"the sentence model .* cannot be loaded \(.*\); check its name, or that this machine"
    ):
        Sentence(name=str(tmp_path / "nowhere"), device="cpu").connect()
