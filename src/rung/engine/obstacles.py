"""What keeps a configuration from its climb, as far as it can be seen without running code or asking a model: one list for all.

`rung check` tells the whole list, `rung climb` refuses what keeps it from beginning, `rung plan` what keeps it from an estimate.
A step that a climb would leave out is on the list of `check`, too: whoever wrote it wants it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from rung import plugins
from rung.config import AsGoodAs, Config
from rung.config.roles import answering_role, asked_roles
from rung.contracts import held_metric, held_tuner
from rung.engine.contract import rung_of
from rung.engine.permission import not_allowed
from rung.engine.start import other_configuration
from rung.errors import ConfigError, NotOffered, PluginError, Problem, RungError
from rung.models.prices import check_priced
from rung.models.settings import (
    ProviderSettings,
    StoredSettings,
    asked_by_tuning_alone,
    configured,
    too_few_at_once,
    variable_problems,
)
from rung.models.vendors import VENDORS
from rung.rag.opening import index_trouble
from rung.store.run import RunFolder
from rung.tuning.regression import regression_tasks_of
from rung.tuning.workspace import base_of
from rung.types import usual_tolerance, widest_tolerance

_PLACEHOLDER = re.compile(  # as `rung init` and the pages write them
    r"(?i:(?:https?://)?your[-_])|(?:https?://)(?:HOST|RESOURCE)\b|https?://[^?#]*/DEPLOYMENT(?:/|$)"
)
Keeps = Literal[
    "plan", "climb", "step"
]  # an estimate, and so a climb; a climb alone; a step, which the climb leaves out


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One problem, and what it keeps from beginning."""

    problem: Problem
    keeps: Keeps


def obstacles(config: Config) -> tuple[Obstacle, ...]:
    """Return every obstacle that a configuration shows by itself: no row is read, no weight loaded, nothing asked."""
    return (
        *_of_goal(config),
        *_of_models(config),
        *_of_steps(config),
        *_of_metrics(config),
        *_of_floors(config),
        *_of_regression_tasks(config),
        *_of_documents(config),
    )


def obstacles_here(config: Config, folder: Path) -> tuple[Obstacle, ...]:
    """Return what keeps a configuration from its climb in a run folder on this machine: what `rung.engine.permission.begin` and
    `rung.engine.start.start` refuse, which a climb asks first, and all other obstacles."""
    question = not_allowed(config)
    asked = [] if question is None else [Obstacle(Problem("project", question), "climb")]
    return (*asked, *_of_folder(config, folder), *obstacles(config))


def refuse(config: Config, begins: Literal["plan", "climb"] = "climb") -> None:
    """Raise ConfigError with every obstacle that keeps a climb, or its plan alone, from beginning."""
    found = [o.problem for o in obstacles(config) if o.keeps in ("plan", begins)]
    if found:
        raise ConfigError(found)


def _of_goal(config: Config) -> Iterator[Obstacle]:
    """Return a tolerance that makes another goal of the goal: "at least 0.99 less 0.05" allows six times its errors."""
    goal, told = config.task.goal, config.task.tolerance
    if isinstance(goal, AsGoodAs):
        yield from _of_current(config)
        return
    widest = widest_tolerance(goal)
    if told is not None and told > widest:
        half = f"the errors that the goal {goal:g} allows" if goal > 0.5 else f"the goal {goal:g}"
        says = (
            f"is more than half of {half} ({widest:g}); a tolerance of up to that, or none "
            f"({usual_tolerance(goal):g} then), leaves the goal a goal"
        )
        yield Obstacle(Problem("task.tolerance", says, f"{told:g}"), "climb")


def _of_current(config: Config) -> Iterator[Obstacle]:
    """Return why an approach cannot be what runs now, or nothing can be held against it."""
    step, path = config.ladder[0], "task.goal.as_good_as"
    if plugins.rung_type(step.rung).trains:
        yield Obstacle(
            Problem(path, f"{step.label} changes weights in the run: name what runs now, as it is asked today"),
            "plan",
        )


def _of_models(config: Config) -> Iterator[Obstacle]:
    known, asked = configured(config), asked_roles(config)
    spared = asked_by_tuning_alone(config)
    yield from (Obstacle(problem, "plan") for problem in too_few_at_once(config, known))
    for role in asked:
        settings, path = known[role], f"models.{role}"
        for key in ("name", "base_url", "api_key_env"):
            held = getattr(settings, key, None)
            if isinstance(held, str) and _PLACEHOLDER.match(held):
                yield Obstacle(
                    Problem(f"{path}.{key}", "is still a placeholder: put your own there", repr(held)), "climb"
                )
        if unknown := [c for c in settings.columns if c not in config.task.inputs]:
            says = f"holds placeholders that are not filled ({', '.join(f'{{{{{c}}}}}' for c in unknown)})"
            allowed = ", ".join(("prompt", "messages", *config.task.inputs))
            yield Obstacle(Problem(f"{path}.body", says, None, allowed), "plan")
        if isinstance(settings, StoredSettings):
            yield from (Obstacle(problem, "plan") for problem in settings.problems(config, path))
        unpriced = check_priced(settings, path) if config.limits.budget_usd is not None else None
        if unpriced is not None:
            yield Obstacle(unpriced, "plan")
        try:
            unset = variable_problems(settings, path)
        except ConfigError as error:
            unset = error.problems
        yield from (Obstacle(problem, "climb") for problem in unset)
        if (lacks := plugins.lacking(settings.packages)) is not None:
            yield Obstacle(Problem(path, lacks), "step" if role in spared else "climb")
    vendor = VENDORS.get(known[config.embedder].provider) if config.embedder in known else None
    if vendor is not None and not vendor.embeds:
        advice = "name a model of another provider as documents.embedder, or none: documents are then searched by words"
        yield Obstacle(Problem(f"models.{config.embedder}", f"{vendor.title} offers no embeddings; {advice}"), "climb")


def _of_steps(config: Config) -> Iterator[Obstacle]:
    known = configured(config)
    for index, step in enumerate(config.ladder):
        path = f"ladder.{index}"
        try:
            rung = rung_of(step)
        except PluginError as error:
            yield Obstacle(Problem(path, str(error)), "plan")
            continue
        if (lacks := plugins.lacking(getattr(rung, "packages", ()))) is not None:
            yield Obstacle(Problem(path, lacks), "climb")
        if step.rung == "rag" and config.documents is None:
            says = "rag answers from the user's documents, and none are configured: name their folder as `documents: {path: ...}`"
            yield Obstacle(Problem(path, says), "step")
        if rung.trains and not step.trained_elsewhere:
            yield from _of_tuning(path, known, answering_role(step), getattr(rung, "tuner", ()))


def _of_tuning(
    path: str,
    known: Mapping[str, ProviderSettings],
    role: str | None,
    recipes: Collection[tuple[str, Mapping[str, object]]],
) -> Iterator[Obstacle]:
    """Return what keeps a step that changes weights from doing so: weights that are not here, recipes that are none."""
    if role is not None and role in known:
        try:
            base_of(role, known[role])
        except NotOffered as error:
            yield Obstacle(Problem(path, str(error)), "step")
            return
    for name, settings in recipes:
        try:
            tuner = held_tuner(name, plugins.make("tuners", name, **settings))
        except PluginError as error:
            yield Obstacle(Problem(f"{path}.tuner", str(error)), "plan")
        except ValidationError as error:
            for e in error.errors():
                where = ".".join([path, "tuner", name, *(str(part) for part in e["loc"])])
                yield Obstacle(Problem(where, str(e["msg"]).removeprefix("Value error, ")), "plan")
        else:
            if (lacks := plugins.lacking(getattr(tuner, "packages", ()))) is not None:
                yield Obstacle(Problem(path, lacks), "step")


def _of_metrics(config: Config) -> Iterator[Obstacle]:
    for index, spec in enumerate(config.task.metrics):
        try:
            held_metric(spec.plugin, plugins.make_at(config.root, "metrics", spec.plugin, spec.settings))
        except PluginError as error:
            yield Obstacle(Problem(f"task.metrics.{index}", str(error)), "plan")


def _of_floors(config: Config) -> Iterator[Obstacle]:
    """Return floors on a judge's opinion: it decides beside human labels alone, and too few of these lie in a slice."""
    named = {spec.name: spec for spec in config.task.metrics}
    for index, floor in enumerate(config.task.floors):
        spec = named.get(floor.metric) if floor.metric is not None else next(iter(named.values()), None)
        if spec is not None and getattr(plugins.find("metrics", spec.plugin), "opinion", False):
            says = f"is about scores of {spec.name!r}, which decides only beside human labels: name a metric that is no opinion"
            yield Obstacle(Problem(f"task.floors.{index}", says), "climb")


def _of_documents(config: Config) -> Iterator[Obstacle]:
    trouble = index_trouble(config)
    if trouble is not None:
        yield Obstacle(Problem("documents", trouble), "climb")


def _of_folder(config: Config, folder: Path) -> Iterator[Obstacle]:
    if not RunFolder(folder).begun:
        return
    try:
        problem = other_configuration(RunFolder.open(folder), config)
    except RungError as error:
        problem = Problem("folder", str(error))
    if problem is not None:
        yield Obstacle(problem, "climb")


def _of_regression_tasks(config: Config) -> Iterator[Obstacle]:
    for index, path in enumerate(config.regression_tasks):
        try:
            regression_tasks_of(config.model_copy(update={"regression_tasks": (path,)}))
        except ConfigError as error:
            own = [p for p in error.problems if p.path == "regression_tasks"]
            problems = own or [Problem(f"regression_tasks.{index}", " ".join(str(error).split()))]
            yield from (Obstacle(problem, "plan") for problem in problems)
        except RungError as error:
            yield Obstacle(Problem(f"regression_tasks.{index}", str(error)), "plan")
