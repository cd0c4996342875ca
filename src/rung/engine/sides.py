"""Which measured rung is meant: by its label, or by FOLDER:RUNG."""

from __future__ import annotations

from pathlib import Path

from rung.config import stored_label
from rung.decide.across import Side
from rung.errors import RungError
from rung.store.run import RunFolder, measured_rungs


def measured_label(run: RunFolder, said: str) -> str:
    """Return the label of a measured rung as people spell it: few-shot is fewshot. Raises RungError for any other."""
    measured = measured_rungs(run)
    label = next((label for label in (said, stored_label(said)) if label in measured), None)
    if label is None:
        raise RungError(f"{run.path} has no measured approach {said!r}; measured: {', '.join(measured)}")
    return label


def side(name: str) -> Side:
    """Return a measured rung by "FOLDER:RUNG"; a folder alone stands for its winner, else its tentative pick, else its last.

    Raises RungError for a folder that is no run and for an unknown rung.
    """
    path, _, rung = name.partition(":") if not Path(name).is_dir() else (name, "", "")
    run = RunFolder.open(Path(path))
    measured = measured_rungs(run)
    if not rung:
        verdict = run.verdict.get()
        rung = (verdict.winner or verdict.tentative_pick if verdict else None) or measured[-1]
    rung = measured_label(run, rung)
    seed = run.parts.manifest.need()["seed"]
    return Side(f"{path}:{rung}", run.rung(rung).measured(), run.task, run.times_opened, run.revealed, seed)
