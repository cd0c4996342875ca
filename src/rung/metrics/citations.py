"""Whether an answer rests on the passages that it names as its sources: a check by words, no proof of meaning."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rung.metrics.text import words
from rung.protocols import AnsweringKit
from rung.types import Answer, Example, Failure, Request, Score, Task

_LITTLE = frozenset(
    "a an and are as at be by can do for from has have he her his i if in is it its may not of on or our she so that the "
    "their them there they this to was we were what when where which who will with you your".split()
)


class Citations(BaseModel):
    """Score how far answer and sources belong together: the harmonic mean of the parts `supported` and `needed`.

    `supported`: the share of the answer's content words, those of the inputs left out, that stand in its sources.
    `needed`: the share of its sources that hold at least one of these words. An answer without sources scores 0; one
    without content words of its own is judged by whether it names a source. For rungs that give sources (`rag`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    opinion: ClassVar[bool] = False
    roles: ClassVar[tuple[str, ...]] = ()

    least: float = Field(
        0.0, ge=0, le=1, description="from this value on the score is 1, below it 0; 0: the value itself"
    )

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        return Failure("metric", "the answer's sources are needed, not its text alone")

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        return None

    def format_rule(self, task: Task) -> str | None:
        return None

    def asks(self, answer: str, example: Example, task: Task) -> tuple[Request, ...]:
        return ()

    async def assess(self, answer: Answer, example: Example, task: Task, kit: AnsweringKit) -> Score | Failure:
        if not answer.sources:
            return Score(0.0, parts={"supported": 0.0, "needed": 0.0}, note="the answer names no source")
        given = set(words(example.text))
        own = [w for w in dict.fromkeys(words(answer.text)) if w not in _LITTLE and w not in given]
        passages = [set(words(source.text)) for source in answer.sources]
        if not own:
            return Score(1.0, parts={"supported": 1.0, "needed": 1.0}, note="every word stands in the input")
        supported = sum(any(w in passage for passage in passages) for w in own) / len(own)
        needed = sum(any(w in passage for w in own) for passage in passages) / len(passages)
        value = 2 * supported * needed / (supported + needed) if supported and needed else 0.0
        missing = [w for w in own if not any(w in passage for passage in passages)]
        note = f"not in its sources: {', '.join(word[:80] for word in missing[:5])}" if missing else None
        shown = float(value >= self.least) if self.least else value
        return Score(shown, parts={"supported": supported, "needed": needed}, note=note)
