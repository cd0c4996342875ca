"""Rungs 0 to 2 on rows and prompts that nobody thought of: no crash, no braces read as placeholders, every row answered."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rung.diagnosis.failed_examples import Subject
from rung.diagnosis.run import diagnose
from rung.errors import NotOffered
from rung.metrics.json_fields import JsonFields
from rung.metrics.lines import Lines
from rung.metrics.normalized_match import NormalizedMatch
from rung.metrics.token_f1 import TokenF1
from rung.rungs.baseline import Baseline
from rung.rungs.fewshot import FewShot
from rung.rungs.prompt import Prompt
from rung.store.folder import from_json, to_json
from rung.types import Candidate, Example, FitInput, Message
from tests.unit._kit import KitForTests, examples, task

RUNGS = (Baseline(), Prompt(), FewShot())
METRICS = {"classification": NormalizedMatch(), "extraction": JsonFields(), "style": Lines(), "generation": TokenF1()}


def rows(pairs, prefix: str) -> list[Example]:
    return [
        Example(f"{prefix}{i}", {"text": text} if isinstance(text, str) else text, target, f"{prefix}{i}")
        for i, (text, target) in enumerate(pairs)
    ]


def climbed(train, dev, *, script=None, kind="classification", **changes):
    """Fit, diagnose and plan all three rungs as a climb does; return the kits that were asked."""
    labels = tuple(sorted({e.target for e in (*train, *dev)})) if kind == "classification" else None
    the_task = task(kind=kind, labels=labels, **changes)
    kit = KitForTests(the_task, script or (lambda m: m[-1].content), metric_plugin=METRICS[kind])
    below, diagnosis, earlier = None, None, []
    for rung in RUNGS:
        try:
            rung.plan(FitInput(the_task, tuple(train), tuple(dev)), kit)
            fitted = asyncio.run(rung.fit(FitInput(the_task, tuple(train), tuple(dev), below, diagnosis), kit))
        except NotOffered:
            continue
        assert [o.example_id for o in fitted.dev] == [e.id for e in dev]
        c = fitted.candidate
        stored = from_json(to_json(c, Candidate), Candidate)
        again = asyncio.run(kit.run(stored, dev[:2]))
        assert [o.answer.text for o in again] == [o.answer.text for o in fitted.dev[:2]]
        found = asyncio.run(diagnose(Subject(c.rung, c, fitted.dev, dev, the_task, (), earlier), kit))
        assert sum(cause.count for cause in found.causes) == found.failed
        below, diagnosis = (c, found) if rung.asks else (below, found)
        earlier.append(fitted.dev)
    return kit


TRICKY = [
    "{{text}}",
    "\\{{text}}",
    "{text}",
    "{0} %s $1 \\1",
    "{{",
    "a\nb\r\nc",
    "x" * 500,
    pytest.param("x" * 5000, marks=pytest.mark.slow),
    "漢字 🙂 é",
    "\u202eabc",
    "a,b or c",
    "",
    " ",
]


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "odd", [*TRICKY[:4], *(pytest.param(o, marks=pytest.mark.slow) if isinstance(o, str) else o for o in TRICKY[4:])]
)
def test_odd_texts_and_labels(odd):
    train = [*examples(20, "t"), *rows([(f"{odd} {i}", odd) for i in range(6)], "o")]
    dev = [*examples(8, "d"), *rows([(odd, odd), (f"word {odd}", odd)], "p")]
    kit = climbed(train, dev)
    asked = {r.messages[-1].content for r in kit.requests}
    told = {
        text for text in asked if any(text.endswith(f"\n\n{e.text}") for e in dev)
    }  # the instruction in the user turn
    assert asked - told == {e.text for e in dev}, "each example stands in its request as it is"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_training_row(count):
    climbed(examples(count, "t"), examples(6, "d"))


def test_one_dev_row():
    climbed(examples(30, "t"), examples(1, "d"))


@pytest.mark.slow
def test_seventy_seven_labels():
    names = [f"topic_{i // 7}_of_{i % 7}" for i in range(77)]
    cues = ["zz" + "abcdefghijk"[i // 7] + "lmnopqr"[i % 7] for i in range(77)]
    train, dev = (
        rows([(f"{e.text} {cues[i % 77]}", names[i % 77]) for i, e in enumerate(examples(n, p))], p)
        for n, p in ((385, "t"), (77, "d"))
    )
    kit = climbed(train, dev, script=lambda m: names[cues.index(m[-1].content.split()[-1])])
    systems = {m.content for r in kit.requests for m in r.messages if m.role == "system"}
    definitions = next(s for s in systems if "\n- topic_0_of_0: zzal" in s)
    assert definitions.count("\n- topic_") == 77


def test_several_columns_some_of_them_empty():
    train = rows([({"subject": "", "body": e.text}, e.target) for e in examples(30, "t")], "t")
    dev = rows(
        [({"subject": e.text if i % 2 else "", "body": ""}, e.target) for i, e in enumerate(examples(8, "d"))], "d"
    )
    kit = climbed(train, dev, inputs=("subject", "body"))
    assert "Subject: \nBody: " in {r.messages[-1].content for r in kit.requests}


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "prompt",
    [
        (Message("system", "Route {{text}} to a team."),),
        (Message("system", "Route {{text}}."), Message("user", "Which team? {{text}}")),
        (Message("system", "Answer as {\"team\": \"...\"} with {{{{text}}}} braces."), Message("user", "{{ text }}")),
        (Message("user", "{{text}}"), Message("assistant", "Team:"), Message("user", "Go on. {{unknown}}")),
    ],
)  # fmt: skip
def test_prompts_with_placeholders_in_odd_places(prompt):
    train, dev = examples(30, "t"), examples(8, "d")
    kit = climbed(train, dev, prompt=prompt)
    for request in kit.requests:
        whole = "\n".join(m.content for m in request.messages)
        assert any(e.text in whole for e in dev)
        assert "{{text}}" not in whole
        assert "{{ text }}" not in whole


TEXT = st.text(
    alphabet=st.one_of(st.sampled_from('ab {}\\\n",:[]'), st.characters(exclude_categories=["Cs"])), max_size=20
)
PAIR = st.tuples(TEXT, st.one_of(TEXT, st.sampled_from(["x", "y", '{"a": 1}', '{"a": null}', "one\ntwo"])))


@settings(max_examples=settings.default.max_examples * 2 // 5, suppress_health_check=[HealthCheck.too_slow])
@given(
    train=st.lists(PAIR, max_size=10),
    dev=st.lists(PAIR, min_size=1, max_size=5),
    kind=st.sampled_from(sorted(METRICS)),
    answer=TEXT,
)
def test_any_rows_can_be_climbed(train, dev, kind, answer):
    climbed(rows(train, "t"), rows(dev, "d"), kind=kind, script=lambda m: answer)
