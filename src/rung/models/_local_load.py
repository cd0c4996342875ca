"""Load a transformers model and its tokenizer, and say in one paragraph what is wrong with those that cannot be used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging as transformers_logging

from rung.base_weights import base_model
from rung.chat_templates import REFUSED, Chats, end_of_turn
from rung.errors import ModelError
from rung.foreign import foreign
from rung.plugins import require
from rung.types import Message

if TYPE_CHECKING:
    from rung.models.local import Local

GIB = 2.0**30
_LONGEST_WINDOW = 10_000_000  # tokenizers without a window name an astronomical one


@dataclass(frozen=True)
class Loaded:
    """A model ready to answer. `base` is the model below an adapter; `context` in tokens, None where unknown."""

    tokenizer: Any
    model: Any
    base: Any
    device: torch.device
    ends: frozenset[int]
    context: int | None


def load(settings: Local) -> Loaded:
    """Load tokenizer, weights and adapter. Raises ModelError, cheap checks first."""
    transformers_logging.disable_progress_bar()
    source = settings.folder or settings.name
    device = _device(settings)
    where: dict[str, Any] = {} if settings.folder else {"revision": settings.revision}
    with foreign(lambda error: _unloadable(settings, error)):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **where)
        own = settings.adapter if settings.adapter and _has_tokenizer(settings.adapter) else None
        tokenizer = AutoTokenizer.from_pretrained(
            own or source, trust_remote_code=False, **({} if own is not None else where)
        )
        _check_tokenizer(settings, tokenizer)
        dtype = _dtype(settings, config, device)
        _check_memory(settings, dtype, device)
        base = base_model(source, None if settings.folder else settings.revision, dtype, device)
        if settings.adapter is not None:
            model = require("rung.models.local_adapter", "tune").with_adapter(base, settings)
        else:
            model = base
        model = model.to(device).eval()
    return Loaded(tokenizer, model, base, device, _ends(settings, tokenizer, base), _context(config, tokenizer))


def chat_tokens(settings: Local, tokenizer: Any) -> Callable[[Sequence[Message]], tuple[int, ...]]:
    """Return what turns a chat into tokens. It raises ModelError for a chat that the template refuses."""
    chats = Chats(tokenizer, settings.template)

    def tokens(chat: Sequence[Message]) -> tuple[int, ...]:
        try:
            return chats.tokens([m.as_dict() for m in chat])
        except REFUSED as error:
            raise _refused(settings, error) from error

    return tokens


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that memory is used up, on a GPU or off it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _refused(settings: Local, error: Exception) -> ModelError:
    return ModelError(
        f"the chat template of {settings.name} refuses a chat ({_first_line(error)}); system, user and assistant turns as in "
        "task.prompt must be ones that it knows",
        provider="local",
    )


def _device(settings: Local) -> torch.device:
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise ModelError(
            f"{settings.name}: device is cuda, and torch finds no GPU here; write `device: auto`, or install a torch with "
            "CUDA and a driver",
            provider="local",
        )
    return torch.device("cuda" if settings.device != "cpu" and there else "cpu")


def _dtype(settings: Local, config: Any, device: torch.device) -> torch.dtype:
    if settings.dtype == "fastest" and device.type == "cpu" and _multiplies_bfloat16():
        return torch.bfloat16
    if settings.dtype not in ("auto", "fastest"):
        return getattr(torch, settings.dtype)  # type: ignore[no-any-return]
    saved = getattr(config, "dtype", None)
    return torch.float32 if device.type == "cpu" or not isinstance(saved, torch.dtype) else saved


def quicker_in_bfloat16(settings: Local) -> bool:
    """Whether a model runs on a processor, and on one that multiplies bfloat16."""
    return settings.device != "cuda" and not torch.cuda.is_available() and _multiplies_bfloat16()


def _multiplies_bfloat16() -> bool:
    """Whether this processor has products of bfloat16: AVX-512 BF16, or AMX. Where torch cannot tell, it has none."""
    told: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(told.get("avx512_bf16") or told.get("amx_bf16"))


def _has_tokenizer(folder: str) -> bool:
    return (Path(folder) / "tokenizer_config.json").is_file() and (Path(folder) / "tokenizer.json").is_file()


def _check_tokenizer(settings: Local, tokenizer: Any) -> None:
    if not tokenizer.chat_template:
        raise ModelError(
            f"the tokenizer of {settings.name} has no chat template, so it is a base model that follows no instructions; name "
            "its instruction-tuned variant, or put a chat_template.jinja beside its tokenizer",
            provider="local",
        )


def _ends(settings: Local, tokenizer: Any, model: Any) -> frozenset[int]:
    listed: list[Any] = [tokenizer.eos_token_id, end_of_turn(tokenizer, settings.template)]
    for config in (model.config, model.generation_config):
        found = getattr(config, "eos_token_id", None)
        listed += found if isinstance(found, list) else [found]
    ends = frozenset(token for token in listed if isinstance(token, int))
    if not ends:
        raise ModelError(
            f"{settings.name} has no end token, so that no answer would end; set eos_token in its tokenizer_config.json or "
            "eos_token_id in its generation_config.json",
            provider="local",
        )
    return ends


def _context(config: Any, tokenizer: Any) -> int | None:
    window = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(window, int):
        window = tokenizer.model_max_length
    return window if isinstance(window, int) and 0 < window < _LONGEST_WINDOW else None


def _check_memory(settings: Local, dtype: torch.dtype, device: torch.device) -> None:
    """Compare what the weights of a folder will take with what is free."""
    if settings.folder is None:
        return
    stored = sum(_bytes_as(path, dtype) for path in Path(settings.folder).glob("*.safetensors"))
    free = torch.cuda.mem_get_info()[0] if device.type == "cuda" else _free_bytes()
    if free is not None and stored > free:
        shorter = "`dtype: bfloat16`, " if dtype == torch.float32 else ""
        raise ModelError(
            f"{settings.name} needs {stored / GIB:.1f} GiB for its weights in {str(dtype).removeprefix('torch.')}, and "
            f"{free / GIB:.1f} GiB are free; use {shorter}a smaller model, or an endpoint on a larger machine",
            provider="local",
        )


def _bytes_as(path: Path, dtype: torch.dtype) -> int:
    """Return the bytes of a safetensors file's numbers once they have another format, read off its header."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            raise ValueError(f"{path.name} is no safetensors file.")
        header = json.loads(file.read(length))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return sum(torch.Size(shape).numel() for shape in shapes) * dtype.itemsize


def _free_bytes() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    except OSError:
        found = None
    if found is not None:
        return 1024 * int(found)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _unloadable(settings: Local, error: BaseException) -> ModelError:
    """Say what could not be loaded, in our own words."""
    if out_of_memory(error):
        why = "memory is not enough for its weights; use `dtype: bfloat16` or a smaller model"
    elif settings.folder is None:
        why = f"{_first_line(error)} Name a Hub model that is downloaded or can be reached, or give its `folder`"
    else:
        why = f"{_first_line(error)} The folder must hold a language model saved by transformers as safetensors"
    return ModelError(f"{settings.name} cannot be loaded: {why}", provider="local")


def _first_line(error: BaseException) -> str:
    text = " ".join(str(error).split("\n\n")[0].split())
    return (text[:300] or type(error).__name__).rstrip(" .") + "."
