"""What `rung init` takes from another tool's file: its columns, prompt, model, metric and stored answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rung.cli._draft import NO_MODEL, ModelDraft, StoredDraft, model_named

if TYPE_CHECKING:
    from rung.data.cells import RawRow
    from rung.data.choice import MetricChoice
    from rung.data.columns import ColumnGuess
    from rung.data.importers.base import Found
    from rung.engine.fidelity import Judged
    from rung.types import Task

COMPARED = 500  # stored answers by which a metric is chosen
METRICS = ("exact_match", "normalized_match", "contains", "numeric", "token_f1")  # that need no settings
SAMPLE = 5_000  # rows the guesses look at
MOST_STORED = 8  # models whose stored answers become steps of the ladder


def inputs_of(found: Found, rows: Sequence[RawRow]) -> tuple[str, ...]:
    """Return the input columns that a tool's file says, with the system message where it differs from example to example."""
    from rung.data.columns import SYSTEM

    differs = found.inputs and len({str(r.cells.get(SYSTEM) or "") for r in rows}) > 1
    return (SYSTEM, *found.inputs) if differs else tuple(found.inputs)


def given_splits(file: Path, test: Path | None) -> tuple[Path, Path | None, list[str]]:
    """Return the file of the examples and that of the test set, where the file is a data set with splits, and what is told of them."""
    from rung.config.files import SHEET_MARK
    from rung.data.dataset_folder import splits

    held = splits(file) if file.is_dir() else {}
    if len(held) < 2:
        return file, test, []
    first = "train" if "train" in held else next(iter(held))
    own = "test" if test is None and "test" in held and first != "test" else None
    rest = [name for name in held if name not in (first, own)]
    told = (
        [f"not read: the splits {', '.join(rest)}; name one as {file.name}{SHEET_MARK}{rest[0]} where you want it"]
        if rest
        else []
    )
    return _split(file, first), test if own is None else _split(file, own), told


def _split(folder: Path, name: str) -> Path:
    from rung.config.files import SHEET_MARK

    return folder.with_name(f"{folder.name}{SHEET_MARK}{name}")


def metric_of(found: Found, chosen: MetricChoice, draft_of: Task, rows: Sequence[RawRow]) -> MetricChoice:
    """Return the metric whose scores of the stored answers are most like the tool's verdicts; the usual one where there are none."""
    from rung.data.choice import MetricChoice

    if draft_of.target != found.target and not found.own_columns:
        return chosen
    first = (
        MetricChoice(found.metric, "the nearest to what the file was scored by") if found.metric is not None else chosen
    )
    scorer, judged = _judged(found, draft_of, rows)
    if not judged or first.name in ("assertions", "judge"):
        return first
    from rung.engine.fidelity import closest

    names = list(dict.fromkeys((first.name, chosen.name, *METRICS)))
    same = closest(names, judged, draft_of)
    best = max(names, key=same.__getitem__)
    if same[best] == same[first.name]:
        return first
    return MetricChoice(best, f"agrees with {scorer} on {same[best]:,} of {len(judged):,} stored answers")


def _judged(found: Found, task: Task, rows: Sequence[RawRow]) -> tuple[str, list[Judged]]:
    """Return the first scorer's name and its verdicts on the first stored answers."""
    from rung.data.load import answers_in, as_text, value_of
    from rung.engine.fidelity import Judged
    from rung.types import Example

    stored = next((s for s in found.stored.values() if s.verdicts), None)
    if stored is None or not task.target:
        return "", []
    scorer, column = next(iter(stored.verdicts.items()))
    judged = []
    for row in rows[:COMPARED]:
        verdict, answer = row.cells.get(column), row.cells.get(stored.answer)
        target, *others = [as_text(a) for a in answers_in(value_of(row.cells, task.target))] or [""]
        if verdict is not None and answer and target.strip():
            inputs = {c: as_text(value_of(row.cells, c)) for c in task.inputs}
            judged.append(
                Judged(Example(str(row.line), inputs, target, "", tuple(others)), as_text(answer), float(verdict))
            )
    return scorer, judged


def model_of(wished: ModelDraft, found: Found) -> ModelDraft:
    """Return the model that the user named, else the one that the tool asked, where rung can ask it, too."""
    if wished != NO_MODEL or found.model is None:
        return wished
    return model_named(found.model) or wished


def stored_of(found: Found, guess: ColumnGuess) -> tuple[StoredDraft, ...]:
    """Return the stored answers of the file, each as an approach of its own."""
    if found.stored:
        held = list(found.stored.values())[:MOST_STORED]
        return tuple(StoredDraft(f"v{n}", s.name, s.answer, s.latency, s.cost) for n, s in enumerate(held, 1))
    return tuple(StoredDraft(f"v{n}", column, column) for n, column in enumerate(guess.stored[:MOST_STORED], 1))


def names_in(rows: Sequence[RawRow]) -> list[str]:
    """Return the columns of the examples, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row.cells))


def filled(rows: Sequence[RawRow]) -> list[str]:
    """Return the columns that hold anything."""
    return [name for name in names_in(rows) if any(row.cells.get(name) not in (None, "") for row in rows)]


def readable(rows: list[RawRow], file: str, on_note: Callable[[str], None]) -> list[RawRow]:
    """Return the examples without those whose conversation cannot be read, which are told. Raises DataError where none can be."""
    from rung.data.load import LINES_NAMED, unread_chat

    unread = [None if "input" in row.cells else unread_chat(row, "input", file) for row in rows]
    good = [row for row, error in zip(rows, unread, strict=True) if error is None]
    if not good and unread[0] is not None and unread[0].column in filled(rows):
        raise unread[0]
    if good and len(good) < len(rows):
        lines = [str(row.line) for row, error in zip(rows, unread, strict=True) if error is not None]
        more = f" and {len(lines) - LINES_NAMED} more" if len(lines) > LINES_NAMED else ""
        on_note(
            f"{len(lines)} of {len(rows):,} conversations cannot be read (line {', '.join(lines[:LINES_NAMED])}{more}); correct "
            "them or take them out: the commands that follow stop at the first"
        )
    return good or rows


def without(rows: Sequence[RawRow], columns: frozenset[str]) -> list[RawRow]:
    """Return the examples without some columns."""
    if not columns:
        return list(rows)
    return [replace(row, cells={k: v for k, v in row.cells.items() if k not in columns}) for row in rows]


def answers_in_file(path: Path, written: str) -> tuple[StoredDraft, ...]:
    """Return the stored answers of a file of their own, which has the ids of the examples. `written`: its path for rung.yaml.

    Raises DataError for a file whose columns of ids or answers cannot be told.
    """
    from rung.data.columns import MODEL_NAMES, guess_columns
    from rung.data.files import raw_rows
    from rung.data.importers.base import Found
    from rung.errors import DataError

    found = Found()
    rows = list(raw_rows(path, None, found))
    guess = guess_columns(rows[:SAMPLE]) if rows else None
    identity = found.id or (guess.id if guess is not None else None)
    named = [c for c in (rows[0].cells if rows else ()) if c.casefold() in MODEL_NAMES]
    columns = [found.answers] if found.answers else [s.answer for s in found.stored.values()] or named
    if identity is None or not columns:
        raise DataError(
            "holds no column with the ids of the examples, or none with answers (answer, output, response ...); rename them",
            file=str(path),
        )
    return tuple(
        StoredDraft(f"a{n}", path.name.split(".")[0] or "answers", column, path=written, id=identity)
        for n, column in enumerate(columns[:MOST_STORED], 1)
    )


def prompt_name(name: str, text: str) -> str:
    is_chat = text.lstrip().startswith(("[", "{")) and '"role"' in text
    return f"{name}.prompt{'.json' if is_chat else '.txt'}"


def write_prompt(path: Path, text: str, force: bool) -> None:
    """Write the prompt that the tool's file holds beside rung.yaml. Raises RungError for a file that is there already."""
    from rung.errors import RungError
    from rung.store.folder import disk_errors

    if path.exists() and not force and path.read_bytes() != text.encode():
        raise RungError(f"{path} is already there; overwrite it with --force, or name your prompt with --prompt")
    with disk_errors(path, "name another file with --out"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
