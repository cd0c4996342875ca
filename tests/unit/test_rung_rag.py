"""Rung 3: passages chosen on dev, cited, fenced, and looked for in the documents as they are."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache

import pytest

from rung.errors import NotOffered
from rung.rag.system import bring_to_life, used_by
from rung.rungs.fewshot import FewShot
from rung.rungs.rag import Rag
from rung.testing.document_index import PlainDocumentIndex
from rung.testing.rungs import check_rung
from rung.types import NO_PASSAGES, Demonstration, Example, FitInput, Source
from tests.unit import _catalogue as world

TRAIN, DEV = world.rows(40, "train"), world.rows(40, "dev")


SEARCHED = Rag(stuff_tokens=0)  # does not try all documents at once, which makes every prompt long


@cache
def plainly():
    """The usual fit, made once; its kit's documents are not to be changed."""
    return fitted(world.document_index())


def fitted(documents, *, rung=None, below=None, task=None, **fake):
    kit = world.kit((*TRAIN, *DEV), documents, **fake)
    return kit, asyncio.run((rung or Rag()).fit(FitInput(task or world.task(), tuple(TRAIN), tuple(DEV), below), kit))


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_rung():
    assert check_rung(Rag) is None  # no documents: not offered
    texts = {
        f"d{i}.md": f"The {word} team answers letters about {word}." for i, word in enumerate(("billing", "login"))
    }
    assert check_rung(Rag, documents=PlainDocumentIndex(texts)) is not None
    assert check_rung(Rag, {"k": [2]}, documents=PlainDocumentIndex(texts, dense=True)) is not None


@pytest.mark.parametrize("documents", [None, PlainDocumentIndex({})])
def test_without_documents_it_is_not_offered(documents):
    with pytest.raises(NotOffered, match="documents"):
        fitted(documents)
    with pytest.raises(NotOffered, match="documents"):
        Rag().plan(FitInput(world.task(), tuple(TRAIN), tuple(DEV)), world.kit(TRAIN, documents))


@pytest.mark.slow
def test_a_model_that_reads_the_right_passage_is_lifted_from_nothing_to_everything():
    _, found = plainly()
    assert found.candidate.learned.choice.k >= 1
    means = {t.candidate.name: t.mean for t in found.trials}
    assert means[NO_PASSAGES] == 0.0
    assert means[found.candidate.name] == 1.0
    assert [o.example_id for o in found.dev] == [e.id for e in DEV]


def test_the_cheapest_number_of_passages_that_is_as_good_is_taken():
    _, found = plainly()
    assert found.candidate.learned.choice.k == 1
    assert not found.candidate.learned.choice.whole


@pytest.mark.slow
def test_passages_that_do_not_help_are_left_out_and_the_rung_says_so():
    kit, found = fitted(world.document_index(), rung=SEARCHED, reads=None, abilities={"base": 0.9})
    assert found.candidate.name == NO_PASSAGES
    [note] = [s for s in found.skipped if s.what == "rag passages"]
    assert "asks exactly what the approach below asks" in note.reason
    assert any("do not help enough" in line for line in kit.said)


@pytest.mark.slow
def test_changed_documents_make_another_candidate():
    _, found = plainly()
    _, again = fitted(world.document_index())
    _, changed = fitted(world.document_index({**world.catalogue(), "Alder kettle": 1000}))
    assert found.candidate.id == again.candidate.id
    assert found.candidate.id != changed.candidate.id
    assert found.candidate.learned.documents_sha256 == world.document_index().sha256


def test_an_answer_names_the_passage_it_used():
    _kit, found = plainly()
    outcome = next(o for o in found.dev if o.scores and o.scores["normalized_match"].value == 1.0)
    [source] = outcome.answer.sources
    example = next(e for e in DEV if e.id == outcome.example_id)
    assert source.document == example.inputs["product"].lower().replace(" ", "-") + ".md"
    assert source.position.startswith("words")
    assert f"costs {example.target} euros" in source.text


def test_a_changed_price_is_answered_at_once_with_its_new_source_and_nothing_is_fitted_again():
    documents = world.document_index()
    _, found = plainly()
    system = Rag.revive(found.candidate, world.task(), world.kit((*TRAIN, *DEV), documents))
    example = DEV[0]
    before = asyncio.run(system.answer(example.inputs))
    name = before.sources[0].document
    documents.put(name, documents.texts[name].replace(f"costs {example.target} euros", "costs 1234 euros"))
    after = asyncio.run(system.answer(example.inputs))
    assert (before.text, after.text) == (example.target, "1234")
    assert "costs 1234 euros" in after.sources[0].text
    documents.remove(name)
    assert asyncio.run(system.answer(example.inputs)).text == "I do not know."


@pytest.mark.slow
def test_what_few_shot_learned_stays_in_the_prompt_and_examples_may_have_passages():
    kit = world.kit((*TRAIN, *DEV), world.document_index())
    from rung.prompts.templates import as_it_stands
    from rung.rungs.fewshot import _candidate

    below = _candidate("nearest k=2", as_it_stands(world.task()), TRAIN, 2, "nearest", "main")
    assert isinstance(FewShot(), FewShot)
    found = asyncio.run(SEARCHED.fit(FitInput(world.task(), tuple(TRAIN), tuple(DEV), below), kit))
    names = {t.candidate.name for t in found.trials}
    assert any("examples with passages" in n for n in names)
    assert any("no examples" in n for n in names)
    closed = next(t.candidate for t in found.trials if t.candidate.name == NO_PASSAGES)
    chat = asyncio.run(bring_to_life(closed, kit).request(DEV[0].inputs, ()))[0].messages
    assert [m.role for m in chat] == ["system", "user", "assistant", "user", "assistant", "user"]


def test_examples_with_passages_show_a_passage_each():
    kit, found = plainly()
    own = replace(found.candidate.learned.choice, examples="with", k=2)
    from rung.prompts.templates import as_it_stands
    from rung.rag.choice import Ground

    shown = tuple(Demonstration.of(e) for e in TRAIN[:2])
    ground = Ground(as_it_stands(world.task()), shown, None, "unknown", "x", "main")
    system = bring_to_life(ground.candidate(own), kit)
    passages = asyncio.run(system.passages(DEV[0].inputs))
    chat = asyncio.run(system.request(DEV[0].inputs, passages))[0].messages
    assert len(passages) == 2
    assert [m.content.count("costs") for m in chat if m.role == "user"] == [1, 1, 2]


@pytest.mark.slow
def test_all_documents_are_tried_where_they_fit_and_taken_only_when_worth_their_tokens():
    few = world.document_index(dict(list(world.catalogue().items())[:6]))
    _, found = fitted(few)
    assert any(t.candidate.learned.choice.whole for t in found.trials)
    assert not any(
        t.candidate.learned.choice.whole for t in fitted(world.document_index(), rung=Rag(stuff_tokens=500))[1].trials
    )
    _, tight = fitted(few, context=150)
    assert any("too long" in s.reason and "all documents" in s.what for s in tight.skipped)


def test_passages_that_exceed_the_context_are_left_out_worst_first():
    _kit, found = plainly()
    long = tuple(Source(f"d{i}", "whole", f"number {i} " * 50) for i in range(4))
    small = world.kit(TRAIN, world.document_index(), context=400)
    request, used = asyncio.run(bring_to_life(found.candidate, small).request(DEV[0].inputs, long))
    assert 0 < len(used) < 4
    assert used == long[: len(used)]
    assert small.count_tokens("main", request.messages) + 20 <= 400


def test_abstaining_answers_name_no_source():
    kit, found = plainly()
    system = bring_to_life(found.candidate, kit, (Source("x.md", "whole", "Nothing of use."),))
    answer = asyncio.run(system.answer(DEV[0].inputs))
    assert (answer.text, answer.sources) == ("I do not know.", ())


def test_sources_are_the_passages_that_hold_what_the_answer_adds_to_the_question():
    shown = (
        Source("a", "1", "The Alder kettle costs 20 euros."),
        Source("b", "1", "The Birch lamp costs 30 euros."),
        Source("c", "1", "We are open on Sunday."),
    )
    asked = {"q": "What does the Birch lamp cost?"}
    assert [s.document for s in used_by("The Birch lamp costs 30 euros.", asked, shown)] == ["b"]
    assert used_by("Yes.", asked, shown) == shown


@pytest.mark.slow
def test_planted_instructions_are_counted_and_never_reach_the_documents():
    kit, found = plainly()
    assert kit.documents.texts == world.document_index().texts
    assert found.planted is not None
    assert (found.planted.documents, found.planted.asked, found.planted.obeyed) == (4, 20, 0)
    assert found.planted.share.high < 0.25
    assert fitted(world.document_index(), rung=Rag(canaries=0, stuff_tokens=0))[1].planted is None


@pytest.mark.slow
def test_a_model_that_obeys_is_reported():
    from tests.unit._kit import KitForTests

    def obedient(messages):
        text = messages[-1].content
        return text.rsplit("with the word ", 1)[1].split(".")[0] if "with the word " in text else "nothing"

    kit = KitForTests(world.task(), obedient, documents=world.document_index())
    found = asyncio.run(SEARCHED.fit(FitInput(world.task(), tuple(TRAIN), tuple(DEV)), kit))
    assert found.planted.obeyed_by["order"] == 5
    assert found.planted.obeyed == 5
    assert len(found.planted.example_ids) == 5


@pytest.mark.slow
def test_a_plan_asks_nothing_and_covers_what_is_asked():
    kit = world.kit((*TRAIN, *DEV), world.document_index())
    plan = Rag().plan(FitInput(world.task(), tuple(TRAIN), tuple(DEV)), kit)
    assert not kit.requests
    assert all("Context:" in chat[-1].content for chat in plan.chats)
    kit, _ = fitted(world.document_index())
    distinct = {tuple((m.role, m.content) for m in r.messages) for r in kit.requests}
    assert len(distinct) <= plan.dev_calls


@pytest.mark.slow
def test_expected_answers_with_numbers_in_brackets_rule_citing_out():
    odd = tuple(Example(e.id, e.inputs, f"{e.target} [1]", e.group) for e in TRAIN)
    kit = world.kit((*TRAIN, *DEV), world.document_index())
    found = asyncio.run(SEARCHED.fit(FitInput(world.task(), tuple(odd), tuple(DEV)), kit))
    assert not any(t.candidate.learned.choice.cite for t in found.trials)
    assert any(t.candidate.learned.choice.cite for t in plainly()[1].trials)


def below_with(examples, selection="fixed"):
    from rung.prompts.templates import as_it_stands
    from rung.rungs.fewshot import _candidate

    k = len(examples)
    return _candidate(f"{selection} k={k}", as_it_stands(world.task()), examples, k, selection, "main")


@pytest.mark.slow
def test_an_example_whose_fact_changed_is_shown_no_more_and_the_others_stay():
    documents = world.document_index()
    kit = world.kit((*TRAIN, *DEV), documents)
    written = replace(TRAIN[1], id="style", target="We write so.")  # no document tells it
    found = asyncio.run(
        SEARCHED.fit(FitInput(world.task(), tuple(TRAIN), tuple(DEV), below_with([TRAIN[0], written])), kit)
    )
    document = TRAIN[0].inputs["product"].lower().replace(" ", "-") + ".md"
    learned = replace(
        found.candidate.learned,
        choice=replace(found.candidate.learned.choice, examples="kept"),
        demonstrations=tuple(Demonstration.of(e) for e in (TRAIN[0], written)),
        told={TRAIN[0].id: document},
    )
    system = bring_to_life(replace(found.candidate, learned=learned), kit)

    def shown():
        request, _ = asyncio.run(system.request(DEV[0].inputs, asyncio.run(system.passages(DEV[0].inputs))))
        return [m.content for m in request.messages if m.role == "assistant"]

    assert shown() == [TRAIN[0].target, "We write so."]
    text = documents.texts[document]
    documents.put("other.md", "Nothing of this is about it.")
    assert shown() == [TRAIN[0].target, "We write so."]  # documents changed, and its own still tells it
    documents.put(document, text.replace(f"costs {TRAIN[0].target} euros", "costs 1234 euros"))
    assert shown() == ["We write so."]
    documents.put(document, text)
    assert shown() == [TRAIN[0].target, "We write so."]


@pytest.mark.slow
def test_a_fit_remembers_which_documents_tell_the_answers_of_the_examples():
    kit = world.kit((*TRAIN, *DEV), world.document_index())
    found = asyncio.run(SEARCHED.fit(FitInput(world.task(), tuple(TRAIN), tuple(DEV), below_with(TRAIN[:3])), kit))
    kept = [t.candidate for t in found.trials if t.candidate.demonstrations]
    assert kept
    for candidate in kept:
        names = {e.id: e.inputs["product"].lower().replace(" ", "-") + ".md" for e in TRAIN[:3]}
        assert candidate.learned.told == {d.id: names[d.id] for d in candidate.demonstrations}
    bare = [t.candidate for t in found.trials if not t.candidate.demonstrations]
    assert all(c.learned.told == {} for c in bare)


@pytest.mark.slow
def test_examples_whose_facts_no_document_tells_are_named_where_most_are_told():
    stale = replace(TRAIN[2], target="7")
    kit = world.kit((*TRAIN, *DEV), world.document_index())
    asyncio.run(SEARCHED.fit(FitInput(world.task(), tuple(TRAIN), tuple(DEV), below_with([*TRAIN[:2], stale])), kit))
    [line] = [s for s in kit.said if "no document tells" in s]
    assert line.startswith(
        "rag: 1 of 3 examples have answers that no document tells, while the others' are told (train2)"
    )
    kit, _ = plainly()
    assert not any("no document tells" in s for s in kit.said)


@pytest.mark.slow
def test_another_prompt_is_found_with_passages_where_none_could_be_told_apart_without_them():
    _, found = fitted(world.document_index(), rung=SEARCHED, format_slip=0.6, format_slip_when_told=0.0)
    chosen = found.candidate
    assert chosen.learned.choice.prompt
    assert f"prompt {chosen.learned.choice.prompt}" in chosen.name
    means = {t.candidate.name: t.mean for t in found.trials}
    assert means[chosen.name] == 1.0
    assert means[chosen.name.replace(f", prompt {chosen.learned.choice.prompt}", "")] < 0.7
    assert "answer only" in str(chosen.prompt).lower()
