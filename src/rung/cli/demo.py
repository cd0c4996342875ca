"""`rung demo`: a real climb on the bundled model, offline, on rows that come with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import typer

from rung.cli._screen import echo, print_json
from rung.cli.climb import climb_and_report

FIRST = "brand-voice"


def demo(
    name: str = typer.Argument(
        FIRST, help="Which shipped example, or EXAMPLE/FILE for another climb over its rows; see --list."
    ),
    folder: Path = typer.Option(
        None, "--folder", help="Where to put the example's files and its run; by default rung-demo/NAME."
    ),
    listing: bool = typer.Option(False, "--list", help="List the shipped examples."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Copy a shipped example, climb it on the bundled model and name the report."""
    from rung.config import load_config
    from rung.errors import RungError

    examples = shipped_folder()
    shipped = list(shipped_examples(examples))
    if listing:
        if as_json:
            print_json(shipped)
        else:
            echo("\n".join(shipped))
        return 0
    if name not in shipped:
        raise RungError(f"no example is called {name!r}; shipped: {', '.join(shipped)}")
    example, _, other = name.partition("/")
    where = folder or Path("rung-demo") / example
    where.mkdir(parents=True, exist_ok=True)
    for file in sorted(f for f in (examples / example).rglob("*") if f.is_file()):
        copy = where / file.relative_to(examples / example)
        if not os.path.lexists(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    chosen, run = f"{other or 'rung'}.yaml", f"run-{other}" if other else "run"
    code = climb_and_report(load_config(where / chosen), where / run, as_json)
    if not as_json:
        echo(f"The example's files are in {where}: change {chosen} or the rows and climb again.")
    return 0 if code in (0, 1, 6) else code  # an honest "inconclusive" is no failure of the demonstration


def shipped_folder() -> Path:
    """Return where the examples lie. Raises MissingExtra without the package that holds them and their model."""
    from rung.errors import MissingExtra

    found = find_spec("rung_nano")
    if found is None or found.origin is None:
        raise MissingExtra(
            "the examples and the small model that answers them come with the package rung-nano, which is not installed: "
            "pip install rung-nano"
        )
    return Path(found.origin).parent / "examples"


def shipped_examples(examples: Path) -> Iterator[str]:
    """Name the shipped climbs: each example, and EXAMPLE/FILE for each further configuration beside its rung.yaml."""
    for example in sorted(p for p in examples.iterdir() if (p / "rung.yaml").is_file()):
        yield example.name
        yield from (f"{example.name}/{p.stem}" for p in sorted(example.glob("*.yaml")) if p.stem != "rung")
