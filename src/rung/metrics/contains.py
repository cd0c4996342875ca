"""Texts that must stand somewhere in the answer: the target, or texts given in the settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rung.metrics.text import folded, holds, normalise, quoted, squeeze
from rung.metrics.unwrap import after_thought
from rung.types import Example, Failure, Score, Task


class Contains(BaseModel):
    """Score 1 if the answer holds the wanted texts, else 0: `texts` where given, otherwise the target.

    White space counts as one space, and case is forgiven unless `casefold` is false. A text is found as whole words, and a number
    not inside another one (5 is not in -5 or 2.5), unless `whole_words` is false. With several texts `parts` says which of them were there. Knows no form, so `adheres` is None: an answer may say what else it likes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: tuple[str, ...] = Field((), description="texts to look for; none: the example's target")
    match: Literal["all", "any"] = Field("all", description="whether all texts or any one of them must be there")
    separator: str | None = Field(None, min_length=1, description="separator of several texts in one target")
    casefold: bool = Field(True, description="forgive upper and lower case")
    whole_words: bool = Field(
        True,
        description='find "no" as a word only, not inside "know", where a text begins or ends with a letter or digit',
    )
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
            return Failure("metric", f"the target of example {example.id!r} is empty, and every answer contains that")
        said = folded(answer, casefold=self.casefold)
        found = {text: self._holds(said, folded(text, casefold=self.casefold)) for text in wanted}
        value = all(found.values()) if self.match == "all" else any(found.values())
        parts = {text: float(there) for text, there in found.items()} if len(found) > 1 else {}
        missing = [text for text, there in found.items() if not there]
        note = None if value else f"the answer lacks {', '.join(map(quoted, missing[:3]))}"
        return Score(float(value), parts=parts, note=note)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the score with case and punctuation forgiven on both sides, and without a thought before the answer."""
        wanted = self._wanted(example)
        if not wanted:
            return None
        said = [folded(answer), normalise(answer), normalise(after_thought(answer))]
        found = [
            any(self._holds(text, form(w)) for text, form in zip(said, (folded, normalise, normalise), strict=True))
            for w in wanted
        ]
        return float(all(found) if self.match == "all" else any(found))

    def format_rule(self, task: Task) -> str | None:
        return self.rule

    def _wanted(self, example: Example) -> tuple[str, ...]:
        if self.texts:
            return self.texts
        parts = example.target.split(self.separator) if self.separator else [example.target]
        return tuple(text.strip() for text in parts if squeeze(text))

    def _holds(self, said: str, text: str) -> bool:
        return holds(said, text, whole_words=self.whole_words)
