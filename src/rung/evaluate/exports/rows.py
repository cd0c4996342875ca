"""Rows and recipe for those who tune elsewhere: chats that hosted services take, and a TRL script without rung."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung import plugin
from rung.errors import RungError
from rung.evaluate.exports._trl import README, SCRIPT
from rung.evaluate.reopen import Reopened
from rung.rungs._elsewhere import SERVICES, as_lines, chat_line, problems, prompt_and_completion
from rung.rungs._prompting import Template, learned_template
from rung.types import Candidate, Example, Fitted, TuningTrial

DEFAULT = {"rank": 16, "alpha": None, "epochs": 3.0, "batch_rows": 16, "warmup": 0.1, "weight_decay": 0.0, "clip": 1.0}


@dataclass(frozen=True)
class Rows:
    """The training and dev rows under the prompt of a rung; test rows stay where they are."""

    name: str = "rows"
    about: str = "training and dev rows as chats, a recipe and a TRL script, to tune elsewhere"

    def why_not(self, candidate: Candidate) -> str | None:
        if "messages" not in candidate.learned:
            return "it asks no prompt"
        return "its passages change with the documents" if candidate.rung == "rag" else None

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        if dtype is not None:
            raise RungError(f"rows are text and have no number format; leave --dtype {dtype} away")
        template = learned_template(candidate)
        parts = {"train": _answered(run.split.train), "dev": _answered(run.split.dev)}
        for part, rows in parts.items():
            (out / f"chat-{part}.jsonl").write_text(as_lines([chat_line(template, e) for e in rows]), encoding="utf-8")
            pairs = [prompt_and_completion(template, e) for e in rows]
            (out / f"trl-{part}.jsonl").write_text(as_lines(pairs), encoding="utf-8")
        recipe = _recipe(run, label, candidate)
        _json(out / "recipe.json", recipe)
        _json(out / "prompt.yaml", template.as_list())  # JSON is YAML
        (out / "train_trl.py").write_text(SCRIPT, encoding="utf-8")
        taken = _taken(template, parts)
        lines = "\n".join(f"- {name}: {'; '.join(found) or 'takes chat-train.jsonl'}" for name, found in taken.items())
        (out / "README.md").write_text(README.format(services=lines, base=recipe["base"]), encoding="utf-8")
        good = [name for name, found in taken.items() if not found]
        return (
            f"{len(parts['train']):,} training and {len(parts['dev']):,} dev rows, checked against the published formats "
            f"({', '.join(good) or 'none takes them; README.md says why'}), with train_trl.py"
        )


def _answered(rows: Sequence[Example]) -> tuple[Example, ...]:
    return tuple(e for e in rows if e.target.strip())


def _recipe(run: Reopened, label: str, candidate: Candidate) -> dict[str, Any]:
    """Return the recipe of the tuned rung, or the default one where the rung was not tuned."""
    role = str(candidate.model)
    settings = run.clients[role].settings
    fitted = run.folder.load(f"rungs/{label}/fit.json", Fitted)
    trials = fitted.tuning.trials if fitted.tuning is not None else ()
    best = max(trials, key=lambda t: (t.rows, t.best_dev or 0.0), default=None)
    found: Mapping[str, Any] = best.recipe if best is not None else _default()
    context = settings.context
    return {
        **{key: found.get(key, default) for key, default in DEFAULT.items()},
        "form": "adapter" if "rank" in found else "full",
        "learning_rate": found.get("learning_rate") or 2e-4,
        "stop_at": best.best_step if best is not None else None,
        "steps": best.steps if best is not None else None,
        "base": settings.name,
        "max_length": context,
        "seed": run.config.split.seed,
        "dev_score_in_rung": best.best_dev if isinstance(best, TuningTrial) else None,
    }


def _default() -> Mapping[str, Any]:
    made: Any = plugin.make("tuners", "lora")
    return dict(made.settings())


def _taken(template: Template, parts: Mapping[str, Sequence[Example]]) -> dict[str, list[str]]:
    lines = as_lines([chat_line(template, e) for e in parts["train"]])
    return {service.name: list(problems(lines, service))[:3] for service in SERVICES.values()}


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


form = Rows()
