"""How a measured model is asked, as data for an exported program; and its requests, as they were sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rung.chats import folded
from rung.engine.reopen import Reopened
from rung.models.openai import OpenAI
from rung.models.settings import ProviderSettings
from rung.prompts.templates import chat_of
from rung.types import Candidate, Request, content_hash

SWAPPED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
KEPT = (
    "provider", "name", "base_url", "temperature", "max_tokens", "max_tokens_field", "extra_body", "headers_env", "timeout_s",
    "takes_no_system_turn", "context",
)  # fmt: skip


def model_of(run: Reopened, candidate: Candidate) -> dict[str, Any]:
    """Return how a candidate's model is asked, with the parameters that the candidate adds to every request."""
    role, chat = str(candidate.model), chat_of(candidate)
    settings = run.clients[role].settings
    model = _settings_of(run, role)
    model["room_for_answer"] = settings.max_tokens
    if isinstance(settings, OpenAI):  # with the room that was left for a thought
        sent = settings.body(Request(chat.messages, chat.params))
        model["max_tokens"] = sent.get("max_tokens") or sent["max_completion_tokens"]
    held = chat.params
    if chat.effort is not None:
        del held["reasoning_effort"]
        held |= settings.effort_fields(chat.effort) or {}
    if held:
        model["extra_body"] = {**(model.get("extra_body") or {}), **held}
    fitted(model, run.clients[role].news.learnt)
    return model


def embedding_model_of(run: Reopened, role: str) -> dict[str, Any] | None:
    """Return how a model is asked for vectors; None for one that answers at no address of this kind."""
    settings = run.clients[role].settings
    if not isinstance(settings, OpenAI):
        return None
    return {**_settings_of(run, role), **embedding_facts(settings)}


def embedding_facts(settings: ProviderSettings) -> dict[str, Any]:
    """Return what tells one embedding model from another, and how many texts it is asked for at once."""
    return {
        "provider": settings.provider,
        "name": settings.name,
        "identity": content_hash(dict(settings.identity())),
        "texts_a_request": settings.texts_a_request,
    }


def _settings_of(run: Reopened, role: str) -> dict[str, Any]:
    """Return how a model is asked, what was learnt of its endpoint with it.

    A key stands by the name of its variable, where one was sent when it was measured.
    """
    settings, learnt = run.clients[role].settings, run.clients[role].news.learnt
    held = settings.model_dump(mode="json") | {"provider": settings.provider}
    if "temperature" in learnt:
        held["temperature"] = None
    if "length" in learnt:
        held["max_tokens_field"] = SWAPPED[held.get("max_tokens_field") or "max_tokens"]
    if "system" in learnt:
        held["takes_no_system_turn"] = True
    kept = {name: held[name] for name in KEPT if held.get(name) not in (None, {})}
    if isinstance(settings, OpenAI) and not settings.keep_thoughts:
        kept["without_thought"] = True
    key = settings.key_variable if isinstance(settings, OpenAI) else None
    if key is None or not isinstance(settings, OpenAI):
        return kept
    header, before = settings.key_header
    if before:
        return {**kept, "api_key_env": key}
    return {**kept, "headers_env": {**held["headers_env"], header: key}}


def fitted(model: dict[str, Any], learnt: Sequence[str]) -> None:
    """Take out what the endpoint was found not to take; answers then end at stop words in the program, as they did in rung."""
    body = model.get("extra_body") or {}
    if "stop" in learnt and "stop" in body:
        stop = body["stop"]
        model["ends_at"] = [stop] if isinstance(stop, str) else list(stop or ())
    kept = {name: value for name, value in body.items() if name not in learnt}
    if body:
        model["extra_body"] = kept


def sent(body: dict[str, Any], learnt: Sequence[str]) -> dict[str, Any]:
    """Return a body as it is sent to an endpoint of which that was learnt."""
    found = {SWAPPED.get(k, k) if "length" in learnt else k: v for k, v in body.items() if k not in learnt}
    return found | ({"messages": folded(found["messages"])} if "system" in learnt else {})


def key_of(body: Any) -> str:
    """Return a request as text: equal bodies, equal text."""
    return json.dumps(body, sort_keys=True)
