"""Rung 3: passages chosen on dev, cited, fenced, and looked for in the documents as they are."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache

import pytest

from rung.errors import NotOffered
from rung.rungs._rag_choice import NO_PASSAGES, Choice
from rung.rungs._rag_system import bring_to_life, used_by
from rung.rungs.fewshot import FewShot
from rung.rungs.rag import Rag
from rung.testing.conformance import check_rung
from rung.testing.library import BareLibrary
from rung.types import Example, Source
from tests.unit import _catalogue as world

TRAIN, DEV = world.rows(40, "train"), world.rows(40, "dev")


@cache
def plainly():
    """The usual fit, made once; its kit's documents are not to be changed."""
    return fitted(world.library())


def fitted(documents, *, rung=None, below=None, task=None, **fake):
    kit = world.kit((*TRAIN, *DEV), documents, **fake)
    return kit, asyncio.run((rung or Rag()).fit(task or world.task(), TRAIN, DEV, kit, below, None))


def test_it_keeps_the_promises_of_a_rung():
    assert check_rung(Rag) is None  # no documents: not offered
    texts = {
        f"d{i}.md": f"The {word} team answers letters about {word}." for i, word in enumerate(("billing", "login"))
    }
    assert check_rung(Rag, documents=BareLibrary(texts)) is not None
    assert check_rung(Rag, {"k": [2]}, documents=BareLibrary(texts, dense=True)) is not None


@pytest.mark.parametrize("documents", [None, BareLibrary({})])
def test_without_documents_it_is_not_offered(documents):
    with pytest.raises(NotOffered, match="documents"):
        fitted(documents)
    with pytest.raises(NotOffered, match="documents"):
        Rag().plan(world.task(), TRAIN, DEV, world.kit(TRAIN, documents))


def test_a_model_that_reads_the_right_passage_is_lifted_from_nothing_to_everything():
    _, found = plainly()
    assert Choice.of(found.candidate.settings).k >= 1
    means = {t.candidate.name: t.mean for t in found.trials}
    assert means[NO_PASSAGES] == 0.0
    assert means[found.candidate.name] == 1.0
    assert [o.example_id for o in found.dev] == [e.id for e in DEV]


def test_the_cheapest_number_of_passages_that_is_as_good_is_taken():
    _, found = plainly()
    assert found.candidate.settings["k"] == 1
    assert not found.candidate.settings["whole"]


def test_passages_that_do_not_help_are_left_out_and_the_rung_says_so():
    kit, found = fitted(world.library(), reads=None, abilities={"base": 0.9})
    assert found.candidate.name == NO_PASSAGES
    [note] = [s for s in found.skipped if s.what == "rag passages"]
    assert "asks exactly what the rung below asks" in note.reason
    assert any("do not help enough" in line for line in kit.said)


def test_changed_documents_make_another_candidate():
    _, found = plainly()
    _, again = fitted(world.library())
    _, changed = fitted(world.library({**world.catalogue(), "Alder kettle": 1000}))
    assert found.candidate.id == again.candidate.id
    assert found.candidate.id != changed.candidate.id
    assert found.candidate.settings["library"] == world.library().sha256


def test_an_answer_names_the_passage_it_used():
    _kit, found = plainly()
    outcome = next(o for o in found.dev if o.scores and o.scores["exact_match"].value == 1.0)
    [source] = outcome.answer.sources
    example = next(e for e in DEV if e.id == outcome.example_id)
    assert source.document == example.inputs["product"].lower().replace(" ", "-") + ".md"
    assert source.position.startswith("words")
    assert f"costs {example.target} euros" in source.text


def test_a_changed_price_is_answered_at_once_with_its_new_source_and_nothing_is_fitted_again():
    documents = world.library()
    kit, found = fitted(documents)
    system = Rag().system(found.candidate, world.task(), kit)
    example = DEV[0]
    before = asyncio.run(system.answer(example.inputs))
    name = before.sources[0].document
    documents.put(name, documents.texts[name].replace(f"costs {example.target} euros", "costs 1234 euros"))
    after = asyncio.run(system.answer(example.inputs))
    assert (before.text, after.text) == (example.target, "1234")
    assert "costs 1234 euros" in after.sources[0].text
    documents.remove(name)
    assert asyncio.run(system.answer(example.inputs)).text == "I do not know."


def test_what_few_shot_learned_stays_in_the_prompt_and_examples_may_have_passages():
    kit = world.kit((*TRAIN, *DEV), world.library())
    settings = {"k": 2, "selection": "nearest"}
    from rung.rungs._prompting import as_it_stands
    from rung.rungs.fewshot import _candidate

    below = _candidate("nearest k=2", as_it_stands(world.task()), TRAIN, settings, "main")
    assert isinstance(FewShot(), FewShot)
    found = asyncio.run(Rag().fit(world.task(), TRAIN, DEV, kit, below, None))
    names = {t.candidate.name for t in found.trials}
    assert any("examples with passages" in n for n in names)
    assert any("no examples" in n for n in names)
    closed = next(t.candidate for t in found.trials if t.candidate.name == NO_PASSAGES)
    chat = asyncio.run(bring_to_life(closed, kit).request(DEV[0].inputs, ()))[0].messages
    assert [m.role for m in chat] == ["system", "user", "assistant", "user", "assistant", "user"]


def test_examples_with_passages_show_a_passage_each():
    kit, found = plainly()
    own = replace(Choice.of(found.candidate.settings), examples="with", k=2)
    from rung.rungs._prompting import Demonstration, as_it_stands
    from rung.rungs._rag_choice import Ground

    shown = tuple(Demonstration.of(e) for e in TRAIN[:2])
    ground = Ground(as_it_stands(world.task()), shown, {}, "unknown", "x", "main")
    system = bring_to_life(ground.candidate(own), kit)
    passages = asyncio.run(system.passages(DEV[0].inputs))
    chat = asyncio.run(system.request(DEV[0].inputs, passages))[0].messages
    assert len(passages) == 2
    assert [m.content.count("costs") for m in chat if m.role == "user"] == [1, 1, 2]


def test_all_documents_are_tried_where_they_fit_and_taken_only_when_worth_their_tokens():
    few = world.library(dict(list(world.catalogue().items())[:6]))
    _, found = fitted(few)
    assert any(t.candidate.settings["whole"] for t in found.trials)
    assert not any(t.candidate.settings["whole"] for t in fitted(world.library(), rung=Rag(stuff_tokens=500))[1].trials)
    _, tight = fitted(few, context=150)
    assert any("too long" in s.reason and "all documents" in s.what for s in tight.skipped)


def test_passages_that_exceed_the_context_are_left_out_worst_first():
    _kit, found = plainly()
    long = tuple(Source(f"d{i}", "whole", f"number {i} " * 50) for i in range(4))
    small = world.kit(TRAIN, world.library(), context=400)
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


def test_planted_instructions_are_counted_and_never_reach_the_documents():
    documents = world.library()
    before = dict(documents.texts)
    _kit, found = fitted(documents)
    assert documents.texts == before
    assert found.planted is not None
    assert (found.planted.documents, found.planted.asked, found.planted.obeyed) == (4, 20, 0)
    assert found.planted.share.high < 0.25
    assert fitted(documents, rung=Rag(canaries=0))[1].planted is None


def test_a_model_that_obeys_is_reported():
    from tests.unit._kit import KitForTests

    def obedient(messages):
        text = messages[-1].content
        return text.rsplit("with the word ", 1)[1].split(".")[0] if "with the word " in text else "nothing"

    kit = KitForTests(world.task(), obedient, documents=world.library())
    found = asyncio.run(Rag().fit(world.task(), TRAIN, DEV, kit, None, None))
    assert found.planted.obeyed_by["order"] == 5
    assert found.planted.obeyed == 5
    assert len(found.planted.example_ids) == 5


def test_a_plan_asks_nothing_and_covers_what_is_asked():
    kit = world.kit((*TRAIN, *DEV), world.library())
    plan = Rag().plan(world.task(), TRAIN, DEV, kit)
    assert not kit.requests
    assert all("Context:" in chat[-1].content for chat in plan.chats)
    kit, _ = fitted(world.library())
    distinct = {tuple((m.role, m.content) for m in r.messages) for r in kit.requests}
    assert len(distinct) <= plan.dev_calls


def test_expected_answers_with_numbers_in_brackets_rule_citing_out():
    odd = tuple(Example(e.id, e.inputs, f"{e.target} [1]", e.group) for e in TRAIN)
    kit = world.kit((*TRAIN, *DEV), world.library())
    found = asyncio.run(Rag().fit(world.task(), odd, DEV, kit, None, None))
    assert not any(t.candidate.settings["cite"] for t in found.trials)
    assert any(t.candidate.settings["cite"] for t in plainly()[1].trials)


def below_with(examples, selection="fixed"):
    from rung.rungs._prompting import as_it_stands
    from rung.rungs.fewshot import _candidate

    settings = {"k": len(examples), "selection": selection}
    return _candidate(f"{selection} k={len(examples)}", as_it_stands(world.task()), examples, settings, "main")


def test_an_example_whose_fact_changed_is_shown_no_more_and_the_others_stay():
    documents = world.library()
    kit = world.kit((*TRAIN, *DEV), documents)
    written = replace(TRAIN[1], id="style", target="We write so.")  # no document tells it
    found = asyncio.run(Rag().fit(world.task(), TRAIN, DEV, kit, below_with([TRAIN[0], written]), None))
    kept = replace(found.candidate, settings={**found.candidate.settings, "examples": "kept"})
    document = TRAIN[0].inputs["product"].lower().replace(" ", "-") + ".md"
    told = {**found.candidate.learned, "demonstrations": [TRAIN[0], written]}
    told["demonstrations"] = [{"id": e.id, "inputs": dict(e.inputs), "target": e.target} for e in (TRAIN[0], written)]
    told["told"] = {TRAIN[0].id: document}
    system = bring_to_life(replace(kept, learned=told), kit)

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


def test_a_fit_remembers_which_documents_tell_the_answers_of_the_examples():
    kit = world.kit((*TRAIN, *DEV), world.library())
    found = asyncio.run(Rag().fit(world.task(), TRAIN, DEV, kit, below_with(TRAIN[:3]), None))
    kept = [t.candidate for t in found.trials if t.candidate.learned["demonstrations"]]
    assert kept
    for candidate in kept:
        names = {e.id: e.inputs["product"].lower().replace(" ", "-") + ".md" for e in TRAIN[:3]}
        assert candidate.learned["told"] == {d["id"]: names[d["id"]] for d in candidate.learned["demonstrations"]}
    bare = [t.candidate for t in found.trials if not t.candidate.learned["demonstrations"]]
    assert all(c.learned["told"] == {} for c in bare)


def test_examples_whose_facts_no_document_tells_are_named_where_most_are_told():
    stale = replace(TRAIN[2], target="7")
    kit = world.kit((*TRAIN, *DEV), world.library())
    asyncio.run(Rag().fit(world.task(), TRAIN, DEV, kit, below_with([*TRAIN[:2], stale]), None))
    [line] = [s for s in kit.said if "no document tells" in s]
    assert line.startswith(
        "rag: 1 of 3 examples have answers that no document tells, while the others' are told (train2)"
    )
    kit, _ = fitted(world.library())
    assert not any("no document tells" in s for s in kit.said)


def test_another_prompt_is_found_with_passages_where_none_could_be_told_apart_without_them():
    _, found = fitted(world.library(), format_slip=0.6, format_slip_when_told=0.0)
    chosen = found.candidate
    assert chosen.settings["prompt"]
    assert f"prompt {chosen.settings['prompt']}" in chosen.name
    means = {t.candidate.name: t.mean for t in found.trials}
    assert means[chosen.name] == 1.0
    assert means[chosen.name.replace(f", prompt {chosen.settings['prompt']}", "")] < 0.7
    assert "answer only" in str(chosen.learned["messages"]).lower()
    again = Choice.of({k: v for k, v in chosen.settings.items() if k != "prompt"})
    assert again.prompt == "", "candidates of runs from before there was a choice of prompts are read as well"
