"""Confirm on sealed examples what a run chose: one approach, on the part of the rows that `split.confirm` kept out of every other run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rung import plugins
from rung.config import Config, parse_config
from rung.data.configured import read_rows
from rung.data.parts import check_unchanged
from rung.engine.stored import stored_config
from rung.errors import RungError
from rung.store.run import RunFolder
from rung.usual_names import shown_name


def confirming(source: Path) -> tuple[Config, Path]:
    """Return the experiment that measures the winner of a run, or its tentative pick, on the examples kept for that, and its run folder.

    It is the run's own, with the same rows for training and dev. Whether the kept examples were used before, the register of test sets tells. Raises
    RungError where nothing was kept or chosen, or weights would be tuned anew; IntegrityError for rows that changed since.
    """
    run = RunFolder.open(source)
    config, verdict = stored_config(run), run.verdict.get()
    if not config.split.confirm:
        raise RungError(
            f"{source} keeps no examples to confirm on: set `split: {{confirm: 0.2}}` and climb in another run folder first"
        )
    if config.split.confirming:
        raise RungError(f"{source} is itself a run that confirms")
    if verdict is None:
        raise RungError(f"{source} has no verdict yet: run `rung climb` to its end first")
    label = verdict.winner or verdict.tentative_pick
    if label is None:
        raise RungError(f"{source} has neither a winner nor a tentative pick, so there is nothing to confirm")
    kept = [i for i, step in enumerate(config.ladder) if step.label in (config.current, label)]
    if any(plugins.rung_type(config.ladder[i].rung).trains for i in kept):
        raise RungError(
            f"{shown_name(label)} was tuned, and would be tuned anew: compare it on fresh examples (data.train and data.test)"
        )
    manifest = run.parts.manifest.need()
    check_unchanged(read_rows(config).whole, manifest)
    raw: dict[str, Any] = config.model_dump(mode="json", exclude={"root"})
    raw["ladder"] = [raw["ladder"][i] for i in kept]
    shares = {
        name: manifest["settings"][name] for name in ("test", "dev")
    }  # by need they would follow from this ladder
    raw["split"] |= {**shares, "confirming": True}
    named = f"the experiment of `rung climb --confirm` on {source}"
    return parse_config(raw, config.root, named), source.with_name(f"{source.name}-confirm")
