"""A subset of JSON Schema: enough to say what an extraction must look like. Unknown keywords are refused, not ignored.

Keyword meanings follow https://json-schema.org/draft/2020-12/json-schema-validation (read 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}
_SILENT = ("title", "description", "default", "examples", "$schema", "$id", "$comment")
_KEYWORDS = (
    "type",
    "properties",
    "required",
    "additionalProperties",
    "enum",
    "const",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
)


def check_schema(schema: Mapping[str, Any], where: str = "schema") -> None:
    """Raise ValueError for a keyword or type that this subset does not know, naming its place."""
    unknown = sorted(set(schema) - set(_KEYWORDS) - set(_SILENT))
    if unknown:
        raise ValueError(f"{where}: unknown keyword {unknown[0]!r}; known: {', '.join(_KEYWORDS)}")
    for name in _names(schema.get("type", [])):
        if name not in (*_TYPES, "number", "integer"):
            raise ValueError(f"{where}.type: unknown type {name!r}; known: {', '.join((*_TYPES, 'number', 'integer'))}")
    if "pattern" in schema:
        try:
            re.compile(schema["pattern"])
        except (re.error, TypeError) as error:
            raise ValueError(f"{where}.pattern: {schema['pattern']!r} is not a regular expression: {error}") from error
    for key, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{where}.properties.{key}")
    if isinstance(schema.get("items"), Mapping):
        check_schema(schema["items"], f"{where}.items")


def violation(value: Any, schema: Mapping[str, Any], where: str = "answer") -> str | None:
    """Return the first way in which the value breaks the schema, in plain words with its place; None if it fits."""
    types = _names(schema.get("type", []))
    if types and not any(_is(value, name) for name in types):
        return f"{where} is not of type {' or '.join(types)}"
    if "enum" in schema and not any(_equal(value, allowed) for allowed in schema["enum"]):
        return f"{where} is not one of {schema['enum']}"
    if "const" in schema and not _equal(value, schema["const"]):
        return f"{where} is not {schema['const']!r}"
    if isinstance(value, str):
        return _text_violation(value, schema, where)
    if isinstance(value, dict):
        return _object_violation(value, schema, where)
    if isinstance(value, list):
        return _array_violation(value, schema, where)
    if _is(value, "number"):
        return _number_violation(value, schema, where)
    return None


def _text_violation(value: str, schema: Mapping[str, Any], where: str) -> str | None:
    if len(value) < schema.get("minLength", 0):
        return f"{where} has {len(value)} characters, fewer than {schema['minLength']}"
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        return f"{where} has {len(value)} characters, more than {schema['maxLength']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{where} does not match {schema['pattern']!r}"
    return None


def _number_violation(value: float, schema: Mapping[str, Any], where: str) -> str | None:
    if "minimum" in schema and value < schema["minimum"]:
        return f"{where} is below {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        return f"{where} is above {schema['maximum']}"
    return None


def _object_violation(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> str | None:
    properties = schema.get("properties", {})
    missing = [key for key in schema.get("required", ()) if key not in value]
    if missing:
        return f"{where} lacks {missing[0]!r}"
    extra = sorted(set(value) - set(properties))
    if extra and schema.get("additionalProperties", True) is False:
        return f"{where} has {extra[0]!r}, which is not asked for"
    inner = (violation(value[key], properties[key], f"{where}.{key}") for key in properties if key in value)
    return next((problem for problem in inner if problem), None)


def _array_violation(value: list[Any], schema: Mapping[str, Any], where: str) -> str | None:
    if len(value) < schema.get("minItems", 0):
        return f"{where} has {len(value)} items, fewer than {schema['minItems']}"
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        return f"{where} has {len(value)} items, more than {schema['maxItems']}"
    if isinstance(schema.get("items"), Mapping):
        inner = (violation(item, schema["items"], f"{where}[{i}]") for i, item in enumerate(value))
        return next((problem for problem in inner if problem), None)
    return None


def _names(types: str | Sequence[str]) -> list[str]:
    return [types] if isinstance(types, str) else list(types)


def _is(value: Any, name: str) -> bool:
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "integer":
        return _is(value, "number") and float(value).is_integer()
    return isinstance(value, _TYPES[name])


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)
