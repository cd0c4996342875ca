"""A run's state and its weights on disk: safetensors and JSON, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rung.store.folder import part_of

COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "special_tokens_map.json",
)


def save_state(
    folder: Path, parts: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, place: Mapping[str, Any]
) -> None:
    """Write tuned parts, the optimizer's moments, random state and place; the former state stays until this is whole."""
    new, old = part_of(folder), folder.with_name(".state.old")
    new.mkdir(parents=True, mode=0o700)
    try:
        _fill(new, parts, optimizer, place)
        _take_away(old)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _take_away(old)


def _take_away(place: Path) -> None:
    """Remove what stands at a name of ours, were it a link or a file."""
    if place.is_symlink() or place.is_file():
        place.unlink()
    else:
        shutil.rmtree(place, ignore_errors=True)


def _fill(new: Path, parts: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, place: Mapping[str, Any]) -> None:
    save_file({n: p.detach().cpu().contiguous() for n, p in parts.items()}, new / "parts.safetensors")
    moments = {
        f"{name}/{key}": torch.as_tensor(value).detach().cpu().clone().contiguous()
        for name, part in parts.items()
        for key, value in optimizer.state.get(part, {}).items()
    }
    chance = {"random/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        chance |= {f"random/cuda/{i}": state.cpu() for i, state in enumerate(torch.cuda.get_rng_state_all())}
    save_file(moments | chance, new / "optimizer.safetensors")
    (new / "state.json").write_text(json.dumps(dict(place), indent=1) + "\n", encoding="utf-8")


def load_state(
    folder: Path, parts: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, device: torch.device
) -> dict[str, Any] | None:
    """Read what `save_state` wrote and return the place; None where there is nothing (or it was written for another recipe)."""
    if not (folder / "state.json").is_file():
        before = folder.with_name(".state.old")  # killed between two renames
        if not (before / "state.json").is_file():
            return None
        before.rename(folder)
    weights = load_file(folder / "parts.safetensors")
    if set(weights) != set(parts):
        return None
    with torch.no_grad():
        for name, part in parts.items():
            part.copy_(weights[name].to(device))
    moments = load_file(folder / "optimizer.safetensors")
    for name, part in parts.items():
        prefix = name + "/"
        entry = {k.removeprefix(prefix): v for k, v in moments.items() if k.startswith(prefix)}
        if entry:
            optimizer.state[part] = {k: v if k == "step" else v.to(device) for k, v in entry.items()}
    torch.set_rng_state(moments["random/cpu"])
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        if f"random/cuda/{i}" in moments:
            torch.cuda.set_rng_state(moments[f"random/cuda/{i}"], i)
    return dict(json.loads((folder / "state.json").read_text(encoding="utf-8")))


def write_adapter(model: Any, folder: Path, base_name: str) -> None:
    """Write the adapter as PEFT does, without the paths of this machine."""
    model.save_pretrained(str(folder), safe_serialization=True)
    for extra in folder.glob("README.md"):
        extra.unlink()
    place = folder / "adapter_config.json"
    config = json.loads(place.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_name
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()  # a set: its order is of no meaning and differs between processes
    place.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_model(model: Any, tokenizer: Any, source: str, folder: Path) -> None:
    """Write a whole model with its tokenizer; a folder's own tokenizer files are copied as they are."""
    model.save_pretrained(str(folder))
    if Path(source).is_dir():
        for name in COPIED:
            if (Path(source) / name).is_file():
                shutil.copyfile(Path(source) / name, folder / name)
    else:
        tokenizer.save_pretrained(str(folder))
    place = folder / "config.json"
    config = json.loads(place.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    place.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
