"""What promptfooconfig.yaml names: the prompt, the model and the check, for `npx promptfoo eval` in this folder.

Texts of rows stand in promptfoo_rows.json and never in the configuration, whose texts promptfoo fills in and reads files for. What a
prompt holds goes through its templates (Nunjucks): there every brace is written so that it stands for itself.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BRACES = str.maketrans({"{": "{{ '{' }}", "}": "{{ '}' }}"})  # each as Nunjucks writes it out
sys.path.insert(0, str(HERE.parent))


@cache
def rows() -> list[dict[str, Any]]:
    """Return dev examples: their inputs, and the answer that was measured."""
    found: list[dict[str, Any]] = json.loads((HERE / "promptfoo_rows.json").read_text(encoding="utf-8"))
    return found


def chat(context: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the chat for the row that a test names."""
    from endpoint import program

    found = program().turns(rows()[int(context["vars"]["row"])]["inputs"])
    return [{"role": turn["role"], "content": turn["content"].translate(BRACES)} for turn in found]


def call_api(prompt: str, options: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a chat that promptfoo has rendered, and return the answer."""
    from endpoint import asked, program

    inputs = rows()[int(context["vars"]["row"])]["inputs"]
    try:
        said = program().answer(inputs, lambda _: asked(json.loads(prompt)))
        return {"output": said if isinstance(said, str) else said.text}
    except (OSError, ValueError, LookupError, TypeError) as error:
        return {"error": str(error)}


def as_measured(output: str, context: Mapping[str, Any]) -> bool:
    """Whether the answer is the one that was measured."""
    return bool(output == rows()[int(context["vars"]["row"])]["measured"])
