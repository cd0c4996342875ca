"""A challenger in service: which inputs are its, what the log and people's words make of it, and a test that may always be looked at."""

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import RungError
from rung.feedback.reading import Source, merged
from rung.feedback.trial import trials
from rung.metrics.normalized_match import NormalizedMatch
from rung.serve.challenger import Challenger
from rung.serve.log import RequestLog
from rung.stats.trial import above, block_sizes
from rung.store.records import Feedback
from tests.unit._kit import task
from tests.unit.test_serve import Stub, no_last_words, served, server  # noqa: F401  a fixture

TASK = task(inputs=("text",), tolerance=0.2)


# --- the test


@pytest.mark.parametrize(
    ("share", "sizes"), [(0.1, (1, 9)), (0.5, (1, 1)), (0.25, (1, 3)), (0.8, (4, 1)), (0.01, (1, 99))]
)
def test_a_block_has_the_sides_in_the_proportion_of_their_shares(share, sizes):
    assert block_sizes(share) == sizes


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_no_share_is_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        block_sizes(share)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.05]),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from([0.2, 0.5, 0.9]),
)
def test_wealth_does_not_grow_on_average_while_the_null_is_true(seed, margin, n, m, mean):
    """The next block's factor, over all its outcomes, has mean 1 at most at every truth of the null, whatever came before."""
    rng = np.random.default_rng(seed)
    before = 6
    a, b = (rng.random((before, k)) < p for k, p in ((n, min(1, mean + 0.3)), (m, mean * 0.5)))  # so that bets are made
    outcomes = np.array([[(i >> k) & 1 for k in range(n + m)] for i in range(2 ** (n + m))], dtype=float)
    x = np.concatenate([np.broadcast_to(a, (len(outcomes), before, n)), outcomes[:, None, :n]], axis=1)
    y = np.concatenate([np.broadcast_to(b, (len(outcomes), before, m)), outcomes[:, None, n:]], axis=1)
    wealth = above(x, y, margin)
    factor = wealth[:, -1] / wealth[:, -2]
    for truth_b in np.linspace(margin, 1.0, 9):
        for truth_a in np.linspace(0.0, truth_b - margin, 5):
            p = np.where(outcomes[:, :n] == 1, truth_a, 1 - truth_a).prod(axis=1)
            p *= np.where(outcomes[:, n:] == 1, truth_b, 1 - truth_b).prod(axis=1)
            assert (p * factor).sum() <= 1 + 1e-6


def test_later_scores_change_no_earlier_wealth_and_a_clear_difference_is_shown():
    rng = np.random.default_rng(1)
    a, b = (rng.random((400, 1)) < 0.95).astype(float), (rng.random((400, 1)) < 0.7).astype(float)
    whole = above(a, b)
    assert above(a[:100], b[:100]).tolist() == whole[:100].tolist()
    assert whole[-1] > 1000 > 20 > above(b, a).max()
    assert above(np.ones((0, 1)), np.ones((0, 1))).shape == (0,)


# --- the service


class Other:
    def __init__(self):
        self.asked = []

    async def answer(self, inputs):
        self.asked.append(inputs["text"])
        if "broken" in inputs["text"]:
            raise ZeroDivisionError
        return (await Stub().answer(inputs)).__class__(f"other <{inputs['text']}>")


def test_a_share_of_the_inputs_is_the_challengers_and_the_same_input_stays_where_it_was(tmp_path):
    texts = [f"text {i}" for i in range(200)] + [f"broken {i}" for i in range(20)]

    async def work():
        other = Other()
        trial = Challenger(server(other).winner, 0.3)
        async with served(Stub(), challenger=trial, log=RequestLog(tmp_path / "log", print)) as (_, session, url):
            said = {}
            for text in texts * 2:
                async with session.post(f"{url}/predict", json={"text": text}) as reply:
                    said.setdefault(text, set()).add((await reply.json())["answer"])
            async with session.get(url.removesuffix("/v1") + "/metrics") as reply:
                return said, other.asked, await reply.text(), trial

    said, asked, metrics, trial = asyncio.run(work())
    assert all(len(answers) == 1 for answers in said.values())
    theirs = {text for text in texts if trial.takes({"text": text})}
    assert 0.2 < len(theirs) / len(texts) < 0.4
    assert set(asked) == theirs
    assert {t for t, (answer,) in said.items() if answer.startswith("other")} == {
        t for t in theirs if "broken" not in t
    }
    failed = 2 * sum("broken" in t for t in theirs)
    assert f'rung_challenger_total{{request="failed"}} {failed}' in metrics
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {line["share"] for line in lines} == {0.3}
    assert len({line["challenger"] for line in lines}) == 1


# --- what people said


def log_of(tmp_path, n=300, share=0.5):
    lines = [
        {"at": f"2026-01-01T00:{i // 60:02}:{i % 60:02}+00:00", "id": f"c{i}", "way": "/v1/predict", "status": 200, "inputs": {"text": f"t{i}"},
         "answer": "billing", "by": "fewshot" if i % 2 else "prompt", "challenger": "fewshot", "share": share}
        for i in range(n)
    ]  # fmt: skip
    file = tmp_path / "log.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def taken(tmp_path, rows, held=()):
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items, _ = merged(held, Source(log_of(tmp_path), TASK).read(), TASK)
    items, _ = merged(items, Source(tmp_path / "said.jsonl", TASK).read(), TASK)
    return items


@pytest.mark.parametrize(
    ("right", "shown"),
    [
        (lambda i: bool(i % 2), "better"),
        (lambda i: not i % 2, "worse"),
        (lambda i: i % 20 not in (3, 4), "as good"),
        (lambda i: i % 20 not in (1, 3, 5, 4, 8), None),  # .7 and .8
    ],
)
def test_labels_and_thumbs_are_scored_for_whoever_answered(tmp_path, right, shown):
    by_label = [
        {"id": f"c{i}", "correction": "billing" if right(i) else "login", "thumb": None} for i in range(0, 300, 3)
    ]
    by_thumb = [{"id": f"c{i}", "thumb": "up" if right(i) else "down", "correction": None} for i in range(300) if i % 3]
    (found,) = trials(taken(tmp_path, by_label + by_thumb), TASK, NormalizedMatch())
    assert (found.challenger.approach, found.champion.approach) == ("fewshot", "prompt")
    assert (found.challenger.n, found.champion.n) == (150, 150)
    assert found.challenger.mean == pytest.approx(sum(right(i) for i in range(1, 300, 2)) / 150)
    assert found.shown == shown
    assert found.needed == 20


def test_nothing_said_is_no_evidence_and_no_trial_is_none(tmp_path):
    (found,) = trials(taken(tmp_path, [{"id": "c1", "thumb": "up"}]), TASK, NormalizedMatch())
    assert (found.challenger.n, found.champion.n, found.champion.mean, found.shown) == (1, 0, None, None)
    assert set(found.evidence.values()) == {1.0}
    assert trials((Feedback("f", {"text": "a"}, thumb=True),), TASK, NormalizedMatch()) == ()


def test_words_that_come_later_stand_behind_those_that_were_there(tmp_path, monkeypatch):
    monkeypatch.setattr("rung.feedback.reading.now", lambda: "2026-02-01T00:00:00+00:00")
    first = taken(tmp_path, [{"id": f"c{i}", "thumb": "up"} for i in range(200, 300)])
    monkeypatch.setattr("rung.feedback.reading.now", lambda: "2026-03-01T00:00:00+00:00")
    second = taken(tmp_path, [{"id": f"c{i}", "thumb": "down"} for i in range(100)], first)
    said = sorted((i for i in second if i.said_at), key=lambda i: (i.said_at, i.at))
    assert [i.thumb for i in said] == [True] * 100 + [False] * 100


@pytest.mark.parametrize(
    "line", [{"challenger": 3, "share": 0.1}, {"challenger": "x", "share": 2.0}, {"challenger": "x"}, {"share": 0.5}]
)
def test_a_log_line_with_an_odd_trial_is_read_without_it(tmp_path, line):
    whole = {
        "id": "c1",
        "way": "/v1/predict",
        "status": 200,
        "inputs": {"text": "t"},
        "answer": "a",
        "by": "prompt",
        **line,
    }
    (tmp_path / "log").write_text(json.dumps(whole) + "\n")
    (said,) = Source(tmp_path / "log", TASK).read()
    assert (said.by, said.challenger, said.share) == ("prompt", None, None)


def test_a_trial_without_a_log_is_refused():
    from rung.cli.serve import _on_trial, _Others

    with pytest.raises(RungError, match="name a file with --log"):
        asyncio.run(_on_trial(server(Stub()), _Others(None, (None, None, 0.05), "fewshot", 0.1, True)))


def test_a_share_of_nobody_is_refused():
    from rung.cli.serve import _on_trial, _Others

    with pytest.raises(RungError, match="name one with --challenger"):
        asyncio.run(_on_trial(server(Stub()), _Others(None, (None, None, 0.05), None, 0.5, True)))
    assert asyncio.run(_on_trial(server(Stub()), _Others(None, (None, None, 0.05), None, None, True))) is None
