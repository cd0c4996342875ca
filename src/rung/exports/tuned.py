"""The program beside exported weights: it loads them as anyone would and answers with the prompt that they were tuned under."""

from __future__ import annotations

from pathlib import Path

from rung.engine.reopen import Reopened
from rung.exports.bare import JINJA, PEFT, TORCH, answered_alone, copied, required
from rung.exports.carried import Definition, carry
from rung.exports.launch import write_launch
from rung.exports.parity import answered_by, compared, refused
from rung.exports.prompt import stored_rows, write_prompt
from rung.exports.steps import facts_of
from rung.models.local import Local
from rung.models.settings import ProviderSettings
from rung.prompts.templates import chat_of
from rung.store.folder import write_atomic
from rung.types import Base, Candidate

PROGRAMS = ("generate.py", "endpoint.py", "command_line.py")
GENERATING: tuple[Definition, ...] = (
    ("rung.models.local_engine", "Engine"),
    ("rung.models.local_adapter", "with_adapter"),
    ("rung.models.batched", "Ask"),
    ("rung.prompts.templates", "Template"),
    ("rung.types", "Message"),
    ("rung.prompts.postprocessing", "step_of"),
)  # what generate.py uses of rung
_PATIENCE_S = 3600.0

README = """# Tuned weights, as rung measured them

    pip install -r requirements.txt
    python -I generate.py --help
    python -I generate.py "a text"                            one text for each column, in their order; - reads standard input
    python -I generate.py --in rows.csv --out answers.csv     .csv, .tsv or .jsonl; the rows come back with a column `answer`

An adapter stands on its base: prompt.json names the base's place on the Hub, or the variable BASE names its folder
(`BASE=FOLDER python -I generate.py ...`). A batch that is stopped goes on where it was when the same command is given again. A
file that is there already is never overwritten.

The weights are safetensors, in the layout of PEFT (an adapter) or of transformers (whole weights): vLLM and other servers load this
folder as it is, and are asked for the model `tuned` with the messages of prompt.json. In this folder:

    vllm serve --config vllm.yaml                             an adapter on a base that was a folder: vllm serve BASE --config vllm.yaml
    litellm --config litellm.yaml                             LiteLLM's proxy before it
    rung export RUN --check http://localhost:8000/v1 --model tuned      is it the same model?

vLLM finds adapters by itself, too (VLLM_PLUGINS=lora_filesystem_resolver, VLLM_ALLOW_RUNTIME_LORA_UPDATING=true): put this folder under
any name into the folder of VLLM_LORA_RESOLVER_CACHE_DIR and ask for that name; the base in adapter_config.json must be the one that it serves.

- `prompt.json`: the prompt that the weights were tuned under, and how they answer.
- `generate.py`, `endpoint.py`, `command_line.py`: the program. They are the same for every export and hold no data.
- `from_rung`: the functions of rung that the program uses, as they stand there.

Before this folder was written, the weights answered the frozen test examples again, and these files answered dev examples alone; on
both they were not shown to be another model.
"""


async def with_program(run: Reopened, label: str, candidate: Candidate, base: Base, out: Path, *, form: str) -> str:
    """Write the program beside weights of that form, let it answer stored dev examples alone, and say how that went.

    Raises RungError where its answers are shown to be worse than those that were measured.
    """
    settings = run.clients[str(candidate.model)].settings
    write_launch(out, base=_on_hub(settings) if form == "adapter" else None, context=base.context)
    write_prompt(_content(run, label, candidate, base, settings, form), out)
    for name in PROGRAMS:
        copied(name, out)
    carry(GENERATING, out)
    required([*TORCH, JINJA, *([PEFT] if form == "adapter" else [])], out)
    write_atomic(out / "README.md", README.encode())
    rows = [e for e, _, _ in stored_rows(run, label)]
    if not rows:
        return "; no stored answer to a dev example was there to check its program by"
    variables = {"BASE": base.weights} if form == "adapter" else {}
    columns = list(chat_of(candidate).columns)
    texts = await answered_alone(out / "generate.py", rows, columns, variables, patience_s=_PATIENCE_S)
    again = await answered_by(
        run, candidate, dict(zip([e.id for e in rows], [t.text for t in texts], strict=True)), rows
    )
    before = {o.example_id: o for o in run.folder.rung(label).dev.need()}
    found = compared(tuple(before[e.id] for e in rows), again, run.task, f"{form}, alone")
    if found.refused:
        raise refused(found, "its program, alone, gives other answers to dev examples: report this")
    changed = f"{found.answers_changed} of {found.n}" if found.answers_changed else "none"
    return f"; generate.py, alone under `python -I`, answered {found.n} dev examples again ({changed} otherwise)"


def _content(
    run: Reopened, label: str, candidate: Candidate, base: Base, settings: ProviderSettings, form: str
) -> dict[str, object]:
    chat = chat_of(candidate)
    local = isinstance(settings, Local)
    return {
        "measured_as": f"{label}: {candidate.name}",
        "columns": list(chat.columns),
        "messages": [m.as_dict() for m in chat.messages],
        "examples": [],
        "model": {
            "name": base.name,
            "form": form,
            "base": _on_hub(settings),
            "revision": base.revision,
            "dtype": settings.dtype if isinstance(settings, Local) else "auto",
            "device": settings.device if isinstance(settings, Local) else "auto",
            "template": dict(base.template),
            "context": base.context,
            "max_tokens": base.max_tokens,
            "temperature": settings.temperature,
            **({} if local else {"served_by": settings.provider}),
        },
        **facts_of(chat, run.task),
    }


def _on_hub(settings: ProviderSettings) -> str | None:
    """Return the Hub's name of a model; None for one from a folder."""
    return settings.weights if isinstance(settings, Local) and settings.folder is None else None
