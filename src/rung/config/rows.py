"""The sections `data` and `split` of rung.yaml: where the examples are, and how they are divided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from rung.config.section import Section
from rung.errors import Problem


class DataSection(Section):
    """Where the examples are: one file to be split, or the user's own train and test files."""

    later: ClassVar = frozenset({"more"})

    path: Path | None = Field(
        None, description="one file (jsonl, csv, tsv, json, parquet, xlsx, promptfoo yaml) or a folder of texts"
    )
    train: Path | None = Field(None, description="your own training part")
    test: Path | None = Field(None, description="your own test set")
    more: Path | None = Field(
        None, description="test examples that are added once to a run that has its verdict, as `rung climb --more` does"
    )
    id: str | None = Field(None, description="the column with example ids; none: ids are made from the content")
    group_by: str | None = Field(None, description="examples that share this column stay on one side of the split")

    @model_validator(mode="after")
    def _one_form(self) -> DataSection:
        if (self.path is None) == (self.train is None and self.test is None):
            raise ValueError("give either `path`, or both `train` and `test`")
        if (self.train is None) != (self.test is None):
            raise ValueError("give both `train` and `test`")
        return self


class SplitSection(Section):
    """How the examples are divided. Shares of all examples; those left out follow from what is planned (docs/data.md)."""

    later: ClassVar = frozenset({"alpha_for_more", "by", "column", "confirm", "confirming"})

    test: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share of the sealed test set; none: 0.4 where an approach is tuned, else 0.7, or 0.5 where the baseline learns from examples",
    )
    dev: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share on which candidates are chosen; none: 0.15 where an approach is tuned or the test set is your own, else 0.2",
    )
    by: Literal["time"] | None = Field(
        None, description="time: train before dev before test, by the dates in `column`; none: at random"
    )
    column: str | None = Field(None, min_length=1, description="the column with the dates; no model sees it")
    seed: int = Field(7, description="seed of every random choice in the run")
    alpha_for_more: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of alpha kept for test examples that are added later: then old and new ones decide together; 0: the new ones alone",
    )

    confirm: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of the examples that is kept sealed for `rung climb --confirm`, which opens it once",
    )
    confirming: bool = Field(False, description="the test set is what `confirm` kept; `rung climb --confirm` sets it")

    @model_validator(mode="after")
    def _something_left(self) -> SplitSection:
        if self.test is not None and self.dev is not None and self.test + self.dev >= 1:
            raise ValueError(f"test {self.test} and dev {self.dev} leave no training examples")
        if (self.by is None) != (self.column is None):
            raise ValueError("`by: time` and the `column` with the dates belong together: give both")
        if self.confirming and not self.confirm:
            raise ValueError("`confirming` tests on what `confirm` kept: set that share")
        return self


def problems_of_time(data: DataSection, split: SplitSection, inputs: Sequence[str]) -> Iterator[Problem]:
    """Say what keeps examples from being divided by time."""
    if split.by is not None and data.path is None:
        yield Problem(
            "split.by", "divides the one file of data.path, and here the test set is your own: leave it out", split.by
        )
    if split.confirm and data.path is None:
        yield Problem(
            "split.confirm",
            "divides the one file of data.path, and here the test set is your own: leave it out",
            str(split.confirm),
        )
    if split.column in inputs:
        yield Problem(
            "split.column",
            "is an input of the task, so that every approach would be shown it: take it out of task.inputs",
            split.column,
        )
