"""Likeness of meaning by embeddings: the cosine of the answer's and the target's vectors."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rung.embedding import embedding_request, read_vectors, unit
from rung.protocols import AnsweringKit
from rung.types import Answer, Example, Failure, Request, Score, Task


class Similarity(BaseModel):
    """Score the cosine of the vectors of answer and target, at least 0; with `threshold`, 1 from there on and else 0.

    The vectors come from the model in the role `embedder`. Unlike texts have cosines well above 0 in most models, so a
    goal or a threshold must be found on examples whose worth is known. Negations and numbers hardly move a cosine: do not
    decide on it alone where they matter. Knows no form, so `adheres` is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    opinion: ClassVar[bool] = False
    roles: ClassVar[tuple[str, ...]] = ("embedder",)

    embedder: str = Field("embedder", description="the role under `models` that makes the vectors")
    threshold: float | None = Field(None, gt=0, le=1, description="the cosine from which an answer counts as right")

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        return Failure("metric", f"the embedder in models.{self.embedder} must be asked")

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        return None

    def format_rule(self, task: Task) -> str | None:
        return None

    def asks(self, answer: str, example: Example, task: Task) -> tuple[Request, ...]:
        return (embedding_request([answer, *example.targets]),)

    async def assess(self, answer: Answer, example: Example, task: Task, kit: AnsweringKit) -> Score | Failure:
        if not answer.text.strip():
            return Score(0.0, note="the answer is empty")
        [request] = self.asks(answer.text, example, task)
        vectors = read_vectors((await kit.ask(self.embedder, request)).text)
        if vectors is None or len(vectors) != 1 + len(example.targets):
            return Failure(
                "metric", f"the model in models.{self.embedder} gave no vectors; name one that makes embeddings"
            )
        said, *targets = unit(vectors)
        nearest = max(float(said @ target) for target in targets)
        cosine = min(max(nearest, 0.0), 1.0)
        if self.threshold is None:
            return Score(cosine)
        return Score(float(cosine >= self.threshold), note=f"cosine {cosine:.3f}")
