"""Vectors by way of an /embeddings endpoint: through cache, retries and budget like any other answer."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from rung.embedding import Embedder, embedding_request, is_embedding, read_vectors, unit, write_vectors
from rung.errors import BudgetSpent, ModelError, Retryable
from rung.models.budget import Budget
from rung.models.client import Client
from rung.models.openai import OpenAI
from rung.store.cache import AnswerCache
from rung.testing.endpoint import Endpoint, Reply, embedding_body
from rung.types import Completion, Message, Request


def talk(tmp_path, texts, *, reply=None, budget=None, times=1, **given):
    """Embed texts through a client; returns the vectors (or the error), the endpoint's counts and the bodies it was sent."""
    bodies = []

    def script(data, attempt):
        bodies.append(data)
        return reply(data, attempt) if reply else None

    async def work():
        async with Endpoint(script=script).serving() as endpoint:
            settings = OpenAI(name="emb-1", base_url=endpoint.url, attempts=3, **given)
            with AnswerCache.open(tmp_path / "ledger.sqlite") as answer_cache:
                client = Client(settings, settings.connect(), answer_cache, Budget(budget), role="embedder")
                embedder = Embedder("emb-1", "x", client.ask)
                try:
                    found = [await embedder.embed(texts) for _ in range(times)][-1]
                except (ModelError, BudgetSpent) as error:
                    found = error
                finally:
                    await client.close()
                return found, client.usage, endpoint.path_seen

    found, usage, path = asyncio.run(work())
    return found, usage, path, bodies


def test_texts_become_vectors_in_their_order_at_the_embeddings_door(tmp_path):
    def backwards(data, attempt):
        rows = json.loads(embedding_body([[float(len(t)), 1.0] for t in data["input"]], "emb-1-2026"))
        rows["data"].reverse()
        return Reply(body=json.dumps(rows).encode())

    found, _, path, bodies = talk(tmp_path, ["a", "bbb", "cc"], reply=backwards)
    assert path == "/v1/embeddings"
    assert bodies == [{"model": "emb-1", "input": ["a", "bbb", "cc"], "encoding_format": "float"}]
    assert np.allclose(found, unit(np.array([[1, 1], [3, 1], [2, 1]], dtype=np.float32)))


def test_many_texts_go_in_batches_and_a_batch_is_paid_once(tmp_path):
    texts = [f"text number {i}" for i in range(150)]
    found, usage, _, bodies = talk(tmp_path, texts, times=2, input_usd_per_mtok=1.0, output_usd_per_mtok=0.0)
    assert found.shape == (150, 64)
    assert sorted(len(b["input"]) for b in bodies) == [22, 64, 64]
    assert (usage.answers, usage.cached) == (3, 3)
    assert usage.usd > 0


def test_trouble_is_retried_and_the_cap_holds_for_vectors_too(tmp_path):
    def once(data, attempt):
        return Reply(500) if attempt == 1 else None

    found, usage, _, _ = talk(tmp_path, ["a b", "c"], reply=once)
    assert found.shape == (2, 64)
    assert usage.retries == 1
    spent, _, _, bodies = talk(
        tmp_path / "..", ["word " * 500], budget=1e-9, input_usd_per_mtok=1.0, output_usd_per_mtok=0.0
    )
    assert isinstance(spent, BudgetSpent)
    assert bodies == []


WRONG = {
    "too few": (
        lambda d: embedding_body([[1.0, 2.0]], "m"),
        "was given 2 texts and answered with 1 vectors, so nobody can",
    ),
    "too many": (lambda d: embedding_body([[1.0]] * 3, "m"), "was given 2 texts and answered with 3 vectors"),
    "twice the same place": (
        lambda d: json.dumps({"data": [{"index": 0, "embedding": [1.0]}] * 2}).encode(),
        "was given 2 texts and answered with 2 vectors, so nobody can tell which belongs to which",
    ),
    "of two lengths": (
        lambda d: embedding_body([[1.0], [1.0, 2.0]], "m"),
        r"vectors of different lengths \(1, 2\) in one answer",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_vectors_that_cannot_be_matched_to_texts_are_refused_at_once(case, tmp_path):
    body, words = WRONG[case]
    error, _, _, bodies = talk(tmp_path, ["a", "b"], reply=lambda data, attempt: Reply(body=body(data)))
    assert isinstance(error, ModelError)
    assert not isinstance(error, Retryable)
    with pytest.raises(ModelError, match=words):
        raise error
    assert len(bodies) == 1
    assert error.exit_code == 2


BROKEN = (
    b"<html>gateway</html>",
    b'{"data": [{"embedding": "AAAA"}',
    b"{}",
    b'{"data": [{"embedding": ["x"]}]}',
    b'{"data": [{"embedding": []}]}',
    b'{"data": [{"embedding": [NaN]}]}',
    b'{"data": [[1.0]]}',
    b'{"data": [{"index": null, "embedding": [1.0]}]}',
)


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_answer_is_asked_again(body):
    settings = OpenAI(name="emb-1", base_url="http://127.0.0.1:1/v1")
    from rung.models._embeddings import vectors_in
    from rung.models._wire import Reply as Wire

    with pytest.raises(Retryable, match=r"sent (a web page|an answer)"):
        vectors_in(Wire(200, {}, body), settings, (), 1, 0.0)


def test_a_model_that_only_chats_is_told_from_an_embedder():
    async def chatty(request):
        assert is_embedding(request)
        return Completion("Here you are!", "m", 1, 1, 0.0, 0.0)

    with pytest.raises(
        ModelError, match="'m' was asked for embeddings and gave something else; name a model that makes"
    ):
        asyncio.run(Embedder("m", "m", chatty).embed(["a"]))


def test_vectors_survive_as_text():
    made = np.array([[0.1, -2.5e-7], [3.0, 0.0]], dtype=np.float32)
    assert np.array_equal(read_vectors(write_vectors(made)), made)
    for text in ("", "2:", "x:AAAA", "0:", "1:AAAA", "1:****", "3:AAAAAAAAAAA="):
        assert read_vectors(text) is None
    assert not is_embedding(Request((Message("user", "a"),)))
    assert [m.content for m in embedding_request(["a", " "]).messages] == ["a", " . "]
    assert np.array_equal(unit(np.zeros((1, 2), dtype=np.float32)), [[0.0, 0.0]])


def taking_at_most(most, status=400):
    def reply(data, attempt):
        if len(data["input"]) > most:
            return Reply(status, b'{"error": {"message": "batch size is invalid"}}')
        return Reply(body=embedding_body([[float(t), 1.0] for t in data["input"]], "emb-1"))

    return reply


@pytest.mark.sample(7)
@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(("most", "texts"), [(10, 30), (1, 7), (16, 150), (63, 64), (25, 26)])
def test_an_endpoint_that_takes_fewer_texts_gets_fewer(tmp_path, most, texts, status):
    names = [str(i) for i in range(texts)]
    found, _, _, bodies = talk(tmp_path, names, reply=taking_at_most(most, status), times=2)
    assert np.allclose(found, unit(np.array([[i, 1] for i in range(texts)], dtype=np.float32)))
    taken = [b["input"] for b in bodies if len(b["input"]) <= most]
    assert sorted(t for b in taken for t in b if t != "Hello.") == sorted(names), "each text is paid once"


def test_the_number_of_texts_can_be_set(tmp_path):
    async def ask(request):
        sizes.append(len(request.messages))
        return Completion(write_vectors(np.ones((len(request.messages), 2), dtype=np.float32)), "m", 1, 0, 0.1, None)

    sizes = []
    asyncio.run(Embedder("m", "m", ask, texts_a_request=10).embed([str(i) for i in range(35)]))
    assert sizes == [10, 10, 10, 5]
    assert OpenAI(name="m", texts_a_request=10).texts_a_request == 10


def test_a_single_text_that_is_refused_is_told(tmp_path):
    found, _, _, _ = talk(tmp_path, ["1"], reply=taking_at_most(0))
    assert isinstance(found, ModelError)
    assert "batch size is invalid" in str(found)


@pytest.mark.parametrize("usage", [None, 5, "12", [1], {"prompt_tokens": True}, {"prompt_tokens": 2**70}])
def test_vectors_are_kept_whatever_their_usage_says(tmp_path, usage):
    body = json.loads(embedding_body([[1.0, 2.0]], "m"))
    body["usage"] = usage
    found, used, _, _ = talk(tmp_path, ["a"], reply=lambda *_: Reply(body=json.dumps(body).encode()))
    assert found.shape == (1, 2)
    assert used.input_tokens == 0


def test_vectors_without_usage_under_a_cap_are_booked_from_above(tmp_path):
    body = json.loads(embedding_body([[1.0] * 300], "m"))
    del body["usage"]
    price = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 1.0}
    found, usage, _, _ = talk(
        tmp_path, ["a"], reply=lambda *_: Reply(body=json.dumps(body).encode()), budget=1.0, **price
    )
    assert found.shape == (1, 300)
    assert usage.usd == pytest.approx(81e-6)


def test_an_error_with_status_200_instead_of_vectors_is_that_error(tmp_path):
    body = b'{"error": {"code": 402, "message": "pay"}}'
    found, _, _, bodies = talk(tmp_path, ["a"], reply=lambda *_: Reply(body=body))
    assert "has no credit left" in str(found)
    assert len(bodies) == 1
