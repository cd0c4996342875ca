"""The sections of rung.yaml as frozen models: every key, its type, its default and its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rung.config.prompt import read_prompt
from rung.types import Limits, MetricSpec, Task, content_hash


class Section(BaseModel):
    """A part of the file: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TaskSection(Section):
    """What is asked of a model, and when it counts as good enough."""

    name: str = Field(min_length=1, max_length=100, description="a short name, shown in reports")
    kind: Literal["classification", "extraction", "style", "knowledge", "generation", "auto"] = Field(
        "auto", description="decides the data minimums and the default metric; auto looks at the targets"
    )
    instruction: str = Field(min_length=1, description="what the model is asked to do, in one or two sentences")
    prompt: Path | None = Field(
        None, description="the feature's own prompt (text or chat messages): candidate 1, as it stands"
    )
    inputs: tuple[str, ...] = Field(min_length=1, description="the columns that the model sees")
    target: str = Field(description="the column with the expected output")
    also_right: tuple[str, ...] = Field(
        (), description="columns with further right answers; any one of a row's right answers counts"
    )
    target_lists: Literal["any", "whole"] = Field(
        "any", description="a list of texts in a target column: any entry is right, or the whole list is the answer"
    )
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
    facts_change: Literal["often", "rarely"] | None = Field(
        None, description="how often facts in the answers change; often: no rung is tuned on them"
    )
    scope: Literal["narrow", "general"] | None = Field(
        None, description="narrow: one kind of request; general: anything may be asked, so nothing is tuned"
    )

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, value: str) -> str:
        if not value.isprintable() or set(value) & set("/\\:") or value.startswith("."):
            raise ValueError(
                "names the run folder too, so it may hold no / \\ : or control character, and no dot in front"
            )
        return value

    @field_validator("inputs", "also_right", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("metrics", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        entries = [value] if isinstance(value, str | dict) else value
        return (
            [{"name": n, "settings": s} for n, s in map(named_entry, entries)] if isinstance(entries, list) else value
        )

    @model_validator(mode="after")
    def _consistent(self) -> TaskSection:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"a metric is named twice in {', '.join(names)}; each may stand there once")
        for column in (self.target, *self.also_right):
            if column in self.inputs:
                raise ValueError(f"the target column {column!r} is also an input: the model would see the answer")
        if self.target in self.also_right:
            raise ValueError(f"also_right names the target column {self.target!r} itself; name further columns there")
        if self.tolerance is not None and self.tolerance >= self.goal:
            raise ValueError(f"tolerance {self.tolerance} leaves nothing of the goal {self.goal}")
        return self


class DataSection(Section):
    """Where the rows are: one file to be split, or the user's own train and test files."""

    path: Path | None = Field(
        None, description="one file (jsonl, csv, tsv, json, parquet, xlsx, promptfoo yaml) or a folder of texts"
    )
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


class DocumentsSection(Section):
    """The user's documents, for rungs that look answers up."""

    path: Path = Field(description="the folder: Markdown, text, HTML, PDF, DOCX, CSV and JSONL files, at any depth")
    embedder: str | None = Field(
        None,
        description="the role under `models` that makes vectors; none: the role `embedder` if there is one, else words alone",
    )
    relevant: Path | None = Field(
        None,
        description="a file that tells which documents hold the answer to which row: row id, document, grade (tabs between)",
    )
    chunk_words: int = Field(180, ge=10, le=5000, description="words of a passage, where a rung does not choose")
    store: str = Field(
        "sqlite:.rung/documents.sqlite",
        description="where the index is kept: a retriever plugin, a colon, and the place",
    )

    @field_validator("store")
    @classmethod
    def _plugin_and_place(cls, value: str) -> str:
        name, colon, place = value.partition(":")
        if not (name and colon and place):
            raise ValueError(
                "is written as RETRIEVER:PLACE, for example sqlite:.rung/documents.sqlite or lance:vectors"
            )
        return value

    @property
    def retriever(self) -> tuple[str, str]:
        """The plugin's name, and the place."""
        name, _, place = self.store.partition(":")
        return name, place


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

    budget_usd: float | None = Field(None, gt=0, allow_inf_nan=False, description="cap on everything the climb spends")
    cost_per_1k_usd: float | None = Field(None, ge=0, description="a rung above this is not good enough")
    p95_latency_s: float | None = Field(None, gt=0, description="a rung slower than this is not good enough")


class VolumeSection(Section):
    """How much the feature is used."""

    requests_per_month: int | None = Field(None, gt=0, description="for the monthly bill in the report")


class DiagnosisSection(Section):
    """How much may be asked to find out why rows failed: experiments on failed dev rows, never on test rows."""

    calls: int = Field(
        120, ge=0, description="most calls of these experiments for each rung that the climb goes on from; 0: none"
    )


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
    documents: DocumentsSection | None = Field(
        None, description="the user's documents; none: no rung can look answers up"
    )
    split: SplitSection = SplitSection()
    models: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict, description="role -> provider and its settings"
    )
    ladder: tuple[Step, ...] = (Step(rung="baseline"), Step(rung="prompt"), Step(rung="fewshot"))
    keep: tuple[Path, ...] = Field(
        (), description="other tasks that tuning must not harm: each a rung.yaml or a finished run folder"
    )
    diagnosis: DiagnosisSection = DiagnosisSection()
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
        return [{"rung": n, "settings": s} for n, s in map(named_entry, value)]

    @property
    def sha256(self) -> str:
        """Hash of everything that steers the climb; limits, volume, and how fast and at what price a model is asked may
        change between resumptions."""
        steers = self.model_dump(mode="json", exclude={"limits", "volume", "root"})
        if steers["documents"] is not None:
            del steers["documents"]["store"]  # where the index lies changes no answer
        for settings in steers["models"].values():
            for key in NOT_STEERING:
                settings.pop(key, None)
        return content_hash(steers)

    @property
    def planned(self) -> tuple[str, ...]:
        return tuple(step.label for step in self.ladder)

    @property
    def embedder(self) -> str | None:
        """The role that turns documents and queries into vectors; None: there is none."""
        if self.documents is None:
            return None
        return self.documents.embedder or ("embedder" if "embedder" in self.models else None)

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
            facts_change=section.facts_change,
            scope=section.scope,
            limits=Limits(**self.limits.model_dump()),
        )


NOT_STEERING: tuple[str, ...] = (  # settings of a model that change no answer
    *("concurrency", "timeout_s", "attempts", "requests_per_minute", "tokens_per_minute", "api_key_env", "headers_env"),
    *("input_usd_per_mtok", "output_usd_per_mtok", "usd_per_hour", "note"),
)

DEFAULT_METRIC: Mapping[str, str] = {
    "classification": "exact_match",
    "extraction": "json_fields",
    "style": "lines",
    "knowledge": "token_f1",
    "generation": "token_f1",
}


def named_entry(entry: Any) -> tuple[str, Mapping[str, Any]]:
    """Read `name` or `{name: {settings}}`."""
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, dict) and set(entry) in ({"name", "settings"}, {"rung", "settings"}):  # as stored in run.json
        return entry.get("name") or entry["rung"], entry["settings"]
    if isinstance(entry, dict) and len(entry) == 1:
        [(name, settings)] = entry.items()
        if isinstance(name, str) and (settings is None or isinstance(settings, dict)):
            return name, settings or {}
    raise ValueError(
        f"write a name or a name with settings, such as fewshot or {{fewshot: {{model: small}}}}, not {entry!r}"
    )
