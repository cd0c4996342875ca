"""`rung init`: look at a file of examples and write the rung.yaml to start from."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import typer

from rung.cli._draft import Draft, ModelDraft, render
from rung.cli._screen import print_json

if TYPE_CHECKING:
    from rung.data._cells import RawRow
    from rung.data.columns import ColumnGuess
    from rung.types import Finding, Kind, Message

T = TypeVar("T")
SAMPLE = 5_000  # rows the guesses look at
DEFAULT_GOAL = 0.9
NO_MODEL = ModelDraft()
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


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
    test: Path | None = None
    group_by: str | None = None
    ask: bool = False


@dataclass(frozen=True)
class Proposal:
    """A draft, why it is so, and what the user should know."""

    draft: Draft
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


def init(
    file: Path = typer.Argument(
        ..., help="Examples: jsonl, csv, tsv, json, parquet, xlsx, promptfoo yaml, or a folder of texts."
    ),
    target: str = typer.Option(None, "--target", help="The column with the expected output."),
    inputs: list[str] = typer.Option(None, "--inputs", help="A column the model sees; may be given again."),
    kind: str = typer.Option(None, "--kind", help="classification, extraction, style, knowledge or generation."),
    goal: float = typer.Option(None, "--goal", help="The quality that is good enough, 0 to 1."),
    prompt: Path = typer.Option(None, "--prompt", help="Your feature's prompt: text with {{column}}, or a chat file."),
    instruction: str = typer.Option(None, "--instruction", help="What the model is asked to do."),
    model: str = typer.Option(None, "--model", help="The model's name at its endpoint; nano for the embedded one."),
    base_url: str = typer.Option(None, "--base-url", help="The endpoint's address."),
    api_key_env: str = typer.Option(None, "--api-key-env", help="The environment variable that holds the key."),
    test: Path = typer.Option(None, "--test", help="Your own test file; FILE is then the training part."),
    group_by: str = typer.Option(None, "--group-by", help="Rows that share this column are never parted."),
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
        test=test,
        group_by=group_by,
        ask=sys.stdin.isatty() and not yes and not as_json,
    )
    proposal = propose(wishes)
    _write(out, render(proposal.draft))
    findings, trouble = _audited(out)
    if as_json:
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
    else:
        _tell(out, proposal, findings, trouble)
    return 0


def propose(wishes: Wishes) -> Proposal:
    """Look at the rows and fill what was not said. Raises DataError or ConfigError for what cannot be used."""
    from rung.config import read_prompt
    from rung.data.choice import choose_metric
    from rung.data.columns import guess_columns, kind_of, shared_system
    from rung.data.load import answers_in, as_text, value_of

    _check_values(wishes)
    told: list[str] = []
    rows, more = _sample(wishes.file, told.append)
    wishes = replace(wishes, inputs=_listed(wishes.inputs, _names(rows)))
    named = (*wishes.inputs, wishes.target, wishes.group_by)
    _check_columns(rows, wishes.file, [c for c in named if c])
    messages = read_prompt(wishes.prompt) if wishes.prompt is not None else ()
    holes = tuple(dict.fromkeys(h for m in messages for h in _PLACEHOLDER.findall(m.content)))
    guess = guess_columns(rows, inputs=wishes.inputs, target=wishes.target, placeholders=holes)
    target = guess.target or _asked_target(guess, rows, wishes)
    inputs = _asked_inputs(guess, target, rows, wishes)
    targets = [as_text(next(iter(answers_in(value_of(r.cells, target))), None)) for r in rows]
    found = kind_of(targets)
    kind = cast("Kind", wishes.kind or found.kind)
    metric = choose_metric(kind, targets)
    goal = wishes.goal
    if goal is None and wishes.ask:
        goal = _ask("Which quality is good enough (0 to 1)?", _as_goal, DEFAULT_GOAL)
    instruction = wishes.instruction or shared_system(rows) or _instruction(kind, inputs, target)
    if wishes.instruction is None and wishes.ask:
        instruction = typer.prompt("What is the model asked to do?", default=instruction)
    draft = Draft(
        name=_name(wishes.file),
        kind=kind,
        kind_reason="as you said" if wishes.kind else found.reason,
        instruction=instruction,
        instruction_is_own=instruction != _instruction(kind, inputs, target),
        prompt=_beside(wishes.prompt, wishes.out) if wishes.prompt is not None else None,
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
        id=guess.id,
        group=wishes.group_by or guess.group,
        model=wishes.model,
    )
    _check_goal(draft.goal)
    reasons = (
        *guess.reasons,
        f"kind: {kind}, {draft.kind_reason}",
        f"metric: {draft.metric}: {draft.metric_reason}",
    )
    return Proposal(draft, reasons, (*told, *_notes(draft, holes, messages, more)))


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


def _sample(file: Path, on_note: Callable[[str], None]) -> tuple[list[RawRow], bool]:
    """Return the first rows, and whether there are more."""
    from rung.data._files import raw_rows
    from rung.errors import DataError

    rows = list(islice(raw_rows(file, on_note), SAMPLE + 1))
    if not rows:
        raise DataError("holds no rows; put one example a line", file=str(file))
    return rows[:SAMPLE], len(rows) > SAMPLE


def _names(rows: Sequence[RawRow]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.cells))


def _listed(entries: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    """Return the columns named: an entry is a column, or several with commas between."""
    return tuple(c for entry in entries for c in ([entry] if entry in there else map(str.strip, entry.split(","))))


def _check_columns(rows: Sequence[RawRow], file: Path, wanted: Sequence[str]) -> None:
    from rung.data.load import holds, missing_column

    there = _names(rows)
    for name in wanted:
        if name not in there and not any(holds(row.cells, name) for row in rows):
            raise missing_column(name, there, file=str(file))


def _asked_target(guess: ColumnGuess, rows: Sequence[RawRow], wishes: Wishes) -> str:
    there = [c for c in _names(rows) if c not in (*wishes.inputs, guess.id)]
    return _choose("expected output", "--target", there, wishes)


def _asked_inputs(guess: ColumnGuess, target: str, rows: Sequence[RawRow], wishes: Wishes) -> tuple[str, ...]:
    """Return the input columns; a guess that took whatever was left is confirmed on a terminal."""
    chosen = tuple(c for c in guess.inputs if c != target)
    there = [c for c in _names(rows) if c not in (target, guess.id)]
    if not chosen:
        return (_choose("input", "--inputs", there, wishes),)
    if "inputs" not in guess.unsure or not wishes.ask:
        return chosen
    typer.echo(f"Columns: {', '.join(there)}")

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
            raise typer.BadParameter(str(error)) from error

    found: T = typer.prompt(question, default=default, value_proc=judged)
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
    typer.echo(f"Columns: {', '.join(there)}")

    def one(said: str) -> str:
        if said.strip() not in there:
            raise missing_column(said.strip(), there, file=str(wishes.file))
        return said.strip()

    return _ask(f"Which column holds the {what}?", one)


GENERIC = ("expected", "expected_output", "target", "output", "gold", "ideal", "y", "completion", "response", "result")
NOUNS = {
    "classification": "label",
    "extraction": "fields",
    "style": "text",
    "knowledge": "answer",
    "generation": "text",
}


def _instruction(kind: Kind, inputs: Sequence[str], target: str) -> str:
    from rung.report.figures import listed

    noun = NOUNS[kind] if target.casefold() in GENERIC else target
    read = listed(inputs)
    words = {
        "classification": f"Choose the {noun} for the {read}. Answer with the {noun} only.",
        "extraction": f"Extract the {noun} from the {read} as one JSON object.",
        "style": f"Write the {noun} for the {read}, in exactly the form asked for.",
        "knowledge": f"Give the {noun} to the {read}, as short as possible.",
        "generation": f"Write the {noun} for the {read}.",
    }
    return words[kind]


def _name(file: Path) -> str:
    stem = file.name.split(".")[0]
    if stem.casefold() in ("train", "test", "data", "rows", "examples"):
        stem = file.resolve().parent.name or stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "task"


def _beside(path: Path, out: Path) -> str:
    """Return the path as written in a file at `out`: relative to its folder."""
    return os.path.relpath(path, out.resolve().parent if out.is_absolute() else (Path.cwd() / out).parent)


def _notes(draft: Draft, holes: Sequence[str], messages: Sequence[Message], more: bool) -> list[str]:
    notes = []
    if draft.lists:
        notes.append(
            f"{draft.target} holds lists: an answer is right by any one entry; task.target_lists: whole makes the list the answer"
        )
    if more:
        notes.append(f"the guesses look at the first {SAMPLE:,} rows")
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


def _write(out: Path, text: str) -> None:
    from rung.store.folder import disk_errors

    with disk_errors(out, "name another file with --out"):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


def _audited(out: Path) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Check the written file as `rung check` would, but for the slow part; trouble is told, not raised."""
    from rung.config import load_config
    from rung.data.audit import QUICK, audit
    from rung.errors import RungError
    from rung.evaluate.prepare import as_task, part_rows, read_rows

    try:
        config = load_config(out)
        kind, parts = part_rows(config, read_rows(config))
        task = as_task(config, kind, (*parts.train, *parts.dev))
        return audit(parts, task, planned_rungs=len(config.planned), checks=QUICK), ()
    except RungError as error:
        return (), (str(error),)


def _tell(out: Path, proposal: Proposal, findings: Sequence[Finding], trouble: Sequence[str]) -> None:
    typer.echo(f"Wrote {out}:")
    for reason in proposal.reasons:
        typer.echo(f"  {reason}")
    for note in proposal.notes:
        typer.echo(f"note: {note}")
    for finding in findings:
        if finding.severity != "note":
            typer.echo(f"{finding.severity}: {finding.message} {finding.next_step}")
    for line in trouble:
        typer.echo(f"warn: {line}")
    typer.echo(f"Next: look through {out}, then `rung check {out}` and `rung plan {out}`.")
