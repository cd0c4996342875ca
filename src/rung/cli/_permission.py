"""The question before a project from elsewhere runs code, reads outside its folder or sends a variable: once, in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rung.cli._screen import ask, echo

if TYPE_CHECKING:
    from rung.config import Config


def permit(config: Config) -> None:
    """Return where all that a project asks for is allowed, or the user says so now. Raises NotAllowed."""
    from rung.engine.permission import allow, begin

    _permit(lambda: begin(config), lambda: allow(config))


def permit_run(folder: Path, *, asks: bool = True) -> None:
    """Do the same for the configuration that a run folder keeps; `asks`: whether models will be asked."""
    from rung.engine.permission import allow, require
    from rung.engine.stored import stored_config
    from rung.store.run import RunFolder

    run = RunFolder.open(folder)
    config, task = stored_config(run), run.facts.get("task")
    _permit(lambda: require(config, task, asks=asks), lambda: allow(config, task))


def _permit(look: Callable[[], None], allow: Callable[[], None]) -> None:
    from rung.errors import NotAllowed

    try:
        look()
    except NotAllowed as error:
        if not sys.stdin.isatty() or "--json" in sys.argv:
            raise
        echo(str(error).rpartition("\n")[0])
        if str(ask("Allow it, now and from now on? [y/N]", default="")).strip().casefold() not in ("y", "yes"):
            raise
        allow()
