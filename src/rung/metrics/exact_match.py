"""Exact match after normalisation, with label aliases; knows the asked-for form: one label and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from rung.metrics._text import normalise, squeeze, unwrapped
from rung.types import Example, Failure, Score, Task


class ExactMatch(BaseModel):
    """Score 1 if the answer equals the target once both are normalised, else 0.

    `aliases` maps other spellings to the label they stand for (they earn the score, not the form). Where two labels of
    the task would become equal, case and punctuation are not forgiven (`C`, `C++`, `C#`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    casefold: bool = Field(True, description="forgive upper and lower case")
    punctuation: bool = Field(True, description="forgive punctuation marks, hyphens and underscores")
    articles: bool = Field(False, description="forgive the English articles a, an, the")
    aliases: Mapping[str, str] = Field(default_factory=dict, description="other spelling -> the label it stands for")

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        said = self._form(self._alias(answer, task), task)
        value = float(said == self._form(example.target, task))
        return Score(value, adheres=self._adheres(answer, example, task))

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return 1 if the target's label is what the answer says under quotes, lead-ins, JSON, or its only mention."""
        target = self._form(example.target, task)
        known = self._known(task)
        readings = [self._form(self._alias(text, task), task) for text in unwrapped(answer)]
        if known:
            decided = next((r for r in readings if r in known), None)
            return float((decided or self._only_mention(answer, known, task)) == target)
        return float(target in readings or (target != "" and f" {target} " in f" {self._form(answer, task)} "))

    def format_rule(self, task: Task) -> str | None:
        if task.labels is not None:
            return "Answer with the label only. Write exactly one label, spelled as given, and nothing else."
        return "Answer with the answer only, on one line. Do not explain and do not repeat the question."

    def _adheres(self, answer: str, example: Example, task: Task) -> bool:
        bare = answer.strip()
        if task.labels is not None:
            return bare in task.labels
        # Without labels a form can only be judged by what stands around the answer: further lines, quotes, lead-ins,
        # or the target inside a longer sentence. Twice the target's words and three is where a sentence begins.
        said, target = self._form(bare, task), self._form(example.target, task)
        one_line = len(bare.splitlines()) <= max(1, len(example.target.strip().splitlines()))
        wrapped = said != target and any(self._form(text, task) == target for text in list(unwrapped(bare))[1:])
        chatty = len(said.split()) > 2 * len(target.split()) + 3
        inside = said != target and target != "" and f" {target} " in f" {said} "
        quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`" and example.target.strip()[:1] != bare[0]
        return bare != "" and one_line and not (wrapped or chatty or inside or quoted)

    def _alias(self, text: str, task: Task) -> str:
        if not self.aliases:
            return text
        spellings = {self._form(other, task): label for other, label in self.aliases.items()}
        return spellings.get(self._form(text, task), text)

    def _known(self, task: Task) -> frozenset[str]:
        return frozenset(self._form(label, task) for label in task.labels or ())

    def _only_mention(self, answer: str, known: frozenset[str], task: Task) -> str | None:
        """Return the one known label that is named in the answer; a label inside a longer named label does not count."""
        said = f" {self._form(answer, task)} "
        names = {name: name for name in known} | {
            self._form(other, task): self._form(label, task) for other, label in self.aliases.items()
        }
        mentioned: set[str] = set()
        for name in sorted((n for n in names if n), key=lambda n: (-len(n), n)):
            if f" {name} " in said:
                mentioned.add(names[name])
                said = said.replace(f" {name} ", " \n ")
        return mentioned.pop() if len(mentioned) == 1 else None

    def _form(self, text: str, task: Task) -> str:
        return _form(text, task.labels or (), self.casefold, self.punctuation, self.articles)


@lru_cache(maxsize=65536)
def _form(text: str, labels: tuple[str, ...], casefold: bool, punctuation: bool, articles: bool) -> str:
    if _collide(labels, casefold, punctuation, articles):
        return squeeze(text)
    return normalise(text, casefold=casefold, punctuation=punctuation, articles=articles) or squeeze(text)


@lru_cache(maxsize=256)
def _collide(labels: tuple[str, ...], casefold: bool, punctuation: bool, articles: bool) -> bool:
    forms = {normalise(x, casefold=casefold, punctuation=punctuation, articles=articles) or squeeze(x) for x in labels}
    return len(forms) < len({squeeze(label) for label in labels})


plugin = ExactMatch
