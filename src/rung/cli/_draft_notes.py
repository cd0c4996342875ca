"""What `rung init` says of the draft that it wrote: what it left out, what it could not know, what stored answers became, what its rows show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rung.cli._brought import SAMPLE, filled
from rung.cli._draft import Draft
from rung.cli._wishes import Proposal

SEVERAL = 2  # rows in which a column's name is its value

if TYPE_CHECKING:
    from rung.data.cells import RawRow
    from rung.data.importers.base import Found
    from rung.types import Finding, Message


def stored_notes(draft: Draft) -> list[str]:
    """Say which columns hold stored answers, and what became of them."""
    if not draft.stored:
        return []
    named = ", ".join(f"{s.role} ({s.column!r})" for s in draft.stored)
    return [
        f"the file holds stored answers: {named}; each is a step of the ladder (`provider: recorded`), measured as it stands and "
        "never taken for the expected answer; no call is made for it"
    ]


def left_out(draft: Draft, found: Found, rows: Sequence[RawRow]) -> list[str]:
    """Say which columns are no part of the task: what the model is not shown may be what it needs."""
    from rung.data.columns import SYSTEM, shared_system

    used = {draft.target.partition(".")[0], draft.id, draft.group, *(c.partition(".")[0] for c in draft.inputs)}
    used |= {SYSTEM} if draft.instruction == shared_system(rows) else set()
    used |= {c for s in draft.stored for c in (s.column, s.latency, s.cost)}
    used |= found.columns_of_answers
    out = [c for c in filled(rows) if c not in used and c not in (draft.target, *draft.inputs)]
    if not out:
        return []
    shown = ", ".join(map(repr, out[:20])) + (f" and {len(out) - 20} more" if len(out) > 20 else "")
    return [f"left out, the model does not see them: {shown}; add one to task.inputs (--inputs) if it should"]


def first_row(draft: Draft, rows: Sequence[RawRow]) -> list[str]:
    """Say that a table may have no header: a name of a column is a value of it, too, and its first row would be lost."""
    target = draft.target
    if not target or sum(row.cells.get(target) == target for row in rows) < SEVERAL:
        return []
    return [
        f"the first line was read as the names of the columns, and {target!r} is a value of its column, too: if that line is an "
        "example, put a line with names above it"
    ]


def notes_on(draft: Draft, holes: Sequence[str], messages: Sequence[Message]) -> list[str]:
    """Return what is worth knowing of a draft before it is used."""
    notes = []
    if draft.lists:
        notes.append(
            f"{draft.target} holds lists: an answer is right by any one entry; task.target_lists: whole makes the list the answer"
        )
    if messages and not holes:
        notes.append("the prompt has no {{column}} placeholder: the inputs are sent after it as the user's message")
    unknown = [h for h in holes if h not in draft.inputs]
    if unknown:
        notes.append(f"the prompt has placeholders that are no input column: {', '.join(unknown)}")
    if not draft.goal_is_own:
        notes.append(f"goal {draft.goal:g} is a placeholder of mine: set the quality that is good enough for you")
    if draft.model.provider == "nano":
        notes.append(
            "nano knows only its own small world: its score says nothing about what a real model does with your data"
        )
    elif draft.model.name is None:
        notes.append(
            "models.main holds placeholders: put in the endpoint's address, the model's name and the key's variable"
        )
    return notes


def audited(out: Path, proposal: Proposal) -> tuple[tuple[Finding, ...], list[str]]:
    """Check the written file as `rung check` would, but for the slow part, and of a large file the first examples alone; new notes of the reading and trouble are told, not raised."""
    from rung.config import load_config
    from rung.data.audit import OF_SAMPLE, QUICK
    from rung.data.configured import as_task, part_rows, read_rows
    from rung.engine.audited import of_the_parts
    from rung.engine.fidelity import findings
    from rung.errors import RungError

    try:
        config = load_config(out)
        loaded = read_rows(config, SAMPLE if proposal.sampled else None)
        try:
            kind, parts = part_rows(config, loaded)
        except RungError as error:
            return findings(config, loaded, ()), [str(error)]
        task = as_task(config, kind, (*parts.train, *parts.dev))
        seen = {e.id for e in (*parts.train, *parts.dev)}
        audited = of_the_parts(config, parts, task, checks=OF_SAMPLE if proposal.sampled else QUICK)
        return (*findings(config, loaded, seen), *audited), [n for n in loaded.notes if n not in proposal.notes]
    except RungError as error:
        return (), [str(error)]
