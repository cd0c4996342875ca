"""Overlap of words between answer and target: the F1 of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1)."""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from rung.metrics.text import words
from rung.metrics.unwrap import unwrapped
from rung.types import Example, Failure, Score, Task


class TokenF1(BaseModel):
    """Score the harmonic mean of word precision and recall, each word counted as often as it occurs.

    Words are Unicode words, casefolded, without punctuation but with the signs of numbers. Knows no form, so `adheres` is None;
    extra words cost precision.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    articles: bool = Field(True, description="leave out the English articles a, an, the")
    alternatives: str | None = Field(
        None, min_length=1, description="separator of several right answers in one target; the best one counts"
    )

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        targets = example.target.split(self.alternatives) if self.alternatives else [example.target]
        said = words(answer, articles=self.articles)
        return Score(max(_f1(said, words(target, articles=self.articles)) for target in targets))

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the best score of the answer without fences, quotes, JSON keys or a lead-in such as `Answer:`."""
        scores = [self.score(text, example, task) for text in (answer, *unwrapped(answer))]
        return max(s.value for s in scores if isinstance(s, Score))

    def format_rule(self, task: Task) -> str | None:
        if task.kind in ("style", "generation"):
            return None  # the right length is that of the expected answers, and that is long
        return "Answer with as few words as possible. Do not explain and do not repeat the question."


def _f1(said: list[str], target: list[str]) -> float:
    if not said or not target:
        return float(said == target)
    shared = sum((Counter(said) & Counter(target)).values())
    return 2.0 * shared / (len(said) + len(target))
