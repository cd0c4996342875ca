"""The rung.yaml that `rung init` writes: every line with a comment that says what it does or why it was chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rung.types import Kind

PLACEHOLDER_MODEL = "your-model-name"
PLACEHOLDER_URL = "http://localhost:8000/v1"
PLACEHOLDER_KEY = "OPENAI_API_KEY"
RUBRIC = "The answer does what the instruction asks, in full, and says nothing that the input does not bear out."


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """The model to ask; what is None becomes an explained placeholder."""

    provider: str = "openai"
    name: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None


NO_MODEL = ModelDraft()


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """Stored answers that are measured as they stand: the role, what reports call them, and the columns of the file.

    `path` and `id`: the file that holds them and its column of ids, where that is not the file of the examples.
    """

    role: str
    name: str
    column: str
    latency: str | None = None
    cost: str | None = None
    path: str | None = None
    id: str | None = None

    def entry(self) -> str:
        """Return the entry under `models:`."""
        keys = {"name": self.name, "path": self.path, "id": self.id, "column": self.column}
        keys |= {"latency": self.latency, "cost": self.cost}
        said = ", ".join(f"{key}: {as_yaml(value)}" for key, value in keys.items() if value is not None)
        return f"  {self.role}: {{provider: recorded, {said}}}"


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
    stored: tuple[StoredDraft, ...] = ()
    documents: str | None = None  # their folder
    rows: int = 0  # examples looked at; 0: unknown


def render(draft: Draft) -> str:
    """Return the text of the file."""
    judge = [] if draft.target else _judge()
    return (
        "\n".join(
            [
                *_task(draft),
                *_data(draft),
                *_model(draft.model),
                *_stored(draft.stored),
                *_embedder(draft),
                *judge,
                *_documents(draft.documents),
                *_rest(draft),
            ]
        )
        + "\n"
    )


def as_yaml(value: str) -> str:
    """Quote a value for YAML where it needs it."""
    plain = value.replace("_", "").replace("-", "").replace("/", "").replace(".", "")
    safe = plain.isascii() and plain.isalnum() and not plain[0].isdigit() and value[0].isalpha()
    return value if safe and value.lower() not in _RESERVED else _quoted(value)


def _quoted(value: str) -> str:
    """Return the value as a YAML string: a JSON string whose odd characters are escaped, since YAML takes some for line breaks
    (U+0085) and refuses others (U+007F, U+FFFE)."""
    written = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in written)


def _address(url: str) -> str:
    return url if _PLAIN_ADDRESS.fullmatch(url) else _quoted(url)


_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9._:/-]{1,500}[A-Za-z0-9_/-]")  # which YAML takes for one text
_RESERVED = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(as_yaml, values))}]"


def _line(text: str, comment: str) -> str:
    return f"{text:<44}  # {comment}"


def _task(d: Draft) -> list[str]:
    own = (
        "what the plain prompt tells the model" if d.instruction_is_own else "say it in your own words: models read it"
    )
    lines = [
        "# Written by `rung init`. The file is the experiment; `rung check` looks at the examples, `rung plan` at the cost,",
        "# `rung climb` measures. Every key but these has a default.",
        "version: 1",
        "task:",
        f"  name: {as_yaml(d.name)}",
        _line(f"  kind: {d.kind}", d.kind_reason),
        f"  # {own}",
        f"  instruction: {_quoted(d.instruction)}",
    ]
    if d.prompt is not None:
        lines.append(_line(f"  prompt: {as_yaml(d.prompt)}", "your own prompt: candidate 1, measured as it stands"))
    else:
        lines.append(
            "  # prompt: prompts/live.txt                 # a prompt you already use; {{column}} stands for a column"
        )
    goal = "the quality you asked for, 0 to 1" if d.goal_is_own else "what is good enough is yours to say, 0 to 1"
    return [
        *lines,
        _line(f"  inputs: {_list(d.inputs)}", "the columns the model sees"),
        *_expected(d),
        _line(f"  goal: {d.goal:g}", goal),
        *_the_same_for_less(d),
        _line("  min_gain: 0.02", "the smallest gain worth an approach"),
    ]


def _the_same_for_less(d: Draft) -> list[str]:
    """Return the other goal that stored answers allow: to be as good as these, for less."""
    if not d.stored or not d.target:
        return []
    goal = f"  # goal: {{as_good_as: {as_yaml(d.stored[0].role)}, margin: 0.03}}"
    return [f"{goal}   # instead: as good as these stored answers, for less (docs/deciding.md)"]


def _expected(d: Draft) -> list[str]:
    """Return the lines on expected answers and on the metric."""
    decides = (
        "  #                                          the first metric decides; `rung plugins metrics` lists them all"
    )
    if not d.target:
        return [
            "  # target: answer                           # no column holds expected answers; name one here when there is one",
            f"  metrics:                                   # {d.metric_reason}",
            "    - judge:",
            "        # what makes an answer good, in your own words: the judge and people go by it (docs/judge.md)",
            f"        rubric: {_quoted(RUBRIC)}",
            decides,
        ]
    return [
        _line(
            f"  target: {as_yaml(d.target)}", "the expected output" + (": lists, any entry is right" if d.lists else "")
        ),
        _line(f"  metrics: [{d.metric}]", d.metric_reason),
        decides,
    ]


def _data(d: Draft) -> list[str]:
    lines = ["data:"]
    if d.test is None:
        lines.append(f"  path: {as_yaml(d.data)}")
    else:
        lines += [
            f"  train: {as_yaml(d.data)}",
            _line(f"  test: {as_yaml(d.test)}", "your own test set: kept as it is, and sealed"),
        ]
    if d.id is not None:
        lines.append(_line(f"  id: {as_yaml(d.id)}", "names the examples; without it ids are made from the content"))
    if d.group is not None:
        lines.append(_line(f"  group_by: {as_yaml(d.group)}", "examples that share it stay on one side of the split"))
    else:
        lines.append(
            "  # group_by: customer                       # examples that share this column stay on one side of the split"
        )
    return [*lines, _line("split: {seed: 7}", _shares(d))]


def _shares(d: Draft) -> str:
    """Say how the examples will be divided."""
    from rung.data.shares import DEV_OF_A_TRAINING_FILE, shares_by_need

    if d.test is not None:
        return f"{100 * DEV_OF_A_TRAINING_FILE:.0f} % of the training file chooses candidates; `dev: 0.2` here would be another share"
    found = shares_by_need(_asked(d), d.rows or 1_000_000, answers=bool(d.target))
    return f"{found.said} (sealed), as {found.why}; `test: 0.4, dev: 0.15` here would fix the shares"


def _model(m: ModelDraft) -> list[str]:
    if m.provider == "nano":
        return [
            "models:",
            "  # The bundled model knows only its own small world (see its card): it is here to try rung out, not to",
            "  # answer your task. Put an endpoint in its place before you believe a verdict about your data.",
            "  main: {provider: nano}",
        ]
    if m.provider != "openai":
        return ["models:", f"  main: {{provider: {as_yaml(m.provider)}, name: {as_yaml(m.name or PLACEHOLDER_MODEL)}}}"]
    lines = [
        "models:",
        "  main:                                      # any OpenAI-compatible endpoint: hosted, vLLM, Ollama, llama.cpp",
        "    provider: openai",
    ]
    name, url, key = m.name or PLACEHOLDER_MODEL, m.base_url or PLACEHOLDER_URL, m.api_key_env
    fill = "" if m.name else "PUT YOUR MODEL HERE: "
    lines.append(_line(f"    name: {as_yaml(name)}", f"{fill}its name as the endpoint knows it"))
    lines.append(_line(f"    base_url: {_address(url)}", "the address up to and without /chat/completions"))
    if key or not (m.base_url or m.name):
        lines.append(
            _line(
                f"    api_key_env: {as_yaml(key or PLACEHOLDER_KEY)}", "the VARIABLE that holds the key, never the key"
            )
        )
    return [
        *lines,
        "    # context: 32768                          # tokens it reads at most, if you know",
        "    # price: {input: 0.15, output: 0.60}       # dollars a million tokens, where the public table has none; or {per_hour: 2.5}",
    ]


def _embedder(d: Draft) -> list[str]:
    """Name a small model that makes vectors, where an approach can go by meaning with it; it is fetched once, so it is left to the user."""
    if d.kind != "classification" and d.documents is None:
        return []
    what = "search" if d.kind != "classification" else "the baseline" if d.documents is None else "baseline and search"
    return [
        f"  # embedder: {{provider: onnx}}               # {what} by meaning, too: pip install 'rung[onnx]', and 23 MB that are fetched once"
    ]


def _stored(stored: Sequence[StoredDraft]) -> list[str]:
    if not stored:
        return []
    return [
        "  # answers that are stored already: measured as they stand, no call is made (docs/models.md)",
        *(s.entry() for s in stored),
    ]


MODEL_PROVIDERS: Mapping[str, ModelDraft] = {  # what tools call a provider -> how rung asks it
    "openai": ModelDraft("openai", base_url="https://api.openai.com/v1", api_key_env="OPENAI_API_KEY"),
    **{name: ModelDraft(name) for name in ("anthropic", "gemini", "ollama", "openrouter", "vllm")},
    "google": ModelDraft("gemini"),
}
_WAYS = frozenset(("chat", "messages", "completion", "responses"))  # a tool's word for how a provider is asked


def model_named(written: str) -> ModelDraft | None:
    """Return the model that another tool writes as openai/gpt-x, openai:chat:gpt-x or ollama:chat:x; None for an unknown provider."""
    provider, *rest = re.split(r"[:/]", written, maxsplit=1)
    name = rest[0] if rest else ""
    way, apart, after = name.partition(":")
    name = after if apart and way in _WAYS else name
    known = MODEL_PROVIDERS.get(provider.casefold())
    return replace(known, name=name) if known is not None and name.strip() else None


def _judge() -> list[str]:
    return [
        "  judge:                                     # another model, better a larger one",
        "    provider: openai",
        f"    name: {PLACEHOLDER_MODEL}",
        f"    base_url: {PLACEHOLDER_URL}",
        "    max_tokens: 300",
    ]


def _documents(folder: str | None) -> list[str]:
    if folder is None:
        return []
    return [
        "documents:",
        _line(f"  path: {as_yaml(folder)}", "the folder that answers are looked up in; `rung docs update` reads it"),
    ]


def _asked(d: Draft) -> list[str]:
    """Return the approaches that are proposed beside stored answers."""
    asked = ["baseline", "prompt", "fewshot"] if d.target and d.metric != "assertions" else ["prompt"]
    return [*asked, "rag"] if d.documents is not None else asked


def _rest(d: Draft) -> list[str]:
    ladder = f"[{', '.join([*(f'{{prompt: {{model: {s.role}}}}}' for s in d.stored), *_asked(d)])}]"
    return [
        _line(f"ladder: {ladder}", "planned before the test set is opened; it pays for each approach"),
        "# limits: {budget_usd: 5, cost_per_1k_usd: 1.0, p95_latency_s: 2.0}",
        "# volume: {requests_per_month: 100000}",
    ]


_GENERIC = (
    "",
    "expected",
    "expected_output",
    "target",
    "output",
    "gold",
    "ideal",
    "y",
    "completion",
    "response",
    "result",
)
_NOUNS = {
    "classification": "label",
    "extraction": "fields",
    "style": "text",
    "knowledge": "answer",
    "generation": "text",
}


def instruction_for(kind: Kind, inputs: Sequence[str], target: str) -> str:
    """Return what the plain prompt tells the model, until its user says it better."""
    from rung.report.figures import listed

    noun = _NOUNS[kind] if target.casefold() in _GENERIC else target
    read = listed(inputs)
    words = {
        "classification": f"Choose the {noun} for the {read}. Answer with the {noun} only.",
        "extraction": f"Extract the {noun} from the {read} as one JSON object.",
        "style": f"Write the {noun} for the {read}, in exactly the form asked for.",
        "knowledge": f"Give the {noun} to the {read}, as short as possible.",
        "generation": f"Write the {noun} for the {read}.",
    }
    return words[kind]
