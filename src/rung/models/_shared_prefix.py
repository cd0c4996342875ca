"""A beginning that many rows share: one copy of its keys and values, attended by all rows together.

An attention of its own, registered with transformers. Without a shared beginning it is transformers' SDPA, so a model keeps
it all the time. Shapes: B rows, S new tokens, P tokens of the beginning, T own tokens so far, H key-value heads, G query
heads for each of them, D head size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "rung_shared_prefix"
# The kernel beneath scaled_dot_product_attention on a CPU; asked directly because it also returns the log-sum-exp by which
# two parts of one attention are joined. A torch without it gets the beginning copied to each row while prompts are read.
_FLASH: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
_HIDDEN = (
    -1e4
)  # added to hidden scores instead of minus infinity, so that a row of padding alone gives numbers, not NaN


@dataclass(frozen=True)
class Prefix:
    """Tokens with their keys and values in each layer, both (1, H, P, D)."""

    tokens: tuple[int, ...] = ()
    keys: tuple[Tensor, ...] = ()
    values: tuple[Tensor, ...] = ()

    def first(self, count: int) -> Prefix:
        """Return the first `count` tokens of this prefix: a view, nothing is computed."""
        keys = tuple(k[:, :, :count] for k in self.keys)
        return Prefix(self.tokens[:count], keys, tuple(v[:, :, :count] for v in self.values))

    def with_more(self, tokens: tuple[int, ...], cache: DynamicCache) -> Prefix:
        """Return this prefix with the tokens that were read after it into a cache of one row."""
        keys, values = tuple(x.keys for x in cache.layers), tuple(x.values for x in cache.layers)
        if self.tokens:
            keys = tuple(torch.cat(pair, 2) for pair in zip(self.keys, keys, strict=True))
            values = tuple(torch.cat(pair, 2) for pair in zip(self.values, values, strict=True))
        return Prefix((*self.tokens, *tokens), keys, values)


_NOW: ContextVar[Prefix | None] = ContextVar("the beginning of the examples that are computed", default=None)


@contextmanager
def after(prefix: Prefix | None) -> Iterator[None]:
    """Let all attention inside see the prefix before each row's own tokens."""
    token = _NOW.set(prefix if prefix is not None and prefix.tokens else None)
    try:
        yield
    finally:
        _NOW.reset(token)


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of rows' own tokens; grows in steps, so that a new token does not copy all earlier ones."""

    ROOM = 32  # tokens
    keys: Any
    values: Any

    def __init__(self) -> None:
        super().__init__()
        self._room: tuple[Tensor, Tensor] | None = None
        self._seen: Tensor | None = None  # the view of the room that `keys` was when the room was written last

    def update(self, key_states: Tensor, value_states: Tensor, *more: Any, **named: Any) -> tuple[Tensor, Tensor]:
        """Append (B, H, S, D) and return all keys and values so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        held = self.get_seq_length()
        end = held + key_states.shape[2]
        if self._room is None or self.keys is not self._seen or end > self._room[0].shape[2]:
            rows, heads, _, size = key_states.shape
            wide = key_states.new_zeros((rows, heads, end + self.ROOM, size))
            deep = value_states.new_zeros((rows, heads, end + self.ROOM, value_states.shape[3]))
            if held:
                wide[:, :, :held], deep[:, :, :held] = self.keys, self.values
            self._room = wide, deep
        self._room[0][:, :, held:end] = key_states
        self._room[1][:, :, held:end] = value_states
        self.keys = self._seen = self._room[0][:, :, :end]
        self.values = self._room[1][:, :, :end]
        return self.keys, self.values


def growing(config: Any) -> DynamicCache:
    """Return an empty cache whose layers grow in steps, for a model that keeps the keys of all tokens."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() for _ in cache.layers]
    return cache


def installed(model: Any) -> bool:
    """Give a transformers model this attention if it has SDPA, and return whether it computes the same with it."""
    if model.config._attn_implementation != "sdpa":
        return False
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation == NAME and _agrees(model):
        return True
    model.set_attn_implementation("sdpa")
    return False


@torch.inference_mode()
def _agrees(model: Any) -> bool:
    """Compare a few rows behind a beginning with the same rows whole, in reading and in answering."""
    vocabulary = model.config.get_text_config().vocab_size
    ids = (torch.arange(40) * 37 + 11) % vocabulary
    start, tails, more = ids[:20], (ids[20:26], ids[26:29]), ids[30:31]
    here = model.device
    cache = growing(model.config)
    model(input_ids=start[None].to(here), past_key_values=cache, use_cache=True)
    prefix = Prefix().with_more(tuple(start.tolist()), cache)
    rows = torch.stack([torch.cat((ids[:0].new_zeros(6 - len(t)), t)) for t in tails]).to(here)
    mask = torch.tensor([[0] * (6 - len(t)) + [1] * len(t) for t in tails], device=here)
    cache, found = growing(model.config), list[Tensor]()
    for new in (rows, more.expand(2, 1).to(here)):
        if found:
            mask = torch.cat((mask, mask.new_ones(2, 1)), 1)
        places = (20 + mask.cumsum(1) - 1)[:, -new.shape[1] :]
        with after(prefix):
            out = model(input_ids=new, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
        found.append(out.logits[:, -1].float())
    for row, tail in enumerate(tails):
        whole = model(input_ids=torch.cat((start, tail, more))[None].to(here)).logits[0].float()
        for got, expected in ((found[0][row], whole[-2]), (found[1][row], whole[-1])):
            tolerance = 1e-3 if model.dtype == torch.float32 else 5e-2
            if not bool((got - expected).abs().max() <= tolerance * expected.abs().max()):
                return False
    return True


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Return (B, S, H*G, D): new tokens attend to the beginning and to their row's tokens up to themselves."""
    prefix = _NOW.get()
    if prefix is None:
        plain: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **more
        )
        return plain
    first = prefix.keys[module.layer_idx], prefix.values[module.layer_idx]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if query.shape[2] == 1:
        return _answering(query * scale, key, value, attention_mask, first), None
    if query.device.type == "cpu" and _FLASH is not None:
        return _reading(query, key, value, attention_mask, first, scale), None
    rows, new, split = query.shape[0], query.shape[2], first[0].shape[2]
    if attention_mask is None:
        mask = torch.ones((new, split + key.shape[2]), dtype=torch.bool, device=query.device).tril(
            split + key.shape[2] - new
        )[None, None]
    else:
        seen = attention_mask.new_zeros((*attention_mask.shape[:3], split))
        mask = torch.cat((seen.logical_not() if seen.dtype == torch.bool else seen, attention_mask), -1)
    both = (torch.cat((part.expand(rows, -1, -1, -1), own), 2) for part, own in zip(first, (key, value), strict=True))
    copied: tuple[Tensor, None] = sdpa_attention_forward(module, query, *both, mask, scaling=scaling, **more)
    return copied


def _reading(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, first: tuple[Tensor, Tensor], scale: float
) -> Tensor:
    """Attend from many tokens a row: to the beginning from all rows in one product, to the row, then join the two."""
    rows, heads, new, size = query.shape
    wide = heads // key.shape[1]
    key, value = repeat_kv(key, wide), repeat_kv(value, wide)
    hidden = None if mask is None else _added(mask, query.dtype)
    own, own_size = _FLASH(query, key, value, 0.0, mask is None, attn_mask=hidden, scale=scale)
    flat = query.transpose(0, 1).reshape(1, heads, rows * new, size)
    far, far_size = _FLASH(flat, repeat_kv(first[0], wide), repeat_kv(first[1], wide), scale=scale)
    far = far.view(heads, rows, new, -1).transpose(0, 1)
    weight = torch.sigmoid(own_size - far_size.view(heads, rows, new).transpose(0, 1)).unsqueeze(-1)
    return torch.lerp(far, own, weight.to(own.dtype)).transpose(1, 2).contiguous()


def _answering(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, first: tuple[Tensor, Tensor]) -> Tensor:
    """Attend from one token a row, which is all that answering does; `query` is scaled already."""
    rows, heads, _, size = query.shape
    groups, split = key.shape[1], first[0].shape[2]
    query = query.reshape(rows, groups, -1, size)
    by_head = query.transpose(0, 1).reshape(groups, -1, size)
    far = torch.bmm(by_head, first[0][0].transpose(1, 2)).view(groups, rows, -1, split).transpose(0, 1)
    own = torch.matmul(query, key.transpose(2, 3))
    if mask is not None:
        own = own + _added(mask, own.dtype)
    weights = torch.cat((far, own), -1).softmax(-1, dtype=torch.float32).to(value.dtype)
    by_head = weights[..., :split].transpose(0, 1).reshape(groups, -1, split)
    over = torch.bmm(by_head, first[1][0]).view(groups, rows, heads // groups, -1).transpose(0, 1)
    mixed = over + torch.matmul(weights[..., split:], value)
    return mixed.reshape(rows, 1, heads, -1)


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask as what is added to scores, whichever way transformers made it."""
    if mask.dtype == torch.bool:
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, _HIDDEN)
    return mask.to(dtype).clamp_min(_HIDDEN)


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
