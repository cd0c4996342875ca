"""How many training examples a kind of task takes before tuning (DESIGN section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rung.types import Kind

RULE_OF_THUMB = 500  # "fewer than 500 examples speak against tuning": the decision matrix's row


@dataclass(frozen=True, slots=True)
class Need:
    """Training rows below which tuning is likely to overfit, and from which more hardly help."""

    minimum: int
    ideal: int


NEEDS: Mapping[Kind, Need] = {
    "classification": Need(200, 2_000),
    "extraction": Need(500, 5_000),
    "style": Need(500, 2_000),
    "knowledge": Need(1_000, 10_000),
    "generation": Need(2_000, 20_000),
}
