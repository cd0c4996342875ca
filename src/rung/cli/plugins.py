"""`rung plugins`: what there is to name in rung.yaml."""

from __future__ import annotations

import typer

from rung.cli._screen import print_json


def plugins(
    kind: str = typer.Argument(None, help="models, metrics or rungs; none: all"),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the plugins that can be named in rung.yaml."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rung import plugin
    from rung.errors import MissingExtra

    kinds = [kind] if kind else list(plugin.KINDS)
    found = [item for k in kinds for item in plugin.available(k).values()]
    if as_json:
        print_json([{"kind": f.kind, "name": f.name, "origin": f.origin, "target": f.target} for f in found])
        return
    table = Table("kind", "name", "from", "what it does", box=None)
    for item in found:
        try:
            words = (item.load().__doc__ or "").strip().splitlines()
        except MissingExtra as error:
            words = [str(error).rpartition("which is ")[2]]
        table.add_row(item.kind, item.name, item.origin, escape(words[0]) if words else "")
    Console().print(table)
