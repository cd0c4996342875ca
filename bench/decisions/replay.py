"""The same climb twice: end to end through `rung.ladder.climb` with files, cache and the fake model, and in memory."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bench.decisions.memory import Climbed, climb, config_of, label_of, let_in, step_of
from bench.decisions.rungs import Made, answer_to, chat, made_of
from bench.decisions.simulate import DEV_SHARE, TRAIN_SHARE
from bench.decisions.worlds import World
from rung import ladder, plugins
from rung.models._fake_world import uniform
from rung.models.fake import FakeModel
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.types import Example, Request

WORDS = """amber basil cedar delta ember fjord grove heron indigo jetty krill lemon mango nickel onion pearl quartz raven
saffron thyme umbra violet walnut xenon yeast zephyr acorn birch coral dune elm fern gorse hazel iris jade kelp lilac moss
nettle olive pine quill reed sage teal urchin vine willow yarrow""".split()


@dataclass(frozen=True)
class Twice:
    """One climb made both ways: what each came to, in the same words."""

    end_to_end: tuple[Any, ...]
    in_memory: tuple[Any, ...]

    @property
    def agree(self) -> bool:
        return self.end_to_end == self.in_memory


def twice(world: World, n: int, seed: int) -> Twice:
    """Climb a world end to end with about `n` test rows, then in memory on the outcomes that the model gives."""
    let_in()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        models = write_rows(world, root, round(n * world.test_share * (1 + DEV_SHARE + TRAIN_SHARE)), seed)
        config = config_of(
            world, root, models=models, split={"seed": seed, "test": 0.4, "dev": 0.15}, diagnosis={"calls": 0}
        )
        run = ladder.climb(config, root / "run")
        folder = RunFolder.open(root / "run")
        parts = ladder.prepare(config, folder, ladder.Silent()).split
        test = sealed_test(folder).read("replayed")
        fits = {label: folder.rung(label).fitted.need() for label in run.results}
    real = Climbed(run.verdict, {label: r.candidate.name for label, r in run.results.items()}, 0)
    rows = {label: [(t.candidate.name, t.rows) for t in fit.trials] for label, fit in fits.items()}
    visited = {label: len(r.outcomes) for label, r in run.results.items()}
    calls = sum(
        sum(n for _, n in rows[label]) + visited[label] for label in run.results if run.results[label].candidate.model
    )
    rights = _rights(world, models, (*parts.dev, *test))
    again = asyncio.run(climb(world, config, rights, (parts.dev, test), len(parts.train)))
    names = {r.label: label_of(r) for r in world.ladder}
    return Twice(
        _said(real, real.chosen, calls), _said(again, {names[k]: v for k, v in again.chosen.items()}, again.calls)
    )


def _said(climbed: Climbed, chosen: Any, calls: int) -> tuple[Any, ...]:
    v = climbed.verdict
    return v.decision, v.winner, v.tentative_pick, v.examples_needed, sorted(chosen.items()), calls


def write_rows(world: World, root: Path, rows: int, seed: int) -> dict[str, Any]:
    """Write rows and return the models: the fake gives each candidate its rate by the name that stands in its prompt."""
    draw = random.Random(f"{seed} {world.kind} {world.margin}")
    texts: set[str] = set()
    while len(texts) < rows:
        texts.add(" ".join([*(draw.choice(WORDS) for _ in range(12)), str(draw.randrange(10**6))]))
    made = [
        {"id": f"r{i}", "text": text, "team": answer_to(text), "answer": answer_to(text)}
        for i, text in enumerate(sorted(texts))
    ]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    roles = sorted({r.label.partition("@")[2] or "main" for r in world.ladder})
    models = {}
    for role in roles:
        hints = {
            f"<{r.label.partition('@')[0]} {name}>": rate
            for r in world.ladder
            if (r.label.partition("@")[2] or "main") == role
            for name, rate in r.rates.items()
        }
        models[role] = {
            "provider": "fake",
            "name": role,
            "seed": seed,
            "answers": {r["text"]: r["team"] for r in made},
            "abilities": {"base": 0.0, "hints": hints},
            "correlation": world.latent,
            "input_usd_per_mtok": 10.0 if role == "large" else 1.0,
            "output_usd_per_mtok": 1.0,
        }
    return models


def _rights(world: World, models: dict[str, Any], rows: Sequence[Example]) -> Any:
    """Ask every candidate for every row, past cache and kit."""
    found: dict[tuple[str, str], dict[str, bool]] = {}
    for rung in world.ladder:
        label, role = label_of(rung), rung.label.partition("@")[2] or "main"
        model = None
        if rung.kind != "no model":
            model = FakeModel.model_validate({k: v for k, v in models[role].items() if k != "provider"}).connect()
        [(name, settings)] = step_of(rung).items()
        made = cast(Made, plugins.make("rungs", name, **settings))
        for candidate in made.made():
            kept = found[label, candidate.name] = {}
            for e in rows:
                if model is None:
                    kept[e.id] = uniform("no model", candidate.name, e.text) < (made_of(candidate).rate or 0.0)
                else:
                    said = asyncio.run(model.complete(Request(chat(candidate, e.inputs))))
                    kept[e.id] = said.text == e.target
    return found
