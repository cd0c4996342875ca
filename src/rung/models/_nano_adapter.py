"""A LoRA adapter, as PEFT saves it, added to the weights that it was tuned on: W + (alpha / rank) B A, in float32.

Hu et al. 2021, arXiv 2106.09685, section 4.1. Written out here because PEFT's import takes seconds and its layers would
slow the engine; a test compares the answers with PEFT's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"


def with_adapter(weights: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Return the weights in float32 with the adapter's changes added.

    Raises ValueError for an adapter of another kind or for another model, KeyError for one that lacks a part.
    """
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    if config.get("peft_type") != "LORA" or config.get("use_dora") or config.get("modules_to_save"):
        raise ValueError(f"adapter {folder.name} is no plain LoRA adapter")
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        raise ValueError(f"adapter {folder.name} has ranks of its own for some layers")
    rank = int(config["r"])
    scale = float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
    changes = load_file(folder / "adapter_model.safetensors")
    found = {name: tensor.float() for name, tensor in weights.items()}
    for name, down in changes.items():
        if not name.endswith(_A):
            if name.endswith(_B):
                continue
            raise ValueError(f"adapter {folder.name} changes {name}, which is no LoRA part")
        target = name.removeprefix(_PREFIX).removesuffix(_A) + ".weight"
        up = changes[name.removesuffix(_A) + _B]
        if target not in found or found[target].shape != (up.shape[0], down.shape[1]):
            raise ValueError(f"adapter {folder.name} was tuned on another model: {target} does not fit")
        found[target] = found[target] + scale * (up.float() @ down.float())
    return found
