"""chrF and chrF++: overlap of character n-grams (Popović 2015, W15-3049; 2017, W17-4770), as sacrebleu computes it."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field
from sacrebleu.metrics import CHRF

from rung.metrics.unwrap import unwrapped
from rung.types import Example, Failure, Score, Task

_LONGEST = 20_000  # characters of an answer that are read; a longer one is a runaway


class Chrf(BaseModel):
    """Score the F measure of shared character n-grams, averaged over their lengths; for inflected languages and style.

    White space does not count, case and punctuation do; a letter with its mark is one character where Unicode has it (NFC). `word_order: 2` is chrF++. Knows no form, so `adheres` is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    char_order: int = Field(6, ge=1, le=20, description="longest character n-gram")
    word_order: int = Field(0, ge=0, le=4, description="longest word n-gram; 2 makes it chrF++")
    beta: int = Field(2, ge=1, le=10, description="how much more recall weighs than precision")
    casefold: bool = Field(False, description="forgive upper and lower case")
    alternatives: str | None = Field(
        None, min_length=1, description="separator of several right answers in one target; the best one counts"
    )

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        targets = example.target.split(self.alternatives) if self.alternatives else [example.target]
        return Score(max(self._one(answer[:_LONGEST], target) for target in targets))

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the best score of the answer without fences, quotes, JSON keys or a lead-in such as `Answer:`."""
        scores = [self.score(text, example, task) for text in (answer, *dict.fromkeys(unwrapped(answer)))]
        return max(s.value for s in scores if isinstance(s, Score))

    def format_rule(self, task: Task) -> str | None:
        return None

    def _one(self, said: str, target: str) -> float:
        said, target = (" ".join(unicodedata.normalize("NFC", text).split()) for text in (said, target))
        if not said or not target:
            return float(said == target)
        metric = _metric(self.char_order, self.word_order, self.beta, self.casefold)
        score: float = metric.sentence_score(said, [target]).score  # in percent
        return min(max(score / 100, 0.0), 1.0)


@lru_cache(maxsize=16)
def _metric(char_order: int, word_order: int, beta: int, lowercase: bool) -> CHRF:
    return CHRF(char_order=char_order, word_order=word_order, beta=beta, lowercase=lowercase)
