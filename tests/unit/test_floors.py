"""Floors: further claims about quality, from rung.yaml to the verdict, and tables by label, slice and field beside them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from rung.config import parse_config
from rung.data.audit.floors import _trouble
from rung.decide.compare import neighbours
from rung.decide.floors import examples_needed, floor_counterfactuals, loss_reasons
from rung.decide.tuned import fails_beside_goal, not_short
from rung.decide.verdict import Climbed, decide
from rung.engine.verify import verify
from rung.errors import ConfigError, DataError
from rung.evaluate.floors import rows_of
from rung.evaluate.measure import summarise
from rung.evaluate.told_apart import told_apart
from rung.ladder import climb
from rung.report.data import as_data
from rung.report.github import render_github
from rung.report.junit import render_junit
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.summary import summary
from rung.stats.aggregate import aggregate_sample, even_size
from rung.store.run import RunFolder
from rung.types import Example, Failure, Floor, MetricSpec, Outcome, Score
from tests.unit._results import outcome, result, task
from tests.unit._worlds import WORDS

FRAUD = Floor(0.9, 0.02, "recall", "fraud")


def labelled(index, label, said, *, value=None, **slices):
    made = outcome(index, float(label == said) if value is None else value)
    return replace(made, label=label, said=said, slices=slices)


def payments(found=7, frauds=22, fine=300, false_alarms=0):
    """Outcomes of a classifier that finds `found` of `frauds` and calls `false_alarms` of `fine` fraud."""
    rows = [("fraud", "fraud" if i < found else "fine") for i in range(frauds)]
    rows += [("fine", "fraud" if i < false_alarms else "fine") for i in range(fine)]
    return tuple(labelled(i, label, said) for i, (label, said) in enumerate(rows))


def measured(rows, for_task, planned=3):
    candidate = result([1.0], task()).candidate
    return summarise(candidate, tuple(rows), for_task, planned)


def climbed(for_task, results):
    comparisons = neighbours(results, for_task, 7)
    return Climbed(for_task, tuple(results), results, comparisons, (), frozenset(), 7, 322)


# --- what is judged, by hand and by scipy


def test_seven_of_22_frauds_found_is_not_good_enough_however_high_the_score():
    of = task(0.9, floors=(FRAUD,))
    rung = measured(payments(), of)
    [floor] = rung.floors
    assert (rung.quality.status, floor.quality.status, rung.status) == ("meets", "misses", "misses")
    assert floor.quality.upper == pytest.approx(stats.beta.ppf(0.95, 8, 15))  # Clopper-Pearson at alpha, 7 of 22
    assert floor.quality.lower == pytest.approx(stats.beta.ppf(0.05 / 3, 7, 16))  # at alpha / 3 approaches
    assert (floor.estimate.mean, floor.estimate.n) == (pytest.approx(7 / 22), 22)
    assert not rung.good_enough
    verdict = decide(climbed(of, {"baseline": rung}))
    assert (verdict.decision, verdict.winner) == ("misses", None)
    assert verdict.headline == "Not yet: a better prompt meets the goal, but recall of 'fraud' is 0.32 (floor 0.90)."
    assert verdict.basis.endswith("Recall of 'fraud': 32 % of 22 (95 % CI 16 to 53 %; floor 90 %).")
    without = decide(climbed(task(0.9), {"baseline": measured(payments(), task(0.9))}))
    assert (without.decision, without.winner) == ("meets", "baseline")  # what the average hides


def test_an_open_floor_leaves_the_verdict_open_and_says_how_many_examples_would_settle_it():
    of = task(0.9, floors=(FRAUD,))
    rung = measured(payments(found=22), of)
    assert (rung.quality.status, rung.floors[0].quality.status, rung.status) == (
        "meets",
        "inconclusive",
        "inconclusive",
    )
    assert rung.probability_good == rung.floors[0].quality.probability_good < rung.quality.probability_good
    verdict = decide(climbed(of, {"prompt": rung}))
    assert verdict.decision == "inconclusive"
    needed = rung.floors[0].quality.examples_needed
    assert rung.floors[0].examples_needed == -(-needed * 322 // 22)
    assert examples_needed(rung) == verdict.examples_needed == rung.floors[0].examples_needed
    assert "recall of 'fraud' is not settled; about " in verdict.headline
    assert any("of which 22 count" in line for line in verdict.counterfactuals)


def test_a_winner_meets_every_floor_and_says_so():
    of = task(0.9, floors=(replace(FRAUD, tolerance=0.05),))
    verdict = decide(climbed(of, {"prompt": measured(payments(found=60, frauds=60), of)}))
    assert verdict.decision == "meets"
    assert verdict.headline.endswith("meets the goal and every floor.")
    [reason] = [r for r in verdict.reasons if "floor" in r.claim]
    assert reason.claim.startswith("prompt meets the floor: the lower bound 0.9")
    assert reason.evidence[1] == "prompt/result#floors.0.quality.lower"


def test_what_would_change_names_the_floor():
    of = task(0.9, floors=(FRAUD,))
    rung = measured(payments(), of)
    [line] = floor_counterfactuals(None, {"baseline": rung}, 322)
    carried = int(100 * (rung.floors[0].quality.lower + 0.02)) / 100
    assert (
        line
        == f"Without the floor on recall of 'fraud', or with one of {carried:.2f} or less, baseline would be good enough."
    )


def test_precision_counts_the_answers_and_what_is_unknown_goes_against_the_claim():
    of = task(0.5, floors=(Floor(0.5, 0.02, "precision", "fraud"),))
    silent = Outcome("r999", "r999", None, None, Failure("timeout", "no answer in 60 s"), label="fine")
    rows = (*payments(found=20, false_alarms=5), silent)
    bounds = [b for _, b in rows_of(of.floors[0], rows, of)]
    assert sorted(bounds) == sorted([(1.0, 1.0)] * 20 + [(0.0, 0.0)] * 5 + [(0.0, 1.0)])
    [floor] = measured(rows, of).floors
    assert floor.quality.lower == pytest.approx(stats.beta.ppf(0.05 / 3, 20, 7))  # 20 of 26
    assert floor.quality.upper == pytest.approx(stats.beta.ppf(0.95, 22, 5))  # 21 of 26
    never = measured(payments(found=0), of).floors[0]
    assert (never.quality.status, never.estimate, never.quality.advice) == (
        "inconclusive",
        None,
        "no answer gives 'fraud'",
    )


def test_floors_of_slices_metrics_and_form():
    floors = (
        Floor(0.85, 0.02, where={"lang": "de"}),
        Floor(0.8, 0.02, metric="other"),
        Floor(0.9, 0.02, metric="format"),
    )
    of = task(0.5, floors=floors, metrics=(MetricSpec("normalized_match"), MetricSpec("other")), slices=("lang",))
    rows = []
    for i in range(100):
        scores = {"normalized_match": Score(float(i % 5 > 0), adheres=i >= 2), "other": Score(0.5)}
        rows.append(replace(outcome(i, 1.0), scores=scores, slices={"lang": "de" if i < 50 else "en"}))
    found = measured(rows, of).floors
    assert [f.estimate.n for f in found] == [50, 100, 100]
    assert [f.estimate.mean for f in found] == [pytest.approx(0.8), pytest.approx(0.5), pytest.approx(0.98)]
    assert [f.quality.status for f in found] == ["inconclusive", "misses", "meets"]
    assert [f.floor.name for f in found] == ["the score where lang is 'de'", "other", "format"]


def test_averages_over_labels_are_judged_by_what_they_are_worth():
    floors = (
        Floor(0.9, 0.02, metric="balanced_accuracy"),
        Floor(0.6, 0.02, metric="macro_f1"),
        Floor(0.9, 0.02, "f1", "fraud"),
    )
    of = task(0.9, floors=floors)
    rung = measured(payments(), of)
    assert [f.quality.status for f in rung.floors] == ["misses", "inconclusive", "misses"]
    balanced, macro, fraud = (f.estimate for f in rung.floors)
    assert balanced.mean == pytest.approx((7 / 22 + 1) / 2)
    f1 = 2 * 7 / (22 + 7)
    assert (fraud.mean, macro.mean) == (pytest.approx(f1), pytest.approx((f1 + 600 / 615) / 2))
    recall = 7 / 22
    variance = recall * (1 - recall) / 22 / 4 * 322 / 321  # of the mean of the two recalls, one of them 1
    spread = balanced.mean * (1 - balanced.mean)
    assert balanced.n_effective == pytest.approx(min(spread / variance, 4 / (1 / 22 + 1 / 300)))
    assert [f.floor.name for f in rung.floors] == ["balanced accuracy", "macro F1", "F1 of 'fraud'"]
    silent = Outcome("r999", "r999", None, None, Failure("timeout", "no answer in 60 s"), label="fraud")
    open_ended = measured([*payments(), silent], of).floors[0].estimate
    assert open_ended.mean == balanced.mean
    assert open_ended.low < balanced.low
    assert open_ended.high > balanced.high


def test_an_average_is_worth_fewer_examples_where_a_label_is_rare():
    even, rare = ["a", "b"] * 50, ["a"] * 90 + ["b"] * 10
    assert even_size(even) == pytest.approx(100)
    assert even_size(rare) == pytest.approx(36)
    none_wrong = aggregate_sample("balanced_accuracy", rare, rare)
    assert (none_wrong.mean, none_wrong.n, none_wrong.n_eff) == (1.0, 100, pytest.approx(36))
    grouped = aggregate_sample("macro_f1", even, even, [f"g{i // 10}" for i in range(100)])
    assert (grouped.n_groups, grouped.n_eff) == (10, pytest.approx(100 / (1 + 0.05 * 9)))
    with pytest.raises(ValueError, match="no example has the label 'c'"):
        aggregate_sample("f1", even, even, label="c")


def test_a_rung_below_that_misses_a_floor_has_fallen_short_for_tuning():
    of = task(0.9, floors=(FRAUD,))
    below = {"prompt": measured(payments(), of)}
    assert fails_beside_goal(below["prompt"])
    assert not_short(of, "main", below) is None
    assert not_short(task(0.9), "main", {"prompt": measured(payments(), task(0.9))}) is not None


# --- tables


def test_tables_agree_with_scikit_learn():
    draw = random.Random(3)
    names = ("a", "b", "c")
    pairs = [(draw.choice(names), draw.choice(names)) for _ in range(200)]
    found = measured(
        [labelled(i, e, s, lang=e + s) for i, (e, s) in enumerate(pairs)], task(0.3, slices=("lang",))
    ).tables
    expected, said = zip(*pairs, strict=True)
    precision, recall, f1, n = precision_recall_fscore_support(expected, said, labels=names)
    assert [x.recall.mean for x in found.labels] == pytest.approx(list(recall))
    assert [x.precision.mean for x in found.labels] == pytest.approx(list(precision))
    assert [x.f1 for x in found.labels] == pytest.approx(list(f1))
    assert [x.recall.n for x in found.labels] == list(n)
    counts = {(c.expected, c.said): c.count for c in found.confusion}
    assert [[counts[e, s] for s in names] for e in names] == confusion_matrix(expected, said, labels=names).tolist()
    assert found.averages["macro_f1"].mean == pytest.approx(f1_score(expected, said, average="macro"))
    assert found.averages["balanced_accuracy"].mean == pytest.approx(balanced_accuracy_score(expected, said))
    assert sum(s.score.n for s in found.slices) == 200
    assert {s.value: s.score.mean for s in found.slices}["aa"] == 1.0


def test_fields_of_an_answer_and_what_could_not_be_read():
    of = task(0.5, kind="extraction", metrics=(MetricSpec("json_fields"),))
    scored = Score(0.5, parts={"total": 1.0, "date": 0.0})
    rows = [replace(outcome(i, 1.0), scores={"json_fields": scored}) for i in range(8)]
    unread = [Outcome(f"u{i}", f"u{i}", rows[0].answer, None, Failure("parse", "no JSON")) for i in range(2)]
    found = measured([*rows, *unread], of).tables
    assert {f.name: (f.score.mean, f.score.n) for f in found.fields} == {"total": (0.8, 10), "date": (0.0, 10)}


def test_an_answer_is_a_label_as_the_metric_compares_it():
    of = task(0.9, labels=("fraud", "fine"), slices=("lang",))
    example = Example("r0", {"text": "x"}, "fine", "r0", slices={"lang": "de"})
    given = replace(outcome(0, 0.0), answer=replace(outcome(0, 0.0).answer, text=" FRAUD."))
    [told] = told_apart([given], {"r0": example}, of, lambda text: text.strip(" .").lower())
    assert (told.label, told.said, told.slices) == ("fine", "fraud", {"lang": "de"})
    sentence = replace(given, answer=replace(given.answer, text="it may be fraud"))
    assert told_apart([sentence], {"r0": example}, of, str.strip)[0].said is None
    free = task(0.9, kind="generation")
    assert told_apart([given], {"r0": example}, free, str.strip) == (given,)


def test_a_label_that_a_better_approach_makes_worse_is_named():
    of = task(0.6)
    lower = [labelled(i, "a", "a") for i in range(20)] + [labelled(20 + i, "b", "a") for i in range(60)]
    upper = [labelled(i, "a", "b" if i < 12 else "a") for i in range(20)] + [
        labelled(20 + i, "b", "b") for i in range(60)
    ]
    [pair] = neighbours({"prompt": measured(lower, of), "fewshot": measured(upper, of)}, of, 7)
    [loss] = pair.worse
    assert (loss.name, loss.n, loss.of, loss.method) == ("label 'a'", 20, 2, "exact McNemar")
    assert (loss.before, loss.after) == (1.0, 0.4)
    exact = stats.binomtest(12, 12, 0.5).pvalue
    assert loss.p_adjusted == pytest.approx(exact)  # b's p is smaller still, so that Holm leaves a's as it is
    [reason] = loss_reasons([pair])
    assert "few-shot gains +0.600 over prompt and is significantly worse on label 'a': 0.40 after 1.00" in reason.claim
    [back] = neighbours({"fewshot": measured(upper, of), "prompt": measured(lower, of)}, of, 7)
    assert back.worse == ()  # the approach that is worse in all is no surprise


# --- rung.yaml


@pytest.mark.parametrize(
    ("floor", "says"),
    [
        ({"recall": 0.9}, "recall is that of a label: name it"),
        ({"label": "fraud"}, "give one of `recall`, `precision`"),
        ({"label": "fraud", "recall": 0.9, "at_least": 0.8}, "give one of"),
        ({"label": "fraud", "at_least": 0.9}, "a label has `recall`, `precision` or `f1`"),
        ({"at_least": 0.9}, "name what the floor is about"),
        ({"label": "fraud", "recall": 1}, "less than 1"),
        ({"label": "fraud", "recall": 0.9, "tolerance": 0.06}, "more than half of the errors"),
        ({"label": "fraud", "recal": 0.9}, "no such key"),
    ],
)
def test_a_floor_that_says_nothing_is_refused_in_one_sentence(tmp_path, floor, says):
    with pytest.raises(ConfigError) as error:
        config_of(tmp_path, rows(40), floors=[floor])
    assert says in str(error.value)


def test_floors_become_claims_with_the_goals_tolerance_rule(tmp_path):
    floors = [{"label": "fraud", "recall": 0.95}, {"where": {"vip": True}, "at_least": 0.8}]
    config = config_of(tmp_path, rows(40), floors=floors, slices="lang")
    assert config.task.sliced_by == ("lang", "vip")
    found = config.as_task(kind="classification", labels=("fine", "fraud")).floors
    assert found[0] == Floor(0.95, 0.01, "recall", "fraud")
    assert found[1] == Floor(0.8, 0.02, where={"vip": "true"})


def test_a_file_without_floors_has_the_hash_that_it_had_before(tmp_path):
    plain = config_of(tmp_path, rows(40)).model_dump(mode="json", exclude={"root"})
    assert not {"floors", "slices"} & set(plain["task"])


@pytest.mark.parametrize(
    ("floor", "says"),
    [
        (
            {"label": "frau", "recall": 0.9},
            "no test example has the label 'frau', so the floor on recall of 'frau' can be ",
        ),
        (
            {"where": {"lang": "fr"}, "at_least": 0.9},
            "no test example has lang 'fr', so the floor on the score where lang",
        ),
        (
            {"metric": "rouge", "at_least": 0.9},
            "a floor names the metric 'rouge', which the task does not have. Name one of ",
        ),
        ({"where": {"country": "de"}, "at_least": 0.9}, "there is no column 'country'"),
    ],
)
def test_a_floor_that_nothing_can_show_stops_the_climb_in_one_sentence(tmp_path, floor, says):
    with pytest.raises(DataError) as error:
        climb(config_of(tmp_path, rows(60), floors=[floor, FLOOR]), tmp_path / "run")
    assert says in str(error.value)


# --- from rung.yaml to page, JUnit and exit code

FLOOR = {"label": "fraud", "recall": 0.9}


def rows(n, seed=1):
    """One payment in six is fraud, and nothing in its words says so."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choice(WORDS) for _ in range(12)) for _ in range(n)]
    kinds = ["fraud" if i % 8 == 0 else "fine" for i in range(n)]
    return [
        {"id": f"r{i}", "text": t, "kind": k, "lang": "de" if i % 3 else "en", "vip": i % 2 == 0}
        for i, (t, k) in enumerate(zip(texts, kinds, strict=True))
    ]


def config_of(root, made, ladder=("baseline",), goal=0.8, **changes):
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    about = {
        "name": "payments",
        "kind": "classification",
        "instruction": "Is it fraud?",
        "inputs": ["text"],
        "target": "kind",
        "metrics": ["normalized_match"],
        "goal": goal,
        **changes,
    }
    fake = {"provider": "fake", "answers": {r["text"]: r["kind"] for r in made}}
    raw = {"task": about, "data": {"path": "rows.jsonl", "id": "id"}, "models": {"main": fake}, "ladder": list(ladder)}
    return parse_config(raw, root)


def test_fraud_from_rung_yaml_to_page_junit_and_exit_code(tmp_path):
    config = config_of(tmp_path, rows(200), floors=[FLOOR, {"where": {"lang": "de"}, "at_least": 0.5}], slices=["vip"])
    run = climb(config, tmp_path / "run")
    assert (run.verdict.decision, run.exit_code) == ("misses", 1)
    assert (
        run.verdict.headline
        == "Not yet: the most frequent answer meets the goal, but recall of 'fraud' is 0.00 (floor 0.90)."
    )
    folder = RunFolder.open(tmp_path / "run")
    assert [c.what for c in verify(folder) if not c.passed] == []
    report = load_report(folder)
    page = render_page(report)
    n = run.results["baseline"].floors[0].estimate.n
    assert "<h2>Floors</h2>" in page
    assert "recall of &#39;fraud&#39;" in page
    assert f"of {n}" in summary(report).basis
    junit = render_junit(folder)
    assert 'tests="4" failures="1" errors="0"' in junit or 'tests="3" failures="1" errors="0"' in junit
    assert "name=\"recall of 'fraud' is at least 0.9\"" in junit
    assert "| recall of 'fraud' is at least 0.9 |" in render_github(folder)
    assert "| fraud | " in render_markdown(folder)
    data = as_data(folder)["rungs"][0]["result"]
    assert data["floors"][0]["quality"]["status"] == "misses"
    assert {s["column"] for s in data["tables"]["slices"]} == {"vip", "lang"}
    assert all(r.resolves for r in report.evidence.values())
    _tampered(folder)


def _tampered(folder):
    """An outcome whose label was changed is found; a folder from before there were tables reads as it did."""
    lines = (folder.path / "rungs/baseline/outcomes.jsonl").read_text().splitlines()
    changed = [json.loads(line) for line in lines]
    wrong = next(o for o in changed if o["label"] == "fraud")
    wrong["label"] = "fine"
    (folder.path / "rungs/baseline/outcomes.jsonl").write_text("".join(json.dumps(o) + "\n" for o in changed))
    assert any(wrong["example_id"] in c.differs for c in verify(folder))


def test_a_label_that_only_other_parts_hold_is_said_to_lie_there():
    test = [Example(f"t{i}", {"text": f"a {i}"}, "fine", f"t{i}") for i in range(20)]
    rows = [*test, Example("rare", {"text": "b"}, "fraud", "rare")]
    case = SimpleNamespace(task=task(kind="classification"), parts=SimpleNamespace(test=test), rows=rows)
    found = _trouble(FRAUD, case, "the floor")
    assert found.message == (
        "no test example has the label 'fraud', so the floor can be neither met nor missed; the other parts hold 1 such example."
    )
    assert "there are 'fine'" in _trouble(replace(FRAUD, label="hoax"), case, "the floor").message
