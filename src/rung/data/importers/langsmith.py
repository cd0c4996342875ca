"""LangSmith: examples of a data set, and runs, as they are exported (JSON, JSON lines or CSV).

Schemas: https://docs.langchain.com/langsmith/example-data-format and https://docs.langchain.com/langsmith/run-data-format.
"""

from __future__ import annotations

import datetime
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
from rung.data.importers.flat import number_in
from rung.errors import DataError

_ANSWERS = ("output", "answer", "content", "text", "generation", "response", "result")
_READ = frozenset(  # of the columns of a table
    "id inputs outputs metadata reference_outputs reference_example_id example_id run_type parent_run_id error total_cost execution_time "
    "start_time end_time extra feedback_stats session_name name".split()
)
_CHATS = ("messages", "generations", "choices", "outputs")


def recognise_examples(source: Source) -> str | None:
    rows = [row.cells for row in source.head]
    if not source.all_have("inputs", "outputs") or recognise_runs(source):
        return None
    if not all(isinstance(r["inputs"], dict) and isinstance(r["outputs"], dict | None) for r in rows):
        return None
    return "each row holds inputs and outputs, as the examples of a data set do"


def recognise_runs(source: Source) -> str | None:
    if any(source.all_have("inputs", "outputs", key) for key in ("run_type", "reference_outputs")):
        return "each row is a run with inputs and outputs"
    return None


def read_examples(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield one row an example: `outputs` are what people expect."""
    sheet = Sheet(source, found)
    columns: dict[str, None] = {}
    targets: dict[str, int] = {}
    for row in source.records():
        inputs = _inputs(row.cells.get("inputs"), row.line, source, found)
        if inputs is None:
            continue
        key = str(row.cells.get("id", row.line))
        expected = _expected(row.cells.get("outputs"))
        for name in expected:
            targets[name] = targets.get(name, 0) + 1
        columns.update(dict.fromkeys(c for c in inputs if c != "system"))
        about = {f"metadata.{k}": v for k, v in mapping(row.cells.get("metadata")).items()}
        sheet.add(key, row.line, {"id": key, **inputs, **expected, **about})
    _settle(found, columns, max(targets, key=targets.__getitem__) if targets else None)
    found.leave_columns(set(source.first) - _READ if source.flat else ())
    yield from sheet.rows()


def read_runs(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield one row a run that no other run started. Raises DataError where none says what was asked."""
    sheet = Sheet(source, found)
    columns: dict[str, None] = {}
    target = None
    for row in source.records():
        run = row.cells
        if run.get("parent_run_id"):
            found.leave("runs that another run started")
            continue
        inputs = _inputs(run.get("inputs"), row.line, source, found)
        if not inputs:
            found.leave("runs without inputs", int(inputs is not None))
            continue
        columns.update(dict.fromkeys(c for c in inputs if c != "system"))
        reference = _expected(run.get("reference_outputs"))
        target = target or next(iter(reference), None)
        key = str(run.get("reference_example_id") or run.get("example_id") or run.get("id") or row.line)
        sheet.add(key, row.line, {"id": key, **inputs, **reference})
        answer = _answer(run.get("outputs"), row.line, source, found)
        if answer is None or run.get("error"):
            found.leave("runs without an answer: they failed, or it is no text")
            continue
        sheet.answer(key, _model(run), answer, dict(_verdicts(run)), _seconds(run), number_in(run.get("total_cost")))
    if not len(sheet):
        raise DataError("holds no run that says what was asked; export runs with their inputs", file=source.file)
    sheet.close()
    _settle(found, columns, target)
    found.leave_columns(set(source.first) - _READ if source.flat else ())
    yield from sheet.rows()


def _settle(found: Found, columns: Mapping[str, None], target: str | None) -> None:
    found.inputs, found.id, found.target = list(columns), "id", target


def _inputs(value: object, line: int, source: Source, found: Found) -> dict[str, Any] | None:
    """Return the input columns: a lone text or chat is `input`, several values keep their names. None: no text (counted)."""
    held = mapping(value)
    chats = [k for k in held if isinstance(held[k], list) and objects(held[k])]
    if len(held) == 1 or (len(chats) == 1 and chats[0] == "messages"):
        talk = asked(_flat(next(iter(held.values())) if len(held) == 1 else held["messages"]), line, source.file, found)
        if talk is None:
            return None
        found.leave("other inputs beside the messages", len(held) - 1)
        return {"system": talk.system, "input": talk.text}
    return variables(held)


def _flat(value: object) -> object:
    """Return messages of LangChain (a list of lists; {type, data: {content}}, {type, content}) as role and content."""
    listed = value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) else value
    if not isinstance(listed, list) or not all(isinstance(m, dict) for m in listed):
        return value
    return [_message(m) for m in listed]


def _message(m: dict[str, Any]) -> dict[str, Any]:
    data = mapping(m.get("data")) or mapping(m.get("kwargs")) or m
    role = m.get("role") or m.get("type") or data.get("type")
    if role == "constructor" and isinstance(m.get("id"), list) and m["id"]:
        role = str(m["id"][-1]).removesuffix("Chunk").removesuffix("Message")
    return {"role": str(role or "user").casefold(), "content": data.get("content", "")}


def _expected(value: object) -> dict[str, Any]:
    """Return the expected outputs by column; a lone one is `expected`, of a chat its last message."""
    held = mapping(value)
    if len(held) != 1:
        return {f"outputs.{k}": v for k, v in held.items()}
    lone = next(iter(held.values()))
    last = _flat(lone)
    if isinstance(last, list) and last and isinstance(last[-1], dict) and "role" in last[-1]:
        return {"expected": last[-1].get("content")}
    return {"expected": lone.get("content", lone) if isinstance(lone, dict) else lone}


def _answer(value: object, line: int, source: Source, found: Found) -> str | None:
    held = mapping(value)
    if not held:
        return None
    for name in _CHATS:
        inner = held.get(name)
        while isinstance(inner, list) and inner:
            inner = inner[-1]
        if isinstance(inner, dict):
            message = mapping(inner.get("message")) or inner
            said = _message(dict(message))["content"] or inner.get("text")
            return said if isinstance(said, str) else None
    texts = [held[k] for k in _ANSWERS if isinstance(held.get(k), str)]
    if texts:
        return str(texts[0])
    lone = next(iter(held.values())) if len(held) == 1 else dict(held)
    if isinstance(lone, dict) and isinstance(lone.get("content"), str):
        return str(lone["content"])
    return plain(lone)


def _model(run: Mapping[str, Any]) -> str:
    about = mapping(mapping(run.get("extra")).get("metadata"))
    return str(about.get("ls_model_name") or run.get("session_name") or run.get("name") or "run")


def _verdicts(run: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, held in mapping(run.get("feedback_stats")).items():
        yield str(name), verdict_of(held.get("avg") if isinstance(held, dict) else held)


def _seconds(run: Mapping[str, Any]) -> float | None:
    if run.get("execution_time") is not None:
        return number_in(run["execution_time"])
    try:
        begun, ended = (datetime.datetime.fromisoformat(str(run.get(key))) for key in ("start_time", "end_time"))
        return (ended - begun).total_seconds()
    except (ValueError, TypeError):
        return None


EXAMPLES = Importer("examples of LangSmith", recognise_examples, read_examples)
RUNS = Importer("runs of LangSmith", recognise_runs, read_runs)
