"""The winner's approach on another model: measured on the same test examples, held against what the old one answered there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from difflib import unified_diff
from itertools import chain, count
from pathlib import Path
from typing import Any

from rung import plugins
from rung.config import Config, parse_config
from rung.config.prompt import for_columns
from rung.data.configured import read_rows
from rung.data.parts import check_unchanged
from rung.decide.across import Across, across
from rung.engine.sides import side
from rung.engine.start import ClimbResult
from rung.engine.stored import stored_config
from rung.errors import IntegrityError, Interrupted, NotOffered, RungError
from rung.exports.write import chosen
from rung.generations.retrain import first_fitting, level, next_folder, not_as_measured
from rung.ladder import climb
from rung.models.settings import configured
from rung.progress import Progress, Silent
from rung.rungs.tuning_prompts import WHOLE
from rung.store.folder import write_json
from rung.store.generations import Generations, Step, fingerprint, need_champion
from rung.store.run import RunFolder
from rung.tuning.workspace import base_of
from rung.types import Candidate, TunedLearned, content_hash

CARRIED = ("prompt", "fewshot")  # whose messages are the first candidate on the other model, word for word


@dataclass(frozen=True)
class Migrated:
    """An approach on two models. `step`: what became of it in a folder of generations; None outside of one.

    `changes`: what differs between the two candidates, in lines; none: nothing but the model.
    """

    found: Across
    level: float
    approach: str
    folder: Path
    fits: bool
    changes: tuple[str, ...]
    step: Step | None = None
    otherwise: str | None = None  # how it answers in service, where that is not as measured

    @property
    def shown(self) -> bool:
        """Whether the other model may take over: shown at most the margin worse, and no goal or limit is missed."""
        equal = self.found.not_worse is not None and self.found.not_worse.shown
        return self.fits and self.otherwise is None and (equal or self.found.better)

    @property
    def why(self) -> str:
        """Why it may, or may not."""
        if not self.fits:
            return self.found.upper.result.candidate.forgets or "it misses the goal or breaks a limit"
        if self.otherwise is not None:
            return self.otherwise
        if self.shown:
            return f"shown at most {self.found.margin:g} worse at the level {self.level:.3g}"
        return f"not shown to be at most {self.found.margin:g} worse at the level {self.level:.3g}"


def migrate(
    config: Config, source: Path, to: str, margin: float | None = None, progress: Progress | None = None
) -> Migrated:
    """Measure the winner's approach of a run on `models.to` of the configuration, in a folder beside the run's.

    Weights are tuned again on it. Raises RungError for an approach that asks no model, a role that is not there, or one that cannot be tuned
    where that is needed, and examples that changed since; else as a climb does. Not inside an event loop.
    """
    run = RunFolder.open(source)
    label = chosen(run)
    changed = experiment_on(config, run, label, to, source.parent)
    names = chain([f"{source.name}-{to}"], (f"{source.name}-{to}-{number}" for number in count(2)))
    return _measured(run, label, first_fitting(map(source.with_name, names), changed), changed, margin, None, progress)


def migrate_champion(
    config: Config,
    place: Generations,
    to: str,
    by: str,
    why: str = "",
    margin: float | None = None,
    progress: Progress | None = None,
) -> Migrated:
    """Do the same for the champion of a folder of generations, as the next generation: where it may take over it is the champion then.

    Raises FolderBusy where another process changes the folder, IntegrityError for a champion that is not what was recorded.
    """
    with place.held():
        champion = need_champion(place)
        run = place.run_of(champion)
        changed = experiment_on(config, run, champion.approach, to, place.path)
        number, folder = next_folder(place, changed)
        found = _measured(run, champion.approach, folder, changed, margin, level(place, run.task.alpha), progress)
        after = RunFolder.open(folder)
        other = not_as_measured(after, found.approach) if found.shown else None
        found = found if other is None else replace(found, otherwise=other)
        step = Step(
            "migrated" if found.shown else "kept",
            number,
            place.place_of(after),
            found.approach,
            fingerprint(after, found.approach),
            by,
            "; ".join(filter(None, (found.why, why))),
            found.level,
        )
        return replace(found, step=place.record(step))


def experiment_on(config: Config, run: RunFolder, label: str, to: str, place: Path) -> Config:
    """Return the experiment of a run with the approach of that label alone, on another model and the same parts.

    The chat of a prompt is written into `place` and is its first candidate; the prompt approach rewrites it on dev. Weights are tuned
    again from the other model's, by the recipes of the run, under the bare example and the prompt that they were tuned under.
    """
    candidate = run.rung(label).result.need().candidate
    before = stored_config(run)
    raw: dict[str, Any] = before.model_dump(mode="json", exclude={"root"})
    step, root = next((s for s in before.ladder if s.label == label), None), before.root
    if candidate.model is None or step is None or candidate.stored:
        raise RungError(f"{label} asks no model of the configuration, so there is nothing to move to another one")
    if to not in config.models:
        there = ", ".join(config.models) or "none"
        raise RungError(
            f"the experiment has no role {to!r} under `models`; there are {there}: name one of these, or add it"
        )
    if to == candidate.model and config.models[to] == raw["models"].get(to):
        raise RungError(f"{label} asks models.{to} already; name another model")
    if plugins.rung_type(step.rung).trains:
        _tunable_there(candidate, label, to, config)
    settings = {name: value for name, value in step.settings.items() if name not in ("model", "models")}
    raw = {
        **raw,
        "models": {**raw["models"], to: dict(config.models[to])},
        "ladder": [{"rung": step.rung, "settings": {**settings, "model": to}, "name": None}],
        "limits": {**raw["limits"], "budget_usd": config.limits.budget_usd},
        "task": {
            **raw["task"],
            "goal": run.task.goal,
            "tolerance": run.task.tolerance,
            **carried_prompt(candidate, place, root),
        },
    }
    return on_same_examples(raw, run, root)


def _tunable_there(candidate: Candidate, label: str, to: str, config: Config) -> None:
    """Raise RungError where an approach with weights of its own cannot be tuned again on another model, with what to do instead."""
    learned = candidate.learned
    if not isinstance(learned, TunedLearned) or candidate.rung == "scratch":
        raise RungError(
            f"{label} was trained on no other model, so there is none to move it to: `rung retrain` trains it anew"
        )
    if learned.weights is None:
        raise RungError(
            f"{label} was tuned elsewhere: tune the other model there on the examples in the run folder's exports, and put it on the ladder "
            f"(`{{finetune: {{model: {to}, trained: elsewhere}}}}`) of a run in another folder"
        )
    if learned.passages is not None:
        raise RungError(
            f"{label} was tuned with passages that the approach below it finds: put both on the ladder with `model: {to}`, climb in "
            "another folder, and hold the runs against each other with `rung compare`"
        )
    try:
        base_of(to, configured(config)[to])
    except NotOffered as error:
        raise RungError(f"{label} is tuned again on another model, and that cannot be: {error}") from error


def on_same_examples(raw: Mapping[str, Any], run: RunFolder, root: Path) -> Config:
    """Return an experiment that measures every test example of a run, and no other. Raises RungError where they changed since."""
    manifest = run.parts.manifest.need()
    shares = {name: value for name, value in manifest["settings"].items() if name in ("test", "dev")}
    split = {"split": {**shares, "seed": manifest["seed"]}, "stop_early": False}
    changed = parse_config({**raw, **split}, root, f"the experiment on the examples of {run.path}")
    try:
        check_unchanged(read_rows(changed).whole, manifest)
    except IntegrityError as error:
        raise RungError(
            f"the examples are not those of {run.path} any more ({error}): `rung retrain` compares on grown examples"
        ) from error
    return changed


def carried_prompt(candidate: Candidate, place: Path, root: Path) -> Mapping[str, Any]:
    """Write the chat of a prompt, or that weights were tuned under, into `place`; return the keys of `task` that name it, none where it is no
    prompt alone."""
    chat = candidate.chat
    carried = candidate.rung in CARRIED or (isinstance(chat, TunedLearned) and chat.under == WHOLE)
    if chat is None or not carried or not _stands(candidate):
        return {}
    text = [asdict(message) for message in chat.messages]
    path = place / f"prompt-{content_hash(text)[:8]}.json"
    write_json(path, text)
    return {"prompt": os.path.relpath(path.resolve(), root.resolve())}


def _stands(candidate: Candidate) -> bool:
    """Whether the messages are read back word for word as a prompt: nothing in them looks like a placeholder that is none."""
    chat = candidate.chat
    try:
        return chat is not None and for_columns(chat.messages, chat.columns) == chat.messages
    except RungError:
        return False


def _measured(
    run: RunFolder,
    label: str,
    folder: Path,
    config: Config,
    margin: float | None,
    spent: float | None,
    progress: Progress | None,
) -> Migrated:
    ended = climb(config, folder, progress or Silent())
    [new] = config.planned
    _whole(ended, RunFolder.open(folder), new)
    one, two = side(f"{run.path}:{label}"), side(f"{folder}:{new}")
    at = run.task.alpha if spent is None else spent
    found = across(one, replace(two, task=replace(two.task, min_gain=margin or two.task.min_gain, alpha=at)))
    result = two.result
    fits = result.status != "misses" and result.limits_held is not False and result.candidate.forgets is None
    return Migrated(found, at, new, folder, fits, tuple(changes(one.result.candidate, result.candidate)))


def _whole(ended: ClimbResult, run: RunFolder, label: str) -> None:
    if ended.unanswered_rows or ended.verdict.decision == "stopped":
        raise Interrupted(f"{run.path} has not come to its end ({ended.verdict.decision}); the same command goes on")
    if label not in ended.results:
        why = "; ".join(skipped.reason for skipped in run.skipped.need())
        raise RungError(f"{label} could not be measured: {why}")


def changes(before: Candidate, after: Candidate) -> list[str]:
    """Say in lines what differs between two candidates beside the model: the chat, the parameters, the steps after the model."""
    old, new = before.chat, after.chat
    if old is None or new is None:
        return []
    lines = [[line for m in c.messages for line in (f"[{m.role}]", *m.content.splitlines())] for c in (old, new)]
    differs = unified_diff(lines[0], lines[1], lineterm="", n=1)
    found = [line for line in list(differs)[2:] if not line.startswith("@@")]
    for name, values in (
        ("examples shown", [len(c.demonstrations) if c.nearest is None else c.nearest for c in (old, new)]),
        ("parameters", [c.params for c in (old, new)]),
        ("tuned", [f"{c.tuner} on {c.rows:,} examples" if isinstance(c, TunedLearned) else "not" for c in (old, new)]),
        ("steps after the model", [c.postprocessing or "none" for c in (old, new)]),
    ):
        if values[0] != values[1]:
            found.append(f"{name}: {values[0]} -> {values[1]}")
    return found
