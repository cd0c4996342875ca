"""A model's weights in memory once for all who use them: the base that answers, tuned adapters on it, and the one that is tuned beside them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from transformers import AutoModelForCausalLM

_LOADED: WeakValueDictionary[tuple[object, ...], Any] = WeakValueDictionary()
_FILES = ("*.safetensors", "config.json")


def base_model(source: str, revision: str | None, dtype: torch.dtype, device: torch.device) -> Any:
    """Return a model whose modules are its own and whose parameters are those of every other one of this source, dtype and device.

    Nobody may change the parameters: adapters come beside them. They are freed with the last model that has them. Code that comes with
    weights is never run. Raises whatever transformers raises.
    """
    key = (source, revision, dtype, device, *_state(Path(source)))
    loaded = _LOADED.get(key)
    if loaded is None:
        loaded = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, use_safetensors=True, trust_remote_code=False, revision=revision
        ).to(device)
        _LOADED[key] = loaded
    own = copy.deepcopy(loaded, {id(p): p for p in loaded.parameters()})
    own.__dict__["rung_loaded"] = loaded  # alive as long as this one; not a module of it
    return own


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """Return what tells that the files of a folder are others now; nothing for a name on the Hub."""
    files = sorted(path for pattern in _FILES for path in folder.glob(pattern)) if folder.is_dir() else []
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
