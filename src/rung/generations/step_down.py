"""Does a lower approach suffice by now? The ladder up to the winner again, with the goal of being as good as that for less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rung import plugins
from rung.config import Config, parse_config
from rung.decide.across import Across, across
from rung.engine.sides import side
from rung.errors import RungError
from rung.exports.write import chosen
from rung.generations.migrate import carried_prompt, on_same_examples
from rung.judging.human_labels import is_opinion
from rung.store.generations import champion_of
from rung.store.run import RunFolder, measured_rungs
from rung.types import Result


@dataclass(frozen=True)
class Held:
    """Approaches below one that was tuned, each held against its stored answers to the same test examples at the same level."""

    label: str
    found: Mapping[str, Across]
    level: float

    @property
    def suffices(self) -> str | None:
        """The lowest approach that is shown at most the margin worse, misses no goal and breaks no limit; None: none is."""
        for label, pair in self.found.items():
            result, equal = pair.upper.result, pair.not_worse is not None and pair.not_worse.shown
            if (equal or pair.better) and result.status != "misses" and result.limits_held is not False:
                return label
        return None


def stepping_down(config: Config, source: Path) -> tuple[Config, Path]:
    """Return the experiment that asks it of a run, or of the champion of a folder of generations, and the folder for its answer.

    The winner is measured first on the examples of today, those below it beside it, at most `task.min_gain` worse. One that was tuned is not
    tuned anew: those below it are measured alone on its own examples, for `held_against`, and `current` is None. Raises RungError where there
    is none below, those examples changed, or a model judges.
    """
    run, label = winner_of(source)
    labels = [step.label for step in config.ladder]
    if label not in labels[1:]:
        where = "is the lowest approach of the ladder" if label in labels else "is not on the ladder any more"
        raise RungError(f"{label} {where}, so nothing lower can take its place")
    ladder = config.ladder[: labels.index(label) + 1]
    if is_opinion(run.task):
        raise RungError(f"{run.task.name} is judged by a model, which cannot say that two approaches are equally good")
    place = source.with_name(f"{source.name}-step-down")
    raw: dict[str, Any] = config.model_dump(mode="json", exclude={"root"})
    candidate = run.rung(label).result.need().candidate
    settings = {"rewrites": True} if ladder[-1].rung == "prompt" else {}
    steps = [{"rung": s.rung, "settings": dict(s.settings), "name": s.name} for s in ladder]
    if plugins.rung_type(ladder[-1].rung).trains:
        frontier = "frontier"  # all of them are measured, also above the first that meets the goal
        raw["task"] |= {"goal": run.task.goal, "tolerance": run.task.tolerance, "objective": frontier}
        return on_same_examples({**raw, "ladder": steps[:-1]}, run, config.root), place
    steps[-1]["settings"] = {**settings, **ladder[-1].settings}
    goal = {"as_good_as": label, "margin": config.task.min_gain}
    raw["task"] |= {"goal": goal, "tolerance": None, **carried_prompt(candidate, source.parent, config.root)}
    asked = parse_config(
        {**raw, "ladder": steps}, config.root, f"the experiment of `rung climb --step-down` on {source}"
    )
    return asked, place


def winner_of(source: Path) -> tuple[RunFolder, str]:
    """Return the run whose winner counts, or that of the champion of a folder of generations, and the winner's label."""
    champion = champion_of(source)
    run = RunFolder.open(source if champion is None else champion[0])
    return run, chosen(run) if champion is None else champion[1]


def held_against(config: Config, source: Path, where: Path) -> Held:
    """Hold what was measured in `where` against the stored answers of a tuned winner, all together at the task's alpha (Bonferroni)."""
    (before, label), run = winner_of(source), RunFolder.open(where)
    measured = measured_rungs(run)
    level = run.task.alpha / len(measured)
    one, margin, found = side(f"{before.path}:{label}"), config.task.min_gain, dict[str, Across]()
    for lower in measured:
        two = side(f"{where}:{lower}")
        found[lower] = across(one, replace(two, task=replace(two.task, min_gain=margin, alpha=level)))
    return Held(label, found, level)


def saved_a_month(results: Mapping[str, Result], now: str, lower: str, requests: int | None) -> str | None:
    """Say what the lower approach saves in a month; None where a price or the volume is not known."""
    if requests is None:
        return None
    costs = [results[label].cost.month_usd(requests) for label in (now, lower)]
    if costs[0] is None or costs[1] is None:
        return None
    return f"{requests:,} requests a month cost ${costs[1]:,.2f} instead of ${costs[0]:,.2f}: ${costs[0] - costs[1]:,.2f} saved"
