"""The invented world keeps what tests need out of training, and never asks a model to learn what it cannot know."""

import json
import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from rung_nano._scratch.corpus import Document
from rung_nano.training.documents import clerk_document, document, nothing_told_document, task_document
from rung_nano.training.drills import (
    definition_document,
    echo_document,
    mapping_document,
    naming_document,
    note_document,
    own_words,
    record_document,
    repeat_document,
)
from rung_nano.training.shelves import brand_document, grid_document, shelf_document
from rung_nano.training.tasks.extraction import Extraction
from rung_nano.training.tasks.questions import Questions
from rung_nano.training.tasks.reply import Reply
from rung_nano.training.tasks.routing import Routing
from rung_nano.training.vocabulary import UNKNOWN
from rung_nano.training.vocabulary_facts import FACTS
from rung_nano.training.vocabulary_topics import TOPICS
from rung_nano.training.world import HELD_BACK, Scheme, World, reserved


def documents(count: int, seed: int = 0) -> list[Document]:
    """Training documents."""
    world = World(seed)
    return [document(world) for _ in range(count)]


def test_one_seed_gives_one_set_of_documents() -> None:
    assert documents(20) == documents(20)
    assert documents(20) != documents(20, seed=1)


def test_training_and_test_share_no_invented_string() -> None:
    train, test = World(0), World(0, "test")
    for draw in (World.brand, World.product, World.call_to_action, lambda w: w.codes(1)[0]):
        theirs = {draw(train) for _ in range(300)}
        ours = {draw(test) for _ in range(100)}
        assert not theirs & ours
    assert all(reserved(test.brand()) for _ in range(50))


def test_held_back_wordings_come_only_in_tests() -> None:
    train, test = World(3), World(3, "test")
    for topic in TOPICS:
        assert not any(train.message("topic", topic).held_back for _ in range(30))
    shares = [test.message("fact", "price").held_back for _ in range(300)]
    assert 0.4 < sum(shares) / 300 < 0.6


def test_every_list_is_long_enough_to_hold_wordings_back() -> None:
    assert all(len(t["messages"]) >= 3 * HELD_BACK for t in TOPICS.values())
    assert all(len(f["questions"]) >= 2 * HELD_BACK for f in FACTS.values())


def test_combinations_of_reply_parts_in_tests_are_new() -> None:
    def combinations(split: str, count: int) -> set[tuple[str, ...]]:
        world = World(1, split)
        jobs = [Reply(world, mode="topic") for _ in range(count)]
        form = {True: lambda j: j.label_form, False: lambda j: ""}
        named = {True: lambda j: str(j.nameless), False: lambda j: ""}
        return {(*j.parts, j.tone, form["label" in j.parts](j), named["greeting" in j.parts](j)) for j in jobs}

    assert not combinations("train", 1500) & combinations("test", 200)


def test_labels_are_learnt_only_after_they_were_shown() -> None:
    world = World(5)
    for _ in range(50):
        told, seen = "", set[str]()
        for turn in mapping_document(world):
            if turn.role == "system":  # a bare list of labels tells nothing; examples below it do
                told += turn.text.partition("\n")[2] if "Choose" in turn.text else turn.text
            if turn.role == "assistant":
                assert (turn.weight == 1.0) <= (turn.text in seen or turn.text in told)
                seen.add(turn.text)


def test_a_fact_that_no_passage_tells_is_never_learnt() -> None:
    world, checked = World(6), 0
    for _ in range(600):
        turns = task_document(world)
        before = ""
        for turn in turns:
            if (
                turn.role == "assistant"
                and turn.weight
                and not turn.blind
                and turn.text.startswith("The part number of")
            ):
                value = turn.text.rstrip(".").split(" is ")[-1].split(".")[0]
                assert value in before, turn.text
                checked += 1
            before += turn.text
    assert checked > 5


def test_a_question_without_its_passage_is_answered_honestly() -> None:
    world = World(2)
    job = Questions(world, form="sentence")
    job.idk = None
    assert job.unknown(explicit=True) == UNKNOWN
    item = job.item()
    assert not any(str(item.value) in p and item.product in p.split(".")[0] for p in job.passages(item, 0, gold=False))
    assert any(str(item.value) in p for p in job.passages(item, 3))


def test_private_codes_are_told_by_examples_or_meanings_only() -> None:
    world = World(9)
    job = Routing(world, Scheme(world, "topic", 3, natural=False), extras=False)
    item = job.item()
    assert not job.told(item, set(), explicit=True, meanings=False)
    assert job.told(item, set(), explicit=True, meanings=True)
    assert job.told(item, {str(item.convention)}, explicit=False, meanings=False)


def test_a_record_is_json_with_the_keys_asked_for() -> None:
    world = World(4)
    for _ in range(30):
        job = Extraction(world, form="json")
        record = json.loads(job.item().answer)
        assert list(record) == list(job.key.values())


def test_a_reply_has_the_lines_asked_for() -> None:
    world = World(8)
    for _ in range(30):
        job = Reply(world)
        item = job.item()
        separator = " " if job.joined else "\n"
        assert item.answer == separator.join(item.lines)
        assert len(item.lines) == len(job.parts)


def test_a_shelf_answers_what_its_passages_tell_and_says_so_otherwise() -> None:
    world, known, unknown = World(11), 0, 0
    for _ in range(150):
        turns = shelf_document(world)
        first = next(i for i, turn in enumerate(turns) if turn.role == "assistant")
        shown = "".join(turn.text for turn in turns[:first])
        answers = [turn.text for turn in turns if turn.role == "assistant"]
        assert len(answers) >= 1
        for answer in answers:
            if answer.startswith("The part number of"):
                value = answer.split(" is ")[-1].split(" [")[0].rstrip(".")
                assert value in shown, (answer, shown)
                known += 1
            unknown += answer == UNKNOWN
    assert known > 5
    assert unknown > 50


def test_a_citation_names_the_passage_that_tells_the_fact() -> None:
    world, cited = World(12), 0
    for _ in range(300):
        turns = shelf_document(world)
        passages = re.findall(r"^\[(\d)\] (.*)", "\n".join(turn.text for turn in turns[:2]), re.MULTILINE)
        for turn in turns:
            if turn.role == "assistant" and (found := re.fullmatch(r"(.+) \[(\d)\]", turn.text)):
                numbers = dict(passages)
                assert found[2] in numbers
                cited += 1
    assert cited > 20


def test_every_label_that_is_asked_for_was_defined() -> None:
    world = World(13)
    for _ in range(100):
        turns = definition_document(world)
        labels = {turn.text for turn in turns if turn.role == "assistant" and turn.text.isalnum()}
        assert all(label.casefold() in turns[0].text.casefold() for label in labels)  # some are asked for in capitals
        assert all(turn.weight == 1.0 for turn in turns if turn.role == "assistant")


@pytest.mark.parametrize("drill", [echo_document, repeat_document])
def test_echoes_repeat_every_label_that_is_learnt(drill: Callable[[World], Document]) -> None:
    world = World(14)
    for _ in range(60):
        seen, told = set[str](), ""
        for turn in drill(world):
            if turn.role == "system":  # examples stand below the list of labels
                told = turn.text if "\n" in turn.text else ""
            if turn.role == "assistant":
                assert (turn.weight == 1.0) == (turn.text in seen or turn.text in told)
                seen.add(turn.text)


def test_codes_of_urgency_are_learnt_only_where_a_rule_or_an_earlier_note_tells_them() -> None:
    world, hidden = World(16), 0
    for _ in range(80):
        before = ""
        for turn in note_document(world):
            if turn.role == "assistant":
                values = set(json.loads(turn.text).values())
                blind = set(turn.blind)
                assert blind <= values
                assert not any(code in before for code in blind)
                hidden += len(blind)
            before += turn.text
    assert hidden > 20


def test_records_copy_what_the_message_says() -> None:
    world, checked = World(15), 0
    for _ in range(60):
        turns = record_document(world)
        for asked, said in zip(turns[1::2], turns[2::2], strict=True):
            if said.text.startswith("{"):
                assert all(value in asked.text for value in json.loads(said.text).values())
                checked += 1
    assert checked > 50


@pytest.mark.parametrize("level", ["easy", "middling", "hard"])
def test_a_grid_can_only_be_answered_by_whoever_reads_which_product_is_meant(level: str) -> None:
    world, unknown, ambiguous = World(17), 0, 0
    for _ in range(120):
        turns = grid_document(world, level)
        first = next(i for i, turn in enumerate(turns) if turn.role == "assistant")
        shown = "".join(turn.text for turn in turns[:first])
        answers = [turn.text for turn in turns if turn.role == "assistant"]
        unknown += answers.count(UNKNOWN)
        ambiguous += len(set(answers)) > 1
        for answer in answers:
            if answer.startswith("The part number of"):
                assert answer.split(" is ")[-1].split(" [")[0].rstrip(".") in shown
    assert ambiguous > 100, "one answer does not fit all questions"
    assert (unknown > 100) == (level == "hard")


def test_a_grid_that_asks_for_numbers_only_is_answered_by_the_passage_of_the_product() -> None:
    world, checked = World(18), 0
    for _ in range(1200):
        turns = grid_document(world, "easy")
        answers = [(a.text, b.text) for a, b in pairwise(turns) if b.role == "assistant"]
        if not all(re.fullmatch(r"\[\d\]", answer) for _, answer in answers):
            continue
        passages = dict(re.findall(r"^(\[\d\]) (.*)", "\n".join(turn.text for turn in turns[:2]), re.MULTILINE))
        for asked, answer in answers:
            if asked in "".join(passages.values()):  # a bare name
                assert [number for number, text in passages.items() if asked in text] == [answer]
                checked += 1
    assert checked > 30


def test_names_of_labels_say_what_they_stand_for_and_none_is_kept_for_tests() -> None:
    words = own_words("topic")
    assert set(words) == set(TOPICS)
    assert all(len(own) >= 30 for own in words.values())
    held_back = " ".join(m for t in TOPICS.values() for m in t["messages"][-HELD_BACK:])
    trained = " ".join(m for t in TOPICS.values() for m in (*t["messages"][:-HELD_BACK], *t["names"], *t["meanings"]))
    assert not any(w in held_back and w not in trained.lower() for own in words.values() for w in own)
    world = World(19)
    for _ in range(80):
        turns = naming_document(world)
        shown = turns[0].text
        for turn in turns:
            if turn.role == "assistant":
                assert turn.weight == 1.0
                if turn.text.isalpha():
                    assert turn.text.casefold() in shown.casefold()
                    assert not reserved(turn.text)


def test_a_clerk_gets_no_examples_and_learns_every_answer_that_the_prompt_tells() -> None:
    world, learnt, lines = World(20), 0, set[int]()
    for _ in range(80):
        turns = clerk_document(world)
        learnt += sum(turn.weight == 1.0 for turn in turns if turn.role == "assistant")
        lines |= {turn.text.count("\n") + 1 for turn in turns if turn.role == "assistant"}
        assert sum(turn.role == "assistant" for turn in turns) >= 3
    assert learnt > 250
    assert lines >= {1, 2, 3, 4}


def test_where_nothing_is_told_the_answer_is_generic_or_honest() -> None:
    world = World(21)
    answers = [nothing_told_document(world)[-1].text for _ in range(200)]
    assert 20 < sum(answer == UNKNOWN for answer in answers) < 150


def test_products_of_one_brand_have_numbers_of_any_length_and_each_answer_stands_in_its_passage() -> None:
    world, lengths, unknown = World(22), set[int](), 0
    for _ in range(150):
        turns = brand_document(world)
        first = next(i for i, turn in enumerate(turns) if turn.role == "assistant")
        shown = "".join(turn.text for turn in turns[:first])
        for turn in turns[first:]:
            if turn.role == "assistant" and (found := re.fullmatch(r"The .+ uses (\d+)(\.\d+)? .+\.", turn.text)):
                assert found[1] in shown
                lengths.add(len(found[1]))
            unknown += turn.text == UNKNOWN
    assert lengths >= {1, 2, 3, 4, 5}
    assert unknown > 40
