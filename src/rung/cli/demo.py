"""`rung demo`: a real climb on the embedded model, offline, on rows that ship with the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import typer

from rung.cli._screen import print_json
from rung.cli.climb import climb_and_report

EXAMPLES = Path(__file__).parent.parent / "examples"
FIRST = "brand-voice"


def demo(
    name: str = typer.Argument(FIRST, help="Which shipped example; see --list."),
    folder: Path = typer.Option(
        None, "--folder", help="Where to put the example's files and its run; by default rung-demo/NAME."
    ),
    listing: bool = typer.Option(False, "--list", help="List the shipped examples."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Copy a shipped example, climb it on the embedded model and name the report."""
    from rung.config import load_config
    from rung.errors import RungError

    shipped = sorted(p.name for p in EXAMPLES.iterdir() if (p / "rung.yaml").is_file())
    if listing:
        if as_json:
            print_json(shipped)
        else:
            typer.echo("\n".join(shipped))
        return 0
    if name not in shipped:
        raise RungError(f"no example is called {name!r}; shipped: {', '.join(shipped)}")
    where = folder or Path("rung-demo") / name
    where.mkdir(parents=True, exist_ok=True)
    for file in sorted(f for f in (EXAMPLES / name).rglob("*") if f.is_file()):
        copy = where / file.relative_to(EXAMPLES / name)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    code = climb_and_report(load_config(where / "rung.yaml"), where / "run", as_json)
    if not as_json:
        typer.echo(f"The example's files are in {where}: change rung.yaml or the rows and climb again.")
    return 0 if code in (0, 1) else code  # an honest "undecided" is no failure of the demonstration
