"""Everything about answering from documents that is chosen on dev, as one frozen choice and as a candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from rung.rungs._prompting import Demonstration, Template, learned_demonstrations, learned_template
from rung.rungs._rag_layout import Fence, Layout, Place
from rung.rungs._rag_query import ALL
from rung.rungs._rewrites import Draft
from rung.types import Candidate

Examples = Literal["kept", "with", "none"]

NO_PASSAGES = "no passages"


@dataclass(frozen=True, slots=True)
class Choice:
    """How many passages are looked for and how, and how they stand in the prompt.

    `k` 0: none, the prompt of the rung below. `whole`: all documents, nothing is looked for. `examples`: those of the rung
    below as they are, each "with" a passage of its own, or none. `prompt`: the name of another prompt than that of the rung
    below.
    """

    k: int = 3
    whole: bool = False
    mode: str = "bm25"
    dense_weight: float = 0.5
    chunk_words: int | None = None
    query: str = ALL
    fence: Fence = "lines"
    place: Place = "before"
    guard: bool = True
    cite: bool = False
    may_abstain: bool = False
    examples: Examples = "kept"
    prompt: str = ""

    @property
    def name(self) -> str:
        """A short name; different choices have different ones."""
        if not (self.k or self.whole):
            return NO_PASSAGES
        parts = ["all documents"] if self.whole else [f"k={self.k}", self._search()]
        parts.append(f"{self.fence} {self.place}" if self.place != "before" else self.fence)
        parts += ["may abstain"] if self.may_abstain else []
        parts += ["cites"] if self.cite else []
        parts += [] if self.guard else ["nothing said"]
        parts += [f"prompt {self.prompt}"] if self.prompt else []
        parts += {"kept": [], "with": ["examples with passages"], "none": ["no examples"]}[self.examples]
        return ", ".join(parts)

    def _search(self) -> str:
        how = self.mode if self.mode != "hybrid" else f"hybrid {self.dense_weight:g}"
        how += "" if self.query == ALL else f" by {self.query.removeprefix('column:')}"
        return how if self.chunk_words is None else f"{how} in {self.chunk_words} words"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Choice:
        """Read the choice back from a candidate's settings."""
        return cls(**{f.name: settings[f.name] for f in fields(cls) if f.name in settings})


@dataclass(frozen=True)
class Ground:
    """What every candidate of one fit shares: the prompt and examples of the rung below, and the documents.

    `shots`: how the rung below chooses among its examples; `phrase`: the words for "not in the documents"; `told`: the
    documents that tell the examples' answers, by the examples' ids; `prompts`: other prompts to try, by name.
    """

    template: Template
    demonstrations: tuple[Demonstration, ...]
    shots: Mapping[str, Any]
    phrase: str
    library_sha256: str
    role: str
    links: bool = False
    told: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, Draft] = field(default_factory=dict)

    def candidate(self, choice: Choice) -> Candidate:
        """Return the candidate; changed documents make another one."""
        keeps = self.demonstrations if choice.examples != "none" else ()
        prompt = self.prompts.get(choice.prompt)
        template = prompt.template if prompt else self.template
        settings = {**asdict(choice), "library": self.library_sha256, "links": self.links, "shots": dict(self.shots)}
        learned = {
            "messages": template.as_list(),
            "columns": list(template.columns),
            "demonstrations": [d.as_dict() for d in keeps],
            "phrase": self.phrase,
            "told": {d.id: self.told[d.id] for d in keeps if d.id in self.told},
        }
        shown = dict.fromkeys([*(prompt.quoted if prompt else ()), *(d.id for d in keeps)])
        return Candidate("rag", choice.name, settings, learned, self.role, tuple(shown))

    @classmethod
    def below(cls, candidate: Candidate, phrase: str, library_sha256: str, role: str, links: bool = False) -> Ground:
        """Return the ground that a candidate of a rung below leaves: its prompt, its examples and their choice."""
        shots = {k: candidate.settings[k] for k in ("selection", "k") if k in candidate.settings}
        return cls(
            learned_template(candidate),
            learned_demonstrations(candidate),
            shots,
            phrase,
            library_sha256,
            role,
            links,
        )

    @classmethod
    def again(cls, candidate: Candidate, library_sha256: str) -> Ground:
        """Return the ground that a candidate of this rung stands on, over the documents as they are now."""
        return cls(
            learned_template(candidate),
            learned_demonstrations(candidate),
            candidate.settings["shots"],
            candidate.learned["phrase"],
            library_sha256,
            candidate.model or "main",
            bool(candidate.settings["links"]),
            candidate.learned.get("told", {}),
        )


def layout_of(candidate: Candidate) -> Layout:
    """Return the layout of a candidate of this rung."""
    choice = Choice.of(candidate.settings)
    phrase = candidate.learned["phrase"] if choice.may_abstain else None
    return Layout(choice.fence, choice.place, choice.guard, choice.cite, phrase, bool(candidate.settings["links"]))


def neighbours(best: Choice, changes: Sequence[Mapping[str, Any]]) -> list[Choice]:
    """Return the best choice and its changes, each once, the best first."""
    found = [best]
    for change in changes:
        made = Choice(**{**asdict(best), **change})
        if made not in found:
            found.append(made)
    return found
