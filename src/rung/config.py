"""rung.yaml -> Config: the file is the experiment. Every problem is reported at once, before any paid call."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rung import plugin
from rung.errors import ConfigError, PluginError, Problem
from rung.types import Limits, Message, MetricSpec, Task, content_hash


class Section(BaseModel):
    """A part of the file: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TaskSection(Section):
    """What is asked of a model, and when it counts as good enough."""

    name: str = Field(min_length=1, description="a short name, shown in reports")
    kind: Literal["classification", "extraction", "style", "knowledge", "generation", "auto"] = Field(
        "auto", description="decides the data minimums and the default metric; auto looks at the targets"
    )
    instruction: str = Field(min_length=1, description="what the model is asked to do, in one or two sentences")
    prompt: Path | None = Field(
        None, description="the feature's own prompt (text or chat messages): candidate 1, as it stands"
    )
    inputs: tuple[str, ...] = Field(min_length=1, description="the columns that the model sees")
    target: str = Field(description="the column with the expected output")
    metrics: tuple[MetricSpec, ...] = Field(
        (), description="the first one decides, the others are reported; none: the kind's default"
    )
    goal: float = Field(gt=0, le=1, description="the quality that is good enough, 0 to 1")
    worth_it: float = Field(0.02, gt=0, lt=1, description="the smallest gain worth a rung")
    tolerance: float | None = Field(None, ge=0, lt=1, description="met means: shown to be at least goal - tolerance")
    seek: Literal["good_enough", "cheapest"] = Field(
        "good_enough", description="cheapest: look further for a not-worse, cheaper or faster rung"
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="how often a wrong claim may be made")
    on_failure: float | None = Field(
        0.0, ge=0, le=1, description="the score a failed row counts as; null leaves failed rows out"
    )

    @field_validator("inputs", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("metrics", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        entries = [value] if isinstance(value, str | dict) else value
        return (
            [{"name": n, "settings": s} for n, s in map(_named_entry, entries)] if isinstance(entries, list) else value
        )

    @model_validator(mode="after")
    def _consistent(self) -> TaskSection:
        if self.target in self.inputs:
            raise ValueError(f"the target column {self.target!r} is also an input: the model would see the answer")
        if self.tolerance is not None and self.tolerance >= self.goal:
            raise ValueError(f"tolerance {self.tolerance} leaves nothing of the goal {self.goal}")
        return self


class DataSection(Section):
    """Where the rows are: one file to be split, or the user's own train and test files."""

    path: Path | None = Field(None, description="one file: jsonl, csv, tsv or json, gzipped or not")
    train: Path | None = Field(None, description="your own training part")
    test: Path | None = Field(None, description="your own test part")
    id: str | None = Field(None, description="the column with row ids; none: ids are made from the content")
    group_by: str | None = Field(None, description="rows that share this column stay on one side of the split")

    @model_validator(mode="after")
    def _one_form(self) -> DataSection:
        if (self.path is None) == (self.train is None and self.test is None):
            raise ValueError("give either `path`, or both `train` and `test`")
        if (self.train is None) != (self.test is None):
            raise ValueError("give both `train` and `test`")
        return self


class SplitSection(Section):
    """How the rows are parted. Shares of all rows."""

    test: float = Field(0.4, gt=0, lt=1, description="share of the sealed test part")
    dev: float = Field(0.15, gt=0, lt=1, description="share of the rows on which candidates are chosen")
    seed: int = Field(7, description="seed of every random choice in the climb")

    @model_validator(mode="after")
    def _something_left(self) -> SplitSection:
        if self.test + self.dev >= 1:
            raise ValueError(f"test {self.test} and dev {self.dev} leave no training rows")
        return self


class LimitsSection(Section):
    """Hard limits. Money in US dollars."""

    budget_usd: float | None = Field(None, gt=0, description="cap on everything the climb spends")
    cost_per_1k_usd: float | None = Field(None, ge=0, description="a rung above this is not good enough")
    p95_latency_s: float | None = Field(None, gt=0, description="a rung slower than this is not good enough")


class VolumeSection(Section):
    """How much the feature is used."""

    requests_per_month: int | None = Field(None, gt=0, description="for the monthly bill in the report")


class Step(Section):
    """One planned rung: plugin name, settings, and the name it carries in the report."""

    rung: str
    settings: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        model = self.settings.get("model", "main")
        return self.rung if model == "main" else f"{self.rung}@{model}"


class Config(Section):
    """The whole file."""

    version: Literal[1] = 1
    task: TaskSection
    data: DataSection
    split: SplitSection = SplitSection()
    models: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict, description="role -> provider and its settings"
    )
    ladder: tuple[Step, ...] = (Step(rung="baseline"), Step(rung="prompt"), Step(rung="fewshot"))
    stop_early: bool = Field(True, description="stop a rung as soon as its verdict is certain")
    limits: LimitsSection = LimitsSection()
    volume: VolumeSection = VolumeSection()
    root: Path = Field(Path(), exclude=True, description="the folder of the file; relative paths start there")

    @field_validator("ladder", mode="before")
    @classmethod
    def _steps(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError("the ladder is a list of rungs, for example [baseline, prompt, fewshot]")
        if all(isinstance(entry, Step) for entry in value):
            return value
        return [{"rung": n, "settings": s} for n, s in map(_named_entry, value)]

    @property
    def sha256(self) -> str:
        """Hash of everything that steers the climb except the limits and the volume, which may change between resumptions."""
        return content_hash(self.model_dump(mode="json", exclude={"limits", "volume", "root"}))

    @property
    def planned(self) -> tuple[str, ...]:
        return tuple(step.label for step in self.ladder)

    def resolve(self, path: Path) -> Path:
        return path if path.is_absolute() else self.root / path

    def metrics(self, kind: str) -> tuple[MetricSpec, ...]:
        """Return the metrics as given, or the kind's default."""
        return self.task.metrics or (MetricSpec(DEFAULT_METRIC[kind]),)

    def as_task(self, *, kind: str, labels: tuple[str, ...] | None) -> Task:
        """Return the task as the climb uses it; `kind` is never "auto"."""
        section = self.task
        return Task(
            name=section.name,
            instruction=section.instruction,
            inputs=section.inputs,
            target=section.target,
            kind=kind,  # type: ignore[arg-type]
            metrics=self.metrics(kind),
            goal=section.goal,
            prompt=read_prompt(self.resolve(section.prompt)) if section.prompt else None,
            labels=labels,
            worth_it=section.worth_it,
            tolerance=section.worth_it if section.tolerance is None else section.tolerance,
            seek=section.seek,
            alpha=section.alpha,
            on_failure=section.on_failure,
            limits=Limits(**self.limits.model_dump()),
        )


DEFAULT_METRIC: Mapping[str, str] = {
    "classification": "exact_match",
    "extraction": "json_fields",
    "style": "lines",
    "knowledge": "token_f1",
    "generation": "token_f1",
}


def _named_entry(entry: Any) -> tuple[str, Mapping[str, Any]]:
    """Read `name` or `{name: {settings}}`."""
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, dict) and len(entry) == 1:
        [(name, settings)] = entry.items()
        if isinstance(name, str) and (settings is None or isinstance(settings, dict)):
            return name, settings or {}
    raise ValueError(
        f"write a name or a name with settings, such as fewshot or {{fewshot: {{model: small}}}}, not {entry!r}"
    )


def read_prompt(path: Path) -> tuple[Message, ...]:
    """Read a feature's prompt: chat messages (a YAML or JSON list of role and content) or plain text (one message).

    Plain text with a placeholder such as {{question}} becomes the user message, without one the system message.
    Raises ConfigError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("task.prompt", f"cannot be read: {error}", str(path))]) from error
    if not text.strip():
        raise ConfigError([Problem("task.prompt", "the prompt file is empty", str(path))])
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return (Message("user" if "{{" in text else "system", text.strip()),)
    try:
        value = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigError([Problem("task.prompt", f"is no valid {path.suffix[1:]}: {error}", str(path))]) from error
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if isinstance(value, str):
        return (Message("user" if "{{" in value else "system", value.strip()),)
    allowed = "a list of {role: system|user|assistant, content: text}"
    entries = value if isinstance(value, list) else []
    messages = tuple(
        Message(entry["role"], entry["content"])
        for entry in entries
        if isinstance(entry, dict)
        and entry.get("role") in ("system", "user", "assistant")
        and isinstance(entry.get("content"), str)
    )
    if not messages or len(messages) != len(entries):
        raise ConfigError([Problem("task.prompt", "is no chat", str(path), allowed)])
    return messages


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read and check a rung.yaml.

    `overrides` may hold seed, budget_usd, goal and only (rung names). Raises ConfigError with every problem found.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(
            [Problem(str(path), "there is no such file; `rung init DATA` writes one")], str(path)
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error}")], str(path)) from error
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
        raise ConfigError([_problem(e) for e in error.errors()] + list(_plugin_problems(raw)), source) from error
    problems = [*_plugin_problems(raw), *_cross_problems(config)]
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
        steps = {Step(rung=n, settings=s).label: entry for entry in ladder for n, s in [_named_entry(entry)]}
        unknown = [w for w in wanted if w not in steps]
        if unknown:
            raise ConfigError([Problem("--only", "is not in the ladder", ", ".join(unknown), ", ".join(steps))])
        changed["ladder"] = [entry for label, entry in steps.items() if label in wanted]
    return changed


def _problem(error: Any) -> Problem:
    """Turn a pydantic error into ours: path, what is wrong, what was found, what is allowed."""
    path = ".".join(str(part) for part in error["loc"]) or "the file"
    message = str(error["msg"]).removeprefix("Value error, ")
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


def _keys_at(parents: list[str]) -> list[str]:
    model: Any = Config
    for part in parents:
        field = model.model_fields.get(part)
        model = field.annotation if field is not None else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return [name for name in model.model_fields if name != "root"]


def _plugin_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Check every named plugin and its settings."""
    models = raw.get("models")
    for role, entry in (models if isinstance(models, dict) else {}).items():
        settings = dict(entry) if isinstance(entry, dict) else {}
        provider = settings.pop("provider", None)
        if not isinstance(provider, str):
            yield Problem(f"models.{role}.provider", "is missing", None, ", ".join(plugin.available("models")))
            continue
        yield from _made(f"models.{role}", "models", provider, settings)
    ladder = raw.get("ladder")
    for index, entry in enumerate(ladder if isinstance(ladder, list) else []):
        try:
            name, options = _named_entry(entry)
        except ValueError:
            continue
        yield from _made(f"ladder.{index}", "rungs", name, options)
    task = raw.get("task")
    metrics = task.get("metrics", []) if isinstance(task, dict) else []
    for index, entry in enumerate(metrics if isinstance(metrics, list) else [metrics]):
        try:
            name, options = _named_entry(entry)
        except ValueError:
            continue
        yield from _made(f"task.metrics.{index}", "metrics", name, options)


def _made(path: str, kind: str, name: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        plugin.make(kind, name, **settings)
    except PluginError as error:
        yield Problem(path, str(error))
    except ValidationError as error:
        known = ", ".join(plugin.find(kind, name).model_fields)
        for e in error.errors():
            where = ".".join([path, *(str(part) for part in e["loc"])])
            if e["type"] == "extra_forbidden":
                yield Problem(where, f"{name} has no such setting", None, known)
            elif e["type"] == "missing":
                yield Problem(where, "is missing")
            else:
                yield Problem(where, str(e["msg"]).removeprefix("Value error, "), repr(e.get("input")))


def _cross_problems(config: Config) -> Iterator[Problem]:
    """Check what no single key can tell."""
    for name, path in (("path", config.data.path), ("train", config.data.train), ("test", config.data.test)):
        if path is not None and not config.resolve(path).is_file():
            yield Problem(f"data.{name}", "there is no such file", str(config.resolve(path)))
    if config.task.prompt is not None:
        try:
            read_prompt(config.resolve(config.task.prompt))
        except ConfigError as error:
            yield from error.problems
    seen: set[str] = set()
    for index, step in enumerate(config.ladder):
        if step.label in seen:
            yield Problem(f"ladder.{index}", "is in the ladder twice", step.label, "each rung once for each model")
        seen.add(step.label)
        role = step.settings.get("model", "main")
        if plugin.find("rungs", step.rung).asks_model and role not in config.models:
            yield Problem(
                f"models.{role}",
                f"is missing, and the rung {step.label} asks it",
                None,
                ", ".join(config.models) or None,
            )
