"""A fallback whose promise holds: the share of wrong answers among those kept, by draws, and through `rung serve` with a stub endpoint."""

import asyncio
import json
import math
import random
from dataclasses import replace
from types import SimpleNamespace

import aiohttp
import pytest

from rung import cli
from rung.cli import serve as verb
from rung.errors import RungError
from rung.ladder import climb
from rung.metrics.json_fields import JsonFields
from rung.metrics.normalized_match import NormalizedMatch
from rung.models._wire import Reply as Received
from rung.models._wire import completion_of
from rung.models.openai import OpenAI
from rung.serve.confidence import Softmax, Threshold, kept, threshold
from rung.serve.fallback import Agreement, Fallback
from rung.serve.winner import Seen, opened
from rung.testing.endpoint import Endpoint, Reply, answer_body
from rung.types import Answer
from tests.unit._serving import in_a_thread
from tests.unit._worlds import rows, world
from tests.unit.test_serve import Stub, no_last_words, server  # noqa: F401  a fixture

DRAWS = 1000


def informative(n, rng):
    """Answers that are right as often as their confidence says, most of them sure."""
    sure = [1.0 - 0.5 * rng.random() ** 3 for _ in range(n)]
    return [(s, rng.random() < s) for s in sure]


@pytest.mark.parametrize(("n", "promised", "of_use"), [(150, 0.05, 0.05), (400, 0.05, 0.5), (400, 0.1, 0.97)])
def test_the_promised_share_of_wrong_answers_holds_and_is_of_use(n, promised, of_use):
    """The true share above the threshold, from 40,000 further draws, exceeds the promise in at most 5 % of the dev sets."""
    rng, broken, found = random.Random(7), 0, 0
    wrong_above, wrong = {}, 0
    for count, (confidence, right) in enumerate(sorted(informative(40_000, rng), reverse=True), 1):
        wrong += not right
        wrong_above[round(confidence, 3)] = wrong / count
    for _ in range(400):
        chosen = threshold(informative(n, rng), promised)
        if chosen is not None:
            found += 1
            broken += chosen.above >= 0.5 and wrong_above[round(chosen.above, 3)] > promised
    assert broken <= 0.05 * 400
    assert found > of_use * 400


def says_nothing(n, wrong, rng, values):
    """Answers with confidences that say nothing: whatever is kept, the same share of it is wrong."""
    return [(float(rng.randrange(values)), rng.random() >= wrong) for _ in range(n)]


@pytest.mark.parametrize("values", [1_000_000, 7, 2])
def test_it_holds_where_confidences_say_nothing_or_tie(values):
    """The hardest case: each threshold keeps just more wrong answers than promised, so any that is chosen breaks the promise."""
    rng = random.Random(11)
    broken = sum(threshold(says_nothing(150, 0.101, rng, values), 0.1) is not None for _ in range(DRAWS))
    assert 0 < broken <= 0.05 * DRAWS


def best_of_ten(n, wrong, rng):
    """The best on dev of ten equal candidates whose mistakes are their own: on dev it looks better than it is."""
    drawn = [says_nothing(n, wrong, rng, 1_000_000) for _ in range(10)]
    return max(drawn, key=lambda seen: sum(right for _, right in seen))


def test_it_holds_for_the_best_of_ten_candidates_which_looks_better_on_dev_than_it_is():
    rng, uncorrected, broken = random.Random(5), 0, 0
    for _ in range(DRAWS // 2):
        seen = best_of_ten(150, 0.101, rng)
        uncorrected += threshold(seen, 0.1) is not None
        broken += threshold(seen, 0.1, tried=10) is not None
    assert broken <= 0.05 * DRAWS / 2
    assert uncorrected > 0.05 * DRAWS / 2  # what the number of candidates is for


def test_it_holds_for_two_approaches_that_agree():
    rng, broken = random.Random(3), 0
    for _ in range(DRAWS):
        at = kept([(rng.random() < 0.7, rng.random() >= 0.101) for _ in range(200)])
        broken += at.shows(0.1)
    assert 0.01 * DRAWS < broken <= 0.05 * DRAWS


def test_a_threshold_keeps_as_many_as_can_be_shown_and_none_where_nothing_can():
    every = Threshold(math.nextafter(0.5, 0.0), 1.0, 200, 0)
    assert threshold([(0.5, True)] * 200, 0.05) == every
    half = [(0.9, True)] * 120 + [(0.4, False)] * 80
    assert threshold(half, 0.05) == Threshold(0.4, 0.6, 120, 0)  # tied with what is left out: nothing of it is kept
    assert threshold([(0.9, True)] * 50, 0.05) is None  # 50 right answers do not show that at most 5 % are wrong
    assert threshold([(0.9, True)] * 100, 0.05, 1) is not None
    assert threshold([(0.9, True)] * 100, 0.05, 20) is None
    assert threshold([], 0.05) is None
    assert every.right == 201 / 202
    sure = [(0.9, True)] * 150 + [(0.5 + i / 1000, True) for i in range(50)]
    assert threshold(sure, 0.05) == Threshold(
        0.5, 199 / 200, 199, 0
    )  # what is less sure than anything seen is not kept


NAMES = ("sure", "unsure")
HARD = 0.15


def hard(text):
    """Whether the prompt answers an input wrongly: of every input's own."""
    return random.Random(f"hard {text}").random() < HARD


def script(team_of, logprobs):
    """Answer with the right team; hard inputs only where examples are shown. A wrong answer is told less sure, mostly."""

    def reply(data, _):
        text = data["messages"][-1]["content"]
        team, shown = team_of[text], len(data["messages"]) > 2
        wrong = hard(text) and not shown
        said = {"billing": "delivery", "delivery": "returns", "returns": "billing"}[team] if wrong else team
        body = json.loads(answer_body(said, "m", 20, 2))
        draw = random.Random(f"sure {text}").random()
        if data.get("logprobs") and logprobs:
            p = -1.0 - draw if wrong else -0.5 * draw
            tokens = [(said[:3], p), (said[3:], p), ("<end>", -9.0)]
            content = [{"token": t, "logprob": p, "bytes": list(t.encode()), "top_logprobs": []} for t, p in tokens]
            body["choices"][0]["logprobs"] = {"content": content}
        return Reply(body=json.dumps(body).encode())

    return reply


@pytest.fixture(scope="module", params=[True, False], ids=["told", "not told"])
def run(request, tmp_path_factory):
    """A run with a prompt and few-shot of a stub endpoint, with or without log-probabilities; yields its folder and the endpoint."""
    root = tmp_path_factory.mktemp("unsure")
    team_of = {r["text"]: r["team"] for r in (*rows(900), *rows(900, seed=2))}
    with in_a_thread(Endpoint(script=script(team_of, request.param))) as endpoint:
        model = {
            "provider": "openai",
            "name": "m",
            "base_url": endpoint.url,
            "input_usd_per_mtok": 1,
            "output_usd_per_mtok": 1,
        }
        config = world(
            root, 900, ladder=["baseline", {"prompt": {"rewrites": False}}, {"fewshot": {"k": [3], "selections": ["diverse"]}}],
            diagnosis={"calls": 0}, stop_early=False, task={"goal": 0.95}, split={"test": 0.4, "dev": 0.4},
        )  # fmt: skip
        raw = config.model_copy(update={"models": {"main": model}})
        climb(raw, root / "run")
        yield root / "run", endpoint, request.param


def begin(run, monkeypatch, words, work):
    """Run `rung serve` with these words; `work` gets the server once its port is open. Return the exit code and what it gave."""
    found = []

    async def listen(made, *_):
        async with made.listening("127.0.0.1", 0) as url:
            found.append(await work(made, url))

    monkeypatch.setattr(verb, "_listen", listen)
    monkeypatch.setattr("sys.argv", ["rung", "serve", str(run), *words])
    return cli.run(), *found


async def asked_fresh(made, url):
    """Ask 200 new inputs; return the answers with what is right."""
    async with aiohttp.ClientSession() as session:

        async def one(row):
            async with session.post(f"{url}/predict", json={"text": row["text"]}) as reply:
                return await reply.json(), row["team"]

        fresh = rows(900, seed=2)[:200]
        return [await one(row) for row in fresh], made.counts.fallbacks


def test_what_is_kept_is_wrong_no_more_often_than_promised_and_the_rest_is_the_others(run, monkeypatch, capsys):
    folder, endpoint, told = run
    ledger = (folder / "ledger.sqlite").read_bytes()
    words = ["--approach", "prompt", "--fallback", "fewshot", "--wrong", "0.1"]
    before = endpoint.counts.requests
    if not told:
        assert begin(folder, monkeypatch, words, asked_fresh) == (2,)
        said = capsys.readouterr().err
        assert "prompt does not tell how sure it is: its model tells no log-probabilities" in said
        assert "--agree" in said
        assert endpoint.counts.requests == before + 1  # one dev example shows it
        return
    code, (found, passed_on) = begin(folder, monkeypatch, words, asked_fresh)
    assert code == 0
    assert "few-shot answers where prompt is at most" in capsys.readouterr().err
    mine = [(one, team) for one, team in found if one["approach"] == "prompt"]
    others = [(one, team) for one, team in found if one["approach"] == "fewshot"]
    wrong = sum(one["answer"] != team for one, team in mine)
    assert len(mine) > 0.5 * len(found)
    assert wrong <= 0.1 * len(mine)
    assert wrong < HARD * 200 / 3  # most hard ones are passed on
    assert len(others) == passed_on > 12
    assert all(one["answer"] == team and one["confidence"] is None for one, team in others)
    assert all(0.5 < one["confidence"] < 1.0 for one, _ in mine)
    assert (folder / "ledger.sqlite").read_bytes() == ledger  # nothing that was measured is asked or stored anew
    dev = sum(1 for _ in (folder / "parts" / "dev.jsonl").open())
    first = endpoint.counts.requests - before
    before = endpoint.counts.requests
    assert begin(folder, monkeypatch, words, asked_fresh)[0] == 0
    assert endpoint.counts.requests - before == first - dev  # dev examples are asked once, and kept


def test_asked_with_log_probabilities_a_model_gives_the_stored_answers(run):
    folder, _, told = run
    if not told:
        return

    async def work():
        from rung.serve.fallback import fallback

        async with opened(folder, "prompt") as winner:
            served, _ = await fallback(winner, "fewshot", 0.2)
            stored = {o.example_id: o.answer.text for o in winner.run.folder.rung("prompt").dev.need()}
            return [((await served.answer(e.inputs)), stored[e.id]) for e in winner.run.split.dev[:30]]

    found = asyncio.run(work())
    assert all(answer.text == text and confidence is not None for (answer, confidence), text in found)


def test_two_approaches_that_agree_keep_an_answer_and_the_fallback_has_the_others(run, monkeypatch, capsys):
    folder, endpoint, _ = run
    words = ["--approach", "prompt", "--fallback", "fewshot", "--wrong", "0.1", "--agree"]
    before = endpoint.counts.requests
    code, (found, passed_on) = begin(folder, monkeypatch, [*words, "few-shot"], asked_fresh)
    assert code == 0
    assert "few-shot answers where prompt and few-shot say different things" in capsys.readouterr().err
    assert (
        endpoint.counts.requests - before == 2 * 20 + 2 * 200
    )  # the checks, and both for each input; no dev example anew
    mine = [(one, team) for one, team in found if one["approach"] == "prompt"]
    assert all(one["answer"] == team and one["confidence"] > 0.95 for one, team in mine)
    assert len(found) - len(mine) == passed_on > 12
    assert all(one["answer"] == team for one, team in found)
    assert begin(folder, monkeypatch, [*words, "baseline"], asked_fresh) == (2,)  # random labels: they agree on too few
    assert "answers on which prompt and baseline agree" in capsys.readouterr().err


def test_a_model_that_refuses_to_tell_log_probabilities_is_said_to(run, monkeypatch, capsys):
    folder, endpoint, _ = run
    answered = endpoint.script
    error = b'{"error": {"message": "logprobs are not supported with this model", "code": "unsupported_parameter"}}'
    refusing = lambda data, n: Reply(400, error) if data.get("logprobs") else answered(data, n)  # noqa: E731
    monkeypatch.setattr(endpoint, "script", refusing)
    for kept_before in folder.rglob("sureness.json"):
        kept_before.unlink()
    assert begin(folder, monkeypatch, ["--approach", "prompt", "--fallback", "fewshot"], asked_fresh) == (2,)
    said = " ".join(capsys.readouterr().err.split())
    assert "its model refused to tell log-probabilities" in said
    assert "logprobs are not supported with this model" in said
    assert "--agree NAME" in said


def test_what_does_not_go_together_is_said(run, monkeypatch, capsys):
    assert begin(run[0], monkeypatch, ["--approach", "prompt", "--agree", "baseline"], asked_fresh) == (2,)
    assert "with --fallback" in capsys.readouterr().err
    words = ["--approach", "prompt", "--fallback", "fewshot", "--agree", "fewshot", "--wrong", "0.001"]
    assert begin(run[0], monkeypatch, words, asked_fresh) == (2,)
    said = " ".join(capsys.readouterr().err.split())
    assert "independent dev examples" in said
    assert "kept ones all would have to be right" in said


def test_of_a_group_one_example_counts(monkeypatch):
    from rung.serve import fallback as module

    winner = replace(server(Stub()).winner, confidence=Softmax(1.0, 200))
    winner.run.folder = SimpleNamespace(rung=lambda _: SimpleNamespace(fitted=SimpleNamespace(get=lambda: None)))

    async def other(*_):
        return replace(winner, label="fewshot")

    monkeypatch.setattr(module, "beside", other)
    alone = replace(winner, seen=tuple(Seen(str(i), 0.9, True) for i in range(200)))
    tied = replace(winner, seen=tuple(Seen(str(i % 20), 0.9, True) for i in range(200)))
    assert asyncio.run(module.fallback(alone, "fewshot", 0.05))[1].threshold.kept == 1.0
    with pytest.raises(RungError, match="^20 independent dev examples .0 answered wrong. do not show that at most 5%"):
        asyncio.run(module.fallback(tied, "fewshot", 0.05))


def test_a_second_approach_that_cannot_answer_speaks_for_nothing():
    async def work():
        first, second, third = (replace(server(Stub()).winner, label=label) for label in ("prompt", "rag", "fewshot"))
        third = replace(third, system=Say("third"))
        broken = Agreement(second)
        at = Threshold(-math.inf, 0.5, 98, 0)
        said = Fallback(third, at, broken)
        return await said.given(first, {"text": "a"}), await said.given(
            replace(first, system=Say("x")), {"text": "busy"}
        )

    agreed, alone = asyncio.run(work())
    assert (agreed.approach, agreed.confidence) == ("prompt", 0.99)
    assert (alone.approach, alone.confidence) == ("fewshot", None)


class Say:
    def __init__(self, text):
        self.text = text

    async def answer(self, inputs):
        return Answer(self.text)


def test_two_answers_are_the_same_where_the_deciding_metric_says_so():
    winner = server(Stub()).winner
    forgiving = Agreement(winner, NormalizedMatch())
    assert forgiving.same({"text": "a"}, "Billing.", " billing")
    assert not forgiving.same({"text": "a"}, "billing", "returns")
    fields = Agreement(winner, JsonFields())
    assert fields.same({"text": "a"}, '{"a": 1, "b": 2}', '{"b": 2, "a": 1}')
    assert fields.same({"text": "a"}, "no JSON", " no  JSON")
    assert not fields.same({"text": "a"}, '{"a": 1}', "no JSON")
    assert not Agreement(winner).same({"text": "a"}, "Billing.", "billing")


def told_by(text, logprobs):
    body = json.loads(answer_body(text, "m", 1, 1))
    body["choices"][0]["logprobs"] = logprobs
    settings = OpenAI(name="m", base_url="http://127.0.0.1:1/v1")
    return completion_of(Received(200, {}, json.dumps(body).encode()), settings, (), 0.1)


def entries(*tokens, **more):
    return {"content": [{"token": t, "logprob": p, **more} for t, p in tokens]}


@pytest.mark.parametrize(
    ("text", "told", "wanted"),
    [
        ("billing", entries(("bill", -0.1), ("ing", -0.2)), (-0.1, -0.2)),
        ("<think>billing?</think>billing", entries(("<think>", -5), ("billing?", -4), ("</think>", -3), ("billing", -0.5)), (-0.5,)),
        (" billing\n", entries((" bill", -0.1), ("ing", -0.2), ("\n", -8.0), ("<|im_end|>", -0.01)), (-0.1, -0.2)),
        ("日", {"content": [{"token": "\\xe6", "bytes": [0xE6], "logprob": -1}, {"token": "?", "bytes": [0x97, 0xA5], "logprob": -2}]}, (-1.0, -2.0)),
        ("other words", entries(("bill", -0.1), ("ing", -0.2)), (-0.1, -0.2)),
        ("billing", entries(("billing", float("-inf"))), None),
        ("billing", entries(("billing", None)), None),
        ("billing", {"tokens": ["billing"], "token_logprobs": [-0.1]}, None),
        ("billing", {"content": None}, None),
        ("billing", "yes", None),
        ("billing", None, None),
        ("", entries(), None),
    ],
)  # fmt: skip
def test_log_probabilities_are_those_of_the_answers_own_tokens(text, told, wanted):
    assert told_by(text, told).logprobs == wanted
