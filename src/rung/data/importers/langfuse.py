"""Langfuse: items of a data set, traces and observations, as they are exported (JSON, JSON lines or CSV).

Schema: https://api.reference.langfuse.com (DatasetItem, TraceWithFullDetails, Observation, Score).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung.data.cells import RawRow
from rung.data.importers.base import (
    Found,
    Importer,
    Sheet,
    Source,
    asked,
    mapping,
    objects,
    plain,
    variables,
    verdict_of,
)
from rung.data.importers.flat import number_in, score_in
from rung.errors import DataError

_ITEM = ("datasetId", "datasetName", "sourceTraceId", "dataset_id", "source_trace_id")
_TRACE = ("timestamp", "sessionId", "userId", "htmlPath", "observations", "scores", "bookmarked", "public")
_READ = frozenset(  # of the columns of a table
    "id input output expectedOutput expected_output metadata status sessionId traceId trace_id type scores model "
    "providedModelName name latency latencyMs totalCost calculatedTotalCost".split()
)
_ABOUT = frozenset(  # of a table, and no scores
    "timestamp userId release version environment tags bookmarked public comments createdAt updatedAt projectId datasetId datasetName "
    "dataset_id sourceTraceId source_trace_id sourceObservationId htmlPath htmlSourcePath observations startTime endTime "
    "completionStartTime level statusMessage parentObservationId promptId promptName promptVersion modelId modelParameters "
    "usageDetails costDetails usage inputCost outputCost inputUsage outputUsage totalUsage timeToFirstToken "
    "timeToFirstTokenMs traceName traceTags traceTimestamp internalModelId inputPrice outputPrice totalPrice tokensPerSecond "
    "toolDefinitionsCount toolCallsCount externalId unit inputTokens outputTokens totalTokens".split()
)
_OBSERVATION = ("traceId", "trace_id")
_GENERATION = "GENERATION"


def recognise_items(source: Source) -> str | None:
    rows = [row.cells for row in source.head]
    if (
        source.alone
        or not rows
        or not all(_has(r, ("expectedOutput", "expected_output")) and _has(r, _ITEM) for r in rows)
    ):
        return None
    return "each row is an item of a data set with its expected output" if all("input" in r for r in rows) else None


def recognise_traces(source: Source) -> str | None:
    rows = [row.cells for row in source.head]
    if source.alone or not source.all_have("id", "input", "output"):
        return None
    if all(_has(r, _OBSERVATION) and "type" in r for r in rows):
        return "each row is an observation of a trace"
    fewest = 4 if source.flat else 2  # tables of people have an id, an input and an output, too
    return "each row is a trace" if all(sum(k in r for k in _TRACE) >= fewest for r in rows) else None


def _has(row: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    return any(k in row for k in keys)


def read_items(source: Source, found: Found) -> Iterator[RawRow]:
    sheet = Sheet(source, found)
    columns: dict[str, None] = {}
    for row in source.records():
        item = row.cells
        if item.get("status") == "ARCHIVED":
            found.leave("archived items")
            continue
        inputs = _inputs(item.get("input"), row.line, source, found)
        if inputs is None:
            continue
        columns.update(dict.fromkeys(c for c in inputs if c != "system"))
        key = str(item.get("id", row.line))
        expected = _content(item.get("expectedOutput", item.get("expected_output")))
        about = {f"metadata.{k}": v for k, v in mapping(item.get("metadata")).items()}
        sheet.add(key, row.line, {"id": key, **inputs, "expected": expected, **about})
    found.inputs, found.id, found.target = list(columns), "id", "expected"
    found.leave_columns(set(source.first) - _READ if source.flat else ())
    yield from sheet.rows()


def read_traces(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield one row a trace, or a generation. Raises DataError where none says what was asked."""
    sheet = Sheet(source, found)
    columns: dict[str, None] = {}
    for row in source.records():
        held = row.cells
        if held.get("type") not in (None, _GENERATION):
            found.leave("observations that ask no model")
            continue
        inputs = None if held.get("input") is None else _inputs(held["input"], row.line, source, found)
        if not inputs:
            found.leave("traces without an input", int(held.get("input") is None))
            continue
        columns.update(dict.fromkeys(c for c in inputs if c != "system"))
        key = str(held["id"])
        group = str(held.get("sessionId") or held.get("traceId") or held.get("trace_id") or key)
        sheet.add(key, row.line, {"id": key, "group": group, **inputs})
        answer = _content(held.get("output"))
        if answer is None:
            found.leave("traces without an output")
            continue
        cost = number_in(held.get("totalCost", held.get("calculatedTotalCost")))
        verdicts = dict(_verdicts(held, source.flat))
        found.leave("scores that are no number from 0 to 1", sum(v is None for v in verdicts.values()))
        name = str(held.get("model") or held.get("providedModelName") or held.get("name") or "trace")
        sheet.answer(key, name, plain(answer), verdicts, _seconds(held), cost)
    if not len(sheet):
        raise DataError("holds no trace with an input; export traces with their inputs and outputs", file=source.file)
    sheet.close()
    rows = list(sheet.rows())
    groups = [r.cells["group"] for r in rows]
    found.inputs, found.id = list(columns), "id"
    found.leave_columns(set(source.first) & _ABOUT if source.flat else ())
    found.group = "group" if 1 < len(set(groups)) < len(groups) else None
    yield from rows


def _verdicts(held: Mapping[str, Any], flat: bool) -> Iterator[tuple[str, float | None]]:
    """Yield what was scored, by name. In a table each name is a column of its own, whose cell may be a list of one."""
    for score in objects(held.get("scores")):
        yield str(score.get("name")), verdict_of(score.get("value"))
    for name in held.keys() - _READ - _ABOUT if flat else ():
        if held[name] not in (None, "", "[]", "null"):
            yield name, verdict_of(score_in(held[name]))


def _seconds(held: Mapping[str, Any]) -> float | None:
    milliseconds = number_in(held.get("latencyMs"))
    return number_in(held.get("latency")) if milliseconds is None else milliseconds / 1000


def _inputs(value: object, line: int, source: Source, found: Found) -> dict[str, Any] | None:
    """Return the input columns: a text or a chat is `input`, an object without a chat keeps its names."""
    held = mapping(value)
    if held and "messages" not in held and len(held) > 1:
        return variables(held)
    talk = asked(next(iter(held.values())) if len(held) == 1 else value, line, source.file, found)
    return None if talk is None else {"system": talk.system, "input": talk.text}


def _content(value: object) -> Any:
    """Return the text of an answer: as it is, of a message, or of an object with one value."""
    held = mapping(value)
    if isinstance(held.get("content"), str):
        return held["content"]
    if len(held) == 1:
        return next(iter(held.values()))
    return value if isinstance(value, str | list) or value is None else plain(value)


ITEMS = Importer("items of a Langfuse data set", recognise_items, read_items)
TRACES = Importer("traces of Langfuse", recognise_traces, read_traces)
