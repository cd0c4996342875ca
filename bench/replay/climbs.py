"""One climb of the decision code on a subset of recorded examples, and what four simpler rules would have shipped on the same examples."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.decisions.labelled import deciding
from bench.decisions.memory import climb, config_of, label_of, let_in, remembering
from bench.decisions.worlds import Rung, World
from bench.replay.baseline import Refitted, Remembered, refitted, task_of
from bench.replay.sources import Source
from rung.config import Config
from rung.data.shares import Shares, shares_by_need
from rung.data.split import split
from rung.types import Dataset, Example

RULE = "rung"
WAYS = (RULE, "point estimate", "always prompt", "always tune", "first above the goal on dev")
WHATS = ("right", "too far", "too early", "inconclusive")
BASELINE = "baseline"
RUNGS = {
    BASELINE: "baseline",
    "prompt": "prompt",
    "fewshot": "examples",
    "finetune": "tuned",
}  # as bench.decisions calls them
CHOSEN = "chosen"


@dataclass(frozen=True)
class Subset:
    """A subset as rung divides it, and what the baseline comes to in it (None: it has no answer to give)."""

    train: int
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    baseline: Refitted | None


@dataclass(frozen=True)
class Said:
    """What one way came to: what it named (None: inconclusive, or that nothing reaches the goal), and what is used then."""

    named: str | None
    inconclusive: bool
    used: str


def shares_for(approaches: Sequence[str], labelled: int, rule: str) -> Shares:
    """Return the shares by rung's own default, or as a rule such as 30/20/50 says."""
    if rule == "default":
        return shares_by_need(approaches, labelled)
    train, dev, test = (int(part) / 100 for part in rule.split("/"))
    return Shares(train, dev, test, rule)


def subset(
    source: Source, labelled: int, shares: Shares, number: int, vectors: Remembered | None, *, rest: bool
) -> Subset:
    """Draw a subset by seed and divide it; `rest`: the baseline answers all examples outside of its train and dev, too."""
    draw = random.Random(f"{source.set}/{labelled}/{number}")
    drawn = tuple(draw.sample(source.examples, labelled))
    parts = split(Dataset(drawn, source.set), test=shares.test, dev=shares.dev, seed=number, kind=source.kind)  # type: ignore[arg-type]
    learnt = {e.id for e in (*parts.train, *parts.dev)}
    others = [e for e in source.examples if e.id not in learnt] if rest else parts.test
    baseline = refitted(task_of(source.set, source.kind, source.metric), (parts.train, parts.dev, others), vectors)
    return Subset(len(parts.train), _bare(parts.dev), _bare(parts.test), baseline)


def _bare(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Leave of examples what decides: who they are, and which are one piece of evidence."""
    return tuple(Example(e.id, {"text": e.id}, "x", e.group) for e in examples)


def world_of(source: Source, truths: Mapping[str, float]) -> World:
    """Return a source as a world of bench.decisions: one candidate an approach."""
    kinds = {BASELINE: "no model", "finetune": "tuned"}
    tokens = {name: a.tokens / 1000 for name, a in source.approaches.items()}
    ladder = tuple(
        Rung(RUNGS[name], {CHOSEN: truth}, kinds.get(name, "asking"), tokens=tokens.get(name, 0.0))
        for name, truth in truths.items()
    )
    return World(f"{source.set}, {source.model}", 0.0, ladder, ())


def aimed(world: World, goal: float) -> Config:
    """Return the world's climb for a goal, with the default tolerance for it."""
    plain = config_of(world, split={"seed": 7}, stop_early=False).model_dump()
    return Config.model_validate({**plain, "task": {**plain["task"], "goal": round(goal, 4), "tolerance": None}})


def scores_in(source: Source, one: Subset) -> dict[str, dict[str, float]]:
    """Return the score of each approach on the dev and test examples of a subset, by example id."""
    found = {
        name: dict(zip((e.id for e in source.examples), a.scores, strict=True)) for name, a in source.approaches.items()
    }
    return {BASELINE: {**one.baseline.dev, **one.baseline.later}, **found} if one.baseline is not None else found


def climbs(
    source: Source, truths: Mapping[str, float], goal: float, subsets: Sequence[Subset]
) -> Iterator[Mapping[str, Said]]:
    """Yield what every way says in each subset. `truths`: of the approaches, in the order of the ladder."""
    let_in()
    world, usd = (
        world_of(source, truths),
        {name: source.approaches[name].usd if name in source.approaches else 0.0 for name in truths},
    )
    config, names = aimed(world, goal), {label_of(r): name for r, name in zip(world.ladder, truths, strict=True)}
    labels = {name: label for label, name in names.items()}

    async def one(of: Subset) -> Mapping[str, Said]:
        known = scores_in(source, of)
        rights = {(labels[name], CHOSEN): known[name] for name in truths}
        dev, test = ({name: _mean(known[name], part) for name in truths} for part in (of.dev, of.test))
        verdict = (await climb(world, config, rights, (of.dev, of.test), of.train)).verdict
        named, tentative = names.get(verdict.winner or ""), names.get(verdict.tentative_pick or "")
        best = max(test, key=lambda name: (test[name], -usd[name]))
        said = {
            RULE: Said(named, named is None and verdict.decision == "inconclusive", named or tentative or best),
            WAYS[1]: _first_above(test, goal),
            WAYS[2]: _always("prompt"),
            WAYS[4]: _first_above(dev, goal),
        }
        return {**said, WAYS[3]: _always("finetune")} if "finetune" in truths else said

    with remembering(), deciding(by_dev=True):
        for of in subsets:
            yield asyncio.run(one(of))


def _mean(scores: Mapping[str, float], part: Sequence[Example]) -> float:
    return sum(scores[e.id] for e in part) / len(part)


def _always(name: str) -> Said:
    return Said(name, False, name)


def _first_above(means: Mapping[str, float], goal: float) -> Said:
    """Name the first approach whose mean reaches the goal; where none does, none, and the best is used."""
    named = next((name for name, mean in means.items() if mean >= goal), None)
    return Said(named, False, named or max(means, key=means.__getitem__))


def sorted_into(said: Said, truths: Mapping[str, float], goal: float) -> str:
    """Return which of WHATS it is: right is the first approach of the ladder that truly reaches the goal."""
    order = list(truths)
    right = next(name for name in order if truths[name] >= goal - 1e-9)
    if said.named is None:
        return "inconclusive" if said.inconclusive else "too far"  # past the right one, to the end of the ladder
    places = order.index(said.named), order.index(right)
    return "right" if places[0] == places[1] else "too far" if places[0] > places[1] else "too early"
