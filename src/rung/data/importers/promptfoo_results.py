"""promptfoo's results (`promptfoo eval -o results.json`): each test's variables, assertions, outputs by provider, and verdicts.

Schema: https://www.promptfoo.dev/docs/configuration/outputs/ (OutputFile, EvaluateResult). Written by promptfoo in
tests/fixtures/importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung.data.assertions import ASSERTIONS, CHECKED, REFERENCES
from rung.data.cells import RawRow
from rung.data.importers.base import Found, Importer, Sheet, Source, mapping, objects, plain
from rung.data.importers.promptfoo import checked, filled, propose
from rung.errors import DataError

_ERROR = 2  # failureReason of a test whose provider failed


def recognise(source: Source) -> str | None:
    results = mapping(source.first.get("results")).get("results", source.first.get("results"))
    rows = objects(results)
    if not source.alone or not rows or not all("vars" in r and ("testIdx" in r or "gradingResult" in r) for r in rows):
        return None
    return "it holds `results` with vars, response and gradingResult"


def read(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield one row a test. Raises DataError where no test has an assertion that rung can check."""
    whole = source.first
    held = mapping(whole.get("results"))
    results = objects(held.get("results", whole.get("results")))
    several = len({str(r.get("promptIdx")) for r in results}) > 1
    sheet = Sheet(source, found)
    kinds: dict[str, None] = {}
    all_expected = True
    for place, result in enumerate(results, 1):
        test = mapping(result.get("testCase"))
        variables = {str(k): v for k, v in mapping(result.get("vars")).items() if not str(k).startswith("_")}
        key = str(result.get("testIdx", place))
        if key not in sheet:
            asserted = checked(test, {}, found)
            kinds.update(dict.fromkeys(str(a["type"]) for a in asserted))
            reference = next((a for a in objects(test.get("assert")) if a.get("type") in REFERENCES), None)
            expected = None if reference is None else filled(reference.get("value"), variables)
            all_expected &= expected is not None
            made = [{**a, "value": filled(a.get("value"), variables)} for a in asserted]
            sheet.add(key, place, {**variables, "expected": expected, ASSERTIONS: made or None})
        _take(result, key, several, sheet, found)
    if not kinds:
        raise DataError(
            "has no test with an assertion that rung can check; give them one, or name the tests as .yaml",
            file=source.file,
        )
    sheet.close()
    propose(mapping(whole.get("config")), kinds, all_expected, found)
    unused = (
        ASSERTIONS if found.target != ASSERTIONS else "expected" if not any(k in REFERENCES for k in kinds) else None
    )
    for row in sheet.rows():
        row.cells.pop(unused or "", None)
        yield row


def _take(result: Mapping[str, Any], key: str, several: bool, sheet: Sheet, found: Found) -> None:
    provider = result.get("provider")
    named = mapping(provider)
    name = str(named.get("label") or named.get("id") or provider or "model")
    if several:
        name = f"{name} (prompt {result.get('promptIdx')})"
    response = mapping(result.get("response"))
    if result.get("failureReason") == _ERROR or "output" not in response:
        found.leave("results without an output: their provider failed")
        return
    found.leave("named scores", len(mapping(result.get("namedScores"))))
    latency = result.get("latencyMs")
    seconds = latency / 1000 if isinstance(latency, int | float) else None
    verdicts = {"promptfoo": _verdict(result, found)}
    sheet.answer(key, name, plain(response["output"]), verdicts, seconds, result.get("cost"))


def _verdict(result: Mapping[str, Any], found: Found) -> float | None:
    """Return whether the output passed the assertions that rung checks; where others decided besides, that is counted."""
    graded = mapping(result.get("gradingResult"))
    parts = objects(graded.get("componentResults"))
    ours = [p for p in parts if str(mapping(p.get("assertion")).get("type")).removeprefix("not-") in CHECKED]
    if not parts or not ours:
        return None
    passed = all(p.get("pass") is True for p in ours)
    if passed != (result.get("success") is True):
        found.leave("verdicts that rest on assertions which rung cannot check")
    return float(passed)


IMPORTER = Importer("promptfoo results", recognise, read)
