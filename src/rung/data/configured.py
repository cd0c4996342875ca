"""The examples that rung.yaml names: read, split as configured, and the task that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from rung import plugins
from rung.config import Config
from rung.data.by_time import is_date, moment, moments
from rung.data.columns import guess_kind, is_group_name, repeats
from rung.data.files import raw_rows
from rung.data.load import Columns, load_columns
from rung.data.parts import Parts
from rung.data.shares import DEV_OF_A_TRAINING_FILE, shares_of
from rung.data.spellings import one_spelling, spelling_findings
from rung.data.split import MORE_PREFIX, joined, split, split_given
from rung.protocols import Forgiving
from rung.types import Dataset, Example, Finding, Kind, Task, by_id

LOOKED_AT = 20  # rows that must all hold a date before a column is said to


@dataclass(frozen=True)
class Loaded:
    """The rows as read: one file, or the user's own two; the last `more` of them are test examples that were added later."""

    whole: Dataset
    train: Dataset | None = None
    test: Dataset | None = None
    notes: tuple[str, ...] = ()  # what was read in a way worth telling
    written: Mapping[str, Example] = field(default_factory=dict)  # rows whose labels the file spells otherwise, by id
    spellings: tuple[Finding, ...] = ()
    more: int = 0

    @property
    def first(self) -> Dataset:
        """The rows without those that were added later."""
        return (
            replace(self.whole, examples=self.whole.examples[: len(self.whole) - self.more])
            if self.more
            else self.whole
        )

    @property
    def further(self) -> tuple[Example, ...]:
        """The rows that were added later."""
        return self.whole.examples[len(self.whole) - self.more :]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the notes of the reading as findings."""
        notes = (Finding("file", "note", f"{note}.", "Look whether that is what you meant.") for note in self.notes)
        return (*notes, *self.spellings)


def read_rows(config: Config, most: int | None = None) -> Loaded:
    """Load the configured file or files, of each the first `most` rows where that is given. Raises DataError."""

    notes: list[str] = []

    def one(path: str) -> Dataset:
        return _load(config, path, config.data.group_by, notes.append, most)

    train = test = None
    if config.data.path is not None:
        whole = one(str(config.resolve(config.data.path)))
    else:
        assert config.data.train is not None
        assert config.data.test is not None
        train, test = one(str(config.resolve(config.data.train))), one(str(config.resolve(config.data.test)))
        whole = joined(train, test)
    more = None if config.data.more is None else one(str(config.resolve(config.data.more)))
    whole = whole if more is None else joined(whole, more, MORE_PREFIX)
    return _one_spelling(config, Loaded(whole, train, test, tuple(notes), more=0 if more is None else len(more)))


def _load(
    config: Config, path: str, group_by: str | None, on_note: Callable[[str], None], most: int | None = None
) -> Dataset:
    columns = Columns(
        inputs=config.task.inputs,
        target=config.task.target,
        id=config.data.id,
        group=group_by,
        also=config.task.accepted_answers,
        any_of_list=config.task.target_lists == "any",
        slices=config.task.sliced_by,
    )
    return load_columns(path, columns, on_note, most)


def groupings(config: Config) -> dict[str, dict[str, str]]:
    """Return the columns of the configured file that may group its rows, as row id -> group; none where `data.group_by` says which.

    The file is read once more for each.
    """
    if config.data.path is None or config.data.group_by is not None:
        return {}
    path = str(config.resolve(config.data.path))
    first = next(iter(raw_rows(path)), None)
    used = (*config.task.inputs, config.task.target, *config.task.accepted_answers, config.data.id)
    columns = [] if first is None else [c for c in first.cells if is_group_name(c) and c not in used]
    found = {}
    for column in columns:
        groups = {e.id: e.group for e in _load(config, path, column, lambda _: None).examples}
        if repeats([group for row, group in groups.items() if group != row]):
            found[column] = groups
    return found


def dates_of(config: Config) -> tuple[str, dict[str, float]] | None:
    """Return the column by which examples are divided, or one that is not used and holds dates in the first rows, with each row's moment by id.

    Rows without a date are left out. None where there is no such column. The file is read once more for it.
    """
    if config.data.path is None:
        return None
    path = str(config.resolve(config.data.path))
    column = config.split.column or _column_of_dates(config, path)
    if column is None:
        return None
    written = {e.id: e.group for e in _load(config, path, column, lambda _: None).examples}
    return column, {row: at for row, text in written.items() if text != row and (at := moment(text)) is not None}


def _column_of_dates(config: Config, path: str) -> str | None:
    looked = list(islice(raw_rows(path), LOOKED_AT))
    used = (*config.task.inputs, config.task.target, *config.task.accepted_answers, config.data.id)
    columns = [c for c in looked[0].cells if c not in used] if looked else []
    for column in columns:
        if all(isinstance(value := row.cells.get(column), str) and is_date(value) for row in looked):
            return str(column)
    return None


def label_form(config: Config, kind: Kind) -> Callable[[str], str] | None:
    """Return how the deciding metric compares labels; None where it forgives nothing, or the task has no labels."""
    if kind != "classification":
        return None
    spec = config.metrics(kind)[0]
    metric = plugins.make_at(config.root, "metrics", spec.plugin, spec.settings)
    return metric.label_form if isinstance(metric, Forgiving) else None


def _one_spelling(config: Config, loaded: Loaded) -> Loaded:
    """Read the spellings of a label that the metric forgives as one label."""
    form = label_form(config, kind_of(config, loaded))
    if form is None:
        return loaded
    examples, written = one_spelling(loaded.whole.examples, form)
    if not written:
        return loaded
    now = by_id(examples)

    def respelt(part: Dataset | None) -> Dataset | None:
        return None if part is None else replace(part, examples=tuple(now[e.id] for e in part.examples))

    return replace(
        loaded,
        whole=replace(loaded.whole, examples=examples),
        train=respelt(loaded.train),
        test=respelt(loaded.test),
        written=written,
        spellings=spelling_findings(written, now, form, config.metrics("classification")[0].name),
    )


def as_written(parts: Parts, loaded: Loaded) -> Parts:
    """Return the parts with every label as the file spells it."""

    def old(rows: tuple[Example, ...]) -> tuple[Example, ...]:
        return tuple(loaded.written.get(e.id, e) for e in rows)

    aside = tuple(replace(q, example=loaded.written.get(q.example.id, q.example)) for q in parts.quarantine)
    return replace(
        parts,
        train=old(parts.train),
        dev=old(parts.dev),
        test=old(parts.test),
        quarantine=aside,
        aside=old(parts.aside),
    )


def kind_of(config: Config, loaded: Loaded) -> Kind:
    """Return the task's kind, guessed from the expected outputs where the file says auto."""
    kind = config.task.kind
    if kind == "auto" and not config.task.target:
        return "generation"
    return guess_kind([e.target for e in loaded.first.examples]) if kind == "auto" else kind


def part_rows(config: Config, loaded: Loaded) -> tuple[Kind, Parts]:
    """Part the rows as configured; returns the task's kind (guessed where the file says auto) and the parts."""
    known, seed = kind_of(config, loaded), config.split.seed
    if loaded.train is not None and loaded.test is not None:
        dev = config.split.dev or DEV_OF_A_TRAINING_FILE
        return known, split_given(loaded.train, loaded.test, dev=dev, seed=seed, kind=known)
    shares = shares_of(config, round((1.0 - config.split.confirm) * len(loaded.first)))
    return known, split(
        loaded.first,
        test=shares.test,
        dev=shares.dev,
        seed=seed,
        kind=known,
        when=_moments(config, loaded),
        confirm=config.split.confirm,
        confirming=config.split.confirming,
    )


def _moments(config: Config, loaded: Loaded) -> dict[str, float] | None:
    """Return each row's moment by id; None where examples are divided at random. The file is read once more for its dates."""
    if config.split.column is None:
        return None
    return _dated(config, config.data.path or Path(), config.split.column, loaded.first.examples)


def moments_of_all(config: Config, loaded: Loaded) -> dict[str, float] | None:
    """Return the moments of the rows that were added later, too."""
    found = _moments(config, loaded)
    if found is None or config.split.column is None or config.data.more is None:
        return found
    return found | _dated(config, config.data.more, config.split.column, loaded.further)


def _dated(config: Config, file: Path, column: str, rows: Sequence[Example]) -> dict[str, float]:
    """Return the moments of a file's first rows, which may bear other ids beside those of other files."""
    path = str(config.resolve(file))
    held = _load(config, path, column, lambda _: None).examples[: len(rows)]
    found = moments({e.id: e.group for e in held}, column, path)
    return {row.id: found[e.id] for row, e in zip(rows, held, strict=True)}


def how_parted(config: Config, loaded: Loaded) -> str:
    """Say which shares of the examples train, choose and test, and why."""
    if loaded.test is not None:
        share = config.split.dev or DEV_OF_A_TRAINING_FILE
        return f"the test set is your own; {100 * share:.0f} % of the training file chooses candidates"
    shares = shares_of(config, round((1.0 - config.split.confirm) * len(loaded.first)))
    kept = f"; of all examples {100 * config.split.confirm:.3g} % are kept to confirm" if config.split.confirm else ""
    return f"{shares.said}{kept}: {shares.why}"


def as_task(config: Config, kind: Kind, visible: tuple[Example, ...]) -> Task:
    """Return the task; the labels of a classification are those that train and dev show, sorted."""
    labels = tuple(sorted({target for e in visible for target in e.targets})) if kind == "classification" else None
    return config.as_task(kind=kind, labels=labels)
