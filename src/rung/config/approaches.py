"""Names of approaches as people type them, and as they are stored."""

from __future__ import annotations

from collections.abc import Mapping

from rung import plugins

SPELLINGS: Mapping[str, str] = {"finetuning": "finetune", "fromscratch": "scratch"}  # without - and _, in lower case


def stored_name(rung: str) -> str:
    """Return the name under which an approach is stored, from what people write: few-shot, few_shot, RAG, fine-tuning."""
    bare = rung.casefold().replace("-", "").replace("_", "").replace(" ", "")
    known: dict[str, str] = {**{name: name for name in plugins.BUILT_IN["rungs"]}, **SPELLINGS}
    return known.get(bare, rung)


def stored_label(label: str) -> str:
    """Return a step's label as it is stored: few-shot@small is fewshot@small."""
    rung, apart, name = label.partition("@")
    return stored_name(rung) + apart + name
