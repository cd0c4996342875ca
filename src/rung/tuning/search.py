"""Tune one recipe on some rows, its checkpoints judged by generated dev answers; and the race of recipes over more rows.

Racing: every recipe is tuned on a quarter of the rows, the best of them on half, beside the longer prompt, the better of
these two on all. So the search and the learning curve share their work: the curve's points are the winner's.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from rung.errors import NotOffered, TuningError
from rung.models.tuned import tuned_role
from rung.prompts.race import mean_score, racing_order
from rung.prompts.templates import ChatSystem, Template
from rung.protocols import AnsweringKit, Kit, Tuner, TuningRun, TuningSpace
from rung.types import (
    Candidate,
    Checkpoint,
    Example,
    Message,
    Preflight,
    RagLearned,
    Task,
    TunedLearned,
    TuningRow,
    TuningTrial,
    Weights,
    content_hash,
    learned_as,
)

CHECKPOINTS = 4  # looks at the dev score in one run
PATIENCE = 2  # looks without a better dev score after which a run ends
MOST_JUDGED = 150  # dev rows answered at each checkpoint
SHARES = (0.25, 0.5, 1.0)
PREFLIGHT = TypeAdapter(Preflight)


@dataclass(frozen=True)
class TuningPrompt:
    """What stands before an answer in tuning, and in use.

    `name`: "short" (the bare example), "whole" (the best prompt so far) or "passages" (that of RAG, with passages found for each example
    as they will be found in use). `chats`: the whole chats by example id, where the template alone is not one.
    """

    name: str
    template: Template
    passages: RagLearned | None = None
    chats: Mapping[str, tuple[Message, ...]] = field(default_factory=dict)

    def chat(self, example: Example) -> tuple[Message, ...]:
        """Return what is asked for an example."""
        return self.chats.get(example.id) or self.template.render(example.inputs)


@dataclass(frozen=True)
class Try:
    """A recipe on a share of the rows under one prompt."""

    tuner: Tuner
    prompt: TuningPrompt
    rows: tuple[Example, ...]
    share: float
    replay: tuple[TuningRow, ...] = ()  # rows of other tasks, so that these are not forgotten

    @property
    def title(self) -> str:
        return f"{self.tuner.title}, {self.prompt.name} prompt, {len(self.rows)} examples"


@dataclass(frozen=True)
class Tuned:
    """A finished try: its kept weights with the dev outcomes that chose them (None: no checkpoint was judged)."""

    tried: Try
    trial: TuningTrial
    weights: Weights
    judged: int

    @property
    def dev(self) -> float:
        return self.trial.best_dev if self.trial.best_dev is not None else 0.0


@dataclass(frozen=True)
class TuningPlace:
    """Where tries are made: the task, its kit, the tuning space of the base, the dev rows that judge."""

    task: Task
    kit: Kit
    space: TuningSpace
    dev: tuple[Example, ...]
    seed: int

    @classmethod
    def of(cls, task: Task, kit: Kit, space: TuningSpace, dev: Sequence[Example]) -> TuningPlace:
        return cls(task, kit, space, racing_order(dev, kit)[:MOST_JUDGED], kit.rng("tuning").randrange(2**31))


def tuning_rows(prompt: TuningPrompt, rows: Sequence[Example]) -> tuple[TuningRow, ...]:
    """Return the rows as chats with their answers."""
    return tuple(TuningRow(e.id, prompt.chat(e), e.target) for e in rows)


def candidate_of(tried: Try, weights: Weights, role: str, name: str | None = None) -> Candidate:
    """Return the candidate that answers with these weights."""
    learned = TunedLearned(
        messages=tried.prompt.template.messages,
        columns=tried.prompt.template.columns,
        weights=weights,
        base=role,
        tuner=tried.tuner.title,
        under=tried.prompt.name,
        passages=tried.prompt.passages,
        rows=len(tried.rows),
    )
    return Candidate("finetune", name or tried.title, learned, role, tuple(e.id for e in tried.rows))


def tuned_system(candidate: Candidate, kit: AnsweringKit) -> ChatSystem:
    """Bring tuned weights to life as a role of their own, or the model tuned elsewhere. Raises IntegrityError if they changed."""
    return ChatSystem(Template.of(candidate), role_of_tuned(candidate, kit), lambda _: (), kit)


def role_of_tuned(candidate: Candidate, kit: AnsweringKit) -> str:
    """Return the role that tuned weights, or the model tuned elsewhere, are asked as. Raises IntegrityError if they changed."""
    learned = learned_as(candidate, TunedLearned)
    if learned.weights is None:
        return str(candidate.model)
    try:
        return kit.tuning_space(learned.base).role(learned.weights)
    except NotOffered:  # a run that is opened again tunes nothing: changed weights are found when they are asked
        return tuned_role(learned.base, learned.weights)


async def tune(tried: Try, at: TuningPlace) -> Tuned:
    """Tune, looking at the dev score `CHECKPOINTS` times, and keep the weights of the best look.

    The earliest of equal looks is kept: less was changed. A run that was broken off goes on from its last checkpoint, one
    that was finished is not tuned again.
    """
    rows = (*tuning_rows(tried.prompt, tried.rows), *tried.replay)
    name = _name(tried.tuner, rows, at, [e.sha256 for e in at.dev])
    notes = at.space.notes(name) or {"looks": [], "best": None, "seconds": 0.0, "why": None, "steps": 0, "tokens": 0}
    if notes["why"] is None:
        run = await asyncio.to_thread(at.space.start, tried.tuner, rows, name, at.seed)
        try:
            await _to_the_end(run, name, notes, tried, at)
        finally:
            await asyncio.to_thread(run.close)
        at.space.drop(f"{name}/state")  #: nothing goes on from here
    return _tuned(tried, notes, at)


async def preflight(tuner: Tuner, rows: Sequence[TuningRow], at: TuningPlace) -> Preflight:
    """Check what is to be tuned. What passed once is not checked again: less memory may be free when a finished climb goes on.

    Raises MissingExtra, and TuningError where a check failed.
    """
    name = _name(tuner, rows, at, "preflight")
    known = at.space.notes(name)
    if known is not None:
        return PREFLIGHT.validate_python(known)
    found = await asyncio.to_thread(tuner.preflight, at.space.base, rows, at.space.sent, at.seed)
    if found.failed:
        raise TuningError("preflight: " + "; ".join(f"{c.what}: {c.found}" for c in found.failed))
    at.space.note(name, PREFLIGHT.dump_python(found, mode="json"))
    return found


def _name(tuner: Tuner, rows: Sequence[TuningRow], at: TuningPlace, *more: object) -> str:
    """Return the folder of equal work: equal settings, base, rows, seed and whatever else it hangs on."""
    chats = [[r.id, [m.as_dict() for m in r.messages], r.answer] for r in rows]
    return content_hash([dict(tuner.settings()), at.space.base.identity, chats, at.seed, *more])[:12]


async def _to_the_end(run: TuningRun, name: str, notes: dict[str, Any], tried: Try, at: TuningPlace) -> None:
    notes["steps"] = run.steps
    done = max((look["step"] for look in notes["looks"]), default=0)
    for until in looks_at(run.steps):
        if until <= done:
            continue
        started = time.monotonic()
        loss = await _train(run, until, notes, tried, at)
        weights = await asyncio.to_thread(at.space.keep, run, name, tried.tuner.form)
        outcomes = await at.kit.run(candidate_of(tried, weights, at.space.base.role), at.dev)
        mean = mean_score(outcomes, at.task)
        best = notes["best"]
        better = best is None or (mean or 0.0) > (best["dev"] or 0.0)
        notes["looks"].append({"step": until, "loss": loss, "dev": mean})
        if better:
            notes["best"] = {"step": until, "dev": mean, "weights": asdict(weights)}
        notes["seconds"] += time.monotonic() - started
        notes["tokens"] = run.tokens
        notes["why"] = _ended(notes, until, run.steps)
        at.space.note(name, notes)
        if best is not None and better:
            at.space.drop(best["weights"]["path"])
        elif not better:
            at.space.drop(weights.path)
        if notes["why"] is not None:
            return


async def _train(run: TuningRun, until: int, notes: dict[str, Any], tried: Try, at: TuningPlace) -> float | None:
    """Train up to the next look under a bar, and keep the state; None where the state was there already."""
    if run.step >= until:
        return None
    began, first, left = time.monotonic(), run.step, run.steps
    best = notes["best"]["dev"] if notes["best"] else None
    dev = f", dev {best:.2f}" if best is not None else ""
    with at.space.stage(f"finetune: {tried.title}, step {first} of {left}", until - first) as step_done:

        def on_step(loss: float) -> None:
            pace = (time.monotonic() - began) / max(1, run.step - first)
            step_done(f"loss {loss:.3f}{dev}, {pace * (left - run.step):.0f} s left")

        loss = await asyncio.to_thread(run.train, until, on_step)
    await asyncio.to_thread(run.save)
    return loss


def looks_at(steps: int) -> tuple[int, ...]:
    """Return the steps after which the dev score is looked at, the last one included."""
    return tuple(sorted({max(1, math.ceil(steps * (i + 1) / CHECKPOINTS)) for i in range(CHECKPOINTS)}))


def _ended(notes: dict[str, Any], step: int, steps: int) -> str | None:
    if notes["best"]["dev"] is not None and notes["best"]["dev"] >= 1.0:
        return "every dev answer is right"
    since = sum(look["step"] > notes["best"]["step"] for look in notes["looks"])
    if since >= PATIENCE and step < steps:
        return f"no better dev score in {PATIENCE} looks"
    return "all steps done" if step >= steps else None


def _tuned(tried: Try, notes: dict[str, Any], at: TuningPlace) -> Tuned:
    best = notes["best"]
    trial = TuningTrial(
        name=tried.tuner.title,
        recipe=dict(tried.tuner.settings()),
        prompt=tried.prompt.name,
        rows=len(tried.rows),
        share=tried.share,
        steps=notes["steps"],
        checkpoints=tuple(Checkpoint(k["step"], k["loss"], k["dev"]) for k in notes["looks"]),
        best_step=best["step"],
        best_dev=best["dev"],
        tokens=notes["tokens"],
        seconds=round(notes["seconds"], 3),
        why_ended=notes["why"],
    )
    return Tuned(tried, trial, Weights(**best["weights"]), len(at.dev))


@dataclass(frozen=True)
class RecipeRace:
    """What the race found: the winner, everything tried, and the winner's curve (rows, dev score)."""

    winner: Tuned
    tried: tuple[Tuned, ...]
    curve: tuple[Tuned, ...]


async def search(
    recipes: Sequence[Tuner],
    prompts: Sequence[TuningPrompt],
    train: Sequence[Example],
    at: TuningPlace,
    *,
    curve: bool = True,
) -> RecipeRace:
    """Race the recipes on a quarter, the prompts on a half, and tune the choice on all rows.

    Without `curve`, where there is nothing to choose among, all rows are tuned on at once.

    The first prompt is the shortest; a longer one takes its place only where it is better by `min_gain` on dev, and is tuned only where
    the first misses the goal there and leaves room for that below 1.
    """
    order = racing_order(train, at.kit)
    if not curve and len(recipes) == len(prompts) == 1:
        alone = await tune(Try(recipes[0], prompts[0], tuple(order), SHARES[2]), at)
        return RecipeRace(alone, (alone,), ())
    quarter, half = (order[: max(1, math.ceil(share * len(order)))] for share in SHARES[:2])
    tries = [Try(recipe, prompts[0], quarter, SHARES[0]) for recipe in recipes]
    first = [await tune(one, at) for one in tries]
    best = max(first, key=lambda t: t.dev)  # on a tie the earlier one: the default recipe is first
    if len(first) > 1:
        at.kit.say(
            f"finetune: {best.tried.tuner.title} is best of {len(first)} recipes on {len(quarter)} examples ({best.dev:.3f} on dev)"
        )

    def on_half(prompt: TuningPrompt) -> Try:
        return replace(best.tried, prompt=prompt, rows=half, share=SHARES[1])

    chosen = await tune(on_half(prompts[0]), at)
    second = [chosen]
    for longer in prompts[1:]:
        if (enough := _enough(chosen.dev, at.task)) is not None:
            at.kit.say(f"finetune: the {longer.name} prompt is not tuned: {chosen.dev:.3f} on dev {enough}")
            break
        second.append(await tune(on_half(longer), at))
        if second[-1].dev - chosen.dev >= at.task.min_gain:
            chosen = second[-1]
    last = await tune(replace(chosen.tried, rows=order, share=SHARES[2]), at)
    if chosen.tried.prompt == prompts[0]:
        start = best
    else:
        start = await tune(replace(chosen.tried, rows=quarter, share=SHARES[0]), at)
    everything = [*first, *second, last] + ([start] if start not in first else [])
    winner = last if last.dev >= chosen.dev else chosen
    return RecipeRace(winner, tuple(everything), (start, chosen, last))


def _enough(dev: float, task: Task) -> str | None:
    """Return why no longer prompt is tuned beside one with this dev score; None where one is."""
    if dev >= task.goal:
        return f"reaches the goal of {task.goal:g}"
    return f"leaves no room for a gain of {task.min_gain:g}" if dev > 1.0 - task.min_gain else None
