"""rung.yaml -> Config, or every problem at once, before any paid call."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from rung import plugins
from rung.config.approaches import stored_label, stored_name
from rung.config.entries import named_entry
from rung.config.files import sheet_of
from rung.config.goal import problems_of_current
from rung.config.prompt import for_columns, not_utf8, read_prompt
from rung.config.roles import asked_roles
from rung.config.rows import problems_of_time
from rung.config.sections import Config
from rung.config.steps import Step
from rung.errors import ConfigError, PluginError, Problem
from rung.foreign import file_text, is_whole, safe_yaml
from rung.invisible import visible
from rung.types import is_file_name

OVERRIDES: Mapping[
    str, tuple[str, str]
] = {  # what a call may say instead of the file, and the section and key it stands for
    "seed": ("split", "seed"),
    "budget_usd": ("limits", "budget_usd"),
    "goal": ("task", "goal"),
    "more": ("data", "more"),
}
NO_EXPERIMENT = "must be a mapping with task, data and models at the top"


def load_config(
    path: Path | str, overrides: Mapping[str, Any] | None = None, said_as: Mapping[str, str] | None = None
) -> Config:
    """Read and check a rung.yaml.

    `overrides` may hold seed, budget_usd, goal and only (rung names); `said_as`: what the caller calls them
    in problems with their values. Raises ConfigError with every problem found.
    """
    path, given = Path(path), overrides or {}
    try:
        raw = safe_yaml(file_text(path))[0]
    except FileNotFoundError as error:
        raise ConfigError(
            [Problem(str(path), "there is no such file; `rung init DATA` writes one")], str(path)
        ) from error
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")], str(path)) from error
    except UnicodeDecodeError as error:
        raise _no_experiment(path, not_utf8(error)) from error
    except yaml.YAMLError as error:
        raise _no_experiment(path, f"is no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict) or ("task" not in raw and not _named_as_yaml(path)):
        raise _no_experiment(path, NO_EXPERIMENT)
    try:
        return parse_config(overridden(raw, given, str(path)), path.resolve().parent, str(path))
    except ConfigError as error:
        places = {"only": "only"} | {key: ".".join(place) for key, place in OVERRIDES.items()}
        said = {
            place: (said_as or {}).get(key, key) for key, place in places.items() if given.get(key) not in (None, [])
        }
        if said.keys().isdisjoint(p.path for p in error.problems):
            raise
        alone = said.keys() >= {p.path for p in error.problems}
        source = f"What was given beside {path.name}" if alone else error.source
        raise ConfigError([replace(p, path=said.get(p.path, p.path)) for p in error.problems], source) from error


def _named_as_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def _no_experiment(path: Path, why: str) -> ConfigError:
    """Say that a file holds no experiment; one of another kind may well hold the examples."""
    hint = (
        "" if _named_as_yaml(path) else f"; if it holds your examples, `rung init {path}` writes a rung.yaml for them"
    )
    return ConfigError([Problem(str(path), f"{why}{hint}")], str(path))


def parse_config(raw: Mapping[str, Any], root: Path, source: str = "rung.yaml") -> Config:
    """Check a configuration given as plain data; relative paths start at `root`. Raises ConfigError."""
    if odd := [Problem(path, "holds half of a surrogate pair, which no file can keep") for path in _unstorable(raw)]:
        raise ConfigError(odd, source)
    try:
        config = Config.model_validate({**raw, "root": root})
    except ValidationError as error:
        raise ConfigError([_problem(e) for e in error.errors()] + list(_plugin_problems(raw, root)), source) from error
    problems = list(_plugin_problems(raw, root))
    problems += _cross_problems(config, roles=not problems)
    if problems:
        raise ConfigError(problems, source)
    return config


def _unstorable(value: Any, path: str = "") -> Iterator[str]:
    """Yield where plain data hold a text, or a key, that cannot be written."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            place = visible(f"{path}.{key}" if path else str(key))
            if isinstance(key, str) and not is_whole(key):
                yield place
            else:
                yield from _unstorable(inner, place)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _unstorable(inner, f"{path}.{number}")
    elif isinstance(value, str) and not is_whole(value):
        yield path


def overridden(raw: Mapping[str, Any], overrides: Mapping[str, Any], source: str = "rung.yaml") -> dict[str, Any]:
    """Return plain data of a configuration with seed, budget_usd, goal and only put where they belong; None changes nothing.

    A section or a ladder that is none is left for `parse_config` to report. Raises ConfigError for an unknown rung in `only`.
    """
    changed = {**raw}
    for key, (section, name) in OVERRIDES.items():
        held = changed.get(section) or {}
        if overrides.get(key) is not None and isinstance(held, Mapping):
            changed[section] = {**held, name: overrides[key]}
    if overrides.get("only"):
        changed["ladder"] = _kept(changed.get("ladder", ["baseline", "prompt", "fewshot"]), overrides["only"], source)
    return changed


def _kept(ladder: Any, only: Sequence[str], source: str) -> Any:
    """Return the steps of a ladder that `only` names; a ladder that cannot be read stays as it is."""
    try:
        entries = [named_entry(entry) for entry in ladder] if isinstance(ladder, list) else []
    except ValueError:
        return ladder
    if not entries:
        return ladder
    steps = {Step(rung=e.plugin, settings=e.settings, name=e.name).label: e for e in entries}
    wanted = [next((label for label, e in steps.items() if e.name == w), stored_label(w)) for w in only]
    unknown = [w for w in wanted if w not in steps]
    if unknown:
        raise ConfigError([Problem("only", "is not in the ladder", ", ".join(unknown), ", ".join(steps))], source)
    stored = {label: {"rung": e.plugin, "settings": e.settings, "name": e.name} for label, e in steps.items()}
    return [entry for label, entry in stored.items() if label in wanted]


RENAMED: Mapping[str, str] = {  # keys that rung.yaml had before its words were settled
    "worth_it": "min_gain",
    "seek": "objective",
    "keep": "regression_tasks",
    "also_right": "accepted_answers",
    "on_failure": "failure_score",
}


def _problem(error: Any) -> Problem:
    """Turn a pydantic error into ours: path, what is wrong, what was found, what is allowed."""
    path = ".".join(part for part in map(str, error["loc"]) if not part.startswith("=")) or "the file"
    message = plain_words(str(error["msg"]))
    value = None if isinstance(error.get("input"), dict | list) else repr(error.get("input"))
    if error["type"] == "extra_forbidden":
        *parents, last = [str(part) for part in error["loc"]]
        known = _keys_at(parents)
        if last in RENAMED:
            return Problem(path, f"is called {RENAMED[last]!r} now")
        near = difflib.get_close_matches(last, known, n=1, cutoff=0.5)
        message = "no such key" + (f"; did you mean {near[0]!r}?" if near else "")
        return Problem(path, message, None, ", ".join(known) or None)
    if error["type"] == "missing":
        return Problem(path, "is missing")
    return Problem(path, message, value)


def plain_words(message: str) -> str:
    """Return a message of pydantic in the words of YAML."""
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    message = _SIZE.sub(r"must hold at \1 \2", message)
    return re.sub(" or instance of [A-Za-z]+", "", message)


_SIZE = re.compile(
    r"^(?:Tuple|List|Dictionary|String) should have at (least|most) (\d+ \w+)(?: after validation)?(?:, not \d+)?$"
)
_WORDS: Mapping[str, str] = {
    "Keys should be strings": "a key must be text",
    "Value error, ": "",
    "Input should be": "must be",
    "a valid tuple": "a list",
    "a valid dictionary": "a mapping",
    "a valid mapping": "a mapping",
    "a valid string": "text",
    "a valid boolean, unable to interpret input": "true or false",
    ", unable to parse string as an integer": "",
    ", unable to parse string as a number": "",
    "a valid integer": "a whole number",
    "a valid number": "a number",
}


def _keys_at(parents: list[str]) -> list[str]:
    model: Any = Config
    for part in parents:
        field = model.model_fields.get(part)
        model = field.annotation if field is not None else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return [name for name in model.model_fields if name != "root"]


def _plugin_problems(raw: Mapping[str, Any], root: Path) -> Iterator[Problem]:
    """Check every named plugin and its settings."""
    models = raw.get("models")
    for role, entry in (models if isinstance(models, dict) else {}).items():
        settings = dict(entry) if isinstance(entry, dict) else {}
        provider = settings.pop("provider", None)
        if not isinstance(provider, str):
            yield Problem(f"models.{role}.provider", "is missing", None, ", ".join(plugins.available("models")))
            continue
        yield from _made(root, f"models.{role}", "models", provider, settings)
    documents = raw.get("documents")
    store = documents.get("store") if isinstance(documents, dict) else None
    if isinstance(store, str) and ":" in store:
        retriever, _, place = store.partition(":")
        yield from _made(root, "documents.store", "retrievers", retriever, {"place": place})
    ladder = raw.get("ladder")
    for index, entry in enumerate(ladder if isinstance(ladder, list) else []):
        try:
            step = named_entry(entry)
        except ValueError:
            continue
        yield from _made(root, f"ladder.{index}", "rungs", stored_name(step.plugin), step.settings)
    task = raw.get("task")
    metrics = task.get("metrics", []) if isinstance(task, dict) else []
    for index, entry in enumerate(metrics if isinstance(metrics, list) else [metrics]):
        try:
            metric = named_entry(entry)
        except ValueError:
            continue
        yield from _made(root, f"task.metrics.{index}", "metrics", metric.plugin, metric.settings)


def _made(root: Path, path: str, kind: str, name: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        plugins.make_at(root, kind, name, settings)
    except PluginError as error:
        yield Problem(path, str(error))
    except ValidationError as error:
        found_plugin = plugins.find(kind, name)
        hides = bool(found_plugin.model_config.get("hide_input_in_errors"))
        for e in error.errors():
            where = ".".join([path, *(str(part) for part in e["loc"])])
            if e["type"] == "extra_forbidden":
                yield Problem(
                    where, f"{name} has no such setting", None, ", ".join(_fields_at(found_plugin, e["loc"][:-1]))
                )
            elif e["type"] == "missing":
                yield Problem(where, "is missing")
            else:
                found = e.get("input")
                untold = isinstance(found, dict | list) or (isinstance(found, str) and hides)  # a text may be a key
                yield Problem(where, plain_words(str(e["msg"])), None if untold else repr(found))


def _fields_at(settings: type[BaseModel], place: Sequence[Any]) -> Sequence[str]:
    """Return the settings that may stand at a place inside a plugin's settings, such as the parts of a price."""
    for part in place:
        field = settings.model_fields.get(str(part))
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        settings = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), settings)
    return tuple(settings.model_fields)


def _cross_problems(config: Config, *, roles: bool) -> Iterator[Problem]:
    """Check what no single key can tell; `roles` only where every plugin is known, for it says what it asks."""
    unusable = [
        Problem(where, "is a name that no file can have", repr(str(p)[:60]))
        for where, p in _paths(config)
        if not _usable(p)
    ]
    if unusable:
        yield from unusable
        return
    for name, path in (("path", config.data.path), ("train", config.data.train), ("test", config.data.test)):
        if path is not None and not sheet_of(config.resolve(path))[0].exists():
            yield Problem(f"data.{name}", "there is no such file or folder", str(config.resolve(path)))
    if config.documents is not None and not config.resolve(config.documents.path).is_dir():
        yield Problem("documents.path", "there is no such folder", str(config.resolve(config.documents.path)))
    if config.documents is not None and config.documents.relevant is not None:
        judgements = config.resolve(config.documents.relevant)
        if not judgements.is_file():
            yield Problem("documents.relevant", "there is no such file", str(judgements))
    if config.task.prompt is not None:
        try:
            for_columns(read_prompt(config.resolve(config.task.prompt)), config.task.inputs)
        except ConfigError as error:
            yield from error.problems
    for index, path in enumerate(config.regression_tasks):
        if not config.resolve(path).exists():
            yield Problem(f"regression_tasks.{index}", "there is no such file or run folder", str(config.resolve(path)))
    seen: set[str] = set()
    for index, step in enumerate(config.ladder):
        if not is_file_name(step.label):
            yield Problem(
                f"ladder.{index}",
                "names a folder of the run, too, so it may hold no / \\ or control character and at most 100 letters: give the step a "
                "`name`, or its model another role",
                repr(step.label[:60]),
            )
        if step.label in seen:
            yield Problem(
                f"ladder.{index}",
                "is in the ladder twice",
                step.label,
                "each once for each model, or with a `name` of its own",
            )
        seen.add(step.label)
    yield from problems_of_current(config.task.goal, config.ladder)
    yield from problems_of_time(config.data, config.split, config.task.inputs)
    for role, askers in (asked_roles(config) if roles else {}).items():
        if role not in config.models:
            known = ", ".join(config.models) or None
            yield from (Problem(f"models.{role}", f"is missing, and {who} asks it", None, known) for who in askers)


def _paths(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield every path that the file names, with its key."""
    for name in ("path", "train", "test"):
        yield f"data.{name}", getattr(config.data, name) or Path()
    yield "task.prompt", config.task.prompt or Path()
    if config.documents is not None:
        yield "documents.path", config.documents.path
        yield "documents.relevant", config.documents.relevant or Path()
    yield from ((f"regression_tasks.{index}", path) for index, path in enumerate(config.regression_tasks))


def _usable(path: Path) -> bool:
    """Whether the system may be asked about the path: no part is too long, and none holds what no name can."""
    try:
        named = [part.encode("utf-8") for part in path.parts]
    except UnicodeEncodeError:
        return False
    return sum(map(len, named)) < 4096 and all(len(part) < 256 and b"\0" not in part for part in named)
