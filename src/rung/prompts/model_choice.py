"""Models and reasoning efforts as candidates of one approach: tried on dev, cheapest first, until one is likely to be enough."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from rung.bases import Rung
from rung.decide.averages import deciding_sample
from rung.errors import EffortRefused, NotOffered, UnusableAnswers
from rung.prompts.race import mean_score, racing_order
from rung.prompts.templates import as_it_stands
from rung.protocols import Kit
from rung.protocols.kit import KitAround
from rung.stats.threeway import judge_sample
from rung.types import (
    Candidate,
    Completion,
    Example,
    FitInput,
    Fitted,
    ModelTrial,
    Outcome,
    PromptLearned,
    Request,
    RequestCost,
    RungPlan,
    Skipped,
    Task,
)

LIKELY = 0.8  # probability of reaching the goal on dev from which no dearer model is asked, as for a tentative pick
FIRST = 5  # dev rows by which it is seen what a request of each model costs
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


@dataclass(frozen=True, slots=True)
class Answerer:
    """A model by its role, and the reasoning effort that it is asked with; None: its own."""

    role: str
    effort: str | None = None

    @property
    def name(self) -> str:
        return self.role if self.effort is None else f"{self.role}, effort {self.effort}"


class AsksModels(Rung):
    """An approach that asks one model, or tries several with several reasoning efforts and chooses one on dev."""

    model: str = Field("main", min_length=1, description="the role of the model that is asked")
    models: tuple[str, ...] = Field(
        (),
        description="in place of `model`: roles to try on dev, cheapest first; the first that is likely to reach the goal is "
        "chosen, and dearer ones are not asked",
    )
    effort: tuple[Effort, ...] = Field(
        (), description="reasoning efforts to try with each model: [none, low, high]; empty: the model's own"
    )

    @field_validator("models", "effort", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.models and "model" in self.model_fields_set:
            raise ValueError("give model or models, not both")
        for name in ("models", "effort"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} names one of them twice")
        return self

    @property
    def answerers(self) -> tuple[Answerer, ...]:
        """Every model with every effort, in the order given."""
        return tuple(Answerer(role, e) for role in self.models or (self.model,) for e in self.effort or (None,))

    def asking(self, role: str) -> Self:
        """Return the same approach on one model."""
        return self.model_copy(update={"model": role, "models": (), "effort": ()})

    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        """Choose on train and dev: the model and effort first by cost, then everything else for each that is tried.

        Raises NotOffered where none can be used.
        """
        if self.answerers == (Answerer(self.answerers[0].role),):
            return await self.asking(self.answerers[0].role).fit_one(given, kit)
        return await _chosen(self, given, kit)

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate as if every model were tried with every effort. Raises NotOffered where none can be used."""
        plans: dict[Answerer, RungPlan] = {}
        left_out: list[NotOffered] = []
        for answerer in self.answerers:
            try:
                _takes(answerer, kit)
                plans[answerer] = self.asking(answerer.role).plan_one(given, kit)
            except NotOffered as error:
                left_out.append(error)
        if not plans:
            raise left_out[0]
        if len(self.answerers) == 1:
            return next(iter(plans.values()))
        first = min(FIRST, len(given.dev))
        calls: dict[str, int] = {}
        for answerer, plan in plans.items():
            calls[answerer.role] = calls.get(answerer.role, 0) + plan.dev_calls + first
        longest = max(plans.values(), key=lambda p: sum(len(m.content) for chat in p.chats for m in chat))
        note = (
            f"at most: {len(plans)} models and efforts are tried, cheapest first, until one is likely to reach the goal"
        )
        return RungPlan(
            sum(p.candidates for p in plans.values()), sum(calls.values()), longest.chats, note, calls_by_role=calls
        )

    @abstractmethod
    async def fit_one(self, given: FitInput, kit: Kit) -> Fitted:
        """Choose a candidate for the one model in `model`."""

    @abstractmethod
    def plan_one(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate what `fit_one` would ask."""


@dataclass(frozen=True)
class _Tried:
    """A model that was tried: the candidate that was chosen for it, and what that shows on dev."""

    answerer: Answerer
    fitted: Fitted
    mean: float | None
    likely: float  # probability that it reaches the goal
    cost_per_1k_usd: float | None
    affordable: bool

    @property
    def enough(self) -> bool:
        return self.likely >= LIKELY and self.affordable


async def _chosen(rung: AsksModels, given: FitInput, kit: Kit) -> Fitted:
    skipped: list[Skipped] = []
    trials: list[ModelTrial] = []
    tried: list[_Tried] = []
    useless: UnusableAnswers | None = None
    usable = await _by_cost(rung, given, kit, skipped)
    for place, (answerer, _) in enumerate(usable):
        try:
            fitted = await rung.asking(answerer.role).fit_one(given, _WithEffort(kit, answerer))
        except (NotOffered, UnusableAnswers) as error:
            useless = useless or (error if isinstance(error, UnusableAnswers) else None)
            skipped.append(Skipped(answerer.name, str(error)))
            kit.say(f"{answerer.name}: left out, {error}")
            continue
        found = _judged(answerer, _named(fitted, answerer), given.task)
        tried.append(found)
        kit.say(f"{found.fitted.candidate.rung}: {_said(found)}")
        if found.enough:
            for other, cost in usable[place + 1 :]:
                note = f"not tried: {answerer.name} is likely to reach the goal for less (probability {found.likely:.2f} on dev)"
                trials.append(ModelTrial(other.role, other.effort, FIRST, None, cost, note=note))
            break
    if not tried and useless is not None:
        raise useless
    if not tried:
        raise NotOffered(skipped[0].reason if skipped else "no model is named")
    best = _choice(tried, given.task)
    own = [
        ModelTrial(t.answerer.role, t.answerer.effort, len(t.fitted.dev), t.mean, t.cost_per_1k_usd, kept=t is best)
        for t in tried
    ]
    others = [s for t in tried for s in t.fitted.skipped if t is best]
    return replace(
        best.fitted,
        trials=tuple(replace(trial, kept=trial.kept and t is best) for t in tried for trial in t.fitted.trials),
        skipped=(*skipped, *others),
        models=(*own, *trials),
    )


def _choice(tried: Sequence[_Tried], task: Task) -> _Tried:
    """Return the cheapest that is likely to reach the goal; without one, the cheapest that is less than `min_gain` below the
    best of those within the limit on cost. `tried`: in the order asked."""
    known = all(t.cost_per_1k_usd is not None for t in tried)
    order = sorted(tried, key=lambda t: t.cost_per_1k_usd or 0.0) if known else list(tried)
    enough = next((t for t in order if t.enough), None)
    if enough is not None:
        return enough
    within = [t for t in order if t.affordable] or order
    top = max(t.mean or 0.0 for t in within)
    return next(t for t in within if top - (t.mean or 0.0) < task.min_gain)


def _judged(answerer: Answerer, fitted: Fitted, task: Task) -> _Tried:
    """Say what a model's candidate shows on dev. What got no answer counts as wrong."""
    sample = deciding_sample(fitted.dev, task)
    likely = 0.0 if sample is None else judge_sample(sample, task.goal, 0.0, task.alpha, 1).probability_good
    cost = _cost(fitted.dev, task, answerer.role)
    limit = task.limits.cost_per_1k_usd
    affordable = limit is None or cost is None or cost <= limit
    return _Tried(answerer, fitted, mean_score(fitted.dev, task), likely, cost, affordable)


def _said(found: _Tried) -> str:
    mean = "no score" if found.mean is None else f"{found.mean:.3f}"
    cost = "an unknown cost" if found.cost_per_1k_usd is None else f"${found.cost_per_1k_usd:.2g} per 1,000 requests"
    over = "" if found.affordable else ", over the limit"
    return f"{found.answerer.name} scores {mean} on {len(found.fitted.dev)} dev examples at {cost}{over}"


def _cost(outcomes: Sequence[Outcome], task: Task, role: str) -> float | None:
    return RequestCost.measured(outcomes, task.service, role).per_1k_usd(task.service.requests_per_month)


async def _by_cost(
    rung: AsksModels, given: FitInput, kit: Kit, skipped: list[Skipped]
) -> list[tuple[Answerer, float | None]]:
    """Return the models that can be asked, cheapest first by what the first dev rows cost, else in the order given.

    What cannot be asked with an effort joins `skipped`; `none` of a model that knows no effort is the model as it is.
    """
    found: dict[Answerer, float | None] = {}
    rows = racing_order(given.dev, kit)[:FIRST]
    for wanted in rung.answerers:
        try:
            answerer = _takes(wanted, kit)
            if answerer in found:
                continue
            try:
                outcomes = await _first(answerer, given, rows, kit)
            except EffortRefused as error:
                if answerer.effort != "none" or error.takes_others:
                    raise NotOffered(str(error)) from error
                answerer = replace(answerer, effort=None)
                outcomes = () if answerer in found else await _first(answerer, given, rows, kit)
        except NotOffered as error:
            skipped.append(Skipped(wanted.name, str(error)))
            kit.say(f"{wanted.name}: left out, {error}")
            continue
        if answerer not in found:
            found[answerer] = _cost(outcomes, given.task, answerer.role)
    if any(cost is None for cost in found.values()):
        unknown = ", ".join(a.name for a, cost in found.items() if cost is None)
        kit.say(f"what {unknown} costs is unknown, so models are tried in the order given")
        return list(found.items())
    return sorted(found.items(), key=lambda item: item[1] or 0.0)


def _takes(answerer: Answerer, kit: Kit) -> Answerer:
    """Return how a model is asked. Raises NotOffered for an effort of a provider that has none."""
    card = kit.card(answerer.role)
    if answerer.effort is None or card.takes_effort:
        return answerer
    if answerer.effort == "none":
        return replace(answerer, effort=None)
    raise NotOffered(f"models.{answerer.role} ({card.provider}) knows no reasoning effort; leave `effort` out for it")


async def _first(answerer: Answerer, given: FitInput, rows: Sequence[Example], kit: Kit) -> tuple[Outcome, ...]:
    """Ask a model for a few dev rows with the prompt as it stands: the races ask the same and find the answers stored."""
    template = as_it_stands(given.task)
    learned = PromptLearned(messages=template.messages, columns=template.columns, effort=answerer.effort)
    return await kit.run(Candidate("prompt", f"as-is on {answerer.name}", learned, answerer.role), rows) if rows else ()


def _named(fitted: Fitted, answerer: Answerer) -> Fitted:
    """Name the model in everything that was tried with it, so that names stay apart."""

    def on(candidate: Candidate) -> Candidate:
        named = replace(candidate, name=f"{candidate.name} on {answerer.name}")
        return named if named.chat is None else replace(named, learned=replace(named.chat, effort=answerer.effort))

    return replace(
        fitted,
        candidate=on(fitted.candidate),
        trials=tuple(replace(t, candidate=on(t.candidate)) for t in fitted.trials),
        edits=tuple(
            replace(e, before=f"{e.before} on {answerer.name}", after=f"{e.after} on {answerer.name}")
            for e in fitted.edits
        ),
    )


@dataclass
class _WithEffort(KitAround):
    """A kit whose model is asked with a reasoning effort, whatever candidate is run."""

    answerer: Answerer

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        effort = self.answerer.effort
        if candidate.chat is not None and effort is not None:
            candidate = replace(candidate, learned=replace(candidate.chat, effort=effort))
        return await self.inner.run(candidate, examples)

    async def ask(self, role: str, request: Request) -> Completion:
        effort = self.answerer.effort
        if role == self.answerer.role and effort is not None and "reasoning_effort" not in request.params:
            request = replace(request, params={**request.params, "reasoning_effort": effort})
        return await self.inner.ask(role, request)
