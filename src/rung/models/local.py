"""Open weights on this machine: a folder or a Hub model run by transformers, with or without a tuned adapter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from rung import plugins
from rung.errors import MissingExtra
from rung.models.batched import BatchedModel, cores
from rung.models.settings import ProviderSettings
from rung.plugins import located

_WORTH_COMPARING = (
    100_000_000  # bytes of weights from which a shorter number format saves more than it takes to compare
)
_WINDOWS = ("max_position_embeddings", "n_positions", "max_seq_len")  # fields that hold the context, by family
_SHAPING = ("*.safetensors", "*.json", "*.jinja")  # files of a folder that determine answers
_NOT_SHAPING = frozenset({"hashes.json", "training_args.json", "trainer_state.json", "README.json"})


class Local(ProviderSettings):
    """A chat model that transformers can load from safetensors. Greedy at temperature 0, else seeded draws.

    Requests that wait together are computed together, sorted by length, and a beginning that they share is computed once;
    the answers are those of one example after the other, up to rounding (none in float32 but for ties). `latency_s` is the
    time from asking to answer with batch mates included; `batch: 1` and `concurrency: 1` measure a single use. Code that
    comes with weights is never run. `response_format` is held to, token by token, where llguidance is installed.
    """

    name: str = Field(min_length=1, description="the model's name on the Hub; any name for a model in `folder`")
    folder: str | None = Field(None, description="folder of a saved model, relative to rung.yaml; nothing is fetched")
    adapter: str | None = Field(None, description="folder of a tuned adapter (PEFT) for this model, relative likewise")
    revision: str | None = Field(None, description="commit of the Hub model; name one, so that it stays the same")
    dtype: Literal["auto", "fastest", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="auto: as saved on a GPU; on a CPU float32, or bfloat16 where the processor multiplies it and 30 dev examples of a run score the same; fastest: bfloat16 there without asking",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    threads: int | None = Field(None, ge=1, description="default: one per core that this process may use")
    batch: int = Field(
        32, ge=1, le=1024, description="examples computed together at most; halved where memory is short"
    )
    concurrency: int = Field(128, ge=1, le=1024, description="requests in flight; many, so that batches fill")
    timeout_s: float = Field(3600.0, gt=0, description="for one answer, waiting for its batch included")
    usd_per_hour: float | None = Field(0.0, ge=0, description="what this machine costs; nothing, unless you say so")
    template: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict, description="variables of the chat template, such as {enable_thinking: false}"
    )

    @field_validator("folder", "adapter")
    @classmethod
    def _beside(cls, folder: str | None, info: ValidationInfo) -> str | None:
        return None if folder is None else located(folder, info)

    @model_validator(mode="after")
    def _saved(self) -> Local:
        if self.folder is not None:
            if self.revision is not None:
                raise ValueError("revision is of a Hub model; a folder has none")
            if not Path(self.folder).exists():
                raise ValueError(
                    f"folder {self.folder!r} is not there; put the weights back, or name where they are now"
                )
            if not (Path(self.folder) / "config.json").is_file():
                tuned = (Path(self.folder) / "adapter_config.json").is_file()
                advice = "it is an adapter: name it as `adapter`, and its base model as `name` or `folder`"
                cure = advice if tuned else "it must be a model saved by transformers"
                if Path(self.folder).suffix == ".gguf" or any(Path(self.folder).glob("*.gguf")):
                    cure = "a GGUF file is served by llama-server (provider openai with its base_url); `local` needs a model saved by transformers"
                raise ValueError(f"folder {self.folder!r} holds no config.json; {cure}")
        elif self.name.startswith((".", "/", "~")):
            raise ValueError(f"name {self.name!r} looks like a folder; write it as `folder`, with any name")
        if self.adapter is not None and not (Path(self.adapter) / "adapter_config.json").is_file():
            raise ValueError(f"adapter {self.adapter!r} holds no adapter_config.json; it must be one saved by PEFT")
        return self

    @model_validator(mode="after")
    def _own_context(self) -> Local:
        """Take the context window from the folder's configuration where the settings name none."""
        if self.context is None and self.folder is not None:
            object.__setattr__(self, "context", _window(Path(self.folder) / "config.json"))
        return self

    @property
    def packages(self) -> tuple[str, ...]:
        return ("torch", "transformers", *(["peft"] if self.adapter is not None else []))

    @property
    def weights(self) -> str:
        """The folder or Hub name from which transformers loads the model to tune it."""
        return self.folder or self.name

    @property
    def worth_comparing(self) -> bool:
        """Whether `dtype` leaves the number format open, and the model is so large that a shorter one would save time on some processor."""
        weights = [p.stat().st_size for p in Path(self.folder).glob("*.safetensors")] if self.folder is not None else []
        return self.dtype == "auto" and not (weights and sum(weights) < _WORTH_COMPARING)

    def may_be_quicker(self) -> bool:
        """Whether a shorter number format would save time that is worth a comparison, on this processor."""
        if not self.worth_comparing:
            return False
        try:
            loading = plugins.require("rung.models._local_load", "local")
        except MissingExtra:
            return False  # connect says so
        return bool(loading.quicker_in_bfloat16(self))

    def with_weights(self, folder: Path) -> Local:
        """Return these settings on tuned weights: an adapter for this model, or a whole model of its family."""
        kept = self.model_dump(exclude_unset=True, exclude={"adapter"})
        if (folder / "adapter_config.json").is_file():
            return type(self).model_validate({**kept, "adapter": str(folder)})
        kept.pop("revision", None)
        return type(self).model_validate({**kept, "folder": str(folder)})

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the answers: names and hashes of files, number format and device."""
        own = {"dtype": self.dtype, "device": self.device, "template": dict(self.template), "revision": self.revision}
        return {**super().identity(), **own, "files": dict(self._hashes)}

    def connect(self) -> BatchedModel:
        """Load the weights. Raises MissingExtra without torch, ModelError for a model that cannot be used."""
        engine = plugins.require("rung.models.local_engine", "local")
        if self.adapter is not None:
            plugins.require("peft", "tune")
        return BatchedModel(self, engine.Engine(self, cores(self.threads)))

    @cached_property
    def _hashes(self) -> Mapping[str, str]:
        """SHA-256 of the files that determine answers, as they are on disk; a Hub model goes by name and revision."""
        found: dict[str, str] = {}
        for kind, folder in (("model", self.folder), ("adapter", self.adapter)):
            if folder is not None:
                paths = sorted({path for pattern in _SHAPING for path in Path(folder).glob(pattern)})
                found |= {f"{kind}/{path.name}": _sha256(path) for path in paths if path.name not in _NOT_SHAPING}
        return found


def _window(path: Path) -> int | None:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # connect says what is wrong with it
    for part in (config, config.get("text_config")) if isinstance(config, dict) else ():
        for window in map(part.get, _WINDOWS) if isinstance(part, dict) else ():
            if isinstance(window, int) and not isinstance(window, bool) and window > 0:
                return window
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
