"""Tests of a promptfoo file (YAML or JSON) as rows: the variables are columns, the assertion's value is `expected`."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from rung.data._cells import RawRow
from rung.data._shapes import REFERENCES
from rung.errors import DataError

NAMED = 10
_HOLE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


class _Loader(yaml.SafeLoader):
    """YAML without moments: a date stays the text that is written there."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def promptfoo_rows(raw: bytes, path: Path) -> Iterator[RawRow]:
    """Yield one row a test, and one for each combination where variables are lists.

    The first assertion whose value is an output (equals, contains, similar ...) gives `expected`; all assertions stay
    as JSON in `__assert` where there are others. Raises DataError for a file of another form, a test without such an
    assertion, and values that stand in other files.
    """
    file = str(path)
    try:
        text = raw.decode("utf-8-sig")
        as_json = ".json" in path.suffixes
        value, lines = (json.loads(text), []) if as_json else (yaml.load(text, _Loader), _lines(text))
    except UnicodeDecodeError as error:
        raise DataError(f"byte {error.start + 1} is not UTF-8; save the file as UTF-8", file=file) from error
    except json.JSONDecodeError as error:
        raise DataError(f"bad JSON at character {error.colno}: {error.msg}", file=file, line=error.lineno) from error
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not readable"
        raise DataError(f"is no YAML: {problem}", file=file, line=where.line + 1 if where else None) from error
    tests, shared = _tests(value, file)
    rows: list[RawRow] = []
    without: list[str] = []
    for place, test in enumerate(tests):
        line = lines[place] if place < len(lines) else place + 1
        if not isinstance(test, dict) or not isinstance(test.get("vars", {}), dict):
            raise DataError("is no test: a test has `vars` and `assert`", file=file, line=line)
        for number, cells in enumerate(_cells(test, shared, file, line)):
            if "expected" not in cells and not number:
                kinds = sorted({str(a.get("type")) for a in _assertions(test, shared)}) or ["none at all"]
                without.append(f"line {line} ({', '.join(kinds)})")
            rows.append(RawRow(line, cells))
    if without:
        more = f" and {len(without) - NAMED} more" if len(without) > NAMED else ""
        raise DataError(
            f"{len(without)} of {len(tests)} tests have no assertion whose value is an expected output "
            f"({', '.join(REFERENCES[:5])} ...): {'; '.join(without[:NAMED])}{more}. Give them one, or take them out",
            file=file,
        )
    yield from rows


def _lines(text: str) -> list[int]:
    """Return the line each test begins at."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if isinstance(root, yaml.MappingNode):
        root = next((v for k, v in root.value if getattr(k, "value", None) == "tests"), root)
    return [n.start_mark.line + 1 for n in root.value] if isinstance(root, yaml.SequenceNode) else []


def _tests(value: Any, file: str) -> tuple[list[Any], Mapping[str, Any]]:
    """Return the tests and what they all share."""
    shared = value.get("defaultTest") or {} if isinstance(value, dict) else {}
    tests = value.get("tests") if isinstance(value, dict) else value
    if (
        isinstance(shared, str)
        or isinstance(tests, str)
        or (isinstance(tests, list) and any(isinstance(t, str) for t in tests))
    ):
        raise DataError("its tests stand in another file; name that file as the data", file=file)
    if not isinstance(tests, list) or not tests:
        raise DataError(
            "holds no list of `tests`; a .yaml or .json file of this form is a promptfoo file with vars and assert",
            file=file,
        )
    return tests, shared


def _assertions(test: Mapping[str, Any], shared: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [a for a in [*(test.get("assert") or ()), *(shared.get("assert") or ())] if isinstance(a, dict)]


def _cells(test: Mapping[str, Any], shared: Mapping[str, Any], file: str, line: int) -> Iterator[dict[str, Any]]:
    variables = {**(shared.get("vars") or {}), **(test.get("vars") or {})}
    asserted = _assertions(test, shared)
    reference = next((a for a in asserted if a.get("type") in REFERENCES and a.get("value") is not None), None)
    for name, value in [*variables.items(), ("assert", reference and reference["value"])]:
        if any(str(v).startswith("file://") for v in (value if isinstance(value, list) else [value])):
            raise DataError(f"{name} names another file; put its text there", file=file, line=line, column=str(name))
    choices = [v if isinstance(v, list) else [v] for v in variables.values()]
    for chosen in itertools.product(*choices):
        cells: dict[str, Any] = dict(zip(map(str, variables), chosen, strict=True))
        if reference is not None:
            cells["expected"] = _filled(reference["value"], cells)
        if any(a is not reference for a in asserted):
            cells["__assert"] = asserted
        if test.get("description"):
            cells["__description"] = test["description"]
        yield cells


def _filled(value: Any, cells: Mapping[str, Any]) -> Any:
    """Put variables into the holes of an expected output; a hole without a variable stays."""
    if not isinstance(value, str):
        return value
    return _HOLE.sub(lambda m: str(cells[m[1]]) if m[1] in cells else m[0], value)
