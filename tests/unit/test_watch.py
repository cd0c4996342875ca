"""The watch: quiet where service is as measured, an alarm where it is not, whatever the log holds."""

import http.server
import itertools
import json
import os
import random
import shutil
import sys
import threading
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import yaml

from rung import cli
from rung.errors import DataError, Retryable, RungError
from rung.feedback.reading import Source, merged
from rung.ladder import climb
from rung.stats.watching import ALPHA, YEAR, quick, quick_bound, steady
from rung.store.records import Night
from rung.store.run import RunFolder
from rung.types import MetricSpec, Task
from rung.watch.asked import MOST_LOOKS, held
from rung.watch.baseline import signals
from rung.watch.served import Log
from rung.watch.webhook import post
from tests.unit._worlds import LABELS, rows, world

TASK = Task(
    "routing", "Route.", ("text",), "team", "classification", (MetricSpec("normalized_match"),), 0.9, labels=LABELS
)
FIRST = date(2026, 1, 5)


# --- The tests


def test_wealth_stays_at_one_on_average_at_the_bound_and_grows_beyond_it():
    rng = np.random.default_rng(3)
    sizes = np.full((4000, 70), 30)
    level = steady(rng.binomial(30, 0.1, sizes.shape), sizes, 0.1)
    assert abs(level[:, -1].mean() - 1.0) < 0.05
    assert (level.max(axis=1) >= 1 / ALPHA).mean() <= ALPHA
    blocks = rng.binomial(25, quick_bound(0.1), (4000, 140)) / 25
    found = quick(blocks, np.arange(140) // 2, 0.1)
    assert abs(found[:, -1].mean() - 1.0) < 0.05
    assert (found.max(axis=1) >= 1 / ALPHA).mean() <= ALPHA
    assert steady(rng.binomial(30, 0.3, (1, 70)), sizes[:1], 0.1)[0, -1] > 1e6
    assert quick(np.full(20, 0.6), np.arange(20), 0.1)[-1] > 1e3


def test_a_weekend_that_differs_costs_nothing_over_whole_weeks():
    """Expected gains of a week whose rates differ by day but are at the bound together: the product is below 1."""
    sizes = np.tile([40, 40, 40, 40, 40, 10, 10], 30)
    rates = np.tile([0.08, 0.08, 0.08, 0.08, 0.08, 0.18, 0.18], 30)
    bound = float((sizes * rates).sum() / sizes.sum())
    found = steady(rates * sizes, sizes, bound)
    assert found.max() <= 1.0 + 1e-9
    assert len(set(found[20:27])) <= 2  # settled once a week


@pytest.mark.parametrize("days", [0, 1, 6, 7, 13, 14, 15, YEAR])
def test_short_and_empty_times_have_the_wealth_they_began_with(days):
    assert steady(np.zeros(days), np.zeros(days), 0.1).tolist() == pytest.approx([1.0] * days)
    assert quick(np.zeros(0), np.zeros(0), 0.1).tolist() == []


def test_a_shift_after_a_long_quiet_time_is_seen_as_soon_as_an_early_one():
    late = np.r_[np.zeros(600), np.full(40, 0.9)]
    day = np.arange(640) // 2
    over = np.flatnonzero(quick(late, day, 0.05) >= 300)
    assert 600 <= over[0] <= 606


# --- The log


def line(number, day, text, answer="billing", **more):
    at = (FIRST + timedelta(days=day)).isoformat()
    return {"at": f"{at}T10:00:00+00:00", "id": f"chatcmpl-{number}", "way": "/v1/predict", "approach": "prompt",
            "inputs": {"text": text}, "seconds": 0.01, "status": 200, "answer": answer, "tokens": 20, **more}  # fmt: skip


def written(path, lines):
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in lines))
    return path


def test_damaged_lines_repeats_of_a_day_and_other_approaches_are_counted_and_left_out(tmp_path):
    lines = [
        line(1, 0, "a"), line(2, 0, "a"), line(3, 1, "a"), "{\n", "[" * 9000 + "\n", line(4, 1, "b", approach="rag"),
        {**line(5, 1, "c"), "inputs": {"other": "c"}}, {**line(6, 1, "d"), "at": "yesterday"}, {**line(7, 1, "e"), "status": "200"},
        {"id": "x", "shadow": "rag", "answer": "b"}, {**line(8, 1, "f"), "seconds": 1e999, "tokens": True}, {**line(10, 1, "g"), "answer": 5},
        line(9, 1, "ann@example.org"),
    ]  # fmt: skip
    log = Log((written(tmp_path / "log", lines),), TASK, "prompt")
    found = list(log.read())
    assert [s.text for s in found] == ["a", "a", "f", "[e-mail]"]
    assert (found[2].seconds, found[2].tokens, found[2].answer) == (None, None, "billing")
    assert (log.damaged, log.other, log.repeats) == (5, 2, 1)
    written(tmp_path / "older", [line(1, 0, "z")])
    with pytest.raises(DataError, match="2026-01-05 after those of 2026-01-06.*in the order of time"):
        list(Log((tmp_path / "log", tmp_path / "older"), TASK, "prompt").read())
    assert len(list(Log((tmp_path / "log",), TASK, "prompt", FIRST + timedelta(days=1)).read())) == 3


@pytest.mark.parametrize("value", ["1e400", "[" * 960 + "]" * 960, "9" * 5000, "null", '{"a": 1}', '"\\ud800"'])
def test_no_value_of_a_line_ends_the_reading(tmp_path, value):
    """Nor that of feedback: what the server never writes is left out."""
    odd = json.dumps(line(1, 0, "X")).replace('"X"', value) + "\n"
    log = written(tmp_path / "log.jsonl", [line(2, 0, "a"), odd, odd.replace('"billing"', value), line(3, 0, "b")])
    for depth in range(900, 1000, 7):
        with log.open("a") as file:
            file.write(json.dumps(line(4, 0, "X")).replace('"X"', "[" * depth + "]" * depth) + "\n")
    assert {"a", "b"} <= {s.text for s in Log((log,), TASK, "prompt").read()}
    items, _ = merged((), Source(log, TASK).read(), TASK)
    assert {"a", "b"} <= {i.inputs["text"] for i in items}


# --- A run and what is served of it


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("watched")
    config = world(root, 400, ladder=["prompt"], diagnosis={"calls": 0}, stop_early=False)
    climb(config, root / "run")
    (root / "rung.yaml").write_text(yaml.safe_dump({"task": {"name": "routing"}}))
    return root / "run"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def begin(*words):
        monkeypatch.setattr(sys, "argv", ["rung", "watch", *map(str, words)])
        code = cli.run()
        out, err = capsys.readouterr()
        return code, out, err

    return begin


def days(count, a_day=60, seed=5, shift=lambda day, one: one):
    """Served days like the examples; `shift` changes lines."""
    numbers = itertools.count()
    for day in range(count):
        fresh = rows(a_day, seed * 1000 + day)
        draw = random.Random(day)
        for row in fresh:
            yield shift(day, line(next(numbers), day, row["text"], draw.choice(LABELS), seconds=0.0, tokens=1))


def test_what_is_served_like_the_examples_is_quiet(run, call, tmp_path):
    log = written(tmp_path / "log", days(42))
    code, out, _ = call(run, log)
    assert code == 0, out
    assert "2,520 requests from 2026-01-05 to 2026-02-15" in out
    assert "quiet: nothing moved beyond its bound" in out
    found = json.loads(call(run, log, "--json")[1])
    assert found["alarm"] is None
    assert {s["name"] for s in found["signals"]} >= {
        "unlike inputs", "long inputs", "short inputs", "refusals", "failures", "form", "answer billing", "wrong answers",
    }  # fmt: skip


def refused(day, one):
    return (
        {**one, "status": 422, "error": "refused_by_model", "answer": None}
        if day >= 20 and int(one["id"][9:]) % 2
        else one
    )


def strange(day, one):
    return (
        {**one, "inputs": {"text": f"zeppelin \x1b]0;owned\x07 quokka {one['id']} flurble wobble"}}
        if day >= 20
        else one
    )


def one_answer(day, one):
    return {**one, "answer": "returns"} if day >= 20 else one


def sentence(day, one):
    return {**one, "answer": "I would say billing"} if day >= 20 else one


@pytest.mark.parametrize(
    ("shift", "name"),
    [(refused, "refusals"), (strange, "unlike inputs"), (one_answer, "answer returns"), (sentence, "form")],
)
def test_a_shift_is_seen_named_and_shown(run, call, tmp_path, shift, name):
    log = written(tmp_path / "log", days(60, shift=shift))
    code, out, _ = call(run, log)
    assert code == 1, out
    assert "\x1b" not in out
    found = json.loads(call(run, log, "--json")[1])
    alarm = date.fromisoformat(found["alarm"])
    assert FIRST + timedelta(days=20) <= alarm <= FIRST + timedelta(days=55), alarm
    moved = {s["name"]: s for s in found["signals"] if s["moved"]}
    assert name in moved
    assert len(moved[name]["examples"]) == 5
    if shift is strange:
        assert {"quokka", "zeppelin"} <= set(moved[name]["new_words"])
        assert "words that no example has" in out
    begun = json.loads(call(run, log, "--since", "2026-01-05", "--json")[1])
    assert begun["alarm"] == found["alarm"]  # the same log, the same answer
    early = written(tmp_path / "early", days(20, shift=shift))
    assert call(run, early)[0] == 0


def test_labels_of_a_random_sample_show_that_quality_fell(run, call, tmp_path):
    log = written(tmp_path / "log", days(60))
    right = [{"id": o["id"], "correction": o["answer"] if i % 3 else "none of them"} for i, o in enumerate(days(60))]
    said = written(tmp_path / "labels.jsonl", right)
    assert call(run, log)[0] == 0
    code, out, _ = call(run, log, "--labels", said)
    assert (code, "wrong answers: 3" in out) == (1, True), out


class Hook(http.server.BaseHTTPRequestHandler):
    status, bodies = 200, []

    def do_POST(self):
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.send_header("Location", "http://elsewhere.example/")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Hook.status, Hook.bodies = 200, []
    yield f"http://127.0.0.1:{server.server_port}/secret-token"
    server.shutdown()
    server.server_close()


def test_an_alarm_is_told_to_the_webhook_without_texts_and_silence_is_not(run, call, tmp_path, hook, monkeypatch):
    log = written(tmp_path / "log", days(60, shift=strange))
    monkeypatch.setenv("HOOK", hook)
    assert call(run, written(tmp_path / "early", days(15)), "--webhook-env", "HOOK")[0] == 0
    assert Hook.bodies == []
    code, _, err = call(run, log, "--webhook-env", "HOOK")
    assert (code, err) == (1, "")
    (told,) = Hook.bodies
    assert "unlike inputs" in told["text"]
    assert "quokka" not in json.dumps(told)
    Hook.status = 302
    code, _, err = call(run, log, "--webhook-env", "HOOK")
    assert (code, "HOOK was not told: it answered with status 302" in err, "secret-token" in err) == (1, True, False)
    monkeypatch.delenv("HOOK")
    assert "HOOK was not told: it is empty" in call(run, log, "--webhook-env", "HOOK")[2]
    for address, why in (
        ("http://example.org/x", "not https"), ("ftp://h/x", "no http address"), ("https://[", "no address"),
        ("http://127.0.0.1:1/x", "cannot be reached"), ("https://h:99999999/x", "no address"),
    ):  # fmt: skip
        assert why in (post(address, {}) or "")


def test_what_cannot_be_watched_is_one_sentence(run, call, tmp_path, tmp_path_factory):
    log = written(tmp_path / "log", [line(1, 0, "a", approach="rag"), "{\n"])
    for words, said in (
        ((run, log), "holds no request that prompt answered (1 of others, 1 damaged)"),
        ((run, tmp_path / "absent"), "there is no such log"),
        ((run, log, "--since", "monday"), "--since is a day such as 2026-11-29"),
        ((tmp_path, log), "is not a run folder"),
        ((run, log, "--approach", "rag"), "rag"),
    ):
        code, out, err = call(*words)
        assert (code, said in err, "Traceback" in err) == (2, True, False), (out, err)
    few = tmp_path_factory.mktemp("few")
    climb(world(few, 40, ladder=["prompt"], diagnosis={"calls": 0}), few / "run")
    with pytest.raises(RungError, match="a baseline takes at least 30"):
        signals(RunFolder(few / "run"), "prompt")


# --- The same dev examples, night after night


def night(day, scores, **more):
    answers = {i: f"{v:g}" for i, v in scores.items()}
    return Night(
        (FIRST + timedelta(days=day)).isoformat(), "c", scores, more.get("answers", answers), more.get("groups", {})
    )


def scored(wrong, n=100):
    return {str(i): float(i >= wrong) for i in range(n)}


def test_a_model_that_changed_behind_its_name_is_seen_the_first_night_and_the_alarm_stays():
    quiet = [night(d, scored(10)) for d in range(20)]
    assert held(quiet[:1]) is None
    assert (held(quiet).alarm, held(quiet).p_value, held(quiet).other) == (None, 1.0, 0.0)
    changed = [*quiet, night(20, scored(30))]
    found = held(changed)
    assert (found.better, found.worse, found.alarm) == (0, 20, (FIRST + timedelta(days=20)).isoformat())
    assert found.other == pytest.approx(0.2)
    assert held([*changed, *(night(d, scored(10)) for d in range(21, 40))]).alarm == found.alarm
    assert held([*quiet, night(20, scored(0))]).alarm is None  # 10 better ones may be chance, over 366 looks
    one = {str(i): "g" for i in range(100)}
    assert held([*quiet, night(20, scored(30), groups=one)]).alarm is None  # all of one group: one piece of evidence


def test_a_year_has_its_budget_and_no_more_looks_than_were_paid_for():
    often = [night(0, scored(10)) for _ in range(MOST_LOOKS + 1)]
    assert held([*often, night(1, scored(60))]).alarm is None
    assert held([*often, night(400, scored(60))]).alarm is not None


def test_the_smallest_drop_that_a_night_can_show_alarms_and_a_smaller_one_does_not():
    for n, sees in ((200, 17 / 200), (20, 17 / 20), (16, None)):
        before = night(0, {str(i): 1.0 for i in range(n)})
        found = held([before, night(1, {str(i): float(i >= 17) for i in range(n)})])
        assert (found.sees, found.alarm is not None) == (sees, sees is not None)
        assert held([before, night(1, {str(i): float(i >= 16) for i in range(n)})]).alarm is None


def test_answers_that_vary_by_themselves_alarm_nobody():
    alarms = 0
    for seed in range(60):
        draw = random.Random(seed)
        nights = [
            night(d, {str(i): float(draw.random() < (0.5 if i < 40 else 1)) for i in range(80)}) for d in range(40)
        ]
        alarms += held(nights).alarm is not None
    assert alarms <= 1


def test_dev_examples_are_asked_again_and_nothing_of_the_run_changes(run, call, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    facts = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**facts, "root": os.path.relpath(run.parent, copy)}))
    before = {p: p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    code, out, _ = call(copy, "--ask", 30)
    assert (code, "the first night, which the next ones are compared with" in out) == (0, True)
    code, out, _ = call(copy, "--ask", 30)
    assert (code, "0 better and 0 worse of 30 after 2 nights" in out) == (0, True)
    assert "a night can show a drop of 57% of them or more" in out
    assert {p: p.read_bytes() for p in before} == before
    nights = RunFolder.open(copy).asked.need()
    stored = {o.example_id: o.value("normalized_match", 0.0) for o in RunFolder.open(copy).rung("prompt").dev.need()}
    assert all(nights[0].scores[i] == stored[i] for i in nights[0].scores)
    turned = [replace(n, scores=dict.fromkeys(n.scores, 0.0)) for n in nights]
    RunFolder.open(copy).asked.save(turned)
    log = written(tmp_path / "log", days(10))
    code, out, _ = call(copy, log, "--ask", 30, "--json")
    found = json.loads(out)
    assert (code, found["alarm"], found["alarm_from"], found["asked"]["better"] >= 20) == (1, None, 33, True)
    assert found["asked"]["alarm"]
    code, out, _ = call(copy, "--ask", 30, "--since", "2099-01-01")
    assert code == 0
    code, _, err = call(copy)
    assert (code, "name a request log of `rung serve`, or the number" in err) == (2, True)


def test_a_night_without_an_answer_counts_for_nothing(run, call, tmp_path, monkeypatch):
    async def unreachable(*_, **__):
        raise Retryable("down", provider="fake")

    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    facts = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**facts, "root": os.path.relpath(run.parent, copy)}))
    monkeypatch.setattr("rung.models.direct.Direct.ask", unreachable)
    code, _, err = call(copy, "--ask", 20)
    assert (code, "20 of 20 dev examples got no answer, so this night counts for nothing: " in err) == (2, True)
    assert not RunFolder.open(copy).asked.exists
