"""Metrics that need more than the text: likeness by embeddings, and whether an answer rests on its sources."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from rung import plugins
from rung.embedding import is_embedding, write_vectors
from rung.engine.verify import verify
from rung.errors import RungError
from rung.ladder import climb
from rung.metrics.citations import Citations
from rung.metrics.similarity import Similarity
from rung.store.run import RunFolder
from rung.testing.kit import small_task
from rung.types import Answer, Completion, Example, Failure, Request, Score, Source
from tests.unit._judged import judged_world, rows

ROW = Example("r", {"question": "When does the shop open?"}, "at nine", "r", ("nine o'clock",))


class Vectors:
    """A kit whose embedder knows a few texts."""

    known = {
        "at nine": (1.0, 0.0),
        "nine o'clock": (0.8, 0.6),
        "9 am": (0.8, 0.6),
        "never": (-1.0, 0.0),
        "up": (0.6, 0.8),
    }

    def __init__(self, text: str | None = None) -> None:
        self.text = text

    async def ask(self, role: str, request: Request) -> Completion:
        assert role == "embedder"
        assert is_embedding(request)
        found = np.array([self.known[m.content] for m in request.messages], dtype=np.float32)
        return Completion(self.text or write_vectors(3 * found), "static", 1, 1, 0.0, 0.0)


def alike(answer: str, text: str | None = None, **settings: object) -> Score | Failure:
    metric = Similarity.model_validate(settings)
    return asyncio.run(metric.assess(Answer(answer), ROW, small_task(), Vectors(text)))  # type: ignore[arg-type]


def test_the_cosine_with_the_nearest_right_answer_counts_and_never_falls_below_nothing():
    for answer, value in (("at nine", 1.0), ("9 am", 1.0), ("up", 0.96), ("never", 0.0)):
        found = alike(answer)
        assert isinstance(found, Score)
        assert found.value == pytest.approx(value, abs=1e-6)
    assert alike(" ") == Score(0.0, note="the answer is empty")


def test_a_threshold_makes_it_yes_or_no_and_keeps_the_cosine():
    assert alike("up", threshold=0.9) == Score(1.0, note="cosine 0.960")
    assert alike("up", threshold=0.97) == Score(0.0, note="cosine 0.960")


def test_a_model_that_gives_no_vectors_is_named():
    found = alike("up", "I am a chat model")
    assert isinstance(found, Failure)
    assert found.message == "the model in models.embedder gave no vectors; name one that makes embeddings"


def cited(answer: str, *passages: str, **settings: object) -> Score | Failure:
    sources = tuple(Source("doc", str(i), text) for i, text in enumerate(passages))
    row = Example("r", {"question": "When does the shop open on Monday?"}, "x", "r")
    return asyncio.run(
        Citations.model_validate(settings).assess(Answer(answer, sources=sources), row, small_task(), Vectors())  # type: ignore[arg-type]
    )


def test_an_answer_that_rests_on_its_sources_and_one_that_does_not():
    good = cited("The shop opens at nine.", "On weekdays it opens at nine in the morning.")
    assert isinstance(good, Score)
    assert (good.value, good.note) == (1.0, None)
    half = cited("It opens at nine sharp.", "it opens at nine", "Parking is free")
    assert isinstance(half, Score)
    assert dict(half.parts) == pytest.approx({"supported": 2 / 3, "needed": 0.5})
    assert half.value == pytest.approx(4 / 7)
    assert half.note == "not in its sources: sharp"
    none = cited("It opens at nine.")
    assert isinstance(none, Score)
    assert (none.value, none.note) == (0.0, "the answer names no source")
    invented = cited("Closed forever", "it opens at nine")
    assert isinstance(invented, Score)
    assert invented.value == 0.0
    wide = cited("It opens at nine sharp.", "it opens at nine", least=0.5)
    assert isinstance(wide, Score)
    assert wide.value == 1.0


@pytest.mark.slow
def test_a_climb_by_similarity_asks_the_embedder_through_the_ledger_and_is_recomputed(tmp_path):
    pytest.importorskip("safetensors")
    pytest.importorskip("tokenizers")
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = sorted({w for r in rows(200) for text in (r["question"], r["answer"]) for w in text.split()})
    vocabulary = {"[UNK]": 0, **{w: i + 1 for i, w in enumerate(names)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "static"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    vectors = np.random.default_rng(1).normal(size=(len(vocabulary), 16)).astype(np.float32)
    save_file({"embeddings": vectors}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"normalize": True}))
    config = judged_world(
        tmp_path, 200, task={"metrics": [{"similarity": {"threshold": 0.999}}, "token_f1"]},
        models={
            "main": {"provider": "fake", "answers": {r["question"]: r["answer"] for r in rows(200)}, "abilities": {"base": 0.9}},
            "embedder": {"provider": "static", "folder": "static"},
        },
    )  # fmt: skip
    run = climb(config, tmp_path / "run")
    opened = RunFolder.open(tmp_path / "run")
    outcomes = opened.rung("prompt").measured().outcomes
    for outcome in outcomes:
        assert outcome.scores is not None
        assert outcome.scores["similarity"].value == float(outcome.scores["token_f1"].value > 0.999)
    assert opened.read("spend.json")["by_role"]["embedder"]["calls"] > 0
    assert run.verdict.provisional is None
    assert [c.differs for c in verify(opened) if c.differs] == []


def test_a_users_function_that_hangs_fails_its_row_and_at_the_third_time_ends_the_climb(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import threading\ndef wait(answer, target, inputs):\n"
        "    if answer == 'hang':\n        threading.Event().wait()\n    return 0.25\n"
    )
    metric = plugins.make_at(tmp_path, "metrics", "python", {"function": "slow.py:wait", "timeout_s": 0.05})
    assert metric.score("fine", ROW, small_task()) == Score(0.25)
    for _ in range(2):
        found = metric.score("hang", ROW, small_task())
        assert found == Failure("metric", "slow.py:wait did not return within 0.05 s (timeout_s)")
    with pytest.raises(
        RungError, match=r"did not return within 0.05 s \(timeout_s\) on 3 examples, the last of them 'r'; look"
    ):
        metric.score("hang", ROW, small_task())
