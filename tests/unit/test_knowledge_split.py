"""The knowledge split: closed book, with found passages, with the gold passage; every failure gets exactly one name."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest

from rung.decide.knowledge import lacks_facts
from rung.diagnosis import knowledge as split_of
from rung.diagnosis.experiments import ExperimentBudget
from rung.diagnosis.failed_examples import FailedExamples, Subject
from rung.diagnosis.knowledge import Seen
from rung.diagnosis.run import diagnose
from rung.errors import NotOffered
from rung.rungs.prompt import Prompt
from rung.rungs.rag import Rag
from rung.types import Example, FitInput
from tests.unit import _catalogue as world

TRAIN, DEV = world.rows(40, "train"), world.rows(40, "dev")


def climbed(documents, rung=None, rows=DEV, **fake):
    kit = world.kit((*TRAIN, *rows), documents, **fake)
    fitted = asyncio.run((rung or Rag()).fit(FitInput(world.task(), tuple(TRAIN), tuple(rows)), kit))
    label = "rag" if rung is None or isinstance(rung, Rag) else "prompt"
    return kit, Subject.of(label, fitted, FitInput(world.task(), tuple(TRAIN), tuple(rows)), {})


@cache
def lacking():
    """What is told of a model that lacks the facts alone, with passages: found once."""
    kit, subject = climbed(world.document_index())
    return asyncio.run(diagnose(subject, kit)).knowledge


def counts(causes):
    return {c.name: c.count for c in causes}


@pytest.mark.parametrize(
    ("row", "closed", "opened"),
    [
        (Seen("r", True, True, True, True), None, None),
        (Seen("r", True, False, True, True), None, "hurt by passages"),
        (Seen("r", False, True, True, True), "does not know", None),
        (Seen("r", False, False, True, False), "not retrieved", "not retrieved"),
        (Seen("r", False, False, True, True), "retrieved but not used", "retrieved but not used"),
        (Seen("r", False, False, False, True), "not a knowledge problem", "not a knowledge problem"),
        (Seen("r", False, False, None, False), "no passage known", "no passage known"),
        (Seen("r", False, False, None, False, True), "does not know", "does not know"),
    ],
)
def test_every_failure_has_exactly_one_name(row, closed, opened):
    assert (row.why_closed(), row.why_retrieved()) == (closed, opened)


@pytest.mark.slow
def test_a_model_that_only_lacks_the_facts():
    found = lacking()
    assert counts(found.causes) == {"does not know": 40}
    assert found.failures == ()
    assert found.paired == {"wrong, right, right": 40}
    assert (found.closed.mean, found.retrieved.mean, found.gold.mean, found.gold.n) == (0.0, 1.0, 1.0, 40)
    assert found.search["recall_at_1"] == 1.0


@pytest.mark.slow
def test_facts_that_the_search_cannot_find_are_not_retrieved():
    documents = world.document_index()
    for name in list(documents.texts)[:30]:  # the product's name is hidden from the search by its spelling
        documents.texts[name] = documents.texts[name].replace("# ", "").replace("The ", "The\u00ad ")
    documents.texts = {
        n: f"{t} {' '.join(DEV[0].inputs['question'].split())}" if i % 2 else t
        for i, (n, t) in enumerate(documents.texts.items())
    }
    kit, subject = climbed(documents, Rag(k=[1], chunk_words=[60], stuff_tokens=0))
    found = asyncio.run(diagnose(subject, kit)).knowledge
    assert sum(counts(found.causes).values()) == 40
    assert sum(counts(found.failures).values()) == round(40 * (1 - found.retrieved.mean))
    assert set(counts(found.failures)) <= {
        "not retrieved",
        "no passage known",
        "retrieved but not used",
        "does not know",
    }


@pytest.mark.slow
def test_a_model_that_fails_with_the_fact_in_hand_has_no_knowledge_problem():
    kit, subject = climbed(world.document_index(), abilities={"base": 0.3}, rung=Rag(stuff_tokens=0))
    found = asyncio.run(diagnose(subject, kit, ExperimentBudget(0)))
    assert counts(found.knowledge.failures)["not a knowledge problem"] >= 20
    assert found.next_rung == "finetune"
    assert found.knowledge.gold.mean < 0.5


def test_a_prompt_that_lacks_facts_points_to_rag():
    kit, subject = climbed(world.document_index(), Prompt())
    found = asyncio.run(diagnose(subject, kit, ExperimentBudget(200)))
    [cause] = [c for c in found.experiments if c.name == "does not know"]
    assert cause.found_by == "experiment"
    assert cause.predicts.rung == "rag"
    assert cause.count == cause.share.n > 5
    assert found.next_rung == "rag"
    assert "pass (cause: does not know)" in found.sentence


def test_a_prompt_whose_failures_passages_do_not_mend_does_not():
    kit, subject = climbed(world.document_index(), Prompt(), reads=None, abilities={"base": 0.4})
    found = asyncio.run(diagnose(subject, kit, ExperimentBudget(200)))
    assert "not a knowledge problem" in {c.name for c in found.experiments}
    assert found.next_rung != "rag"


def test_without_documents_nothing_is_asked_for_it():
    kit, subject = climbed(None, Prompt())
    found = asyncio.run(diagnose(subject, kit, ExperimentBudget(200)))
    assert not {c.name for c in found.experiments} & set(split_of.KNOWLEDGE_CAUSES)
    with pytest.raises(NotOffered, match="documents"):
        asyncio.run(split_of.split(FailedExamples.of(subject, kit), kit))


@pytest.mark.slow
def test_abstention_is_an_outcome_of_its_own():
    unknown = tuple(
        Example(
            f"u{i}",
            {"question": f"What do you ask for the Zinnia lamp no. {i}?", "product": "Zinnia lamp"},
            "I do not know.",
            f"u{i}",
        )
        for i in range(10)
    )
    rows = (*DEV[:30], *unknown)
    kit, subject = climbed(world.document_index(), Rag(stuff_tokens=0), rows)
    assert [o.abstained for o in subject.outcomes] == [None] * 30 + ["right"] * 10
    found = asyncio.run(diagnose(subject, kit)).knowledge
    assert found.abstentions == {"right": 10}
    assert found.paired["right, right, -"] == 10


def test_the_gate_counts_the_facts_that_are_missing():
    found = lacking()
    assert lacks_facts(found.causes) == (40, 40)
    assert lacks_facts(found.failures) == (0, 0)
