"""A prompt with its examples as JSON, and a few lines of Python that ask it exactly as it was measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.evaluate.reopen import Reopened
from rung.rungs._prompting import learned_template
from rung.types import Candidate

KEPT = ("provider", "name", "base_url", "api_key_env", "temperature", "max_tokens", "extra_body")

ASK = '''"""Asks the prompt in prompt.json as rung measured it: `answer({{"{column}": "..."}})`. Standard library only."""

import json
import os
import re
import urllib.request
from pathlib import Path

PROMPT = json.loads((Path(__file__).parent / "prompt.json").read_text(encoding="utf-8"))
COLUMNS = PROMPT["columns"]
PLACE = re.compile(r"(\\\\?)(\\{{\\{{\\s*(" + "|".join(map(re.escape, sorted(COLUMNS, key=len, reverse=True))) + r")\\s*\\}}\\}})")


def fill(template: str, inputs: dict[str, str]) -> str:
    return PLACE.sub(lambda m: m[2] if m[1] else inputs[m[3]], template)


def chat(inputs: dict[str, str]) -> list[dict[str, str]]:
    turns = [[fill(m["content"], d["inputs"]) for m in PROMPT["example"]] + [d["target"]] for d in PROMPT["examples"]]
    shown = [{{"role": r, "content": c}} for pair in turns for r, c in zip(("user", "assistant"), pair)]
    own = [{{"role": m["role"], "content": fill(m["content"], inputs)}} for m in PROMPT["messages"]]
    return own[: PROMPT["turn"]] + shown + own[PROMPT["turn"] :]


def answer(inputs: dict[str, str]) -> str:
    model = PROMPT["model"]
    body = {{"model": model["name"], "messages": chat(inputs), "max_tokens": model["max_tokens"]}}
    if model.get("temperature") is not None:
        body["temperature"] = model["temperature"]
    body.update(model.get("extra_body") or {{}})
    key = os.environ.get(model.get("api_key_env") or "OPENAI_API_KEY", "")
    request = urllib.request.Request(
        model["base_url"].rstrip("/") + "/chat/completions",
        json.dumps(body).encode(),
        {{"Content-Type": "application/json", "Authorization": "Bearer " + key}},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]
'''


@dataclass(frozen=True)
class Prompt:
    """What a prompt or few-shot rung learned."""

    name: str = "prompt"
    about: str = "the prompt with its examples as JSON, and Python that asks it"

    def why_not(self, candidate: Candidate) -> str | None:
        if "messages" not in candidate.learned or candidate.model is None:
            return "it asks no prompt"
        if "weights" in candidate.learned:
            return "its prompt belongs to tuned weights: export them as `adapter` or `merged`"
        if candidate.rung == "rag":
            return "its passages come from your documents at answer time: serve it through rung"
        return None

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        learned, template = candidate.learned, learned_template(candidate)
        nearest = candidate.settings.get("selection") == "nearest"
        content = {
            "measured_as": f"{label}: {candidate.name}",
            "columns": learned["columns"],
            "messages": learned["messages"],
            "turn": template.turn,
            "example": [{"role": "user", "content": template.example}],
            "examples": [{"inputs": d["inputs"], "target": d["target"]} for d in learned["demonstrations"]],
            "model": _model(run, str(candidate.model)),
        }
        if nearest:
            content["chosen"] = (
                f"for each input the {candidate.settings['k']} most similar of these examples, the nearest last"
            )
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (out / "prompt.json").write_text(text, encoding="utf-8")
        served = content["model"].get("base_url") is not None
        if nearest or not served:
            why = "its examples are chosen for each input" if nearest else "its model runs inside rung"
            return f"prompt.json; no ask.py, for {why}: serve it through rung"
        (out / "ask.py").write_text(ASK.format(column=learned["columns"][0]), encoding="utf-8")
        return "prompt.json and ask.py, which asks it as it was measured"


def _model(run: Reopened, role: str) -> dict[str, Any]:
    settings = run.clients[role].settings.model_dump(mode="json")
    return {key: settings[key] for key in KEPT if settings.get(key) is not None} | {
        "provider": run.clients[role].settings.provider
    }


form = Prompt()
