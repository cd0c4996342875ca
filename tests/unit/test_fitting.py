"""Endpoints that take no temperature, no max_tokens, no system turn: learnt from what they refuse, told once, kept."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from rung.errors import ModelError, RefusedByModel
from rung.models._fitting import Fitting
from rung.models.budget import Budget
from rung.models.client import Client
from rung.models.openai import OpenAI
from rung.store.cache import AnswerCache
from rung.testing.endpoint import Endpoint, Reply, answer_body, embedding_body
from rung.types import Message, Request

PARAMS = {"seed": 7, "stop": ["\n"], "temperature": 0.5}


def asking(text, **params):
    return Request((Message("system", "Be brief."), Message("user", text)), params)


def refusal(said, status=400):
    body = said if isinstance(said, bytes) else json.dumps({"error": {"message": said}}).encode()
    return Reply(status, body)


def has(body, trait):
    """Whether a body has what an endpoint does not take."""
    return any(t["role"] == "system" for t in body["messages"]) if trait == "system" else trait in body


def taking(*not_taken, words="Unsupported parameter: {}", status=400):
    """Return a script that refuses the first of these traits that a body has, in these words."""

    def script(data, attempt):
        for trait in not_taken:
            if has(data, trait):
                return refusal(words.format(trait), status)
        return Reply(body=answer_body(f"yes {data['messages'][-1]['content'][-5:]}\nmore", "m", 9, 3))

    return script


def sessions(folder, script, *rounds, concurrency=8, **given):
    """Ask the requests of each round in a session of its own; return answers (or errors), bodies sent, what was told."""
    found, bodies, told = [], [], []

    def noting(data, attempt):
        bodies[-1].append(data)
        return script(data, attempt)

    async def session(requests):
        settings = OpenAI(name="m", base_url=endpoint.url, concurrency=concurrency, **given)
        with AnswerCache.open(folder / "ledger.sqlite") as cache:
            client = Client(settings, settings.connect(), cache, Budget())
            client.say = told.append
            try:
                return await asyncio.gather(*(client.ask(r) for r in requests), return_exceptions=True)
            finally:
                await client.close()

    async def work():
        nonlocal endpoint
        async with Endpoint(script=noting).serving() as endpoint:
            for requests in rounds:
                bodies.append([])
                found.append(await session(requests))

    endpoint = None
    asyncio.run(work())
    return found, bodies, told


TRAITS = ("max_tokens", "temperature", "seed", "stop", "system")
WORDS = [
    "Unsupported parameter: '{}' is not supported with this model.",
    "Unsupported value: '{}' does not support 0.5 with this model. Only the default (1) value is supported.",
    "Unknown field",  # names nothing
    "invalid request",
]


@pytest.mark.sample(7)
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("trait", TRAITS)
def test_what_is_not_taken_is_left_out_whatever_the_words(tmp_path, trait, words):
    script = taking(trait, words=words)
    [first, later], bodies, told = sessions(
        tmp_path, script, [asking(f"row {i}", **PARAMS) for i in range(6)], [asking("row 7", **PARAMS)]
    )
    assert [c.text for c in first] == [f"yes row {i}" + ("" if trait == "stop" else "\nmore") for i in range(6)]
    refused = sum(has(b, trait) for b in bodies[0])
    assert 1 <= refused <= 5
    assert len(bodies[0]) == 6 + refused
    assert len(bodies[1]) == 1, "what was learnt is kept with the model"
    assert later[0].text.startswith("yes row 7")
    assert len(told) == 1
    assert told[0].startswith("models.main: 'm' ")


@pytest.mark.sample(11)
@pytest.mark.parametrize("pair", list(itertools.combinations(TRAITS, 2)))
@pytest.mark.parametrize("words", ["'{}' is not allowed", "no"])
def test_two_things_that_are_not_taken_are_found_together(tmp_path, pair, words):
    [found], bodies, told = sessions(tmp_path, taking(*pair, words=words), [asking("row 1", **PARAMS)])
    assert found[0].text.startswith("yes row 1")
    assert len(bodies[0]) <= 17
    assert len(told) == 2


def test_everything_but_the_answer_is_kept_from_the_form_that_was_sent(tmp_path):
    [found], bodies, _ = sessions(tmp_path, taking("system", "max_tokens"), [asking("row 1")], max_tokens=33)
    assert found[0].text == "yes row 1\nmore"
    assert bodies[0][-1] == {
        "model": "m",
        "temperature": 0.0,
        "max_completion_tokens": 33,
        "messages": [{"role": "user", "content": "Be brief.\n\nrow 1"}],
    }


@pytest.mark.parametrize("status", [400, 422, 500, 501])
def test_a_server_that_says_so_with_another_status_is_understood(tmp_path, status):
    script = taking("system", words="Jinja exception: {} role not supported", status=status)
    [found], _, told = sessions(tmp_path, script, [asking("row 1")], attempts=2)
    assert found[0].text.startswith("yes")
    assert "takes no system turns" in told[0]


def test_a_server_error_that_names_nothing_is_no_matter_of_parameters(tmp_path):
    def script(data, attempt):
        return Reply(500, b'{"error": {"message": "the system is overloaded"}}') if attempt == 1 else None

    [found], bodies, told = sessions(tmp_path, script, [asking("row 1")])
    assert found[0].text == "yes"
    assert told == []
    assert all(has(b, "system") for b in bodies[0])


def test_settings_that_no_form_mends_stop_with_the_first_words(tmp_path):
    [found], _, told = sessions(
        tmp_path, lambda *_: refusal("top_k is not known here"), [asking(f"row {i}") for i in range(4)]
    )
    assert all(type(error) is ModelError for error in found)
    assert "refused the request (400): top_k is not known here; check the settings of the model 'm'" in str(found[0])
    assert told == []


def test_a_trait_that_comes_later_is_learnt_then(tmp_path):
    rounds = [asking("row 1")], [asking("row 2", seed=3)], [asking("row 3", seed=4)]
    found, bodies, told = sessions(tmp_path, taking("seed"), *rounds)
    assert all(not isinstance(c, Exception) for [c] in found)
    assert [len(b) for b in bodies] == [1, 2, 1]
    assert len(told) == 1


def test_many_at_once_learn_it_together(tmp_path):
    first = [asking("row 0")]
    many = [asking(f"row {i}", seed=1) for i in range(1, 30)]
    found, bodies, _ = sessions(tmp_path, taking("seed"), first + many)
    assert all(not isinstance(c, Exception) for c in found[0])
    assert len(bodies[0]) <= 30 + 29


def test_a_row_that_is_refused_first_teaches_nothing(tmp_path):
    def script(data, attempt):
        return refusal("Content Exists Risk") if "bad" in data["messages"][-1]["content"] else None

    requests = [asking("bad row", **PARAMS), *(asking(f"row {i}", **PARAMS) for i in range(9))]
    [found], bodies, told = sessions(tmp_path, script, requests)
    assert isinstance(found[0], RefusedByModel)
    assert "took other requests, but not this one" in str(found[0])
    assert [c.text for c in found[1:]] == ["yes"] * 9
    assert told == []
    good = [b for b in bodies[0] if "bad" not in b["messages"][-1]["content"]]
    assert all(has(b, trait) for b in good for trait in TRAITS)


@pytest.mark.parametrize("status", [400, 403, 413, 422, 451])
@pytest.mark.parametrize("place", [0, 3])
def test_a_row_that_is_refused_is_its_own_failure_and_the_others_go_on(tmp_path, status, place):
    def script(data, attempt):
        return refusal("no", status) if "row 3" in data["messages"][-1]["content"] else None

    rows = [f"row {i}" for i in range(8)]
    requests = [asking(r) for r in ([rows[3], *rows[:3], *rows[4:]] if place == 0 else rows)]
    found, bodies, _ = sessions(tmp_path, script, requests, requests, concurrency=1)
    for answers in found:
        assert [isinstance(c, ModelError) for c in answers] == [i == place for i in range(8)]
    again = [b for b in bodies[1] if status != 413]  # too long is told by the endpoint at no cost, and may change
    assert again == [], "a refusal is stored and not asked again"


def test_many_refusals_in_a_row_are_no_rows_fault(tmp_path):
    """A key that is taken back in the middle, told as 403: the rows after it are not stored as refused."""

    def script(data, attempt):
        return None if data["messages"][-1]["content"] == "row 0" else refusal("forbidden", 403)

    requests = [asking(f"row {i}") for i in range(14)]
    found, bodies, _ = sessions(tmp_path, script, requests, requests, concurrency=1)
    for answers in found:
        assert "does not accept the key (403)" in str(answers[10])
        assert not isinstance(answers[10], RefusedByModel)
    assert len(bodies[1]) >= 13, "nothing of it is stored"


def test_stop_words_cut_where_the_endpoint_takes_none():
    fitting = Fitting("m")
    fitting.recall(["stop", "nonsense"])
    sent = fitting.fitted({"stop": ["END", "\n"], "messages": [{"role": "user", "content": "a"}]}, 1)
    assert "stop" not in sent.body
    assert sent.stop == ("END", "\n")
    assert fitting.learnt == ("stop",)


def test_embeddings_learn_by_themselves(tmp_path):
    def script(data, attempt):
        if "encoding_format" in data:
            return refusal("unknown field encoding_format")
        return Reply(body=embedding_body([[1.0, 2.0]] * len(data["input"]), "m"))

    request = Request((Message("user", "a"),), {"embed": True})
    [found], _, told = sessions(tmp_path, script, [request])
    assert found[0].text.startswith("1:")
    assert "takes no encoding_format" in told[0]


@pytest.mark.parametrize("params", [{"response_format": {"type": "json_object"}}, {"grammar": 'root ::= "a"'}])
@pytest.mark.parametrize("status", [400, 422])
def test_a_form_of_answers_that_was_refused_is_not_asked_for_again(tmp_path, params, status):
    """Without it other answers would come, so the refusal stays; it is kept like an answer, also for the next session."""
    [name] = params
    script = taking(name, words="Unsupported: {} (schema)", status=status)
    first, later = [asking("row 1"), asking("row 2", **params)], [asking("row 2", **params), asking("row 1")]
    [found, again], bodies, _ = sessions(tmp_path, script, first, later, concurrency=1)
    assert found[0].text == again[1].text == "yes row 1\nmore"
    assert isinstance(found[1], ModelError)
    assert isinstance(again[0], ModelError)
    assert any(has(b, name) for b in bodies[0])
    assert bodies[1] == []
