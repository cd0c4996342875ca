"""Everything about answering from documents that is chosen on dev, as one frozen choice and as a candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rung.prompts.rewrites import Draft
from rung.prompts.templates import Template
from rung.rag.layout import Layout
from rung.types import Candidate, ChatLearned, Choice, Demonstration, Json, RagLearned, learned_as


@dataclass(frozen=True)
class Ground:
    """What every candidate of one fit shares: the prompt and examples of the rung below, and the documents.

    `nearest`: of its examples so many, the most similar to the input, are shown; None: all; `phrase`: the words for "not in the documents"; `told`: the
    documents that tell the examples' answers, by the examples' ids; `prompts`: other prompts to try, by name. The form
    (`postprocessing`, `response_format`) is that of the rung below.
    """

    template: Template
    demonstrations: tuple[Demonstration, ...]
    nearest: int | None
    phrase: str
    library_sha256: str
    role: str
    links: bool = False
    told: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, Draft] = field(default_factory=dict)
    postprocessing: str | None = None
    response_format: Mapping[str, Json] | None = None

    def candidate(self, choice: Choice) -> Candidate:
        """Return the candidate; changed documents make another one."""
        keeps = self.demonstrations if choice.examples != "none" else ()
        prompt = self.prompts.get(choice.prompt)
        template = prompt.template if prompt else self.template
        learned = RagLearned(
            messages=template.messages,
            columns=template.columns,
            demonstrations=keeps,
            nearest=self.nearest,
            documents_sha256=self.library_sha256,
            choice=choice,
            phrase=self.phrase,
            links=self.links,
            told={d.id: self.told[d.id] for d in keeps if d.id in self.told},
            postprocessing=self.postprocessing,
            response_format=self.response_format,
        )
        shown = dict.fromkeys([*(prompt.quoted if prompt else ()), *(d.id for d in keeps)])
        return Candidate("rag", choice.name, learned, self.role, tuple(shown))

    @classmethod
    def below(cls, chat: ChatLearned, phrase: str, library_sha256: str, role: str, links: bool = False) -> Ground:
        """Return the ground that a candidate of a rung below leaves: its prompt, its examples and their choice."""
        template = Template(chat.messages, chat.columns)
        ground = cls(template, chat.demonstrations, chat.nearest, phrase, library_sha256, role, links)
        return replace(ground, postprocessing=chat.postprocessing, response_format=chat.response_format)

    @classmethod
    def again(cls, candidate: Candidate, library_sha256: str) -> Ground:
        """Return the ground that a candidate of this rung stands on, over the documents as they are now."""
        learned = learned_as(candidate, RagLearned)
        role = candidate.model or "main"
        return replace(cls.below(learned, learned.phrase, library_sha256, role, learned.links), told=learned.told)


def layout_of(learned: RagLearned) -> Layout:
    """Return the layout that a candidate of this rung chose."""
    choice = learned.choice
    phrase = learned.phrase if choice.may_abstain else None
    return Layout(choice.fence, choice.place, choice.guard, choice.cite, phrase, learned.links)


def neighbours(best: Choice, changes: Sequence[Mapping[str, Any]]) -> list[Choice]:
    """Return the best choice and its changes, each once, the best first."""
    found = [best]
    for change in changes:
        made = Choice(**{**asdict(best), **change})
        if made not in found:
            found.append(made)
    return found
