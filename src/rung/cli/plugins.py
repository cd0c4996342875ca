"""`rung plugins`: what there is to name in rung.yaml."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._screen import console, print_json

if TYPE_CHECKING:
    from rung.plugins import Plugin


def plugins(
    kind: str = typer.Argument(None, help="`models`, `metrics`, `rungs` ...; none: all"),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the plugins that can be named in rung.yaml."""
    from rich.table import Table

    from rung import plugins

    kinds = [kind] if kind else list(plugins.KINDS)
    found = [item for k in kinds for item in plugins.available(k).values()]
    if as_json:
        print_json([{"kind": f.kind, "name": f.name, "origin": f.origin, "target": f.target} for f in found])
        return
    table = Table("kind", "name", "from", "what it does", box=None)
    for item in found:
        table.add_row(item.kind, item.name, item.origin, _about(item))
    console().print(table)


def _about(plugin: Plugin) -> str:
    """Return what a plugin says of itself in its first sentence, or why it cannot be used."""
    from rung.errors import MissingExtra, RungError

    try:
        words = " ".join(_words(plugin).partition("\n\n")[0].split())
    except MissingExtra as error:
        return str(error).rpartition("which is ")[2]
    except RungError as error:
        return str(error)
    first = re.match(r".*?[.!?](?=\s+[A-Z`]|$)", words)
    return first[0] if first else words


def _words(plugin: Plugin) -> str:
    """Return the docstring of a plugin's class. A built-in one is read, not imported: some stand on packages that take seconds.

    Raises MissingExtra where a package that its file imports is not installed; PluginError as `Plugin.load` does.
    """
    module_name, _, name = plugin.target.partition(":")
    spec = find_spec(module_name) if plugin.origin == "built-in" else None
    if spec is None or spec.origin is None:
        return plugin.load().__doc__ or ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    imported = [a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names]
    imported += [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    if any(find_spec(package) is None for package in {module.split(".")[0] for module in imported}):
        plugin.load()  # says what to install
    return next((ast.get_docstring(n) or "" for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name), "")
