"""promptfoo's configuration (YAML or JSON): variables are columns, assertions say what is right, prompts and providers are proposed.

Schema: https://promptfoo.dev/config-schema.json. What is evaluated is read by `promptfoo_results`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from rung.data._yaml import read_yaml
from rung.data.assertions import ASSERTIONS, CHECKED, REFERENCES
from rung.data.cells import RawRow
from rung.data.importers.base import Found, Importer, Source, mapping, objects, plain
from rung.errors import DataError

NAMED = 10
_HOLDS = "it holds `tests` with vars and assert"
_HOLE = re.compile(r"\{\{\s{0,9}([\w.]{1,100})\s{0,9}\}\}")
_CODE = re.compile(r"\{[{%#]")  # what is left of a template where its plain holes are taken out
MOST_ROWS = 100_000  # of one file, with every combination of listed variables
_METRICS = {"equals": "exact_match", "contains": "contains", "icontains": "contains"}
_KEPT = ("type", "value", "threshold", "weight")  # of an assertion


def recognise(source: Source) -> str | None:
    value = source.first
    if not source.alone or not isinstance(value.get("tests"), list | str):
        return None
    return _HOLDS


def read(source: Source, found: Found) -> Iterator[RawRow]:
    yield from promptfoo_rows(source.head, source.file, found)


def yaml_records(raw: bytes, file: str) -> tuple[RawRow, ...]:
    """Return what a YAML file of promptfoo holds, as one object with its `tests`, each at its line. Raises DataError."""
    try:
        value, root = read_yaml(raw.decode("utf-8-sig"), file)
    except UnicodeDecodeError as error:
        raise DataError(f"byte {error.start + 1} is not UTF-8; save the file as UTF-8", file=file) from error
    if isinstance(root, yaml.MappingNode):
        root = next((v for k, v in root.value if getattr(k, "value", None) == "tests"), root)
    lines = [n.start_mark.line + 1 for n in root.value] if isinstance(root, yaml.SequenceNode) else []
    whole = value if isinstance(value, dict) else {"tests": value}
    return (RawRow(1, whole, whole=True), *(RawRow(line, {}) for line in lines))


def promptfoo_rows(records: tuple[RawRow, ...], file: str, found: Found) -> Iterator[RawRow]:
    """Yield one row a test, and one for each combination where variables are lists. `records`: the file, then the tests' lines.

    The first assertion whose value is an output (equals, contains, similar ...) gives `expected`. Where tests assert more than
    that, `__assert` holds all that rung can check, and is what is expected. A test without either has no expected output, and
    `found.said` says how many do. Raises DataError for a file of another form, one without any such assertion, and values that stand in
    other files.
    """
    value, lines = records[0].cells, [r.line for r in records[1:]]
    tests, shared = _tests(value, file)
    found.tool, found.reason = "promptfoo tests", found.reason or _HOLDS
    rows: list[RawRow] = []
    without: list[str] = []
    kinds: dict[str, None] = {}
    for place, test in enumerate(tests):
        line = lines[place] if place < len(lines) else place + 1
        if not isinstance(test, dict) or not isinstance(test.get("vars", {}), dict):
            raise DataError("is no test: a test has `vars` and `assert`", file=file, line=line)
        asserted = checked(test, shared, found)
        kinds.update(dict.fromkeys(str(a["type"]) for a in asserted))
        for number, cells in enumerate(_cells(test, shared, asserted, file, line)):
            if "expected" not in cells and not asserted and not number:
                said = sorted({str(a.get("type")) for a in _assertions(test, shared)}) or ["none at all"]
                without.append(f"line {line} ({', '.join(said)})")
            rows.append(RawRow(line, cells))
            if len(rows) > MOST_ROWS:
                raise DataError(f"makes more than {MOST_ROWS:,} rows; list fewer values in its variables", file=file)
    if without:
        more = f" and {len(without) - NAMED} more" if len(without) > NAMED else ""
        said_all = (
            f"{len(without)} of {len(tests)} tests have no assertion that rung can check, nor one whose value is an expected output "
            f"({', '.join(REFERENCES[:5])} ...): {'; '.join(without[:NAMED])}{more}"
        )
        if len(without) == len(tests):
            raise DataError(f"{said_all}. Give them one, or take them out", file=file)
        found.said.append(said_all)
    propose(value, kinds, all("expected" in row.cells for row in rows), found)
    for row in rows:
        row.cells.setdefault("expected", None)
        held = row.cells.pop(ASSERTIONS, None)
        if found.target == ASSERTIONS:
            row.cells[ASSERTIONS] = held or None
        yield row


def propose(value: Mapping[str, Any], kinds: Mapping[str, None], all_expected: bool, found: Found) -> None:
    """Fill in what is expected, by which metric, by which prompt, of which model."""
    one = next(iter(kinds)) if len(kinds) == 1 else None
    if kinds and not (all_expected and one in REFERENCES):
        found.target, found.metric = ASSERTIONS, "assertions"
    else:
        found.target, found.metric = "expected", _METRICS.get(one or "")
    prompts, providers = _texts(value.get("prompts"), "raw"), _texts(value.get("providers"), "id")
    inline = [p for p in prompts if not p.startswith(("file://", "exec:", "python:"))]
    usable = [p for p in inline if not _CODE.search(_HOLE.sub("", p))]
    found.prompt = usable[0].strip() if usable else None
    found.leave("prompts beside the first one", max(0, len(usable) - 1))
    found.leave("prompts with filters or tags of the template language", len(inline) - len(usable))
    found.leave("prompts that stand in other files", len(prompts) - len(inline))
    found.model = providers[0] if providers else None
    found.leave("providers beside the first one", max(0, len(providers) - 1))


def _texts(value: object, key: str) -> list[str]:
    """Return the texts of a list of texts or of objects that hold them under a key."""
    held = value if isinstance(value, list) else [value]
    found = [h.get(key, next(iter(h), "")) if isinstance(h, dict) else h for h in held]
    return [text for text in found if isinstance(text, str) and text.strip()]


def _tests(value: Mapping[str, Any], file: str) -> tuple[list[Any], Mapping[str, Any]]:
    """Return the tests and what they all share."""
    shared, tests = value.get("defaultTest") or {}, value.get("tests")
    elsewhere = next(
        (t for t in (shared, *(tests if isinstance(tests, list) else [tests])) if isinstance(t, str)), None
    )
    if elsewhere is not None:
        raise DataError(
            f"its tests stand in another file ({elsewhere[:200]!r}); name both: `rung init TESTS --prompt PROMPT`",
            file=file,
        )
    if not tests and value.get("scenarios"):
        raise DataError("its tests stand in `scenarios`; write each of them, with its `vars`, under `tests`", file=file)
    if not isinstance(tests, list) or not tests:
        raise DataError(
            "holds no list of `tests`; a .yaml or .json file of this form is a promptfoo file with vars and assert",
            file=file,
        )
    return tests, mapping(shared)


def _assertions(test: Mapping[str, Any], shared: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the assertions of a test, those inside sets too."""
    found: list[Mapping[str, Any]] = []
    for a in [*objects(test.get("assert")), *objects(shared.get("assert"))]:
        found += objects(a.get("assert")) if a.get("type") == "assert-set" else [a]
    return found


def checked(test: Mapping[str, Any], shared: Mapping[str, Any], found: Found) -> list[Mapping[str, Any]]:
    """Return the assertions that the metric `assertions` can check; the others are counted."""
    kept: list[Mapping[str, Any]] = []
    for a in _assertions(test, shared):
        kind = str(a.get("type"))
        if kind.removeprefix("not-") in CHECKED and not _elsewhere(a.get("value")):
            kept.append({key: a[key] for key in _KEPT if a.get(key) is not None})
        elif kind not in REFERENCES:
            found.leave(f"assertions of the type {kind[:40]}")
    return kept


def _elsewhere(value: object) -> bool:
    return any(isinstance(v, str) and v.startswith("file://") for v in (value if isinstance(value, list) else [value]))


def _cells(
    test: Mapping[str, Any], shared: Mapping[str, Any], ours: list[Mapping[str, Any]], file: str, line: int
) -> Iterator[dict[str, Any]]:
    variables = {**mapping(shared.get("vars")), **mapping(test.get("vars"))}
    asserted = _assertions(test, shared)
    reference = next((a for a in asserted if a.get("type") in REFERENCES and a.get("value") is not None), None)
    for name, value in [*variables.items(), ("assert", reference and reference["value"])]:
        if _elsewhere(value):
            raise DataError(f"{name} names another file; put its text there", file=file, line=line, column=str(name))
    choices = [v if isinstance(v, list) else [v] for v in variables.values()]
    if math.prod(map(len, choices)) > MOST_ROWS:
        raise DataError(f"its variables make more than {MOST_ROWS:,} rows; list fewer values", file=file, line=line)
    for chosen in itertools.product(*choices):
        cells: dict[str, Any] = dict(zip(map(str, variables), chosen, strict=True))
        if reference is not None:
            cells["expected"] = filled(reference["value"], cells)
        if ours:
            cells[ASSERTIONS] = [{**a, "value": filled(a.get("value"), cells)} for a in ours]
        if test.get("description"):
            cells["__description"] = test["description"]
        yield cells


def filled(value: Any, cells: Mapping[str, Any]) -> Any:
    """Put variables into the holes of an expected output; a hole without a variable stays."""
    if isinstance(value, list):
        return [filled(v, cells) for v in value]
    if not isinstance(value, str):
        return value
    return _HOLE.sub(lambda m: (plain(cells[m[1]]) or "") if m[1] in cells else m[0], value)


IMPORTER = Importer("promptfoo tests", recognise, read)
