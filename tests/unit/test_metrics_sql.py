"""sql: what counts as the same query, and what never does."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from rung import plugins
from rung.types import Example, Failure, MetricSpec, Score, Task

TASK = Task("t", "Ask it.", ("text",), "query", "generation", (MetricSpec("sql"),), 0.5)


def row(target):
    return Example("r1", {"text": "x"}, target, "g1")


def judged(answer, target, **settings):
    return plugins.make("metrics", "sql", **settings).score(answer, row(target), TASK)


def lenient(answer, target):
    return plugins.make("metrics", "sql").lenient(answer, row(target), TASK)


SAME = [
    ("SELECT a FROM t", "select  A\nfrom T ; -- done"),
    ("SELECT a FROM t WHERE a = 1 AND b = 2", "SELECT t.a FROM t WHERE (2 = t.b) AND (t.a = 1)"),
    ("SELECT a.x FROM t AS a JOIN s AS b ON a.i = b.i", "SELECT q.x FROM t q INNER JOIN s w ON w.i = q.i"),
    ("SELECT t.x FROM t JOIN s ON t.i = s.i", "SELECT a.x FROM t AS a JOIN s AS b ON a.i = b.i"),
    ("SELECT a FROM t WHERE a IN (1, 2)", "SELECT a FROM t WHERE a IN (2, 1)"),
    ("SELECT a FROM t WHERE a > 1", "SELECT a FROM t WHERE 1 < a"),
    ("SELECT a, b, COUNT(*) FROM t GROUP BY a, b", "SELECT a, b, count(*) FROM t GROUP BY b, a"),
    ("SELECT COUNT(*) AS n FROM t ORDER BY n", "SELECT COUNT(*) AS total FROM t ORDER BY COUNT(*)"),
    ("SELECT a FROM t LEFT JOIN s ON t.i = s.i", "SELECT a FROM t LEFT OUTER JOIN s ON s.i = t.i"),
    ("SELECT a FROM t WHERE a != 1", "SELECT a FROM t WHERE a <> 1"),
    (
        "SELECT x FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.i = t.i)",
        "SELECT x FROM t AS p WHERE EXISTS (SELECT 1 FROM s AS q WHERE q.i = p.i)",
    ),
    ("SELECT x FROM (SELECT a AS x FROM t) AS u", "SELECT v.x FROM (SELECT a AS x FROM t) v"),
    ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a ASC"),
]
DIFFERENT = [
    ("SELECT a FROM t", "SELECT b FROM t"),
    ("SELECT a, b FROM t", "SELECT b, a FROM t"),
    ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
    ("SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'"),
    ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = '1'"),
    ("SELECT a FROM t WHERE a = 1 OR b = 2 AND c = 3", "SELECT a FROM t WHERE (a = 1 OR b = 2) AND c = 3"),
    ("SELECT a FROM t WHERE a > 1", "SELECT a FROM t WHERE a < 1"),
    ("SELECT a FROM t WHERE a - 1 > b", "SELECT a FROM t WHERE 1 - a > b"),
    ("SELECT a.x FROM t AS a JOIN s AS b ON a.i = b.i", "SELECT b.x FROM t AS a JOIN s AS b ON a.i = b.i"),
    ("SELECT a.x FROM t AS a JOIN t AS b ON a.i = b.j", "SELECT b.x FROM t AS a JOIN t AS b ON a.i = b.j"),
    ("SELECT a FROM t LEFT JOIN s ON t.i = s.i", "SELECT a FROM t JOIN s ON t.i = s.i"),
    ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
    ("SELECT a FROM t ORDER BY a, b", "SELECT a FROM t ORDER BY b, a"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 2"),
    ('SELECT "A" FROM t', 'SELECT "a" FROM t'),
    ("SELECT x FROM (SELECT a AS x FROM t) AS u", "SELECT x FROM (SELECT b AS x FROM t) AS u"),
    ("DELETE FROM t", "SELECT * FROM t"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_only_written_differently(one, other):
    assert judged(one, other) == judged(other, one) == Score(1.0, adheres=True)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_query(one, other):
    assert judged(one, other) == judged(other, one) == Score(0.0, adheres=True)


def test_names_of_result_columns_count_on_demand():
    one, other = "SELECT MAX(a) AS m FROM t", "SELECT MAX(a) AS n FROM t"
    assert judged(one, other).value == 1.0
    assert judged(one, other, column_names=True).value == 0.0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "the answer holds 0 SQL statements, not one"),
        ("SELECT 1; SELECT 2", "the answer holds 2 SQL statements, not one"),
        ("hello", "the answer is no SQL statement: 'hello'"),
        ("EXPLAIN SELECT 1", "the answer is no SQL statement: 'EXPLAIN SELECT 1'"),
        ("I do not know that.", "the answer is not SQL: Invalid expression / Unexpected token. Line 1, Col: 8."),
        ("SELECT " + "(" * 3000, "the answer is not SQL: it is nested too deep"),
    ],
)
def test_what_is_no_query_is_a_parse_failure(answer, why):
    assert judged(answer, "SELECT 1") == Failure("parse", why)


def test_a_target_that_is_no_query_is_the_rows_fault():
    assert judged("SELECT 1", "n/a").cause == "metric"
    assert judged("SELECT 1", "hello").message == "the target of example 'r1' is no SQL statement: 'hello'"
    assert lenient("SELECT 1", "hello") is None


@pytest.mark.parametrize(
    "answer",
    [
        "```sql\nSELECT a FROM t;\n```",
        "Here is the query:\nSELECT a FROM t",
        "SELECT a FROM t; it lists all a",
        "Sure.\n\nSELECT a FROM t\n\nIt lists all a.",
    ],
)
def test_wrapping_is_forgiven_by_the_lenient_score(answer):
    assert isinstance(judged(answer, "SELECT a FROM t"), Failure)
    assert lenient(answer, "SELECT a FROM t") == 1.0
    assert lenient(answer, "SELECT b FROM t") == 0.0


def test_the_dialect_decides_what_quotes_mean():
    one, other = 'SELECT a FROM t WHERE b = "x"', "SELECT a FROM t WHERE b = 'x'"
    assert judged(one, other, dialect="mysql").value == 1.0
    assert judged(one, other, dialect="postgres").value == 0.0
    assert "one mysql query" in plugins.make("metrics", "sql", dialect="mysql").format_rule(TASK)
    with pytest.raises(ValidationError, match="is no dialect; there are: .*postgres"):
        plugins.make("metrics", "sql", dialect="postgress")


def test_real_queries_equal_themselves(shared_data):
    lines = (shared_data / "advising-sql" / "dev.jsonl").read_text("utf-8").splitlines()[:200]
    queries = [value for line in lines for value in json.loads(line).values() if str(value).startswith("SELECT")]
    assert len(queries) >= 200
    found = [judged(query.lower().replace("  ", " "), query.lower(), dialect="mysql") for query in queries]
    assert {type(score) for score in found} == {Score}
    assert {score.value for score in found} == {1.0}
