"""Asks by the OpenAI SDK (`pip install openai`) what the program of this export asks: the same request, the same answer.

python with_openai.py "a text"      one text for each column, in order
"""

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

sys.path.insert(0, str(Path(__file__).parent.parent))


@cache
def client() -> Any:
    """Return a client that sends what prompt.json names to its address alone: no other variable, along no redirect."""
    from endpoint import headers, prompt
    from openai import DefaultHttpxClient, OpenAI

    model = prompt()["model"]
    sent: dict[str, Any] = headers(model)
    key = sent.pop("Authorization", "").removeprefix("Bearer ")
    address, _, query = model["base_url"].partition("?")
    found = OpenAI(
        base_url=address,
        default_query=dict(parse_qsl(query)),
        api_key=key or "none",
        default_headers=sent,
        timeout=model.get("timeout_s") or 60,
        http_client=DefaultHttpxClient(follow_redirects=False),
    )
    found.organization = found.project = None  # else taken from variables that prompt.json does not name
    return found


def asked(turns: list[dict[str, str]]) -> str:
    """Return what the model says to a chat, before any step that follows it."""
    from endpoint import body, said

    sent = body(turns)
    named = {"model": sent.pop("model"), "messages": sent.pop("messages")}
    choice = client().chat.completions.create(**named, extra_body=sent).choices[0]
    return str(said(choice.message.model_dump(), choice.finish_reason == "length"))


def answer(inputs: Mapping[str, str]) -> Any:
    """Ask, and return the answer for one row, with its sources where there are any."""
    from endpoint import program

    return program().answer(inputs, asked)


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # this folder stays as it is
    from command_line import show
    from endpoint import prompt

    show(answer(dict(zip(prompt()["columns"], sys.argv[1:], strict=True))))
