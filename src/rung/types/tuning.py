"""Weights that are tuned: what it takes, what was tried, what is kept and what is forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rung.types.answers import Estimate
from rung.types.plain import Json
from rung.types.tasks import Message

NAMED_TASK = "task "  # opens the name of a task that the user named, beside the general abilities
Retention = Literal["kept", "forgotten", "inconclusive", "absent"]


@dataclass(frozen=True, slots=True)
class Base:
    """A configured model whose weights can be tuned. `weights`: a folder or Hub name that transformers loads."""

    role: str
    name: str
    weights: str
    identity: str  # hash of everything that determines its answers
    context: int | None
    max_tokens: int
    usd_per_hour: float | None
    template: Mapping[str, Json] = field(default_factory=dict)  # options that its chat template is given
    revision: str | None = None  # commit of a Hub model


@dataclass(frozen=True, slots=True)
class Weights:
    """Tuned weights: their folder below the run folder and the hash of its files. An adapter is read on top of its base."""

    path: str
    sha256: str
    form: Literal["adapter", "full"]


@dataclass(frozen=True)
class TuningRow:
    """One training row as the model will see it: the chat that is asked, and the answer to be learned."""

    id: str
    messages: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class TuningNeed:
    """What tuning will take, before it starts. None where unknown; `note` says what was assumed."""

    tokens: int
    seconds: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    note: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing looked at before tuning, and what was found."""

    what: str
    found: str
    passed: bool = True


@dataclass(frozen=True)
class Preflight:
    """Everything looked at before tuning; `shown` is one row as rendered, with the part that is learned marked.

    `seconds`: of one run on all these rows, from parts of a step that were computed; None where none was.
    """

    checks: tuple[Checked, ...]
    shown: str
    seconds: float | None = None

    @property
    def failed(self) -> tuple[Checked, ...]:
        return tuple(c for c in self.checks if not c.passed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where one tuning run stood: steps done, mean loss since the last checkpoint, mean dev score of generated answers."""

    step: int
    loss: float | None
    dev: float | None


@dataclass(frozen=True)
class TuningTrial:
    """One tuning run: recipe, prompt, rows, and its checkpoints; `best_step` was kept."""

    name: str
    recipe: Mapping[str, Json]
    prompt: str
    rows: int
    share: float
    steps: int
    checkpoints: tuple[Checkpoint, ...]
    best_step: int
    best_dev: float | None
    tokens: int
    seconds: float
    why_ended: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The dev score of the chosen recipe, tuned on so many rows."""

    rows: int
    dev: float
    n: int


@dataclass(frozen=True, slots=True)
class RegressionResult:
    """One ability or task before and after, on the same rows.

    `status`: "forgotten" is a significant loss of at least the margin (Holm over everything kept); "kept" is shown to be
    not worse than the margin; "absent": the model was not well above chance before, so there is nothing to forget; else "inconclusive".
    """

    name: str
    before: Estimate
    after: Estimate
    change: float
    low: float
    high: float
    p_adjusted: float
    status: Retention

    @property
    def general(self) -> bool:
        """Whether this is one of the general abilities, and no task that the user named."""
        return not self.name.startswith(NAMED_TASK)


@dataclass(frozen=True)
class Forgetting:
    """The whole comparison. `vetoed`: a task that the user named is forgotten, so these weights may not win.

    General abilities that fall are a warning: a model tuned for one narrow task is asked nothing else.
    """

    kept: tuple[RegressionResult, ...]
    margin: float

    @property
    def forgotten(self) -> tuple[RegressionResult, ...]:
        return tuple(k for k in self.kept if k.status == "forgotten")

    @property
    def vetoed(self) -> bool:
        return any(not k.general for k in self.forgotten)

    def shows_kept(self, names: Iterable[str]) -> bool:
        """Whether all of these are shown to be kept; that no loss of them is significant would not be enough."""
        status = {k.name: k.status for k in self.kept}
        return all(status.get(name) == "kept" for name in names)

    @property
    def worst_change(self) -> float | None:
        """The largest loss among what the model could do before; None where it could do nothing of it."""
        return min((k.change for k in self.kept if k.status != "absent"), default=None)

    @property
    def sentence(self) -> str:
        if self.forgotten:
            named = ", ".join(f"{k.name} {k.before.mean:.2f} to {k.after.mean:.2f}" for k in self.forgotten)
            warns = "" if self.vetoed else " A warning only: no task in regression_tasks is forgotten."
            return f"Tuning cost other abilities: {named}.{warns}"
        able = [k for k in self.kept if k.status != "absent"]
        if not able:
            return "Nothing was there to forget: the model could do none of what is kept before it was tuned."
        shown = sum(k.status == "kept" for k in able)
        return f"No loss shown in {len(able)} kept abilities; shown to be kept within {self.margin:g}: {shown}."


@dataclass(frozen=True)
class Remedy:
    """Tuned weights as they are, or with something done against forgetting: its dev score, and what it keeps."""

    name: str  # "as tuned", "adapter scale 0.5", "replay of 120 rows", "gentler: lora rank 4, rate 0.001"
    dev: float
    n: int
    forgetting: Forgetting
    weights: Weights | None  # None: tuned elsewhere
    chosen: bool = False


@dataclass(frozen=True)
class Tuning:
    """How a tuned candidate came about: what was checked, tried, learned from more rows, saved and spent.

    Of a model tuned `elsewhere` nobody here knows the checks and trials; `paid_usd`: what its tuning cost, as told.
    """

    base: str
    preflight: Preflight
    trials: tuple[TuningTrial, ...]
    curve: tuple[CurvePoint, ...]
    forecast: str | None  # what more rows would bring, from the curve
    forced: tuple[str, ...] = ()  # reasons against tuning that `force: true` overrode
    prompt_tokens: float | None = None
    prompt_tokens_below: float | None = None
    seconds: float = 0.0
    tokens: int = 0
    need: TuningNeed | None = None
    remedies: tuple[Remedy, ...] = ()  # the weights as tuned first; more only where these forget
    lesson: str | None = None  # what a teacher's answers made of the training rows
    lesson_usd: float | None = 0.0  # what they cost; None: unknown
    elsewhere: bool = False
    paid_usd: float | None = None

    @property
    def forgetting(self) -> Forgetting | None:
        """What the chosen weights keep and forget; None where it was not looked at."""
        return next((r.forgetting for r in self.remedies if r.chosen), None)
