"""A transformers model at work: chats to tokens by its template, tokens to answers, many rows over a shared beginning."""

from __future__ import annotations

import inspect
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads cost 30-fold on busy cores

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch  # isort: skip
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from rung.errors import ModelError
from rung.models._grouping import batches, common_length, groups
from rung.models._local_form import Forms, Held
from rung.models._local_load import Loaded, chat_tokens, load, out_of_memory
from rung.models._sampling import pick, said, step, told
from rung.models._shared_prefix import Prefix, after, growing, installed
from rung.models.batched import Ask, Said
from rung.types import Finish, Json, Message

if TYPE_CHECKING:
    from rung.models.local import Local

_KNOWN_PREFIXES = 4  # beginnings kept with their keys and values: a climb asks a few candidates at a time
_BATCH_TOKENS = 8192  # own prompt tokens of one batch, padding included: bounds memory
_SHRINK = 0.8  # rows leave a batch when the unfinished ones are at most this share of it
_WORTH_SHARING = 16  # tokens from which a common beginning is computed once
_ALONE = 20_000_000  # parameters below which one thread makes a token sooner than several that wait for each other
_ENDLESS = 2**31  # the context of a model that names none


class Engine:
    """Weights and tokenizer of one model. Not for several threads at once.

    Examples are padded on the left, between the beginning that they share and their own part; positions and mask leave the
    padding out. Where a layer sees a window of columns only, or keeps a state instead of keys, padding would change
    answers: such models get examples of equal length, and every example whole. A beginning is shared where that computes the same.
    """

    def __init__(self, settings: Local, threads: int) -> None:
        """Raises ModelError for a model that cannot be loaded or has no chat template or end token."""
        torch.set_num_threads(threads)
        loaded: Loaded = load(settings)
        self.batch = settings.batch
        self.stopping = False
        self.context = loaded.context or _ENDLESS
        self._threads = threads
        self._step_threads = 1 if loaded.base.num_parameters() < _ALONE else threads
        self._settings = settings
        self._tokenizer, self._model, self._ends = loaded.tokenizer, loaded.model, loaded.ends
        self._base = loaded.base
        self._device = loaded.device
        self._pads = _takes_padding(loaded.model)
        self._last_only = "logits_to_keep" in inspect.signature(loaded.base.forward).parameters
        self._shares: bool | None = None  # found out when there is something to share
        self._prefixes: list[Prefix] = []
        width = int(loaded.base.get_output_embeddings().weight.shape[0])
        self._forms = Forms(loaded.tokenizer, loaded.ends, width)
        self._encoded = lru_cache(maxsize=8192)(chat_tokens(settings, loaded.tokenizer))

    def tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return a chat in tokens by the model's own template; turn marks inside a text are only text."""
        return self._encoded(tuple(messages))

    def form(self, demanded: Json) -> str | None:
        """Return the key of a `response_format`; None where any text is allowed. Raises ModelError for one it cannot hold."""
        return self._forms.known(demanded)

    def forget(self) -> None:
        """Drop what is kept of earlier prompts, so that the next answer reads its whole prompt."""
        self._prefixes.clear()

    def next_batch(self, asks: Sequence[Ask]) -> list[int]:
        """Return the indices that are best answered together now; the first ask is always among them."""
        if not self._pads:
            length = len(asks[0].tokens)
            return [i for i, ask in enumerate(asks) if len(ask.tokens) == length][: self.batch]
        prompts = [ask.tokens for ask in asks]
        group = next(g for g in groups(prompts) if 0 in g.members)
        own = [len(prompts[i]) - group.shared for i in group.members]
        parts = batches(own, self.batch, _BATCH_TOKENS)
        place = group.members.index(0)
        return [group.members[j] for j in next(part for part in parts if place in part)]

    def answer(self, asks: Sequence[Ask]) -> list[Said]:
        """Answer one batch; where memory is short, in halves, and later batches are smaller. Raises ModelError."""
        try:
            with torch.inference_mode():
                return self._decode(asks)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        self.forget()
        if len(asks) == 1:
            raise ModelError(
                f"{self._settings.name}: not enough memory for one prompt of {len(asks[0].tokens)} tokens; shorten the "
                "prompt, set `dtype: bfloat16`, or choose a smaller model",
                provider="local",
            )
        half = self.batch = (len(asks) + 1) // 2
        return self.answer(asks[:half]) + self.answer(asks[half:])

    def _decode(self, asks: Sequence[Ask]) -> list[Said]:
        torch.set_num_threads(self._threads)  # a setting of each thread, and this one may be new
        prefix = self._prefix([ask.tokens for ask in asks])
        own = [ask.tokens[len(prefix.tokens) :] for ask in asks]
        width = max(map(len, own))
        tokens = self._tensor([[*([0] * (width - len(row))), *row] for row in own])
        mask = self._tensor([[0] * (width - len(row)) + [1] * len(row) for row in own])
        made: list[list[int]] = [[] for _ in asks]
        sure: list[list[float]] = [[] for _ in asks]
        finish: list[Finish | None] = [None] * len(asks)
        held: list[Held | None] = [self._forms.start(ask.form) for ask in asks]
        active = list(range(len(asks)))
        cache = growing(self._model.config) if self._pads else None
        logits, cache = self._forward(tokens, mask, cache, prefix)
        torch.set_num_threads(self._step_threads)
        while active and not self.stopping:
            for place, i in enumerate(active):
                if (form := held[i]) is not None and finish[i] is None:
                    form.mask(logits[place])
            logprobs = told(logits, [asks[i] for i in active])
            picked = pick(logits, [asks[i] for i in active], [made[i] for i in active])
            for place, (i, token) in enumerate(zip(active, picked, strict=True)):
                if finish[i] is None:
                    finish[i] = step(asks[i], made[i], token, self._ends, self._text, held[i])
                    if logprobs is not None and len(made[i]) > len(sure[i]):  # an end token is no part of the answer
                        sure[i].append(float(logprobs[place, token]))
            left = [place for place, i in enumerate(active) if finish[i] is None]
            if not left:
                break
            if self._pads and len(left) <= _SHRINK * len(active):
                rows = self._tensor(left)
                cache.batch_select_indices(rows)
                mask, active, picked = mask[rows], [active[p] for p in left], [picked[p] for p in left]
            mask = torch.cat((mask, mask.new_ones((len(active), 1))), 1)
            logits, cache = self._forward(self._tensor(picked).unsqueeze(1), mask, cache, prefix)
        ended = zip(asks, made, finish, sure, strict=True)
        return [said(ask, tokens, end, self._text, found) for ask, tokens, end, found in ended]

    def _forward(self, tokens: Tensor, mask: Tensor, cache: Any, prefix: Prefix) -> tuple[Tensor, Any]:
        """Return the logits (B, V) after the last column and the cache with `tokens` (B, S) in it."""
        more: dict[str, Any] = {"logits_to_keep": 1} if self._last_only else {}
        if self._pads:
            places = (mask.cumsum(1) - 1).clamp_min(0) + len(prefix.tokens)
            more["position_ids"] = places[:, -tokens.shape[1] :]
        with after(prefix):
            out = self._model(input_ids=tokens, attention_mask=mask, past_key_values=cache, use_cache=True, **more)
        return out.logits[:, -1].float(), out.past_key_values

    def _prefix(self, prompts: Sequence[tuple[int, ...]]) -> Prefix:
        """Return the longest beginning of all prompts that is worth it, computed on from what is known of it."""
        first = min(prompts)
        wanted = first[: min(common_length(first, max(prompts)), min(map(len, prompts)) - 1)]
        known = max(self._prefixes, key=lambda p: common_length(p.tokens, wanted), default=Prefix())
        found = known.first(common_length(known.tokens, wanted))
        if len(prompts) == 1:
            wanted = found.tokens
        if len(wanted) < _WORTH_SHARING or not self._can_share():
            return Prefix()
        rest = wanted[len(found.tokens) :]
        if rest:
            _, cache = self._forward(
                self._tensor([rest]), self._tensor([[1] * len(rest)]), growing(self._model.config), found
            )
            found = found.with_more(rest, cache)
            kept = [p for p in self._prefixes if p.tokens != wanted[: len(p.tokens)]]
            self._prefixes = [found, *kept][:_KNOWN_PREFIXES]
        return found

    def _can_share(self) -> bool:
        if self._shares is None:
            self._shares = self._pads and installed(self._base)
        return self._shares

    def _tensor(self, values: Any) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)

    def _text(self, made: list[int]) -> str:
        return str(self._tokenizer.decode(made, skip_special_tokens=True))


def _takes_padding(model: Any) -> bool:
    """Whether every layer keeps the keys and values of all tokens, so that masked columns change nothing."""
    layers = DynamicCache(config=model.config).layers
    return len(layers) > 0 and all(type(layer) is DynamicLayer for layer in layers)
