"""What a measured rung can be written as: one file a form, each offering `form`. A new form is a new file here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from rung.evaluate.reopen import Reopened
from rung.types import Candidate


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
    found: dict[str, Form] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.name.startswith("_"):
            form: Form = importlib.import_module(f"{__name__}.{module.name}").form
            found[form.name] = form
    return found
