"""Rows and recipe for those who tune elsewhere: chats that hosted services take, and a TRL script without rung."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.data.shares import DEV_OF_A_TRAINING_FILE
from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.plugins import rung_type
from rung.prompts.templates import Template
from rung.tuning.elsewhere import RowsElsewhere, recipe
from rung.types import Candidate, Example, RagLearned


@dataclass(frozen=True)
class Rows:
    """The training and dev rows under the prompt of a rung; test rows stay where they are."""

    name: str = "rows"
    about: str = "training and dev examples as chats, a recipe and a TRL script, to tune elsewhere"

    def why_not(self, candidate: Candidate) -> str | None:
        if candidate.chat is None:
            return "it asks no prompt"
        return "its passages change with the documents" if isinstance(candidate.learned, RagLearned) else None

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        if dtype is not None:
            raise RungError(f"examples are text and have no number format; leave `dtype` ({dtype}) away")
        train, dev = run.split.train, run.split.dev
        if not any(rung_type(step.rung).trains for step in run.config.ladder):
            train, dev = for_tuning(train, dev)
        rows = RowsElsewhere(Template.of(candidate), train, dev, "tuned")
        return rows.write(out, _recipe(run, label, candidate))


def for_tuning(train: tuple[Example, ...], dev: tuple[Example, ...]) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return the rows of a run that tunes nothing, divided for tuning: it needed few to train, and they are few.

    Of all that are no test rows, 15 % stay dev rows (`DEV_OF_A_TRAINING_FILE`), by whole groups; the other dev rows train.
    """
    wanted = math.ceil(DEV_OF_A_TRAINING_FILE * (len(train) + len(dev)))
    kept: set[str] = set()
    stays: list[Example] = []
    for example in dev:
        if example.group in kept or len(stays) < wanted:
            kept.add(example.group)
            stays.append(example)
    return (*train, *(e for e in dev if e.group not in kept)), tuple(stays)


def _recipe(run: Reopened, label: str, candidate: Candidate) -> dict[str, Any]:
    """Return the recipe of the tuned rung, or the default one where the rung was not tuned."""
    fitted = run.folder.rung(label).fitted.need()
    trials = fitted.tuning.trials if fitted.tuning is not None else ()
    best = max(trials, key=lambda t: (t.rows, t.best_dev or 0.0), default=None)
    return recipe(best, run.clients[str(candidate.model)].settings, run.config.split.seed)


form = Rows()
