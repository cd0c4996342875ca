"""Fidelity: do our scores of stored answers agree with what the tool that wrote the file said of them?

The verdicts stand in the file that was brought (an Inspect log, promptfoo's results ...). Where they differ, the metric is not
what the tool scored by, or one of the two is wrong: either is worth knowing before anything is measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rung import plugins
from rung.config import Config
from rung.data.configured import Loaded, as_task, kind_of
from rung.data.files import raw_rows
from rung.data.importers.base import Found
from rung.data.load import load
from rung.errors import RungError
from rung.evaluate.answering import scored
from rung.metrics.accepted import AnyRight
from rung.protocols import Judge, Metric
from rung.types import Answer, Example, Finding, Score, Task

EQUAL = 0.005  # scores that differ by less are equal: tools round
NAMED = 5  # examples that a finding names
OWN_CODE = ("python",)  # metrics that run a user's function, which needs permission


@dataclass(frozen=True, slots=True)
class Judged:
    """One stored answer with what the tool's scorer said of it, 0 to 1."""

    example: Example
    answer: str
    verdict: float


@dataclass(frozen=True)
class Fidelity:
    """How far the scores of a metric agree with a scorer's verdicts on the stored answers of one model.

    `differing`: the example's id, the verdict, and our score; None where the metric could give none.
    """

    stored: str
    scorer: str
    metric: str
    compared: int
    differing: tuple[tuple[str, float, float | None], ...]


def differing(metric: Metric, judged: Iterable[Judged], task: Task) -> Iterator[tuple[str, float, float | None]]:
    """Yield the examples on which the metric gives another score than the tool did."""
    held = AnyRight(metric)
    for one in judged:
        said = scored("metric", held, Answer(one.answer), one.example, task)
        ours = said.value if isinstance(said, Score) else None
        if ours is None or abs(ours - one.verdict) >= EQUAL:
            yield one.example.id, one.verdict, ours


def closest(metrics: Sequence[str], judged: Sequence[Judged], task: Task) -> Mapping[str, int]:
    """Return how many stored answers each metric scores as the tool did, by the metric's name."""
    made = {name: plugins.make("metrics", name) for name in metrics}
    return {name: len(judged) - sum(1 for _ in differing(metric, judged, task)) for name, metric in made.items()}


def told_by(path: Path) -> Found | None:
    """Return what another tool's file says of its stored answers; None for a plain file, of which one row is read."""
    found = Found()
    for _ in raw_rows(path, None, found):
        if not found.tool:
            return None
    return found if any(s.verdicts for s in found.stored.values()) else None


def compare(config: Config, loaded: Loaded) -> tuple[Fidelity, ...]:
    """Score all stored answers that have verdicts by the deciding metric. Asks nobody and runs no code of the user's.

    Raises DataError for a file that cannot be read.
    """
    if not config.task.target:
        return ()
    kind = kind_of(config, loaded)
    spec = config.metrics(kind)[0]
    if spec.plugin in OWN_CODE:
        return ()
    metric = plugins.make_at(config.root, "metrics", spec.plugin, spec.settings)
    if isinstance(metric, Judge):
        return ()
    task = as_task(config, kind, loaded.whole.examples)
    made: list[Fidelity] = []
    for path in filter(None, (config.data.path, config.data.train, config.data.test)):
        file = config.resolve(path)
        found = told_by(file)
        for stored in found.stored.values() if found is not None else ():
            for scorer, column in stored.verdicts.items():
                judged = list(_judged(config, loaded, file, stored.answer, column))
                apart = tuple(differing(metric, judged, task))
                made.append(Fidelity(stored.name, scorer, spec.name, len(judged), apart))
    return tuple(made)


def _judged(config: Config, loaded: Loaded, file: Path, answer: str, verdict: str) -> Iterator[Judged]:
    """Yield the stored answers of one column that have a verdict and whose example is one of the task's."""
    inputs = config.task.inputs
    rows = load(
        file,
        inputs=(*inputs, *(c for c in (answer, verdict) if c not in inputs)),
        target=config.task.target,
        id_column=config.data.id,
        also=config.task.accepted_answers,
        any_of_list=config.task.target_lists == "any",
    )
    known = {_content(loaded.written.get(e.id, e), inputs): e for e in loaded.whole.examples}
    for row in rows.examples:
        example = known.get(_content(row, inputs))
        if example is not None and row.inputs[verdict] and row.inputs[answer]:
            yield Judged(example, row.inputs[answer], float(row.inputs[verdict]))


def _content(example: Example, inputs: Sequence[str]) -> tuple[str, ...]:
    """Return what tells an example from others in both readings: ids that are made from the content are not the same."""
    return (*(example.inputs[c] for c in inputs), *example.targets)


def findings(config: Config, loaded: Loaded, visible: Collection[str]) -> tuple[Finding, ...]:
    """Return the comparisons as findings; of the test set no example is named. `visible`: ids of training and dev examples."""
    try:
        return tuple(_finding(one, visible) for one in compare(config, loaded) if one.compared)
    except RungError as error:
        return (Finding("fidelity", "note", f"Stored verdicts cannot be compared: {error}.", "Put that right first."),)


def _finding(one: Fidelity, visible: Collection[str]) -> Finding:
    what = f"the stored answers of {one.stored}"
    measured = {"compared": one.compared, "differing": len(one.differing)}
    if not one.differing:
        said = f"{one.metric} scores {what} as {one.scorer} did, on all {one.compared:,} of them."
        return Finding("fidelity", "note", said, "Nothing to do.", measured=measured)
    shown = [(i, theirs, ours) for i, theirs, ours in one.differing if i in visible]
    named = "; ".join(f"{i}: {theirs:g} there, {_as_said(ours)} here" for i, theirs, ours in shown[:NAMED])
    said = (
        f"{one.metric} scores {what} otherwise than {one.scorer} did for {len(one.differing):,} of {one.compared:,}"
        f"{f' ({named})' if named else ''}."
    )
    step = "Look at these: another metric may be what the file was scored by (rung plugins metrics), or one of the two is wrong."
    return Finding("fidelity", "warn", said, step, tuple(i for i, _, _ in shown[:NAMED]), measured)


def _as_said(score: float | None) -> str:
    return "no score" if score is None else f"{score:g}"
