"""The audit: each check fires on what it is for, stays quiet otherwise, and never shows a test row."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from rung.data.audit import CHECKS, AuditInput, audit
from rung.data.audit.labels import suspects
from rung.data.audit.noise import check_noise
from rung.data.near import Duplicates
from rung.data.parts import Parts
from rung.data.split import split, split_given
from rung.engine.power_lines import power_lines
from rung.stats.power import power_met
from rung.stats.sizes import NEEDS
from rung.types import Dataset, Example, Floor, MetricSpec, Task

WORDS = {
    label: [f"{label}{a}{b}" for a in ("ka", "mo", "tir", "sul", "wen") for b in ("do", "pri", "xa", "lum")]
    for label in ("bill", "ship", "login")
}
COMMON = [a + b for a in ("the", "our", "any", "some") for b in ("dog", "car", "sun", "day", "key", "box")]


def text(label, seed, own=4, common=6):
    rng = random.Random(f"{label}{seed}")
    words = [rng.choice(WORDS[label]) for _ in range(own)] + [rng.choice(COMMON) for _ in range(common)]
    rng.shuffle(words)
    return f"{' '.join(words)} {rng.getrandbits(40):x}"


def data(n, labels=("bill", "ship", "login")):
    return Dataset(
        tuple(
            Example(f"id{i:04d}", {"q": text(labels[i % len(labels)], i)}, labels[i % len(labels)], f"id{i:04d}")
            for i in range(n)
        ),
        "rows.csv",
    )


def task(kind="classification", **kw):
    given = {"name": "t", "instruction": "Route.", "inputs": ("q",), "target": "a", "goal": 0.9, **kw}
    return Task(kind=kind, metrics=(MetricSpec("normalized_match"),), **given)


def found(parts, check, of=None, **kw):
    name = {"near-duplicates": "duplicates", "visible-gain": "power", "empty-inputs": "length"}.get(check)
    name = name or {"rare-labels": "balance", "unseen-labels": "balance", "label-spelling": "label spelling"}.get(check)
    name = name or {"suspect-labels": "suspect labels"}.get(check, check)
    return [f for f in audit(parts, of or task(), checks=(name,), **kw) if f.check == check]


def one(*args, **kw):
    got = found(*args, **kw)
    assert len(got) == 1, got
    return got[0]


# --- size and power


@pytest.mark.parametrize(
    ("kind", "minimum", "ideal"),
    [
        ("classification", 200, 2_000),
        ("extraction", 500, 5_000),
        ("style", 500, 2_000),
        ("knowledge", 1_000, 10_000),
        ("generation", 2_000, 20_000),
    ],
)
def test_the_needs_of_each_kind(kind, minimum, ideal):
    assert (NEEDS[kind].minimum, NEEDS[kind].ideal) == (minimum, ideal)


def test_size_counts_training_rows_after_the_split():
    parts = split(data(400))
    few = one(parts, "size")
    assert few.severity == "warn"
    assert few.message.startswith(f"{len(parts.train)} training examples for classification: below the minimum of 200")
    assert f"collect {200 - len(parts.train)} more training examples before a model is tuned" in few.next_step
    assert few.measured["train"] == len(parts.train) < 200 < 400
    assert one(parts, "size", tunes=False).severity == "note", "nobody tunes: nothing is short"
    middle = one(split(data(600)), "size")
    assert (middle.severity, middle.measured["minimum"]) == ("note", 200)
    assert "The rule of thumb of 500 examples is not reached either." in middle.message


def test_power_is_that_of_the_statistics():
    parts = split(data(500), test=0.4)
    finding = one(parts, "power", planned_rungs=5)
    n = len(parts.test)
    assert finding.measured["probability_met"] == pytest.approx(power_met(0.92, n, 0.9, 0.02, 0.05, 5), abs=1e-4)
    assert finding.severity == "warn"
    assert finding.message.startswith(
        f"{n} test examples: a system truly at 0.92 meets the goal 0.9 (tolerance 0.02, 5 planned approaches) with "
    )
    assert (
        "bring 614 test examples (about 1,535 in all), or lower the goal" in finding.next_step
    )  # .055 would be too wide a tolerance
    more = one(split(data(750), test=0.4), "power", planned_rungs=5)
    assert "or accept a tolerance of 0.04, which these examples carry" in more.next_step


@pytest.mark.slow
def test_power_at_the_ceiling_and_with_enough_rows():
    assert one(split(data(300)), "power", task(goal=1.0, tolerance=0.02)).measured["truth"] == 1.0
    enough = one(split(data(1800)), "power")
    assert (enough.severity, enough.next_step) == ("note", "Nothing to do.")


def test_grouped_rows_count_for_less():
    rows = tuple(replace(e, group=f"g{i % 40}") for i, e in enumerate(data(400).examples))
    parts = split(Dataset(rows, "x"))
    finding = one(parts, "power", planned_rungs=3)
    assert finding.measured["effective"] < len(parts.test)
    assert "groups (worth about" in finding.message
    bring = math.ceil(finding.measured["examples_needed"] * len(parts.test) / finding.measured["effective"])
    in_all = round(bring * len(rows) / len(parts.test))
    assert (
        f"bring {bring:,} test examples (about {in_all:,} in all)" in finding.next_step
    )  # of both sorts the grouped ones
    [told, gain] = power_lines(task(), parts, 3)
    assert told == f"{finding.message} {finding.next_step}"  # `rung plan` says what `rung check` says
    assert gain.startswith("The minimum detectable effect is ")
    few = tuple(replace(e, group=f"g{i % 15}") for i, e in enumerate(data(400).examples))
    assert "come from only" in one(split(Dataset(few, "x")), "power").message


@pytest.mark.slow
def test_visible_gain_against_worth_it():
    parts = split(data(500))
    assert one(parts, "visible-gain").severity == "warn"
    assert "too small for min_gain 2 points" in one(parts, "visible-gain").message
    assert one(parts, "visible-gain", task(min_gain=0.2)).severity == "note"


# --- duplicates, conflicts, leakage


def with_rows(rows, changes):
    return Dataset(tuple(replace(e, **changes.get(i, {})) for i, e in enumerate(rows.examples)), rows.source)


def test_duplicates_are_counted_and_named_outside_test_only():
    rows = data(300)
    base = rows.examples
    changes = {i: {"inputs": {"q": base[0].inputs["q"].upper()}} for i in (50, 51)}
    changes |= {60: {"inputs": {"q": base[1].inputs["q"] + "!"}}}
    for seed in range(6):
        parts = split(with_rows(rows, changes), seed=seed)
        equal, near = one(parts, "duplicates"), one(parts, "near-duplicates")
        assert equal.measured == {"extra": 2, "texts": 1}
        assert near.measured == {"pairs": 1, "rows": 2, "largest": 2}
        test_ids = {e.id for e in parts.test}
        for finding, cluster in ((equal, {"id0000", "id0050", "id0051"}), (near, {"id0001", "id0060"})):
            in_test = bool(cluster & test_ids)
            assert set(finding.example_ids) == (set() if in_test else cluster)
            assert ("in the sealed test set" in finding.message) == in_test
    assert not found(split(rows), "duplicates")


def test_conflicts_real_and_of_case():
    rows = data(300)
    same = {"q": rows.examples[0].inputs["q"]}
    parts = split(with_rows(rows, {1: {"inputs": same}, 2: {"inputs": same}}), seed=0)
    finding = one(parts, "conflicts")
    assert finding.severity == "warn"
    assert finding.message.startswith(
        "1 input has expected outputs that differ from example to example (3 examples, at least 2 of them"
    )
    case = split(with_rows(rows, {3: {"inputs": same, "target": "BILL"}}), seed=0)
    assert one(case, "conflicts").severity == "note"
    assert not found(split(rows), "conflicts")


def test_leakage_of_given_files_by_reason():
    train, held = data(200), [replace(e, id=f"t{i}", group=f"t{i}") for i, e in enumerate(data(240).examples[200:])]
    held[0] = replace(held[0], inputs=dict(train.examples[3].inputs))
    held[1] = replace(held[1], inputs={"q": train.examples[4].inputs["q"] + "?"})
    parts = split_given(train, Dataset(tuple(held), "test.csv"))
    why = {f.measured["why"]: f for f in found(parts, "leakage")}
    assert set(why) == {"equal", "near"}
    assert why["equal"].example_ids == ("id0003",)
    assert why["near"].example_ids == ("id0004",)
    assert why["equal"].message == "1 training example has the text of a test example (1 test example concerned)."
    assert "They are set aside" in why["equal"].next_step


def test_an_input_that_holds_the_answer():
    rows = Dataset(tuple(replace(e, inputs={**e.inputs, "queue": e.target}) for e in data(100).examples), "x")
    finding = one(split(rows), "leakage", task(inputs=("q", "queue")))
    assert "the input column 'queue' holds the expected output itself in 100 % of the examples" in finding.message


def test_label_spelling():
    rows = with_rows(data(200), {i: {"target": "Bill "} for i in range(0, 60, 3)})
    finding = one(split(rows), "label-spelling")
    assert finding.message.endswith("'Bill ' -> 'bill'.")
    assert finding.message.startswith("1 label is spelt in more than one way (")
    assert finding.measured["corrections"] == {"Bill ": "bill"}
    assert "rung data clean --accept label-spelling" in finding.next_step


# --- balance and length


def test_one_label_stops():
    finding = one(split(data(60, labels=("bill",))), "balance")
    assert finding.severity == "stop"
    assert finding.message == "every example has the expected output 'bill': there is nothing to tell apart."
    two_spellings = with_rows(data(60, labels=("bill",)), {i: {"target": "BILL"} for i in range(0, 60, 2)})
    assert one(split(two_spellings), "balance").severity == "stop"


def test_answers_that_are_no_labels():
    rows = Dataset(tuple(replace(e, target=f"answer {e.id}") for e in data(60).examples), "x")
    assert "do not look like labels" in one(split(rows), "balance").message
    assert not found(split(rows, kind="generation"), "balance", task("generation"))


def test_majority_that_reaches_the_goal_and_rare_labels():
    rows = with_rows(data(300, labels=("bill",)), {i: {"target": "rare"} for i in range(6)})
    parts = split(rows)
    reached = one(parts, "balance")
    assert (reached.severity, "which reaches the goal 0.9" in reached.message) == ("stop", True)
    guarded = task(floors=(Floor(0.8, 0.02, "recall", "rare"),))
    assert one(parts, "balance", guarded).severity == "note"  # always the commonest is not good enough there
    of_the_commonest = task(floors=(Floor(0.8, 0.02, "recall", "bill"),))
    assert one(parts, "balance", of_the_commonest).severity == "stop"
    rare = one(parts, "rare-labels")
    assert "1 label has fewer than 5 training examples: 'rare'" in rare.message
    visible = {e.id for e in (*parts.train, *parts.dev) if e.target == "rare"}
    assert set(rare.example_ids) == visible


def test_labels_of_the_test_part_alone_are_counted_not_named():
    held = Dataset(
        tuple(
            replace(e, id="t" + e.id, group="t" + e.id, inputs={"q": text("ship", 900 + i)}, target="zzz-new")
            for i, e in enumerate(data(10).examples)
        ),
        "t",
    )
    parts = split_given(data(200), held)
    finding = one(parts, "unseen-labels")
    assert finding.measured == {"test_rows": 10, "labels": 1}
    assert "zzz-new" not in repr(audit(parts, task()))


def test_length_against_context_and_empty_inputs():
    rows = with_rows(data(200), {5: {"inputs": {"q": "long " * 2000}}, 9: {"inputs": {"q": " "}}})
    parts = split(rows, seed=1)
    findings = {
        (f.check, f.severity): f for f in audit(parts, task(), checks=("length",), models={"main": {"context": 512}})
    }
    over = findings["length", "warn"]
    assert over.message.startswith("1 example may exceed the context of main (512 tokens)")
    assert "models.main.context" in over.next_step
    assert findings["empty-inputs", "warn"].measured == {"rows": 1}
    assert findings["length", "note"].measured["longest_tokens"] > 3000
    assert len(found(parts, "length", models={"main": {"context": 100_000}})) == 1
    assert len(found(parts, "length", models={"main": {"name": "unknown context"}})) == 1


# --- suspect labels


def test_suspects_on_a_hand_made_case():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.15, 0.85], [0.45, 0.55]])
    got = suspects(p, [0, 0, 0, 1, 1, 1])
    # means: label 0 (.9 + .8 + .1) / 3 = .6, label 1 (.8 + .85 + .55) / 3 = .7333
    assert [(s.row, s.given, s.guessed, s.confidence) for s in got] == [(2, 0, 1, 0.1)]
    assert suspects(p[:2], [0, 0]) == ()


def test_suspects_refuse_other_shapes():
    with pytest.raises(ValueError, match="one example for each is needed"):
        suspects([[0.5, 0.5]], [0, 1])


def test_flipped_labels_are_found():
    rng = random.Random(1)
    rows = data(900)
    flipped = {
        i: {"target": {"bill": "ship", "ship": "login", "login": "bill"}[rows.examples[i].target]}
        for i in rng.sample(range(900), 45)
    }
    parts = split(with_rows(rows, flipped), seed=2)
    finding = one(parts, "suspect-labels")
    wrong = {f"id{i:04d}" for i in flipped}
    seen = set(finding.example_ids)
    assert len(seen & wrong) >= 0.9 * len(seen)
    assert finding.measured["suspects"] >= 0.8 * len(flipped)
    assert 0.8 <= finding.measured["in_test"] / sum(e.id in wrong for e in parts.test) <= 1.2
    assert not seen & {e.id for e in parts.test}


def test_labels_that_words_do_not_decide_are_not_contradicted():
    rng = random.Random(4)
    rows = data(300)
    drawn = {i: {"target": rng.choice(("bill", "ship", "login"))} for i in range(300)}
    finding = one(split(with_rows(rows, drawn)), "suspect-labels")
    assert (finding.severity, finding.example_ids) == ("note", ())
    assert "labels were not judged: a word model that never saw the example is right on 3" in finding.message
    assert "hardly more than always answering the commonest label" in finding.message


def test_no_suspects_where_nothing_can_be_learnt():
    no_words = Dataset(tuple(replace(e, inputs={"q": f"{i % 7} ?"}) for i, e in enumerate(data(60).examples)), "x")
    assert not found(split(no_words), "suspect-labels")
    assert not found(split(data(60, labels=("bill",))), "suspect-labels")
    assert not found(split(data(60), kind="generation"), "suspect-labels", task("generation"))


# --- the whole


def test_worst_first_progress_and_purity():
    parts = split(data(60, labels=("bill",)))
    heard = []
    first = audit(parts, task(), on_check=heard.append)
    assert heard == list(CHECKS)
    assert first[0].severity == "stop"
    order = ["stop", "warn", "note"]
    assert [f.severity for f in first] == sorted((f.severity for f in first), key=order.index)
    assert audit(parts, task()) == first


def test_no_finding_shows_a_test_row():
    rows = data(300)
    same = {i: {"inputs": {"q": rows.examples[i % 20].inputs["q"]}} for i in range(100)}
    parts = split(with_rows(rows, same), seed=4)
    said = repr(audit(parts, task()))
    for e in parts.test:
        assert e.inputs["q"] not in said
        assert f"'{e.id}'" not in said


def test_a_plan_says_of_grouped_test_rows_what_the_audit_says():
    test = tuple(Example(f"e{i}", {"text": f"t {i}"}, "a", f"g{i % 24}") for i in range(97))
    task = Task("t", "Do.", ("text",), "team", "classification", (MetricSpec("normalized_match"),), 0.9)
    said = " ".join(power_lines(task, Parts(test[:2], test[:2], test, 7, Duplicates((), (), ())), 3))
    assert "97 test examples in 24 groups (worth about 84 independent examples)" in said
    assert "No gain between two approaches is visible" in said


def test_the_labels_of_many_rows_are_judged_on_a_sample_and_the_finding_says_so():
    rows = data(300).examples
    wrong = tuple(replace(e, target="ship") if i % 15 == 0 else e for i, e in enumerate(rows))
    parts = split(Dataset(wrong, "rows.csv"))
    whole = AuditInput(parts, task())
    sample = AuditInput(parts, task(), judged_rows=200)
    assert whole.judged == whole.rows
    assert whole.judged_in_words == ""
    assert sample.judged == tuple(sample.rows[i * 300 // 200] for i in range(200))
    (found,) = [f for f in check_noise(sample) if f.check == "suspect-labels"]
    assert found.message.endswith(" Looked at were 200 of 300 examples, evenly spread.")
    assert found.measured["rows"] == 200


def _guessed(rng: np.random.Generator, n: int, right: float, flipped: float) -> tuple[np.ndarray, list[int], set[int]]:
    """Probabilities of a model that is right on so many of n examples (four labels), the labels given, the flipped ones."""
    truth = rng.integers(0, 4, n)
    p = rng.dirichlet([1.0] * 4, n)
    top = p.max(axis=1)
    for i in range(n):  # the likelier it is in its own words, the more often it is right
        wanted = truth[i] if rng.random() < min(0.98, right + 0.6 * (top[i] - top.mean())) else (truth[i] + 1) % 4
        best = int(p[i].argmax())
        p[i, best], p[i, wanted] = p[i, wanted], p[i, best]
    bad = {int(i) for i in rng.choice(n, int(flipped * n), replace=False)}
    return p, [int((truth[i] + 2) % 4) if i in bad else int(truth[i]) for i in range(n)], bad


def test_a_model_that_knows_little_doubts_few_labels_and_one_that_knows_much_finds_the_wrong_ones():
    rng = np.random.default_rng(5)
    p, labels, _ = _guessed(rng, 2000, right=0.5, flipped=0.0)
    assert len(suspects(p, labels)) <= 0.15 * 2000  # it contradicts half of the labels, which are all right
    p, labels, bad = _guessed(rng, 2000, right=0.9, flipped=0.1)
    found = {s.row for s in suspects(p, labels)}
    assert len(found & bad) >= 0.6 * len(bad)
