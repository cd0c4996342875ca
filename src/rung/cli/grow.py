"""`rung data grow`: a new version of the data with what people said of served inputs; the frozen test set stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._experiment import experiment
from rung.cli._screen import echo, print_json
from rung.cli.data import Rows, check_frozen, settings_lines, written

if TYPE_CHECKING:
    from rung.data.parts import Parts
    from rung.feedback.growing import Grown
    from rung.types import Example, Finding, Task

NAMED = 3
LOOKED_AT = ("conflicts", "contradictions", "label spelling", "odd outputs", "personal data", "suspect labels")


def grow(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment."),
    folder: Path = typer.Option(
        None, "--folder", help="The run with the feedback, or a folder of generations; by default runs/NAME."
    ),
    liked: bool = typer.Option(False, "--liked", help="Take answers with a thumb up for right, too."),
    new_labels: bool = typer.Option(False, "--new-labels", help="Take labels that no example has."),
    out: Path = typer.Option(None, "--out", help="The folder of the new version; by default beside the data."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Tell what would be added and write nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Make examples of corrections and labels, in a new folder beside the data; the old files stay as they are.

    Left out are inputs that equal or nearly equal an example of the frozen test set, or stand in another run's test set.
    So are inputs that are examples already, and labels that no example has. The audit looks at the rest. Exit code 1: nothing
    was added.
    """
    from rung.data.configured import as_task, as_written, part_rows, read_rows
    from rung.errors import RungError
    from rung.feedback.growing import answered
    from rung.feedback.growing import grow as grown_from
    from rung.store.generations import run_in
    from rung.store.register import Register

    loaded = experiment(config)
    run = run_in(folder or Path("runs") / loaded.task.name)
    items = run.feedback.get() or ()
    read = read_rows(loaded)
    kind, parts = part_rows(loaded, read)
    check_frozen(run.path, parts)
    parts = as_written(parts, read)
    known = (*parts.train, *parts.dev, *(q.example for q in parts.quarantine))
    task = as_task(loaded, kind, (*parts.train, *parts.dev))
    if not task.target:
        raise RungError(f"{task.name} has no expected answers, so feedback has no column to go to")
    register = Register(loaded.root)
    found = grown_from(
        list(answered(items, liked)), known, parts.test, task, registered=register.holds, new_labels=new_labels
    )
    rows = Rows(read, parts)
    version = None
    if found.examples and not dry_run:
        from rung.data.clean import CleaningPlan

        version = written(loaded, rows, CleaningPlan((), ()), ("feedback",), (out, False), found.examples)
    said = {
        "added": len(found.examples),
        "left_out": {why: len(ids) for why, ids in found.left_out.items()},
        "rows_before": {name: n for name, n in parts.sizes.items() if n},
        "folder": str(version.folder) if version is not None else None,
        "rung_yaml": settings_lines(loaded, parts, version) if version is not None else [],
        "audit": [f.message for f in _audited(parts, found.examples, task)],
    }
    if as_json:
        print_json(said)
    else:
        _tell(said, found)
    return 0 if found.examples else 1


def _audited(parts: Parts, new: tuple[Example, ...], task: Task) -> list[Finding]:
    """Return what the audit says of the examples together, as far as it names a new one."""
    from dataclasses import replace

    from rung.data.audit import audit
    from rung.data.near import find_duplicates

    rows = (*parts.train, *new, *parts.dev, *(q.example for q in parts.quarantine), *parts.test)
    together = replace(parts, train=(*parts.train, *new), duplicates=find_duplicates(rows))
    ids = {e.id for e in new}
    return [f for f in audit(together, task, checks=LOOKED_AT) if ids.intersection(f.example_ids)] if new else []


def _tell(said: Mapping[str, Any], found: Grown) -> None:
    for why, ids in found.left_out.items():
        more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
        echo(f"left out: {', '.join(ids[:NAMED])}{more}: {why}")
    for message in said["audit"]:
        echo(f"audit: {message}")
    if said["folder"] is None:
        echo(f"{said['added']:,} examples {'would be added' if said['added'] else 'to add: nothing is written'}")
        return
    echo(f"{said['added']:,} examples added to those that train and choose; the test set is as it was")
    echo(f"Wrote {said['folder']}\nTo climb on it, put into rung.yaml:")
    for text in said["rung_yaml"]:
        echo(f"  {text}")
