"""Several references a row and likeness by embeddings on real rows: e2e-nlg and a static model."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rung.data.load import load
from rung.metrics.accepted import AnyRight
from rung.metrics.similarity import Similarity
from rung.metrics.token_f1 import TokenF1
from rung.testing.kit import small_task
from rung.types import Answer, Example, Score


@pytest.fixture(scope="module")
def references(shared_data):
    return load(shared_data / "e2e-nlg" / "test.jsonl.gz", inputs=["input"], target="references").examples


def test_a_list_of_references_is_read_as_several_right_answers(references):
    assert len(references) == 630
    assert sum(len(e.targets) for e in references) / len(references) > 5
    metric, task = AnyRight(TokenF1()), small_task()
    with_all, with_one = [], []
    for row in references[:200]:
        right, *targets = row.targets
        if targets:
            held = replace(row, target=targets[0], others=tuple(targets[1:]))
            with_all.append(metric.score(right, held, task).value)
            with_one.append(metric.score(right, replace(held, others=()), task).value)
    assert sum(with_all) / len(with_all) > sum(with_one) / len(with_one) + 0.1


def test_a_static_model_finds_what_means_the_same(shared_data):
    folder = shared_data.parent / "models" / "potion-base-4m-int8"
    if not folder.is_dir():
        pytest.skip(f"no static model at {folder}")
    pytest.importorskip("tokenizers")
    from rung.models.static import Static

    class Kit:
        model = Static(folder=str(folder)).connect()

        async def ask(self, role, request):
            return await self.model.complete(request)

    row = Example("r", {"q": "x"}, "The parcel arrives tomorrow morning.", "r")

    def cosine(answer: str) -> float:
        found = asyncio.run(Similarity().assess(Answer(answer), row, small_task(), Kit()))
        assert isinstance(found, Score)
        return found.value

    assert cosine("The parcel arrives tomorrow morning.") == pytest.approx(1.0, abs=1e-5)
    assert cosine("Your package will be delivered tomorrow.") > cosine("Please reset your password.") + 0.2
