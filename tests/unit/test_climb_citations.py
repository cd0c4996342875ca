"""The metric `citations` through whole climbs: a real endpoint that reads passages, and cites them well or badly."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rung.config import parse_config
from rung.engine.verify import verify
from rung.ladder import climb
from rung.rag.layout import CITE
from rung.store.run import RunFolder
from rung.testing.endpoint import Endpoint, Reply, answer_body
from rung.types import Fitted
from tests.unit import _catalogue as world

PASSAGE = re.compile(r"\[(\d+)\] (?:# )?(.*?)(?=\[\d+\] |\n\n[A-Z]\w+: |$)", re.DOTALL)


def reading(cites: Callable[[int, int], int]) -> Callable[[dict[str, Any], int], Reply]:
    """Return an endpoint's script: told to cite, it reads every passage; else it is careless with half of the products.

    `cites`: from the number of the passage read and the number shown, the number cited.
    """

    def script(data: dict[str, Any], _: int) -> Reply:
        chat = "\n".join(m["content"] for m in data["messages"])
        told = CITE in chat
        asked = chat[chat.index("What do you ask for the ") :]
        product = next(name for name in world.catalogue() if name in asked.split("?")[0])
        passages = PASSAGE.findall(chat)
        for number, text in passages if told or len(product) % 2 else []:
            found = re.search(world.READS.format(product=re.escape(product)), text)
            if found:
                cited = f" [{cites(int(number), len(passages))}]" if told else ""
                return Reply(body=answer_body(f"The {product} costs {found[1]} euros{cited}.", "stub", 50, 9))
        return Reply(body=answer_body("I do not know.", "stub", 50, 9))

    return script


@contextmanager
def served(script: Callable[[dict[str, Any], int], Reply]) -> Iterator[str]:
    loop, endpoint = asyncio.new_event_loop(), Endpoint(script=script)
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with endpoint.serving():
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield endpoint.url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def climbed(tmp_path, script):
    (tmp_path / "sheets").mkdir()
    for name, text in world.document_index().texts.items():
        (tmp_path / "sheets" / name).write_text(text)
    lines = [
        {"id": e.id, "question": e.inputs["question"], "answer": f"The {e.inputs['product']} costs {e.target} euros."}
        for e in world.rows(120, "row")
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = {
        **{"name": "prices", "kind": "knowledge", "instruction": "Answer the question.", "inputs": ["question"]},
        **{"target": "answer", "metrics": ["normalized_match", "citations"], "goal": 0.85, "tolerance": 0.05},
    }
    with served(script) as url:
        model = {"provider": "openai", "name": "stub", "base_url": url, "concurrency": 8}
        raw = {
            "task": task,
            "data": {"path": "rows.jsonl", "id": "id"},
            "split": {"test": 0.4, "dev": 0.15},
            "documents": {"path": "sheets"},
            "models": {"main": {**model, "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 1.0}},
            "ladder": ["prompt", {"rag": {"k": [3], "canaries": 0, "stuff_tokens": 0}}],
        }
        run = climb(parse_config(raw, tmp_path), tmp_path / "run")
    return run, RunFolder.open(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cites", "supported"),
    [(lambda read, shown: read, 1.0), (lambda read, shown: read % shown + 1, 2 / 3)],
    ids=["the passage read", "another passage"],  # another sheet has "costs" and "euros" too, and another price
)
def test_a_climb_measures_whether_answers_rest_on_what_they_cite(tmp_path, cites, supported):
    run, folder = climbed(tmp_path, reading(cites))
    assert run.verdict.winner == "rag"
    assert folder.load("rungs/rag/fit.json", Fitted).candidate.learned.choice.cite
    stored = folder.rung("rag").measured()
    answered = [o for o in stored.outcomes if o.scores["normalized_match"].value == 1.0]
    assert len(answered) > 0.9 * len(stored.outcomes)
    for outcome in answered:
        [source] = outcome.answer.sources
        assert "[" not in outcome.answer.text  # the number was taken out before scoring
        assert outcome.scores["citations"].parts["supported"] == pytest.approx(supported)
        assert (outcome.answer.text.split(" costs ")[1] in source.text) == (supported == 1.0)
    assert stored.estimates["citations"].mean == pytest.approx(2 * supported / (supported + 1), abs=0.1)
    assert folder.rung("prompt").measured().estimates["citations"].mean == 0.0  # it names no source
    assert all(check.passed for check in verify(folder))
