"""What tuning will take, from a model's configuration alone: parameters, tokens, time, memory, disk. No torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rung.types import Base, TuningNeed

CPU_FLOPS = (
    4.0e10  # a core in float32, as measured with the bundled model: 4,500 tokens/s of 1.9 M parameters, 6 N each
)
GPU_FLOPS = 1.0e14  # a third of an A100's bf16 peak (312e12; NVIDIA's data sheet): what training loops commonly reach
FLOPS_A_TOKEN = 6  # per parameter: 2 forward, 4 backward (Kaplan et al. 2020, arXiv 2001.08361, section 2.1)
RUNTIME_BYTES = 700_000_000  # torch and transformers themselves, as measured
LOGIT_COPIES = 4  # of a learned place's logits in float32: themselves, their logarithms, and the gradients of both
TAKEN = 1.43  # what is taken of the system for what is kept, measured with SmolLM2-135M (2.21 of 1.54 MB a token): gaps, passing values
IN_BF16 = 0.45  # of what a token takes in float32, where a step is computed in bf16, measured with SmolLM2-135M
SPARED = 0.1  # share of the free memory that tuning leaves
PART_BYTES = 600_000_000  # of a part of a step on a CPU, where a larger one is no quicker
OTHERS = (
    3  # copies of the weights beside those that are tuned whole: the base that answers, and two looks that are open
)
BF16_SPEED = 1.2  # of float32, whole steps of SmolLM2-135M in parts on a processor with AVX-512 BF16
PLAIN_HEADS = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3", "phi3", "olmo2"})
# families whose logits are the head applied to the last states and nothing else: only the learned places need logits


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder, from its config.json."""

    width: int
    layers: int
    hidden: int
    vocabulary: int
    heads: int
    kv_heads: int
    head: int
    tied: bool
    plain_head: bool = True
    bf16: bool = False  # a step on a CPU is computed in bf16

    @cached_property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """Input and output sizes of every linear layer but the head."""
        inner, kv = self.heads * self.head, self.kv_heads * self.head
        block = [(self.width, inner), (self.width, kv), (self.width, kv), (inner, self.width)]
        block += [(self.width, self.hidden), (self.width, self.hidden), (self.hidden, self.width)]
        return tuple(block) * self.layers

    @property
    def parameters(self) -> int:
        embeddings = self.vocabulary * self.width * (1 if self.tied else 2)
        return embeddings + sum(a * b for a, b in self.linears) + self.width * (2 * self.layers + 1)

    @property
    def token_bytes(self) -> int:
        """What the backward pass keeps of one token, without its logits: inputs and outputs of the norms, queries, keys,
        values and what attention makes of them, and the gated layer's four values (the attention matrix is not kept by sdpa)."""
        inner, kv = self.heads * self.head, self.kv_heads * self.head
        return round(
            4
            * self.layers
            * (6 * self.width + 4 * self.hidden + 5 * inner + 2 * kv)
            * TAKEN
            * (IN_BF16 if self.bf16 else 1.0)
        )

    def batch_bytes(self, tokens: int, learned: int) -> int:
        """What a batch of so many tokens takes, `learned` of which have a loss."""
        places = learned if self.plain_head else tokens
        return tokens * self.token_bytes + places * LOGIT_COPIES * 4 * self.vocabulary


def shape_of(base: Base) -> Shape | None:
    """Return the sizes of a base from its folder or the local Hub cache; None where they cannot be found."""
    config = _config(base.weights)
    if config is None:
        return None
    inner = config.get("text_config")
    text: Mapping[str, Any] = inner if isinstance(inner, dict) else config
    try:
        width, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
        return Shape(
            width=width,
            layers=int(text["num_hidden_layers"]),
            hidden=int(text.get("intermediate_size") or 4 * width),
            vocabulary=int(text["vocab_size"]),
            heads=heads,
            kv_heads=int(text.get("num_key_value_heads") or heads),
            head=int(text.get("head_dim") or width // heads),
            tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            plain_head=text.get("model_type", config.get("model_type")) in PLAIN_HEADS,
        )
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Batches:
    """The rows of a run by length: tokens in all, the longest, the most that are learned of one row, and how many make a step."""

    tokens: int
    longest: int
    learned: int
    rows: int
    cap: int  # tokens computed at once at most

    @property
    def wanted(self) -> int:
        """Tokens of the largest part of a step."""
        return max(self.longest, min(self.cap, self.rows * self.longest))

    def learned_in(self, tokens: int) -> int:
        return self.learned * max(1, tokens // max(1, self.longest))


def held_bytes(shape: Shape, trained: int) -> int:
    """What is there before the first batch: torch, the weights, gradients and AdamW's two moments in float32.

    Adapters share their base with the model that answers. Where all weights are tuned, others lie beside them.
    """
    whole = trained >= shape.parameters
    weights = 4 * shape.parameters * (1 + OTHERS if whole else 1) + (2 * shape.parameters if shape.bf16 else 0)
    return RUNTIME_BYTES + weights + (0 if whole else 4 * trained) + 12 * trained


def tokens_at_once(shape: Shape, trained: int, batches: Batches, free: int | None, gpu: bool = False) -> int:
    """Return how many tokens are computed at once: as many as wanted, fewer where memory is short, one row at least.

    The step is the same however it is cut: gradients are summed over its parts.
    """
    wanted = batches.wanted
    rooms = [] if free is None else [(1 - SPARED) * free - held_bytes(shape, trained)]
    if not gpu:
        rooms.append(PART_BYTES)
    if not rooms:
        return wanted
    room = min(rooms)
    a_row = shape.batch_bytes(batches.longest, batches.learned)
    return max(batches.longest, min(wanted, int(room / a_row * batches.longest)))


def need_of(base: Base, shape: Shape | None, trained: int | None, batches: Batches, epochs: float) -> TuningNeed:
    """Estimate one run: FLOPs = 6 N tokens; memory = what is held, and the largest part of a step."""
    tokens = round(batches.tokens * epochs)
    if shape is None or trained is None:
        return TuningNeed(
            tokens,
            None,
            None,
            None,
            f"the configuration of {base.name} is not on this machine yet: time and memory unknown",
        )
    cores = _cores()
    gpu = _gpu()
    speed = GPU_FLOPS if gpu else CPU_FLOPS * cores * (BF16_SPEED if shape.bf16 else 1.0)
    seconds = FLOPS_A_TOKEN * shape.parameters * tokens / speed
    at_once = tokens_at_once(shape, trained, batches, None if gpu else free_memory(), gpu)
    memory = held_bytes(shape, trained) + shape.batch_bytes(at_once, batches.learned_in(at_once))
    disk = 3 * 12 * trained + 3 * 4 * trained
    where = (
        "a GPU at 1e14 FLOP/s" if gpu else f"{cores} core{'s' if cores > 1 else ''} at {speed / cores:.0e} FLOP/s each"
    )
    cut = "" if at_once == batches.wanted else f"; steps are computed in parts of {at_once} tokens, which bounds memory"
    return TuningNeed(tokens, seconds, memory, disk, f"6 N FLOPs a token on {where}{cut}")


def free_memory() -> int | None:
    """Return the bytes that a new process could take on this machine, its container's limit included; None if unknown."""
    found: list[int] = []
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError):
        pass
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        if limit != "max":
            found.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass
    return min(found) if found else None


def gigabytes(amount: float) -> str:
    """Write bytes as people do."""
    if amount < 1e9:
        return f"{max(1, round(amount / 1e6))} MB"
    return f"{amount / 1e9:.1f} GB"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _config(weights: str) -> Mapping[str, Any] | None:
    places = [Path(weights) / "config.json"]
    if not Path(weights).is_dir():
        cache = Path(
            os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub"
        )
        places = sorted(cache.expanduser().glob(f"models--{weights.replace('/', '--')}/snapshots/*/config.json"))
    for place in places:
        try:
            found = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            return found
    return None
