"""What prompt, few-shot and the look at general abilities do with a real small model that can hardly do a task: SmolLM2-135M-Instruct."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.real.__main__ import rows
from rung import plugins
from rung.errors import RungError
from rung.prompts.race import racing_scores
from rung.prompts.templates import Template, as_it_stands
from rung.rungs.fewshot import FewShot
from rung.rungs.prompt import Prompt
from rung.testing.kit import BareKit
from rung.tuning.abilities import suite
from rung.tuning.forgetting import compare_kept
from rung.types import Example, FitInput, MetricSpec, ModelCard, Request, Task
from rung_nano import REAL
from rung_nano.fetched import MODELS, Cache

pytestmark = [pytest.mark.real, pytest.mark.extra, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("torch", reason="needs rung[local]")


@pytest.fixture(scope="module")
def smollm2():
    place = os.environ.get("RUNG_WEIGHTS")
    if not place:
        pytest.skip("set RUNG_WEIGHTS to a folder: real weights are fetched into it once (93 MB)")
    try:
        folder = Cache(Path(place).resolve()).model("smollm2")
    except RungError as error:
        pytest.skip(str(error))
    settings = plugins.make(
        "models", "local", name=MODELS["smollm2"].title, folder=str(folder), threads=1, max_tokens=24
    )
    model = settings.connect()
    yield model, ModelCard("main", "local", settings.name, settings.context, settings.max_tokens)
    asyncio.run(model.close())


@pytest.fixture(scope="module")
def tickets(smollm2):
    """The shipped tickets with a bare instruction, which names no queue: what the prompt step and few-shot make of it."""
    lines = [json.loads(line) for line in (REAL / "tickets" / "rows.jsonl").read_text("utf-8").splitlines()]
    found = tuple(Example(r["id"], {"ticket": r["ticket"]}, r["queue"], r["id"]) for r in lines)
    labels = tuple(sorted({e.target for e in found}))
    task = Task("tickets", "Which queue does this ticket belong to?", ("ticket",), "queue", "classification",
                (MetricSpec("normalized_match"),), 0.75, labels=labels)  # fmt: skip
    kit = BareKit(task, *smollm2)
    given = FitInput(task, found[10:110], found[:10])

    async def fitted():
        prompt = await Prompt().fit_one(given, kit)
        below = FitInput(task, given.train, given.dev, prompt.candidate)
        return prompt, await FewShot(k=(3, 8), selections=("nearest",)).fit_one(below, kit)

    return task, kit, *asyncio.run(fitted())


def test_the_prompt_that_is_handed_on_names_the_labels_and_one_said_it_all_in_the_user_turn(tickets):
    task, _, prompt, _ = tickets
    handed = Template.of(prompt.candidate)
    assert handed != as_it_stands(task)
    said = " ".join(m.content for m in handed.messages)
    assert all(label in said for label in task.labels)
    assert any(trial.candidate.name.endswith(", user turn") for trial in prompt.trials)


def test_no_cheaper_choice_of_examples_is_kept_where_the_goal_is_far_away(tickets):
    task, _, _, fewshot = tickets
    own = racing_scores(fewshot.dev, task)
    reached = sum(own) / len(own)
    assert reached < task.goal
    assert reached == max(trial.mean for trial in fewshot.trials if trial.rows == len(own))


def test_what_the_real_base_cannot_do_is_not_forgotten(smollm2):
    """Every ability is lost after: only what the base can do above chance counts."""
    model, _ = smollm2
    asked = [row for i, row in enumerate(suite()) if i % 3 == 0]

    async def answers():
        limit = {"temperature": 0.0, "max_tokens": 24}
        return await asyncio.gather(*(model.complete(Request(row.request.messages, limit)) for row in asked))

    before: dict[str, dict[str, float]] = {}
    for row, said in zip(asked, asyncio.run(answers()), strict=True):
        before.setdefault(f"ability {row.ability}", {})[row.id] = float(row.passes(said.text))
    after = {name: dict.fromkeys(scores, 0.0) for name, scores in before.items()}
    found = {r.name: r for r in compare_kept(before, after, alpha=0.05, margin=0.1, seed=7).kept}
    assert all(r.status == "absent" for r in found.values() if r.before.mean < 0.1)
    assert found["ability refusal"].status == "absent"  # it passes half of those by answering everything


def test_json_of_a_real_model_whose_keys_differ_from_example_to_example_has_its_form(smollm2, shared_data):
    lines = itertools.islice(rows(shared_data / "restaurant8k", "train"), 136)
    found = [Example(r["id"], {"text": r["input"]}, r["expected"], r["id"]) for r in lines]
    task = Task("slots", "Which slots does the user's turn fill? Answer as a JSON object.", ("text",), "slots", "extraction",
                (MetricSpec("json_fields"),), 0.8)  # fmt: skip
    kit = BareKit(task, *smollm2, metric_plugin=plugins.make("metrics", "json_fields"))
    given = FitInput(task, tuple(found[8:]), tuple(found[:8]))
    fitted = asyncio.run(FewShot(k=(5,), selections=("nearest",)).fit_one(given, kit))
    clean = [o for o in fitted.dev if o.answer is not None and _object(o.answer.text)]
    assert len({tuple(sorted(_object(o.answer.text))) for o in clean}) > 1
    assert all(o.adheres("json_fields") is not False for o in clean)


def _object(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "\n" not in text.strip() else None
