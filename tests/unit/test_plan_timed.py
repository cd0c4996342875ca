"""Minutes from a few timed calls: asked under the budget, with as many at once as in a run, and not paid for again."""

import pytest

from rung.engine.plan import plan
from rung.engine.timed import MOST, Paces, timing
from rung.errors import BudgetSpent, NotAllowed
from rung.ladder import climb
from rung.models.fake import FakeConnection
from rung.progress import Silent
from tests.unit._worlds import world

LATENCY_S, AT_ONCE = 0.04, 4
WAITS = {"latency_s": LATENCY_S, "wait": True, "concurrency": AT_ONCE}


@pytest.fixture
def asked(monkeypatch):
    """Every request that reaches the model, and the most that were under way at once."""
    seen, now, most = [], [0], [0]
    complete = FakeConnection.complete

    async def counted(self, request):
        seen.append(tuple(m.content for m in request.messages))
        now[0] += 1
        most[0] = max(most[0], now[0])
        try:
            return await complete(self, request)
        finally:
            now[0] -= 1

    monkeypatch.setattr(FakeConnection, "complete", counted)
    return seen, most


def timed(config):
    with timing(config, Silent()) as paces:
        return plan(config, paces=paces), paces


def test_minutes_are_calls_times_what_a_call_took_with_others_under_way(tmp_path, asked):
    config = world(tmp_path, model=WAITS, ladder=["prompt"])
    guessed = plan(config).rungs[0]
    assert asked[0] == []
    found, paces = timed(config)
    line = found.rungs[0]
    pace = paces.slowest("main")
    assert len(asked[0]) == MOST + 1
    assert 1 < asked[1][0] <= AT_ONCE + 1
    assert pace >= LATENCY_S / (AT_ONCE + 1)
    assert line.minutes == pytest.approx(pace * (line.dev_calls + line.test_calls) / 60)
    assert f"a call took {pace:.2g} s, with as many at once as in a run" in line.note
    assert (line.dev_calls, line.test_calls, line.usd) == (guessed.dev_calls, guessed.test_calls, guessed.usd)


def test_the_run_asks_none_of_them_again_and_a_second_plan_nothing(tmp_path, asked):
    config = world(tmp_path, model=WAITS, ladder=["prompt"])
    timed(config)
    before = len(asked[0])
    _, paces = timed(config)
    assert len(asked[0]) == before
    assert paces.slowest("main") == pytest.approx(LATENCY_S / AT_ONCE, rel=0.5)  # what the stored answers took
    climb(config, tmp_path / "run")
    assert len(asked[0]) == len(set(asked[0])) + 5  # the run asks five once more, on purpose, for the latency


def test_a_call_over_the_budget_is_not_sent(tmp_path, asked):
    config = world(tmp_path, model={**WAITS, "input_usd_per_mtok": 1e5}, ladder=["prompt"], limits={"budget_usd": 0.5})
    with pytest.raises(BudgetSpent):
        timed(config)
    assert asked[0] == []


def test_a_project_from_elsewhere_is_asked_about_first(tmp_path, asked, monkeypatch):
    (tmp_path / "own.py").write_text("def right(answer, expected):\n    return 1.0\n")
    config = world(
        tmp_path, model=WAITS, ladder=["prompt"], task={"metrics": [{"python": {"function": "own.py:right"}}]}
    )
    monkeypatch.delenv("RUNG_TRUST", raising=False)
    with pytest.raises(NotAllowed):
        timed(config)
    assert asked[0] == []


def test_without_calls_nothing_is_known():
    assert Paces().of("main", [()]) is None
    assert Paces(lambda *_: 1.0).of("main", []) is None
    paces = Paces(lambda role, chats: 0.1 * len(chats))
    assert (paces.of("main", [(), ()]), paces.of("main", [()]), paces.slowest("main")) == (0.2, 0.1, 0.2)
    assert paces.slowest("other") is None


def test_a_failed_call_is_none_of_the_plan(tmp_path, monkeypatch):
    config = world(tmp_path, model={"refusal": 1.0, **WAITS}, ladder=["prompt"])
    found, paces = timed(config)
    assert paces.slowest("main") is None
    assert "assumes" in found.rungs[0].note


def test_what_a_silent_endpoint_is_booked_at_is_planned(tmp_path):
    """Answers are planned as long as the expected ones; where no tokens are told, each is booked as long as it may be."""
    found = plan(
        world(
            tmp_path,
            model={"max_tokens": 500, "output_usd_per_mtok": 100.0, "input_usd_per_mtok": 0.0},
            ladder=["prompt"],
        )
    )
    line = found.rungs[0]
    assert line.untold_usd == pytest.approx((line.dev_calls + line.test_calls) * 500 * 100.0 / 1e6)
    assert found.untold_usd > 10 * line.usd > 0.0
