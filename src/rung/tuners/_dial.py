"""A dial for tuned weights: how much of the change is kept, swept after training without tuning anew.

Between base and tuned weights lies a line (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv
2109.01903); an adapter's alpha moves along it without touching the base.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rung.errors import TuningError
from rung.types import Base

ADAPTER = "adapter_config.json"


def scale(base: Base, weights: Path, out: Path, share: float) -> None:
    """Copy the folder `weights` to `out` with its change of the base multiplied by `share` in (0, 1)."""
    if not 0.0 < share < 1.0:
        raise ValueError(f"the share of the change is {share}; it must lie between 0 and 1")
    shutil.copytree(weights, out, dirs_exist_ok=True)
    if (weights / ADAPTER).is_file():
        config = json.loads((weights / ADAPTER).read_text(encoding="utf-8"))
        config["lora_alpha"] = share * config["lora_alpha"]
        (out / ADAPTER).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return
    tuned = load_file(weights / "model.safetensors")
    before = AutoModelForCausalLM.from_pretrained(base.weights, revision=base.revision, dtype="float32").state_dict()
    missing = [name for name in tuned if name not in before]
    if missing:
        raise TuningError(f"{base.name} has no weights called {missing[0]!r}: these were tuned on another model")
    mixed = {n: (before[n] + share * (w.float() - before[n])).to(w.dtype).contiguous() for n, w in tuned.items()}
    save_file(mixed, out / "model.safetensors", metadata={"format": "pt"})
