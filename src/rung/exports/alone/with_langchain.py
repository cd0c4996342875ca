"""Asks by LangChain (`pip install langchain-openai`), with prompt and model in langchain.json, what the program of this export asks.

    python with_langchain.py "a text"   one text for each column, in order

`chain()` is a Runnable from a dict of columns to the answer.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))


@cache
def chain() -> Any:
    """Return the prompt, the model and the steps that follow it, as one Runnable."""
    from endpoint import processed, program
    from langchain_core.runnables import RunnableLambda

    if config()["prompt"] is None:  # its examples or passages depend on the row
        return RunnableLambda(lambda inputs: program().answer(inputs, lambda turns: said(model().invoke(turns))))
    return RunnableLambda(chat) | model() | RunnableLambda(said) | RunnableLambda(processed())


def said(message: Any) -> str:
    """Return what a reply says, before any step that follows it."""
    from endpoint import said as words

    cut_off = message.response_metadata.get("finish_reason") == "length"
    return str(words({"content": message.content, **message.additional_kwargs}, cut_off))


@cache
def config() -> dict[str, Any]:
    """Return what langchain.json says."""
    found: dict[str, Any] = json.loads((HERE / "langchain.json").read_text(encoding="utf-8"))
    return found


def chat(inputs: Mapping[str, str]) -> Any:
    """Return the chat for one row. The template's variables are c0, c1 ..., one a column."""
    from endpoint import prompt
    from langchain_core.prompts import ChatPromptTemplate

    template = ChatPromptTemplate.from_messages(
        [tuple(turn) for turn in config()["prompt"]], template_format="f-string"
    )
    return template.invoke({f"c{n}": inputs[column] for n, column in enumerate(prompt()["columns"])})


@cache
def model() -> Any:
    """Return the model, which is sent what prompt.json names: no other variable, along no redirect."""
    from endpoint import headers, prompt
    from langchain_openai import ChatOpenAI
    from openai import DefaultHttpxClient

    settings = dict(config()["model"])
    sent: dict[str, Any] = headers(prompt()["model"])
    key = sent.pop("Authorization", "").removeprefix("Bearer ")
    address, _, query = settings.pop("base_url").partition("?")
    found = ChatOpenAI(
        **settings,
        base_url=address,
        default_query=dict(parse_qsl(query)),
        api_key=key or "none",
        default_headers=sent,
        http_client=DefaultHttpxClient(follow_redirects=False),
    )
    client = found.root_client
    client.organization = client.project = None  # else taken from variables that prompt.json does not name
    return found


def answer(inputs: Mapping[str, str]) -> Any:
    """Ask, and return the answer for one row, with its sources where there are any."""
    return chain().invoke(dict(inputs))


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # this folder stays as it is
    from command_line import show
    from endpoint import prompt

    show(answer(dict(zip(prompt()["columns"], sys.argv[1:], strict=True))))
