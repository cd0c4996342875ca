"""A prompt with its examples as JSON, and a program that asks it exactly as it was measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.exports.bare import CHECKED, NUMPY, SCIPY, Said, answered_alone, copied, required, standing_in
from rung.exports.carried import Definition, carry
from rung.exports.endpoint import key_of, model_of, sent
from rung.exports.others import write_others
from rung.exports.steps import facts_of
from rung.models.openai import OpenAI
from rung.prompts.similar import chat_system
from rung.prompts.templates import Template, chat_of
from rung.store.folder import write_atomic
from rung.types import FEATURES, Candidate, Completion, Example, RagLearned, Request

PROGRAMS = ("ask.py", "endpoint.py", "command_line.py")
ASKING: tuple[Definition, ...] = (
    ("rung.prompts.templates", "Template"),
    ("rung.types", "Demonstration"),
    ("rung.types", "Message"),
    ("rung.chats", "folded"),
    ("rung.models.thought", "without_thought"),
    ("rung.models.tokens", "estimated_tokens"),
    ("rung.prompts.postprocessing", "step_of"),
)  # what endpoint.py uses of rung
AT_AN_ADDRESS = "serve that model at an address (vLLM, llama.cpp, Ollama) and measure it there as `provider: openai`"
NEAREST: Definition = ("rung.prompts.similar", "chooser")

README = """# A prompt, as rung measured it

It runs alone: Python 3.11 or later, and the packages of requirements.txt where there are any. Keys come from the environment
variables that prompt.json names.

    python -I ask.py --help
    python -I ask.py "a text"                            one text for each column, in their order; - reads standard input
    python -I ask.py --in rows.csv --out answers.csv     .csv, .tsv or .jsonl; the rows come back with a column `answer`

A batch keeps 64 requests under way and waits where the server is busy. One that is stopped goes on where it was when the same
command is given again: until all rows are answered, the answers lie in a file beside `--out` that ends in `.unfinished`. A file
that is there already is never overwritten.

From Python, in this folder: `import ask; ask.answer({"COLUMN": "a text"})`. The columns and their order are in prompt.json.

- `prompt.json`: the prompt, its examples, and how the model is asked.
- `ask.py`, `endpoint.py`, `command_line.py`: the program. They are the same for every export and hold no data.
- `from_rung`: the functions of rung that the program uses, as they stand there.
- `requirements.txt`: the packages it needs: none, or those that choose the examples nearest to each input.
- `others`: the same prompt by other tools, each with a program that says in its first lines what it needs beside requirements.txt: the OpenAI SDK
  (`with_openai.py`), LiteLLM (`litellm.yaml`), LangChain (`langchain.json`), promptfoo (`promptfooconfig.yaml`, with up to 50 dev
  examples and their measured answers in `promptfoo_rows.json`: share it as you would share those).

Before this folder was written, these files answered stored dev examples at a stand-in for the model: they sent the measured
requests, and made the measured answers of the stored replies.
"""


INSIDE = """# A prompt, as rung measured it

`prompt.json` holds the prompt, its examples, how they are chosen, and the steps that take the answer out of its wrapping. There is no
program beside it, for what answers is no OpenAI-compatible address: it is code or a service of yours, which is called with this
prompt, or a model that runs inside rung. `rung serve RUN` answers with it as it was measured; a model of rung's own can also be
served at an address (vLLM, llama.cpp, Ollama) and measured there as `provider: openai`, which exports a program, too.
"""


@dataclass(frozen=True)
class Prompt:
    """What a prompt or few-shot rung learned."""

    name: str = "prompt"
    about: str = "the prompt with its examples as JSON, and Python that asks it"

    def why_not(self, candidate: Candidate) -> str | None:
        if candidate.chat is None or candidate.model is None:
            return "it asks no prompt"
        if candidate.tuned is not None:
            return "its prompt belongs to tuned weights: export them as `adapter` or `merged`"
        if isinstance(candidate.learned, RagLearned):
            return "its passages come from your documents at answer time: export it as `rag`"
        return None

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        chat = chat_of(candidate)
        content = prompt_of(run, label, candidate)
        write_prompt(content, out)
        settings = run.clients[str(candidate.model)].settings
        if not isinstance(settings, OpenAI):
            write_atomic(out / "README.md", INSIDE.encode())
            return f"prompt.json; no ask.py, for {why_inside(settings.provider)}"
        put_program(out, nearest=chat.nearest is not None)
        write_atomic(out / "README.md", README.encode())
        found = await _same_answers(run, label, candidate, settings, out)
        body = sent(settings.body(Request(chat.messages, chat.params)), run.clients[str(candidate.model)].news.learnt)
        without = write_others(content, body, [(e, said) for e, _, said in stored_rows(run, label)], out)
        return f"prompt.json and ask.py, which asks it as it was measured{found}{without}"


def why_inside(provider: str) -> str:
    """Say why a model cannot be asked without rung, and what can be done."""
    if provider in FEATURES:
        return f"what answers is {FEATURES[provider]}: call it with this prompt"
    return f"its model runs inside rung: {AT_AN_ADDRESS}"


def put_program(out: Path, *, nearest: bool = False) -> None:
    """Write the program that asks prompt.json. `nearest`: it chooses the examples most similar to each input."""
    for name in PROGRAMS:
        copied(name, out)
    carry([*ASKING, ("rung.prompts.templates", "ChatSystem"), *([NEAREST] if nearest else [])], out)
    required([NUMPY, SCIPY] if nearest else [], out)


def prompt_of(run: Reopened, label: str, candidate: Candidate) -> dict[str, Any]:
    """Return what prompt.json says of any candidate that sends a chat."""
    chat, template = chat_of(candidate), Template.of(candidate)
    nearest = {} if chat.nearest is None else {
        "nearest": chat.nearest,
        "chosen": f"for each input the {chat.nearest} most similar of these examples, the nearest last",
    }  # fmt: skip
    return {
        "measured_as": f"{label}: {candidate.name}",
        "columns": list(chat.columns),
        "messages": [m.as_dict() for m in chat.messages],
        "turn": template.turn,
        "example": [{"role": "user", "content": template.example}],
        "examples": [{"id": d.id, "inputs": dict(d.inputs), "target": d.target} for d in chat.demonstrations],
        "model": model_of(run, candidate),
        **nearest,
        **facts_of(chat, run.task),
    }


def write_prompt(content: Mapping[str, Any], out: Path) -> None:
    """Write prompt.json."""
    write_atomic(out / "prompt.json", (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())


def stored_rows(run: Reopened, label: str) -> list[tuple[Example, Completion, Said]]:
    """Return dev examples with the stored reply of the model to each, and what was measured of it; those asked once."""
    outcomes = run.folder.rung(label).dev.get() or ()
    stored = {o.example_id: o.answer for o in outcomes if o.answer is not None and len(o.answer.calls) == 1}
    return [
        (e, found.calls[0], Said(found.text, tuple((s.document, s.position) for s in found.sources)))
        for e in run.split.dev
        if (found := stored.get(e.id)) is not None
    ][:CHECKED]


async def answered_again(
    out: Path,
    program: str,
    rows: Sequence[Example],
    known: Mapping[str, Completion],
    vectors: Mapping[str, Sequence[float]] | None = None,
    facts: str = "prompt.json",
) -> list[Said]:
    """Return what an exported program answers to rows at a stand-in that knows these requests and their replies.

    It runs in a copy of the folder whose addresses are the stand-in's; every variable that it names is set to a word. `facts`: the
    file that holds both.
    """
    with (
        TemporaryDirectory(prefix="rung-export-") as place,
        standing_in(lambda body: known.get(key_of(body)), vectors) as address,
    ):
        shutil.copytree(out, place, dirs_exist_ok=True)
        content = json.loads((out / facts).read_text(encoding="utf-8"))
        models = {name: {**content[name], "base_url": address} for name in ("model", "embedder") if name in content}
        write_atomic(Path(place) / facts, json.dumps({**content, **models}).encode())
        named = [v for model in models.values() for v in (model.get("headers_env") or {}).values()]
        named += [model["api_key_env"] for model in models.values() if model.get("api_key_env")]
        return await answered_alone(Path(place) / program, rows, content["columns"], dict.fromkeys(named, "x"))


def equal_or_refused(program: str, rows: Sequence[Example], again: Sequence[Said], expected: Sequence[Said]) -> None:
    """Raise RungError where an answer, or what it names as its sources, is not the expected one."""
    wrong = [(e, a, b) for e, a, b in zip(rows, again, expected, strict=True) if a != b]
    if wrong:
        example, text, right = wrong[0]
        difference = f"{text.text[:80]!r} in place of {right.text[:80]!r}"
        if text.text == right.text:
            difference = f"sources {list(text.sources)[:3]} in place of {list(right.sources)[:3]}"
        raise RungError(
            f"export refused: {program} makes other answers of the stored replies to {len(wrong)} of {len(rows)} dev examples "
            f"(example {example.id!r}: {difference})"
        )


def said_of(rows: Sequence[Example]) -> str:
    """Return what is said of a check that all rows passed."""
    n = len(rows)
    return (
        f": alone under `python -I`, it sent the measured request and made the measured answer of the reply for {n} of {n} "
        "dev examples"
    )


UNCHECKED = "; no stored answer to a dev example was there to check it by"


async def _same_answers(run: Reopened, label: str, candidate: Candidate, settings: OpenAI, out: Path) -> str:
    """Let ask.py answer stored dev examples, alone, at a stand-in that knows the measured requests and replies.

    Return what is to be said of it. Raises RungError where a request or an answer is not the measured one.
    """
    stored = stored_rows(run, label)
    if not stored:
        return UNCHECKED
    rows = [e for e, _, _ in stored]
    system = chat_system(candidate, run.kit(), run.task.labels)
    learnt = run.clients[str(candidate.model)].news.learnt
    known = {key_of(sent(settings.body(system.request(e.inputs)), learnt)): reply for e, reply, _ in stored}
    again = await answered_again(out, "ask.py", rows, known)
    equal_or_refused("ask.py", rows, again, [right for _, _, right in stored])
    return said_of(rows)


form = Prompt()
