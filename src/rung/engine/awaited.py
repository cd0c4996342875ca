"""A model that is tuned elsewhere: the rows for it, while it is awaited; and when a configuration that brings it goes on in the same run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung.config import Config
from rung.config.roles import answering_role, asked_roles
from rung.config.steering import TOLD_COST
from rung.errors import Awaited, NotOffered
from rung.prompts.templates import Template
from rung.store.run import RunFolder, export_place
from rung.tuning.elsewhere import RowsElsewhere, recipe
from rung.types import FitInput, Skipped


def left_out(label: str, why: NotOffered, given: FitInput, run: RunFolder, seed: int) -> Skipped:
    """Return why a step was not run; where it waits for its model, the rows to tune that on are written first."""
    if not isinstance(why, Awaited):
        return Skipped(label, str(why))
    place = export_place(run.path, label, "rows")
    rows = RowsElsewhere(Template(why.chat, why.columns), given.train, given.dev, why.role)
    rows.write(place, recipe(None, None, seed))
    where = place.relative_to(run.path).as_posix()
    return Skipped(
        label,
        f"{why}: tune it on {where}/chat-train.jsonl in the run folder ({where}/README.md has the steps for each vendor), add it "
        f"to rung.yaml under models, as in `{why.role}: {{provider: openai, name: YOUR-TUNED-MODEL}}`, and run the same command again",
        awaited=True,
    )


def with_arrivals(before: Mapping[str, Any], config: Config, run: RunFolder) -> dict[str, Any]:
    """Return the stored configuration, as plain data, as if the models tuned elsewhere and their cost stood in it as they do now.

    They were planned when the test set was first opened, so that nothing rests on them before it is opened for them: until then
    they may come, and be mended.
    """
    now = config.model_dump(mode="json", exclude={"root"})
    changed = {**before, "models": dict(before.get("models") or {})}
    for role in _not_measured(config, run):
        changed["models"].pop(role, None)
        if role in now["models"]:
            changed["models"][role] = now["models"][role]
    ladder = before.get("ladder")
    if isinstance(ladder, list) and [_bare(s) for s in ladder] == [_bare(s) for s in now["ladder"]]:
        changed["ladder"] = now["ladder"]
    return changed


def _not_measured(config: Config, run: RunFolder) -> Iterator[str]:
    """Yield the roles of models tuned elsewhere that nothing else asks, while the test set was not opened for them."""
    opened = {str(e.get("why")) for e in run.events() if e.get("event") == "test_opened"}
    asked = asked_roles(config)
    for step in config.ladder:
        role = answering_role(step) if step.trained_elsewhere else None
        others = set(asked.get(role or "", ())) - {f"the approach {step.label}"}
        if role is not None and not others and f"measure {step.label}" not in opened:
            yield role


def _bare(step: Any) -> Any:
    """Return a step without what its tuning cost."""
    if not isinstance(step, Mapping) or not isinstance(step.get("settings"), Mapping):
        return step
    return {**step, "settings": {k: v for k, v in step["settings"].items() if k != TOLD_COST}}
