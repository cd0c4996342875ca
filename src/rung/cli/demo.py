"""`rung demo`: a climb on the bundled model, offline, on rows that come with it; `rung demo real`: on real weights, fetched once."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import typer

from rung.cli._screen import echo, print_json
from rung.cli.climb import climb_and_report

FIRST = "brand-voice"
REAL = "real"


def demo(
    name: str = typer.Argument(
        FIRST,
        help="Which shipped example, or EXAMPLE/FILE for another run over its data; `real`: those on real weights; see --list.",
    ),
    folder: Path = typer.Option(
        None, "--folder", help="Where to put the example's files and its run; by default rung-demo/NAME."
    ),
    listing: bool = typer.Option(False, "--list", help="List the shipped examples."),
    weights: Path = typer.Option(
        None,
        "--weights",
        help="For `real`: where fetched weights lie; by default RUNG_WEIGHTS, else rung/weights in the user's cache folder.",
    ),
    offline: bool = typer.Option(False, "--offline", help="For `real`: fetch nothing; use what lies there."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Copy a shipped example, climb it on the bundled model and name the report."""
    from rung.errors import RungError

    examples = shipped_folder()
    real = [f"{REAL}/{p.parent.name}" for p in sorted((examples.parent / REAL).glob("*/rung.yaml"))]
    shipped = [*shipped_examples(examples), *real]
    if listing:
        if as_json:
            print_json(shipped)
        else:
            echo("\n".join(shipped))
        return 0
    if name not in shipped and name != REAL:
        raise RungError(f"no example is called {name!r}; shipped: {', '.join(shipped)}")
    if name not in (REAL, *real) and (weights is not None or offline):
        raise RungError(f"--weights and --offline are about the examples on real weights, and {name!r} is none of them")
    if name in (REAL, *real):
        codes = []
        for one in real if name == REAL else [name]:
            at = folder / one.partition("/")[2] if folder and name == REAL else folder
            where = at or Path("rung-demo") / one.replace("/", "-")
            _copied(examples.parent / one, where)
            _fetched(where, weights, offline, as_json)
            codes.append(_climbed(where, "rung", as_json))
        return max(codes)
    example, _, other = name.partition("/")
    where = folder or Path("rung-demo") / example
    _copied(examples / example, where)
    return _climbed(where, other or "rung", as_json)


def _copied(example: Path, where: Path) -> None:
    """Copy an example's files; what lies there already stays as it was changed."""
    for file in sorted(f for f in example.rglob("*") if f.is_file()):
        copy = where / file.relative_to(example)
        if not os.path.lexists(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def _fetched(where: Path, weights: Path | None, offline: bool, quiet: bool) -> None:
    """Put the model that an example names beside its rows. Raises RungError in one sentence."""
    from rung.errors import MissingExtra
    from rung.plugins import lacking, require

    if (missing := lacking(("torch", "transformers", "peft"))) is not None:
        raise MissingExtra(f"an example on real weights {missing}")
    named = json.loads((where / "weights.json").read_text(encoding="utf-8"))
    fetched = require("rung_nano.fetched")
    cache = fetched.Cache((weights or fetched.Cache.usual()).resolve(), offline, (lambda text: None) if quiet else echo)
    fetched.linked(cache.model(named["model"]), where / "weights")


def _climbed(where: Path, chosen: str, as_json: bool) -> int:
    from rung.config import load_config

    run = "run" if chosen == "rung" else f"run-{chosen}"
    code = climb_and_report(load_config(where / f"{chosen}.yaml"), where / run, as_json)
    if not as_json:
        echo(f"The example's files are in {where}: change {chosen}.yaml or the examples and climb again.")
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
