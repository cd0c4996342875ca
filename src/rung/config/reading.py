"""rung.yaml -> Config, or every problem at once, before any paid call."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from rung import plugin
from rung.config.files import sheet_of
from rung.config.prompt import not_utf8, read_prompt
from rung.config.roles import asked_roles
from rung.config.sections import Config, Step, named_entry
from rung.errors import ConfigError, PluginError, Problem


def load_config(path: Path | str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read and check a rung.yaml.

    `overrides` may hold seed, budget_usd, goal and only (rung names). Raises ConfigError with every problem found.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(
            [Problem(str(path), "there is no such file; `rung init DATA` writes one")], str(path)
        ) from error
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")], str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), not_utf8(error))], str(path)) from error
    except yaml.YAMLError as error:
        raise ConfigError(
            [Problem(str(path), f"is no valid YAML: {' '.join(str(error).split())}")], str(path)
        ) from error
    if not isinstance(raw, dict):
        raise ConfigError([Problem(str(path), "must be a mapping with task, data and models at the top")], str(path))
    return parse_config(_overridden(raw, overrides or {}), path.resolve().parent, str(path))


def parse_config(raw: Mapping[str, Any], root: Path, source: str = "rung.yaml") -> Config:
    """Check a configuration given as plain data; relative paths start at `root`. Raises ConfigError."""
    try:
        config = Config.model_validate({**raw, "root": root})
    except ValidationError as error:
        raise ConfigError([_problem(e) for e in error.errors()] + list(_plugin_problems(raw, root)), source) from error
    problems = [*_plugin_problems(raw, root), *_cross_problems(config)]
    if problems:
        raise ConfigError(problems, source)
    return config


def _overridden(raw: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    changed = {**raw}
    for key, section, name in (
        ("seed", "split", "seed"),
        ("budget_usd", "limits", "budget_usd"),
        ("goal", "task", "goal"),
    ):
        if overrides.get(key) is not None:
            changed[section] = {**(changed.get(section) or {}), name: overrides[key]}
    if overrides.get("only"):
        wanted = list(overrides["only"])
        ladder = changed.get("ladder", ["baseline", "prompt", "fewshot"])
        steps = {Step(rung=n, settings=s).label: entry for entry in ladder for n, s in [named_entry(entry)]}
        unknown = [w for w in wanted if w not in steps]
        if unknown:
            raise ConfigError([Problem("--only", "is not in the ladder", ", ".join(unknown), ", ".join(steps))])
        changed["ladder"] = [entry for label, entry in steps.items() if label in wanted]
    return changed


def _problem(error: Any) -> Problem:
    """Turn a pydantic error into ours: path, what is wrong, what was found, what is allowed."""
    path = ".".join(str(part) for part in error["loc"]) or "the file"
    message = _plain(str(error["msg"]))
    value = None if isinstance(error.get("input"), dict | list) else repr(error.get("input"))
    if error["type"] == "extra_forbidden":
        *parents, last = [str(part) for part in error["loc"]]
        known = _keys_at(parents)
        near = difflib.get_close_matches(last, known, n=1, cutoff=0.5)
        message = "no such key" + (f"; did you mean {near[0]!r}?" if near else "")
        return Problem(path, message, None, ", ".join(known) or None)
    if error["type"] == "missing":
        return Problem(path, "is missing")
    return Problem(path, message, value)


def _plain(message: str) -> str:
    """Return a message of pydantic in the words of YAML."""
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message


_WORDS: Mapping[str, str] = {
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
            yield Problem(f"models.{role}.provider", "is missing", None, ", ".join(plugin.available("models")))
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
            name, options = named_entry(entry)
        except ValueError:
            continue
        yield from _made(root, f"ladder.{index}", "rungs", name, options)
    task = raw.get("task")
    metrics = task.get("metrics", []) if isinstance(task, dict) else []
    for index, entry in enumerate(metrics if isinstance(metrics, list) else [metrics]):
        try:
            name, options = named_entry(entry)
        except ValueError:
            continue
        yield from _made(root, f"task.metrics.{index}", "metrics", name, options)


def _made(root: Path, path: str, kind: str, name: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        plugin.make_at(root, kind, name, settings)
    except PluginError as error:
        yield Problem(path, str(error))
    except ValidationError as error:
        found_plugin = plugin.find(kind, name)
        known = ", ".join(found_plugin.model_fields)
        hides = bool(found_plugin.model_config.get("hide_input_in_errors"))
        for e in error.errors():
            where = ".".join([path, *(str(part) for part in e["loc"])])
            if e["type"] == "extra_forbidden":
                yield Problem(where, f"{name} has no such setting", None, known)
            elif e["type"] == "missing":
                yield Problem(where, "is missing")
            else:
                found = e.get("input")
                secret = isinstance(found, str) and hides  # a text among a model's settings may be a key
                yield Problem(where, _plain(str(e["msg"])), None if secret else repr(found))


def _cross_problems(config: Config) -> Iterator[Problem]:
    """Check what no single key can tell."""
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
            read_prompt(config.resolve(config.task.prompt))
        except ConfigError as error:
            yield from error.problems
    for index, path in enumerate(config.keep):
        if not config.resolve(path).exists():
            yield Problem(f"keep.{index}", "there is no such file or run folder", str(config.resolve(path)))
    seen: set[str] = set()
    for index, step in enumerate(config.ladder):
        if step.label in seen:
            yield Problem(f"ladder.{index}", "is in the ladder twice", step.label, "each rung once for each model")
        seen.add(step.label)
    for role, askers in asked_roles(config).items():
        if role not in config.models:
            known = ", ".join(config.models) or None
            yield from (Problem(f"models.{role}", f"is missing, and {who} asks it", None, known) for who in askers)
