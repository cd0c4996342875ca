"""What every job offers to the writer of documents and to the measuring script."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rung_nano.training.wording import Brief, Style
from rung_nano.training.world import World


@dataclass(frozen=True)
class Item:
    """One message with its right answer and what is needed to score it.

    `generic` is the answer to a vague request.  `hidden` are the parts of `answer` that only a passage can tell; `unknown` is the right
    answer when no passage tells them.  `convention` is the part that only examples or labels can tell.
    """

    message: str
    answer: str
    generic: str
    product: str
    core: tuple[str, str, int]
    held_back: bool
    convention: str | None = None
    value: str | None = None
    unknown: str | None = None
    lines: tuple[str, ...] = ()
    fields: dict[str, str | None] = field(default_factory=dict)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Parts of the answer that only a passage can tell."""
        return (self.value,) if self.value else ()


class Job(Protocol):
    """One concrete job."""

    world: World
    vague: str
    brief: Brief
    factual: bool

    def item(self, avoid: Collection[int] = (), category: str | None = None, plain: bool = False) -> Item:
        """Draw a message with its answer."""
        ...

    def told(self, item: Item, seen: Collection[str], explicit: bool, meanings: bool) -> bool:
        """Return whether the conventions of the answer can be inferred from the examples seen and the prompt."""
        ...

    def passages(self, item: Item, others: int, gold: bool = True) -> list[str]:
        """Return passages: the one that holds the fact (unless `gold` is False) among others."""
        ...


def number_of(passages: Sequence[str], value: str, product: str) -> int | None:
    """Return the number (from 1) of the passage that tells the value of the product."""
    for i, text in enumerate(passages):
        if value in text and product in text:
            return i + 1
    return None


__all__ = ["Brief", "Item", "Job", "Style", "number_of"]
