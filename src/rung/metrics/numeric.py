"""The number that an answer ends in, compared with the target's within a tolerance."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rung.metrics._numbers import Mark, Number, numbers_in
from rung.types import Example, Failure, Score, Task

_LONGEST = 20_000  # characters from the end that are read; a longer answer is a runaway
_EXACT = Context(prec=60)  # digits; far more than a tolerance needs, and the same on every machine


class Numeric(BaseModel):
    """Score 1 if the answer's number is within `tolerance` or within `relative` of the target's, else 0.

    The number is the last one of the answer, or with `pick: only` the one that it holds, however often. Thousands
    separators, currency signs, percent signs and powers (1e5) are read. An answer without a number is a parse failure;
    `adheres` tells whether the answer is nothing but the number. Where only one side is a percentage, 12 % is 0.12;
    tolerances are in the unit of the target.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerance: float = Field(0.0, ge=0, allow_inf_nan=False, description="allowed difference, in the target's unit")
    relative: float = Field(0.0, ge=0, allow_inf_nan=False, description="allowed difference as a share of the target")
    pick: Literal["last", "only"] = Field("last", description="which number of the answer counts")
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
        """Return the score of the last number of the answer, whatever else is there; 0 where there is none."""
        target = self._target(example)
        if isinstance(target, Failure):
            return None
        found = self._numbers(answer)
        return self._judged(found[-1], target).value if found else 0.0

    def format_rule(self, task: Task) -> str | None:
        mark = "" if self.decimal == "." else " Write decimals with a comma."
        return f"Answer with the number only, in digits. Do not explain and do not repeat the question.{mark}"

    def _judged(self, said: Number, target: Number) -> Score:
        value = said.on_scale_of(target)
        difference = _EXACT.abs(_EXACT.subtract(value, target.value))
        share = _EXACT.multiply(Decimal(str(self.relative)), _EXACT.abs(target.value))
        right = difference <= max(Decimal(str(self.tolerance)), share)
        return Score(float(right), said.alone, note=None if right else f"the answer says {value}")

    def _numbers(self, text: str) -> list[Number]:
        return list(numbers_in(text[-_LONGEST:], self.decimal))

    def _target(self, example: Example) -> Number | Failure:
        found = self._numbers(example.target)
        if len(found) != 1:
            many = "no number" if not found else f"{len(found)} numbers"
            return Failure("metric", f"the target of row {example.id!r} holds {many}, not one")
        return found[0]


plugin = Numeric
