"""A folder of safetensors of the Llama family as one GGUF file. Bytes are copied as they are; nothing is rounded.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Names, the order of rotary weights and the kinds of tokens as in
llama.cpp's convert_hf_to_gguf.py (class LlamaModel). Read on 2026-11.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNED = 32
_HELD = {"F32": ("<f4", 0), "F16": ("<u2", 1), "BF16": ("<u2", 30)}  # of safetensors: how it is read, and ggml's number
_FILE = {"F32": 0, "F16": 1, "BF16": 32}
_NORMAL, _CONTROL, _ADDED, _UNUSED = 1, 3, 4, 5  # kinds of tokens
_OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_INNER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor under its name in GGUF: rows first, as it lies in memory; `kind` is ggml's number."""

    name: str
    data: NDArray[Any]
    kind: int


def why_not(config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> str | None:
    """Say why a model is not written here, from its config.json and tokenizer.json; None: it is."""
    if config.get("architectures") != ["LlamaForCausalLM"]:
        return f"its architecture is {', '.join(map(str, config.get('architectures') or ['unknown']))}, not LlamaForCausalLM"
    if config.get("attention_bias") or config.get("mlp_bias"):
        return "it has biases, which the Llama family has not"
    if _rope(config).get("rope_type", "default") != "default":
        return f"its positions are scaled ({_rope(config)['rope_type']})"
    if tokenizer.get("model", {}).get("type") != "BPE" or pre_tokenizer(tokenizer) is None:
        return "llama.cpp cuts its texts in a way that is not known here"
    return None


def pre_tokenizer(tokenizer: Mapping[str, Any]) -> str | None:
    """Return llama.cpp's name for how texts are cut before merges; None for a way that is not known here."""
    steps = list(_steps(tokenizer.get("pre_tokenizer") or {}))
    kinds = [step["type"] for step in steps]
    single = all(step.get("individual_digits") for step in steps if step["type"] == "Digits")
    ends = all(step.get("pattern") == {"Regex": "\\n"} for step in steps if step["type"] == "Split")
    bytes_last = (
        bool(steps)
        and kinds[-1] == "ByteLevel"
        and not steps[-1].get("add_prefix_space")
        and steps[-1].get("use_regex", True)
    )
    if not bytes_last or not set(kinds) <= {"Digits", "Split", "ByteLevel"} or not (single and ends):
        return None
    return "smollm" if "Digits" in kinds else "gpt-2"


def _steps(held: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if held.get("type") == "Sequence":
        for inner in held.get("pretokenizers", ()):
            yield from _steps(inner)
    elif held.get("type"):
        yield held


def convert(folder: Path, out: Path) -> None:
    """Write the GGUF file of a folder of which `why_not` says nothing. Raises ValueError for a tensor that no Llama has."""
    config, tokenizer = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("config", "tokenizer"))
    tensors, held = read_tensors(folder / "model.safetensors", config)
    template = folder / "chat_template.jinja"
    facts = _facts(config, tokenizer, held, template.read_text("utf-8") if template.is_file() else None)
    write(out, facts, tensors)


def read_tensors(path: Path, config: Mapping[str, Any]) -> tuple[list[Tensor], str]:
    """Return the tensors as llama.cpp wants them, and the number format of the matrices."""
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
    start = 8 + size
    found, formats = [], set()
    tied = bool(config.get("tie_word_embeddings"))
    for name, about in header.items():
        if name == "__metadata__" or (tied and name == "lm_head.weight"):
            continue
        kind, number = _HELD[about["dtype"]]
        begin, end = about["data_offsets"]
        raw = np.memmap(path, np.uint8, "r", start + begin, (end - begin,))
        data: NDArray[Any] = np.asarray(raw).view(kind).reshape(about["shape"])
        if data.ndim == 1:
            data, number = _as_float32(data, about["dtype"]), 0  # llama.cpp wants norms so
        else:
            formats.add(about["dtype"])
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            data = _turned(data, config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"])
        found.append(Tensor(_named(name), np.ascontiguousarray(data), number))
    return found, formats.pop() if len(formats) == 1 else "F32"


def _as_float32(data: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    if dtype == "BF16":
        return (data.astype(np.uint32) << 16).view(np.float32)
    return data.view(np.float16).astype(np.float32) if dtype == "F16" else data.astype(np.float32)


def _turned(data: NDArray[Any], heads: int) -> NDArray[Any]:
    """Return the rows of a rotary projection in llama.cpp's order: pairs beside each other, not in halves."""
    rows = data.shape[0]
    return data.reshape(heads, 2, rows // heads // 2, *data.shape[1:]).swapaxes(1, 2).reshape(data.shape)


def _named(name: str) -> str:
    if name in _OUTER:
        return _OUTER[name]
    _, _, rest = name.partition("model.layers.")
    number, _, inner = rest.partition(".")
    base = inner.removesuffix(".weight")
    if not number.isdecimal() or base not in _INNER:
        raise ValueError(f"the tensor {name!r} is none of the Llama family")
    return f"blk.{number}.{_INNER[base]}.weight"


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config.get("rope_parameters") or config.get("rope_scaling") or {}


def _facts(config: Mapping[str, Any], tokenizer: Mapping[str, Any], held: str, template: str | None) -> dict[str, Any]:
    heads, width = config["num_attention_heads"], config["hidden_size"]
    head = config.get("head_dim") or width // heads
    model, special = tokenizer["model"], {t["id"]: t for t in tokenizer.get("added_tokens") or ()}
    names = {number: text for text, number in model["vocab"].items()} | {n: t["content"] for n, t in special.items()}
    numbers = range(config["vocab_size"])
    kinds = [
        _UNUSED
        if n not in names
        else _NORMAL
        if n not in special
        else _CONTROL
        if special[n].get("special")
        else _ADDED
        for n in numbers
    ]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    ids = {"bos": config.get("bos_token_id"), "eos": config.get("eos_token_id"), "padding": config.get("pad_token_id")}
    first = {name: value[0] if isinstance(value, list) else value for name, value in ids.items()}
    theta = _rope(config).get("rope_theta") or config.get("rope_theta") or 10_000.0
    return {
        "general.architecture": "llama",
        "general.file_type": np.uint32(_FILE[held]),
        "llama.block_count": np.uint32(config["num_hidden_layers"]),
        "llama.context_length": np.uint32(config["max_position_embeddings"]),
        "llama.embedding_length": np.uint32(width),
        "llama.feed_forward_length": np.uint32(config["intermediate_size"]),
        "llama.attention.head_count": np.uint32(heads),
        "llama.attention.head_count_kv": np.uint32(config.get("num_key_value_heads") or heads),
        "llama.attention.layer_norm_rms_epsilon": np.float32(config["rms_norm_eps"]),
        "llama.attention.key_length": np.uint32(head),
        "llama.attention.value_length": np.uint32(head),
        "llama.rope.dimension_count": np.uint32(head),
        "llama.rope.freq_base": np.float32(theta),
        "llama.vocab_size": np.uint32(config["vocab_size"]),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre_tokenizer(tokenizer),
        "tokenizer.ggml.tokens": [names.get(n, f"[PAD{n}]") for n in numbers],
        "tokenizer.ggml.token_type": [np.int32(kind) for kind in kinds],
        "tokenizer.ggml.merges": merges,
        **{f"tokenizer.ggml.{name}_token_id": np.uint32(n) for name, n in first.items() if n is not None},
        "tokenizer.ggml.add_bos_token": False,  # the chat template writes what begins a chat
        **({"tokenizer.chat_template": template} if template is not None else {}),
    }


def write(out: Path, facts: Mapping[str, Any], tensors: Sequence[Tensor]) -> None:
    """Write facts and tensors as GGUF version 3."""
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts)))
        for name, value in facts.items():
            file.write(_text(name) + _value(value))
        offset = 0
        for tensor in tensors:
            shape = tensor.data.shape[::-1]
            file.write(_text(tensor.name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, tensor.kind, offset))
            offset += _padded(tensor.data.nbytes)
        file.write(bytes(_padded(file.tell()) - file.tell()))
        for tensor in tensors:
            file.write(tensor.data.tobytes())
            file.write(bytes(_padded(tensor.data.nbytes) - tensor.data.nbytes))


def _padded(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any, bare: bool = False) -> bytes:
    """Return a value as GGUF holds it, its kind first unless `bare`."""
    if isinstance(value, list):
        inner = _value(value[0])[:4] if value else struct.pack("<I", 8)
        return struct.pack("<I", 9) + inner + struct.pack("<Q", len(value)) + b"".join(_value(v, True) for v in value)
    number, data = _bare(value)
    return data if bare else struct.pack("<I", number) + data


def _bare(value: Any) -> tuple[int, bytes]:
    """Return GGUF's number for a kind of value, and the value."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, str):
        return 8, _text(value)
    packed = {np.uint32: (4, "<I"), np.int32: (5, "<i"), np.float32: (6, "<f")}
    number, form = packed[type(value)]
    return number, struct.pack(form, value)
