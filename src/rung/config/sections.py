"""The sections of rung.yaml as frozen models: every key, its type, its default and its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from rung.config.documents import DocumentsSection
from rung.config.entries import named_entry
from rung.config.expected import check_expected
from rung.config.floors import FloorSection
from rung.config.goal import AsGoodAs, Goal, current_of, numbers_of
from rung.config.price import service_of
from rung.config.prompt import for_columns, read_prompt, stray
from rung.config.robustness import ChangedExamples
from rung.config.rows import DataSection, SplitSection
from rung.config.section import Section
from rung.config.steering import steers_of
from rung.config.steps import Step, as_meant
from rung.types import FORMAT, Limits, MetricSpec, Task, content_hash


class TaskSection(Section):
    """What is asked of a model, and when it counts as good enough."""

    later: ClassVar = frozenset({"floors", "slices"})

    name: str = Field(min_length=1, max_length=100, description="a short name, shown in reports")
    kind: Literal["classification", "extraction", "style", "knowledge", "generation", "auto"] = Field(
        "auto", description="decides the data minimums and the default metric; auto looks at the targets"
    )
    instruction: str = Field(min_length=1, description="what the model is asked to do, in one or two sentences")
    prompt: Path | None = Field(
        None, description="the feature's own prompt (text or chat messages): candidate 1, as it stands"
    )
    inputs: tuple[str, ...] = Field(min_length=1, description="the columns that the model sees")
    target: str = Field(
        "",
        description="the column with the expected output; none: a metric judges answers without one, such as a judge",
    )
    accepted_answers: tuple[str, ...] = Field(
        (), description="columns with further right answers; any one of an example's right answers counts"
    )
    target_lists: Literal["any", "whole"] = Field(
        "any", description="a list of texts in a target column: any entry is right, or the whole list is the answer"
    )
    metrics: tuple[MetricSpec, ...] = Field(
        (),
        description="the first one decides, the others are reported; none: the kind's default; two of one kind want a `name` "
        "each: {judge: {name: tone}}",
    )
    goal: Goal = Field(
        description="the quality that is good enough, 0 to 1; or {as_good_as: current, margin: 0.02}: at most so much worse than that step "
        "of the ladder, which is measured first"
    )
    min_gain: float = Field(0.02, gt=0, lt=1, description="the smallest gain worth an approach")
    tolerance: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="met means: shown to be at least goal - tolerance; none: 0.02, or a fifth of 1 - goal, or half of the goal, where that is less; at most half of either",
    )
    objective: Literal["good_enough", "cheapest", "frontier"] = Field(
        "good_enough",
        description="cheapest: look further for a cheaper approach that meets the goal, too, or a faster one that is not worse; frontier: "
        "measure all that trains nothing, and show quality against cost",
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="how often a wrong claim may be made")
    failure_score: float | None = Field(
        0.0,
        ge=0,
        le=1,
        description="the score of an example on which the model failed (refusal, cut off, unreadable); null leaves these out",
    )
    facts_change: Literal["often", "rarely"] | None = Field(
        None, description="how often facts in the answers change; often: no approach is tuned on them"
    )
    scope: Literal["narrow", "general"] | None = Field(
        None, description="narrow: one kind of request; general: anything may be asked, so nothing is tuned"
    )
    floors: tuple[FloorSection, ...] = Field(
        (),
        description="more that must hold, each as sure as the goal: {label: fraud, recall: 0.9}, {where: {lang: de}, at_least: 0.85}, "
        "{metric: format, at_least: 0.99}",
    )
    slices: tuple[str, ...] = Field(
        (), description="columns by whose values results are told apart in the report; floors add their own"
    )

    @property
    def sliced_by(self) -> tuple[str, ...]:
        """The columns by which results are told apart: those named, and those of floors."""
        return tuple(dict.fromkeys([*self.slices, *(column for floor in self.floors for column in floor.where)]))

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, value: str) -> str:
        if not value.isprintable() or set(value) & set("/\\:") or value.startswith("."):
            raise ValueError(
                "names the run folder too, so it may hold no / \\ : or control character, and no dot in front"
            )
        return value

    @field_validator("inputs", "accepted_answers", "slices", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("metrics", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        entries = [value] if isinstance(value, str | dict) else value
        if not isinstance(entries, list):
            return value
        found = map(named_entry, entries)
        return [{"name": e.name or e.plugin, "settings": e.settings, "plugin": e.plugin} for e in found]

    @model_validator(mode="after")
    def _consistent(self) -> TaskSection:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError(
                f"a metric is named twice in {', '.join(names)}; give each a `name` of its own, such as "
                f"{{{self.metrics[0].plugin}: {{name: tone}}}}"
            )
        if FORMAT in names:
            raise ValueError(
                f"a metric may not be named {FORMAT!r}: reports call the share of answers in the right form so"
            )
        if raw := stray(self.instruction, (*self.inputs, self.target)):
            raise ValueError(
                f"the instruction holds placeholders, and is sent as it stands ({', '.join(raw)}): leave them out, since the "
                "example follows below it, or put the text into a file and name it as task.prompt"
            )
        check_expected(self.target, self.accepted_answers, self.kind, self.metrics)
        if len(set(self.inputs)) < len(self.inputs):
            raise ValueError(f"names an input column twice: {', '.join(map(repr, self.inputs))}")
        for column in (self.target, *self.accepted_answers):
            if column in self.inputs:
                raise ValueError(f"the target column {column!r} is also an input: the model would see the answer")
        if self.target in self.accepted_answers:
            raise ValueError(
                f"accepted_answers names the target column {self.target!r} itself; name further columns there"
            )
        if isinstance(self.goal, AsGoodAs):
            if self.tolerance is not None:
                raise ValueError("a goal beside an approach has a `margin` of its own: leave `tolerance` out")
        elif self.tolerance is not None and self.tolerance >= self.goal:
            raise ValueError(f"tolerance {self.tolerance} leaves nothing of the goal {self.goal}")
        return self


class LimitsSection(Section):
    """Hard limits. Money in US dollars."""

    budget_usd: float | None = Field(None, gt=0, allow_inf_nan=False, description="cap on everything the run spends")
    cost_per_1k_usd: float | None = Field(None, ge=0, description="an approach above this is not good enough")
    p95_latency_s: float | None = Field(None, gt=0, description="an approach that is slower in use is not good enough")
    latency_requests: int | None = Field(None, gt=0, description="requests that judge it; none: what its bound takes")


class VolumeSection(Section):
    """How much the feature is used."""

    requests_per_month: int | None = Field(
        None, gt=0, description="for the monthly bill, and for the cost of 1,000 requests on a machine that is rented"
    )
    concurrency: int = Field(
        1, ge=1, le=1024, description="requests that are under way at once in use: there the latency limit is judged"
    )


class ServeSection(Section):
    """How `rung serve` is reached."""

    token_env: str | None = Field(
        None, min_length=1, description="the environment variable that holds the token of requests"
    )


class DiagnosisSection(Section):
    """How much may be asked to find out why examples failed: experiments on failed dev examples, never on test examples."""

    calls: int = Field(
        120, ge=0, description="most calls of these experiments for each approach that the run goes on from; 0: none"
    )


class Config(Section):
    """The whole file."""

    later: ClassVar = frozenset({"robustness"})

    version: Literal[1] = 1
    task: TaskSection
    data: DataSection
    documents: DocumentsSection | None = Field(
        None, description="the user's documents; none: no approach can look answers up"
    )
    split: SplitSection = SplitSection()
    models: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict, description="role -> provider and its settings"
    )
    ladder: tuple[Step, ...] = Field(
        (Step(rung="baseline"), Step(rung="prompt"), Step(rung="fewshot")),
        description="approaches, the simplest first; one on two models, or with two settings, wants a `name` each: {prompt: {name: "
        "short, rewrites: false}} is prompt@short in reports; {prompt: {models: [small, main], effort: [none, high]}} tries them on dev and tests one",
    )
    regression_tasks: tuple[Path, ...] = Field(
        (), description="other tasks that tuning must not harm: each a rung.yaml or a finished run folder"
    )
    general_abilities: bool = Field(
        True, description="score general abilities before and after tuning; losses only warn"
    )
    diagnosis: DiagnosisSection = DiagnosisSection()
    stop_early: bool = Field(True, description="stop an approach as soon as its verdict is certain")
    robustness: ChangedExamples = Field(
        0,
        description="how many dev examples the winner and the runner-up answer again, changed in spelling, case, column order, length and the prompt's wording; true: 100; it decides nothing",
    )
    limits: LimitsSection = LimitsSection()
    volume: VolumeSection = VolumeSection()
    serve: ServeSection = ServeSection()
    root: Path = Field(Path(), exclude=True, description="the folder of the file; relative paths start there")

    @field_validator("ladder", mode="before")
    @classmethod
    def _steps(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError("the ladder is a list of approaches, for example [baseline, prompt, fewshot]")
        if all(isinstance(entry, Step) for entry in value):
            return value
        return [{"rung": e.plugin, "settings": e.settings, "name": e.name} for e in map(named_entry, value)]

    @model_validator(mode="after")
    def _as_meant(self) -> Config:
        object.__setattr__(self, "ladder", as_meant(self.ladder, self.current, self.models))
        return self

    @property
    def current(self) -> str | None:
        """The label of the step that runs now, where the goal is to be as good as that; None, too, where the name is not that of one step."""
        return current_of(self.task.goal, self.ladder)

    @property
    def sha256(self) -> str:
        """Hash of everything that steers the climb."""
        return content_hash(self.steers)

    @property
    def steers(self) -> dict[str, Any]:
        """Everything that steers the climb, as plain data; limits, volume, service, robustness, and how fast and at what price a model is asked
        may change between resumptions. Where models are candidates, what a request costs chooses among them, and may not."""
        cost = (self.limits.cost_per_1k_usd, self.volume.requests_per_month) if self.tries_models else None
        return steers_of(
            self.model_dump(mode="json", exclude={"limits", "volume", "serve", "robustness", "root"}), cost
        )

    @property
    def tries_models(self) -> bool:
        """Whether a step chooses among models, by what they cost among other things."""
        return any(step.tries_models for step in self.ladder)

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

    @property
    def _share_of_alpha(self) -> float:
        """The share of alpha that this look at test examples may spend: the two looks of a run together spend all of it."""
        kept = self.split.alpha_for_more
        return 1.0 if not kept else kept if self.data.more is not None else 1.0 - kept

    def as_task(self, *, kind: str, labels: tuple[str, ...] | None) -> Task:
        """Return the task as the climb uses it; `kind` is never "auto"."""
        section = self.task
        goal, tolerance = numbers_of(section.goal, section.tolerance)
        return Task(
            name=section.name,
            instruction=section.instruction,
            inputs=section.inputs,
            target=section.target,
            kind=kind,  # type: ignore[arg-type]
            metrics=self.metrics(kind),
            goal=goal,
            prompt=for_columns(read_prompt(self.resolve(section.prompt)), section.inputs) if section.prompt else None,
            labels=labels,
            min_gain=section.min_gain,
            tolerance=tolerance,
            objective=section.objective,
            alpha=section.alpha * self._share_of_alpha,
            failure_score=section.failure_score,
            facts_change=section.facts_change,
            scope=section.scope,
            limits=Limits(**self.limits.model_dump(), concurrency=self.volume.concurrency),
            service=service_of(self.models, self.volume.requests_per_month),
            floors=tuple(floor.as_floor() for floor in section.floors),
            slices=section.sliced_by,
            as_good_as=self.current,
        )


DEFAULT_METRIC: Mapping[str, str] = {
    "classification": "normalized_match",
    "extraction": "json_fields",
    "style": "lines",
    "knowledge": "token_f1",
    "generation": "token_f1",
}
