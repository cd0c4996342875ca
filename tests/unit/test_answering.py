"""Rows answered many at once: order kept, trouble of a row kept with the row, trouble of all rows raised."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import BudgetSpent, ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.evaluate.answering import Judgement, answer_rows, first_cause, judge, scorer
from rung.evaluate.measure import summarise, unanswered
from rung.types import Answer, Candidate, Completion, Example, Failure, MetricSpec, PromptLearned, Score, Task
from tests.unit._kit import KitForTests, task


def rows(n: int) -> list[Example]:
    return [Example(f"r{i}", {"text": str(i)}, str(i), f"r{i}") for i in range(n)]


async def exact(answer: Answer, example: Example) -> Judgement | Failure:
    text = answer.text
    return Failure("parse", "no number") if text == "?" else Judgement({"m": Score(float(text == example.target))})


class Scripted:
    """Answers from a function of the row's text, after a few turns of the loop; counts rows in flight."""

    def __init__(self, answers: Mapping[str, str | Exception] | None = None, finish: str = "stop") -> None:
        self.answers, self.finish = answers or {}, finish
        self.now, self.peak, self.asked = 0, 0, 0

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        self.now += 1
        self.asked += 1
        self.peak = max(self.peak, self.now)
        for _ in range(3 + int(inputs["text"]) % 5):
            await asyncio.sleep(0)
        self.now -= 1
        text = self.answers.get(inputs["text"], inputs["text"])
        if isinstance(text, Exception):
            raise text
        return Answer(text, (Completion(text, "toy", 1, 1, 0.1, 0.0, self.finish),))  # type: ignore[arg-type]


def run(system: Scripted, n: int, concurrency: int = 4):
    return asyncio.run(answer_rows(system, rows(n), exact, concurrency=concurrency))


def test_order_is_kept_and_concurrency_is_real_and_bounded():
    system = Scripted()
    outcomes = run(system, 40, concurrency=7)
    assert [o.example_id for o in outcomes] == [f"r{i}" for i in range(40)]
    assert all(o.value("m", None) == 1.0 for o in outcomes)
    assert system.peak == 7


def test_trouble_of_one_row_is_data():
    system = Scripted(
        {
            "1": RefusedByModel("no", provider="toy"),
            "2": Retryable("slow", provider="toy", timed_out=True),
            "3": Retryable("dropped", provider="toy"),
            "4": ContextOverflow("too long", provider="toy", tokens=9, context=8),
            "5": "?",
        }
    )
    causes = [o.failure.cause if o.failure else None for o in run(system, 7)]
    assert causes == [None, "refusal", "timeout", "model", "truncated", "parse", None]


@pytest.mark.parametrize(
    "trouble", [BudgetSpent("spent", spent=1, limit=1), ModelError("401", provider="toy", status=401)], ids=type
)
def test_trouble_of_all_rows_is_raised_as_itself(trouble):
    system = Scripted({"5": trouble})
    with pytest.raises(type(trouble)) as caught:
        run(system, 200)
    assert caught.value is trouble
    assert system.asked < 50


def test_a_cut_off_answer_counts_as_truncated_unless_it_is_right():
    right, wrong = run(Scripted({"1": "7"}, finish="length"), 2)
    assert right.value("m", None) == 1.0
    assert wrong.failure is not None
    assert wrong.failure.cause == "truncated"
    assert wrong.answer is not None


# --- several metrics


class Says:
    """A metric that says what it is given, or raises it."""

    def __init__(self, said):
        self.said = said

    def score(self, answer, example, task):
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def lenient(self, answer, example, task):
        return None

    def format_rule(self, task):
        return None


class Asks(Says):
    """A judging metric: raises what asking its model raises, or says the same; without a kit it says `verdict`."""

    opinion = False

    def __init__(self, raises: Exception | None = None) -> None:
        super().__init__(Failure("metric", "not asked"))
        self.raises, self.kits = raises, []

    def asks(self, answer, example, task):
        return ()

    async def assess(self, answer, example, task, kit):
        self.kits.append(kit)
        if self.raises is not None:
            raise self.raises
        return Score(0.25)


ROW = Example("r1", {"text": "1"}, "1", "g1")
TWO = task(metrics=(MetricSpec("first"), MetricSpec("second")))


def judged(first, second, text="1", finish="stop", kit=True):
    score = scorer({"first": first, "second": second}, TWO, KitForTests(TWO) if kit else None)
    answer = Answer(text, (Completion(text, "toy", 1, 1, 0.1, 0.0, finish),))
    return asyncio.run(judge(ROW, answer, score))


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        (Retryable("slow", provider="toy", timed_out=True), "timeout"),
        (Retryable("dropped", provider="toy"), "model"),
    ],
)
@pytest.mark.parametrize("first", [Says(Score(1.0)), Says(Score(0.0))])
def test_transport_trouble_of_a_second_metric_is_asked_again_and_not_scored(first, trouble, cause):
    found = judged(first, Asks(trouble))
    assert found.scores is None
    assert (found.failure.cause, found.failure.message) == (cause, f"the judging model: {trouble}")
    assert (found.example_id, found.group, found.answer.text, found.abstained) == ("r1", "g1", "1", None)
    assert unanswered([found]) == 1
    cut = judged(first, Asks(trouble), finish="length")
    assert cut.failure.cause == cause  # not "truncated": the row is asked again


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (RefusedByModel("no", provider="toy"), "the judging model declined: no"),
        (
            ContextOverflow("long", provider="toy", tokens=9, context=8),
            "too long for the judging model: long",
        ),
    ],
)
def test_a_judge_that_cannot_judge_one_row_leaves_the_row_to_the_first_metric(trouble, says):
    found = judged(Says(Score(1.0)), Asks(trouble))
    assert found.failure is None
    assert (found.value("first", None), found.value("second", 0.0)) == (1.0, None)
    assert found.unscored == {"second": Failure("metric", says)}
    alone = judged(Asks(trouble), Says(Score(1.0)))
    assert alone.failure == Failure("metric", says)
    assert unanswered([alone]) == 0


def test_what_a_second_metric_cannot_judge_has_no_number_and_is_never_the_failure_of_the_row():
    broken = Says(Failure("parse", "no number"))
    rows = [judged(Says(Score(1.0, adheres=True)), broken), judged(Says(Score(0.5)), broken)]
    assert [r.failure for r in rows] == [None, None]
    assert [r.value("first", None) for r in rows] == [1.0, 0.5]
    assert [r.value("second", 0.0) for r in rows] == [None, None]
    assert [r.adheres("second") for r in rows] == [None, None]
    assert [r.unscored for r in rows] == [{"second": Failure("parse", "no number")}] * 2
    result = summarise(
        Candidate("prompt", "as-is", PromptLearned(messages=(), columns=()), "main"), tuple(rows), TWO, 2
    )
    assert (result.estimates["first"].mean, result.unscored) == (0.75, {"second": 2})
    assert "second" not in result.estimates
    first = judged(broken, Says(Score(1.0)))
    assert first.failure == Failure("parse", "no number")
    assert first.scores is None


def test_a_judging_metric_is_asked_through_the_kit_and_without_one_says_what_it_can():
    asked = Asks()
    found = judged(Says(Score(1.0)), asked)
    assert (found.value("second", None), len(asked.kits)) == (0.25, 1)
    assert asked.kits[0].task is TWO
    without = judged(asked, Says(Score(1.0)), kit=False)
    assert (without.failure, len(asked.kits)) == (Failure("metric", "not asked"), 1)


def test_each_row_is_announced_as_it_comes_with_its_own_name_and_group():
    seen = []
    examples = [Example(f"r{i}", {"text": str(i)}, str(i), f"g{i}") for i in range(5)]
    system = Scripted({"3": RefusedByModel("no", provider="toy")})
    outcomes = asyncio.run(answer_rows(system, examples, exact, concurrency=2, on_row=seen.append))
    assert sorted(seen, key=lambda o: o.example_id) == list(outcomes)
    assert [(o.example_id, o.group) for o in outcomes] == [(f"r{i}", f"g{i}") for i in range(5)]
    assert (outcomes[3].failure, outcomes[3].answer) == (Failure("refusal", "no"), None)
    assert asyncio.run(answer_rows(system, [], exact, concurrency=2)) == ()


@pytest.mark.parametrize(
    ("value", "finish", "cause"),
    [
        (1.0, "length", None),
        (0.999, "length", "truncated"),
        (0.999, "stop", None),
        (None, "length", "truncated"),
        (None, "stop", "parse"),
    ],
)
def test_what_is_cut_off_and_not_fully_right_is_truncated_whatever_else_failed(value, finish, cause):
    verdict = Failure("parse", "no number") if value is None else Score(value)
    found = judged(Says(verdict), Says(Score(1.0)), text="I do not know.", finish=finish)
    assert (found.failure.cause if found.failure else None) == cause
    assert (found.example_id, found.group, found.answer.text) == ("r1", "g1", "I do not know.")
    assert found.abstained == "wrong"  # the row has an answer
    if cause == "truncated":
        assert found.failure.message == "the answer was cut off at max_tokens"


def test_the_first_of_nested_troubles_is_the_cause():
    first = ModelError("401", provider="toy", status=401)
    nested = ExceptionGroup(
        "all", [ExceptionGroup("some", [first, ValueError("x")]), BudgetSpent("s", spent=1, limit=1)]
    )
    assert first_cause(nested) is first
    assert first_cause(first) is first


PLAIN = Candidate("prompt", "p", PromptLearned(messages=(), columns=()), "main")
TASK = Task("t", "Answer.", ("text",), "target", "extraction", (MetricSpec("first"), MetricSpec("second")), 0.9)


def twenty_judged(first, second, texts=None):
    score = scorer({"first": Says(first), "second": Says(second)}, TASK)
    return asyncio.run(answer_rows(Scripted(texts), rows(20), score, concurrency=4))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (KeyError("team"), "the metric's second.score raised KeyError: 'team'"),
        (OSError(f"bad {object()}"), "the metric's second.score raised OSError: bad <object object at 0x...>"),
        (Failure("parse", "no JSON"), "no JSON"),
        (
            object(),
            "the metric's second.score returned an object of class object, which is neither a Score nor a Failure",
        ),
        (0.5, "the metric's second.score returned 0.5, which is neither a Score nor a Failure"),
        (Score(1.5), "the metric's second.score gave the score 1.5, which is not in [0, 1]"),
        (Score(float("nan")), "the metric's second.score gave the score nan, which is not in [0, 1]"),
    ],
    ids=["raises", "raises with an address", "fails", "an object", "no score", "above 1", "nan"],
)
def test_what_a_second_metric_cannot_judge_is_a_failure_and_no_number(said, message):
    outcomes = twenty_judged(Score(1.0), said)
    assert [o.value("first", 0.0) for o in outcomes] == [1.0] * 20
    assert [o.value("second", 0.0) for o in outcomes] == [None] * 20
    assert {o.unscored["second"].message for o in outcomes} == {message}
    result = summarise(PLAIN, outcomes, TASK, 1)
    assert "second" not in result.estimates
    assert result.unscored == {"second": 20}
    assert result.failures == {}
    assert result.estimates["first"].mean == 1.0


def test_a_failed_example_beside_unjudged_ones_makes_no_estimate_of_a_second_metric():
    outcomes = twenty_judged(Score(1.0), ValueError("broken"), {"3": RefusedByModel("no", provider="toy")})
    result = summarise(PLAIN, outcomes, TASK, 1)
    assert "second" not in result.estimates
    assert result.unscored == {"second": 19}
    assert result.failures == {"refusal": 1}


def test_a_second_metric_is_estimated_over_the_answers_that_it_judged():
    class Half(Says):
        def score(self, answer, example, task):
            return Score(0.25) if int(answer) < 10 else Failure("metric", "too large")

    score = scorer({"first": Says(Score(1.0)), "second": Half(None)}, TASK)
    outcomes = asyncio.run(answer_rows(Scripted(), rows(20), score, concurrency=4))
    result = summarise(PLAIN, outcomes, TASK, 1)
    assert result.estimates["second"].mean == 0.25
    assert result.estimates["second"].n == 10
    assert result.unscored == {"second": 10}


def test_a_deciding_metric_that_raises_fails_the_example_and_is_named():
    outcomes = twenty_judged(ZeroDivisionError("division by zero"), Score(1.0))
    assert {(o.failure.cause, o.failure.message) for o in outcomes if o.failure} == {
        ("metric", "the metric's first.score raised ZeroDivisionError: division by zero")
    }
    assert [o.value("first", 0.0) for o in outcomes] == [None] * 20


@given(st.lists(st.sampled_from(["0", "1", "?", "half", "noted"]), min_size=2, max_size=30))
def test_answers_that_are_right_or_wrong_and_no_more_share_what_is_said_of_them(said):
    """A test set of 100,000 examples keeps two mappings of scores, not 100,000; whatever says more keeps its own."""

    class Tells:
        def score(self, answer: str, example: Example, task: Task) -> Score:
            more = {"half": Score(0.5), "noted": Score(1.0, note="why")}
            return more.get(answer) or Score(float(answer == "1"))

    judge_one = scorer({"m": Tells()}, task())
    found = [asyncio.run(judge_one(Answer(text), rows(1)[0])) for text in said]
    for text, each in zip(said, found, strict=True):
        alike = {id(other.scores) for other, same in zip(found, said, strict=True) if same == text}
        assert len(alike) == (said.count(text) if text in ("half", "noted") else 1)
        assert each.scores["m"].value == {"0": 0.0, "1": 1.0, "?": 0.0, "half": 0.5, "noted": 1.0}[text]
