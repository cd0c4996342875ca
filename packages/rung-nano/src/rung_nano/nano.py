"""The bundled model: weights inside this package, checked, and run by rung's provider `local` like anybody's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from rung.errors import IntegrityError
from rung.models.local import Local
from rung.plugins import located
from rung_nano import WEIGHTS

NOTE = (
    "this model knows only its own small world, an invented support desk; on other data it will mostly do badly: "
    "point models.main at an endpoint or a Hub model"
)
TUNED_NOTE = "tuned on the training examples of this run"


class Nano(Local):
    """A shipped model by `name`, or one that was tuned from it in a `folder`; everything else is as for `local`.

    On the CPU in float32 unless told otherwise, so that answers are those of the card on every machine.
    """

    name: str = Field("nano-s", description="nano-s or nano-l; any name for a model of your own in `folder`")
    folder: str | None = Field(None, validate_default=True, description="folder of a tuned model of the same family")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "float32", description="the shorter ones may change some answers"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("cpu", description="auto: a GPU where there is one")
    batch: int = Field(64, ge=1, le=1024, description="examples computed together at most")
    concurrency: int = Field(256, ge=1, le=1024, description="requests in flight; many, so that batches fill")
    max_tokens: int = Field(128, ge=1, description="longest answer in tokens, where a request names none")
    note: str | None = NOTE

    @field_validator("folder")
    @classmethod
    def _beside(cls, folder: str | None, info: ValidationInfo) -> str | None:
        """Return the folder of one's own model as for `local`, or that of the shipped model with this name."""
        if folder is not None or "name" not in info.data:
            return None if folder is None else located(folder, info)
        shipped = sorted(path.name for path in WEIGHTS.iterdir() if (path / "config.json").is_file())
        if info.data["name"] not in shipped:
            named = ", ".join(shipped)
            raise ValueError(f"no shipped model {info.data['name']!r}; there are: {named}; or give a folder")
        return str(WEIGHTS / info.data["name"])

    @property
    def provider(self) -> str:
        return "nano"

    def with_weights(self, folder: Path) -> Local:
        """Return these settings on tuned weights: an adapter for this model, or a whole model of its family."""
        return super().with_weights(folder).model_copy(update={"note": TUNED_NOTE})

    def connect(self) -> Any:
        """Check the files' hashes and load them. Raises IntegrityError for damaged files, else as `local` does."""
        self._check(Path(str(self.folder)))
        return super().connect()

    def _check(self, folder: Path) -> None:
        shipped = "folder" not in self.model_fields_set
        cure = "install rung-nano again" if shipped else "save the model again"
        listed = folder / "hashes.json"
        if not listed.is_file():
            if shipped:
                raise IntegrityError(f"{listed} is missing, so {self.name} cannot be checked; {cure}")
            return
        try:
            expected: Mapping[str, str] = json.loads(listed.read_text(encoding="utf-8"))
        except ValueError as error:
            raise IntegrityError(f"{listed} is not JSON ({error}); {cure}") from error
        for name, wanted in expected.items():
            path = folder / name
            found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            if found != wanted:
                what = f"has SHA-256 {found[:12]}, not {wanted[:12]}" if found else "is missing"
                raise IntegrityError(f"{path} of {self.name} {what}: the file is damaged or was changed; {cure}")
