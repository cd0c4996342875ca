"""A GGUF file written as a folder that transformers reads, in a process of its own; and what other programs said, in one sentence."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

from rung.errors import RungError

_CHILD = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, name, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
if not tokenizer.chat_template:
    sys.exit("it has no chat template, so it is a base model that follows no instructions")
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.bfloat16)
if hasattr(model.config, "quantization_config"):
    del model.config.quantization_config
model.hf_quantizer, model.is_quantized = None, False
model.save_pretrained(out)
tokenizer.save_pretrained(out)
"""
_NO_ROOM = ("No space left", "Disk quota exceeded")
_NO_MEMORY = ("MemoryError", "can't allocate memory", "Cannot allocate memory")


def written(path: Path, place: str, tools: Path, title: str) -> None:
    """Write a GGUF file into the folder `place` in bfloat16. `tools`: a folder with the package gguf.

    Raises RungError in one sentence, and OSError (ENOSPC) where the disk is full.
    """
    search = os.pathsep.join([str(tools), *filter(None, [os.environ.get("PYTHONPATH")])])
    made = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path.parent), path.name, place],
        env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise _why(f"{title} ({path.name})", made.returncode, made.stderr)


def no_room(said: str) -> bool:
    """Whether a program's words tell of a full disk."""
    return any(words in said for words in _NO_ROOM)


def first_line(said: str) -> str:
    """Return the first line of what a program said, as part of a sentence."""
    return _lines(said)[0]


def last_line(said: str) -> str:
    """Return the last line of what a program said, as part of a sentence."""
    return _lines(said)[-1]


def _lines(said: str) -> list[str]:
    lines = [line.strip().rstrip(".")[:300] for line in said.splitlines() if line.strip()]
    return lines or ["no reason given"]


def _why(what: str, code: int, said: str) -> Exception:
    if no_room(said):
        return OSError(errno.ENOSPC, "")
    memory = "end other programs or take a smaller model; what was fetched is kept, and the same command goes on"
    if code == -signal.SIGKILL:
        return RungError(
            f"the process that writes {what} as a folder was killed, as the system does where memory runs out: {memory}"
        )
    if any(words in said for words in _NO_MEMORY):
        return RungError(f"memory ran out while {what} was written as a folder: {memory}")
    if code < 0:
        return RungError(
            f"the process that writes {what} as a folder was ended by signal {-code} "
            f"({signal.strsignal(-code) or 'unknown'}); what was fetched is kept, and the same command goes on"
        )
    return RungError(f"{what} cannot be read by transformers: {last_line(said)}")
