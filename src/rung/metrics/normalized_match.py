"""Match after normalization, with label aliases; knows the asked-for form: one label and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from rung.metrics.text import normalise, squeeze
from rung.metrics.unwrap import only_named, unwrapped
from rung.types import Example, Failure, Score, Task


class NormalizedMatch(BaseModel):
    """Score 1 if the answer equals the target once both are normalised, else 0.

    `aliases` maps other spellings to the label they stand for (they earn the score, not the form). Labels that become equal
    are one label, wherever they are shown, in the spelling that the examples have most often; signs tell labels apart (`C++`, `C#`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    casefold: bool = Field(True, description="forgive upper and lower case")
    punctuation: bool = Field(
        True,
        description="forgive quotes, brackets, marks at the end of words, and hyphens and underscores between words; never signs",
    )
    articles: bool = Field(False, description="forgive the English articles a, an, the")
    aliases: Mapping[str, str] = Field(default_factory=dict, description="other spelling -> the label it stands for")

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        value = float(self.label_form(answer) == self.label_form(example.target))
        return Score(value, adheres=self.adheres(answer, example, task))

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return 1 if the target's label is what the answer says under quotes, lead-ins, JSON, or its only mention."""
        target = self.label_form(example.target)
        known = self._known(task)
        readings = [self.label_form(text) for text in unwrapped(answer)]
        if known:
            decided = next((r for r in readings if r in known), None)
            return float((decided or self._only_mention(answer, known, task)) == target)
        return float(target in readings or (target != "" and f" {target} " in f" {self._plain(answer)} "))

    def format_rule(self, task: Task) -> str | None:
        if task.labels is not None:
            return "Answer with the label only. Write exactly one label, spelled as given, and nothing else."
        return "Answer with the answer only, on one line. Do not explain and do not repeat the question."

    def adheres(self, answer: str, example: Example, task: Task) -> bool:
        """Return whether the answer has the asked-for form: a label as spelled, or a bare answer without lead-ins or quotes."""
        bare = answer.strip()
        if task.labels is not None:
            return bare in task.labels
        # Without labels a form can only be judged by what stands around the answer: further lines, quotes, lead-ins,
        # or the target inside a longer sentence. Twice the target's words and three is where a sentence begins.
        said, target = self._plain(bare), self._plain(example.target)
        one_line = len(bare.splitlines()) <= max(1, len(example.target.strip().splitlines()))
        wrapped = said != target and any(self._plain(text) == target for text in list(unwrapped(bare))[1:])
        chatty = len(said.split()) > 2 * len(target.split()) + 3
        inside = said != target and target != "" and f" {target} " in f" {said} "
        quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`" and example.target.strip()[:1] != bare[0]
        return bare != "" and one_line and not (wrapped or chatty or inside or quoted)

    def label_form(self, label: str) -> str:
        """Return a label as it is compared: equal for all the spellings that are forgiven."""
        plain = self._plain(label)
        return _aliases(self)[plain] if self.aliases and plain in _aliases(self) else plain

    def _known(self, task: Task) -> frozenset[str]:
        return frozenset(self.label_form(label) for label in task.labels or ())

    def _only_mention(self, answer: str, known: frozenset[str], task: Task) -> str | None:
        """Return the one known label that is named in the answer; a label inside a longer named label does not count."""
        names = {**{name: name for name in known}, **_aliases(self)}
        return only_named(self._plain(answer), names)

    def _plain(self, text: str) -> str:
        return _form(text, self.casefold, self.punctuation, self.articles)


@lru_cache(maxsize=65536)
def _form(text: str, casefold: bool, punctuation: bool, articles: bool) -> str:
    return normalise(text, casefold=casefold, punctuation=punctuation, articles=articles) or squeeze(text)


def _aliases(metric: NormalizedMatch) -> Mapping[str, str]:
    """Return other spelling -> label, both as they are compared."""
    return {metric._plain(other): metric._plain(label) for other, label in metric.aliases.items()}
