"""An adapter merged into its base, in the number format asked for."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from rung.errors import RungError
from rung.tuners._state import write_model

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def merge(source: str, adapter: Path | None, out: Path, dtype: str | None) -> str:
    """Write base and adapter as one model and return its number format; None: the one that the base is stored in.

    The sum is made in float32 and rounded once. Raises RungError for an unknown format.
    """
    if dtype is not None and dtype not in FORMATS:
        raise RungError(f"no number format is called {dtype!r}; there are: {', '.join(FORMATS)}")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    stored = str(getattr(AutoConfig.from_pretrained(source), "dtype", None) or "float32").removeprefix("torch.")
    wanted = dtype or (stored if stored in FORMATS else "float32")
    model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, use_safetensors=True)
    if adapter is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft and transformers disagree on a name until transformers 6
            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    write_model(model.to(FORMATS[wanted]), AutoTokenizer.from_pretrained(source), source, out)
    return wanted
