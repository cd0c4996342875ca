"""`rung init`: look at a file of examples and write the rung.yaml to start from."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import typer

from rung.cli._brought import (
    SAMPLE,
    answers_in_file,
    filled,
    given_splits,
    inputs_of,
    metric_of,
    model_of,
    names_in,
    prompt_name,
    readable,
    stored_of,
    without,
    write_prompt,
)
from rung.cli._draft import Draft, ModelDraft, StoredDraft, instruction_for, render
from rung.cli._draft_notes import audited, first_row, left_out, notes_on, stored_notes
from rung.cli._screen import ask, echo, print_json
from rung.cli._wishes import Proposal, Seen, Wishes
from rung.invisible import visible

if TYPE_CHECKING:
    from rung.data.cells import RawRow
    from rung.data.columns import ColumnGuess
    from rung.data.importers.base import Found
    from rung.types import Finding, Kind

T = TypeVar("T")
DEFAULT_GOAL = 0.9
_PLACEHOLDER = re.compile(r"\{\{([^{}]{1,200})\}\}")


def init(
    file: Path = typer.Argument(..., help="Examples: a file, a folder, or what another tool wrote (docs/bring.md)."),
    target: str = typer.Option(None, "--target", help="The column with the expected output."),
    inputs: list[str] = typer.Option(None, "--inputs", help="A column the model sees; may be given again."),
    kind: str = typer.Option(None, "--kind", help="classification, extraction, style, knowledge or generation."),
    goal: float = typer.Option(None, "--goal", help="The quality that is good enough, 0 to 1."),
    prompt: Path = typer.Option(None, "--prompt", help="Your feature's prompt: text with {{column}}, or a chat file."),
    instruction: str = typer.Option(None, "--instruction", help="What the model is asked to do."),
    model: str = typer.Option(
        None, "--model", help="The model's name at its endpoint; nano for the bundled one (package rung-nano)."
    ),
    base_url: str = typer.Option(None, "--base-url", help="The endpoint's address."),
    api_key_env: str = typer.Option(None, "--api-key-env", help="The environment variable that holds the key."),
    answers: Path = typer.Option(None, "--answers", help="A file with stored answers, by the ids of the examples."),
    test: Path = typer.Option(None, "--test", help="Your own test file; FILE is then the training part."),
    group_by: str = typer.Option(
        None, "--group-by", help="Examples that share this column stay on one side of the split."
    ),
    documents: Path = typer.Option(None, "--documents", help="A folder of documents to look answers up in."),
    out: Path = typer.Option(Path("rung.yaml"), "--out", help="The file to write."),
    force: bool = typer.Option(False, "--force", help="Overwrite the file if it is there."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Ask nothing; take what was guessed."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Look at FILE, guess columns, task kind and metric, and write a commented rung.yaml."""
    from rung.errors import RungError

    if out.exists() and not force:
        raise RungError(f"{out} is already there; overwrite it with --force or write another file with --out")
    provider = "nano" if model == "nano" else "openai"
    wishes = Wishes(
        file=file,
        out=out,
        target=target,
        inputs=tuple(inputs or ()),
        kind=kind,
        goal=goal,
        prompt=prompt,
        instruction=instruction,
        model=ModelDraft(provider, None if provider == "nano" else model, base_url, api_key_env),
        answers=answers,
        test=test,
        group_by=group_by,
        documents=documents,
        ask=sys.stdin.isatty() and not yes and not as_json,
    )
    proposal = propose(wishes)
    _write(out, proposal, force)
    findings, trouble = audited(out, proposal)
    (_print if as_json else _tell)(out, proposal, findings, trouble)
    return 0


def _print(out: Path, proposal: Proposal, findings: Sequence[Finding], trouble: Sequence[str]) -> None:
    from dataclasses import asdict

    print_json(
        {
            "file": str(out),
            "draft": asdict(proposal.draft),
            "reasons": list(proposal.reasons),
            "notes": [*proposal.notes, *trouble],
            "findings": [asdict(f) for f in findings],
        }
    )


def _looked_at(wishes: Wishes) -> Seen:
    """Look at the rows, and settle what the target is."""
    from rung.config import read_prompt
    from rung.data.columns import guess_columns
    from rung.data.importers.base import Found
    from rung.documents.folder import told_by_names
    from rung.errors import DataError

    file, test, told = given_splits(wishes.file, wishes.test)
    wishes = replace(wishes, file=file, test=test)
    told = [*told, *(told_by_names(wishes.documents) if wishes.documents is not None else ())]
    found = Found()
    rows, more = _sample(wishes.file, told.append, found)
    inputs = _listed(wishes.inputs, names_in(rows)) or inputs_of(found, rows)
    wishes = replace(wishes, inputs=inputs, target=wishes.target or found.target)
    named = (*wishes.inputs, wishes.target, wishes.group_by)
    _check_columns(rows, wishes.file, [c for c in named if c])
    messages = read_prompt(wishes.prompt) if wishes.prompt is not None else ()
    own = found.prompt if wishes.prompt is None else None
    texts = [m.content for m in messages] or [own or ""]
    holes = tuple(dict.fromkeys(h for text in texts for h in map(str.strip, _PLACEHOLDER.findall(text)) if h))
    if found.lacks is not None and not wishes.inputs:
        raise DataError(found.lacks, file=str(wishes.file))
    plain = without(rows, found.columns_of_answers)
    guess = guess_columns(plain, inputs=wishes.inputs, target=wishes.target, placeholders=holes)
    none_there = bool(found.tool) and not found.own_columns and not wishes.target
    target = "" if none_there else guess.target or _asked_target(guess, plain, wishes)
    return Seen(wishes, rows, more, tuple(told), found, guess, target, messages, own, holes)


def propose(wishes: Wishes) -> Proposal:
    """Look at the examples and fill what was not said. Raises DataError or ConfigError for what cannot be used."""
    from rung.data.assertions import ASSERTIONS
    from rung.data.choice import choose_metric
    from rung.data.columns import kind_of, shared_system
    from rung.data.load import answers_in, as_text, value_of
    from rung.types import MetricSpec, Task

    _check_values(wishes)
    seen = _looked_at(wishes)
    wishes, rows, guess, found, target = seen.wishes, seen.rows, seen.guess, seen.found, seen.target
    inputs = _asked_inputs(guess, target, rows, wishes)
    held = [as_text(next(iter(answers_in(value_of(r.cells, target))), None)) for r in rows if target]
    targets = [text for text in held if text.strip()]
    by_targets = kind_of(targets)
    kind = cast("Kind", wishes.kind or ("generation" if target == ASSERTIONS else by_targets.kind))
    usual = choose_metric(kind, targets)
    task = Task("draft", "", inputs, target, kind, (MetricSpec(usual.name),), DEFAULT_GOAL)
    metric = metric_of(found, usual, task, rows)
    goal = wishes.goal
    if goal is None and wishes.ask:
        goal = _ask("Which quality is good enough (0 to 1)?", _as_goal, DEFAULT_GOAL)
    instruction = wishes.instruction or shared_system(rows) or instruction_for(kind, inputs, target)
    if wishes.instruction is None and wishes.ask:
        instruction = ask("What is the model asked to do?", instruction)
    draft = Draft(
        name=_name(wishes.file),
        kind=kind,
        kind_reason="as you said" if wishes.kind else by_targets.reason,
        instruction=instruction,
        instruction_is_own=instruction != instruction_for(kind, inputs, target),
        prompt=_prompt(wishes, seen.prompt),
        inputs=inputs,
        target=target,
        metric=metric.name,
        lists=any(
            isinstance(r.cells.get(target), list) and answers_in(r.cells[target]) is r.cells[target] for r in rows
        ),
        metric_reason=metric.reason,
        goal=DEFAULT_GOAL if goal is None else goal,
        goal_is_own=goal is not None,
        data=_beside(wishes.file, wishes.out),
        test=_beside(wishes.test, wishes.out) if wishes.test is not None else None,
        id=found.id or guess.id,
        group=wishes.group_by or found.group or guess.group,
        model=model_of(wishes.model, found),
        stored=(*stored_of(found, guess), *_answers(wishes)),
        documents=_beside(wishes.documents, wishes.out) if wishes.documents is not None else None,
        rows=len(rows),
    )
    _check_goal(draft.goal)
    return Proposal(draft, _reasons(draft, guess), tuple(_all_notes(draft, seen)), seen.prompt, seen.more)


def _prompt(wishes: Wishes, brought: str | None) -> str | None:
    """Return the prompt's file: the user's own, or the one that is written beside rung.yaml."""
    if wishes.prompt is not None:
        return _beside(wishes.prompt, wishes.out)
    return prompt_name(_name(wishes.file), brought) if brought else None


def _answers(wishes: Wishes) -> tuple[StoredDraft, ...]:
    if wishes.answers is None:
        return ()
    return answers_in_file(wishes.answers, _beside(wishes.answers, wishes.out))


def _reasons(draft: Draft, guess: ColumnGuess) -> tuple[str, ...]:
    said = f"metric: {draft.metric}: {draft.metric_reason}"
    return (*guess.reasons, f"kind: {draft.kind}, {draft.kind_reason}", said)


def _all_notes(draft: Draft, seen: Seen) -> list[str]:
    left = left_out(draft, seen.found, seen.rows)
    said = [f"only the first {SAMPLE:,} examples were looked at; `rung check` looks at all"] if seen.more else []
    return [
        *seen.told,
        *first_row(draft, seen.rows),
        *stored_notes(draft),
        *left,
        *said,
        *notes_on(draft, seen.holes, seen.messages),
    ]


def _check_values(wishes: Wishes) -> None:
    from rung.errors import ConfigError, Problem
    from rung.types import KINDS

    if wishes.kind is not None and wishes.kind not in KINDS:
        raise ConfigError([Problem("--kind", "is no task kind", repr(wishes.kind), ", ".join(KINDS))], "The command")
    if wishes.goal is not None:
        _check_goal(wishes.goal)


def _check_goal(goal: float) -> None:
    from rung.errors import ConfigError, Problem

    if not 0.0 < goal <= 1.0:
        raise ConfigError(
            [Problem("--goal", "is a share of what can be reached", f"{goal:g}", "above 0 and at most 1, such as 0.9")],
            "The command",
        )


def _sample(file: Path, on_note: Callable[[str], None], found: Found) -> tuple[list[RawRow], bool]:
    """Return the first rows, and whether there are more. Another tool's file is read to its end, for what it says besides."""
    from rung.data.files import raw_rows
    from rung.errors import DataError

    reading = raw_rows(file, on_note, found)
    rows = list(islice(reading, SAMPLE + 1))
    if found.tool:
        for _ in reading:
            pass
    if not rows:
        raise DataError("holds no examples; put one example a line", file=str(file))
    return readable(rows[:SAMPLE], str(file), on_note), len(rows) > SAMPLE


def _listed(entries: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    """Return the columns named: an entry is a column, or several with commas between."""
    return tuple(c for entry in entries for c in ([entry] if entry in there else map(str.strip, entry.split(","))))


def _check_columns(rows: Sequence[RawRow], file: Path, wanted: Sequence[str]) -> None:
    from rung.data.load import holds, missing_column

    there = names_in(rows)
    for name in wanted:
        if name not in there and not any(holds(row.cells, name) for row in rows):
            raise missing_column(name, there, file=str(file))


def _asked_target(guess: ColumnGuess, rows: Sequence[RawRow], wishes: Wishes) -> str:
    """Return the column of the expected output; "" where no column is left for it beside the input."""
    from rung.data.columns import SYSTEM

    there = [c for c in filled(rows) if c not in (*wishes.inputs, guess.id, SYSTEM)]
    if len(there) <= (0 if wishes.inputs else 1):
        return ""
    return _choose("expected output", "--target", there, wishes)


def _asked_inputs(guess: ColumnGuess, target: str, rows: Sequence[RawRow], wishes: Wishes) -> tuple[str, ...]:
    """Return the input columns; a guess that took whatever was left is confirmed on a terminal."""
    chosen = tuple(c for c in guess.inputs if c != target)
    there = [c for c in names_in(rows) if c not in (target, guess.id)]
    if not chosen:
        return (_choose("input", "--inputs", there, wishes),)
    if "inputs" not in guess.unsure or not wishes.ask:
        return chosen
    echo(f"Columns: {', '.join(there)}")

    def picked(said: str) -> tuple[str, ...]:
        names = tuple(c.strip() for c in said.split(",") if c.strip())
        _check_columns(rows, wishes.file, names)
        return names or chosen

    return _ask("Which columns does the model see (comma between)?", picked, ",".join(chosen))


def _ask(question: str, accepted: Callable[[str], T], default: object = None) -> T:
    """Ask until the answer is accepted; what `accepted` raises is shown."""
    from rung.errors import RungError

    def judged(said: str) -> T:
        try:
            return accepted(said)
        except RungError as error:
            raise typer.BadParameter(visible(str(error))) from error

    found: T = ask(question, default, judged)
    return found


def _as_goal(said: str) -> float:
    from rung.errors import ConfigError, Problem

    try:
        goal = float(said)
    except ValueError:
        raise ConfigError(
            [Problem("--goal", "is no number", repr(said), "above 0 and at most 1")], "The answer"
        ) from None
    _check_goal(goal)
    return goal


def _choose(what: str, flag: str, there: Sequence[str], wishes: Wishes) -> str:
    from rung.data.load import missing_column
    from rung.errors import DataError

    if not wishes.ask:
        raise DataError(
            f"cannot tell which column holds the {what}; name it with {flag}. Columns: {', '.join(map(repr, there))}",
            file=str(wishes.file),
        )
    echo(f"Columns: {', '.join(there)}")

    def one(said: str) -> str:
        if said.strip() not in there:
            raise missing_column(said.strip(), there, file=str(wishes.file))
        return said.strip()

    return _ask(f"Which column holds the {what}?", one)


def _name(file: Path) -> str:
    stem = file.name.partition("#")[0].split(".")[0]
    if stem.casefold() in ("train", "test", "data", "rows", "examples"):
        stem = file.resolve().parent.name or stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "task"


def _beside(path: Path, out: Path) -> str:
    """Return the path as written in a file at `out`: relative to its folder."""
    from rung.errors import DataError
    from rung.foreign import is_whole

    beside = os.path.relpath(path, out.resolve().parent if out.is_absolute() else (Path.cwd() / out).parent)
    if not is_whole(beside):
        raise DataError("has a name that is no UTF-8, which no rung.yaml can hold; rename it", file=str(path))
    return beside


def _write(out: Path, proposal: Proposal, force: bool) -> None:
    from rung.engine.permission import made_here
    from rung.store.folder import disk_errors

    if proposal.prompt is not None and proposal.draft.prompt is not None:
        write_prompt(out.parent / proposal.draft.prompt, proposal.prompt, force)
    with disk_errors(out, "name another file with --out"):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(render(proposal.draft), encoding="utf-8")
    made_here(out.parent)


def _tell(out: Path, proposal: Proposal, findings: Sequence[Finding], trouble: Sequence[str]) -> None:
    echo(f"Wrote {out}:")
    for reason in proposal.reasons:
        echo(f"  {reason}")
    for note in proposal.notes:
        echo(f"note: {note}")
    for finding in findings:
        if finding.severity == "note" and finding.check == "fidelity":
            echo(f"note: {finding.message}")
        elif finding.severity != "note":
            echo(f"{finding.severity}: {finding.message} {finding.next_step}")
    for line in trouble:
        echo(f"warn: {line}")
    echo(f"Next: look through {out}, then `rung check {out}` and `rung plan {out}`.")
