"""What follows the model, as data for an exported program: the steps by name, and the labels that one of them looks for."""

from __future__ import annotations

from typing import Any

from rung.prompts.postprocessing import in_words, names_in
from rung.types import ChatLearned, Task


def facts_of(chat: ChatLearned, task: Task) -> dict[str, Any]:
    """Return what prompt.json says of the steps; empty where there is none."""
    if chat.postprocessing is None:
        return {}
    return {
        "after_the_model": list(names_in(chat.postprocessing)),
        "after_the_model_in_words": in_words(chat.postprocessing),
        "labels": list(task.labels or ()),
    }
