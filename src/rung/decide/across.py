"""Compare rungs of two runs that were measured on the same frozen test rows."""

from __future__ import annotations

from pathlib import Path

from rung.decide.compare import compare
from rung.errors import IntegrityError, RungError
from rung.store.folder import RunFolder, load_result
from rung.types import Comparison, Result, Task, Verdict


def across(lower: str, upper: str) -> tuple[Comparison, float]:
    """Compare "FOLDER:RUNG" with another; a folder alone stands for its winner, else its lean, else its last rung.

    Returns the comparison (one pair: no correction) and the task's alpha. Raises RungError for an unknown rung, and
    IntegrityError when the two were measured on different test rows or by different metrics.
    """
    (one, a, task_a), (two, b, task_b) = _measured(lower), _measured(upper)
    if a.test_sha256 != b.test_sha256:
        raise IntegrityError(
            f"{one} and {two} were measured on different test rows (hashes {a.test_sha256[:12]} and {b.test_sha256[:12]}); "
            "only runs on the same frozen rows can be compared row by row"
        )
    if task_a.metrics[0] != task_b.metrics[0]:
        raise IntegrityError(
            f"{one} is judged by {task_a.metrics[0].name} and {two} by {task_b.metrics[0].name}, or with other settings; "
            "give both tasks one first metric"
        )
    found = compare((one, a), (two, b), task_b, seed=0)
    if found is None:
        raise RungError(f"{one} and {two} share no test row that has a score in both")
    return found, task_b.alpha


def _measured(name: str) -> tuple[str, Result, Task]:
    path, _, rung = name.partition(":") if not Path(name).is_dir() else (name, "", "")
    folder = RunFolder.open(Path(path))
    measured = [label for label in folder.read("run.json")["planned"] if folder.has(f"rungs/{label}/result.json")]
    if not measured:
        raise RungError(f"{path} has no measured rung yet; run `rung climb` there first")
    if not rung:
        verdict = folder.load("verdict.json", Verdict) if folder.has("verdict.json") else None
        rung = (verdict.winner or verdict.lean if verdict else None) or measured[-1]
    if rung not in measured:
        raise RungError(f"{path} has no measured rung {rung!r}; measured: {', '.join(measured)}")
    return f"{path}:{rung}", load_result(folder, rung), folder.load_field("run.json", "task", Task)
