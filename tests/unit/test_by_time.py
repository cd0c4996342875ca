"""`split: {by: time, column: date}`: train before dev before test, and dates that are none."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from rung.config import parse_config
from rung.data.audit.drift import on_the_latest
from rung.data.by_time import latest, moments
from rung.data.configured import part_rows, read_rows
from rung.engine.check import check
from rung.engine.verify import verify
from rung.errors import ConfigError, RungError, SplitError
from rung.ladder import climb
from rung.progress import Silent
from rung.store.run import RunFolder
from rung.types import Example
from tests.unit._worlds import rows

FIRST = date(2025, 1, 1)
TASK = {
    "name": "routing", "kind": "classification", "instruction": "Which team?", "inputs": ["text"], "target": "team",
    "metrics": ["normalized_match"], "goal": 0.9,
}  # fmt: skip


def config_of(root, made, **changes):
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    raw = {
        "task": TASK,
        "data": {"path": "rows.jsonl", "id": "id"},
        "split": {"by": "time", "column": "date"},
        "models": {"main": {"provider": "fake", "answers": {r["text"]: r.get("said", r["team"]) for r in made}}},
        "ladder": [{"prompt": {"rewrites": False}}],
        "stop_early": False,
    }  # fmt: skip
    raw.update(changes)
    return parse_config(raw, root)


def dated(n, say=date.isoformat):
    """Rows of `n` days, in another order than that of time."""
    found = [dict(r, date=say(FIRST + timedelta(days=i))) for i, r in enumerate(rows(n))]
    return found[1::2] + found[::2]


def test_what_is_tested_came_after_what_was_learnt_and_chosen_on(tmp_path):
    made = dated(200)
    _, parts = part_rows(config := config_of(tmp_path, made), read_rows(config))
    when = {r["id"]: r["date"] for r in made}
    train, dev, test = ([when[e.id] for e in part] for part in (parts.train, parts.dev, parts.test))
    assert max(train) < min(dev) <= max(dev) < min(test)
    assert [len(part) for part in (train, dev, test)] == [80, 40, 80]  # of 10 / 20 / 70 % by need the latest 40 % test
    assert parts.settings["by"] == "time"
    assert all("date" not in e.inputs for e in parts.test)


def test_near_duplicates_go_where_the_latest_of_them_belongs(tmp_path):
    made = dated(200)
    early = min(made, key=lambda r: r["date"])
    late = max(made, key=lambda r: r["date"])
    early["text"] = late["text"]
    early["team"] = late["team"]
    _, parts = part_rows(config := config_of(tmp_path, made), read_rows(config))
    assert {early["id"], late["id"]} <= {e.id for e in parts.test}


def test_drift_is_seen_by_time_and_hidden_by_chance(tmp_path):
    made = sorted(dated(400), key=lambda r: r["date"])
    for i, row in enumerate(made):
        wrong = i % 20 == 0 if i < 280 else i % 4 == 0  # .95 at first, .75 in the last 30 %
        row["said"] = "other" if wrong else row["team"]
    shares = {"test": 0.4, "dev": 0.2}
    by_time = climb(config_of(tmp_path, made, split={**shares, "by": "time", "column": "date"}), tmp_path / "time")
    by_chance = climb(config_of(tmp_path, made, split=shares), tmp_path / "chance")
    means = [r.results["prompt"].estimates["normalized_match"].mean for r in (by_time, by_chance)]
    assert means[0] == pytest.approx(0.80, abs=0.03)
    assert means[1] > 0.85
    assert (by_time.verdict.decision, by_chance.verdict.decision) == ("misses", "inconclusive")
    assert "by" not in RunFolder.open(tmp_path / "chance").config[0]["split"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-03-31", 1743379200), ("2025-03-31T12:00:00Z", 1743422400), ("2025-03-31 14:00:00+02:00", 1743422400),
        ("1743379200", 1743379200), ("1743379200000", 1743379200),
    ],
)  # fmt: skip
def test_dates_as_they_are_written(text, seconds):
    assert moments({"r": text}, "date", "rows.csv") == {"r": seconds}


@pytest.mark.parametrize(
    ("text", "holds"), [("31/02/2025", "'31/02/2025'"), ("soon", "'soon'"), ("2025", "'2025'"), (None, "nothing")]
)
def test_what_is_no_date_is_named_in_one_sentence(tmp_path, text, holds):
    made = dated(100)
    made[7]["date"] = text
    config = config_of(tmp_path, made)
    with pytest.raises(
        SplitError, match=f"the column 'date' holds {holds} in the example '{made[7]['id']}', which is no date"
    ):
        part_rows(config, read_rows(config))


def test_by_time_takes_one_file_and_a_column_that_no_model_sees(tmp_path):
    made = dated(100)
    with pytest.raises(ConfigError, match="belong together: give both"):
        config_of(tmp_path, made, split={"by": "time"})
    with pytest.raises(ConfigError, match="here the test set is your own: leave it out"):
        config_of(tmp_path, made, data={"train": "rows.jsonl", "test": "rows.jsonl"})
    with pytest.raises(ConfigError, match="is an input of the task"):
        config_of(tmp_path, made, split={"by": "time", "column": "text"})


def test_check_says_that_a_column_holds_dates_where_examples_are_divided_at_random(tmp_path):
    made = dated(100)
    for i, row in enumerate(made):
        row["number"] = str(1_743_379_200 + i)  # which may be anything

    def notes(**changes):
        return [f for f in check(config_of(tmp_path, made, **changes), Silent()).findings if f.check == "by-time"]

    [note] = notes(split={"test": 0.4})
    assert note.next_step == "To test on the latest examples, set `split: {by: time, column: date}`."
    assert notes() == []
    made[3]["date"] = "soon"
    assert notes(split={"test": 0.4}) == []


def drifting(n, changed):
    """Rows whose words tell the team; in the last share `changed` of the time two teams have exchanged what they do."""
    draw = random.Random(3)
    words = {"billing": "invoice refund charge", "delivery": "parcel courier late", "returns": "broken exchange label"}
    found = []
    for i in range(n):
        said = draw.choice(list(words))
        swapped = {"billing": "delivery", "delivery": "billing"}.get(said, said) if i >= (1 - changed) * n else said
        text = " ".join(
            [draw.choice(words[said].split()), *(draw.choice("abcdefghijkl") * 3 for _ in range(6)), f"n{i}"]
        )
        found.append({"id": f"r{i}", "text": text, "team": swapped, "date": (FIRST + timedelta(days=i)).isoformat()})
    draw.shuffle(found)
    return found


def test_check_compares_what_was_learnt_earlier_with_what_was_learnt_at_random_on_the_latest_fifth(tmp_path):
    def found(changed, **changes):
        config = config_of(tmp_path, drifting(300, changed), **changes)
        return [f for f in check(config, Silent()).findings if f.check == "by-time"]

    [warning] = found(0.5, split={"test": 0.4})
    assert warning.severity == "warn"
    assert warning.measured["examples"] == 60
    assert warning.measured["by_time"] < warning.measured["at_random"] - 0.1
    assert warning.measured["p_value"] < 0.05 < warning.measured["low"] + 0.05
    assert (
        "the latest fifth by 'date' has 60 examples, from 2025-08-29 on. A word model that learnt from earlier ones is right in "
        in warning.message
    )
    assert warning.message.endswith("a division at random flatters every approach by what changes with time.")
    assert warning.next_step.startswith("To test on the latest examples, set `split: {by: time, column: date}`")
    [divided] = found(0.5)
    assert (divided.severity, divided.next_step) == ("note", "Nothing to do: they are divided by time.")
    [steady] = found(0.0, split={"test": 0.4})
    assert steady.severity == "note"
    assert steady.message.endswith("no change with time is seen.")
    assert found(0.0) == []


def test_both_ways_learn_from_as_many_and_are_asked_about_the_same_examples():
    made = [Example(r["id"], {"text": r["text"]}, r["team"], r["id"]) for r in drifting(300, 0.5)]
    when = {f"r{i}": float(i) for i in range(300)}
    seen = on_the_latest(made, when)
    assert seen is not None
    assert (seen.examples, seen.found.n) == (60, 60)
    assert seen.found.gain == pytest.approx(seen.at_random - seen.by_time)
    assert on_the_latest(made, dict(list(when.items())[:90])) is None  # too few with a date
    assert on_the_latest([replace(e, target="x") for e in made], when) is None
    assert on_the_latest([replace(e, group="one") for e in made], when) is None  # one example of a group counts


def fading(n, wrong_early, wrong_late):
    """Dated rows of which the model answers one in so many wrongly: most of the time, and in the latest eighth."""
    found = []
    for i, r in enumerate(rows(n)):
        each = wrong_late if i >= n - n // 8 else wrong_early
        found.append(
            dict(r, date=date.isoformat(FIRST + timedelta(days=i)), said="other" if i % each == 0 else r["team"])
        )
    return found[1::2] + found[::2]


def test_an_average_over_time_is_no_claim_about_today_where_the_latest_third_is_worse(tmp_path):
    made = fading(600, 40, 3)
    config = config_of(tmp_path, made, task={**TASK, "goal": 0.85})
    found = climb(config, tmp_path / "run")
    quality = found.results["prompt"].quality
    assert (found.verdict.decision, quality.status) == ("inconclusive", "inconclusive")
    assert quality.lower >= 0.85 - config.as_task(kind="classification", labels=()).tolerance
    assert "find out what changed, or test on newer examples" in found.verdict.headline
    assert re.search(
        r"the latest third of the test examples scores 0\.\d\d, the earlier ones 0\.97", found.verdict.headline
    )
    assert (found.verdict.repeats, found.verdict.bets) == (None, None)
    assert not any("would meet the goal" in line for line in found.verdict.counterfactuals)
    claims = [r.claim for r in found.verdict.reasons]
    assert any("inconclusive although its lower bound" in c for c in claims)
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []
    at_random = config_of(tmp_path, made, task={**TASK, "goal": 0.85}, split={"test": 0.4, "dev": 0.2})
    assert climb(at_random, tmp_path / "random").verdict.decision == "meets"


def test_a_rate_that_stays_is_no_fall(tmp_path):
    found = climb(config_of(tmp_path, fading(600, 40, 40), task={**TASK, "goal": 0.9}), tmp_path / "run")
    assert found.verdict.decision == "meets"


def test_the_latest_third_cuts_through_no_moment_and_is_nobody_where_most_have_one():
    def ids(*moments):
        made = [Example(f"e{i}", {"text": str(i)}, "a", f"e{i}") for i in range(len(moments))]
        return latest(made, {e.id: float(m) for e, m in zip(made, moments, strict=True)})

    assert ids(*range(9)) == ["e6", "e7", "e8"]
    assert ids(8, 7, 6, 5, 4, 3, 2, 1, 0) == ["e0", "e1", "e2"]
    assert ids(0, 1, 2, 3, 4, 7, 7, 7, 7) == ["e5", "e6", "e7", "e8"]
    assert ids(0, 0, 0, 0, 5, 5, 5, 6, 6) == ["e7", "e8"]
    assert ids(*[1] * 9) == ids(*[0] * 4, *[1] * 5) == []


def test_an_average_over_labels_is_held_against_itself(tmp_path):
    """The rare label is lost in the latest examples: hardly any are wrong, and the macro F1 falls."""
    made = []
    for i in range(600):
        team = "rare" if i % 12 == 0 else "billing" if i % 2 else "delivery"
        said = "billing" if team == "rare" and i >= 540 else team
        made.append(
            {
                "id": f"r{i}",
                "text": f"message {i} of {team}",
                "team": team,
                "said": said,
                "date": date.isoformat(FIRST + timedelta(days=i)),
            }
        )
    task = {**TASK, "metrics": ["macro_f1"], "goal": 0.75}
    found = climb(config_of(tmp_path, made, task=task), tmp_path / "run")
    assert found.results["prompt"].quality.status == "inconclusive"
    assert "the latest third of the test examples scores 0.74, the earlier ones 1.00" in found.verdict.headline


def test_added_examples_need_dates_and_the_latest_third_is_of_all(tmp_path):
    made = fading(400, 9, 9)
    later = [dict(r, date=date.isoformat(FIRST + timedelta(days=400 + i))) for i, r in enumerate(rows(700)[400:])]
    told = {r["text"]: "other" if i >= 200 and i % 2 else r["team"] for i, r in enumerate(later)}
    answers = {"models": {"main": {"provider": "fake", "answers": {**{r["text"]: r["said"] for r in made}, **told}}}}
    first = climb(config_of(tmp_path, made, **answers), tmp_path / "run")
    assert first.verdict.decision == "inconclusive"
    undated = more_of(tmp_path, made, [{k: v for k, v in r.items() if k != "date"} for r in later], **answers)
    with pytest.raises(RungError, match="'date'"):
        climb(undated, tmp_path / "run")
    found = climb(more_of(tmp_path, made, later, **answers), tmp_path / "run")
    manifest = RunFolder.open(tmp_path / "run").parts.manifest.need()
    dates = {r["id"]: r["date"] for r in (*made, *later)}
    late = [dates[i.removeprefix("more:")] for i in manifest["settings"]["latest"]]
    test = [dates[i.removeprefix("more:")] for i in manifest["test"]["ids"]]
    assert sorted(late) == sorted(test)[-len(late) :]
    assert len(late) == round(len(test) / 3)
    assert found.verdict.decision != "meets"


def more_of(root, made, added, **changes):
    (root / "more.jsonl").write_text("".join(json.dumps(r) + "\n" for r in added))
    return config_of(root, made, data={"path": "rows.jsonl", "id": "id", "more": "more.jsonl"}, **changes)
