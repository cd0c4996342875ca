"""Fit requests to what an endpoint takes: learnt from its refusals, never from a list of model names.

Endpoints differ in a few parameters: which field holds the length, whether a temperature, a seed, stop words or a system
turn may be sent. A refusal (400, 422, 501) of a request with such a trait that no answer has come to yet is tried again
without it: first what the refusal names, then one trait at a time, then several. What got an answer is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Protocol, runtime_checkable

from rung.chats import folded
from rung.errors import ContextOverflow, EffortRefused, ModelError, RefusedByModel, Retryable
from rung.types import Completion

_SWAPPED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_NAMED: Mapping[str, re.Pattern[str]] = {  # trait -> how a refusal names it; the order is that of the attempts
    "length": re.compile(r"max_(?:completion_)?tokens", re.IGNORECASE),
    "temperature": re.compile(r"temperature", re.IGNORECASE),
    "system": re.compile(r"\bsystem\b|developer (?:role|instruction|message)|\broles?\b", re.IGNORECASE),
    "seed": re.compile(r"\bseed\b", re.IGNORECASE),
    "stop": re.compile(r"\bstop\b", re.IGNORECASE),
    "encoding_format": re.compile(r"encoding_format|encoding format", re.IGNORECASE),
}
_EFFORT = re.compile(r"effort|reasoning|thinking", re.IGNORECASE)
_OTHER_EFFORTS = re.compile(
    r"unsupported value|supported values|does not support '|must be one of|valid values", re.IGNORECASE
)
_NOT_TAKEN = re.compile(
    r"support|allow|unknown|unrecogni[sz]ed|unexpected|not permitted|must|only|invalid|extra", re.IGNORECASE
)
_TOLD: Mapping[str, str] = {
    "length": "calls the longest answer max_completion_tokens or max_tokens, the other one than set",
    "temperature": "takes no temperature of ours: its own is used",
    "system": "takes no system turns: their text goes to the head of the first user turn",
    "seed": "takes no seed",
    "stop": "takes no stop words: answers are cut at them here",
    "encoding_format": "takes no encoding_format",
}


@runtime_checkable
class Telling(Protocol):
    """A live connection that has something to tell."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth telling once."""
        ...


@runtime_checkable
class Learning(Telling, Protocol):
    """A live connection that finds out what its endpoint takes."""

    @property
    def learnt(self) -> tuple[str, ...]:
        """What was found out, to be kept for the next session."""
        ...

    def recall(self, learnt: Sequence[str]) -> None:
        """Take over what an earlier session found out."""
        ...


class Fitted(Retryable):
    """The endpoint refused the request's form, and another form is known to try: ask again at once."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A body as it is sent: whose it is, which traits it had before, which were taken out, and what was known then."""

    body: dict[str, Any]
    whose: int
    traits: frozenset[str]
    without: frozenset[str]
    round: int
    stop: tuple[str, ...] = ()

    def ended(self, answer: Completion) -> Completion:
        """Return the answer up to the first stop word, where the endpoint takes none."""
        if not self.stop:
            return answer
        ends = [place for word in self.stop if word and (place := answer.text.find(word)) >= 0]
        return replace(answer, text=answer.text[: min(ends)], finish="stop") if ends else answer


@dataclass
class _Search:
    """The forms tried for one refused request, and what was said first. Other requests go on in the form that is known."""

    first: ModelError
    trial: frozenset[str] = frozenset()
    tried: set[frozenset[str]] = field(default_factory=set)

    def next_form(self, unknown: frozenset[str], named: frozenset[str]) -> frozenset[str] | None:
        """Return the next set of traits to leave out: what the refusal names, one, two ...; None: all were tried."""
        self.tried.add(self.trial)
        forms = [self.trial & unknown | named]
        forms += [frozenset(c) for n in range(1, len(unknown) + 1) for c in combinations(_in_order(unknown), n)]
        return next((form for form in forms if form and form not in self.tried), None)


class Fitting:
    """What is known about one endpoint."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._taken: frozenset[str] = frozenset()  # traits that an answer has come to
        self._known: frozenset[str] = frozenset()  # traits that are taken out
        self._searches: dict[int, _Search] = {}
        self._vain: set[frozenset[str]] = set()  # traits of which no choice got an answer
        self._round = 0  # grows with what is known

    @property
    def learnt(self) -> tuple[str, ...]:
        return tuple(sorted(self._known))

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(f"{self._name!r} {_TOLD[trait]} (learnt from its refusal, and kept)" for trait in self.learnt)

    def recall(self, learnt: Sequence[str]) -> None:
        self._known |= {trait for trait in learnt if trait in _NAMED}

    def fitted(self, body: dict[str, Any], whose: int) -> Sent:
        """Return the body in the form that is known, or tried for this very request. `whose`: a hash of its messages."""
        traits = _traits_of(body)
        search = self._searches.get(whose) if self._searches else None
        without = traits & (self._known | (search.trial if search else frozenset()))
        if not without:
            return Sent(body, whose, traits, without, self._round)
        stop = body.get("stop") if "stop" in without else None
        words = (stop,) if isinstance(stop, str) else tuple(stop or ())
        return Sent(_without(body, without), whose, traits, without, self._round, words)

    def taken(self, sent: Sent) -> None:
        """Note that an answer came to this form."""
        if sent.without <= self._known and sent.traits - sent.without <= self._taken:
            return
        self._searches.pop(sent.whose, None)
        taken, known = self._taken | (sent.traits - sent.without), self._known | sent.without
        known -= taken
        if (taken, known) != (self._taken, self._known):
            self._taken, self._known = taken, known
            self._searches.clear()
            self._vain.clear()
            self._round += 1

    def refused(self, sent: Sent, error: ModelError) -> ModelError:
        """Return what a refusal means: `Fitted` where another form is worth trying, else the error itself."""
        if isinstance(error, ContextOverflow | RefusedByModel):
            return error
        if "reasoning_effort" in sent.body and error.status in (400, 422) and _EFFORT.search(str(error)):
            return self._without_effort(sent, error)
        unknown = sent.traits - self._taken - self._known
        named = frozenset(t for t in unknown if _NAMED[t].search(str(error)))
        if isinstance(error, Retryable):
            if error.status not in (500, 501) or not named or not _NOT_TAKEN.search(str(error)):
                return error
        elif error.status not in (400, 422):
            return error
        if sent.round != self._round:
            return _again(error)
        if not unknown or unknown in self._vain:
            return error
        search = self._searches.setdefault(sent.whose, _Search(error))
        form = search.next_form(unknown, named)
        if form is None:
            self._vain.add(unknown)
            del self._searches[sent.whose]
            return search.first
        search.trial = form
        return _again(error)

    def _without_effort(self, sent: Sent, error: ModelError) -> EffortRefused:
        """Say that an effort is not taken: asked without it, the answers would be those of another candidate."""
        effort, others = sent.body["reasoning_effort"], _OTHER_EFFORTS.search(str(error)) is not None
        takes = f"does not take the reasoning effort {effort!r}" if others else "takes no reasoning effort"
        return EffortRefused(
            f"{self._name!r} {takes}: {error}", provider=error.provider, status=error.status, takes_others=others
        )


def _again(error: ModelError) -> Fitted:
    return Fitted(str(error), provider=error.provider, status=error.status, request_id=error.request_id)


def _in_order(traits: frozenset[str]) -> list[str]:
    return [trait for trait in _NAMED if trait in traits]


def _traits_of(body: Mapping[str, Any]) -> frozenset[str]:
    traits = {name for name in ("temperature", "seed", "stop", "encoding_format") if name in body}
    if ("max_tokens" in body) != ("max_completion_tokens" in body):
        traits.add("length")
    if any(turn["role"] == "system" for turn in body.get("messages", ())):
        traits.add("system")
    return frozenset(traits)


def _without(body: dict[str, Any], traits: frozenset[str]) -> dict[str, Any]:
    found = {name: value for name, value in body.items() if name not in traits}
    if "length" in traits:
        found = {_SWAPPED.get(name, name): value for name, value in found.items()}
    if "system" in traits:
        found["messages"] = folded(found["messages"])
    return found
