"""Does a lower approach suffice by now? The ladder up to the winner again, with the goal of being as good as that for less."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rung import plugins
from rung.config import Config, parse_config
from rung.errors import RungError
from rung.exports.write import chosen
from rung.generations.migrate import carried_prompt
from rung.judging.human_labels import is_opinion
from rung.store.generations import champion_of
from rung.store.run import RunFolder
from rung.types import Result


def stepping_down(config: Config, source: Path) -> tuple[Config, Path]:
    """Return the experiment that asks it of a run, or of the champion of a folder of generations, and the folder for its answer.

    The winner is measured first on the examples of today, those below it beside it, at most `task.min_gain` worse. Raises RungError where there
    is none below, the winner was tuned, or a model judges.
    """
    champion = champion_of(source)
    run = RunFolder.open(source if champion is None else champion[0])
    label = chosen(run) if champion is None else champion[1]
    labels = [step.label for step in config.ladder]
    if label not in labels[1:]:
        where = "is the lowest approach of the ladder" if label in labels else "is not on the ladder any more"
        raise RungError(f"{label} {where}, so nothing lower can take its place")
    ladder = config.ladder[: labels.index(label) + 1]
    if plugins.rung_type(ladder[-1].rung).trains:
        raise RungError(
            f"{label} was tuned, and would be tuned anew: `rung retrain` climbs from below and promotes what is not worse and cheaper"
        )
    if is_opinion(run.task):
        raise RungError(f"{run.task.name} is judged by a model, which cannot say that two approaches are equally good")
    raw: dict[str, Any] = config.model_dump(mode="json", exclude={"root"})
    settings = {"rewrites": True} if ladder[-1].rung == "prompt" else {}
    steps = [{"rung": s.rung, "settings": dict(s.settings), "name": s.name} for s in ladder]
    steps[-1]["settings"] = {**settings, **ladder[-1].settings}
    candidate = run.rung(label).result.need().candidate
    goal = {"as_good_as": label, "margin": config.task.min_gain}
    raw["task"] |= {"goal": goal, "tolerance": None, **carried_prompt(candidate, source.parent, config.root)}
    asked = parse_config(
        {**raw, "ladder": steps}, config.root, f"the experiment of `rung climb --step-down` on {source}"
    )
    return asked, source.with_name(f"{source.name}-step-down")


def saved_a_month(results: Mapping[str, Result], now: str, lower: str, requests: int | None) -> str | None:
    """Say what the lower approach saves in a month; None where a price or the volume is not known."""
    if requests is None:
        return None
    costs = [results[label].cost.month_usd(requests) for label in (now, lower)]
    if costs[0] is None or costs[1] is None:
        return None
    return f"{requests:,} requests a month cost ${costs[1]:,.2f} instead of ${costs[0]:,.2f}: ${costs[0] - costs[1]:,.2f} saved"
