"""What is asked and answered, as JSON: chat completions as OpenAI writes them, and the task's own columns. Pure; no network here."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rung.data.load import as_text
from rung.types import Answer, Task

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
ANOTHER_ANSWER = ("tools", "functions", "response_format", "logprobs", "top_logprobs", "audio", "modalities")
READ = {"model", "messages", "stream", "stream_options", "n"}
SILENT = {
    "user",
    "metadata",
    "store",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
}  # say nothing about the answer


class Refused(Exception):
    """A request that is not answered: status and error as OpenAI writes them."""

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, *, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.status, self.code = status, code
        self.body = json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the task's input columns, how the answer is wanted, and what was sent without effect."""

    inputs: Mapping[str, str]
    stream: bool = False
    with_usage: bool = False
    ignored: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Given:
    """One answer, the approach that gave it, and the probability that it is right, where that is known."""

    answer: Answer
    approach: str
    confidence: float | None = None


def json_object(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds. Raises Refused."""
    try:
        found = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not valid JSON ({str(error)[:120]})", "invalid_json") from None
    if not isinstance(found, dict):
        raise Refused(400, "the body must be a JSON object", "invalid_json")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def columns_of(found: Mapping[str, Any], task: Task, param: str | None = None) -> dict[str, str]:
    """Return the task's input columns, in its order; values become text as they do in a file of examples. Raises Refused."""
    missing = [c for c in task.inputs if c not in found]
    unknown = [c for c in found if c not in task.inputs]
    if missing or unknown:
        wrong = (
            f"lacks {', '.join(missing)}"
            if missing
            else f"has {', '.join(map(repr, unknown[:5]))}, which is no input column"
        )
        raise Refused(
            400, f"the request {wrong}; the input columns are {', '.join(task.inputs)}", "invalid_columns", param or (missing or unknown)[0]
        )  # fmt: skip
    return {c: _encodable(as_text(found[c]), param or c) for c in task.inputs}


def chat_of(found: Mapping[str, Any], task: Task, model: str) -> Asked:
    """Return what a chat request asks: its last message, from the user, holds the inputs. Raises Refused."""
    if not isinstance(found.get("model"), str):
        raise Refused(400, "model is missing", "missing_model", "model")
    if found["model"] != model:
        raise Refused(
            404, f"the model {found['model'][:80]!r} is not served here; {model!r} is", "model_not_found", "model"
        )
    messages = found.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "messages must be a list with at least one message", "invalid_messages", "messages")
    if not all(isinstance(m, Mapping) and m.get("role") in ROLES for m in messages):
        raise Refused(400, f"each message needs a role: {', '.join(ROLES)}", "invalid_messages", "messages")
    if messages[-1]["role"] != "user":
        raise Refused(400, "the last message must be the user's: it holds the input", "invalid_messages", "messages")
    text = _text_of(messages[-1].get("content"))
    options = _options(found)
    ignored = [k for k in found if k not in READ and k not in SILENT and found[k] is not None]
    earlier = sorted({str(m["role"]) for m in messages[:-1]})
    ignored += [f"messages ({', '.join(earlier)})"] if earlier else []
    return Asked(_inputs(text, task), bool(found.get("stream")), bool(options.get("include_usage")), tuple(ignored))


def _options(found: Mapping[str, Any]) -> Mapping[str, Any]:
    if found.get("n") not in (None, 1):
        raise Refused(400, "n must be 1: an approach gives one answer", "unsupported_value", "n")
    for name in ANOTHER_ANSWER:
        if found.get(name) not in (None, False, [], {"type": "text"}, ["text"]):
            raise Refused(
                400,
                f"{name} cannot be asked for: the approach answers as it was measured",
                "unsupported_parameter",
                name,
            )
    if not isinstance(found.get("stream", False), bool | None):
        raise Refused(400, "stream must be true or false", "invalid_type", "stream")
    options = found.get("stream_options")
    if options is not None and not isinstance(options, Mapping):
        raise Refused(400, "stream_options must be an object", "invalid_type", "stream_options")
    return options or {}


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return _encodable(content, "messages")
    if (
        isinstance(content, list)
        and content
        and all(isinstance(p, Mapping) and p.get("type") == "text" for p in content)
    ):
        texts = [p.get("text") for p in content]
        if all(isinstance(t, str) for t in texts):
            return _encodable("".join(map(str, texts)), "messages")
    raise Refused(400, "the content of the last message must be text", "invalid_content", "messages")


def _inputs(text: str, task: Task) -> dict[str, str]:
    if len(task.inputs) == 1:
        return {task.inputs[0]: text}
    try:
        found = json_object(text.encode())
    except Refused:
        raise Refused(
            400,
            f"the task has {len(task.inputs)} input columns, so the user's message must be a JSON object with "
            f"{', '.join(task.inputs)}; or send them to /v1/predict",
            "invalid_content",
            "messages",
        ) from None
    return columns_of(found, task, "messages")


def _encodable(text: str, param: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(400, f"{param} holds half a character (a lone surrogate)", "invalid_content", param) from None
    return text


def usage_of(answer: Answer) -> dict[str, int]:
    """Return the tokens of an answer, as far as its model told them."""
    put, out = (sum(getattr(c, f"{side}_tokens") or 0 for c in answer.calls) for side in ("input", "output"))
    return {"prompt_tokens": put, "completion_tokens": out, "total_tokens": put + out}


def sources_of(answer: Answer) -> list[dict[str, Any]]:
    return [{"document": s.document, "position": s.position, "text": s.text} for s in answer.sources]


def predicted(name: str, given: Given) -> bytes:
    """Return the body of an answer to columns."""
    answer = given.answer
    said = {
        "answer": answer.text,
        "sources": sources_of(answer),
        "confidence": given.confidence,
        "approach": given.approach,
        "model": name,
        "usage": usage_of(answer),
    }
    return json.dumps(said).encode()


def completion(name: str, number: str, given: Given) -> bytes:
    """Return the body of a chat completion; what is known of the answer beyond it stands under "rung"."""
    answer = given.answer
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
    return json.dumps(
        {
            **_head(name, number, "chat.completion"),
            "choices": [choice],
            "usage": usage_of(answer),
            **_beside(given),
        }
    ).encode()


def events(name: str, number: str, asked: Asked, given: Given) -> bytes:
    """Return a chat completion as server-sent events. The answer comes in one piece: its post-processing reads all of it."""
    head, answer = _head(name, number, "chat.completion.chunk"), given.answer

    def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**head, "choices": [choice], **({"usage": None} if asked.with_usage else {}), **more}

    parts = [
        chunk({"role": "assistant", "content": answer.text}),
        chunk({}, _finish(answer), **_beside(given)),
    ]
    if asked.with_usage:
        parts.append({**head, "choices": [], "usage": usage_of(answer)})
    return b"".join(b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts) + b"data: [DONE]\n\n"


def models(name: str, root: str, parent: str | None, created: int) -> bytes:
    """Return the list of models: one, with the approach that it is and the model that answers."""
    one = {"id": name, "object": "model", "created": created, "owned_by": "rung", "root": root, "parent": parent}
    return json.dumps({"object": "list", "data": [one]}).encode()


def _head(name: str, number: str, kind: str) -> dict[str, Any]:
    return {"id": number, "object": kind, "created": int(time.time()), "model": name}


def _beside(given: Given) -> dict[str, Any]:
    found: dict[str, Any] = {"approach": given.approach}
    if given.confidence is not None:
        found["confidence"] = given.confidence
    if given.answer.sources:
        found["sources"] = sources_of(given.answer)
    return {"rung": found}


def _finish(answer: Answer) -> str:
    return "length" if answer.truncated else "stop"


def listed(words: Sequence[str]) -> str:
    """Return names as the value of a header: whatever else they hold is left out."""
    return ", ".join("".join(c for c in word[:60] if c.isascii() and c.isprintable()) for word in words[:20])
