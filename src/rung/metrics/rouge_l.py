"""ROUGE-L: the longest common subsequence of words (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries").

Equations 2 to 4 of section 3.1. Our own, because the usual package brings nltk and absl for a dozen lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from rung.metrics.text import words
from rung.metrics.unwrap import unwrapped
from rung.types import Example, Failure, Score, Task

_LONGEST = 20_000  # words of an answer that are read; a longer one is a runaway


class RougeL(BaseModel):
    """Score the F measure of the longest common subsequence of words over answer (precision) and target (recall).

    Words are Unicode words, casefolded and unstemmed, without punctuation but with the signs of numbers; `parts` holds precision and recall. The whole
    text is one sequence, sentences are not matched one by one. Knows no form, so `adheres` is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    beta: float = Field(1.0, gt=0, allow_inf_nan=False, description="above 1 recall weighs more, below 1 precision")
    alternatives: str | None = Field(
        None, min_length=1, description="separator of several right answers in one target; the best one counts"
    )

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        said = words(answer, articles=False)[:_LONGEST]
        targets = example.target.split(self.alternatives) if self.alternatives else [example.target]
        return max((self._one(said, words(t, articles=False)) for t in targets), key=lambda score: score.value)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the best score of the answer without fences, quotes, JSON keys or a lead-in such as `Summary:`."""
        scores = [self.score(text, example, task) for text in (answer, *unwrapped(answer))]
        return max(s.value for s in scores if isinstance(s, Score))

    def format_rule(self, task: Task) -> str | None:
        return None

    def _one(self, said: Sequence[str], target: Sequence[str]) -> Score:
        if not said or not target:
            same = float(not said and not target)
            return Score(same, parts={"precision": same, "recall": same})
        common = longest_common(said, target)
        precision, recall = common / len(said), common / len(target)
        weight = self.beta**2
        value = (1 + weight) * precision * recall / (recall + weight * precision) if common else 0.0
        return Score(min(value, 1.0), parts={"precision": precision, "recall": recall})


def longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the longest common subsequence.

    One row of the table is one whole number, a bit a word of `a` (Hyyrö 2004, "Bit-parallel LCS-length computation
    revisited"): 5,000 words against 5,000 take milliseconds instead of seconds.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << i
    full = (1 << len(a)) - 1
    row = full
    for word in b:
        met = row & places.get(word, 0)
        row = (row + met | row - met) & full
    return len(a) - row.bit_count()
