"""SQL compared as parsed: two queries are equal if they differ only in writing. Parsed by sqlglot; nothing is run."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import sqlglot
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.scope import Scope, traverse_scope

from rung.foreign import foreign
from rung.metrics.unwrap import after_thought, strip_fence
from rung.types import Example, Failure, Score, Task

_LONGEST = 20_000  # characters; a longer answer is a runaway
_STATEMENTS = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Alter, exp.Drop)
_START = re.compile(r"\b(?:select|with|insert|update|delete|merge|create|alter|drop)\b", re.IGNORECASE)
_MIRRORED = {exp.GT: "LT", exp.GTE: "LTE"}
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of answers that it reads in part; we refuse those


class Sql(BaseModel):
    """Score 1 if the answer is the target's query, else 0; an answer that is not one SQL statement is a parse failure.

    Not told apart: case of key words and unquoted names, white space, comments, a closing semicolon, redundant
    parentheses, names of table aliases, qualifiers where there is one table, the order of AND and OR operands, of both
    sides of = and <>, of GROUP BY and IN lists, `a > b` and `b < a`, JOIN and INNER JOIN, names of result columns.
    Queries that return the same rows for another reason count as different: this is a lower bound of quality.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dialect: str = Field(
        "", description="sqlglot's name of the dialect, such as postgres, sqlite or mysql; empty: generic"
    )
    column_names: bool = Field(False, description="the names given to result columns count")

    @field_validator("dialect")
    @classmethod
    def _known(cls, dialect: str) -> str:
        known = sorted(name for name in sqlglot.Dialect.classes if name)
        if dialect and dialect not in known:
            raise ValueError(f"is no dialect; there are: {', '.join(known)}")
        return dialect

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        target = self._form(example.target)
        if isinstance(target, str):
            return Failure("metric", f"the target of example {example.id!r} {target}")
        said = self._form(answer)
        if isinstance(said, str):
            return Failure("parse", f"the answer {said}")
        return Score(float(said == target), adheres=True)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the best score of the answer, its code fence, and what begins with a key word such as SELECT."""
        target = self._form(example.target)
        if isinstance(target, str):
            return None
        return float(any(self._form(text) == target for text in _readings(answer)))

    def format_rule(self, task: Task) -> str | None:
        kind = f"one {self.dialect} query" if self.dialect else "one SQL query"
        return f"Answer with {kind} and nothing else. No code fence and no explanation."

    def _form(self, text: str) -> tuple[Any, ...] | str:
        return _form(text[:_LONGEST], self.dialect, self.column_names)


def _readings(answer: str) -> Iterator[str]:
    for text in dict.fromkeys((answer, strip_fence(after_thought(answer)))):
        yield text
        found = _START.search(text)
        if found:
            yield text[found.start() :]
            yield text[found.start() :].partition(";")[0]
            yield text[found.start() :].partition("\n\n")[0]


@lru_cache(maxsize=4096)
def _form(text: str, dialect: str, column_names: bool) -> tuple[Any, ...] | str:
    """Return what two spellings of a query have in common, or what is wrong with the text, as the rest of a sentence."""
    try:
        with foreign(lambda error: SqlglotError(f"{type(error).__name__}: {error}"), (SqlglotError, RecursionError)):
            trees = sqlglot.parse(text, dialect=dialect or None)
        parsed = [tree for tree in trees if tree and not isinstance(tree, exp.Semicolon)]
        if len(parsed) != 1:
            return f"holds {len(parsed)} SQL statements, not one"
        tree = parsed[0]
        if not isinstance(tree, _STATEMENTS):
            return f"is no SQL statement: {' '.join(text.split())[:60]!r}"
        tree = normalize_identifiers(tree.unnest(), dialect=dialect or None)
        if not column_names and isinstance(tree, exp.Select):
            _drop_column_names(tree)
        return _key(tree, _qualifiers(tree))
    except SqlglotError as error:
        return f"is not SQL: {(str(error).splitlines() or [type(error).__name__])[0]}"
    except RecursionError:
        return "is not SQL: it is nested too deep"


def _drop_column_names(query: exp.Select) -> None:
    """Take the aliases off the result columns; ORDER BY, which sees them, gets what they stand for.

    A name in GROUP BY or HAVING stays: dialects differ in what it refers to there.
    """
    named = {e.alias: e.this for e in query.expressions if isinstance(e, exp.Alias)}
    order = query.args.get("order")
    for column in list(order.find_all(exp.Column)) if order is not None else []:
        if not column.table and column.name in named:
            column.replace(named[column.name].copy())
    query.set("expressions", [e.unalias() for e in query.expressions])


def _qualifiers(tree: exp.Expr) -> dict[int, tuple[int, int] | None]:
    """Return, by the id of a qualified column, how many queries outwards its table is and which one of its FROM it is.

    None where the query at hand has one table: then a qualifier says nothing.
    """
    found: dict[int, tuple[int, int] | None] = {}
    for scope in traverse_scope(tree):
        for column in scope.columns:
            place = _place(column.table, scope)
            if column.table and place is not None:
                found.setdefault(id(column), None if place[0] == 0 and len(scope.selected_sources) == 1 else place)
    return found


def _place(table: str, scope: Scope | None) -> tuple[int, int] | None:
    outwards = 0
    while scope is not None:
        names = list(scope.selected_sources)
        if table in names:
            return outwards, names.index(table)
        scope, outwards = scope.parent, outwards + 1
    return None


def _key(node: Any, places: dict[int, tuple[int, int] | None]) -> tuple[Any, ...]:
    """Return a node as nested tuples that are equal where the difference is one of writing."""
    kind = type(node)
    if not isinstance(node, exp.Expr):
        return (str(node),)
    if isinstance(node, exp.Paren):
        return _key(node.this, places)
    if isinstance(node, exp.Identifier | exp.Anonymous) and isinstance(node.this, str):
        name = node.this if isinstance(node, exp.Identifier) else node.this.casefold()
        return (kind.__name__, name, *(_key(e, places) for e in node.expressions))
    if isinstance(node, exp.And | exp.Or):
        return (kind.__name__, *_sorted({_key(part, places) for part in node.flatten()}))
    if isinstance(node, exp.EQ | exp.NEQ):
        return (kind.__name__, *_sorted([_key(node.this, places), _key(node.expression, places)]))
    if kind in _MIRRORED:
        return (_MIRRORED[kind], _key(node.expression, places), _key(node.this, places))
    if isinstance(node, exp.LT | exp.LTE):
        return (kind.__name__, _key(node.this, places), _key(node.expression, places))
    if isinstance(node, exp.Column) and node.table and id(node) in places:
        return ("Column", _key(node.this, places), places[id(node)])
    args = []
    for name, value in sorted(node.args.items()):
        if not value or _says_nothing(node, name, value):
            continue
        values = [_key(v, places) for v in value] if isinstance(value, list) else [_key(value, places)]
        free = name == "expressions" and isinstance(node, exp.In | exp.Group)
        args.append((name, *(_sorted(values) if free else values)))
    if isinstance(node, exp.Column) and not node.table:
        return ("Column", _key(node.this, places), None)
    return (kind.__name__, *args)


def _says_nothing(node: exp.Expr, name: str, value: Any) -> bool:
    """Return whether an argument is only another way of writing."""
    if isinstance(node, exp.Join) and name == "kind":
        return value == "INNER" or (value == "OUTER" and bool(node.args.get("side")))
    if isinstance(node, exp.Table | exp.Subquery) and name == "alias":
        return not value.args.get("columns")
    return False


def _sorted(keys: Any) -> list[tuple[Any, ...]]:
    return sorted(keys, key=repr)
