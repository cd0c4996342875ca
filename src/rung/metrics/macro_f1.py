"""Averages over labels: macro F1, balanced accuracy, and the F of one label, for tasks where a rare label counts as much as a common one."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from rung.metrics.normalized_match import NormalizedMatch
from rung.types import json_text


class MacroF1(NormalizedMatch):
    """The mean over labels of F1, which counts what is missed of a label and what is given it wrongly; every label counts the same.

    An example is right as `normalized_match` finds it. The figure is one of all examples together, no mean of their scores.
    """


class BalancedAccuracy(NormalizedMatch):
    """The mean over labels of recall: the share of each label's examples that is found; every label counts the same.

    An example is right as `normalized_match` finds it. The figure is one of all examples together, no mean of their scores.
    """


class LabelF(NormalizedMatch):
    """F of one label: its recall and its precision in one, such as F1, or F2 where a missed one is worse than a false alarm.

    An example is right as `normalized_match` finds it. The figure is one of all examples together, no mean of their scores.
    """

    label: str = Field(min_length=1, description="the label, as the expected answers write it")
    beta: float = Field(1.0, gt=0, le=10, description="how many times as much recall counts as precision: 2 is F2")

    @field_validator("label", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else json_text(value)
