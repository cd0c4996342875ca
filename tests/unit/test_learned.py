"""What a candidate learned is a tagged value: it survives JSON, answers questions, and refuses what it is not."""

import json
from dataclasses import FrozenInstanceError, replace

import pytest
from pydantic import TypeAdapter, ValidationError

from rung.errors import IntegrityError, UnknownPlugin
from rung.store.folder import from_json, to_json
from rung.types import (
    LEARNED_KINDS,
    BaselineLearned,
    Candidate,
    Choice,
    Demonstration,
    FewShotLearned,
    Finding,
    Message,
    PromptLearned,
    RagLearned,
    TunedLearned,
    Weights,
    learned_as,
)

CHAT = {"messages": (Message("system", "Sort it."), Message("user", "{{text}}")), "columns": ("text",)}
SHOWN = (Demonstration("t1", {"text": "é \u202e"}, "billing"),)
WEIGHTS = Weights("tuned/a/step-3", "0" * 64, "adapter")
LEARNED = [
    BaselineLearned(method="linear", rows=(("text", "billing"),), penalty=1.0),
    BaselineLearned(method="majority", answer="billing"),
    PromptLearned(**CHAT),
    FewShotLearned(**CHAT, demonstrations=SHOWN, k=1, nearest=1, selection="nearest"),
    RagLearned(**CHAT, choice=Choice(k=2, chunk_words=60, cite=True), phrase="unknown", told={"t1": "a.md"}),
    TunedLearned(**CHAT, weights=WEIGHTS, base="main", tuner="lora", under="short", rows=9, forced=("few rows",)),
]


def candidate(learned, rung="any"):
    return Candidate(rung, "one", learned, "main", ("t1",))


def test_every_kind_is_tried():
    assert {learned.kind for learned in LEARNED} == set(LEARNED_KINDS)


@pytest.mark.parametrize("learned", LEARNED, ids=lambda x: x.kind)
def test_a_candidate_survives_json(learned):
    one = candidate(learned)
    stored = to_json(one, Candidate)
    assert json.loads(stored)["learned"]["kind"] == learned.kind
    again = from_json(stored, Candidate)
    assert again == one
    assert again.id == one.id
    assert type(again.learned) is type(learned)
    assert TypeAdapter(Candidate).validate_json(stored) == one  # our own kinds need no table of plug-ins


def test_the_id_changes_with_anything_that_was_learned():
    one = candidate(LEARNED[4])
    assert one.id != replace(one, learned=replace(LEARNED[4], choice=Choice(k=3, chunk_words=60, cite=True))).id
    assert one.id != replace(one, learned=replace(LEARNED[4], documents_sha256="f" * 64)).id
    assert one.id != replace(one, model="large").id
    assert one.id == replace(one, trained_on=()).id
    with pytest.raises(FrozenInstanceError):
        one.learned.phrase = "changed"


def test_a_candidate_answers_questions():
    baseline, _, prompt, shots, rag, tuned = map(candidate, LEARNED)
    assert [c.prompt is not None for c in (baseline, prompt, shots, rag, tuned)] == [False, True, True, True, True]
    assert [c.tuned for c in (prompt, tuned)] == [None, WEIGHTS]
    assert [c.forced for c in (rag, tuned)] == [(), ("few rows",)]
    assert [c.demonstrations for c in (baseline, shots)] == [(), SHOWN]
    assert (tuned.forgets, replace(tuned, learned=replace(tuned.learned, forgets="sums")).forgets) == (None, "sums")
    assert shots.learned.settings == {"nearest": 1, "k": 1, "selection": "nearest"}
    assert rag.learned.settings["chunk_words"] == 60
    assert "messages" not in rag.learned.settings


def test_what_a_candidate_is_not_is_said():
    with pytest.raises(
        ValueError, match="candidate 'one' of the approach 'any' holds a PromptLearned, not a RagLearned"
    ):
        learned_as(candidate(LEARNED[2]), RagLearned)
    stored = json.loads(to_json(candidate(LEARNED[2]), Candidate))
    for kind, error, said in (
        ("cards", UnknownPlugin, "a stored candidate learned 'cards', which no installed approach knows"),
        (None, IntegrityError, "damaged at learned: .*what a candidate learned carries its kind"),
    ):
        stored["learned"]["kind"] = kind
        with pytest.raises(error, match=said):
            from_json(json.dumps(stored), Candidate)
    stored["learned"]["kind"] = "cards"
    with pytest.raises(ValidationError, match="no approach learns the kind 'cards'; there are: baseline, prompt"):
        TypeAdapter(Candidate).validate_python(stored)
    stored["learned"] |= {"kind": "rag"}
    with pytest.raises(IntegrityError, match="damaged at learned"):
        from_json(json.dumps(stored), Candidate)


def test_a_finding_tells_its_numbers_as_numbers():
    found = Finding("ceiling", "warn", "m", "n", measured={"ceiling": 0.91, "why": "labels"})
    assert found.number("ceiling") == 0.91
    with pytest.raises(TypeError, match="finding 'ceiling': why is 'labels', no number"):
        found.number("why")
