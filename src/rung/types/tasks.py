"""What is asked: the task, its examples, their parts, and what the audit saw of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from rung.types.plain import Json, content_hash, nothing

Kind = Literal["classification", "extraction", "style", "knowledge", "generation"]
Severity = Literal["note", "warn", "stop"]
Role = Literal["system", "user", "assistant"]
AVERAGES: Mapping[str, str] = {"macro_f1": "macro F1", "balanced_accuracy": "balanced accuracy"}
LABEL_F = "label_f"  # the metric that is the F of one label
KINDS: tuple[Kind, ...] = ("classification", "extraction", "style", "knowledge", "generation")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str

    def as_dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric as written in rung.yaml; the first one of a task decides. Scores and reports call it by `name`."""

    name: str
    settings: Mapping[str, Json] = field(default_factory=dict)
    plugin: str = ""  # what judges; as a rule it has given the metric its name

    def __post_init__(self) -> None:
        if not self.plugin:
            object.__setattr__(self, "plugin", self.name)

    @property
    def average(self) -> str | None:
        """What the metric is of all examples together, where that is no mean of their scores: a kind of `rung.stats.aggregate`."""
        return "f1" if self.plugin == LABEL_F else self.plugin if self.plugin in AVERAGES else None

    @property
    def label(self) -> str | None:
        """The label that an F of one label is about."""
        return str(self.settings["label"]) if self.plugin == LABEL_F else None

    @property
    def beta(self) -> float:
        """How many times as much recall counts as precision; 1 but for an F of one label."""
        beta = self.settings.get("beta", 1.0) if self.plugin == LABEL_F else 1.0
        return float(beta) if isinstance(beta, int | float) else 1.0

    @property
    def title(self) -> str:
        """The metric as the subject of a sentence: "macro F1", "F2 of 'fraud'"."""
        return f"F{self.beta:g} of {self.label!r}" if self.plugin == LABEL_F else AVERAGES.get(self.plugin, self.name)


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits of a climb. None means no limit. Money in US dollars, time in seconds.

    `concurrency`: how many requests are under way at once where the latency is judged; `latency_requests`: how many judge it
    at least, None: as many as its bound takes.
    """

    budget_usd: float | None = None
    cost_per_1k_usd: float | None = None
    p95_latency_s: float | None = None
    latency_requests: int | None = None
    concurrency: int = 1


@dataclass(frozen=True)
class Service:
    """How the feature is used, as far as it decides what a request costs; by the roles of the models.

    `usd_per_hour`: rents of machines. `batch_discount`: shares off the price of tokens, in [0, 1).
    """

    requests_per_month: int | None = None
    usd_per_hour: Mapping[str, float] = field(default_factory=dict)
    batch_discount: Mapping[str, float] = field(default_factory=dict)


MOST_TOLERANCE, FIFTH = 0.02, 5.0  # a default tolerance allows a fifth more errors than the goal, at most 2 points


def usual_tolerance(goal: float) -> float:
    """Return the tolerance of a task that names none: min(0.02, (1 - goal) / 5, goal / 2), so that 0.99 and 0.01 stay goals."""
    return round(min(MOST_TOLERANCE, (1.0 - goal) / FIFTH, goal / 2.0), 6)


def widest_tolerance(goal: float) -> float:
    """Return the widest tolerance that a goal can bear: half of the errors that it allows, and half of the goal itself."""
    return round(min(1.0 - goal, goal) / 2.0, 6)


FORMAT = "format"  # the right form's share: its key among a result's estimates, and the metric of a floor on it
MOST_VALUES = 50  # of a column, up to which results are told apart by it


@dataclass(frozen=True)
class Floor:
    """One more claim about quality: `measure` is at least `at_least` among the examples that `label` and `where` name.

    `where`: column -> its value. `metric`: None for the deciding one, "format" for the share in the right form, or an average over labels
    (AVERAGES). `recall` counts the examples with the label, `precision` the answers that give it, `f1` both; `score` is the mean of a
    metric.
    """

    at_least: float
    tolerance: float
    measure: Literal["score", "recall", "precision", "f1"] = "score"
    label: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    metric: str | None = None

    @property
    def name(self) -> str:
        """The claim as the subject of a sentence: "recall of 'fraud'", "the score where lang is 'de'"."""
        of = f" of {self.label!r}" if self.label is not None else ""
        there = " and ".join(f"{column} is {value!r}" for column, value in self.where.items())
        metric = "the score" if self.metric is None else AVERAGES.get(self.metric, self.metric)
        subject = metric if self.measure == "score" else {"f1": "F1"}.get(self.measure, self.measure)
        return f"{subject}{of}{f' where {there}' if there else ''}"

    def covers(self, slices: Mapping[str, str]) -> bool:
        """Whether an example with these values is among those that `where` names."""
        return all(slices.get(column) == value for column, value in self.where.items())


@dataclass(frozen=True)
class Task:
    """What is asked of a model, and when it counts as good enough. All rates lie in [0, 1]."""

    name: str
    instruction: str
    inputs: tuple[str, ...]
    target: str
    kind: Kind
    metrics: tuple[MetricSpec, ...]
    goal: float
    prompt: tuple[Message, ...] | None = None
    labels: tuple[str, ...] | None = None  # classification: the allowed answers, from train or from the file
    min_gain: float = 0.02
    tolerance: float = 0.02
    objective: Literal["good_enough", "cheapest", "frontier"] = "good_enough"
    alpha: float = 0.05
    failure_score: float | None = (
        0.0  # the score that a failed row counts as; None leaves failed rows out (and says so)
    )
    facts_change: Literal["often", "rarely"] | None = None  # told by the user: facts in answers go stale
    scope: Literal["narrow", "general"] | None = None  # told by the user: one kind of request, or anything
    limits: Limits = field(default_factory=Limits)
    service: Service = field(default_factory=Service)
    floors: tuple[Floor, ...] = ()  # claims beside the goal: an approach is good enough only if it meets all of them
    slices: tuple[str, ...] = ()  # columns by whose values results are told apart, those of floors among them
    as_good_as: str | None = None
    """The approach that runs now, where the goal is to be as good as that: it is measured first, and `tolerance` is how much worse is
    as good. `goal` is then what it scored: 1 before it is measured, its dev score for whatever is chosen, its test score in a verdict."""


TWINS = "near-duplicates of "  # what the name of a group begins with that near-duplicates alone make


class _Hashed:
    """Room for a hash that is made once: of an example with slots, which take half the memory of a mapping."""

    __slots__ = ("_sha256",)


@dataclass(frozen=True, slots=True)
class Example(_Hashed):
    """One row: input columns as text, the expected output, and the group it must not be parted from.

    `others`: further right answers, different from `target`; any one of them is as good. Demonstrations show `target`.
    `own_group`: the group that the file gives, where near-duplicates tie the example to others: `group` is then that of all of them.
    `slices`: the columns that tell results apart, with their values; no model sees them unless they are inputs too.
    """

    id: str
    inputs: Mapping[str, str]
    target: str
    group: str
    others: tuple[str, ...] = ()
    own_group: str | None = None
    slices: Mapping[str, str] = field(default_factory=nothing)

    @property
    def sha256(self) -> str:
        """Content hash; `id` is part of it, so that a renamed row is a changed row. Made once."""
        found: str | None = getattr(self, "_sha256", None)
        if found is None:
            more: list[Any] = [list(self.others)] if self.others else []
            more += [{"slices": dict(self.slices)}] if self.slices else []
            told = self.group if self.own_group is None else self.own_group  # what ties it is found anew in each split
            found = content_hash([self.id, dict(self.inputs), self.target, told, *more])
            object.__setattr__(self, "_sha256", found)
        return found

    @property
    def targets(self) -> tuple[str, ...]:
        """All right answers, the first one being `target`."""
        return (self.target, *self.others)

    @property
    def text(self) -> str:
        """All input columns joined by newlines, in column order: what audits and embedders read."""
        return "\n".join(self.inputs.values())

    def as_dict(self) -> dict[str, Any]:
        row = {"id": self.id, "inputs": dict(self.inputs), "target": self.target, "group": self.group}
        row |= {"others": list(self.others)} if self.others else {}
        row |= {"slices": dict(self.slices)} if self.slices else {}
        return row | ({"own_group": self.own_group} if self.own_group is not None else {})

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Example:
        return cls(
            row["id"],
            dict(row["inputs"]),
            row["target"],
            row["group"],
            tuple(row.get("others", ())),
            row.get("own_group"),
            row.get("slices") or nothing(),
        )


@dataclass(frozen=True)
class Dataset:
    """Rows in file order, with where they came from."""

    examples: tuple[Example, ...]
    source: str

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def sha256(self) -> str:
        return content_hash([e.sha256 for e in self.examples])


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the audit saw: which check, how bad, what to do next, and which rows (ids) show it."""

    check: str
    severity: Severity
    message: str
    next_step: str
    example_ids: tuple[str, ...] = ()
    measured: Mapping[str, Json] = field(default_factory=dict)  # numbers behind the message

    def number(self, name: str) -> float:
        """Return one number behind the message. Raises KeyError for one that is not there, TypeError for what is none."""
        found = self.measured[name]
        if not isinstance(found, int | float):
            raise TypeError(f"finding {self.check!r}: {name} is {found!r}, no number")
        return found


@dataclass(frozen=True)
class Split:
    """Train and dev rows, and what is known of the sealed test part: never its rows.

    `quarantined`: ids of training rows left out because they equal or nearly equal a dev or test row.
    """

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    seed: int
    test_size: int
    test_groups: int
    test_sha256: str
    manifest: Mapping[str, Json]  # part -> {rows, groups, sha256, ids: {id: row hash}} (test: hashes only)
    quarantined: tuple[str, ...] = ()

    @property
    def latest(self) -> frozenset[str]:
        """The ids of the latest third of the test examples; none where examples are not divided by time."""
        return latest_in(self.manifest)


def latest_in(manifest: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the latest third of the test examples by the manifest of a run's parts."""
    return frozenset(manifest.get("settings", {}).get("latest", ()))


def by_id(examples: Sequence[Example]) -> dict[str, Example]:
    """Return the examples keyed by id."""
    return {e.id: e for e in examples}
