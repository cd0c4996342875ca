"""A Llama forward pass over a prefix that all rows share: weights, key-value memory, rotary positions.

Same arithmetic as `transformers.LlamaForCausalLM` (a test compares the logits), without its import of several
CPU-seconds. Shapes: B rows, S new tokens, P prefix tokens, T own tokens so far, H key-value heads, G query heads for
each of them, D head size, d model size. The prefix is attended by all rows in one product and never copied to each of
them; its part and the rows' own part of the attention are joined through their log-sum-exp.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads cost 30-fold on busy cores

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, rms_norm, silu

# The kernel beneath scaled_dot_product_attention on a CPU; asked directly because it also returns the log-sum-exp by
# which two parts of one attention are joined. torch is pinned for that reason, and a test compares the logits.
_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

_BLOCK = 512  # tokens whose feed-forward is computed at once: its middle stays in the processor's cache


@dataclass(frozen=True)
class Layer:
    """Weights of one block; q, k, v in one matrix, gate and up in another: fewer and larger products."""

    norm1: Tensor
    qkv: Tensor
    out: Tensor
    norm2: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True)
class Prefix:
    """Tokens with their keys and values in each layer, both (H, P, D)."""

    tokens: tuple[int, ...]
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    def first(self, count: int) -> Prefix:
        """Return the first `count` tokens of this prefix: a view, nothing is computed."""
        keys = tuple(k[:, :count] for k in self.keys)
        return Prefix(self.tokens[:count], keys, tuple(v[:, :count] for v in self.values))


class Rows:
    """The own tokens of B rows after the prefix: keys and values (B, H, capacity, D), and how long each row is.

    Rows are right-padded to `width` before the first answer token; answers follow from column `width` on. The one
    mutable thing here: it grows in place while a batch decodes and shrinks when rows are finished.
    """

    GROW = 32  # columns by which the memory grows; room for whole answers would take too much of it

    def __init__(self, lengths: Tensor, width: int) -> None:
        """`lengths` (B,): own tokens of each row, at most `width`."""
        self.lengths = lengths
        self.width = width
        self.made = 0
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Take a layer's first keys and values (B, H, width, D)."""
        empty = keys.new_zeros((*keys.shape[:2], self.GROW, keys.shape[3]))
        self.keys.append(torch.cat((keys, empty), 2))
        self.values.append(torch.cat((values, empty), 2))

    def reserve(self) -> None:
        """Make room for one more token a row."""
        if self.width + self.made == self.keys[0].shape[2]:
            rows, heads, _, size = self.keys[0].shape
            empty = self.keys[0].new_zeros((rows, heads, self.GROW, size))
            self.keys = [torch.cat((k, empty), 2) for k in self.keys]
            self.values = [torch.cat((v, empty), 2) for v in self.values]

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only."""
        self.lengths = self.lengths[rows]
        self.keys = [k[rows] for k in self.keys]
        self.values = [v[rows] for v in self.values]


class Llama:
    """A Llama of the `default` rotary kind without biases, in memory, ready for greedy decoding."""

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor], dtype: torch.dtype) -> None:
        """Raises KeyError for a missing tensor and ValueError for a configuration that this pass does not know."""
        rope = config.get("rope_parameters") or {}
        if config.get("model_type") != "llama" or config.get("attention_bias") or config.get("mlp_bias"):
            raise ValueError("not a Llama without biases")
        if rope.get("rope_type", "default") != "default" or config.get("rope_scaling"):
            raise ValueError("rotary scaling is not supported")
        self.context = int(config["max_position_embeddings"])
        self.eps = float(config["rms_norm_eps"])
        self.query_heads = int(config["num_attention_heads"])
        self.heads = int(config.get("num_key_value_heads") or self.query_heads)
        self.size = int(config.get("head_dim") or config["hidden_size"] // self.query_heads)
        take = {name.removeprefix("model."): tensor.to(dtype) for name, tensor in tensors.items()}
        self.embedding = take["embed_tokens.weight"]
        self.norm = take["norm.weight"]
        self.head = self.embedding if config.get("tie_word_embeddings") else take["lm_head.weight"]
        self.layers = tuple(_layer(take, i) for i in range(int(config["num_hidden_layers"])))
        theta = float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)
        inverse = 1.0 / theta ** (torch.arange(0, self.size, 2, dtype=torch.int64).float() / self.size)
        angles = torch.outer(torch.arange(self.context).float(), inverse)
        self.cos = torch.cat((angles, angles), -1).cos().to(dtype)
        self.sin = torch.cat((-angles, angles), -1).sin().to(dtype)  # the first half's minus is that of the rotation

    def prefix(self, tokens: Sequence[int], known: Prefix | None = None) -> Prefix:
        """Return keys and values of the tokens; `known` holds those of their beginning."""
        done = len(known.tokens) if known else 0
        if known and done == len(tokens):
            return known
        x = self.embedding[torch.tensor(tokens[done:])].unsqueeze(0)
        cos, sin = self.cos[done : len(tokens)].unsqueeze(1), self.sin[done : len(tokens)].unsqueeze(1)
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            q, k, v = self._project(layer, x, cos, sin)
            keys.append(torch.cat((known.keys[i], k[0]), 1) if known else k[0])
            values.append(torch.cat((known.values[i], v[0]), 1) if known else v[0])
            if i + 1 < len(self.layers):  # of the last layer only keys and values are wanted
                x = self._finish(layer, x, self._attend_all(q, k, v, known, i))
        return Prefix(tuple(tokens), tuple(keys), tuple(values))

    def start(self, prefix: Prefix, tokens: Tensor, rows: Rows) -> Tensor:
        """Read the rows' own tokens (B, width, right-padded) into `rows`; return logits (B, V) after each row's last."""
        done, width = len(prefix.tokens), tokens.shape[1]
        # A row may be shorter than the widest one; past the context only its padding can lie.
        places = torch.arange(done, done + width).clamp_max_(self.context - 1)
        cos, sin = self.cos[places].unsqueeze(1), self.sin[places].unsqueeze(1)
        x = self.embedding[tokens]
        every, last = torch.arange(len(x)), rows.lengths - 1
        after = torch.arange(width) > last[:, None]
        for i, layer in enumerate(self.layers):
            q, k, v = self._project(layer, x, cos, sin)
            rows.append(k, v)
            if i + 1 < len(self.layers):
                x = self._finish(layer, x, self._attend_all(q, k, v, prefix, i))
            else:  # above the last keys and values only the last token of each row goes on
                x, q = x[every, last].unsqueeze(1), q[every, :, last].unsqueeze(2)
                x = self._finish(layer, x, self._attend_one(q, prefix, rows, i, width, _bias(after, x.dtype)))
        return self._logits(x[:, 0])

    def step(self, prefix: Prefix, tokens: Tensor, rows: Rows) -> Tensor:
        """Append one token (B,) to each row and return the logits (B, V) after it."""
        rows.reserve()
        column = rows.width + rows.made
        places = len(prefix.tokens) + rows.lengths + rows.made
        cos, sin = self.cos[places][:, None, None], self.sin[places][:, None, None]
        own = torch.arange(column + 1)
        gap = (own >= rows.lengths[:, None]) & (own < rows.width)
        bias = _bias(gap, self.embedding.dtype)
        x = self.embedding[tokens].unsqueeze(1)
        for i, layer in enumerate(self.layers):
            q, k, v = self._project(layer, x, cos, sin)
            rows.keys[i][:, :, column] = k[:, :, 0]
            rows.values[i][:, :, column] = v[:, :, 0]
            x = self._finish(layer, x, self._attend_one(q, prefix, rows, i, column + 1, bias))
        rows.made += 1
        return self._logits(x[:, 0])

    def _logits(self, x: Tensor) -> Tensor:
        logits: Tensor = linear(rms_norm(x, self.norm.shape, self.norm, self.eps), self.head)
        return logits

    def _project(self, layer: Layer, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return rotated queries (B, H*G, S, D), rotated keys and values (B, H, S, D)."""
        rows, new, _ = x.shape
        split = linear(rms_norm(x, layer.norm1.shape, layer.norm1, self.eps), layer.qkv)
        split = split.view(rows, new, self.query_heads + 2 * self.heads, self.size)
        turning = self.query_heads + self.heads
        turned = split[:, :, :turning]
        turned = (turned * cos + turned.roll(self.size // 2, -1) * sin).transpose(1, 2)
        return turned[:, : self.query_heads], turned[:, self.query_heads :], split[:, :, turning:].transpose(1, 2)

    def _attend_all(self, q: Tensor, k: Tensor, v: Tensor, prefix: Prefix | None, i: int) -> Tensor:
        """Return (B, S, H*G*D): each new token attends to the prefix and to its row's tokens up to itself."""
        wide = self.query_heads // self.heads
        if wide > 1:
            k, v = k.repeat_interleave(wide, 1), v.repeat_interleave(wide, 1)
        own, own_size = _flash(q, k, v, 0.0, True)
        if prefix is None:
            alone: Tensor = own.transpose(1, 2).flatten(2)
            return alone
        rows, heads, new, size = q.shape
        flat = q.transpose(0, 1).reshape(1, heads, rows * new, size)
        keys, values = prefix.keys[i].unsqueeze(0), prefix.values[i].unsqueeze(0)
        if wide > 1:
            keys, values = keys.repeat_interleave(wide, 1), values.repeat_interleave(wide, 1)
        shared, shared_size = _flash(flat, keys, values)
        shared = shared.view(heads, rows, new, size).transpose(0, 1)
        weight = torch.sigmoid(own_size - shared_size.view(heads, rows, new).transpose(0, 1)).unsqueeze(-1)
        return torch.lerp(shared, own, weight.to(own.dtype)).transpose(1, 2).flatten(2)

    def _attend_one(self, q: Tensor, prefix: Prefix, rows: Rows, i: int, end: int, bias: Tensor) -> Tensor:
        """Return (B, 1, H*G*D): the newest token of each row attends to the prefix and to its row's tokens."""
        count, split = len(q), len(prefix.tokens)
        q = q.reshape(count, self.heads, -1, self.size) * self.size**-0.5
        by_head = q.transpose(0, 1).reshape(self.heads, -1, self.size)
        shared = torch.bmm(by_head, prefix.keys[i].transpose(1, 2)).view(self.heads, count, -1, split).transpose(0, 1)
        own = torch.matmul(q, rows.keys[i][:, :, :end].transpose(2, 3)) + bias
        weights = torch.cat((shared, own), -1).softmax(-1)
        by_head = weights[..., :split].transpose(0, 1).reshape(self.heads, -1, split)
        over = torch.bmm(by_head, prefix.values[i]).view(self.heads, count, -1, self.size).transpose(0, 1)
        return (over + torch.matmul(weights[..., split:], rows.values[i][:, :, :end])).reshape(count, 1, -1)

    def _finish(self, layer: Layer, x: Tensor, mixed: Tensor) -> Tensor:
        """Add attention and feed-forward to the stream (B, S, d)."""
        if x.shape[0] * x.shape[1] <= _BLOCK:
            return self._feed(layer, x + linear(mixed, layer.out))
        flat, mixed = x.flatten(0, 1), mixed.flatten(0, 1)
        blocks = [slice(start, start + _BLOCK) for start in range(0, len(flat), _BLOCK)]
        return torch.cat([self._feed(layer, flat[b] + linear(mixed[b], layer.out)) for b in blocks]).view(x.shape)

    def _feed(self, layer: Layer, x: Tensor) -> Tensor:
        gate, up = linear(rms_norm(x, layer.norm2.shape, layer.norm2, self.eps), layer.gate_up).chunk(2, -1)
        return x + linear(silu(gate).mul_(up), layer.down)


def _bias(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    """Return (B, 1, 1, T): minus infinity where a row's column is hidden, else 0."""
    return torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf"))[:, None, None]


def _layer(take: Mapping[str, Tensor], i: int) -> Layer:
    at = f"layers.{i}."
    qkv = torch.cat([take[f"{at}self_attn.{name}_proj.weight"] for name in "qkv"])
    gate_up = torch.cat([take[f"{at}mlp.gate_proj.weight"], take[f"{at}mlp.up_proj.weight"]])
    return Layer(
        take[f"{at}input_layernorm.weight"],
        qkv,
        take[f"{at}self_attn.o_proj.weight"],
        take[f"{at}post_attention_layernorm.weight"],
        gate_up,
        take[f"{at}mlp.down_proj.weight"],
    )
