"""Chats by a model's own template: one way for answering and tuning, and exported scripts carry `takes_system` as it stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError

from rung.chats import folded

ANSWER = "what-is-answered-here"  # stands for an answer where it is looked for in what a template writes
REFUSED = (TemplateError, ValueError, TypeError)  # what a chat template raises for turns that it does not know


def takes_system(tokenizer: Any, options: Mapping[str, Any]) -> bool:
    """Whether the tokenizer's chat template writes a system turn: some refuse it, some leave it out without a word."""
    said = "the rule of this chat"
    turns = [{"role": "system", "content": said}, {"role": "user", "content": "a question"}]
    try:
        written = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, **options)
    except REFUSED:
        return False
    return said in str(written)


def end_of_turn(tokenizer: Any, options: Mapping[str, Any]) -> int | None:
    """Return the special token that the chat template writes right behind an answer; None where it writes none there.

    Some models end a turn in another token than a text, and name only the latter as their end.
    """
    turns = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": ANSWER}]
    try:
        written = str(tokenizer.apply_chat_template(turns, tokenize=False, **options))
    except REFUSED:
        return None
    _, found, rest = written.rpartition(ANSWER)
    behind = tokenizer(rest.lstrip(), add_special_tokens=False)["input_ids"][:1] if found else []
    special = {token for token, about in tokenizer.added_tokens_decoder.items() if about.special}
    return int(behind[0]) if behind and behind[0] in special else None


class Chats:
    """The chats of one tokenizer, by its own template. `options`: what else the template is told."""

    def __init__(self, tokenizer: Any, options: Mapping[str, Any]) -> None:
        self._tokenizer, self._options = tokenizer, options
        self._takes_system = takes_system(tokenizer, options)

    def tokens(self, turns: Sequence[Mapping[str, Any]], answer: str | None = None) -> tuple[int, ...]:
        """Return a chat in tokens, up to where the answer begins; with an `answer`, up to where the template ends it.

        A template without system turns (Gemma's, say) gets their text at the head of the first user turn. Raises one of
        `REFUSED` for a chat that it takes in neither form.
        """
        plain = [{**turn, "content": _plain(str(turn["content"]))} for turn in turns]
        if not self._takes_system:
            return self._rendered(folded(plain), answer)
        try:
            return self._rendered(plain, answer)
        except REFUSED:
            if all(turn["role"] != "system" for turn in plain):
                raise
        return self._rendered(folded(plain), answer)  # it knows system turns, though not these

    def text(self, turns: Sequence[Mapping[str, Any]], answer: str) -> str:
        """Return a chat that ends in an answer as text, as its template writes it. Raises one of `REFUSED`."""
        plain = [{**turn, "content": _plain(str(turn["content"]))} for turn in turns]
        said = [*(plain if self._takes_system else folded(plain)), {"role": "assistant", "content": _plain(answer)}]
        return str(self._tokenizer.apply_chat_template(said, tokenize=False, **self._options))

    def _rendered(self, turns: list[dict[str, Any]], answer: str | None) -> tuple[int, ...]:
        said = [] if answer is None else [{"role": "assistant", "content": _plain(answer)}]
        found = self._tokenizer.apply_chat_template(
            [*turns, *said],
            add_generation_prompt=answer is None,
            return_dict=False,
            sanitize_control_tokens=True,  # a mark inside a row's text is text: only the template writes marks
            **self._options,
        )
        return tuple(int(token) for token in found)


def _plain(text: str) -> str:
    """A lone surrogate is no character and has no bytes in UTF-8; it is read as a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
