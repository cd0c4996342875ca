"""What a run says of its judge: agreement, order, repeats, length; warnings; in the folder, the report and verify."""

from __future__ import annotations

import random
from io import StringIO

import pytest
from rich.console import Console

from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.judging.human_labels import HumanLabels, answer_id
from rung.judging.labelling import session, teaching
from rung.judging.trust import trust
from rung.ladder import climb
from rung.report.data import as_data
from rung.report.judging import facts
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.text import render_text
from rung.store.records import Draw, Label, Trust
from rung.store.run import RunFolder
from rung.types import Answer, Failure, MetricSpec, Outcome, Score, Task
from tests.unit._judged import judged_world, rows


def task(**settings: object) -> Task:
    metrics = (MetricSpec("judge", {"rubric": "good", **settings}),)
    return Task("t", "i", ("q",), "a", "generation", metrics, 0.8)


def outcome(i: int, value: float | None, text: str = "word", **parts: float) -> Outcome:
    scores = None if value is None else {"judge": Score(value, parts=parts)}
    failure = Failure("metric", "unreadable") if value is None else None
    return Outcome(f"r{i}", f"r{i}", Answer(f"{text} {i}"), scores, failure)


def seen(test: list[Outcome], asked: Task | None = None, said: dict[int, float] | None = None) -> Trust:
    asked = asked or task()
    labels = tuple(Label(answer_id(test[i], asked), test[i].example_id, v, "now") for i, v in (said or {}).items())
    people = HumanLabels(asked, Draw(tuple(o.example_id for o in test), (len(test),)), labels)
    return trust(test, [], {}, people, {})


def test_a_judge_that_always_says_the_same_is_warned_of():
    found = seen([outcome(i, 1.0) for i in range(25)])
    assert "gave each of 25 answers the same score, 1.00: it tells nothing apart" in found.warnings[0]
    assert seen([outcome(i, 1.0) for i in range(10)]).warnings == ()
    assert seen([outcome(i, float(i % 5 > 0)) for i in range(25)]).warnings == ()


def test_agreement_and_kindness_are_those_of_the_labelled_answers():
    test = [outcome(i, float(i % 4 > 0)) for i in range(80)]
    found = seen(test, said={i: float(i % 2) for i in range(40)})
    assert found.agreement is not None
    assert found.kindness is not None
    assert (found.labelled, found.agreement.n, found.agreement.mean) == (40, 40, 0.75)
    assert found.kindness.mean == pytest.approx(0.25)
    assert found.kindness.low < 0.25 < found.kindness.high
    half = seen(test, said={i: float(i % 4 > 0 and i != 1) for i in range(40)})
    assert half.warnings == ()
    poor = seen(test, said={i: 0.0 if i % 5 == 1 else 1.0 for i in range(40)})
    assert any("always saying the commonest label would on 80%" in w for w in poor.warnings)


def test_levels_agree_within_half_a_step():
    asked = task(levels=["poor", "fair", "good"])
    found = seen([outcome(i, 0.6) for i in range(30)], asked, said={0: 0.5, 1: 1.0})
    assert found.agreement is not None
    assert found.agreement.mean == 0.5


def test_the_order_of_comparisons_is_counted_with_the_place_that_wins():
    asked = task(mode="compare")
    turned = [Outcome(f"t{i}", f"t{i}", Answer(f"x {i}"), {"judge": Score(0.5, parts={"answer first": 1.0, "answer second": 0.0})})
              for i in range(30)]  # fmt: skip
    kept = [Outcome(f"k{i}", f"k{i}", Answer(f"y {i}"), {"judge": Score(1.0, parts={"answer first": 1.0, "answer second": 1.0})})
            for i in range(30)]  # fmt: skip
    found = seen([*turned, *kept], asked)
    assert found.turned is not None
    assert found.first_place is not None
    assert (found.turned.mean, found.turned.n, found.first_place.mean) == (0.5, 60, 1.0)
    assert any(
        "The order of the two answers decided 50% of the comparisons (100% of them for the first" in w
        for w in found.warnings
    )


def test_repeats_that_differ_are_counted():
    asked = task(repeats=2)
    found = seen([outcome(i, 0.5, **{"vote 1": 1.0, "vote 2": float(i % 3 > 0)}) for i in range(30)], asked)
    assert found.wavering is not None
    assert found.wavering.mean == pytest.approx(1 / 3)
    assert any("Asked again, the judge said something else on 33%" in w for w in found.warnings)
    assert "each question was asked once (set `repeats: 2`)" in " ".join(seen([outcome(0, 1.0)]).unknown)


def test_a_judge_that_likes_long_answers_is_found_against_people():
    draw = random.Random(3)
    lengths = [draw.randint(1, 60) for _ in range(120)]
    test = [outcome(i, float(n + draw.gauss(0, 12) > 30), "word " * n) for i, n in enumerate(lengths)]
    found = seen(test, said={i: float(draw.random() < 0.5) for i in range(120)})
    assert found.length is not None
    assert found.length_error is not None
    assert found.length.low > 0.3
    assert found.length_error.low > 0
    assert any("favours longer answers" in w for w in found.warnings)
    fair = seen(test, said={i: o.scores["judge"].value if o.scores else 0.0 for i, o in enumerate(test)})
    assert fair.length_error is None  # it never errs: nothing to correlate
    assert not any("favours" in w for w in fair.warnings)


def test_unreadable_replies_are_counted_and_equal_answers_count_once():
    test = [outcome(i, None if i < 4 else 1.0) for i in range(30)]
    found = seen([*test, *test])
    assert (found.answers, found.unreadable) == (30, 4)
    assert any("On 4 of 30 answers the judge's reply could not be read" in w for w in found.warnings)


# --- whole runs -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("trust")
    config = judged_world(root, judge="kind", model={"abilities": {"base": 0.6}})
    climb(config, root / "run")
    return config, RunFolder.open(root / "run")


@pytest.mark.slow
def test_a_run_keeps_what_it_knows_of_its_judge_and_every_report_shows_it(run):
    config, folder = run
    truth = {r["question"]: sorted(r["answer"].split()) for r in rows(300)}
    found = session(folder, config, None)
    found.all_said({i.answer_id: float(sorted(i.answer.split()) == truth[i.inputs["question"]]) for i in found.items})
    taught = teaching(folder, config, 5)
    taught.all_said(dict.fromkeys([i.answer_id for i in taught.items], 1.0))
    [differs] = [c.differs for c in verify(folder) if c.differs]
    assert differs == "people gave labels since the verdict; run the same `rung climb` again, then verify"
    climb(config, folder.path)
    assert [c.differs for c in verify(folder) if c.differs] == []
    known = folder.trust.need()
    assert known.labelled == 100
    assert known.kindness is not None
    assert known.kindness.low > 0.05
    assert known.on_dev is not None
    assert known.on_dev.n == 5
    assert not any("teach" in fact.name for fact in facts(known))
    assert len(known.teaches) == 8
    names = [fact.name for fact in facts(known)]
    assert names[:2] == ["agrees with people", "kinder than people by"]
    report = load_report(folder)
    page = render_page(report)
    assert 'id="judge"' in page
    assert "100 of them with human labels" in page
    console = Console(width=140, record=True, file=StringIO())
    render_text(folder, console, verbose=True)
    assert "kinder than people by: +0." in console.export_text()
    assert "- agrees with people: 0." in render_markdown(folder)
    assert as_data(folder)["judge"]["labelled"] == 100


@pytest.mark.slow
def test_a_judge_that_always_agrees_is_told_at_the_end_of_the_climb(tmp_path):
    climb(judged_world(tmp_path, judge="constant", model={"abilities": {"base": 0.5}}), tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    console = Console(width=200, record=True, file=StringIO())
    render_text(folder, console)
    assert (
        "judge: The judge gave each of 150 answers the same score, 1.00: it tells nothing apart"
        in console.export_text()
    )


@pytest.mark.slow
def test_a_run_without_a_judge_has_no_such_section(tmp_path):
    climb(judged_world(tmp_path, task={"metrics": ["token_f1"]}), tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    assert not folder.trust.exists
    assert '<section id="judge">' not in render_page(load_report(folder))
    assert as_data(folder)["judge"] is None


def test_a_plan_says_how_many_labels_people_will_have_to_give(tmp_path):
    [line] = [line for line in plan(judged_world(tmp_path)).power if "rung label" in line]
    assert "decides only beside labels that people give after the run (`rung label`, at least 100)" in line
    assert "100 labels alone show a system at 0.85 with probability 0." in line
