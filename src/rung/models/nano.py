"""The embedded model: a real small language model that runs on the CPU without key or network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from rung import plugin as plugins
from rung.errors import IntegrityError
from rung.models._batched import BatchedModel, cores
from rung.models._settings import ProviderSettings

WEIGHTS = Path(__file__).parent / "weights"
NOTE = (
    "this model knows only its own small world, an invented support desk; on other data it will mostly do badly: "
    "point models.main at an endpoint or a Hub model"
)


class Nano(ProviderSettings):
    """A shipped model by `name`, or one of the same family in a `folder`. Greedy at temperature 0.

    Requests that wait together are computed together, so `latency_s` is the time from asking to answer with batch
    mates included; `batch: 1` and `concurrency: 1` measure a single use. More threads than cores are clamped.
    An empty prompt is answered like any other. `response_format` is not enforced.
    """

    name: str = Field("nano-s", description="nano-s or nano-l; any name for a model of your own in `folder`")
    folder: str | None = Field(None, description="folder of a tuned model of the same family")
    adapter: str | None = Field(None, description="folder of a LoRA adapter for this model, as PEFT saves it")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16 may change some answers")
    threads: int | None = Field(None, ge=1, description="default: one per core that this process may use")
    batch: int = Field(64, ge=1, le=1024, description="rows computed together at most")
    concurrency: int = Field(256, ge=1, le=1024, description="requests in flight; many, so that batches fill")
    usd_per_hour: float | None = Field(0.0, ge=0, description="what this machine costs; nothing, unless you say so")
    max_tokens: int = Field(128, ge=1, description="longest answer in tokens, where a request names none")
    note: str | None = NOTE

    @model_validator(mode="after")
    def _shipped(self) -> Nano:
        if self.folder is None:
            shipped = sorted(path.name for path in WEIGHTS.iterdir() if (path / "config.json").is_file())
            if self.name not in shipped:
                raise ValueError(f"no shipped model {self.name!r}; there are: {', '.join(shipped)}; or give a folder")
        elif not (Path(self.folder) / "config.json").is_file():
            raise ValueError(f"folder {self.folder!r} holds no config.json; it must be a saved model of this family")
        if self.adapter is not None and not (Path(self.adapter) / "adapter_model.safetensors").is_file():
            raise ValueError(f"adapter {self.adapter!r} holds no adapter_model.safetensors; save it with PEFT")
        return self

    @model_validator(mode="after")
    def _own_context(self) -> Nano:
        """Take the context window from the weights' configuration where the settings name none."""
        if self.context is None:
            window = json.loads((self.path / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
            object.__setattr__(self, "context", window)
        return self

    @property
    def path(self) -> Path:
        return WEIGHTS / self.name if self.folder is None else Path(self.folder)

    @property
    def weights(self) -> str:
        """The folder from which transformers loads the model to tune it."""
        return str(self.path)

    def with_weights(self, folder: Path) -> Nano:
        """Return these settings on tuned weights: an adapter for this model, or a whole model of its family."""
        kept = self.model_dump(exclude_unset=True, exclude={"adapter"})
        own = {"adapter": str(folder)} if (folder / "adapter_config.json").is_file() else {"folder": str(folder)}
        return Nano.model_validate(
            {**kept, **own, "name": self.name, "note": "tuned on the training rows of this climb"}
        )

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the answers: beside the common settings the weights' hash and the number format."""
        return {**super().identity(), "dtype": self.dtype, "weights": dict(self._hashes)}

    def connect(self) -> BatchedModel:
        """Check the files' hashes and load them. Raises IntegrityError for damaged files, MissingExtra without torch."""
        self._check()
        engine = plugins.require("rung.models._nano_engine", "local")
        return BatchedModel(self, engine.Engine(self.path, self.dtype, cores(self.threads), self.batch, self.adapter))

    @cached_property
    def _hashes(self) -> Mapping[str, str]:
        """SHA-256 of the files that determine answers, as they are on disk."""
        names = ("config.json", "model.safetensors", "tokenizer.json")
        found = {name: _sha256(self.path / name) for name in names if (self.path / name).is_file()}
        if self.adapter is not None:
            own = ("adapter_config.json", "adapter_model.safetensors")
            found |= {name: _sha256(Path(self.adapter) / name) for name in own}
        return found

    def _check(self) -> None:
        listed = self.path / "hashes.json"
        if not listed.is_file():
            if self.folder is None:
                raise IntegrityError(f"{listed} is missing, so {self.name} cannot be checked; install rung again")
            return
        try:
            expected: Mapping[str, str] = json.loads(listed.read_text(encoding="utf-8"))
        except ValueError as error:
            raise IntegrityError(f"{listed} is not JSON ({error}); install rung again") from error
        for name, wanted in expected.items():
            path = self.path / name
            found = _sha256(path) if path.is_file() else None
            if found != wanted:
                what = f"has SHA-256 {found[:12]}, not {wanted[:12]}" if found else "is missing"
                cure = "install rung again" if self.folder is None else "save the model again"
                raise IntegrityError(f"{path} of {self.name} {what}: the file is damaged or was changed; {cure}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


plugin = Nano
