"""Prompts as chats of templates: placeholders, demonstrations, and the system that answers with them.

A template holds `{{column}}` where a row's value belongs. Values are put in by one pass over the template, so that braces
inside a value are never read as placeholders. `\\{{column}}` stands for the literal text `{{column}}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from rung.chats import heading as heading
from rung.protocols import AnsweringKit
from rung.types import (
    COLUMNS,
    Answer,
    Candidate,
    ChatLearned,
    Demonstration,
    Message,
    ModelCard,
    PromptLearned,
    Request,
    Task,
)


@lru_cache(maxsize=64)
def _placeholders(columns: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(c) for c in sorted(columns, key=lambda c: (-len(c), c)))
    return re.compile(r"(\\?)(\{\{\s*(" + names + r")\s*\}\})")


def literal(text: str, columns: Sequence[str]) -> str:
    """Return `text` such that a template renders it as it is, whatever braces it holds."""
    return _placeholders(tuple(columns)).sub(lambda m: "\\" + m[0], text)


def fill(template: str, inputs: Mapping[str, str]) -> str:
    """Return the template with each `{{column}}` replaced by that column's value; other braces stay as they are."""
    return _placeholders(tuple(inputs)).sub(lambda m: m[2] if m[1] else inputs[m[3]], template)


def columns_in(template: str, columns: Sequence[str]) -> frozenset[str]:
    """Return the columns that the template has placeholders for."""
    return frozenset(m[3] for m in _placeholders(tuple(columns)).finditer(template) if not m[1])


def plain_row(columns: Sequence[str]) -> str:
    """Return the template of a bare row: one column's text alone, several as "Column: value" lines."""
    if len(columns) == 1:
        return "{{" + columns[0] + "}}"
    return "\n".join(f"{literal(heading(c), columns)}: {{{{{c}}}}}" for c in columns)


@dataclass(frozen=True)
class Template:
    """A chat with placeholders for the given input columns."""

    messages: tuple[Message, ...]
    columns: tuple[str, ...]

    def render(self, inputs: Mapping[str, str], demonstrations: Sequence[Demonstration] = ()) -> tuple[Message, ...]:
        """Return the chat for one row; demonstrations become earlier turns just before the row's own.

        Each is written with the row's own user template, where that shows the whole row; else as a bare row.
        """
        turn, user = self.turn, self.example
        row = {c: inputs[c] for c in self.columns}
        chat = [Message(m.role, fill(m.content, row)) for m in self.messages]
        turns: list[Message] = []
        for d in demonstrations:
            turns += [
                Message("user", fill(user, {c: d.inputs[c] for c in self.columns})),
                Message("assistant", d.target),
            ]
        return (*chat[:turn], *turns, *chat[turn:])

    @property
    def example(self) -> str:
        """The template that each example is written with: the row's own user turn, or a bare row."""
        own = self.messages[self.turn]
        shown = own.role == "user" and columns_in(own.content, self.columns) == self._used()
        return own.content if shown else plain_row(self.columns)

    def _used(self) -> frozenset[str]:
        return frozenset().union(*(columns_in(m.content, self.columns) for m in self.messages))

    @property
    def turn(self) -> int:
        """The place of the row's own turn: the last user message with a placeholder, else the last with one."""
        holding = [i for i, m in enumerate(self.messages) if columns_in(m.content, self.columns)]
        users = [i for i in holding if self.messages[i].role == "user"]
        return (users or holding)[-1]

    def with_block(self, text: str) -> Template:
        """Return the template with literal instructions added: to the last system message, else to a new first one."""
        block = literal(text, self.columns)
        systems = [i for i, m in enumerate(self.messages) if m.role == "system"]
        if not systems:
            return replace(self, messages=(Message("system", block), *self.messages))
        at = systems[-1]
        old = self.messages[at]
        joined = Message("system", f"{old.content.rstrip()}\n\n{block}")
        return replace(self, messages=(*self.messages[:at], joined, *self.messages[at + 1 :]))

    def in_user_turn(self) -> Template:
        """Return the template with its system messages at the head of the first user turn: small models often heed them there alone."""
        systems = [m.content.strip() for m in self.messages if m.role == "system"]
        others = [m for m in self.messages if m.role != "system"]
        at = next((i for i, m in enumerate(others) if m.role == "user"), None)
        if not systems or at is None:
            return self
        joined = Message("user", "\n\n".join([*systems, others[at].content]))
        return replace(self, messages=(*others[:at], joined, *others[at + 1 :]))

    @property
    def length(self) -> int:
        """Characters of the template."""
        return sum(len(m.content) for m in self.messages)

    @classmethod
    def of(cls, candidate: Candidate) -> Template:
        """Return the template that a candidate learned. Raises ValueError for one that sends no chat."""
        return cls(chat_of(candidate).messages, chat_of(candidate).columns)


def instructed(text: str, columns: Sequence[str]) -> Template:
    """Return the plainest template: literal instructions as the system message, the bare row as the user's."""
    messages = (Message("system", literal(text, columns)), Message("user", plain_row(columns)))
    return Template(messages, tuple(columns))


def asked_as_it_stands(task: Task, role: str) -> Candidate:
    """Return the candidate that asks a model with the prompt as it stands."""
    template = as_it_stands(task)
    return Candidate("prompt", "as-is", PromptLearned(messages=template.messages, columns=template.columns), role)


def as_it_stands(task: Task) -> Template:
    """Return the user's own prompt as a template, or the bare instruction where none was given.

    A prompt without any placeholder stays as it is (a lone user text becomes the system message), and the bare row
    follows as the user's message. Placeholders of other tools were written as `{{column}}` where the file was read.
    """
    if task.prompt is None:
        return instructed(task.instruction, task.inputs)
    if any(columns_in(m.content, task.inputs) for m in task.prompt):
        return Template(task.prompt, task.inputs)
    messages = task.prompt
    if len(messages) == 1 and messages[0].role == "user":
        messages = (replace(messages[0], role="system"),)
    return Template((*messages, Message("user", plain_row(task.inputs))), task.inputs)


def row_alone(task: Task) -> Template:
    """Return the bare row, whatever the user's prompt says: by it stored answers are found."""
    return Template((Message("user", plain_row(task.inputs)),), task.inputs)


def prompt_notes(task: Task) -> tuple[str, ...]:
    """Return what the user should know of the prompt: inputs that it leaves out."""
    if task.prompt is None:
        return ()
    notes = []
    used = frozenset().union(*(columns_in(m.content, task.inputs) for m in task.prompt))
    left_out = [c for c in task.inputs if c not in used]
    if used and left_out:
        names = ", ".join("{{" + c + "}}" for c in left_out)
        notes.append(f"your prompt has no {names}: the model will not see {'it' if len(left_out) == 1 else 'them'}")
    return tuple(notes)


def only_the_row(card: ModelCard) -> str:
    """Say why nothing but the row can be asked of a feature that does not read the chat."""
    if card.recorded is not None:
        return f"the answers of {card.name} are stored: they are measured as they stand, since nothing else can be asked of it"
    return (
        f"{card.name} is given the example alone, not the chat: instructions and examples would not reach it, so it is measured "
        "as it stands"
    )


Chooser = Callable[[Mapping[str, str]], Sequence[Demonstration]]


@dataclass(frozen=True)
class ChatSystem:
    """A System that asks one model once: a template and the demonstrations chosen for the row.

    `params`: of every request; `processed` makes the answer of what the model said. What shapes the answer otherwise
    (temperature, longest answer) belongs to the configured model.
    """

    template: Template
    role: str
    choose: Chooser
    kit: AnsweringKit
    params: Mapping[str, Any] = field(default_factory=dict)
    processed: Callable[[str], str] = str

    def request(self, inputs: Mapping[str, str]) -> Request:
        """Return what the model is asked for this row: equal inputs, equal request.

        Where the chat exceeds the model's context, demonstrations are left out, first shown first, until it fits.
        """
        shown = tuple(self.choose(inputs))
        chat = self.template.render(inputs, shown)
        while shown and not self._fits(chat):
            shown = shown[1:]
            chat = self.template.render(inputs, shown)
        wanted = self.kit.card(self.role).columns
        if not wanted:
            return Request(chat, self.params)
        return Request(chat, {**self.params, COLUMNS: {c: inputs[c] for c in wanted if c in inputs}})

    def _fits(self, chat: Sequence[Message]) -> bool:
        card = self.kit.card(self.role)
        return card.context is None or (self.kit.count_tokens(self.role, chat) + card.max_tokens <= card.context)

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        completion = await self.kit.ask(self.role, self.request(inputs))
        return Answer(self.processed(completion.text), (completion,))


def chat_of(candidate: Candidate) -> ChatLearned:
    """Return the chat that a candidate learned. Raises ValueError for one that sends none."""
    if candidate.chat is None:
        raise ValueError(f"candidate {candidate.name!r} of the approach {candidate.rung!r} learned no chat")
    return candidate.chat


def role_of(candidate: Candidate) -> str:
    """Return the model role that a candidate asks. Raises ValueError for one that asks none."""
    if candidate.model is None:
        raise ValueError(f"candidate {candidate.name!r} of the approach {candidate.rung!r} names no model role to ask")
    return candidate.model
