"""The shipped catalogue with the bundled model: a price changes in a document, the next answer follows, nothing is trained;
a model that was tuned on the facts keeps the old price."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import rung_nano
from rung import plugins
from rung.config import Config, load_config
from rung.data.configured import as_task, read_rows
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import askers
from rung.models.client import open_clients
from rung.progress import Silent
from rung.prompts.templates import as_it_stands
from rung.rag.choice import Ground
from rung.rag.opening import gather, open_document_index
from rung.rungs.rag import Rag
from rung.types import Answer, Base, Choice, Message, Request, TuningRow

pytestmark = pytest.mark.extra
pytest.importorskip("torch")

SHIPPED = rung_nano.EXAMPLES / "catalogue"
WEIGHTS = rung_nano.WEIGHTS / "nano-s" / "model.safetensors"


@pytest.fixture
def catalogue(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "catalogue")
    return load_config(tmp_path / "catalogue" / "rung.yaml")


@dataclass(frozen=True)
class Priced:
    """A question about a price, the sheet that tells it, and the price."""

    question: str
    sheet: Path
    price: str


def asked(config: Config, folder: Path, questions: Sequence[str]) -> list[Answer]:
    """Bring the documents in step with their folder, as every session does, and ask once each."""
    gather(config, Silent())

    async def go() -> list[Answer]:
        async with (
            open_clients(config, folder) as clients,
            open_document_index(config, clients, Silent()) as document_index,
        ):
            task = as_task(config, "knowledge", read_rows(config).whole.examples)
            kit = RunKit(task, askers(clients), 7, Silent(), config.root, document_index)
            ground = Ground(as_it_stands(task), (), None, "unknown", document_index.sha256, "main")
            system = Rag.revive(ground.candidate(Choice(k=1, guard=False)), task, kit)
            return [await system.answer({"question": q}) for q in questions]

    return asyncio.run(go())


def test_a_changed_price_is_the_next_answer_with_its_new_source(catalogue, tmp_path):
    before_weights = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    rows = list(priced(catalogue.root))[:6]
    before = asked(catalogue, tmp_path, [r.question for r in rows])
    right = [r for r, answer in zip(rows, before, strict=True) if r.price in answer.text]
    assert len(right) >= 3  # the small model reads most sheets; only what it could read can change under it
    for number, row in enumerate(right):
        row.sheet.write_text(row.sheet.read_text().replace(row.price, f"{417 + number}"))
    after = asked(catalogue, tmp_path, [r.question for r in right])
    for number, (row, answer) in enumerate(zip(right, after, strict=True)):
        [source] = answer.sources
        assert source.document.endswith(row.sheet.name)
        assert f"{417 + number}" in source.text
        assert row.price not in answer.text
    followed = [f"{417 + number}" in answer.text for number, answer in enumerate(after)]
    assert sum(followed) >= len(right) - 1  # a sheet with a second sum of money may mislead the small model once
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == before_weights


def test_a_model_tuned_on_the_facts_keeps_the_old_price(catalogue, tmp_path):
    """What retrieval mends in the test above, tuning cannot: the old price lies in the weights."""
    pytest.importorskip("peft")
    rows = list(priced(catalogue.root))[:6]
    learned = [TuningRow(str(i), (Message("user", r.question),), f"{r.price} euros") for i, r in enumerate(rows)]
    settings = {"epochs": 60, "batch_rows": 6, "learning_rate": 2e-3, "search": False, "threads": 1}
    recipe = plugins.make("tuners", "full", **settings)
    base = Base("main", "nano-s", str(WEIGHTS.parent), "x", None, 64, 0.0)
    run = recipe.start(base, learned, tmp_path / "state", 3)
    run.train(run.steps, lambda _: None)
    (tmp_path / "tuned").mkdir()
    run.write(tmp_path / "tuned")
    run.close()
    tuned = plugins.make("models", "nano", threads=1).with_weights(tmp_path / "tuned")

    def answers() -> list[str]:
        async def go() -> list[str]:
            model = tuned.connect()
            said = [await model.complete(Request((Message("user", r.question),))) for r in rows]
            await model.close()
            return [s.text for s in said]

        return asyncio.run(go())

    before = answers()
    known = [i for i, (row, text) in enumerate(zip(rows, before, strict=True)) if row.price in text]
    assert len(known) >= 5  # it has learned the prices by heart
    for i in known:
        rows[i].sheet.write_text(rows[i].sheet.read_text().replace(rows[i].price, f"{417 + i}"))
    after = answers()
    assert all(rows[i].price in after[i] and f"{417 + i}" not in after[i] for i in known)


def priced(root: Path) -> Iterator[Priced]:
    """Yield questions whose answer is a price that stands once in the product's sheet."""
    sheets = {s.read_text().split("\n")[0].removeprefix("# "): s for s in sorted((root / "documents").glob("*.md"))}
    for line in (root / "rows.jsonl").read_text().splitlines():
        row = json.loads(line)
        found = re.fullmatch(r"The .+ costs (\d+(?:\.\d+)?) \w+\.", row["answer"])
        sheet = sheets.get(row["product"])
        if found and sheet is not None and len(re.findall(rf"\b{re.escape(found[1])}\b", sheet.read_text())) == 1:
            yield Priced(row["question"], sheets.pop(row["product"]), found[1])
