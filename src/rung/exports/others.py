"""The same prompt by other tools: the OpenAI SDK, LiteLLM, LangChain and promptfoo, as configurations and constant programs.

Formats, as read on 2026-11: https://docs.litellm.ai/docs/proxy/configs, https://reference.langchain.com/python (ChatPromptTemplate, ChatOpenAI),
https://www.promptfoo.dev/docs/configuration/parameters and /docs/providers/python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rung.exports.alone.with_litellm import NAMED
from rung.exports.bare import Said, copied
from rung.prompts.templates import Template
from rung.store.folder import write_json
from rung.types import Demonstration, Example, Message, texts_in

FOLDER = "others"
_NOT_SENT = ("model", "messages")


def write_others(
    content: Mapping[str, Any], body: Mapping[str, Any], stored: Sequence[tuple[Example, Said]], out: Path
) -> str:
    """Write the folder `others`, and say what was left out; empty for nothing.

    `content`: what prompt.json says; `body`: one request as it is sent. `stored`: dev examples with their measured answers.
    """
    place = out / FOLDER
    place.mkdir(mode=0o700)
    further = {name: value for name, value in body.items() if name not in _NOT_SENT}
    for name in ("with_openai.py", "with_langchain.py", "with_promptfoo.py"):
        copied(name, place)
    write_json(
        place / "langchain.json", {"prompt": _langchain_prompt(content), "model": _langchain(content["model"], further)}
    )
    write_json(place / "promptfooconfig.yaml", _promptfoo(len(stored)))
    write_json(place / "promptfoo_rows.json", [{"inputs": dict(e.inputs), "measured": said.text} for e, said in stored])
    held = _litellm(content["model"], further)
    if any(text.startswith(NAMED) for text in texts_in(held["extra_body"])):
        return f"; no litellm.yaml, where {NAMED!r} at the head of a text of its settings would name a variable"
    write_json(place / "litellm.yaml", {"model_list": [{"model_name": "measured", "litellm_params": held}]})
    copied("with_litellm.py", place)
    return ""


def _litellm(model: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of LiteLLM for the model. A key that no variable holds is a word: else LiteLLM takes one of its own."""
    key = model.get("api_key_env")
    headers = {name: NAMED + variable for name, variable in (model.get("headers_env") or {}).items()}
    return {
        "model": f"openai/{model['name']}",
        "api_base": model["base_url"],
        "api_key": NAMED + key if key else "none",
        "timeout": model.get("timeout_s") or 60,
        **({"extra_headers": headers} if headers else {}),
        "extra_body": dict(further),
    }


def _langchain(model: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ChatOpenAI. What it would rename or leave out goes into the body as it was sent."""
    return {
        "model": model["name"],
        "base_url": model["base_url"],
        "timeout": model.get("timeout_s") or 60,
        "temperature": None,
        "use_responses_api": False,
        "extra_body": dict(further),
    }


def _langchain_prompt(content: Mapping[str, Any]) -> list[list[str]] | None:
    """Return the chat with its examples as roles and f-string templates; None where it depends on the row, or folds system turns."""
    columns, model = tuple(content["columns"]), content["model"]
    texts = [*content["messages"], *content["examples"]]
    if (
        any(content.get(name) for name in ("choice", "nearest"))
        or model.get("context")
        or model.get("takes_no_system_turn")
    ):
        return None
    if any("\x00" in text for text in texts_in(texts)):
        return None
    messages = tuple(Message(m["role"], m["content"]) for m in content["messages"])
    shown = [Demonstration(d["id"], d["inputs"], d["target"]) for d in content["examples"]]
    marks = {column: f"\x00{n}\x00" for n, column in enumerate(columns)}
    return [[turn.role, _f_string(turn.content)] for turn in Template(messages, columns).render(marks, shown)]


def _f_string(text: str) -> str:
    """Return a template in which every brace stands for itself, and the n-th mark for the n-th column."""
    return re.sub("\x00(\\d+)\x00", r"{c\1}", text.replace("{", "{{").replace("}", "}}"))


def _promptfoo(rows: int) -> dict[str, Any]:
    """Return the configuration: it holds no text of a row, a prompt or a model."""
    check = {"type": "python", "value": "file://with_promptfoo.py:as_measured"}
    return {
        "description": "The prompt as rung measured it: are the answers to dev examples still those?",
        "prompts": [{"id": "file://with_promptfoo.py:chat", "label": "as measured"}],
        "providers": [{"id": "file://with_promptfoo.py", "label": "as measured"}],
        "defaultTest": {"assert": [check]},
        "tests": [{"vars": {"row": n}} for n in range(rows)],
    }
