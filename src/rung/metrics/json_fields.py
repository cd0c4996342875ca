"""JSON answers compared field by field: F1 over leaves at any depth, schema validity as the form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rung.metrics._fields import Leaves, Normaliser, Reading, f1, respelt
from rung.metrics._schema import check_schema, violation
from rung.metrics.unwrap import after_thought, json_object, parse_json, strip_fence
from rung.types import Example, Failure, Score, Task


class JsonFields(BaseModel):
    """Score the F1 of (path, value) leaves of the answer's object against the target's; `parts` per top-level field.

    An answer that is not a bare JSON object is a parse failure. `adheres`: the object fits `schema` where one is
    given, or has exactly the keys that `fields` names; without either any object does, since keys may differ from example to example. With `all_fields` the value is 1 if every leaf is right
    and none is added, else 0. `schema` is JSON Schema (2020-12, or the draft named in `$schema`); `pattern` is a regular
    expression of Python, `format` one of date, date-time, email, ipv4, ipv6, regex, uuid. What could not be checked is refused
    before the climb: other formats, unknown keywords, a `$ref` that leads out of the schema.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: tuple[str, ...] | None = Field(None, description="top-level keys to compare; default: those of the target")
    json_schema: Mapping[str, Any] | None = Field(
        None, alias="schema", description="JSON Schema that the answer must fit"
    )
    normalise: Mapping[str, Normaliser] = Field(
        default_factory=dict, description="path -> text, exact, number, digits or date; items of lists as lines[].sku"
    )
    ordered: bool = Field(False, description="the order of list items counts")
    null_is_missing: bool = Field(True, description="null equals an absent field")
    all_fields: bool = Field(False, description="score 1 only if every field is right")

    @field_validator("json_schema")
    @classmethod
    def _known_schema(cls, schema: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if schema is not None:
            check_schema(schema)
        return schema

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        target = _target(example)
        if isinstance(target, Failure):
            return target
        try:
            said = parse_json(answer.strip())
        except ValueError as error:
            return Failure("parse", f"the answer is not JSON: {error}")
        if not isinstance(said, dict):
            return Failure("parse", f"the answer is JSON but not an object: {type(said).__name__}")
        problem, known = self._form_problem(said, target), self.json_schema is not None or self.fields is not None
        parts = self._parts(said, target)
        return Score(self._value(said, target), adheres=problem is None or not known, parts=parts, note=problem)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the best score of the first object in the answer, in a fence or in prose; 0 where there is none.

        Forgiven are trailing commas, comments, Python's spelling, keys in another spelling, an object around the wanted one, numbers
        and truth values as text, thousands separators and punctuation.
        """
        target = _target(example)
        if isinstance(target, Failure):
            return None
        bare = after_thought(answer)
        found = [json_object(text) for text in dict.fromkeys((answer, bare, strip_fence(bare)))]
        return max(
            (self._value(s, target) for said in found if said is not None for s in (said, respelt(said, target))),
            default=0.0,
        )

    def format_rule(self, task: Task) -> str | None:
        rule = "Answer with one JSON object and nothing else."
        keys = self.fields or tuple((self.json_schema or {}).get("properties", ()))
        if keys:
            return f"{rule} Use exactly these keys: {', '.join(repr(key) for key in keys)}.".replace("'", '"')
        return f"{rule} No code fence and no explanation."

    def _value(self, said: dict[str, Any], target: dict[str, Any]) -> float:
        left, right = self._leaves(said, target)
        return float(left == right) if self.all_fields else f1(left, right)

    def _parts(self, said: dict[str, Any], target: dict[str, Any]) -> dict[str, float]:
        keys = self.fields or tuple(target)
        return {key: f1(*self._leaves({k: v for k, v in said.items() if k == key}, target, key)) for key in keys}

    def _leaves(self, said: dict[str, Any], target: dict[str, Any], only: str | None = None) -> tuple[Leaves, Leaves]:
        keys = (only,) if only is not None else self.fields
        if keys is not None:
            said = {k: v for k, v in said.items() if k in keys}
            target = {k: v for k, v in target.items() if k in keys}
        reading = Reading(self.normalise, self.ordered, self.null_is_missing)
        return reading.leaves(reading.aligned(said, target)), reading.leaves(target)

    def _form_problem(self, said: dict[str, Any], target: dict[str, Any]) -> str | None:
        if self.json_schema is not None:
            return violation(said, self.json_schema)
        wanted = set(self.fields or target)
        missing, extra = sorted(wanted - set(said)), sorted(set(said) - wanted)
        if missing:
            return f"the answer lacks {missing[0]!r}"
        return f"the answer has {extra[0]!r}, which is not asked for" if extra else None


def _target(example: Example) -> dict[str, Any] | Failure:
    try:
        target = parse_json(example.target)
    except ValueError as error:
        return Failure("metric", f"the target of example {example.id!r} is not JSON: {error}")
    if not isinstance(target, dict):
        return Failure("metric", f"the target of example {example.id!r} is JSON but not an object")
    return target
