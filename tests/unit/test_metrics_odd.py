"""Whatever an answer holds, no metric raises over it, and every score is a number from 0 to 1."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung import plugins
from rung.types import Example, Failure, MetricSpec, Score, Task

TASK = Task("t", "Do it.", ("text",), "answer", "knowledge", (MetricSpec("numeric"),), 0.9)
NINES = "9" * 400
ODD = {
    "a number that no float holds": NINES,
    "a number that int() refuses": "9" * 5000,
    "a long one in braces": "{" + "9" * 20_000 + "}√ ½",
    "space in braces": "{" + " " * 20_000 + "}√ ½",
    "its negative share": f"-{NINES}%",
    "a power of a power": "10^999999999 and 1e999999999 and 9^9^9",
    "a division by zero": "1/0 and 0/0 and 0^-1",
    "no number": "NaN, nan, inf, -Infinity, 1e400",
    "json of these": f'{{"a": {NINES}, "b": NaN, "c": Infinity, "d": 1e400}}',
    "json of a huge number": f'{{"a": {NINES}}}',
    "json of a number that int() refuses": '{"a": ' + "9" * 5000 + "}",
    "deep objects": '{"a":' * 3000 + "1" + "}" * 3000,
    "deep lists": "[" * 10_000,
    "deepest lists": "[" * 100_000,
    "deep sql": "select " + "(" * 1500 + "1" + ")" * 1500,
    "long sql": "select a from t where " + " and ".join(f"a{i} = {NINES}" for i in range(40)),
    "half of a surrogate pair": "\ud83d",
    "nothing": "",
    "controls": "\x00\x1b[2J\u202e\u2028",
    "a mark without a letter": "\u0301\u093f",
    "marks on marks": "a" + "\u0301" * 5000,
    "a dict of python": "{'a': " + NINES + ", 'b': float('nan')}",
    "a set of python": "{1, 2}",
}
METRICS = {
    "chrf": ({}, "a b"), "contains": ({}, "5"), "exact_match": ({}, "a"), "json_fields": ({}, '{"a": 1, "b": {"c": [1, 2]}}'),
    "lines": ({}, "a\nb"), "normalized_match": ({}, "a"), "numeric": ({"tolerance": 0.5, "relative": 0.1}, "12%"), "regex": ({"pattern": "(a+)"}, "a"),
    "rouge_l": ({}, "a b"), "sql": ({}, "select a from t"), "token_f1": ({}, "a b"),
}  # fmt: skip


def checked(name: str, answer: str, target: str | None = None) -> None:
    options, usual = METRICS[name]
    metric = plugins.make("metrics", name, **options)
    row = Example("r1", {"text": "x"}, usual if target is None else target, "r1")
    found, lenient = metric.score(answer, row, TASK), metric.lenient(answer, row, TASK)
    values = [found.value, *found.parts.values()] if isinstance(found, Score) else []
    assert isinstance(found, Failure) or all(math.isfinite(v) and 0.0 <= v <= 1.0 for v in values)
    assert lenient is None or (math.isfinite(lenient) and 0.0 <= lenient <= 1.0)
    assert lenient is None or not values or lenient >= values[0] - 1e-9
    json.dumps([found.note if isinstance(found, Score) else found.message], allow_nan=False)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("odd", [pytest.param(o, marks=pytest.mark.slow) if o == "deepest lists" else o for o in ODD])
def test_no_odd_answer_leaves_its_row(name, odd):
    began = time.process_time()
    checked(name, ODD[odd])
    checked(name, f"```json\n{ODD[odd]}\n```")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("odd", [pytest.param(o, marks=pytest.mark.slow) if o == "deepest lists" else o for o in ODD])
def test_no_odd_target_leaves_its_row_either(name, odd):
    checked(name, METRICS[name][1], ODD[odd])


@given(answer=st.lists(st.sampled_from([*"{}[]()\"'`,:;.%^/\\-+<>$ \n", "1", "e", "NaN", "9" * 30, "a", "\u0301", "½", "select", "\\frac", "```"])).map("".join),
       name=st.sampled_from(sorted(METRICS)))  # fmt: skip
def test_no_mixture_of_marks_does(name, answer):
    checked(name, answer)
