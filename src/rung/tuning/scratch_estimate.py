"""What training a model from nothing takes: tokens, operations, GPU hours, dollars. Pure arithmetic with its sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rung.types import Example

TOKENS_A_PARAMETER = 20.0  # compute-optimal: Hoffmann et al. 2022 (arXiv 2203.15556), table 3
OPERATIONS_A_STEP = (
    6.0  # FLOPs a parameter and token, forward and backward: Kaplan et al. 2020 (arXiv 2001.08361), section 2.1
)
PEAK_FLOPS = 989e12  # one H100 SXM, dense bf16: NVIDIA H100 datasheet
UTILISATION = 0.4  # share of the peak that a well-tuned run reaches: PaLM reports .46 (arXiv 2204.02311, table 3)
USD_PER_GPU_HOUR = 2.5  # assumed rent of one H100, November 2026; a setting of the rung
CHARACTERS_A_TOKEN = 4.0  # English text in a vocabulary of some 10,000 entries and more
USABLE_TOKENS = (
    36e12  # what an open model of 0.6 billion parameters was trained on: Qwen3 report (arXiv 2505.09388), section 3.1
)


@dataclass(frozen=True, slots=True)
class ScratchEstimate:
    """Training a model of `parameters` on `tokens` tokens."""

    parameters: float
    tokens: float
    usd_per_gpu_hour: float = USD_PER_GPU_HOUR

    @property
    def operations(self) -> float:
        """Floating-point operations, 6ND."""
        return OPERATIONS_A_STEP * self.parameters * self.tokens

    @property
    def gpu_hours(self) -> float:
        return self.operations / (PEAK_FLOPS * UTILISATION) / 3600

    @property
    def usd(self) -> float:
        return self.gpu_hours * self.usd_per_gpu_hour

    def __str__(self) -> str:
        return (
            f"{_short(self.parameters)} parameters on {_short(self.tokens)} tokens: {self.operations:.1e} FLOPs (6ND), about "
            f"{_hours(self.gpu_hours)} of one H100 at {UTILISATION:.0%} of its peak, ${_money(self.usd)} at "
            f"${self.usd_per_gpu_hour:g} an hour"
        )


def optimal(parameters: float, usd_per_gpu_hour: float = USD_PER_GPU_HOUR) -> ScratchEstimate:
    """Return the estimate for the compute-optimal number of tokens, 20 a parameter."""
    return ScratchEstimate(parameters, TOKENS_A_PARAMETER * parameters, usd_per_gpu_hour)


def tokens_in(rows: Sequence[Example]) -> float:
    """Return about how many tokens rows hold, inputs and targets, at four characters a token."""
    return sum(len(row.text) + len(row.target) for row in rows) / CHARACTERS_A_TOKEN


def why_not(rows: Sequence[Example], parameters: float, usd_per_gpu_hour: float = USD_PER_GPU_HOUR) -> str:
    """Say what training from nothing would take, what the rows hold of it, and what is done instead."""
    held = tokens_in(rows)
    best = optimal(parameters, usd_per_gpu_hour)
    usable = ScratchEstimate(parameters, USABLE_TOKENS, usd_per_gpu_hour)
    share = held / best.tokens
    return (
        f"a model from nothing wants about {TOKENS_A_PARAMETER:g} tokens a parameter: {best}. The training examples hold about "
        f"{_short(held)} tokens, {_share(share)} of that. To be as capable as an open model of this size that can be tuned today, "
        f"it would take {usable}. Tune such a model instead"
    )


def _short(number: float) -> str:
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:.0f}"


def _share(share: float) -> str:
    return f"one part in {_short(1 / share)}" if 0 < share < 0.01 else f"{100 * share:.3g} %"


def _hours(hours: float) -> str:
    return f"{hours:,.0f} hours" if hours >= 1.5 else f"{60 * hours:.2g} minutes" if hours >= 1 / 60 else "seconds"


def _money(usd: float) -> str:
    return f"{usd:,.0f}" if usd >= 10 else f"{usd:.2f}"
