"""What a measured approach can be written as: one file a form, each offering `form`. A new form is a file and its name in FORMS."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from rung.engine.reopen import Reopened
from rung.types import Candidate

FORMS = (
    "adapter",
    "baseline",
    "merged",
    "gguf",
    "prompt",
    "rag",
    "rows",
)  # the files of this folder that offer a `form`


class Form(Protocol):
    """One way to write a candidate for use outside a climb."""

    name: str
    about: str  # what it writes, in a few words

    def why_not(self, candidate: Candidate) -> str | None:
        """Return why this candidate cannot be written so; None when it can."""
        ...

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        """Write into the empty folder `out` and say in a sentence what was written and how it was checked.

        Raises RungError, leaving nothing that could be mistaken for the measured candidate.
        """
        ...


def forms() -> Mapping[str, Form]:
    """Return every form by name."""
    found: list[Form] = [importlib.import_module(f"{__name__}.{module}").form for module in FORMS]
    return {form.name: form for form in found}
