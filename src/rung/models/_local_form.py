"""Hold answers to the form that a request demands: tokens that cannot lead to it are masked, by llguidance.

The form is `response_format`: a JSON schema, any JSON object, or a list of choices of which the answer is one. JSON is
written on one line, with at most one space after a comma or a colon: free white space lets small models write nothing else.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from rung.errors import ModelError
from rung.types import Finish

_ON_ONE_LINE = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}


class Held:
    """One answer on its way: which tokens may come next, and whether its form is complete."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def mask(self, logits: Tensor) -> None:
        """Rule out, in the logits (V,) of the next token, what the form does not allow."""
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        logits.masked_fill_((allowed == 0).to(logits.device), -torch.inf)

    def take(self, token: int) -> Finish | None:
        """Note the token that was picked; return "stop" where nothing can follow it, "other" where the matcher gave up."""
        self._matcher.consume_token(token)
        if self._matcher.is_error():
            return "other"
        return "stop" if self._matcher.is_stopped() else None


class Forms:
    """The forms that were demanded of one model, each compiled once. `width`: how many logits a token is picked from."""

    def __init__(self, tokenizer: Any, ends: Collection[int], width: int) -> None:
        self._tokenizer, self._ends, self._width = tokenizer, sorted(ends), width
        self._vocabulary: Any = None
        self._compiled: dict[str, Any] = {}

    def known(self, demanded: Any) -> str | None:
        """Return the key of a `response_format`, compiled now if it is new; None where any text is allowed.

        Raises ModelError, its status that of a server which refuses the parameter, where it cannot be held to.
        """
        if demanded is None or (isinstance(demanded, Mapping) and demanded.get("type") == "text"):
            return None
        key = json.dumps(demanded, ensure_ascii=False)  # the order of keys is that in which they are written
        if key not in self._compiled:
            self._compiled[key] = self._compile(demanded)
        return key

    def start(self, key: str | None) -> Held | None:
        """Return the form of a new answer by its key."""
        return None if key is None else Held(self._compiled[key].deep_copy())

    def _compile(self, demanded: Any) -> Any:
        if importlib.util.find_spec("llguidance") is None:
            raise ModelError(
                "the package 'llguidance', which holds a model on this machine to a form, is not installed: "
                "pip install 'rung[local]'",
                provider="local",
                status=501,
            )
        import llguidance

        try:
            if self._vocabulary is None:
                self._vocabulary = _vocabulary(self._tokenizer, self._ends, self._width)
            grammar = llguidance.LLMatcher.grammar_from_json_schema(_schema(demanded), overrides=_ON_ONE_LINE)
        except ValueError as error:
            raise _refused(str(error)) from error
        matcher = llguidance.LLMatcher(self._vocabulary, grammar, log_level=0)
        if matcher.is_error():
            raise _refused(matcher.get_error())
        return matcher


def _vocabulary(tokenizer: Any, ends: list[int], width: int) -> Any:
    """Return llguidance's view of a tokenizer. Raises ValueError for one that is not of the `tokenizers` library."""
    from llguidance.hf import from_tokenizer

    return from_tokenizer(tokenizer, n_vocab=max(width, len(tokenizer)), eos_token=ends)


def _schema(demanded: Any) -> dict[str, Any]:
    """Return the JSON schema of a `response_format`. Raises ValueError for one without."""
    kind = demanded.get("type") if isinstance(demanded, Mapping) else None
    if kind == "json_object":
        return {"type": "object"}
    found = demanded.get("json_schema") if kind == "json_schema" else None
    schema = found.get("schema") if isinstance(found, Mapping) else None
    if not isinstance(schema, Mapping):
        raise ValueError("response_format must be a json_schema with its schema, or json_object")
    return dict(schema)


def _refused(why: str) -> ModelError:
    return ModelError(f"the form cannot be held to: {_first_line(why)}", provider="local", status=400)


def _first_line(text: str) -> str:
    return " ".join(text.split())[:300]
