"""Answers by tuned weights, as rung measured them: `answer({column: text, ...})`.

    python -I generate.py "a text"                            one text for each column, in order
    python -I generate.py --in rows.csv --out answers.csv     the same command goes on after a stop

An adapter stands on its base: where prompt.json does not name it, the variable BASE is its folder.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def base() -> str:
    """Return where the weights lie: this folder, or the folder or Hub name of the adapter's base. Ends the program without one."""
    from endpoint import prompt

    model = prompt()["model"]
    found = str(HERE) if model["form"] == "merged" else os.environ.get("BASE") or model["base"]
    if not found:
        raise SystemExit(f"set the environment variable BASE to the folder of the base weights ({model['name']})")
    return str(found)


@cache
def engine() -> Any:
    """Return the model with its tokenizer, loaded. Ends the program where it cannot be."""
    from endpoint import prompt

    model, source = prompt()["model"], base()
    from from_rung.errors import RungError
    from from_rung.models.local_engine import Engine

    here = Path(source).is_dir()
    settings = SimpleNamespace(
        name=model["name"] if here else source,
        folder=source if here else None,
        adapter=str(HERE) if model["form"] == "adapter" else None,
        revision=None if here else model["revision"],
        dtype=model["dtype"],
        device=model["device"],
        template=model["template"],
        batch=1,
    )
    try:
        return Engine(
            settings, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
    except RungError as error:
        raise SystemExit(str(error)) from error


def answer(inputs: Mapping[str, str]) -> str:
    """Return the answer for one row: the texts of the columns that prompt.json names."""
    from endpoint import processed, prompt
    from from_rung.models.batched import Ask

    model = prompt()["model"]
    tokens = engine().tokens(chat(inputs))
    window = min(engine().context, model["context"] or engine().context)
    if len(tokens) >= window:
        raise ValueError(f"{len(tokens)} prompt tokens leave no room in the context of {window}")
    limit = min(model["max_tokens"], window - len(tokens))
    [said] = engine().answer([Ask(tokens, limit, model["temperature"] or 0.0)])
    return str(processed()(said.text))


def chat(inputs: Mapping[str, str]) -> Iterable[Any]:
    """Return the chat for one row."""
    from endpoint import prompt, template

    found: Iterable[Any] = template().render({column: inputs[column] for column in prompt()["columns"]})
    return found


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # this folder stays as it is
    from command_line import main
    from endpoint import prompt

    raise SystemExit(main(answer, prompt()["columns"], __doc__ or "", ready=engine))
