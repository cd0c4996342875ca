"""The audit of free text: fields against texts, outputs that do not fit, odd outputs, contradictions, private data, the ceiling."""

from __future__ import annotations

import json
import random

import pytest

from rung.data.audit import audit
from rung.data.audit._slots import fields_of
from rung.data.audit.audit_input import AuditInput
from rung.data.audit.noise import find_noise
from rung.data.audit.odd import odd_outputs
from rung.data.audit.private import is_card, is_iban, masked, spots
from rung.data.split import split
from rung.types import Dataset, Example, MetricSpec, Task

SAID = {
    "colour": {"red": ["crimson", "a deep red"], "blue": ["navy", "sky blue"], "green": ["olive", "forest green"]},
    "size": {"small": ["tiny", "rather small"], "large": ["huge", "really big"]},
    "guests": {"yes": ["welcomes guests", "guests may stay"], "no": ["takes no guests", "is closed to guests"]},
}
NAMES = [a + b for a in ("Ara", "Beo", "Cul", "Dor", "Eri") for b in ("lan", "mond", "tis", "vale")]
FILLER = ["the house stands", "near the lake", "by a mill", "on the hill", "people like it", "it was built long ago"]


def task(kind="extraction", metric="json_fields", goal=0.9):
    return Task("t", "Read it.", ("q",), "a", kind, (MetricSpec(metric),), goal)


def parts_of(pairs, kind="extraction"):
    rows = tuple(Example(f"r{i:04d}", {"q": q}, a, f"r{i:04d}") for i, (q, a) in enumerate(pairs))
    return split(Dataset(rows, "rows.jsonl"), kind=kind)


def houses(n, wrong=0.2, seed=3):
    """Return (text, fields) pairs and the places whose fields say more than the text, or less."""
    rng = random.Random(seed)
    pairs, bad = [], set()
    for i in range(n):
        fields = {"name": rng.choice(NAMES)}
        said = [fields["name"], *rng.sample(FILLER, 3)]
        for slot, values in SAID.items():
            if rng.random() < 0.7:
                fields[slot] = rng.choice(list(values))
                said.append(rng.choice(values[fields[slot]]))
        if rng.random() < wrong:
            slot = rng.choice(list(SAID))
            if slot in fields and rng.random() < 0.5:
                del fields[slot]
                bad.add(i)
            elif slot not in fields:
                fields[slot] = rng.choice(list(SAID[slot]))
                bad.add(i)
        rng.shuffle(said)
        pairs.append((", ".join(said) + f". {i}", json.dumps(fields)))
    return pairs, bad


def by_check(findings, check):
    return [f for f in findings if f.check == check]


# --- fields


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (['{"a": "x", "b": {"c": 1}, "d": ["y", "z"], "e": null}', "{}"], {"a": "x", "b.c": "1", "d": "y\nz"}),
        (
            ["name[The Eagle], customer rating[5 out of 5]", "a[b]"],
            {"name": "The Eagle", "customer rating": "5 out of 5"},
        ),
        (["team: billing\nurgency: high", "team: login\nurgency: low"], {"team": "billing", "urgency": "high"}),
        (["a=1; b=2", "a=3; b=4"], {"a": "1", "b": "2"}),
    ],
)
def test_forms_of_fields(texts, first):
    assert fields_of(texts)[0] == first


@pytest.mark.parametrize("texts", [["plain words", "more words"], ["{}", "{}"], [], ["SELECT a FROM b", "x: y"]])
def test_texts_without_fields(texts):
    assert fields_of(texts) is None


@pytest.mark.slow
@pytest.mark.parametrize("turned", [False, True])
def test_fields_that_disagree_with_the_text_are_found_whichever_side_holds_them(turned):
    pairs, bad = houses(1_200)
    pairs = [(a, q) for q, a in pairs] if turned else pairs
    kind = "generation" if turned else "extraction"
    noise = find_noise(AuditInput(parts_of(pairs, kind), task(kind)))
    assert noise.way == "fields"
    assert {"colour", "size", "guests"} <= set(noise.fields)
    named = {int(d.id[1:]) for d in noise.doubts}
    assert len(named & bad) / len(named) > 0.9
    assert len(named & bad) / len(bad) > 0.8


@pytest.mark.slow
def test_the_finding_counts_test_rows_and_names_none():
    pairs, _ = houses(1_200)
    parts = parts_of(pairs)
    findings = audit(parts, task(), checks=("suspect labels",))
    [finding] = by_check(findings, "suspect-outputs")
    sealed = {e.id for e in parts.test}
    assert finding.severity == "warn"
    assert finding.measured["in_test"] > 0
    assert not sealed & set(finding.example_ids)
    assert "rung data clean --accept suspect-outputs" in finding.next_step


def test_clean_fields_are_left_alone():
    pairs, _ = houses(1_200, wrong=0.0)
    noise = find_noise(AuditInput(parts_of(pairs), task()))
    assert len(noise.doubts) < 0.02 * 1_200


# --- pairs


def facts(n, wrong=0.0, seed=5):
    rng = random.Random(seed)
    stems = [f"{a}{b}" for a in ("ban", "shi", "woo", "rai") for b in ("ko", "pu", "da", "ni", "le", "mi")]
    topics = {stem: [stem + k for k in "abcdefgh"] for stem in stems}
    pairs = []
    for i in range(n):
        words = topics[rng.choice(list(topics))]
        asked, told = rng.sample(words, 4), rng.sample(words, 4)
        pairs.append(
            (f"what about {' '.join(asked)} {i % 7}", f"it is said that {' '.join(told)} matter most here {i % 5}")
        )
    bad = rng.sample(range(n), int(wrong * n))
    outputs = [pairs[i][1] for i in bad]
    for i, output in zip(bad, outputs[1:] + outputs[:1], strict=True):
        pairs[i] = (pairs[i][0], output)
    return pairs, set(bad)


@pytest.mark.slow
def test_outputs_that_belong_to_other_inputs_are_found_and_their_share_estimated():
    pairs, bad = facts(1_500, wrong=0.1)
    noise = find_noise(AuditInput(parts_of(pairs, "generation"), task("generation", "token_f1")))
    if noise is None:
        pytest.fail("input and output are tied in this world")
    named = {int(d.id[1:]) for d in noise.doubts}
    assert noise.way == "pairs"
    assert len(named & bad) / len(named) > 0.7
    assert noise.wrong[0] <= 0.1 <= noise.wrong[2]


def test_texts_that_do_not_foretell_each_other_are_not_judged():
    rng = random.Random(1)
    words = [f"w{i}" for i in range(80)]
    pairs = [(" ".join(rng.sample(words, 6)), " ".join(rng.sample(words, 6))) for _ in range(600)]
    assert find_noise(AuditInput(parts_of(pairs, "generation"), task("generation", "token_f1"))) is None


# --- the ceiling


@pytest.mark.slow
def test_a_goal_above_what_the_labels_allow_is_said():
    pairs, bad = houses(1_500, wrong=0.5)
    parts = parts_of(pairs)
    [high] = by_check(audit(parts, task(metric="normalized_match", goal=0.98), checks=("suspect labels",)), "ceiling")
    measured = high.measured
    assert high.severity == "warn"
    assert high.message.startswith("0.98 is above what these labels allow: about 0.")
    assert measured["low"] <= 1 - len(bad) / len(pairs) <= measured["high"]
    [low] = by_check(audit(parts, task(metric="normalized_match", goal=0.3), checks=("suspect labels",)), "ceiling")
    assert (low.severity, low.next_step) == ("note", "Nothing to do.")
    [graded] = by_check(audit(parts, task(metric="json_fields", goal=0.3), checks=("suspect labels",)), "ceiling")
    assert graded.measured["ceiling"] > measured["ceiling"]  # a wrong field costs a part of the row only
    assert not by_check(audit(parts, task(metric="python"), checks=("suspect labels",)), "ceiling")


# --- odd outputs and contradictions


def test_odd_outputs():
    pairs = [(f"question number {i} about things", f"an answer with several words {i} and more") for i in range(200)]
    pairs[3] = (pairs[3][0], "I'm sorry, but as an AI language model I cannot help with that.")
    pairs[4] = (pairs[4][0], "N/A")
    pairs[5] = (pairs[5][0], pairs[5][0].upper())
    pairs[6] = (pairs[6][0], "long " * 2_000)
    parts = parts_of(pairs, "generation")
    found = odd_outputs(AuditInput(parts, task("generation", "token_f1")))
    assert {k: v for k, v in found.items() if k != "odd length"} == {
        "refusal": ("r0003",),
        "placeholder": ("r0004",),
        "echo of the input": ("r0005",),
    }
    assert "r0006" in found["odd length"]
    usual = [(q, "N/A" if i % 2 else a) for i, (q, a) in enumerate(pairs)]
    assert "placeholder" not in odd_outputs(AuditInput(parts_of(usual, "generation"), task("generation", "token_f1")))
    assert not odd_outputs(AuditInput(parts, task()))


def test_near_inputs_with_other_labels():
    rng = random.Random(2)
    base = [("".join(rng.choice("abcdefghij ") for _ in range(90)), "abc"[i % 3]) for i in range(60)]
    twin = (base[0][0] + " thanks", "c")
    parts = parts_of([*base, twin], "classification")
    found = by_check(
        audit(parts, task("classification", "normalized_match"), checks=("contradictions",)), "contradictions"
    )
    assert [f.measured["pairs"] for f in found] == [1]
    agreed = parts_of([*base, (twin[0], base[0][1])], "classification")
    assert not audit(agreed, task("classification", "normalized_match"), checks=("contradictions",))


def test_several_wordings_of_free_text_are_no_conflict():
    pairs = [(f"question {i // 2} of the day", f"wording {i} of an answer") for i in range(60)]
    [finding] = by_check(
        audit(parts_of(pairs, "generation"), task("generation", "token_f1"), checks=("conflicts",)), "conflicts"
    )
    assert finding.severity == "note"
    assert (
        "30 inputs stand in several examples with different outputs (60 examples, 24 of them in the sealed test set)"
        in finding.message
    )
    assert "task.accepted_answers" in finding.next_step


# --- private data

CARD, IBAN = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"
KEY = "sk-" + "a1B2" * 8
PRIVATE = [
    ("e-mail", "write to anna.b+x@mail.example.org please", "write to [e-mail] please"),
    ("phone number", "call +44 20 7946 0958 today", "call [phone number] today"),
    ("phone number", "call 555-867-5309.", "call [phone number]."),
    ("card number", f"paid with {CARD}, twice", "paid with [card number], twice"),
    ("IBAN", f"to {IBAN} please", "to [IBAN] please"),
    ("key", f"use {KEY} here", "use [key] here"),
    ("key", "AKIA" + "ABCD" * 4, "[key]"),
    ("password", "password: hunter2hunter", "password: [password]"),
    ("private key", "-----BEGIN RSA PRIVATE KEY----- abc", "[private key] abc"),
]


@pytest.mark.parametrize(("kind", "text", "hidden"), PRIVATE)
def test_private_data_is_seen_and_masked(kind, text, hidden):
    assert [s.kind for s in spots(text)] == [kind]
    assert masked(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        *(
            "order 4111 1111 1111 1112",
            "DE89 3704 0044 0532 0130 01",
            "on 08/31/2018 or 31.08.2018",
            "0000 0000 0000 0000",
        ),
        *(
            "version 1.2.3.4",
            "call me at 5pm",
            "a@b",
            "the password is secret",
            "2018-08-31 10:15",
            "9.99 or 1,234,567.89",
        ),
        *("SELECT COURSE.NUMBER = 550", "id 20261122", "task-sk-1", "token: a word"),
    ],
)
def test_what_looks_like_private_data_only(text):
    assert spots(text) == []
    assert masked(text) == text


def test_check_digits():
    assert is_card("4111111111111111")
    assert not is_card("4111111111111112")
    assert not is_card("0000000000000000")
    assert is_iban("GB82WEST12345698765432")
    assert not is_iban("GB82WEST12345698765433")


def test_secrets_are_counted_and_never_shown():
    pairs = [(f"ticket {i} about a thing", "abc"[i % 3]) for i in range(60)]
    pairs[0] = (f"my key {KEY}", "a")
    pairs[1] = ("mail anna@mail.example.org", "b")
    pairs[2] = ("paid", CARD)
    parts = parts_of(pairs, "classification")
    findings = audit(parts, task("classification", "normalized_match"), checks=("personal data",))
    kinds = {f.check: (f.severity, f.measured["by_kind"]) for f in findings}
    assert kinds == {
        "secrets": ("warn", {"key": 1}),
        "personal-data": ("note", {"e-mail": 1, "card number": 1}),
    }
    assert KEY not in str(findings)
    assert "anna" not in str(findings)
    assert "1111" not in str(findings)
