"""A plain Llama: RMSNorm, rotary attention, SwiGLU, tied embeddings.  Its weights load into transformers' LlamaForCausalLM."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPSILON = 1e-5
SHORT = 320
"""Documents of at most so many positions are attended to by plain products on a CPU."""
EMBEDDING_SPREAD = 0.1
"""Standard deviation of new embeddings: as they are also the output weights, smaller ones cannot tell tokens apart at first."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a model.  `width` must be a multiple of `heads`; each head has width / heads channels, an even number."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    context: int = 2048
    theta: float = 1e6

    @property
    def head(self) -> int:
        """Channels of one head."""
        return self.width // self.heads


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (i, i + head/2) of channels by the angle of its position (Su et al. 2021, arXiv 2104.09864, in Llama's order)."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Mix the values of (documents, heads, positions, channels) by causal attention.

    On a CPU the fused kernel of PyTorch takes up to four times as long as two plain products where documents are short (128
    positions: 41 against 11 ms), and less from about 400 positions on.
    """
    positions = q.shape[2]
    if q.device.type != "cpu" or positions > SHORT:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    future = torch.full((positions, positions), -torch.inf, dtype=q.dtype).triu(1)
    scores = torch.baddbmm(future, q.flatten(0, 1), k.flatten(0, 1).mT, alpha=q.shape[3] ** -0.5)
    return (scores.softmax(-1) @ v.flatten(0, 1)).view_as(v)


class Attention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.head = shape.heads, shape.head
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(shape.width, shape.width, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (documents, positions, width) to the same shape."""
        rows, positions, width = x.shape
        joined = torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight])
        q, k, v = (
            t.view(rows, positions, self.heads, self.head).transpose(1, 2) for t in F.linear(x, joined).chunk(3, -1)
        )
        mixed = attend(rotate(q, cos, sin), rotate(k, cos, sin), v)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(rows, positions, width))
        return out


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        gate, up = F.linear(x, torch.cat([self.gate_proj.weight, self.up_proj.weight])).chunk(2, -1)
        out: Tensor = self.down_proj(F.silu(gate) * up)
        return out


class Block(nn.Module):
    """Attention, then feed-forward, each on a normed copy of the stream and added to it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn, self.mlp = Attention(shape), FeedForward(shape)
        self.input_layernorm = nn.RMSNorm(shape.width, NORM_EPSILON)
        self.post_attention_layernorm = nn.RMSNorm(shape.width, NORM_EPSILON)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (documents, positions, width) to the same shape."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Llama(nn.Module):
    """The model; parameter names are those of transformers without the prefix 'model.'."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, NORM_EPSILON)
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                # branches that write into the stream start smaller, so that the stream's size does not grow with depth (GPT-2)
                writes = name.endswith(("o_proj.weight", "down_proj.weight"))
                with torch.no_grad():
                    spread = EMBEDDING_SPREAD if name.startswith("embed") else 0.02
                    parameter.normal_(
                        0.0, spread / math.sqrt(2 * shape.layers) if writes else spread, generator=generator
                    )

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids (documents, positions) to normed states (documents, positions, width)."""
        half = torch.arange(0, self.shape.head, 2, device=ids.device) / self.shape.head
        angles = torch.arange(ids.shape[1], device=ids.device)[:, None] * self.shape.theta ** -half[None]
        angles = torch.cat([angles, angles], -1)
        x: Tensor = self.embed_tokens(ids)
        kind = ids.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
        for block in self.layers:
            x = block(x, cos, sin)
        out: Tensor = self.norm(x)
        return out

    def loss(self, ids: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weighted next-token loss (nats), and the mean loss and accuracy of tokens of weight 1 (nan without any)."""
        states = self(ids)[:, :-1].reshape(-1, self.shape.width)
        targets, weights = ids[:, 1:].reshape(-1), weights[:, 1:].reshape(-1)
        chosen = weights > 0
        states, targets, weights = states[chosen], targets[chosen], weights[chosen]
        logits = F.linear(states, self.embed_tokens.weight).float()
        each = F.cross_entropy(logits, targets, reduction="none")
        with torch.no_grad():
            answers = weights == 1
            answer_loss, hits = each[answers].mean(), (logits[answers].argmax(-1) == targets[answers]).float().mean()
        return (each * weights).sum() / weights.sum().clamp_min(1e-6), answer_loss, hits


@torch.no_grad()
def start_with_copying(model: Llama, seed: int = 0, sharpness: float = 1.6) -> None:
    """Set the first three layers to a working induction circuit: "what followed this token last time?" (Olsson et al. 2022, arXiv 2209.11895).

    Left alone, such a circuit takes far more tokens to appear than a small model is trained on.  Nothing is frozen: training may change all.

    - Every embedding gets the same component along one direction, so that queries and keys of layer 0 can depend on position alone.
    - Layer 0, heads 0 and 1 attend to the position before: with the query u and the key turned by one step, the rotary product peaks at
      distance 1.  They read the previous token through a head-wide window V and write it into a window B of the stream.
    - Layers 1 and 2, together `heads` many heads: query = this token seen through V, key = the token before seen through B, on slowly turning
      channels only, so that distance does not matter.  Each copies its own slice of the stream; all slices together are the whole stream.
    """
    shape, width, head = model.shape, model.shape.width, model.shape.head
    half = head // 2
    generator = torch.Generator().manual_seed(seed)

    def rotation() -> Tensor:
        square: Tensor = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
        return square

    embedding = model.embed_tokens.weight
    common = rotation()[:, 0]
    embedding.sub_(embedding @ common[:, None] * common[None])
    length = embedding.norm(dim=1).mean()
    embedding.add_(0.5 * length * common)
    common_after_norm = 0.447 * width**0.5  # 0.5 / sqrt(1 + 0.25) of the normed length sqrt(width)

    speed = shape.theta ** (-torch.arange(0, head, 2) / head)
    fast = [i for i in range(half) if speed[i] > 0.1][:3]
    slow = [i for i in range(half) if speed[i] < 0.012]
    still = slow + [i + half for i in slow]

    first = _attention(model, 0)
    read, write = rotation(), rotation()
    windows = list[tuple[Tensor, Tensor]]()
    for number in (0, 1):
        rows = slice(number * head, (number + 1) * head)
        query, key = torch.zeros(head), torch.zeros(head)
        for i in fast:
            query[i], key[i], key[i + half] = 1.0, math.cos(speed[i]), math.sin(speed[i])
        scale = (8 * head**0.5) ** 0.5 / common_after_norm
        first.q_proj.weight[rows] = scale * query[:, None] * common
        first.k_proj.weight[rows] = scale * key[:, None] * common
        v, b = read[:, rows].T, write[:, rows]
        first.v_proj.weight[rows] = v
        first.o_proj.weight[:, rows] = b * length / (len(still) / head) ** 0.5 / width**0.5
        windows.append((v, b))

    slices = rotation()
    for number in range(shape.heads):
        layer, place = (1, number) if number < shape.heads // 2 else (2, number - shape.heads // 2)
        attention, rows = _attention(model, layer), slice(place * head, (place + 1) * head)
        v, b = windows[number % 2]
        query, key = torch.zeros(head, width), torch.zeros(head, width)
        query[still], key[still] = v[still], b.T[still]
        attention.q_proj.weight[rows] = 1.5 * sharpness * query
        attention.k_proj.weight[rows] = 1.5 * sharpness * key
        part = slices[:, number * head : (number + 1) * head]
        attention.v_proj.weight[rows] = part.T
        attention.o_proj.weight[:, rows] = 12 * length / width**0.5 * part


def _attention(model: Llama, layer: int) -> Attention:
    block = model.layers[layer]
    assert isinstance(block, Block)
    return block.self_attn
