"""Traces as OpenTelemetry exports them (OTLP in JSON, whole or a line a batch): spans that ask a model are examples without an expected answer.

Attributes: OpenInference (https://github.com/Arize-ai/openinference, spec/semantic_conventions.md) and the semantic conventions of
`gen_ai` (https://opentelemetry.io/docs/specs/semconv/gen-ai/, gen-ai-input-messages.json), also in their older forms
`gen_ai.prompt.0.content` and events. Schema of OTLP: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rung.data.cells import RawRow
from rung.data.importers.base import Found, Importer, Sheet, Source, asked, mapping, objects, plain
from rung.errors import DataError

DEEPEST = 50  # values within each other
_NUMBERED = re.compile(
    r"(llm\.input_messages|llm\.output_messages|gen_ai\.prompt|gen_ai\.completion)\.(\d{1,4})\.(.{1,200})"
)
_CONTENTS = re.compile(r"message\.contents\.\d{1,4}\.message_content\.text")
_NANOS = re.compile(r"\d{1,20}", re.ASCII)
_OPERATIONS = ("chat", "text_completion", "generate_content")
_MODELS = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name")
_GROUPS = ("gen_ai.conversation.id", "session.id")
_COSTS = ("llm.cost.total", "gen_ai.usage.cost")
_EVENTS = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant"}


def recognise(source: Source) -> str | None:
    found = source.all_have("resourceSpans") or source.all_have("resource_spans")
    return "it holds resourceSpans" if found else None


def read(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield one row a span that asks a model. Raises DataError where none tells what was asked."""
    sheet = Sheet(source, found)
    spans = asking = 0
    for line, span in _spans(source):
        spans += 1
        about = _attributes(span)
        chats = _Chats(about, span)
        if not _asks(about) and not chats.asked:
            found.leave("spans that ask no model")
            continue
        asking += 1
        _take(span, about, chats, line, sheet, source, found)
    if not len(sheet):
        raise DataError(
            f"holds {spans:,} spans, {asking:,} of which ask a model, and none that tells what was asked: have the "
            "instrumentation record the messages, and export the trace again",
            file=source.file,
        )
    sheet.close()
    found.inputs, found.id = ["input"], "span_id"
    rows = list(sheet.rows())
    groups = [r.cells["group"] for r in rows]
    found.group = "group" if 1 < len(set(groups)) < len(groups) else None
    yield from rows


def _spans(source: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for row in source.records():
        for resource in objects(row.cells.get("resourceSpans", row.cells.get("resource_spans"))):
            for scope in objects(resource.get("scopeSpans", resource.get("scope_spans"))):
                yield from ((row.line, span) for span in objects(scope.get("spans")))


def _take(
    span: Mapping[str, Any],
    about: Mapping[str, Any],
    chats: _Chats,
    line: int,
    sheet: Sheet,
    source: Source,
    found: Found,
) -> None:
    talk = asked(chats.asked, line, source.file, found) if chats.asked else None
    if talk is None:
        found.leave("spans without what was asked", int(not chats.asked))
        return
    identity = str(span.get("spanId", span.get("span_id", f"{line}-{len(sheet)}")))
    group = next((str(about[k]) for k in _GROUPS if about.get(k)), str(span.get("traceId", span.get("trace_id", ""))))
    system = "\n\n".join(t for t in (chats.instructions, talk.system) if t)
    sheet.add(identity, line, {"span_id": identity, "group": group, "system": system, "input": talk.text})
    said = asked(chats.said, line, source.file, found) if chats.said else None
    if said is None:
        found.leave("spans without an answer", int(not chats.said))
        return
    model = next((str(about[k]) for k in _MODELS if about.get(k)), "model")
    cost = next((about[k] for k in _COSTS if k in about), None)
    sheet.answer(identity, model, said.text if said.answer is None else said.answer, {}, _seconds(span), cost)


def _asks(about: Mapping[str, Any]) -> bool:
    kind = about.get("openinference.span.kind")
    return kind == "LLM" if kind is not None else about.get("gen_ai.operation.name") in _OPERATIONS


class _Chats:
    """What a span says was asked and answered: a list of messages, a text, or None."""

    def __init__(self, about: Mapping[str, Any], span: Mapping[str, Any]) -> None:
        turns: dict[str, dict[int, dict[str, Any]]] = {}
        for name, value in about.items():
            if found := _NUMBERED.fullmatch(name):
                _put(turns.setdefault(found[1], {}).setdefault(int(found[2]), {}), found[3], value)
        numbered = {name: [held[n] for n in sorted(held)] for name, held in turns.items()}
        events = _from_events(span)
        self.instructions = _instructions(about.get("gen_ai.system_instructions"))
        self.asked = (
            _messages(about.get("gen_ai.input.messages"))
            or numbered.get("llm.input_messages")
            or numbered.get("gen_ai.prompt")
            or events[0]
            or (about.get("input.value") if _asks(about) else None)
        )
        self.said = (
            _messages(about.get("gen_ai.output.messages"))
            or numbered.get("llm.output_messages")
            or numbered.get("gen_ai.completion")
            or events[1]
            or (about.get("output.value") if _asks(about) else None)
        )


def _put(turn: dict[str, Any], name: str, value: object) -> None:
    """Write one flattened attribute of a message into the message."""
    if name in ("message.role", "role"):
        turn["role"] = value
    elif name in ("message.content", "content"):
        turn["content"] = value
    elif _CONTENTS.fullmatch(name):
        turn["content"] = f"{turn.get('content', '')}{value}"
    elif "tool_call" in name:
        turn.setdefault("tool_calls", []).append({name: value})
    turn.setdefault("role", "assistant")
    turn.setdefault("content", "")


def _messages(value: object) -> list[dict[str, Any]]:
    """Return messages of the form {role, parts: [{type: text, content}]}, which may be JSON text, as {role, content}."""
    return [
        {
            "role": message.get("role", "assistant"),
            "content": _parts(message["parts"]) if "parts" in message else message.get("content"),
        }
        for message in objects(_loaded(value))
    ]


def _parts(parts: object) -> object:
    """Return the parts as `content` of a chat: texts joined; any other part stays, and is refused as no text."""
    held = objects(parts)
    if all(p.get("type") in ("text", "reasoning") for p in held):
        return "".join(plain(p.get("content")) or "" for p in held if p.get("type") == "text")
    calls = [p for p in held if str(p.get("type", "")).startswith("tool_call")]
    return "".join(plain(p.get("content", p)) or "" for p in held) if len(calls) == len(held) else held


def _instructions(value: object) -> str:
    return "\n\n".join(plain(p.get("content")) or "" for p in objects(_loaded(value)))


def _from_events(span: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the messages that events hold, asked and answered."""
    put: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for event in objects(span.get("events")):
        held = _attributes(event)
        name = str(event.get("name"))
        if name in _EVENTS and "content" in held:
            put.append({"role": _EVENTS[name], "content": held["content"]})
        elif name == "gen_ai.choice":
            message = mapping(_loaded(held.get("message")))
            said.append({"role": "assistant", "content": message.get("content", held.get("content", ""))})
        elif name == "gen_ai.content.prompt":
            put += _messages(held.get("gen_ai.prompt"))
        elif name == "gen_ai.content.completion":
            said += _messages(held.get("gen_ai.completion"))
    return put, said


def _loaded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _attributes(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a span or event by name."""
    listed = held.get("attributes")
    if isinstance(listed, dict):
        return dict(listed)
    return {str(a["key"]): _value(a.get("value")) for a in objects(listed) if "key" in a}


def _value(value: object, depth: int = 0) -> Any:
    """Return what an AnyValue of OTLP holds; integers are written as texts there."""
    held = mapping(value)
    if not held or depth > DEEPEST:
        return None
    kind, inner = next(iter(held.items()))
    if kind in ("arrayValue", "array_value"):
        return [_value(v, depth + 1) for v in objects(mapping(inner).get("values"))]
    if kind in ("kvlistValue", "kvlist_value"):
        return {str(a.get("key")): _value(a.get("value"), depth + 1) for a in objects(mapping(inner).get("values"))}
    if kind in ("intValue", "int_value") and isinstance(inner, str):
        return int(inner) if re.fullmatch(r"-?\d{1,19}", inner) else None
    return inner


def _seconds(span: Mapping[str, Any]) -> float | None:
    begun, ended = (str(span.get(key)) for key in ("startTimeUnixNano", "endTimeUnixNano"))
    if not _NANOS.fullmatch(begun) or not _NANOS.fullmatch(ended):
        return None
    return (int(ended) - int(begun)) / 1e9


IMPORTER = Importer("OpenTelemetry traces", recognise, read)
