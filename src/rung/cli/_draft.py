"""The rung.yaml that `rung init` writes: every line with a comment that says what it does or why it was chosen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rung.types import Kind

PLACEHOLDER_MODEL = "your-model-name"
PLACEHOLDER_URL = "http://localhost:8000/v1"
PLACEHOLDER_KEY = "OPENAI_API_KEY"


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """The model to ask; what is None becomes an explained placeholder."""

    provider: str = "openai"
    name: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """All that goes into the file. Paths are as written, relative to the file's folder."""

    name: str
    kind: Kind
    kind_reason: str
    instruction: str
    instruction_is_own: bool
    prompt: str | None
    inputs: tuple[str, ...]
    target: str
    metric: str
    lists: bool  # the target column holds lists of right answers
    metric_reason: str
    goal: float
    goal_is_own: bool
    data: str
    test: str | None
    id: str | None
    group: str | None
    model: ModelDraft


def render(draft: Draft) -> str:
    """Return the text of the file."""
    return "\n".join([*_task(draft), *_data(draft), *_model(draft.model), *_rest()]) + "\n"


def _say(value: str) -> str:
    """Quote a value for YAML where it needs it: JSON strings are YAML strings."""
    plain = value.replace("_", "").replace("-", "").replace("/", "").replace(".", "")
    safe = plain.isascii() and plain.isalnum() and not plain[0].isdigit() and value[0].isalpha()
    return value if safe and value.lower() not in _RESERVED else json.dumps(value, ensure_ascii=False)


_RESERVED = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_say, values))}]"


def _line(text: str, comment: str) -> str:
    return f"{text:<44}  # {comment}"


def _task(d: Draft) -> list[str]:
    own = (
        "what the plain prompt tells the model" if d.instruction_is_own else "say it in your own words: models read it"
    )
    lines = [
        "# Written by `rung init`. The file is the experiment; `rung check` looks at the rows, `rung plan` at the cost,",
        "# `rung climb` measures. Every key but these has a default.",
        "version: 1",
        "task:",
        f"  name: {_say(d.name)}",
        _line(f"  kind: {d.kind}", d.kind_reason),
        f"  # {own}",
        f"  instruction: {json.dumps(d.instruction, ensure_ascii=False)}",
    ]
    if d.prompt is not None:
        lines.append(_line(f"  prompt: {_say(d.prompt)}", "your own prompt: candidate 1, measured as it stands"))
    else:
        lines.append(
            "  # prompt: prompts/live.txt                 # a prompt you already use; {{column}} stands for a column"
        )
    goal = "the quality you asked for, 0 to 1" if d.goal_is_own else "what is good enough is yours to say, 0 to 1"
    return [
        *lines,
        _line(f"  inputs: {_list(d.inputs)}", "the columns the model sees"),
        _line(
            f"  target: {_say(d.target)}", "the expected output" + (": lists, any entry is right" if d.lists else "")
        ),
        _line(f"  metrics: [{d.metric}]", d.metric_reason),
        "  #                                          the first metric decides; `rung plugins metrics` lists them all",
        _line(f"  goal: {d.goal:g}", goal),
        _line("  worth_it: 0.02", "the smallest gain worth a rung, and what a met goal may lack"),
    ]


def _data(d: Draft) -> list[str]:
    lines = ["data:"]
    if d.test is None:
        lines.append(f"  path: {_say(d.data)}")
    else:
        lines += [
            f"  train: {_say(d.data)}",
            _line(f"  test: {_say(d.test)}", "your own test part: kept as it is, and sealed"),
        ]
    if d.id is not None:
        lines.append(_line(f"  id: {_say(d.id)}", "names the rows; without it ids are made from the content"))
    if d.group is not None:
        lines.append(_line(f"  group_by: {_say(d.group)}", "rows that share it stay on one side of the split"))
    else:
        lines.append(
            "  # group_by: customer                       # rows that share this column stay on one side of the split"
        )
    shares = (
        _line("split: {test: 0.4, dev: 0.15, seed: 7}", "shares of all rows; the test part is sealed")
        if d.test is None
        else _line("split: {dev: 0.15, seed: 7}", "the share of the training file that chooses candidates")
    )
    return [*lines, shares]


def _model(m: ModelDraft) -> list[str]:
    if m.provider == "nano":
        return [
            "models:",
            "  # The embedded model knows only its own small world (see its card): it is here to try rung out, not to",
            "  # answer your task. Put an endpoint in its place before you believe a verdict about your data.",
            "  main: {provider: nano}",
        ]
    if m.provider != "openai":
        return ["models:", f"  main: {{provider: {_say(m.provider)}, name: {_say(m.name or PLACEHOLDER_MODEL)}}}"]
    lines = [
        "models:",
        "  main:                                      # any OpenAI-compatible endpoint: hosted, vLLM, Ollama, llama.cpp",
        "    provider: openai",
    ]
    name, url, key = m.name or PLACEHOLDER_MODEL, m.base_url or PLACEHOLDER_URL, m.api_key_env
    fill = "" if m.name else "PUT YOUR MODEL HERE: "
    lines.append(_line(f"    name: {_say(name)}", f"{fill}its name as the endpoint knows it"))
    lines.append(_line(f"    base_url: {url}", "the address up to and without /chat/completions"))
    if key or not (m.base_url or m.name):
        lines.append(
            _line(f"    api_key_env: {key or PLACEHOLDER_KEY}", "the VARIABLE that holds the key, never the key")
        )
    return [
        *lines,
        "    # context: 32768                          # tokens it reads at most, if you know",
        "    # input_usd_per_mtok: 0.15                 # your own prices, where the public table has none",
        "    # output_usd_per_mtok: 0.60",
    ]


def _rest() -> list[str]:
    return [
        _line("ladder: [baseline, prompt, fewshot]", "planned before the test part is opened; it pays for each rung"),
        "# limits: {budget_usd: 5, cost_per_1k_usd: 1.0, p95_latency_s: 2.0}",
        "# volume: {requests_per_month: 100000}",
    ]
