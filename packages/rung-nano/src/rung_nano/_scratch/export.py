"""A trained model as a folder that transformers loads: config, bf16 weights, tokenizer, chat template, hashes."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from rung_nano._scratch.llama import NORM_EPSILON, Llama
from rung_nano._scratch.tokenizer import BOS, CHAT_TEMPLATE, END, PAD

HASHES = "hashes.json"


def export(model: Llama, tokenizer: PreTrainedTokenizerFast, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Write the folder; `AutoModelForCausalLM.from_pretrained(folder)` loads it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(str(folder))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    kept = ("bos_token", "eos_token", "pad_token", "padding_side", "model_max_length")
    _write(
        folder / "tokenizer_config.json",
        {k: settings[k] for k in kept if k in settings} | {"tokenizer_class": "PreTrainedTokenizerFast"},
    )
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    weights = {f"model.{name}": p.detach().to(dtype).contiguous() for name, p in model.named_parameters()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    shape = model.shape
    _write(
        folder / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.width,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.heads,
            "head_dim": shape.head,
            "intermediate_size": shape.hidden,
            "hidden_act": "silu",
            "max_position_embeddings": shape.context,
            "rms_norm_eps": NORM_EPSILON,
            "rope_parameters": {"rope_type": "default", "rope_theta": shape.theta},
            "tie_word_embeddings": True,
            "attention_bias": False,
            "mlp_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": BOS,
            "eos_token_id": END,
            "pad_token_id": PAD,
            "dtype": str(dtype).removeprefix("torch."),
            "use_cache": True,
        },
    )
    _write(
        folder / "generation_config.json",
        {"bos_token_id": BOS, "eos_token_id": END, "pad_token_id": PAD, "do_sample": False, "use_cache": True},
    )
    write_hashes(folder)


def write_hashes(folder: Path) -> None:
    """Write `hashes.json`: file name -> SHA-256 of every other file in the folder."""
    _write(
        folder / HASHES,
        {
            p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.iterdir())
            if p.is_file() and p.name != HASHES
        },
    )


def damaged(folder: Path) -> list[str]:
    """Return the names of files that are missing or differ from `hashes.json`."""
    expected: dict[str, str] = json.loads((folder / HASHES).read_text())
    return [
        name
        for name, digest in expected.items()
        if not (folder / name).is_file() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


def _write(path: Path, value: dict[str, object]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
