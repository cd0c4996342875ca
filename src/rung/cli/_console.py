"""A console of rich that lets no control sequence through but its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from rung.cli._screen import nobody_reads
from rung.invisible import visible


class SafeConsole(Console):
    """Text is shown as it is: no markup, no emoji codes, and characters that a reader cannot see written out."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def on_broken_pipe(self) -> None:
        nobody_reads(self.file)
