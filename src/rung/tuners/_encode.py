"""Training rows as tokens: the model's own chat template, and which of the tokens are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import AutoConfig, AutoTokenizer, GenerationConfig
from transformers.utils import logging

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
    options: Mapping[str, Any]

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
        ends = {tokenizer.eos_token_id, *_generation_ends(base)} - {None}
        if not ends:
            raise TuningError(
                f"the tokenizer of {base.name} names no end token, so a tuned model would never stop: set eos_token in its "
                "tokenizer_config.json"
            )
        window = getattr(config.get_text_config(), "max_position_embeddings", None)
        windows = [w for w in (window, base.context) if isinstance(w, int)]
        return cls(tokenizer, frozenset(ends), min(windows) if windows else None, base.template)

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return a chat in tokens, up to where the answer begins."""
        return self._render([m.as_dict() for m in messages], True)

    def encode(self, row: TuningRow) -> Encoded:
        """Return a row in tokens. Raises TuningError where the template does not end or keep the answer."""
        turns = [m.as_dict() for m in row.messages]
        asked = self._render(turns, True)
        whole = self._render([*turns, {"role": "assistant", "content": row.answer}], False)
        if whole[: len(asked)] != asked:
            raise TuningError(
                f"the chat template writes something else before an answer than before a question (row {row.id}): what is "
                "learned would not be what is asked; give the model a template whose answers follow the generation prompt"
            )
        last = max((i for i, t in enumerate(whole) if t in self.ends and i >= len(asked)), default=None)
        if last is None:
            raise TuningError(
                f"the chat template does not close an answer with the end token (row {row.id}), so a tuned model would never "
                "stop: end the assistant's turn with eos_token in chat_template.jinja"
            )
        return Encoded(row.id, whole[: last + 1], len(asked))

    def learned_text(self, row: Encoded) -> str:
        """Return what is learned as text, without its end token."""
        return str(self.tokenizer.decode(row.learned[:-1], skip_special_tokens=False))

    def shown(self, row: Encoded) -> str:
        """Return a row as text with the learned part in brackets."""
        prompt = self.tokenizer.decode(row.tokens[: row.prompt], skip_special_tokens=False)
        learned = self.tokenizer.decode(row.learned, skip_special_tokens=False)
        return f"{prompt}{MARK_IN_TEXT % learned}"

    def _render(self, turns: Sequence[Mapping[str, str]], asking: bool) -> tuple[int, ...]:
        plain = [{**t, "content": t["content"].encode("utf-8", "replace").decode("utf-8")} for t in turns]
        try:
            found = self.tokenizer.apply_chat_template(
                plain,
                add_generation_prompt=asking,
                return_dict=False,
                sanitize_control_tokens=True,  # a mark inside a row's text is text: only the template writes marks
                **self.options,
            )
        except (TemplateError, ValueError, TypeError) as error:
            raise TuningError(
                f"the chat template refuses a row ({_first_line(error)}): use turns that it knows in task.prompt"
            ) from error
        return tuple(int(t) for t in found)


def _generation_ends(base: Base) -> set[int]:
    try:
        found = GenerationConfig.from_pretrained(base.weights, revision=base.revision).eos_token_id
    except (OSError, ValueError):
        return set()
    return set(found) if isinstance(found, list) else {found} if isinstance(found, int) else set()


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:200] or type(error).__name__
