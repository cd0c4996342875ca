"""An approach opened for service answers as it was measured, from its run folder alone; one that does not is refused."""

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rung.errors import NotAllowed, NotTheSame, Retryable, RungError
from rung.ladder import climb
from rung.models.direct import Direct
from rung.models.fake import FakeModel
from rung.rungs.baseline import LinearSystem, _decider
from rung.rungs.words import fitted_linear
from rung.serve.confidence import Logistic, Softmax
from rung.serve.winner import checked, opened
from rung.types import BaselineLearned, Completion, Message, Request
from tests.unit._worlds import world
from tests.unit.test_export_baseline import LEARNED, ODD, TEXTS


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose prompt meets the goal, by the fake model."""
    root = tmp_path_factory.mktemp("served")
    climb(world(root, 120, ladder=["prompt"], diagnosis={"calls": 0}), root / "run")
    return root / "run"


def changed(winner, share):
    """Let this share of the answers be another one."""
    real, count = winner.system.answer, iter(range(1000))

    async def answer(inputs):
        found = await real(inputs)
        return replace(found, text="another") if (next(count) % 20) < share * 20 else found

    return replace(winner, system=SimpleNamespace(answer=answer))


def test_every_dev_example_gets_the_measured_answer_and_nothing_is_stored(run):
    async def work():
        async with opened(run) as winner:
            found = await checked(winner)
            outcomes = {o.example_id: o.answer.text for o in winner.run.folder.rung("prompt").dev.need()}
            answers = {e.id: (await winner.answer(e.inputs))[0].text for e in winner.run.split.dev if e.id in outcomes}
            return winner, found, outcomes, answers

    before = {p.name: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    winner, found, outcomes, answers = asyncio.run(work())
    assert answers == outcomes
    assert len(answers) >= 15
    assert (winner.label, winner.parent, winner.confidence) == ("prompt", "fake", None)
    assert (found.n, found.answers_changed, found.gain) == (min(20, len(answers)), 0, 0.0)
    assert {p.name: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(("share", "starts"), [(0.0, True), (0.05, True), (0.5, False), (1.0, False)])
def test_another_answer_refuses_to_start_once_the_difference_is_shown(run, share, starts):
    async def work():
        async with opened(run) as winner:
            return await checked(changed(winner, share))

    if starts:
        assert asyncio.run(work()).answers_changed == round(share * 20)
    else:
        with pytest.raises(NotTheSame, match="does not answer as it was measured") as refused:
            asyncio.run(work())
        assert refused.value.exit_code == 1


@pytest.fixture
def begun(run, monkeypatch):
    """Run `rung serve` with further words, up to the port; return how it ended, and the server."""
    from rung import cli
    from rung.cli import serve as verb

    def begin(*words):
        servers = []

        async def listen(server, *_):
            servers.append(server)

        monkeypatch.setattr(verb, "_listen", listen)
        monkeypatch.setattr("sys.argv", ["rung", "serve", str(run), *words])
        return cli.run(), *servers

    return begin


def test_the_start_goes_unchecked_only_when_told_so_and_health_says_it(begun, monkeypatch):
    async def refuse(*_):
        raise NotTheSame("another answer")

    code, server = begun()
    assert (code, server.checked["checked"], server.checked["changed"]) == (0, server.check.n, 0)
    monkeypatch.setattr("rung.serve.winner.checked", refuse)
    assert begun() == (1,)
    code, server = begun("--no-check")
    found = json.loads(server._look("/health").body)
    assert (code, found["checked"]) == (0, 0)
    assert "nothing shows that it answers as it was measured" in found["warning"]


def test_the_variable_of_the_token_may_stand_in_rung_yaml_and_an_option_goes_before_it(begun, run, monkeypatch):
    head = run / "run.json"
    before = head.read_text()
    facts = json.loads(before)
    facts["config"]["serve"] = {"token_env": "FROM_FILE"}
    head.write_text(json.dumps(facts))
    monkeypatch.setenv("FROM_FILE", "a" * 16)
    monkeypatch.setenv("FROM_OPTION", "b" * 16)
    try:
        assert begun()[1].token == "a" * 16
        assert begun("--token-env", "FROM_OPTION")[1].token == "b" * 16
        monkeypatch.delenv("FROM_FILE")
        assert begun() == (2,)
    finally:
        head.write_text(before)
    assert begun()[1].token is None


def test_a_folder_from_elsewhere_that_wants_a_variable_is_not_served(run, tmp_path, monkeypatch):
    facts = json.loads((run / "run.json").read_text())
    there = tmp_path / "run"
    there.mkdir()
    facts["config"]["models"]["main"] = {
        "provider": "openai",
        "name": "m",
        "base_url": "https://h.example/v1",
        "api_key_env": "SECRET",
    }
    (there / "run.json").write_text(json.dumps(facts))
    monkeypatch.delenv("RUNG_TRUST")

    async def work():
        async with opened(there):
            pass

    with pytest.raises(NotAllowed, match="send the variable SECRET to h.example"):
        asyncio.run(work())


def test_an_approach_that_was_not_measured_or_left_no_dev_answers_is_refused(run):
    async def work(approach=None, dev=True):
        async with opened(run, approach) as winner:
            split = winner.run.split if dev else replace(winner.run.split, dev=())
            return await checked(replace(winner, run=replace(winner.run, split=split)))

    with pytest.raises(RungError, match="no measured approach 'rag'"):
        asyncio.run(work("rag"))
    with pytest.raises(RungError, match="no stored answers to dev examples"):
        asyncio.run(work(dev=False))


@pytest.mark.parametrize("kind", ["linear", "two labels"])
def test_a_linear_classifier_says_what_scikit_learn_says_and_how_much_speaks_for_it(kind):
    learned = LEARNED[kind]
    assert isinstance(learned, BaselineLearned)
    texts, targets = zip(*learned.rows, strict=True)
    asked = [*ODD, *TEXTS]
    wanted = fitted_linear(texts, targets, 1.0).predict([t + " endoftext" for t in asked])
    system = LinearSystem(_decider(learned))
    found = [asyncio.run(system.decided({"text": t})) for t in asked]
    assert [a.text for a, _ in found] == list(wanted)
    assert all(set(numbers) == set(targets) for _, numbers in found)


def test_confidence_is_fitted_to_how_often_answers_were_right():
    numbers = {"a": 1.0, "b": 0.0}
    for right in (60, 90, 100):
        found = Softmax.fitted([(numbers, i < right) for i in range(100)])
        assert found.of(numbers) == pytest.approx(right / 100, abs=0.03)
    assert Softmax.fitted([(numbers, True)] * 19) is None
    assert Softmax(1.0, 20).of({"a": 1000.0, "b": -1000.0}) == 1.0


def test_one_number_becomes_a_probability_that_never_falls():
    seen = [(x / 20, i < right) for x, right in ((-40, 5), (-20, 50), (-2, 95)) for i in range(100)]
    curve = Logistic.fitted(seen)
    assert [curve.of(x) for x in (-2.0, -1.0, -0.1)] == pytest.approx([0.06, 0.49, 0.95], abs=0.06)
    upside_down = Logistic.fitted([(-x, right) for x, right in seen])
    assert upside_down.slope == 0.0
    assert upside_down.of(5.0) == upside_down.of(-5.0) == pytest.approx(0.5, abs=0.01)
    assert 0.9 < Logistic.fitted([(-0.1, True)] * 20).of(-0.1) < 1.0
    assert Logistic.fitted([(-0.1, True)] * 19) is None
    assert curve.of(-1e9) < 1e-6


class Flaky:
    """Raises these errors first, one after the other."""

    def __init__(self, *errors):
        self.errors, self.asked, self.closed = list(errors), 0, False

    async def complete(self, request):
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return Completion("yes", "m", 1, 1, 0.1, None)

    def count_tokens(self, messages):
        return 1

    async def close(self):
        self.closed = True


def test_asked_straight_a_fault_is_tried_again_and_a_timeout_is_final(monkeypatch):
    monkeypatch.setattr("rung.models.direct.wait_before", lambda *_: 0.0)
    busy = [Retryable("busy", provider="p", status=429) for _ in range(3)]

    async def work(model, attempts=3):
        asked = Direct(FakeModel(attempts=attempts), "main")
        asked._opened = model
        try:
            return (await asked.ask(Request((Message("user", "x"),)))).text
        finally:
            await asked.close()

    twice, never, late = Flaky(*busy[:2]), Flaky(*busy), Flaky(Retryable("late", provider="p", timed_out=True))
    assert asyncio.run(work(twice)) == "yes"
    for model in (never, late):
        with pytest.raises(Retryable):
            asyncio.run(work(model))
    assert [(m.asked, m.closed) for m in (twice, never, late)] == [(3, True), (3, True), (1, True)]
