"""Prompts as chats of templates: placeholders, demonstrations, and the system that answers with them.

A template holds `{{column}}` where a row's value belongs. Values are put in by one pass over the template, so that braces
inside a value are never read as placeholders. `\\{{column}}` stands for the literal text `{{column}}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from rung.errors import ConfigError, Problem
from rung.protocols import Kit
from rung.types import Answer, Candidate, Example, Message, ModelCard, Request, Task

_LOOKS_LIKE_ONE = re.compile(r"(?<!\\)\{\{\s*([^\W\d][\w .-]*?)\s*\}\}")


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


def heading(column: str) -> str:
    """Return a column's name as people write it: "order_id" becomes "Order id"."""
    spaced = column.replace("_", " ").strip() or column
    return spaced[:1].upper() + spaced[1:]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A training row shown in a prompt: its id, its input columns and the answer that it expects."""

    id: str
    inputs: Mapping[str, str]
    target: str

    @classmethod
    def of(cls, example: Example) -> Demonstration:
        return cls(example.id, dict(example.inputs), example.target)

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "inputs": dict(self.inputs), "target": self.target}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Demonstration:
        return cls(row["id"], dict(row["inputs"]), row["target"])


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

    @property
    def length(self) -> int:
        """Characters of the template."""
        return sum(len(m.content) for m in self.messages)

    def as_list(self) -> list[dict[str, str]]:
        return [m.as_dict() for m in self.messages]


def instructed(text: str, columns: Sequence[str]) -> Template:
    """Return the plainest template: literal instructions as the system message, the bare row as the user's."""
    messages = (Message("system", literal(text, columns)), Message("user", plain_row(columns)))
    return Template(messages, tuple(columns))


def as_it_stands(task: Task) -> Template:
    """Return the user's own prompt as a template, or the bare instruction where none was given.

    A prompt without any placeholder stays as it is (a lone user text becomes the system message), and the bare row
    follows as the user's message. Raises ConfigError when all its placeholders name columns that the task does not have.
    """
    if task.prompt is None:
        return instructed(task.instruction, task.inputs)
    if any(columns_in(m.content, task.inputs) for m in task.prompt):
        return Template(task.prompt, task.inputs)
    unknown = unknown_placeholders(task)
    if unknown:
        names = ", ".join("{{" + n + "}}" for n in unknown)
        allowed = ", ".join("{{" + c + "}}" for c in task.inputs)
        raise ConfigError(
            [Problem("task.prompt", "none of its placeholders is an input column; rename them", names, allowed)]
        )
    messages = task.prompt
    if len(messages) == 1 and messages[0].role == "user":
        messages = (replace(messages[0], role="system"),)
    return Template((*messages, Message("user", plain_row(task.inputs))), task.inputs)


def unknown_placeholders(task: Task) -> tuple[str, ...]:
    """Return the names in the user's prompt that look like placeholders and are no input columns, in order."""
    names = (m[1] for message in task.prompt or () for m in _LOOKS_LIKE_ONE.finditer(message.content))
    return tuple(dict.fromkeys(n for n in names if n not in task.inputs))


def prompt_notes(task: Task) -> tuple[str, ...]:
    """Return what the user should know of the prompt: inputs that it leaves out, placeholders that it does not fill."""
    if task.prompt is None:
        return ()
    notes = []
    used = frozenset().union(*(columns_in(m.content, task.inputs) for m in task.prompt))
    left_out = [c for c in task.inputs if c not in used]
    if used and left_out:
        names = ", ".join("{{" + c + "}}" for c in left_out)
        notes.append(f"your prompt has no {names}: the model will not see {'it' if len(left_out) == 1 else 'them'}")
    unknown = unknown_placeholders(task)
    if unknown:
        names = ", ".join("{{" + n + "}}" for n in unknown)
        notes.append(f"your prompt holds {names}, which is no input column: sent to the model as it is")
    return tuple(notes)


def only_the_row(card: ModelCard) -> str:
    """Say why nothing but the row can be asked of a feature that does not read the chat."""
    return (
        f"{card.name} is given the row alone, not the chat: instructions and examples would not reach it, so it is measured "
        "as it stands"
    )


Chooser = Callable[[Mapping[str, str]], Sequence[Demonstration]]


@dataclass(frozen=True)
class ChatSystem:
    """A System that asks one model once: a template and the demonstrations chosen for the row.

    What shapes the answer otherwise (temperature, longest answer) belongs to the configured model.
    """

    template: Template
    role: str
    choose: Chooser
    kit: Kit

    def request(self, inputs: Mapping[str, str]) -> Request:
        """Return what the model is asked for this row: equal inputs, equal request.

        Where the chat exceeds the model's context, demonstrations are left out, first shown first, until it fits.
        """
        shown = tuple(self.choose(inputs))
        chat = self.template.render(inputs, shown)
        while shown and not self._fits(chat):
            shown = shown[1:]
            chat = self.template.render(inputs, shown)
        return Request(chat)

    def _fits(self, chat: Sequence[Message]) -> bool:
        card = self.kit.card(self.role)
        return card.context is None or (self.kit.count_tokens(self.role, chat) + card.max_tokens <= card.context)

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        completion = await self.kit.ask(self.role, self.request(inputs))
        return Answer(completion.text, (completion,))


def learned_template(candidate: Candidate) -> Template:
    """Return the template kept in a candidate's `learned`."""
    messages = tuple(Message(m["role"], m["content"]) for m in candidate.learned["messages"])
    return Template(messages, tuple(candidate.learned["columns"]))


def learned_demonstrations(candidate: Candidate) -> tuple[Demonstration, ...]:
    """Return the demonstrations kept in a candidate's `learned`, in the order in which they are shown."""
    return tuple(Demonstration.from_dict(row) for row in candidate.learned["demonstrations"])


def chat_system(candidate: Candidate, kit: Kit, choose: Chooser | None = None) -> ChatSystem:
    """Bring a prompt or few-shot candidate to life; `choose` defaults to its learned demonstrations for every row."""
    if candidate.model is None:
        raise ValueError(f"candidate {candidate.name!r} of rung {candidate.rung!r} names no model role to ask")
    fixed = learned_demonstrations(candidate)
    return ChatSystem(
        template=learned_template(candidate),
        role=candidate.model,
        choose=choose or (lambda _: fixed),
        kit=kit,
    )
