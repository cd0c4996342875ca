"""JSON Schema by the library `jsonschema`: what is refused before any call, and how an answer breaks the rest.

Nothing is fetched: a `$ref` leads to a place in the same schema. What the library would pass over in silence is refused: an
unknown keyword, a `format` that it cannot tell, a draft that it does not know, a part that refers to itself without end.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

_SILENT = (  # keywords that only describe, or that another keyword of the same schema reads
    *(
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$schema",
        "$id",
    ),
    *("$anchor", "$dynamicAnchor", "$defs", "definitions", "then", "else", "minContains", "maxContains"),
)
_REFERENCES = ("$ref", "$dynamicRef")
_SAME_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")  # tried on the value itself
_FORMATS = FormatChecker(("date", "email", "ipv4", "ipv6", "regex", "uuid"))
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")  # RFC 3339, section 5.6
_MOST_SAID = 300  # characters of a message: an answer may be a book


def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return _MOMENT.fullmatch(value) is not None and bool(datetime.fromisoformat(value.upper()))


_FORMATS.checks("date-time", raises=ValueError)(_is_moment)


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise ValueError, which names the place, for a schema that is wrong or that says more than can be checked."""
    try:
        text = json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:  # YAML has dates, and no answer in JSON ever equals one
        raise ValueError(f"schema: {error}; write it as JSON has it (dates in quotes)") from error
    validator = _validator(text)
    try:
        validator.check_schema(validator.schema)
    except SchemaError as error:
        raise ValueError(f"{_place('schema', error.absolute_path)}{_said(error)}") from error
    draft = specification_with(validator.META_SCHEMA["$schema"])
    parts = tuple(_parts("schema", validator.schema, draft))
    for where, part in parts:
        _check_keywords(where, part, {*validator.VALIDATORS, *_SILENT})
    resolver = Registry().resolver_with_root(draft.create_resource(validator.schema))
    below = {id(part): [*_same_value(where, part, resolver)] for where, part in parts}
    for where, part in parts:
        if any(isinstance(inner, dict) and id(inner) not in below for inner in below[id(part)]):
            raise ValueError(f"{where}: refers to a place that holds no schema; refer to '#/$defs/name'")
        if _reaches(part, below):
            raise ValueError(
                f"{where}: refers to itself without end; let it refer to itself below a property or an item"
            )


def violation(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Return the gravest way in which the value breaks a checked schema, with its place; None if it fits."""
    try:
        error = best_match(_validator(json.dumps(schema)).iter_errors(value))
    except (ArithmeticError, RecursionError) as trouble:  # `multipleOf` of a whole number that no float holds
        return f"answer: cannot be checked: {trouble}"
    return None if error is None else f"{_place('answer', error.absolute_path)}{_said(error)}"


@lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    schema = json.loads(text)
    draft = schema.get("$schema")
    known = Draft202012Validator if draft is None else isinstance(draft, str) and validator_for(schema, default=None)
    if not known:
        raise ValueError(f"schema.$schema: {draft!r} is no draft that is known here; leave it out for 2020-12")
    return known(schema, registry=Registry(), format_checker=_FORMATS)


def _parts(where: str, schema: Any, draft: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the schema and all schemas inside, each with its place."""
    yield where, schema
    inside = {id(part) for part in draft.subresources_of(schema)}
    for key, value in schema.items():
        nested: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict | list):
            nested = value.items() if isinstance(value, dict) else enumerate(value)
        for path, part in [((key,), value), *(((key, k), v) for k, v in nested)]:
            if isinstance(part, dict) and id(part) in inside:
                yield from _parts(_place(where, path), part, draft)


def _check_keywords(where: str, part: Mapping[str, Any], known: set[str]) -> None:
    for key, value in part.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "it would not be checked; leave it out"
            raise ValueError(f"{where}: unknown keyword {key!r}; {hint}")
        if key == "format" and value not in _FORMATS.checkers:
            raise ValueError(
                f"{where}.format: {value!r} cannot be checked; known: {', '.join(_FORMATS.checkers)}; others as `pattern`"
            )
        if key == "$id" and where != "schema":
            raise ValueError(f"{where}.$id: only the whole schema may have one; refer to parts as '#/$defs/name'")


def _same_value(where: str, part: Mapping[str, Any], resolver: Any) -> Iterator[Any]:
    """Yield the schemas that are tried on the very value that this one is tried on. Raises ValueError for a dead `$ref`."""
    for key in (k for k in _REFERENCES if k in part):
        if not part[key].startswith("#"):
            raise ValueError(f"{where}.{key}: {part[key]!r} lies outside; nothing is fetched: copy it to '$defs'")
        try:
            yield resolver.lookup(part[key]).contents
        except (Unresolvable, ValueError) as error:
            raise ValueError(f"{where}.{key}: {part[key]!r} leads nowhere in this schema") from error
    for key in (k for k in _SAME_VALUE if k in part):
        inner = part[key]
        yield from inner if isinstance(inner, list) else inner.values() if key == "dependentSchemas" else [inner]


def _reaches(part: Any, below: Mapping[int, list[Any]]) -> bool:
    """Whether a schema leads back to itself."""
    seen: set[int] = set()
    to_see = list(below[id(part)])
    while to_see:
        found = to_see.pop()
        if found is part:
            return True
        if id(found) not in seen:
            seen.add(id(found))
            to_see += below.get(id(found), ())
    return False


def _place(root: str, path: Iterable[Any]) -> str:
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _said(error: ValidationError | SchemaError) -> str:
    """Return what the library says, without the value that it begins with: the place stands there instead."""
    value = repr(error.instance)
    text = error.message.removeprefix(value) if error.message.startswith(f"{value} ") else f": {error.message}"
    text = text if len(text) <= _MOST_SAID else text[: _MOST_SAID - 1] + "…"
    wanted = error.validator_value
    told = not isinstance(wanted, int) or isinstance(wanted, bool) or str(wanted) in text
    return text if told else f"{text} ({error.validator} {wanted})"
