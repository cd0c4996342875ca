"""How rung.yaml states floors: further claims about quality, beside the goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from rung.config.section import Section
from rung.types import Floor, json_text, usual_tolerance, widest_tolerance


class FloorSection(Section):
    """One floor: `{label: fraud, recall: 0.9}`, `{where: {lang: de}, at_least: 0.85}`, `{metric: format, at_least: 0.99}`."""

    label: str | None = Field(None, description="the label of a classification that the floor is about")
    recall: float | None = Field(None, gt=0, lt=1, description="the least share of the label's examples that is found")
    precision: float | None = Field(
        None, gt=0, lt=1, description="the least share of right ones among the answers that give the label"
    )
    f1: float | None = Field(None, gt=0, lt=1, description="the least F1 of the label: recall and precision in one")
    where: Mapping[str, str] = Field(
        default_factory=dict, description="columns and their values: only these examples count"
    )
    metric: str | None = Field(
        None,
        description="a metric of the task, format, or an average over labels: macro_f1, balanced_accuracy; none: the one that decides",
    )
    at_least: float | None = Field(None, gt=0, lt=1, description="the least mean score by that metric")
    tolerance: float | None = Field(
        None, ge=0, lt=1, description="shown to be at least the floor less this; none: as for the goal"
    )

    @field_validator("label", mode="before")
    @classmethod
    def _label_as_text(cls, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else json_text(value)

    @field_validator("where", mode="before")
    @classmethod
    def _values_as_texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: v if isinstance(v, str) else json_text(v) for k, v in value.items()}

    @model_validator(mode="after")
    def _one_claim(self) -> FloorSection:
        asked = [name for name in ("recall", "precision", "f1", "at_least") if getattr(self, name) is not None]
        if len(asked) != 1:
            raise ValueError("give one of `recall`, `precision`, `f1` (of a label) and `at_least` (of a score)")
        by_label = asked[0] != "at_least"
        if by_label and self.label is None:
            raise ValueError(f"{asked[0]} is that of a label: name it, as in {{label: fraud, {asked[0]}: 0.9}}")
        if by_label and self.metric is not None:
            raise ValueError(f"{asked[0]} is counted, not scored: leave `metric` out")
        if not by_label and self.label is not None:
            raise ValueError("a label has `recall`, `precision` or `f1`, not `at_least`")
        if not by_label and not self.where and self.metric is None:
            raise ValueError("name what the floor is about: `label`, `where` or `metric`; the goal is about all of it")
        if self.tolerance is not None and self.tolerance > widest_tolerance(self.least):
            raise ValueError(
                f"tolerance {self.tolerance:g} is more than half of the errors that the floor {self.least:g} allows "
                f"({widest_tolerance(self.least):g})"
            )
        return self

    @property
    def least(self) -> float:
        return next(v for v in (self.recall, self.precision, self.f1, self.at_least) if v is not None)

    @property
    def _measure(self) -> Literal["score", "recall", "precision", "f1"]:
        if self.recall is not None:
            return "recall"
        if self.precision is not None:
            return "precision"
        return "f1" if self.f1 is not None else "score"

    def as_floor(self) -> Floor:
        """Return the floor as the decision uses it."""
        return Floor(
            at_least=self.least,
            tolerance=usual_tolerance(self.least) if self.tolerance is None else self.tolerance,
            measure=self._measure,
            label=self.label,
            where=dict(self.where),
            metric=self.metric,
        )
