"""JSON answers compared field by field: F1 over leaves at any depth, schema validity as the form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rung.metrics._fields import Leaves, Normaliser, Reading, f1
from rung.metrics._schema import check_schema, violation
from rung.metrics._text import outermost_object, parse_json, without_fences
from rung.types import Example, Failure, Score, Task


class JsonFields(BaseModel):
    """Score the F1 of (path, value) leaves of the answer's object against the target's; `parts` per top-level field.

    An answer that is not a bare JSON object is a parse failure. `adheres`: the object fits `schema` where one is
    given, else it has exactly the compared top-level keys. With `all_fields` the value is 1 if every leaf is right
    and none is added, else 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: tuple[str, ...] | None = Field(None, description="top-level keys to compare; default: those of the target")
    json_schema: Mapping[str, Any] | None = Field(None, alias="schema", description="subset of JSON Schema")
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
        problem = self._form_problem(said, target)
        parts = self._parts(said, target)
        return Score(self._value(said, target), adheres=problem is None, parts=parts, note=problem)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the score of the outermost object found in the answer, code fences stripped; 0 where there is none."""
        target = _target(example)
        if isinstance(target, Failure):
            return None
        said = outermost_object(without_fences(answer)) or outermost_object(answer)
        return 0.0 if said is None else self._value(said, target)

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
        return Failure("metric", f"the target of row {example.id!r} is not JSON: {error}")
    if not isinstance(target, dict):
        return Failure("metric", f"the target of row {example.id!r} is JSON but not an object")
    return target


plugin = JsonFields
