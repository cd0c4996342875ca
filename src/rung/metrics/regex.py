"""A regular expression that the answer must match, or that takes the answer out of a fixed form."""

from __future__ import annotations

import re
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rung.metrics.text import normalise
from rung.metrics.unwrap import after_thought, strip_fence
from rung.types import Example, Failure, Score, Task

_LONGEST = 20_000  # characters; a pattern that backtracks must not stall a climb on one runaway answer


class Regex(BaseModel):
    """Score 1 if the whole trimmed answer matches `pattern`, else 0.

    With a group (named `answer`, else the first one) the group is the answer: it must equal the target after
    normalisation, and an answer that does not match the pattern is a parse failure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str = Field(description="a Python regular expression; a group takes the answer out")
    ignore_case: bool = Field(False, description="let the pattern match any case")
    rule: str | None = Field(None, description="the form in plain words, for prompts")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return pattern

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        found = self._compiled.fullmatch(answer.strip()[:_LONGEST])
        if not self._compiled.groups:
            return Score(float(found is not None), adheres=found is not None)
        if found is None:
            return Failure("parse", f"the answer does not match {self.pattern!r}")
        return Score(float(_same(_group(found), example.target)), adheres=True)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the same judgement with the pattern found anywhere in the answer."""
        found = self._compiled.search(strip_fence(after_thought(answer))[:_LONGEST])
        if found is None or not self._compiled.groups:
            return float(found is not None)
        return float(_same(_group(found), example.target))

    def format_rule(self, task: Task) -> str | None:
        return self.rule

    @property
    def _compiled(self) -> re.Pattern[str]:
        return _compile(self.pattern, self.ignore_case)


@lru_cache(maxsize=64)
def _compile(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _group(found: re.Match[str]) -> str:
    named = found.groupdict()
    return (named["answer"] if "answer" in named else found.group(1)) or ""


def _same(said: str, target: str) -> bool:
    return normalise(said, punctuation=False) == normalise(target, punctuation=False)
