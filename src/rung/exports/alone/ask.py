"""Asks the prompt in prompt.json as rung measured it: `answer({column: text, ...})`.

    python -I ask.py "a text"                            one text for each column, in order
    python -I ask.py --in rows.csv --out answers.csv     64 requests at once; the same command goes on after a stop

Keys come from the environment variables that prompt.json names; they are sent to its base_url and along no redirect.
"""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))


@cache
def system() -> Any:
    """Return the prompt with its examples, which makes a chat of a row."""
    from endpoint import Room, chooser, template
    from from_rung.prompts.templates import ChatSystem

    return ChatSystem(template(), "model", chooser(), Room())


def turns(inputs: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the chat for one row: the texts of the columns that prompt.json names."""
    from endpoint import prompt

    request = system().request({column: inputs[column] for column in prompt()["columns"]})
    return [message.as_dict() for message in request.messages]


def request(inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the whole request for one row, as it was measured: what is posted to /chat/completions."""
    from endpoint import body

    found: dict[str, Any] = body(turns(inputs))
    return found


def read(message: Mapping[str, Any], cut_off: bool = False) -> str:
    """Return the answer in a reply: the message of its first choice, and whether its length cut it off."""
    from endpoint import processed, said

    return str(processed()(said(message, cut_off)))


def answer(inputs: Mapping[str, str], by: Callable[[list[dict[str, str]]], str] | None = None) -> str:
    """Ask, and return the answer for one row. `by` answers the chat in place of the endpoint."""
    from endpoint import asked, processed

    return str(processed()((by or asked)(turns(inputs))))


def ready() -> None:
    """Look whether every key is set, and prepare what all rows share."""
    from endpoint import headers, prompt

    headers(prompt()["model"])
    system()


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # this folder stays as it is
    from command_line import main
    from endpoint import prompt

    raise SystemExit(main(answer, prompt()["columns"], __doc__ or "", in_flight=64, ready=ready))
