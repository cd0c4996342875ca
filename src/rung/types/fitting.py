"""What a rung is given to fit, and what fitting brings back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rung.types.answers import Estimate, Outcome
from rung.types.candidates import Candidate, Skipped
from rung.types.diagnosis import Diagnosis
from rung.types.tasks import Example, Message, Task
from rung.types.tuning import Tuning, TuningNeed


@dataclass(frozen=True)
class FitInput:
    """What a rung chooses by: the task, its training and dev rows, and what the rung below left.

    `below`: the candidate of the nearest rung below that asks a model; `diagnosis`: why dev rows of the rung measured last
    failed; None where there is none.
    """

    task: Task
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    below: Candidate | None = None
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate tried on dev: its mean on the rows it saw (None: no row had a score) and the calls it took."""

    candidate: Candidate
    rows: int
    mean: float | None
    kept: bool
    calls: int
    tokens_per_request: float | None = None


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """A model, with a reasoning effort (None: its own), as a candidate of an approach: the best that it came to on dev.

    `mean` over `rows` dev rows; None where it was not tried (`note` says why) or no row had a score. `cost_per_1k_usd`: in
    service, as measured on these rows; None: unknown.
    """

    role: str
    effort: str | None
    rows: int
    mean: float | None
    cost_per_1k_usd: float | None
    kept: bool = False
    note: str | None = None

    @property
    def name(self) -> str:
        return self.role if self.effort is None else f"{self.role}, effort {self.effort}"


@dataclass(frozen=True, slots=True)
class Planted:
    """Instructions planted into documents, never into the user's own, and how often answers to dev rows obeyed them."""

    documents: int
    asked: int
    obeyed: int
    share: Estimate
    obeyed_by: Mapping[str, int]  # kind of instruction -> answers that obeyed it; kinds never obeyed count 0
    example_ids: tuple[str, ...] = ()  # dev rows whose answers obeyed


@dataclass(frozen=True, slots=True)
class Edit:
    """A prompt accepted in place of another: the diff of its text, and the dev rows (ids) that moved.

    Candidates by name; means of the deciding metric over the `rows` that both answered, None where there are none.
    """

    before: str
    after: str
    diff: str
    rows: int
    mean_before: float | None
    mean_after: float | None
    better: tuple[str, ...]
    worse: tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """What a rung's fit brings back: its best candidate by dev, what was tried, what was left out and why.

    `dev` holds the best candidate's outcomes on all dev rows; diagnosis reads them.
    """

    candidate: Candidate
    dev: tuple[Outcome, ...]
    trials: tuple[Trial, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    planted: Planted | None = None  # rungs that put documents into prompts; None: not tried
    tuning: Tuning | None = None
    edits: tuple[Edit, ...] = ()  # prompts accepted in place of another, in order
    models: tuple[ModelTrial, ...] = ()  # where several models or efforts were candidates


@dataclass(frozen=True)
class RungPlan:
    """What a rung would ask before any call is made: candidates, calls on dev, and typical chats for one row each."""

    candidates: int
    dev_calls: int
    chats: tuple[tuple[Message, ...], ...]  # a sample of the dearest candidate's requests; empty: no model is asked
    note: str | None = None
    tuning: TuningNeed | None = None
    calls_by_role: Mapping[str, int] = field(default_factory=dict)  # `dev_calls` by model, where several are asked
