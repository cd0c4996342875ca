"""What the local recipes share: settings with published defaults, and the way to the code that needs torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from rung import plugins
from rung.bases import Tuner
from rung.protocols import Sent, TuningRun
from rung.tuners._resources import Batches, Shape, need_of, shape_of
from rung.types import Base, Preflight, TuningNeed, TuningRow

RATE_STEP = 10**0.5  # neighbouring learning rates in the search: half a power of ten apart
BASE_RATE = 5e-5
RATE_WIDTH, RATE_POWER = 2000.0, 0.781
UNKNOWN_WIDTH = 2000.0


class LocalRecipe(Tuner):
    """Settings of tuning on this machine with transformers.

    Sources (read November 2026): 3 epochs, linear fall to 0: the defaults of TRL's SFTConfig and transformers'
    TrainingArguments; a tenth of the steps to warm up and weight decay 0: the SFT recipes of Hugging Face's
    alignment-handbook (zephyr-7b-beta); gradients clipped at 1: transformers' default; 16 rows a batch: QLoRA (Dettmers
    et al. 2023, arXiv 2305.14314, table 9); small batches suit LoRA ("LoRA Without Regret", Schulman et al. 2025).
    """

    learning_rate: float | None = Field(None, gt=0, lt=1, description="highest rate; none: from the model's width")
    epochs: float = Field(3.0, gt=0, le=100, description="times that each example is seen")
    batch_rows: int = Field(16, ge=1, description="examples behind one step of the optimizer")
    batch_tokens: int = Field(8192, ge=1, description="tokens computed at once, padding included; bounds memory")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps over which the rate rises")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decay")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    search: bool = Field(True, description="race neighbouring recipes; false: this one alone")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda)$", description="auto: a GPU where there is one")
    threads: int | None = Field(None, ge=1, description="default: one per core that this process may use")

    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="numbers in which a step is computed on a CPU; bfloat16 takes less memory, and less time where the processor multiplies it. "
        "Weights stay in float32, and answers are made in the model's own `dtype`",
    )

    form: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers", "peft")
    rate_factor: ClassVar[float]

    @property
    @abstractmethod
    def title(self) -> str:
        """A short name with what makes this recipe different."""

    @abstractmethod
    def neighbours(self) -> tuple[Self, ...]:
        """Return the recipes that a search tries beside this one, whose rate is known."""

    @abstractmethod
    def trained_parameters(self, shape: Shape) -> int:
        """Return how many parameters change."""

    def computed(self, base: Base) -> Shape | None:
        """Return the sizes of a base with the numbers in which a step is computed; None where they cannot be found."""
        shape = shape_of(base)
        return None if shape is None else replace(shape, bf16=self.precision == "bfloat16")

    def variants(self, base: Base) -> tuple[Self, ...]:
        """Return this recipe with its rate filled in, and its neighbours where a search is wanted.

        Without a given rate: 5e-5 * factor * (2000 / width)^0.781, factor 10 for LoRA and 1 for all weights; the fit to
        sweeps over Llama models in "LoRA Without Regret" (Thinking Machines, 2025) and its cookbook
        (tinker_cookbook/hyperparam_utils.py, read November 2026). Qwen's exponent there is 0.0775; between widths of 1,000
        and 4,000 the two differ by less than the search covers.
        """
        rate = self.learning_rate
        if rate is None:
            shape = shape_of(base)
            width = shape.width if shape is not None else UNKNOWN_WIDTH
            rate = min(0.02, BASE_RATE * self.rate_factor * (RATE_WIDTH / width) ** RATE_POWER)
        own = self.model_copy(update={"learning_rate": float(f"{rate:.2g}")})
        return (own, *own.neighbours()) if self.search else (own,)

    def need(self, base: Base, rows: Sequence[TuningRow], counted: Callable[[TuningRow], int]) -> TuningNeed:
        """Estimate one run over all rows (see `rung.tuners._resources` for the formulas and their sources)."""
        shape = self.computed(base)
        lengths = [counted(row) for row in rows]
        answers = max((len(row.answer) // 3 + 2 for row in rows), default=1)
        batches = self.batches(lengths, answers)
        return need_of(base, shape, None if shape is None else self.trained_parameters(shape), batches, self.epochs)

    def batches(self, lengths: Sequence[int], learned: int) -> Batches:
        """Return what bounds the memory of a run over rows of these lengths, of which at most `learned` tokens a row are learned."""
        return Batches(sum(lengths), max(lengths, default=1), learned, self.batch_rows, self.batch_tokens)

    def preflight(self, base: Base, rows: Sequence[TuningRow], sent: Sent, seed: int) -> Preflight:
        """Look at everything that silently ruins tuning. Raises TuningError, MissingExtra."""
        found: Preflight = self._code("_preflight").preflight(self, base, rows, sent, seed)
        return found

    def start(self, base: Base, rows: Sequence[TuningRow], folder: Path, seed: int) -> TuningRun:
        """Load the base and begin, or go on from `folder`. Raises TuningError, MissingExtra."""
        run: TuningRun = self._code("_local").LocalRun(self, base, rows, folder, seed)
        return run

    def gentler(self) -> Self | None:
        """Return this recipe at a rate half a power of ten lower; None where the rate is not filled in yet."""
        if self.learning_rate is None:
            return None
        return self.model_copy(update={"learning_rate": float(f"{self.learning_rate / RATE_STEP:.2g}")})

    def scale(self, base: Base, weights: Path, out: Path, scale: float) -> None:
        """Write the weights with their change of the base multiplied by `scale`: an adapter's alpha, or W0 + s (W - W0)."""
        self._code("_dial").scale(base, weights, out, scale)

    def _code(self, module: str) -> Any:
        return plugins.require(f"rung.tuners.{module}", "tune")
