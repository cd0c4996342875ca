"""Results told apart: by label, by slice, by field of a JSON answer. Counts and scores alone, no example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rung.types.answers import Estimate


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label: `recall` over the examples that have it, `precision` over the `said` answers that give it (None: none does)."""

    label: str
    recall: Estimate
    said: int
    precision: Estimate | None
    f1: float


@dataclass(frozen=True, slots=True)
class Confused:
    """How many examples with the label `expected` were answered with `said`; None: with no label at all."""

    expected: str
    said: str | None
    count: int


@dataclass(frozen=True, slots=True)
class SliceScore:
    """The deciding score of the examples whose `column` has this value."""

    column: str
    value: str
    score: Estimate


@dataclass(frozen=True, slots=True)
class FieldScore:
    """One named part of the deciding score: a field of a JSON answer, a line."""

    name: str
    score: Estimate


@dataclass(frozen=True, slots=True)
class Tables:
    """One approach on the test set by label (with the confusion matrix, right answers too), by slice and by field.

    `averages`: over all labels, by the names of AVERAGES.
    """

    labels: tuple[LabelScore, ...] = ()
    confusion: tuple[Confused, ...] = ()
    slices: tuple[SliceScore, ...] = ()
    fields: tuple[FieldScore, ...] = ()
    averages: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loss:
    """A label or slice that an approach with the higher score makes significantly worse, on the same `n` examples.

    `p_adjusted`: exact McNemar's test (or sign-flip by group), by Holm over `of` labels and slices of the pair.
    """

    name: str
    before: float
    after: float
    n: int
    p_adjusted: float
    of: int
    method: str
