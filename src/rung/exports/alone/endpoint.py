"""Asks the endpoint in prompt.json as it was asked when it was measured. Standard library only.

Keys come from the environment variables that prompt.json names; they are sent to its base_url, and along no redirect.
"""

import json
import os
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).parent
Turns = list[dict[str, str]]


@cache
def prompt() -> dict[str, Any]:
    """Return what prompt.json says."""
    found: dict[str, Any] = json.loads((HERE / "prompt.json").read_text(encoding="utf-8"))
    return found


def program() -> Any:
    """Return the program of this folder that answers: rag.py where it looks passages up, else ask.py."""
    return import_module("rag" if (HERE / "rag.py").exists() else "ask")


class Stay(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: the request holds a key, and it is for one address."""

    def redirect_request(self, *args: Any) -> None:
        return None


def headers(*models: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that these models are asked with. Ends the program where a variable is not set."""
    wanted: dict[str, str] = {}
    keys: list[str] = []
    for model in models:
        wanted |= model.get("headers_env") or {}
        keys += [model["api_key_env"]] if model.get("api_key_env") else []
    unset = [name for name in [*wanted.values(), *keys] if not os.environ.get(name)]
    if unset:
        raise SystemExit("set the environment variable " + ", ".join(dict.fromkeys(unset)))
    found = {header: os.environ[name] for header, name in wanted.items()}
    return found | ({"Authorization": "Bearer " + os.environ[keys[-1]]} if keys else {})


def body(turns: Turns) -> dict[str, Any]:
    """Return what is sent for a chat: as JSON it is the whole request."""
    model = prompt()["model"]
    found: dict[str, Any] = {"model": model["name"], "max_tokens": model["max_tokens"]}
    if model.get("temperature") is not None:
        found["temperature"] = model["temperature"]
    found.update(model.get("extra_body") or {})
    if model.get("takes_no_system_turn"):
        from from_rung.chats import folded

        turns = folded(turns)
    found["messages"] = turns
    found[model.get("max_tokens_field") or "max_tokens"] = found.pop("max_tokens")
    return found


def post(model: Mapping[str, Any], door: str, sent: Mapping[str, Any]) -> Any:
    """Send JSON to a door of the model's address ("/chat/completions") and return the JSON that comes back."""
    address, _, query = model["base_url"].partition("?")
    request = urllib.request.Request(
        address.rstrip("/") + door + ("?" + query if query else ""),
        json.dumps(sent).encode(),
        {"Content-Type": "application/json", **headers(model)},
    )
    with urllib.request.build_opener(Stay).open(request, timeout=model.get("timeout_s") or 60) as reply:
        return json.load(reply)


def asked(turns: Turns) -> str:
    """Return what the model says to a chat, before any step that follows it."""
    choice = post(prompt()["model"], "/chat/completions", body(turns))["choices"][0]
    return said(choice["message"], choice.get("finish_reason") == "length")


def said(message: Mapping[str, Any], cut_off: bool = False) -> str:
    """Return what a reply says as it was measured: without a thought before it, up to the first stop word."""
    model = prompt()["model"]
    if message.get("refusal"):
        raise ValueError("the model declined: " + str(message["refusal"]))
    held = message.get("content")
    text = "" if held is None else held if isinstance(held, str) else _written(held)
    if model.get("without_thought"):
        from from_rung.models.thought import without_thought

        text, _ = without_thought(text, cut_off)
    ends = [place for word in model.get("ends_at") or () if word and (place := text.find(word)) >= 0]
    return text[: min(ends)] if ends else text


def _written(content: Any) -> str:
    """Return content that is no text: its text parts, or data as JSON."""
    if not isinstance(content, list):
        return json.dumps(content, ensure_ascii=False)
    parts = [{"text": part} if isinstance(part, str) else part for part in content]
    return "".join(part.get("text") or "" for part in parts if part.get("type", "text") in ("text", "output_text"))


@cache
def processed() -> Callable[[str], str]:
    """Return the steps that follow the model, as one function from what it said to the answer."""
    names = prompt().get("after_the_model")
    if not names:
        return str
    from from_rung.prompts.postprocessing import step_of

    step: Callable[[str], str] = step_of(", ".join(names), prompt()["labels"])
    return step


def template() -> Any:
    """Return the prompt, into which the texts of a row are put."""
    from from_rung.prompts.templates import Template
    from from_rung.types.tasks import Message

    return Template(tuple(Message(m["role"], m["content"]) for m in prompt()["messages"]), tuple(prompt()["columns"]))


def chooser() -> Callable[[Mapping[str, str]], Sequence[Any]]:
    """Return the function from a row to the examples that are shown with it."""
    from from_rung.types.learned import Demonstration

    held = prompt()
    shown = tuple(
        Demonstration(d.get("id") or str(n), d["inputs"], d["target"]) for n, d in enumerate(held["examples"])
    )
    if not held.get("nearest"):
        return lambda _: shown
    from from_rung.prompts.similar import chooser as nearest_of

    found: Callable[[Mapping[str, str]], Sequence[Any]] = nearest_of(
        SimpleNamespace(demonstrations=shown, nearest=held["nearest"])
    )
    return found


class Room:
    """The room that the model has: where a chat exceeds it, examples are left out, as when it was measured."""

    def card(self, role: str) -> Any:
        """Return the model's context, and what an answer may take of it, in tokens; it is asked by chats alone."""
        model = prompt()["model"]
        return SimpleNamespace(context=model.get("context"), max_tokens=model.get("room_for_answer", 0), columns=())

    def count_tokens(self, role: str, messages: Iterable[Any]) -> int:
        """Return an upper estimate of the tokens of a chat."""
        from from_rung.models.tokens import estimated_tokens

        return int(estimated_tokens(messages))
