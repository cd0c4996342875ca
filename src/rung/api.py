"""The public face: climb, check, compare and verify from Python. `import rung` offers all of it by its short names."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, overload

from rung import ladder
from rung.background import Job, beside, in_a_loop
from rung.config import Config, load_config, overridden, parse_config
from rung.data.given import json_lines
from rung.decide.across import Across, across
from rung.engine.check import check as look_over
from rung.engine.dev import look_on_dev_in_loop
from rung.engine.permission import allow
from rung.engine.sides import side
from rung.engine.start import interrupted
from rung.engine.verify import Check
from rung.errors import ConfigError, Problem
from rung.progress import Bar, Progress, Silent
from rung.providers import ModelEntry
from rung.report.escape import terminal
from rung.run import DevRun, Run
from rung.store.given import keep_given, root_of
from rung.store.run import RunFolder
from rung.types import Finding

OF_A_FILE = ("goal", "only", "seed", "budget_usd")  # what may be changed where rung.yaml holds the experiment
THE_CALL = "the call"


class ExperimentArguments(TypedDict, total=False):
    """What rung.yaml would say, as arguments. `inputs`, `target`, `goal` and, for approaches that ask one, `models` are needed."""

    inputs: str | Sequence[str]  # the columns that the model sees
    target: str  # the column with the expected answer
    goal: float  # the quality that is good enough, 0 to 1
    metric: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]  # the first decides; none: the kind's default
    models: Mapping[str, ModelEntry] | ModelEntry  # role -> model, or one model for the role `main`
    ladder: (
        str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
    )  # approaches, the simplest first; none: baseline, prompt, few-shot
    instruction: str  # what the model is asked to do; none: "Give the TARGET for the INPUTS."
    name: str  # shown in reports; none: the target's
    id: str  # the column with the examples' ids; none: "id", else they are made from the content
    group_by: str  # examples that share this column stay on one side of the split
    documents: str | Mapping[str, Any]  # a folder of documents, or the section `documents`
    only: str | Sequence[str]  # climb these approaches of the ladder alone
    seed: int  # of every random choice
    budget_usd: float  # cap on everything that the climb spends
    settings: Mapping[str, Any]  # further keys of rung.yaml by section: {"split": {"test": 0.3}, "volume": {...}}


@overload
def climb(
    rows: Any,
    folder: str | Path | None = None,
    *,
    dev: Literal[False] = False,
    progress: Progress | bool | None = None,
    **experiment: Unpack[ExperimentArguments],
) -> Run: ...


@overload
def climb(
    rows: Any,
    folder: str | Path | None = None,
    *,
    dev: Literal[True],
    progress: Progress | bool | None = None,
    **experiment: Unpack[ExperimentArguments],
) -> DevRun: ...


def climb(
    rows: Any,
    folder: str | Path | None = None,
    *,
    dev: bool = False,
    progress: Progress | bool | None = None,
    **experiment: Unpack[ExperimentArguments],
) -> Run | DevRun:
    """Measure the approaches from the simplest up, stop at the first that is good enough, and return the run.

    `rows`: a file of examples, a list of dicts, a pandas DataFrame, a `datasets.Dataset`, or {"train": ..., "test": ...}
    for a split of your own; or a rung.yaml (or a Config), which says the rest itself. The other arguments are those of
    `rung.api.ExperimentArguments`: inputs, target, goal, metric, models, ladder, instruction, name, id, group_by, documents, only,
    seed, budget_usd, settings.
    `folder`: the run folder, by default runs/NAME; the same call goes on there, without paying twice. Rows in memory are
    kept in it. Relative paths start at the working directory: that is the project, whose runs share what they paid for (in
    its folder `.rung`) and a register of test sets. `dev`: run the approaches on dev examples alone; no folder is written,
    the test set stays shut, and a DevRun is returned.

    Works in a notebook and wherever else an event loop runs: the climb then runs in a thread of its own, and an interrupt
    stops it cleanly. `progress`: True writes a line a stage to standard error, an object with `say` and `stage`
    (`rung.progress.Progress`) hears how far it is; without it nothing is printed.

    Raises RungError: ConfigError with every problem at once, DataError, FolderBusy where another climb is at work in the
    folder, Interrupted, and so on.
    """
    heard = _heard(progress)
    if dev:
        return (
            Job(lambda: _on_dev(rows, heard, experiment)).wait()
            if in_a_loop()
            else asyncio.run(_on_dev(rows, heard, experiment))
        )
    config, where = _prepared(rows, folder, experiment)
    if not in_a_loop():
        ladder.climb(config, where, heard)
        return Run(where)
    try:
        Job(lambda: ladder.climb_in_loop(config, where, heard)).wait()
    except KeyboardInterrupt as error:
        raise interrupted(where) from error
    return Run(where)


@overload
async def aclimb(
    rows: Any,
    folder: str | Path | None = None,
    *,
    dev: Literal[False] = False,
    progress: Progress | bool | None = None,
    **experiment: Unpack[ExperimentArguments],
) -> Run: ...


@overload
async def aclimb(
    rows: Any,
    folder: str | Path | None = None,
    *,
    dev: Literal[True],
    progress: Progress | bool | None = None,
    **experiment: Unpack[ExperimentArguments],
) -> DevRun: ...


async def aclimb(
    rows: Any,
    folder: str | Path | None = None,
    *,
    dev: bool = False,
    progress: Progress | bool | None = None,
    **experiment: Unpack[ExperimentArguments],
) -> Run | DevRun:
    """Climb as `climb` does while the event loop goes on; to cancel it is to interrupt the climb, cleanly.

    The work is done in a thread of its own, so several climbs to different folders run side by side.
    """
    heard = _heard(progress)
    if dev:
        return await Job(lambda: _on_dev(rows, heard, experiment)).wait_async()
    config, where = await Job(_later(lambda: _prepared(rows, folder, experiment))).wait_async()
    await Job(lambda: ladder.climb_in_loop(config, where, heard)).wait_async()
    return Run(where)


def check(
    rows: Any,
    folder: str | Path | None = None,
    *,
    progress: Progress | bool | None = None,
    **experiment: Unpack[ExperimentArguments],
) -> tuple[Finding, ...]:
    """Return what keeps a climb from beginning and what an audit of the rows finds, the arguments being those of `climb`; nothing
    is kept, no model is asked. A run folder is looked into where a rung.yaml, or a Config, holds the experiment.

    A finding of severity "stop" keeps a climb from beginning. Raises ConfigError, DataError.
    """

    heard = _heard(progress)

    def work() -> tuple[Finding, ...]:
        with tempfile.TemporaryDirectory(prefix="rung-") as scratch:
            whole = isinstance(rows, Config) or _is_config_file(rows, experiment)
            config, where = _prepared(rows, folder if whole else Path(scratch), experiment)
            return look_over(config, heard, where if whole else None).findings

    return beside(work)


def load_run(folder: str | Path) -> Run:
    """Open a run folder, finished or not. Raises RungError for a folder that is none."""
    return Run(RunFolder.open(Path(folder)).path)


def compare(lower: str | Path | Run, upper: str | Path | Run) -> Across:
    """Compare two approaches on the same test examples: runs, or "FOLDER:APPROACH"; a run stands for its winner.

    Raises RungError for what was not measured, IntegrityError for different test examples or metrics.
    """
    first, second = (side(str(run.folder if isinstance(run, Run) else run)) for run in (lower, upper))
    return across(first, second)


def verify(run: str | Path | Run) -> tuple[Check, ...]:
    """Recompute every number of a run; each check tells whether it `passed`. Opens the test set, which is written down."""
    return (run if isinstance(run, Run) else load_run(run)).verify()


async def _on_dev(rows: Any, progress: Progress, experiment: ExperimentArguments) -> DevRun:
    with tempfile.TemporaryDirectory(prefix="rung-") as scratch:  # rows in memory are read from there
        config, _ = _prepared(rows, Path(scratch), experiment)
        return DevRun(await look_on_dev_in_loop(config, progress))


class _Lines(Silent):
    """Progress as plain lines: each stage as it begins, and what stages say."""

    def say(self, text: str) -> None:
        sys.stderr.write(f"{terminal(text)}\n")

    def stage(self, title: str, rows: int) -> AbstractContextManager[Bar]:
        self.say(f"{title} ({rows:,})")
        return super().stage(title, rows)


def _heard(progress: Progress | bool | None) -> Progress:
    if isinstance(progress, bool) or progress is None:
        return _Lines() if progress else Silent()
    if not (callable(getattr(progress, "say", None)) and callable(getattr(progress, "stage", None))):
        raise TypeError(
            f"progress is True, or an object with `say` and `stage` as rung.progress.Progress has them, not {progress!r}"
        )
    return progress


def _later(work: Any) -> Any:
    async def run() -> Any:
        return work()

    return run


def _prepared(rows: Any, folder: str | Path | None, experiment: ExperimentArguments) -> tuple[Config, Path]:
    """Return the configuration and the run folder; rows in memory are written into the folder."""
    unknown = sorted(set(experiment) - set(ExperimentArguments.__annotations__))
    if unknown:
        near = get_close_matches(unknown[0], ExperimentArguments.__annotations__, n=1)
        hint = (
            f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(ExperimentArguments.__annotations__)}"
        )
        raise TypeError(f"climb takes no argument {unknown[0]!r}{hint}")
    if isinstance(rows, Config) or _is_config_file(rows, experiment):
        return _of_a_file(rows, folder, experiment)
    raw = _raw(experiment)
    where = Path(folder) if folder is not None else Path("runs") / str(raw["task"].get("name"))
    root = root_of(where)
    _parsed(raw, {"path": "."}, root)  # every problem of the arguments before anything is written
    config = _parsed(raw, _data(rows, where, root, raw), root)
    allow(config)  # arguments are the caller's own words
    return config, where


def _is_config_file(rows: Any, experiment: ExperimentArguments) -> bool:
    """Whether a YAML file is the experiment, not one of promptfoo's with rows: then the columns would be named."""
    return (
        isinstance(rows, str | Path) and Path(rows).suffix.lower() in (".yaml", ".yml") and "target" not in experiment
    )


def _of_a_file(
    rows: Config | str | Path, folder: str | Path | None, experiment: ExperimentArguments
) -> tuple[Config, Path]:
    given = {key: value for key, value in experiment.items() if value is not None}
    allowed = () if isinstance(rows, Config) else OF_A_FILE
    beyond = [key for key in given if key not in allowed]
    if beyond:
        says = "a Config" if isinstance(rows, Config) else str(rows)
        raise ConfigError(
            [Problem(key, f"is said by {says} itself", None, ", ".join(allowed) or None) for key in beyond], THE_CALL
        )
    config = rows if isinstance(rows, Config) else load_config(rows, given)
    if isinstance(rows, Config):
        allow(config)
    return config, Path(folder) if folder is not None else Path("runs") / config.task.name


def _raw(experiment: ExperimentArguments) -> dict[str, Any]:
    """Return the arguments as rung.yaml would hold them, without `data.path`."""
    given: dict[str, Any] = {key: value for key, value in experiment.items() if value is not None}
    settings = given.pop("settings", {})
    task: dict[str, Any] = {key: given[key] for key in ("name", "instruction", "target", "goal") if key in given}
    inputs = given.get("inputs")
    if inputs is not None:
        task["inputs"] = _several(inputs)
    if "metric" in given:
        task["metrics"] = _several(given["metric"])
    raw: dict[str, Any] = {"task": task, "data": {key: given[key] for key in ("id", "group_by") if key in given}}
    if "models" in given:
        models = given["models"]
        one = isinstance(models, Mapping) and isinstance(models.get("provider"), str)
        raw["models"] = {"main": models} if one else dict(models) if isinstance(models, Mapping) else models
    if "ladder" in given:
        raw["ladder"] = _several(given["ladder"])
    if "documents" in given:
        documents = given["documents"]
        raw["documents"] = dict(documents) if isinstance(documents, Mapping) else {"path": str(documents)}
    for section, more in settings.items():
        both = isinstance(more, Mapping) and isinstance(raw.get(section), dict)
        twice = [f"settings.{section}.{key}" for key in more if key in raw[section]] if both else []
        if twice:
            raise ConfigError([Problem(key, "is given as an argument, too; say it once") for key in twice], THE_CALL)
        raw[section] = {**raw[section], **more} if both else more
    if isinstance(raw["task"], dict) and "target" in raw["task"]:
        raw["task"].setdefault("name", raw["task"]["target"])
        inputs = _listed(raw["task"].get("inputs", ()))
        raw["task"].setdefault("instruction", f"Give the {raw['task']['target']} for the {inputs}.")
    overrides = {
        "only": _several(given.get("only", ())),
        "seed": given.get("seed"),
        "budget_usd": given.get("budget_usd"),
    }
    return overridden(raw, overrides, THE_CALL)


def _several(said: Any) -> list[Any]:
    """Return one name, or one entry with settings, as the list that rung.yaml would hold."""
    return [said] if isinstance(said, str | Mapping) else list(said)


def _data(rows: Any, folder: Path, root: Path, raw: Mapping[str, Any]) -> dict[str, str]:
    """Return where the rows are, as `data:` would say it; rows in memory are written into the run folder."""
    task = raw["task"]
    columns = [*task["inputs"], task["target"]]

    def place(rows: Any, where: str) -> str:
        path = rows if isinstance(rows, str | Path) else keep_given(folder, json_lines(rows, columns, where))
        return Path(os.path.relpath(path, root)).as_posix()

    if isinstance(rows, Mapping) and set(rows) == {"train", "test"}:
        return {part: place(held, f"the given {part} rows") for part, held in rows.items()}
    return {"path": place(rows, "the given rows")}


def _parsed(raw: Mapping[str, Any], data: Mapping[str, str], root: Path) -> Config:
    """Check the arguments; problems are named as the arguments are. Raises ConfigError."""
    try:
        return parse_config({**raw, "data": {**raw["data"], **data}}, root, THE_CALL)
    except ConfigError as error:
        named = [replace(p, path=_argument(p.path)) for p in error.problems]
        raise ConfigError(named, error.source) from None


def _argument(path: str) -> str:
    """Return how the call names what rung.yaml calls by this path."""
    for section in ("task.", "data."):
        path = path.removeprefix(section)
    return "metric" + path.removeprefix("metrics") if path.startswith("metrics") else path


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
