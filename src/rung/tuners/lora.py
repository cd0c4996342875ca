"""LoRA: small matrices beside the frozen weights are tuned (Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field

from rung.tuners._recipe import RATE_STEP, LocalRecipe
from rung.tuners._resources import Shape


class Lora(LocalRecipe):
    """Tune an adapter; the base stays as it is, so that dropping the adapter undoes everything.

    Sources: every linear layer rather than attention alone, and a rate ten times that of full tuning: "LoRA Without
    Regret" (Schulman et al., Thinking Machines 2025), whose runs from rank 1 to 512 share one best rate; alpha = 2 *
    rank and all linear layers: Biderman et al. 2024, "LoRA Learns Less and Forgets Less" (arXiv 2405.09673, section 6);
    rank 16: small enough for a few thousand examples by the same paper's figures, and PEFT's and TRL's own examples.
    No dropout: PEFT's default.
    """

    form: ClassVar[str] = "adapter"
    rate_factor: ClassVar[float] = 10.0

    rank: int = Field(16, ge=1, le=1024, description="rank of the added matrices")
    alpha: float | None = Field(None, gt=0, description="their scale is alpha / rank; none: twice the rank")
    targets: str | tuple[str, ...] = Field("all-linear", description="layers that get them, as PEFT names them")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the adapter's inputs left out at each step")

    @property
    def title(self) -> str:
        return f"lora rank {self.rank}, rate {self.learning_rate or 0:.2g}"

    @property
    def scale_alpha(self) -> float:
        return self.alpha if self.alpha is not None else 2.0 * self.rank

    def neighbours(self) -> tuple[Self, ...]:
        """Return the rate half a power of ten down and up, and a quarter of the rank."""
        rate = self.learning_rate or 0.0
        rates = [float(f"{r:.2g}") for r in (rate / RATE_STEP, rate * RATE_STEP) if r < 1]
        smaller = [self.model_copy(update={"rank": self.rank // 4})] if self.rank >= 4 else []
        return (*(self.model_copy(update={"learning_rate": r}) for r in rates), *smaller)

    def gentler(self) -> Self | None:
        """Return a quarter of the rank at a rate half a power of ten lower."""
        lower = super().gentler()
        return lower.model_copy(update={"rank": max(1, self.rank // 4)}) if lower is not None else None

    def trained_parameters(self, shape: Shape) -> int:
        return sum(self.rank * (a + b) for a, b in shape.linears)
