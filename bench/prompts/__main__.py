"""Reflective evolution against our principled rewrites at equal calls: python -m bench.prompts [--save].

The task model is the fake one: what a prompt offers decides how often it is right, so that
the quality of a prompt has known reasons. The reflection model is a script of stated ability: with that probability it adds one true missing rule to the instructions it is shown,
else an empty phrase. So this measures the search (what it costs, what it finds, whether luck on dev deceives it), not how able real models are.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.models.fake import FakeModel
from rung.prompts.evolve import EvolveLimits, evolve
from rung.prompts.race import mean_score
from rung.prompts.rewrites import Draft, Writer, prompt_candidate
from rung.prompts.templates import Template
from rung.rungs.prompt import Prompt
from rung.testing.kit import BareKit, known, small_rows, small_task
from rung.types import Completion, Example, FitInput, ModelCard, Request

HIDDEN = ("Judge by the last request.", "Ignore greetings.", "A locked account is a login matter.")
FORM = "Answer with the label only."
LABELS = "The labels are billing, delivery and login."
RULES = {"form only": (FORM,), "labels and form": (FORM, LABELS), "nothing helps": ()}  # what there is to be found
EMPTY = ("Be careful.", "Think before you answer.", "Be helpful.", "Read everything.")
SEEDS, DEV, TRAIN, FRESH = 10, 150, 300, 400
ABILITIES = (0.2, 0.5, 0.9)
WORLDS: dict[str, dict[str, Any]] = {
    "form only": {"abilities": {"base": 0.92}, "format_slip": 0.5, "format_slip_when_told": 0.02},
    "labels and form": {
        "abilities": {"base": 0.7, "label_list": 0.15, "format_rule": 0.05},
        "format_slip": 0.2,
        "format_slip_when_told": 0.02,
    },
    "three rules that only failures show": {
        "abilities": {"base": 0.5, "label_list": 0.05, "hints": dict.fromkeys(HIDDEN, 0.12)}
    },
    "nothing helps": {"abilities": {"base": 0.75}},
}


@dataclass
class Kit(BareKit):
    """The task model and a scripted reflection model."""

    ability: float = 0.5
    rules: tuple[str, ...] = HIDDEN
    reflected: int = 0

    def card(self, role: str) -> ModelCard:
        return ModelCard(role, "script", "script", None, 256) if role == "reflection" else super().card(role)

    async def ask(self, role: str, request: Request) -> Completion:
        if role != "reflection":
            return await super().ask(role, request)
        self.reflected += 1
        draw = random.Random(f"{self.seed} {self.reflected}")
        text = request.messages[0].content.split("<instructions>\n", 1)[1].split("\n</instructions>", 1)[0]
        missing = [rule for rule in self.rules if rule not in text]
        more = draw.choice(missing) if missing and draw.random() < self.ability else draw.choice(EMPTY)
        return Completion(f"<instructions>\n{text}\n{more}\n</instructions>", "script", 1, 1, 0.0, 0.0)


def kit(world: str, seed: int, ability: float, rows: Sequence[Example]) -> Kit:
    """Return a kit over the world's model."""
    model = FakeModel.model_validate({"answers": known(rows), "seed": seed, **WORLDS[world]})
    return Kit(
        small_task(),
        model.connect(),
        ModelCard("main", "fake", "fake", None, 256),
        seed=seed,
        ability=ability,
        rules=RULES.get(world, HIDDEN),
    )


async def truth(made: Kit, draft: Draft, fresh: Sequence[Example]) -> float:
    """Return the mean score of a prompt on fresh rows."""
    return mean_score(await made.run(prompt_candidate(draft, "main"), fresh), made.task) or 0.0


@dataclass(frozen=True)
class Arm:
    """What one way came to: score of its prompt on fresh rows, its dev mean, the calls it may take."""

    true: float
    dev: float
    calls: int


async def arms(world: str, seed: int, ability: float) -> dict[str, Arm]:
    """Return the prompt as it stands, rewrites, evolution alone at as many calls, and evolution after rewrites."""
    train, dev = small_rows(TRAIN, f"{seed}train"), small_rows(DEV, f"{seed}dev")
    fresh = small_rows(FRESH, f"{seed}fresh")
    task, rows = small_task(), (*train, *dev, *fresh)
    first = kit(world, seed, ability, rows)
    fitted = await Prompt().fit(FitInput(task, tuple(train), tuple(dev)), first)
    calls = len(first.requests)
    writer = Writer.of(task, train, dev, first)
    drafts = {d.name: d for d in writer.all_drafts()}
    name = fitted.candidate.name
    best = drafts.get(name) or Draft(name, Template.of(fitted.candidate))
    found = {"rewrites": Arm(await truth(first, best, fresh), mean_score(fitted.dev, task) or 0.0, calls)}
    for label, start, known_calls in (("evolution alone", writer.as_is, 0), ("rewrites, then evolution", best, calls)):
        own = kit(world, seed, ability, rows)
        outcomes = await own.run(prompt_candidate(start, "main"), dev)
        spent = len(outcomes) if known_calls == 0 else 0
        evolved = await evolve(
            start, outcomes, task, (writer.quotable, dev), own, EvolveLimits("main", "reflection", calls - spent, 20)
        )
        draft = evolved.best or start
        answered = await own.run(prompt_candidate(draft, "main"), dev)
        found[label] = Arm(await truth(own, draft, fresh), mean_score(answered, task) or 0.0, calls + known_calls)
        if label == "evolution alone":
            found["as it stands"] = Arm(await truth(own, start, fresh), mean_score(outcomes, task) or 0.0, DEV)
    return found


def table(seeds: int) -> str:
    """Return the table of all worlds and abilities."""
    lines = [
        "| world | reflection finds a rule | as it stands | rewrites | evolution alone, equal calls | rewrites, then evolution, twice the calls | calls of rewrites |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for world in WORLDS:
        for ability in ABILITIES if "rules" in world else ABILITIES[1:2]:
            runs = [asyncio.run(arms(world, seed, ability)) for seed in range(seeds)]

            def shown(label: str, runs: Sequence[dict[str, Arm]] = runs) -> str:
                true = [r[label].true for r in runs]
                mean = sum(true) / len(true)
                error = (sum((t - mean) ** 2 for t in true) / max(1, len(true) - 1) / len(true)) ** 0.5
                luck = sum(r[label].dev - r[label].true for r in runs) / len(runs)
                return f"{mean:.3f} ± {2 * error:.3f} ({luck:+.3f})"

            calls = sum(r["rewrites"].calls for r in runs) / len(runs)
            cells = [shown(k) for k in ("as it stands", "rewrites", "evolution alone", "rewrites, then evolution")]
            lines.append(f"| {world} | {ability:.0%} of the time | {' | '.join(cells)} | {calls:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.prompts", description=__doc__)
    parser.add_argument("--save", action="store_true", help="write results/prompts.md")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    arguments = parser.parse_args()
    head = (__doc__ or "").split("\n", 2)[2].strip()
    note = (
        f"Score of the chosen prompt on {FRESH} fresh rows, mean over {arguments.seeds} seeds ± two standard errors; in brackets how much higher its dev mean was: the luck "
        f"of the chosen. {TRAIN} training and {DEV} dev rows."
    )
    text = f"# Prompts: rewrites against reflective evolution\n\n{head}\n\n{note}\n\n{table(arguments.seeds)}\n"
    print(text)
    if arguments.save:
        (Path(__file__).parent / "results").mkdir(exist_ok=True)
        (Path(__file__).parent / "results" / "prompts.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
