"""Full tuning: every weight changes."""

from __future__ import annotations

from typing import ClassVar, Self

from rung.tuners._recipe import RATE_STEP, LocalRecipe
from rung.tuners._resources import Shape


class Full(LocalRecipe):
    """Tune all weights: four times the memory of LoRA or more, a whole model to keep, and more that may be forgotten.

    Source of the rate: see `LocalRecipe.variants`; a tenth of LoRA's ("LoRA Without Regret", Schulman et al. 2025).
    """

    form: ClassVar[str] = "full"
    rate_factor: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        return f"full, rate {self.learning_rate or 0:.2g}"

    def neighbours(self) -> tuple[Self, ...]:
        """Return the rate half a power of ten down and up."""
        rate = self.learning_rate or 0.0
        rates = [float(f"{r:.2g}") for r in (rate / RATE_STEP, rate * RATE_STEP) if r < 1]
        return tuple(self.model_copy(update={"learning_rate": r}) for r in rates)

    def trained_parameters(self, shape: Shape) -> int:
        return shape.parameters
