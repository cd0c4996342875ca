"""The number that an answer ends in, compared with the target's within a tolerance."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rung.metrics._numbers import Mark, Number, numbers_in
from rung.metrics.unwrap import boxed, unwrapped
from rung.types import Example, Failure, Score, Task

_LONGEST = 20_000  # characters from the end that are read; a longer answer is a runaway


class Numeric(BaseModel):
    """Score 1 if the answer's number is within `tolerance` or within `relative` of the target's, else 0.

    The number is the last one of the answer, or with `pick: only` the one that it holds, however often; where the answer has a
    `\\boxed{...}` or a line `#### ...`, what stands there. Thousands separators, fractions, powers (1e5), currency and percent signs,
    units and LaTeX are read. An answer without a number is a parse failure; `adheres` tells whether the answer is nothing but the
    number. Where only one side has a percent sign, 25 % is 25 and 0.25 alike; tolerances are in the unit of the target.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerance: float = Field(0.0, ge=0, allow_inf_nan=False, description="allowed difference, in the target's unit")
    relative: float = Field(0.0, ge=0, allow_inf_nan=False, description="allowed difference as a share of the target")
    pick: Literal["last", "only"] = Field("last", description="which number of the answer counts")
    percent: Literal["either", "share"] = Field(
        "either", description="where one side alone has a percent sign: 25 % is 25 or 0.25; share: 0.25 alone"
    )
    decimal: Mark = Field(".", description="the decimal mark; the other one groups thousands")

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        target = self._target(example)
        if isinstance(target, Failure):
            return target
        found = self._numbers(answer)
        if not found:
            return Failure("parse", f"the answer holds no number (digits, with {self.decimal!r} as decimal mark)")
        if self.pick == "only" and len({(number.value, number.percent) for number in found}) > 1:
            return Failure("parse", f"the answer holds {len(found)} numbers, and they differ")
        return self._judged(found[-1], target)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the best score of the last number of the answer, of its first and last line, and of what follows a lead-in.

        A number right at the beginning of these counts, too; where there is none so written, the other decimal mark is tried.
        """
        target = self._target(example)
        if isinstance(target, Failure):
            return None
        other: Mark = "," if self.decimal == "." else "."
        given: list[Number] = []
        for text in dict.fromkeys((answer, *unwrapped(answer[-_LONGEST:]))):
            found = self._numbers(text) or list(numbers_in(text[-_LONGEST:], other))
            given += [*found[-1:], *(number for number in found[:1] if text.startswith(number.written))]
        return max((self._judged(number, target).value for number in given), default=0.0)

    def format_rule(self, task: Task) -> str | None:
        mark = "" if self.decimal == "." else " Write decimals with a comma."
        return f"Answer with the number only, in digits. Do not explain and do not repeat the question.{mark}"

    def _judged(self, said: Number, target: Number) -> Score:
        values = [said.on_scale_of(target), *([said.value] if self.percent == "either" else [])]
        share = Fraction(Decimal(str(self.relative))) * abs(target.value)
        allowed = max(Fraction(Decimal(str(self.tolerance))), share)
        right = any(abs(value - target.value) <= allowed for value in values)
        return Score(float(right), said.alone, note=None if right else f"the answer says {said.written}")

    def _numbers(self, text: str) -> list[Number]:
        """Return the numbers of what a text gives as its answer: its box, what follows ####, or all of it."""
        text = text[-_LONGEST:]
        given = boxed(text) if "\\boxed" in text or "\\fbox" in text else text.rpartition("####")[2]
        found = list(numbers_in(given, self.decimal)) if given != text else []
        return [replace(number, alone=False) for number in found] or list(numbers_in(text, self.decimal))

    def _target(self, example: Example) -> Number | Failure:
        found = self._numbers(example.target)
        if len(found) != 1:
            many = "no number" if not found else f"{len(found)} numbers"
            return Failure("metric", f"the target of example {example.id!r} holds {many}, not one")
        return found[0]
