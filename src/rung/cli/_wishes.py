"""What `rung init` is told, what a first look at the rows found, and what it proposes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rung.cli._draft import NO_MODEL, Draft, ModelDraft

if TYPE_CHECKING:
    from rung.data.cells import RawRow
    from rung.data.columns import ColumnGuess
    from rung.data.importers.base import Found
    from rung.types import Message


@dataclass(frozen=True)
class Wishes:
    """What the user said on the command line; None and () are left to be guessed or asked."""

    file: Path
    out: Path
    target: str | None = None
    inputs: tuple[str, ...] = ()
    kind: str | None = None
    goal: float | None = None
    prompt: Path | None = None
    instruction: str | None = None
    model: ModelDraft = NO_MODEL
    answers: Path | None = None
    test: Path | None = None
    group_by: str | None = None
    documents: Path | None = None
    ask: bool = False


@dataclass(frozen=True)
class Proposal:
    """A draft, why it is so, and what the user should know. `prompt`: the text of the prompt file that goes with it."""

    draft: Draft
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    prompt: str | None = None
    sampled: bool = False  # whether only the first rows were looked at


@dataclass(frozen=True)
class Seen:
    """What a first look at the rows found. `prompt`: the text that the tool's file holds, `holes`: the placeholders of the prompt in use."""

    wishes: Wishes
    rows: list[RawRow]
    more: bool
    told: tuple[str, ...]
    found: Found
    guess: ColumnGuess
    target: str
    messages: tuple[Message, ...]
    prompt: str | None
    holes: tuple[str, ...]
