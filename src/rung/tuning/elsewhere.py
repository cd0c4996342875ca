"""Rows for those who tune elsewhere: chats as JSON lines, checked against what hosted services publish, and what to do with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung import plugins
from rung.models.settings import ProviderSettings
from rung.prompts.templates import Template
from rung.store.folder import write_atomic, write_json
from rung.tuning.trl import script
from rung.tuning.vendors import readme
from rung.types import Example, Message, TuningTrial

_DEFAULT = {"rank": 16, "alpha": None, "epochs": 3.0, "batch_rows": 16, "warmup": 0.1, "weight_decay": 0.0, "clip": 1.0}
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Service:
    """What a service publishes of the rows it takes. `source`: where, read in November 2026."""

    name: str
    fewest: int
    most: int | None
    alternating: bool  # after an optional system message, user and assistant take turns
    source: str


SERVICES: Mapping[str, Service] = {
    "openai": Service(
        "OpenAI",
        10,
        None,
        False,
        "https://developers.openai.com/docs/guides/supervised-fine-tuning (build your dataset)",
    ),
    "together": Service(
        "Together AI", 1, None, True, "https://docs.together.ai/docs/fine-tuning/data-preparation (conversational data)"
    ),
    "fireworks": Service(
        "Fireworks", 3, 3_000_000, False, "https://docs.fireworks.ai/fine-tuning/fine-tuning-models (prepare a dataset)"
    ),
}


def chat_line(template: Template, example: Example) -> dict[str, Any]:
    """Return one row as {"messages": [...]}: the prompt that will be used, then the answer. Only the answer is learnt.

    An earlier assistant turn of the prompt gets weight 0, so that services do not train on it.
    """
    prompt = [_turn(m) for m in template.render(example.inputs)]
    return {"messages": [*prompt, {"role": "assistant", "content": example.target}]}


def prompt_and_completion(template: Template, example: Example) -> dict[str, Any]:
    """Return one row in TRL's conversational prompt-completion form, whose loss covers the completion alone."""
    prompt = [m.as_dict() for m in template.render(example.inputs)]
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": example.target}]}


def vertex_line(template: Template, example: Example) -> dict[str, Any]:
    """Return one row as Vertex AI tunes Gemini on it: contents of the roles user and model, instructions apart."""
    chat = template.render(example.inputs)
    told = [{"text": m.content} for m in chat if m.role == "system"]
    turns = [{"role": _VERTEX[m.role], "parts": [{"text": m.content}]} for m in chat if m.role != "system"]
    answer = {"role": "model", "parts": [{"text": example.target}]}
    about = {"systemInstruction": {"role": "system", "parts": told}} if told else {}
    return {**about, "contents": [*turns, answer]}


_VERTEX = {"user": "user", "assistant": "model"}


@dataclass(frozen=True)
class RowsElsewhere:
    """Training and dev rows under one prompt, to be tuned on elsewhere as the model `role`. No test row is among them."""

    template: Template
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    role: str

    def write(self, out: Path, recipe: Mapping[str, Any]) -> str:
        """Write rows, recipe, script and steps into a folder; return what is to be said of them. Raises RungError for the disk."""
        parts = {"train": _answered(self.train), "dev": _answered(self.dev)}
        for part, rows in parts.items():
            for name, line in (("chat", chat_line), ("vertex", vertex_line), ("trl", prompt_and_completion)):
                write_atomic(out / f"{name}-{part}.jsonl", as_lines([line(self.template, e) for e in rows]).encode())
        write_json(out / "recipe.json", recipe)
        write_json(out / "prompt.yaml", [m.as_dict() for m in self.template.messages])
        write_atomic(out / "train_trl.py", script().encode())
        lines = as_lines([chat_line(self.template, e) for e in parts["train"]])
        taken = {key: list(problems(lines, service))[:3] for key, service in SERVICES.items()}
        write_atomic(out / "README.md", readme(self.role, taken).encode())
        good = [SERVICES[key].name for key, found in taken.items() if not found]
        return (
            f"{len(parts['train']):,} training and {len(parts['dev']):,} dev examples, checked against the published formats "
            f"({', '.join(good) or 'none takes them; README.md says why'}), with train_trl.py"
        )


def recipe(best: TuningTrial | None, base: ProviderSettings | None, seed: int) -> dict[str, Any]:
    """Return the settings for `train_trl.py`: of the best run here, else the default ones. `base` None: nobody chose one yet."""
    found: Mapping[str, Any] = best.recipe if best is not None else dict(plugins.make("tuners", "lora").settings())
    return {
        **{key: found.get(key, default) for key, default in _DEFAULT.items()},
        "form": "adapter" if "rank" in found else "full",
        "learning_rate": found.get("learning_rate") or 2e-4,
        "stop_at": best.best_step if best is not None else None,
        "steps": best.steps if best is not None else None,
        "base": base.name if base is not None else None,
        "template": dict(getattr(base, "template", None) or {}),
        "max_length": base.context if base is not None else None,
        "seed": seed,
        "dev_score_in_rung": best.best_dev if best is not None else None,
    }


def _answered(rows: Sequence[Example]) -> tuple[Example, ...]:
    return tuple(e for e in rows if e.target.strip())


def as_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return JSON lines in UTF-8 text."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def problems(lines: str, service: Service) -> Iterator[str]:
    """Yield everything for which the service would reject a file of chats; nothing when it would take it."""
    rows = [line for line in lines.split("\n") if line]
    if len(rows) < service.fewest:
        yield f"{service.name} wants at least {service.fewest} examples; there are {len(rows)}"
    if service.most is not None and len(rows) > service.most:
        yield f"{service.name} takes at most {service.most:,} examples; there are {len(rows):,}"
    for number, line in enumerate(rows, 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            yield f"line {number} is not JSON: {error.msg}"
            continue
        for problem in _row_problems(row, service):
            yield f"line {number}: {problem}"


def _row_problems(row: Any, service: Service) -> Iterator[str]:
    if (
        not isinstance(row, dict)
        or set(row) != {"messages"}
        or not isinstance(row["messages"], list)
        or not row["messages"]
    ):
        yield 'must be {"messages": [...]} with at least one message and no other key'
        return
    messages = row["messages"]
    for place, message in enumerate(messages):
        allowed = {"role", "content", "weight"}
        if not isinstance(message, dict) or not {"role", "content"} <= set(message) <= allowed:
            yield f"message {place} must hold role and content, and at most a weight"
        elif message["role"] not in ROLES:
            yield f"message {place} has the role {message['role']!r}; allowed: {', '.join(ROLES)}"
        elif not isinstance(message["content"], str) or not message["content"].strip():
            yield f"message {place} has no text"
        elif "weight" in message and (message["role"] != "assistant" or message["weight"] not in (0, 1)):
            yield f"message {place} has a weight; only an assistant message may, 0 or 1"
        elif message["role"] == "system" and place > 0:
            yield "a system message must be the first"
    roles = [m.get("role") for m in messages if isinstance(m, dict)]
    if not roles or roles[-1] != "assistant":
        yield "the last message must be the assistant's"
    turns = [r for r in roles if r != "system"]
    if service.alternating and turns != [("user", "assistant")[i % 2] for i in range(len(turns))]:
        yield "after the system message, user and assistant must take turns"


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = message.as_dict()
    return {**turn, "weight": 0} if message.role == "assistant" else turn
