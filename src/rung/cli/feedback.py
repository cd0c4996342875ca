"""`rung feedback`: take in what was served and what people said of it, and say what is worth labelling next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._screen import echo, line, print_json

if TYPE_CHECKING:
    from rung.feedback.trial import Shown, Trial
    from rung.feedback.worth import Waiting
    from rung.store.records import Feedback

SHOWN, LONGEST = 5, 100
TRIAL: Mapping[Shown | None, str] = {
    None: "Nothing is shown yet: go on; you may look as often as you like.",
    "better": "{new} is better than {now}. End the trial: `rung serve {folder} --approach {new}`.",
    "as good": "{new} is as good as {now}, within {margin:g}. If it costs less, end the trial: `rung serve {folder} --approach {new}`.",
    "worse": "{new} is worse than {now}. End the trial: serve without `--challenger`.",
}


def feedback(
    folder: Path = typer.Argument(..., help="The run folder, or a folder of generations: its champion's run."),
    files: list[Path] = typer.Argument(
        None, help="The request log of `rung serve`, tables, traces of other tools; the log first."
    ),
    thumb: str = typer.Option(None, "--thumb", help="The column, or the score in a trace, that says up or down."),
    expected: str = typer.Option(
        None, "--expected", help="The column that says what is right; by default `correction`."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Take in corrections and thumbs, and queue what is worth labelling next.

    The same file may be given again: nothing counts twice. Private texts are masked. Without a file: what is there.
    Next: `rung label RUN --feedback`, then `rung data grow`.
    """
    from rung.feedback.reading import Source, merged
    from rung.store.folder import locked
    from rung.store.generations import run_in

    run = run_in(folder)
    with locked(run):
        items, notes = run.feedback.get() or (), list[str]()
        for file in files or ():
            source = Source(file, run.task, thumb, expected)
            items, unknown = merged(items, source.read(), run.task)
            notes += [f"{file}: {note}" for note in source.notes]
            if unknown:
                notes.append(f"{file}: {unknown:,} lines name a request that no log brought; give the log first")
        if files:
            run.feedback.save(items)
    waiting = waiting_of(run.path, items)
    found = _trials(run.path, items)
    if as_json:
        plain = [asdict(trial) for trial in found]
        print_json({**_counts(items), "notes": notes, "trials": plain, "waiting": [_plain(w) for w in waiting]})
    else:
        _tell(folder, items, waiting, notes)
        for trial in found:
            echo(_said(trial, folder))
    return 0


def _trials(folder: Path, items: tuple[Feedback, ...]) -> tuple[Trial, ...]:
    """Return how the trials of a run stand; nothing is opened where there was none."""
    if not any(item.challenger for item in items):
        return ()
    from rung import plugins
    from rung.cli._permission import permit_run
    from rung.engine.stored import stored_config
    from rung.feedback.trial import trials
    from rung.store.run import RunFolder

    permit_run(folder)  # the metric may be code
    run = RunFolder(folder)
    spec, config = run.task.metrics[0], stored_config(run)
    return trials(items, run.task, plugins.make_at(config.root, "metrics", spec.plugin, spec.settings))


def _said(trial: Trial, folder: Path) -> str:
    """Return a trial in words, with what to do next."""
    from rung.usual_names import shown_name

    a, b = trial.challenger, trial.champion
    new, current = shown_name(a.approach), shown_name(b.approach)
    scores = ", ".join(
        f"{shown_name(side.approach)} {'-' if side.mean is None else f'{side.mean:.2f}'} on {side.n:,} answers"
        for side in (a, b)
    )
    return f"Trial: {scores}. {TRIAL[trial.shown].format(new=new, now=current, margin=trial.margin, folder=folder)}"


def waiting_of(folder: Path, items: tuple[Feedback, ...]) -> tuple[Waiting, ...]:
    """Return the queue of a run's feedback."""
    from rung.data.parts import thaw
    from rung.feedback.worth import queue
    from rung.store.run import RunFolder

    split = thaw(folder)
    return queue(items, (*split.train, *split.dev), RunFolder(folder).task)


def _counts(items: tuple[Feedback, ...]) -> dict[str, int]:
    return {
        "inputs": len(items),
        "requests": sum(len(i.requests) for i in items),
        "liked": sum(i.thumb is True for i in items),
        "not_liked": sum(i.thumb is False for i in items),
        "expected_known": sum(i.expected is not None for i in items),
        "cannot_tell": sum(i.cannot_tell for i in items),
    }


def _plain(waiting: Waiting) -> dict[str, Any]:
    item = waiting.item
    return {"id": item.id, "why": list(waiting.why), "inputs": dict(item.inputs), "answer": item.answer}


def _tell(folder: Path, items: tuple[Feedback, ...], waiting: tuple[Waiting, ...], notes: list[str]) -> None:
    from rung.data.audit.audit_input import counted

    for note in notes:
        echo(f"note: {note}")
    n = _counts(items)
    echo(
        f"{counted(n['inputs'], 'input')} of {counted(n['requests'], 'request')}: {n['liked']:,} liked, {n['not_liked']:,} not liked, of "
        f"{n['expected_known']:,} the right answer is known"
    )
    for one in waiting[:SHOWN]:
        text = line(" ".join(" / ".join(one.item.inputs.values()).split()))
        why = f" ({', '.join(one.why)})" if one.why else ""
        echo(f"  {text[:LONGEST]}{'…' if len(text) > LONGEST else ''}{why}")
    if waiting:
        word = "1 waits" if len(waiting) == 1 else f"{len(waiting):,} wait, those worth most first"
        echo(f"{word}: rung label {folder} --feedback")
    if n["expected_known"]:
        echo(f"Make examples of the answers: rung data grow --folder {folder}")
