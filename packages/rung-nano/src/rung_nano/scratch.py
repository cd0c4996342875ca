"""From nothing: a tokenizer and a small model are made from the training rows alone, then trained on them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from rung import plugins
from rung.errors import TuningError
from rung.protocols import Sent, TuningRun
from rung.tuners.full import Full
from rung.types import Base, Preflight, TuningNeed, TuningRow


class Scratch(Full):
    """Train a small Llama that has seen nothing but the training examples; the way the bundled model was made, on yours.

    The base model lends its provider and nothing else. Two million parameters learn forms and labels of a narrow task by
    heart; they know no language beyond the examples. The weights start with a circuit that copies (`docs/training.md` of rung-nano).
    """

    learning_rate: float | None = Field(3e-3, gt=0, lt=1, description="highest rate")
    epochs: float = Field(30.0, gt=0, le=1000, description="times that each example is seen")
    width: int = Field(160, ge=16, le=1024, description="width of the model")
    layers: int = Field(5, ge=1, le=32, description="its layers")
    heads: int = Field(5, ge=1, le=32, description="its attention heads; they divide the width")
    vocabulary: int = Field(1024, ge=300, le=60_000, description="entries of the tokenizer, all 256 bytes included")
    context: int = Field(1024, ge=64, le=8192, description="tokens of prompt and answer together")
    search: bool = Field(False, description="race neighbouring rates as well")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"width {self.width} must be an even multiple of heads {self.heads}")
        return self

    @property
    def title(self) -> str:
        return f"from nothing, width {self.width}, {self.layers} layers"

    @property
    def hidden(self) -> int:
        return 8 * round(self.width * 2.7 / 8)

    @property
    def parameters(self) -> int:
        """Parameters of the model, embeddings included."""
        block = 4 * self.width**2 + 3 * self.width * self.hidden + 2 * self.width
        return self.vocabulary * self.width + self.layers * block + self.width

    def neighbours(self) -> tuple[Self, ...]:
        """Return half and twice the rate."""
        rate = self.learning_rate or 3e-3
        return tuple(self.model_copy(update={"learning_rate": rate * f}) for f in (0.5, 2.0))

    def trained_parameters(self, shape: object) -> int:
        return self.parameters

    def need(self, base: Base, rows: Sequence[TuningRow], counted: Callable[[TuningRow], int]) -> TuningNeed:
        """Estimate by 6ND operations at a tenth of what one core of a current processor does (about 20 GFLOP/s)."""
        tokens = round(self.epochs * sum(counted(row) for row in rows))
        memory = 16 * self.parameters + 4 * self.batch_tokens * (self.vocabulary + 30 * self.width)
        seconds = 6.0 * self.parameters * tokens / 20e9
        note = f"{self.parameters / 1e6:.1f} million parameters from nothing on one core"
        return TuningNeed(tokens, seconds, memory, 4 * 4 * self.parameters, note)

    def preflight(self, base: Base, rows: Sequence[TuningRow], sent: Sent, seed: int) -> Preflight:
        """Look at what silently ruins training, on a newborn model; the base's own rendering has no say here."""
        with tempfile.TemporaryDirectory(prefix="rung-newborn-") as name:
            place = self._born(rows, Path(name) / "newborn", seed)
            newborn = replace(base, name="the newborn model", weights=str(place), revision=None, context=self.context)
            return super().preflight(newborn, rows, lambda _: None, seed)

    def start(self, base: Base, rows: Sequence[TuningRow], folder: Path, seed: int) -> TuningRun:
        """Make tokenizer and model from the rows, or find them beside the state, and begin or go on."""
        place = self._born(rows, folder.with_name("newborn"), seed)
        return super().start(replace(base, weights=str(place), revision=None), rows, folder, seed)

    def gentler(self) -> Self | None:
        return None

    def scale(self, base: Base, weights: Path, out: Path, scale: float) -> None:
        raise TuningError("a model from nothing has no base to go back to; there is nothing to scale")

    def _born(self, rows: Sequence[TuningRow], folder: Path, seed: int) -> Path:
        place: Path = plugins.require("rung_nano._newborn", "tune").born(self, rows, folder, seed)
        return place
