"""Static embeddings: a folder with one vector a token (model2vec's format). Numpy alone, no network, no torch.

The vector of a text is the mean of its tokens' vectors, brought to length 1. Format: `model.safetensors` with the tensor
"embeddings" (and, in newer files, "weights" and "mapping"), `tokenizer.json`, `config.json`;
https://github.com/MinishLab/model2vec (checked 2026-11).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationInfo, field_validator, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from rung.embedding import Vectors, unit, write_vectors
from rung.errors import IntegrityError
from rung.foreign import foreign
from rung.models._one_thread import check_whole, digest, embeds_only
from rung.models.settings import ProviderSettings
from rung.plugins import located
from rung.types import Completion, Message, Request

FILES = ("model.safetensors", "tokenizer.json")
MOST_TOKENS = 4096  # of a text; the mean of so many hardly moves with more


class Static(ProviderSettings):
    """A small embedding model in a `folder`: for the role `embedder` only, it answers no questions."""

    name: str = Field("static", min_length=1, description="what reports call it")
    folder: str = Field(description="the folder with model.safetensors and tokenizer.json")
    usd_per_hour: float | None = Field(0.0, ge=0, description="what this machine costs; nothing, unless you say so")

    @field_validator("folder")
    @classmethod
    def _from_the_root(cls, value: str, info: ValidationInfo) -> str:
        return located(value, info)

    @model_validator(mode="after")
    def _whole(self) -> Static:
        check_whole(Path(self.folder), FILES, "a static model")
        return self

    def identity(self) -> Mapping[str, Any]:
        return {"provider": self.provider, "weights": self._digest}

    @cached_property
    def _digest(self) -> str:
        return digest(self.files())

    def files(self) -> tuple[Path, Path]:
        """Return where the table and its tokenizer lie."""
        return Path(self.folder) / FILES[0], Path(self.folder) / FILES[1]

    def reads(self) -> dict[str, Any]:
        """Return how a text is read: there is one way."""
        return {}

    def connect(self) -> Lookup:
        return Lookup(self)


class Reader:
    """A vector a token, and the tokenizer, loaded. Raises IntegrityError for files that are damaged."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        try:
            tensors = load_file(model)
        except (SafetensorError, OSError, ValueError) as error:
            raise IntegrityError(f"the model in {model.parent} is damaged: {error}; copy it anew") from error
        with foreign(
            lambda error: IntegrityError(f"the tokenizer in {tokenizer.parent} is damaged: {error}; copy it anew")
        ):
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._vectors, self._row_of = _table(tensors, model.parent)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        unknown = json.loads(self._tokenizer.to_str())["model"].get("unk_token")
        self._unknown = None if unknown is None else self._tokenizer.token_to_id(unknown)

    def vectors(self, texts: Sequence[str]) -> tuple[Vectors, int]:
        """Return one vector a text, of length 1 (or 0 for no known token), and how many tokens were looked up."""
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ids = [[i for i in e.ids[:MOST_TOKENS] if i != self._unknown] for e in encoded]
        return unit(np.stack([self._mean(row) for row in ids])), sum(len(row) for row in ids)

    def tokens(self, text: str) -> int:
        """Return how many tokens a text has."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _mean(self, ids: list[int]) -> Vectors:
        if not ids:
            return np.zeros(self._vectors.shape[1], dtype=np.float32)
        rows = ids if self._row_of is None else self._row_of[ids]
        found: Vectors = self._vectors[rows].mean(axis=0, dtype=np.float32)
        return found


class Lookup:
    """The loaded table as a model."""

    def __init__(self, settings: Static) -> None:
        self._settings = settings
        self._table = Reader(*settings.files())

    async def complete(self, request: Request) -> Completion:
        embeds_only(self._settings, request)
        began = time.perf_counter()
        vectors, tokens = self._table.vectors([message.content for message in request.messages])
        return Completion(write_vectors(vectors), self._settings.name, tokens, 0, time.perf_counter() - began, None)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return max(1, sum(self._table.tokens(m.content) for m in messages))

    async def close(self) -> None:
        return None


def _table(tensors: Mapping[str, Any], folder: Path) -> tuple[Vectors, npt.NDArray[np.int64] | None]:
    """Return a vector a token (or a vector a row, and each token's row)."""
    if "embeddings" not in tensors or tensors["embeddings"].ndim != 2:
        names = ", ".join(sorted(tensors)) or "nothing"
        raise IntegrityError(
            f"{folder}/model.safetensors holds {names} and no table called embeddings; name a static model"
        )
    vectors = tensors["embeddings"].astype(np.float32)
    mapping = tensors["mapping"].astype(np.int64) if "mapping" in tensors else None
    if "weights" in tensors:
        weights = tensors["weights"].astype(np.float32)[:, None]
        if mapping is None:
            return vectors * weights, None
        return vectors[mapping] * weights, None
    return vectors, mapping
