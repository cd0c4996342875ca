"""Texts that must stand somewhere in the answer: the target, or texts given in the settings."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rung.metrics._text import squeeze
from rung.types import Example, Failure, Score, Task


class Contains(BaseModel):
    """Score 1 if the answer holds the wanted texts, else 0: `texts` where given, otherwise the target.

    White space counts as one space, and case is forgiven unless `casefold` is false. With several texts `parts` says
    which of them were there. Knows no form, so `adheres` is None: an answer may say what else it likes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: tuple[str, ...] = Field((), description="texts to look for; none: the row's target")
    match: Literal["all", "any"] = Field("all", description="whether all texts or any one of them must be there")
    separator: str | None = Field(None, min_length=1, description="separator of several texts in one target")
    casefold: bool = Field(True, description="forgive upper and lower case")
    whole_words: bool = Field(False, description='find "card" as a word only, not inside "discard"')
    rule: str | None = Field(None, description="what the answer must hold, in plain words, for prompts")

    @field_validator("texts")
    @classmethod
    def _not_empty(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        if any(not squeeze(text) for text in texts):
            raise ValueError("holds an empty text, which every answer contains; leave it out")
        return texts

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        wanted = self._wanted(example)
        if not wanted:
            return Failure("metric", f"the target of row {example.id!r} is empty, and every answer contains that")
        said = self._form(answer)
        found = {text: self._holds(said, self._form(text)) for text in wanted}
        value = all(found.values()) if self.match == "all" else any(found.values())
        parts = {text: float(there) for text, there in found.items()} if len(found) > 1 else {}
        missing = [text for text, there in found.items() if not there]
        note = None if value else f"the answer lacks {', '.join(repr(text) for text in missing[:3])}"
        return Score(float(value), parts=parts, note=note)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        return None

    def format_rule(self, task: Task) -> str | None:
        return self.rule

    def _wanted(self, example: Example) -> tuple[str, ...]:
        if self.texts:
            return self.texts
        parts = example.target.split(self.separator) if self.separator else [example.target]
        return tuple(text.strip() for text in parts if squeeze(text))

    def _form(self, text: str) -> str:
        return squeeze(text).casefold() if self.casefold else squeeze(text)

    def _holds(self, said: str, text: str) -> bool:
        if not self.whole_words:
            return text in said
        # Not \b: that needs a word character at the edge, which "C++" lacks.
        return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", said) is not None


plugin = Contains
