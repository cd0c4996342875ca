"""A candidate: one fully specified way to answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TypeVar

from rung.types.learned import ChatLearned, Demonstration, Learned, TunedLearned
from rung.types.plain import content_hash
from rung.types.tasks import Message
from rung.types.tuning import Weights

L = TypeVar("L", bound=Learned)
AS_STORED = "as stored, "  # what the name of a candidate begins with whose answers were stored before; then their hash
FEATURES = {
    "python": "your function",
    "http": "your service",
}  # providers of what users have already, as people call it


@dataclass(frozen=True, slots=True)
class Feature:
    """What answers is the user's own. `name`: "your function" or "your service". `as_it_stands`: it is asked as
    it is already, by no other prompt and with no examples.
    """

    name: str
    as_it_stands: bool


@dataclass(frozen=True)
class Candidate:
    """One fully specified way to answer: a rung, and what it learned from train and dev."""

    rung: str
    name: str  # short human name, unique within the rung: "as-is", "label-list", "nearest k=3"
    learned: Learned
    model: str | None  # role in the `models` section, None where no language model is asked
    trained_on: tuple[str, ...] = ()  # ids of the rows whose content is inside `learned`
    feature: Feature | None = None  # set where a rung's choice is taken; the id does not know it

    @cached_property
    def id(self) -> str:
        """First 12 hex digits of the content hash of everything that determines the answers."""
        return content_hash([self.rung, self.name, asdict(self.learned), self.model])[:12]

    @property
    def stored(self) -> bool:
        """Whether its answers were stored before: it answers no new input."""
        return self.name.startswith(AS_STORED)

    @property
    def as_it_stands(self) -> bool:
        """Whether it is what the user has already: stored answers, or a function or a service of the user's own, asked as it is."""
        return self.stored or (self.feature is not None and self.feature.as_it_stands)

    @property
    def asked(self) -> str:
        """What is asked that is not a model of the configuration's own: "stored answers", "your function"; else empty."""
        return "stored answers" if self.stored else self.feature.name if self.feature is not None else ""

    @property
    def chat(self) -> ChatLearned | None:
        """What it learned, where that is a chat to send; else None."""
        return self.learned if isinstance(self.learned, ChatLearned) else None

    @property
    def prompt(self) -> tuple[Message, ...] | None:
        """The template of its chat; None where it sends none."""
        return self.chat.messages if self.chat is not None else None

    @property
    def demonstrations(self) -> tuple[Demonstration, ...]:
        """The training examples that it may show."""
        return self.chat.demonstrations if self.chat is not None else ()

    @property
    def tuned(self) -> Weights | None:
        """The tuned weights that answer; None where the model is asked as it is."""
        return self.learned.weights if isinstance(self.learned, TunedLearned) else None

    @property
    def forced(self) -> tuple[str, ...]:
        """Reasons against tuning that `force: true` overrode when it was made."""
        return self.learned.forced if isinstance(self.learned, TunedLearned) else ()

    @property
    def forgets(self) -> str | None:
        """What it forgets, where that forbids it to win."""
        return (self.learned.forgets or None) if isinstance(self.learned, TunedLearned) else None


def not_alone(candidate: Candidate) -> str | None:
    """Return why weights that were tuned cannot be handed on by themselves; None when they can."""
    if candidate.tuned is None or not isinstance(candidate.learned, TunedLearned):
        return "its model was not tuned"
    if candidate.learned.passages is not None:
        return "it was tuned to answer from passages of your documents, which are found at answer time: `rung serve` answers with it as it is"
    return None


def weights_of(candidate: Candidate) -> Weights:
    """Return the tuned weights that answer. Raises ValueError for a candidate that has none here."""
    if candidate.tuned is None:
        raise ValueError(f"candidate {candidate.name!r} of the approach {candidate.rung!r} has no tuned weights here")
    return candidate.tuned


def learned_as(candidate: Candidate, kind: type[L]) -> L:
    """Return what a candidate learned, as its rung knows it. Raises ValueError for a candidate of another kind."""
    if not isinstance(candidate.learned, kind):
        raise ValueError(
            f"candidate {candidate.name!r} of the approach {candidate.rung!r} holds a {type(candidate.learned).__name__}, not a "
            f"{kind.__name__}"
        )
    return candidate.learned


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rung or candidate that was not run, and why. `awaited`: only until the model tuned elsewhere is there."""

    what: str
    reason: str
    awaited: bool = False
