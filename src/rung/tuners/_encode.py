"""Training rows as tokens: the model's own chat template, and which of the tokens are learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import AutoConfig, AutoTokenizer, GenerationConfig
from transformers.utils import logging

from rung.chat_templates import ANSWER, REFUSED, Chats, end_of_turn
from rung.errors import TuningError
from rung.types import Base, Message, TuningRow

MARK_IN_TEXT = "\u27e6%s\u27e7"  # brackets that no chat template uses


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row in tokens: the prompt, then what is learned, its end token included."""

    id: str
    tokens: tuple[int, ...]
    prompt: int

    @property
    def learned(self) -> tuple[int, ...]:
        return self.tokens[self.prompt :]


@dataclass(frozen=True)
class Reader:
    """A base's tokenizer with its template and end tokens."""

    tokenizer: Any
    ends: frozenset[int]
    window: int | None
    chats: Chats

    @classmethod
    def of(cls, base: Base) -> Reader:
        """Load the tokenizer. Raises TuningError for one that cannot be tuned with."""
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(base.weights, revision=base.revision)
            config = AutoConfig.from_pretrained(base.weights, revision=base.revision)
        except (OSError, ValueError, KeyError) as error:
            raise TuningError(
                f"{base.name} cannot be read from {base.weights!r} ({_first_line(error)}): download it once while online, or "
                "give the folder that holds it"
            ) from error
        if not getattr(tokenizer, "chat_template", None):
            raise TuningError(
                f"{base.name} has no chat template, so training and serving could not agree on a form: choose its "
                "instruction-tuned sibling, or put a chat_template.jinja beside its tokenizer"
            )
        ends = {tokenizer.eos_token_id, end_of_turn(tokenizer, base.template), *_generation_ends(base)} - {None}
        if not ends:
            raise TuningError(
                f"the tokenizer of {base.name} names no end token, so a tuned model would never stop: set eos_token in its "
                "tokenizer_config.json"
            )
        window = getattr(config.get_text_config(), "max_position_embeddings", None)
        windows = [w for w in (window, base.context) if isinstance(w, int)]
        return cls(tokenizer, frozenset(ends), min(windows) if windows else None, Chats(tokenizer, base.template))

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return a chat in tokens, up to where the answer begins."""
        return self._tokens(messages)

    def encode(self, row: TuningRow) -> Encoded:
        """Return a row in tokens. Raises TuningError where the template does not end or keep the answer."""
        asked, whole = self._tokens(row.messages), self._tokens(row.messages, row.answer.strip())
        if whole[: len(asked)] != asked or not self._follows(whole[len(asked) :], row.answer.strip()):
            whole = asked + self._after(row)
        if len(whole) == len(asked):
            raise TuningError(
                f"the chat template writes something else before an answer than before a question (example {row.id}): what is "
                "learned would not be what is asked; give the model a template whose answers follow the generation prompt"
            )
        last = max((i for i, t in enumerate(whole) if t in self.ends and i >= len(asked)), default=None)
        if last is None:
            raise TuningError(
                f"the chat template does not close an answer with the end token (example {row.id}), so a tuned model would never "
                "stop: end the assistant's turn with eos_token in chat_template.jinja"
            )
        return Encoded(row.id, whole[: last + 1], len(asked))

    def _follows(self, tokens: Sequence[int], answer: str) -> bool:
        """Whether what a template writes behind the prompt begins with the answer, and not with a thought of its own."""
        said = str(self.tokenizer.decode(list(tokens), skip_special_tokens=False))
        return "".join(said.split()).startswith("".join(answer.split()))

    def _after(self, row: TuningRow) -> tuple[int, ...]:
        """Return an answer and its end in tokens of their own, to follow the prompt as it is asked; nothing where it cannot be told.

        Needed where an answer begins with what its template ends in (a line end, which becomes one token with it), and where the
        prompt or the turns of a chat hold more than the other does (an empty thought, as Qwen3 writes it before its last answer alone).
        """
        answer = row.answer.strip()
        _, found, behind = self.chats.text([m.as_dict() for m in row.messages], ANSWER).rpartition(ANSWER)
        if not answer or not found:
            return ()
        if not any(str(mark) in answer for mark in self.tokenizer.all_special_tokens):
            return self._plain(answer + behind)
        return self._plain(answer, split_special_tokens=True) + self._plain(behind)  # a mark in an answer is text

    def _plain(self, text: str, **how: bool) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False, **how)["input_ids"])

    def learned_text(self, row: Encoded) -> str:
        """Return what is learned as text, without its end token."""
        return str(self.tokenizer.decode(row.learned[:-1], skip_special_tokens=False))

    def shown(self, row: Encoded) -> str:
        """Return a row as text with the learned part in brackets."""
        prompt = self.tokenizer.decode(row.tokens[: row.prompt], skip_special_tokens=False)
        learned = self.tokenizer.decode(row.learned, skip_special_tokens=False)
        return f"{prompt}{MARK_IN_TEXT % learned}"

    def _tokens(self, messages: Sequence[Message], answer: str | None = None) -> tuple[int, ...]:
        try:
            return self.chats.tokens([m.as_dict() for m in messages], answer)
        except REFUSED as error:
            raise TuningError(
                f"the chat template refuses an example ({_first_line(error)}): use turns that it knows in task.prompt"
            ) from error


def _generation_ends(base: Base) -> set[int]:
    try:
        found = GenerationConfig.from_pretrained(base.weights, revision=base.revision).eos_token_id
    except (OSError, ValueError):
        return set()
    return set(found) if isinstance(found, list) else {found} if isinstance(found, int) else set()


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:200] or type(error).__name__
