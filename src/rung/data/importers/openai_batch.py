"""Files of OpenAI's Batch API: requests are examples, the file of answers holds stored answers by `custom_id`.

Schema: https://platform.openai.com/docs/api-reference/batch/request-input (and /request-output).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung.data.cells import RawRow
from rung.data.importers.base import Found, Importer, Sheet, Source, asked, mapping, objects, plain

_ASKED = ("messages", "input", "prompt")  # of chat completions, responses, completions
_KNOWN = ("model", "messages", "input", "prompt", "instructions")
ANSWER = "answer"


def recognise_requests(source: Source) -> str | None:
    return "each row is a request of a batch" if source.all_have("custom_id", "url", "body") else None


def read_requests(source: Source, found: Found) -> Iterator[RawRow]:
    sheet = Sheet(source, found)
    for row in source.records():
        body = mapping(row.cells.get("body"))
        key = next((k for k in _ASKED if k in body), None)
        talk = asked(body[key], row.line, source.file, found) if key is not None else None
        if talk is None:
            found.leave("requests without a prompt", 0 if key else 1)
            continue
        found.leave("assistant turns at the end of a request", int(talk.answer is not None))
        for name in body:
            if name not in _KNOWN:
                found.leave(f"request parameters {name[:40]}")
        system = "\n\n".join(t for t in (plain(body.get("instructions")), talk.system) if t)
        identity = str(row.cells["custom_id"])
        sheet.add(identity, row.line, {"custom_id": identity, "system": system, "input": talk.text})
        found.model = found.model or (f"openai:{body['model']}" if body.get("model") else None)
    found.inputs, found.id = ["input"], "custom_id"
    yield from sheet.rows()


def recognise_answers(source: Source) -> str | None:
    return "each row is the answer to a request of a batch" if source.all_have("custom_id", "response") else None


def read_answers(source: Source, found: Found) -> Iterator[RawRow]:
    """Yield id and answer; what was asked stands in the other file of the batch."""
    sheet = Sheet(source, found)
    for row in source.records():
        body = mapping(mapping(row.cells.get("response")).get("body"))
        text = _text(body)
        if text is None:
            found.leave("answers without a text: their request failed, or they call tools")
        identity = str(row.cells["custom_id"])
        sheet.add(identity, row.line, {"custom_id": identity, ANSWER: text, "model": body.get("model")})
    found.id, found.answers = "custom_id", ANSWER
    found.lacks = "holds the answers of a batch and not what was asked: name the file of requests first, and this one as its answers"
    yield from sheet.rows()


def _text(body: Mapping[str, Any]) -> str | None:
    """Return the answer of a chat completion, a completion or a response."""
    for choice in objects(body.get("choices")):
        content = mapping(choice.get("message")).get("content", choice.get("text"))
        return content if isinstance(content, str) else None
    parts = [p for item in objects(body.get("output")) for p in objects(item.get("content"))]
    texts = [p["text"] for p in parts if isinstance(p.get("text"), str)]
    return "".join(texts) if texts else None


REQUESTS = Importer("requests of an OpenAI batch", recognise_requests, read_requests)
ANSWERS = Importer("answers of an OpenAI batch", recognise_answers, read_answers)
