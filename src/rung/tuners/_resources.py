"""What tuning will take, from a model's configuration alone: parameters, tokens, time, memory, disk. No torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
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
ACTIVATION_BYTES = 68  # a token, layer and unit of width, in float32: 34 in 16 bits (Korthikanti et al. 2022, arXiv
# 2205.05198, equation 2, without the attention matrix, which sdpa does not keep)


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
        )
    except (KeyError, TypeError, ValueError):
        return None


def need_of(
    base: Base, shape: Shape | None, trained: int | None, lengths: Sequence[int], epochs: float, batch_tokens: int
) -> TuningNeed:
    """Estimate one run: tokens = rows * length * epochs; FLOPs = 6 N tokens; memory = weights, gradients, AdamW's two
    moments and activations in float32."""
    tokens = round(sum(lengths) * epochs)
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
    speed = GPU_FLOPS if gpu else CPU_FLOPS * cores
    seconds = FLOPS_A_TOKEN * shape.parameters * tokens / speed
    whole = trained >= shape.parameters
    weights = 4 * shape.parameters + (0 if whole else 4 * trained)
    activations = batch_tokens * (shape.layers * shape.width * ACTIVATION_BYTES + 12 * shape.vocabulary)
    memory = RUNTIME_BYTES + weights + 12 * trained + activations
    disk = 3 * 12 * trained + 3 * 4 * trained
    where = "a GPU at 1e14 FLOP/s" if gpu else f"{cores} core{'s' if cores > 1 else ''} at 4e10 FLOP/s each"
    return TuningNeed(tokens, seconds, memory, disk, f"6 N FLOPs a token on {where}")


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
