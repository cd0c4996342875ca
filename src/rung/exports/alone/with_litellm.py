"""Asks by LiteLLM (`pip install litellm`), with the model in litellm.yaml, what the program of this export asks.

python with_litellm.py "a text"     one text for each column, in order
litellm --config litellm.yaml       serves the model under the name `measured`, by LiteLLM's proxy
"""

import json
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMED = "os.environ/"  # what stands before the name of a variable in litellm.yaml
sys.path.insert(0, str(HERE.parent))


@cache
def router() -> Any:
    """Return LiteLLM's router over litellm.yaml, which is written as JSON. It follows no redirect."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # fetch no table of prices
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        os.environ.pop(name, None)  # in this process: they would be sent, and litellm.yaml does not name them
    import httpx
    import litellm

    litellm.client_session = httpx.Client(follow_redirects=False)
    models = json.loads((HERE / "litellm.yaml").read_text(encoding="utf-8"))["model_list"]
    for model in models:
        asked = model["litellm_params"]
        asked["api_key"] = _variable(asked["api_key"])
        asked["extra_headers"] = {name: _variable(value) for name, value in asked.get("extra_headers", {}).items()}
    return litellm.Router(model_list=models, num_retries=2)


def _variable(value: str) -> str:
    if not value.startswith(NAMED):
        return value
    name = value.removeprefix(NAMED)
    if not os.environ.get(name):
        raise SystemExit(f"set the environment variable {name}")
    return os.environ[name]


def asked(turns: list[dict[str, str]]) -> str:
    """Return what the model says to a chat, before any step that follows it."""
    from endpoint import body, said

    choice = router().completion(model="measured", messages=body(turns)["messages"]).choices[0]
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
