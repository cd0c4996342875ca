"""Rows answered many at once: order kept, trouble of a row kept with the row, trouble of all rows raised."""

import asyncio
from collections.abc import Mapping

import pytest

from rung.errors import BudgetSpent, ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.evaluate.answering import answer_rows
from rung.types import Answer, Completion, Example, Failure, Score


def rows(n: int) -> list[Example]:
    return [Example(f"r{i}", {"text": str(i)}, str(i), f"r{i}") for i in range(n)]


async def exact(answer: Answer, example: Example) -> Mapping[str, Score] | Failure:
    text = answer.text
    return Failure("parse", "no number") if text == "?" else {"m": Score(float(text == example.target))}


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
