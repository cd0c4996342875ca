"""Rows and recipe for those who tune elsewhere: chats that hosted services take, and a TRL script without rung."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.prompts.templates import Template
from rung.tuning.elsewhere import RowsElsewhere, recipe
from rung.types import Candidate, RagLearned


@dataclass(frozen=True)
class Rows:
    """The training and dev rows under the prompt of a rung; test rows stay where they are."""

    name: str = "rows"
    about: str = "training and dev rows as chats, a recipe and a TRL script, to tune elsewhere"

    def why_not(self, candidate: Candidate) -> str | None:
        if candidate.chat is None:
            return "it asks no prompt"
        return "its passages change with the documents" if isinstance(candidate.learned, RagLearned) else None

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        if dtype is not None:
            raise RungError(f"rows are text and have no number format; leave `dtype` ({dtype}) away")
        rows = RowsElsewhere(Template.of(candidate), run.split.train, run.split.dev, "tuned")
        return rows.write(out, _recipe(run, label, candidate))


def _recipe(run: Reopened, label: str, candidate: Candidate) -> dict[str, Any]:
    """Return the recipe of the tuned rung, or the default one where the rung was not tuned."""
    fitted = run.folder.rung(label).fitted.need()
    trials = fitted.tuning.trials if fitted.tuning is not None else ()
    best = max(trials, key=lambda t: (t.rows, t.best_dev or 0.0), default=None)
    return recipe(best, run.clients[str(candidate.model)].settings, run.config.split.seed)


form = Rows()
