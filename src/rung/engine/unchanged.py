"""A climb that came to its end and whose every ground is still the same: what it concluded is read back, nothing is done again.

Grounds are the configuration, the files that it names, the rows, all stored answers, the register of test sets, the people's labels, every file that the
climb wrote about its rungs, and the code. One that differs, were it by a byte, and the climb goes its whole way, as it does where
one cannot be told by its content: code of the user's own, plug-ins of others, documents, tuned weights, tasks that tuning must not
harm.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import rung
from rung.config import Config
from rung.data.configured import read_rows
from rung.data.parts import check_unchanged
from rung.engine.named_files import named_files_sha256
from rung.engine.start import ClimbResult
from rung.models.settings import StoredSettings, configured
from rung.plugins import BUILT_IN, rung_type
from rung.progress import Progress
from rung.store.archive import answers_seen
from rung.store.register import Register
from rung.store.run import RunFolder
from rung.types import Result, Task, content_hash

_RUNS_CODE = "python"  # the plug-in, of either kind, that runs a file of the user's
_FACT = "stands_on"
_SOURCES = (".py", ".html", ".css", ".js")
_PACKAGES = ("numpy", "scipy", "scikit-learn", "genai-prices")  # whose versions may move a number


def remember(run: RunFolder, config: Config, results: Mapping[str, Result], unanswered: int) -> None:
    """Write down what the verdict stands on, where it is one to be read back: no row, changed ones among them, is waiting for its answer."""
    whole = set(results) == set(run.measured) and not unanswered and run.verdict.need().decision != "stopped"
    whole = whole and all(one.whole for one in run.robustness.get() or ())
    run.note(**{_FACT: _grounds(run, config) if whole and _all_ours(config) else None})


def recalled(run: RunFolder, config: Config, progress: Progress) -> ClimbResult | None:
    """Return the conclusion of the climb that ended here if nothing changed since; None if there is none, or anything did.

    Raises DataError for rows that cannot be read, IntegrityError for rows that changed and for damaged files.
    """
    before = run.facts.get(_FACT)
    if before is None or not _all_ours(config) or before != _grounds(run, config):
        return None
    check_unchanged(read_rows(config).whole, run.parts.manifest.need())
    progress.say("nothing has changed since this run ended: its verdict is read back, nothing is asked")
    run.status("done")
    results = {label: run.rung(label).measured() for label in run.measured}
    return ClimbResult(run.path, run.verdict.need(), results, 0, read_back=True)


def _all_ours(config: Config) -> bool:
    """Whether everything that made the numbers is known by its content."""
    named = [
        *(("models", settings["provider"]) for settings in config.models.values()),
        *(("metrics", spec.plugin) for spec in config.as_task(kind="generation", labels=None).metrics),
        *(("rungs", step.rung) for step in config.ladder),
    ]
    ours = all(name in BUILT_IN[kind] and name != _RUNS_CODE for kind, name in named)
    return ours and config.documents is None and not config.regression_tasks and not _trains(config)


def _trains(config: Config) -> bool:
    return any(rung_type(step.rung).trains for step in config.ladder)


def _grounds(run: RunFolder, config: Config) -> str:
    task = config.as_task(kind=run.task.kind, labels=run.task.labels)  # with the words of its prompt's file
    register = Register(config.root).path
    return content_hash(
        [
            config.model_dump(mode="json", exclude={"root"}),
            named_files_sha256(config),
            TypeAdapter(Task).dump_python(task, mode="json"),
            answers_seen(run.path),
            [run.revealed, *(run.facts.get(name) for name in ("exploratory", "id", "test_use"))],
            sha256(register.read_bytes()).hexdigest() if register.is_file() else None,
            run.labels.sha256,
            run.written,
            [s.answers_sha256 for s in configured(config).values() if isinstance(s, StoredSettings)],
            list(_code()),
        ]
    )


def _code() -> Iterator[Any]:
    """Yield what tells one state of the code from another: versions, and every file of the package by size and time."""
    yield [rung.__version__, platform.python_version()]
    yield [version(package) for package in _PACKAGES]
    here = Path(rung.__file__).parent
    for file in sorted(f for f in here.rglob("*.*") if f.suffix in _SOURCES):
        at = file.stat()
        yield [file.relative_to(here).as_posix(), at.st_size, at.st_mtime_ns]
