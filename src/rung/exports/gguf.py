"""Tuned weights of the Llama family as GGUF for llama.cpp and Ollama, with a Modelfile; others: the command that converts them.

Modelfile: https://docs.ollama.com/modelfile, read on 2026-11.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rung import plugins
from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.exports._gguf import convert, why_not
from rung.exports.merged import form as merged
from rung.store.folder import write_atomic
from rung.tuning.workspace import base_of
from rung.types import Candidate

WEIGHTS, MODELFILE, PROMPT = "model.gguf", "Modelfile", "prompt.json"
_SYSTEM, _USER = "\x02system\x03", "\x02user\x03"  # stand for the texts of two turns

Render = Callable[[Sequence[Mapping[str, str]]], str]

README = """# The tuned model as GGUF

    llama-server -m model.gguf --jinja -c {context} --port 8080       # llama.cpp
    ollama create tuned -f Modelfile                                  # Ollama

It is asked with the messages of prompt.json, and its answers take the steps that stand there. Nothing here has loaded this file:
before you trust it, let rung ask the server the frozen test examples again.

    rung export RUN --rung {label} --check http://127.0.0.1:8080/v1
    rung export RUN --rung {label} --check http://127.0.0.1:11434/v1 --model tuned
"""


@dataclass(frozen=True)
class Gguf:
    """One file that llama.cpp and Ollama load."""

    name: str = "gguf"
    about: str = "one file for llama.cpp and Ollama, with a Modelfile (Llama family)"

    def why_not(self, candidate: Candidate) -> str | None:
        return merged.why_not(candidate)

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        with TemporaryDirectory(dir=out.parent, prefix=".") as whole:
            place = Path(whole) / "merged"
            place.mkdir()
            said = await merged.write(run, label, candidate, place, dtype)
            config, tokenizer = (json.loads((place / f"{n}.json").read_text("utf-8")) for n in ("config", "tokenizer"))
            why = why_not(config, tokenizer)
            if why is None and not (place / "model.safetensors").is_file():
                why = "its weights lie in several files"
            if why is not None:
                raise RungError(
                    f"{label} is not written as GGUF here: {why}. Export it as `merged`, and convert that folder by llama.cpp's own "
                    "program: python convert_hf_to_gguf.py FOLDER --outfile model.gguf"
                )
            await asyncio.to_thread(convert, place, out / WEIGHTS)
            write_atomic(out / PROMPT, (place / PROMPT).read_bytes())
            role = str(candidate.model)
            base = base_of(role, run.clients[role].settings)
            parameters = {
                "temperature": run.clients[role].settings.temperature,
                "num_ctx": base.context or config["max_position_embeddings"],
                "num_predict": base.max_tokens,
            }
            page = modelfile(_renders(place, base.template), parameters)
        write_atomic(out / MODELFILE, page.encode())
        page = README.format(context=parameters["num_ctx"], label=label)
        write_atomic(out / "README.md", page.encode())
        return f"{WEIGHTS} of {said}. Check the server that loads it: `rung export {run.folder.path} --rung {label} --check URL`"


def _renders(folder: Path, options: Mapping[str, Any]) -> Render:
    tokenizer = plugins.require("transformers", "local").AutoTokenizer.from_pretrained(str(folder))

    def render(turns: Sequence[Mapping[str, str]]) -> str:
        return str(tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True, **options))

    return render


def modelfile(render: Render, parameters: Mapping[str, Any]) -> str:
    """Return a Modelfile for chats of one system and one user turn, as the chat template writes them.

    Raises RungError for a template whose words would be read as Ollama's own.
    """
    user = {"role": "user", "content": _USER}
    told, alone = render([{"role": "system", "content": _SYSTEM}, user]), render([user])
    if any(mark in text for text in (told, alone) for mark in ("{{", "}}", '"""')) or _USER not in alone:
        raise RungError("its chat template cannot be written for Ollama; export it as `merged`, and serve that folder")
    plain = alone.replace(_USER, "{{ .Prompt }}")
    both = told.replace(_SYSTEM, "{{ .System }}").replace(_USER, "{{ .Prompt }}")
    written = (
        f"{{{{ if .System }}}}{both}{{{{ else }}}}{plain}{{{{ end }}}}" if _SYSTEM in told and _USER in told else plain
    )
    settings = "".join(f"PARAMETER {name} {value}\n" for name, value in parameters.items() if value is not None)
    return f'FROM ./{WEIGHTS}\nTEMPLATE """{written}{{{{ .Response }}}}"""\n{settings}'


form = Gguf()
