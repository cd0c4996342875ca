"""A model that knows nothing: a tokenizer learnt from the rows, weights at random but for a circuit that copies."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rung.types import TuningRow
from rung_nano._scratch.export import export
from rung_nano._scratch.llama import Llama, Shape, start_with_copying
from rung_nano._scratch.tokenizer import chat_tokenizer, train_tokenizer

if TYPE_CHECKING:
    from rung_nano.scratch import Scratch

LAYERS_TO_COPY, HEADS_TO_COPY = 3, 2  # what the copying circuit spans


def born(recipe: Scratch, rows: Sequence[TuningRow], folder: Path, seed: int) -> Path:
    """Write the newborn model into `folder`, once, and return it; equal rows and seed give equal files."""
    if (folder / "config.json").is_file():
        return folder
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    texts = [m.content for row in rows for m in row.messages] + [row.answer for row in rows]
    tokenizer = train_tokenizer(texts, recipe.vocabulary)
    shape = Shape(
        tokenizer.get_vocab_size(),
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        hidden=recipe.hidden,
        context=recipe.context,
    )
    model = Llama(shape, seed)
    if recipe.layers >= LAYERS_TO_COPY and recipe.heads >= HEADS_TO_COPY:
        start_with_copying(model, seed)
    export(model, chat_tokenizer(tokenizer, recipe.context), part, dtype=torch.float32)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder
