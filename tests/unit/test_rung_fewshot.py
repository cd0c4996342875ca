"""Rung 2: which examples, how many, and when none is better."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from rung.data.near import find_duplicates
from rung.errors import NotOffered
from rung.prompts.race import Race
from rung.prompts.similar import Index, Vocabulary, apart_from, diverse, representative, without_repeats
from rung.rungs.fewshot import FewShot, _knee
from rung.rungs.prompt import Prompt
from rung.store.folder import from_json, to_json
from rung.types import (
    Answer,
    BaselineLearned,
    Candidate,
    Completion,
    Example,
    FewShotLearned,
    FitInput,
    Message,
    Outcome,
    PromptLearned,
    Score,
    canonical_json,
)
from tests.unit._kit import TOPICS, KitForTests, examples, task, topic_of

TRAIN, DEV = examples(90, "t"), examples(60, "d")


def fit(script, *, train=TRAIN, dev=DEV, below=None, kit=None, **settings):
    the_task = task()
    kit = kit or KitForTests(the_task, script)
    fitted = asyncio.run(FewShot(**settings).fit(FitInput(the_task, tuple(train), tuple(dev), below), kit))
    return fitted, kit


def shots(messages) -> list[tuple[str, str]]:
    turns = [m for m in messages if m.role != "system"]
    return [(turns[i].content, turns[i + 1].content) for i in range(0, len(turns) - 1, 2)]


def copies(messages) -> str:
    """A model that knows no topic of its own: it answers with the label of an example on the row's topic."""
    topic = topic_of(messages[-1].content)
    return next((answer for text, answer in shots(messages) if topic_of(text) == topic), "?")


def at_least(k: int):
    return lambda messages: topic_of(messages[-1].content) if len(shots(messages)) >= k else "?"


def test_nearest_examples_win_where_only_like_rows_help():
    train = [e for e in TRAIN if e.target != "login"] + [e for e in TRAIN if e.target == "login"][:4]
    fitted, _ = fit(copies, train=train, k=(1,))
    assert fitted.candidate.name == "nearest k=1"
    means = {t.candidate.name: t.mean for t in fitted.trials}
    assert means["nearest k=1"] >= 0.75 > 0.5 > means["fixed k=1"]
    assert means["k=0"] == 0.0


def test_label_covering_examples_win_over_one():
    fitted, _ = fit(copies, selections=("fixed",))
    assert fitted.candidate.name == "fixed k=3"
    assert {d.target for d in fitted.candidate.demonstrations} == set(TOPICS)
    assert fitted.candidate.trained_on == tuple(d.id for d in fitted.candidate.demonstrations)


@pytest.mark.parametrize("k", [1, 3, 5, 8])
def test_the_smallest_sufficient_number_is_kept(k):
    fitted, _ = fit(at_least(k))
    assert fitted.candidate.learned.k == k
    assert len(fitted.dev) == len(DEV)
    assert [o.example_id for o in fitted.dev] == [e.id for e in DEV]


def test_no_examples_where_they_do_not_help_and_it_is_said():
    fitted, kit = fit(lambda m: topic_of(m[-1].content))
    assert fitted.candidate.name == "k=0"
    reason = {s.what: s.reason for s in fitted.skipped}["fewshot examples"]
    assert (
        "on 60 dev examples no choice of them was ahead of none, or worth its tokens where the goal is reached"
        in reason
    )
    assert kit.said[-1] == "fewshot: examples do not help enough; k=0 is kept"


def test_no_examples_asks_exactly_what_the_prompt_asked():
    the_task = task()
    kit = KitForTests(the_task, lambda m: topic_of(m[-1].content) if "and nothing else" in m[0].content else "?")
    below = asyncio.run(Prompt().fit(FitInput(the_task, tuple(TRAIN), tuple(DEV)), kit)).candidate
    asked = set(map(_key, kit.requests))
    kit.requests.clear()
    fitted, _ = fit(None, kit=kit, below=below)
    assert fitted.candidate.name == "k=0"
    first = [r for r in kit.requests if len(r.messages) == 2]
    assert len(first) == len(DEV)
    assert set(map(_key, first)) <= asked


def _key(request) -> str:
    return canonical_json([[m.as_dict() for m in request.messages], dict(request.params)])


def test_a_baseline_below_leaves_the_prompt_as_it_stands():
    below = Candidate("baseline", "majority", BaselineLearned(method="majority", answer="refund"), None)
    fitted, _ = fit(at_least(1), below=below)
    assert fitted.candidate.prompt[0] == Message("system", "Route the message to one team.")


def test_examples_are_never_near_dev_rows():
    near = [Example(f"n{e.id}", {"text": f"{e.text}!"}, e.target, f"n{e.id}") for e in DEV[:20]]
    equal = [Example(f"q{e.id}", {"text": e.text.upper()}, e.target, f"q{e.id}") for e in DEV[20:30]]
    fitted, kit = fit(at_least(3), train=[*near, *equal, *TRAIN])
    shown = {d.id for t in fitted.trials for d in t.candidate.demonstrations}
    assert shown <= {e.id for e in TRAIN}
    dev_texts = {e.text for e in DEV}
    assert all(text not in dev_texts for r in kit.requests for text, _ in shots(r.messages))


def test_not_offered_without_rows_to_show():
    with pytest.raises(NotOffered, match="fewshot shows training examples, and there are none"):
        fit(copies, train=[])
    with pytest.raises(
        NotOffered, match="all 60 training examples equal or nearly equal a dev example: none can be shown"
    ):
        fit(copies, train=[Example(f"c{e.id}", e.inputs, e.target, e.group) for e in DEV])


def test_too_few_rows_for_a_size():
    fitted, _ = fit(at_least(1), train=TRAIN[:4])
    reasons = {s.what: s.reason for s in fitted.skipped}
    assert reasons["fewshot k=5"] == reasons["fewshot k=8"] == "only 4 training examples can be shown"


def test_examples_that_exceed_the_context_are_skipped():
    kit = KitForTests(task(), at_least(5), context=70, max_tokens=10)
    fitted, _ = fit(None, kit=kit)
    skipped = {s.what: s.reason for s in fitted.skipped}
    assert {s for s in skipped if "k=8" in s} >= {"fewshot fixed k=8", "fewshot diverse k=8", "fewshot nearest k=8"}
    assert "60 of 60 dev examples do not fit" in skipped["fewshot nearest k=8"]
    assert all(kit.count_tokens("main", r.messages) + 10 <= 70 for r in kit.requests)
    with pytest.raises(NotOffered, match="the prompt leaves no room for examples"):
        fit(None, kit=KitForTests(task(), at_least(5), context=12, max_tokens=10))


@pytest.mark.parametrize("name", ["fixed k=3", "diverse k=3", "nearest k=3", "k=0"])
def test_a_stored_candidate_asks_the_same(name):
    fitted, kit = fit(at_least(3))
    c = next(t.candidate for t in fitted.trials if t.candidate.name == name)
    stored = from_json(to_json(c, Candidate), Candidate)
    kit.requests.clear()
    asyncio.run(kit.run(c, DEV[:8]))
    asyncio.run(kit.run(stored, DEV[:8]))
    assert kit.requests[:8] == kit.requests[8:]
    assert stored.id == c.id


def test_the_same_fit_asks_the_same_again():
    first, one = fit(copies)
    second, two = fit(copies)
    assert one.requests == two.requests
    assert first.candidate == second.candidate


def test_the_race_saves_calls():
    fitted, kit = fit(at_least(3))
    assert len(fitted.trials) == 12  # k=1 of fixed and diverse show the same row
    assert sum(t.calls for t in fitted.trials) == len(kit.requests)
    assert len(kit.requests) < 0.6 * 12 * len(DEV)


def test_nearest_shows_the_most_similar_row_last():
    fitted, kit = fit(at_least(3), selections=("nearest",), k=(3,))
    texts = [d.inputs["text"] for d in fitted.candidate.demonstrations]
    request = next(r for r in kit.requests if len(shots(r.messages)) == 3)
    cosines = Index.of(texts).similarity(request.messages[-1].content)
    shown = [cosines[texts.index(text)] for text, _ in shots(request.messages)]
    assert shown == sorted(shown)
    assert shown == pytest.approx(sorted(cosines)[-3:])


def test_the_pool_is_capped_and_the_user_is_told():
    fitted, kit = fit(at_least(1), pool=20, selections=("nearest",))
    assert len(fitted.candidate.trained_on) == 20
    assert "fewshot: chooses examples from 20 of 90 examples" in kit.said


def outcomes_of(values: list[float], tokens: int) -> tuple[Outcome, ...]:
    call = Completion("x", "m", tokens, 0, 0.0, 0.0)
    return tuple(
        Outcome(f"d{i}", f"d{i}", Answer("x", (call,)), {"normalized_match": Score(v)}) for i, v in enumerate(values)
    )


def test_the_knee_prefers_fewer_tokens_within_worth_it():
    dev = tuple(examples(100, "d"))
    few, many = (
        Candidate("fewshot", f"fixed k={k}", FewShotLearned(messages=(), columns=(), k=k), "main") for k in (1, 8)
    )
    for right, expected in ((99, "fixed k=1"), (98, "fixed k=8"), (90, "fixed k=8")):
        seen = {
            few.name: outcomes_of([1.0] * right + [0.0] * (100 - right), 50),
            many.name: outcomes_of([1.0] * 100, 400),
        }
        race = Race(dev, (few, many), seen, many)
        _, chosen = asyncio.run(_knee(race, task(min_gain=0.02), KitForTests(task())))
        assert chosen.name == expected


def test_the_knee_gives_no_quality_away_that_the_goal_needs():
    dev = tuple(examples(100, "d"))
    few, many = (
        Candidate("fewshot", f"fixed k={k}", FewShotLearned(messages=(), columns=(), k=k), "main") for k in (1, 8)
    )
    seen = {
        few.name: outcomes_of([1.0] * 89 + [0.0] * 11, 50),
        many.name: outcomes_of([1.0] * 90 + [0.0] * 10, 400),
    }
    race = Race(dev, (few, many), seen, many)
    for goal, expected in ((0.90, "fixed k=8"), (0.89, "fixed k=1"), (0.95, "fixed k=8")):
        asked_for = replace(task(min_gain=0.02), goal=goal)
        _, chosen = asyncio.run(_knee(race, asked_for, KitForTests(asked_for)))
        assert chosen.name == expected, goal


def test_choices_cover_labels_and_are_nested():
    for choose in (representative, diverse):
        three, six = choose(TRAIN, 3, set(TOPICS)), choose(TRAIN, 6, set(TOPICS))
        assert six[:3] == three
        assert Counter(TRAIN[i].target for i in six) == dict.fromkeys(TOPICS, 2)
        assert len(set(choose(TRAIN, 8, None))) == 8
        assert len(choose(TRAIN[:2], 5, None)) == 2
        assert choose([], 3, None) == []


def test_facility_location_takes_one_of_each_crowd():
    rows = [Example(str(i), {"text": f"{w} {w} {w} item {i}"}, "x", str(i)) for w in ("red", "blue") for i in range(5)]
    assert {rows[i].text.split()[0] for i in representative(rows, 2, None)} == {"red", "blue"}


def test_near_rows_are_kept_apart_and_repeats_dropped():
    rows = [Example("a", {"text": "one two three four five six seven"}, "x", "a")]
    other = [Example("a", {"text": "One  two three four five six seven"}, "y", "b")]
    assert apart_from(rows, other) == ()
    assert apart_from(rows, []) == tuple(rows)
    assert without_repeats([*rows, Example("b", rows[0].inputs, "x", "b")]) == tuple(rows)
    assert find_duplicates([*TRAIN, *DEV]).clusters == ()


def test_typical_words_tell_labels_apart():
    vocabulary = Vocabulary.of(TRAIN)
    assert set(vocabulary.typical("delivery", 3)) <= {"parcel", "courier", "shipping"}
    assert set(vocabulary.typical("login", 3, against="refund")) <= {"password", "sign", "locked"}
    assert vocabulary.typical("unknown", 3) == ()


def test_words_that_a_label_lacks_or_shows_once_do_not_mark_it():
    rows = [Example(str(i), {"text": text}, label, str(i)) for i, (text, label) in enumerate(
        [("kettle leaks", "a"), ("kettle broken", "a"), *[(f"parcel late {w}", "b") for w in "north south east west".split()] * 12]
    )]  # fmt: skip
    vocabulary = Vocabulary.of(rows)
    assert vocabulary.typical("a", 9) == vocabulary.typical("a", 9, against="b") == ("kettle",)


def test_an_index_of_wordless_texts_resembles_nothing():
    index = Index.of(["", "!!"])
    assert index.similarity("hello").tolist() == [0.0, 0.0]
    assert index.nearest("hello", 1) == [0]


def test_demonstrations_use_the_users_template():
    asked = PromptLearned(messages=(Message("user", "Q: {{text}}\nTeam:"),), columns=("text",))
    below = Candidate("prompt", "as-is", asked, "main")
    fitted, kit = fit(at_least(1), below=below, selections=("fixed",), k=(1,))
    demo = fitted.candidate.demonstrations[0]
    shown = next(r.messages for r in kit.requests if len(r.messages) == 3)
    assert shown[:2] == (Message("user", f"Q: {demo.inputs['text']}\nTeam:"), Message("assistant", demo.target))
    assert shown[2].content in {f"Q: {e.text}\nTeam:" for e in DEV}


def test_examples_are_left_out_of_single_rows_that_would_overflow():
    long = Example("long", {"text": " ".join(["word"] * 60) + " refund"}, "refund", "long")
    kit = KitForTests(task(), at_least(1), context=104, max_tokens=10)
    fitted, _ = fit(None, kit=kit, dev=[*DEV, long], selections=("fixed",), k=(3,))
    assert fitted.candidate.name == "fixed k=3"
    turns = {r.messages[-1].content: len(shots(r.messages)) for r in kit.requests if len(r.messages) > 2}
    assert turns.pop(long.text) in (1, 2)
    assert set(turns.values()) == {3}
