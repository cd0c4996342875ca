"""What `rung check` looks at: the configuration, the rows as they would be split, and the documents; no model is asked, nothing is
written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rung.config import Config, asked_roles
from rung.data.audit import CHECKS, worst_first
from rung.data.audit.drift import drift_findings, on_the_latest
from rung.data.audit.grouping import grouping_findings
from rung.data.configured import as_task, dates_of, groupings, how_parted, part_rows, read_rows
from rung.data.parts import check_unchanged
from rung.engine import fidelity
from rung.engine.audited import of_the_parts
from rung.engine.obstacles import Obstacle, obstacles, obstacles_here
from rung.errors import ConfigError, DataError, IntegrityError, Problem, RungError
from rung.models.ends import ends_of
from rung.models.settings import StoredSettings, configured
from rung.progress import Progress
from rung.rag.opening import examine
from rung.store.run import RunFolder
from rung.types import Dataset, Finding, Kind


@dataclass(frozen=True)
class CheckResult:
    """The rows of a configuration, looked at before anything is spent."""

    source: str
    rows: int
    kind: Kind
    parts: Mapping[str, int]  # part -> its rows
    shares: str  # how the examples are divided, and why
    findings: tuple[Finding, ...]

    @property
    def stops(self) -> int:
        """Findings for which a climb, or a step of its ladder, would not begin."""
        return sum(f.severity == "stop" for f in self.findings)


def check(config: Config, progress: Progress, folder: Path | None = None) -> CheckResult:
    """Look for obstacles, load, split and audit the rows, and look through the documents. `folder`: the run folder in which the
    climb would begin or go on; None: a new one.

    Raises DataError for rows that cannot be read or split; ConfigError where the configuration has obstacles besides.
    """
    found = obstacles(config) if folder is None else obstacles_here(config, folder)
    try:
        return _looked_over(config, tuple(map(_told, found)), progress, folder)
    except DataError as error:
        if not found:
            raise
        raise ConfigError([*(o.problem for o in found), Problem("data", str(error))]) from error


def _told(obstacle: Obstacle) -> Finding:
    """Return an obstacle as a finding."""
    after = "a run leaves this step out" if obstacle.keeps == "step" else "until then no climb begins"
    return Finding("configuration", "stop", f"{obstacle.problem}.", f"Put it right in rung.yaml or here; {after}.")


def _stored_answers(config: Config) -> Iterator[Finding]:
    """Return what keeps stored answers from being read, and what is worth telling of those that are."""
    for role, settings in configured(config).items():
        if not isinstance(settings, StoredSettings):
            continue
        try:
            told = getattr(settings.connect(), "notices", ())
        except RungError as error:
            said = f"models.{role}: {error}".rstrip(".")
            yield Finding(
                "stored answers", "stop", f"{said}.", "Put it right in rung.yaml or there; until then no climb begins."
            )
        else:
            for notice in told:
                yield Finding(
                    "stored answers", "note", f"models.{role}: {notice}.", "Look whether that is what you meant."
                )


def _ends(config: Config) -> Iterator[Finding]:
    """Return which of the asked models are announced to end."""
    asked = asked_roles(config)
    for end in ends_of(config.models):
        if end.role in asked:
            yield Finding(
                "model ends",
                "warn" if end.soon() else "note",
                f"{end.today}.",
                "Ask another model; `rung migrate` moves a winner.",
            )


def _changed_rows(config: Config, whole: Dataset, folder: Path | None) -> Iterator[Finding]:
    """Return what a run that goes on would say of rows that are not those it was started on."""
    run = None if folder is None else RunFolder(folder)
    try:
        if run is None or not run.begun or run.facts.get("config_sha256") != config.sha256:
            return
        if (manifest := run.parts.manifest.get()) is not None:
            check_unchanged(whole, manifest)
    except IntegrityError as error:
        yield Finding("run folder", "stop", f"{error}.", "Name another run folder, or put the examples back.")


def _drift(config: Config, kind: Kind, whole: Dataset) -> Iterator[Finding]:
    """Yield what the latest examples show where a column holds dates."""
    if (found := dates_of(config)) is not None:
        column, when = found
        seen = on_the_latest(whole.examples, when) if kind == "classification" else None
        yield from drift_findings(column, config.split.by is not None, seen)


def _looked_over(
    config: Config, obstacles: tuple[Finding, ...], progress: Progress, folder: Path | None
) -> CheckResult:
    with progress.stage("reading and splitting", len(CHECKS) + 2) as bar:
        rows = read_rows(config)
        bar.advance()
        kind, parts = part_rows(config, rows)
        bar.advance()
        task = as_task(config, kind, (*parts.train, *parts.dev))
        found = of_the_parts(config, parts, task, on_check=lambda _: bar.advance())
    stored = (*_stored_answers(config), *fidelity.findings(config, rows, {e.id for e in (*parts.train, *parts.dev)}))
    beside = groupings(config) if kind == "classification" else {}
    grouping = tuple(grouping_findings((*parts.train, *parts.dev), beside, len(parts.test)))
    documents = examine(config, rows.whole.examples, parts.sealed)
    return CheckResult(
        rows.whole.source,
        len(rows.whole),
        kind,
        dict(parts.sizes),
        how_parted(config, rows),
        worst_first(
            [
                *obstacles,
                *_changed_rows(config, rows.whole, folder),
                *stored,
                *_ends(config),
                *grouping,
                *found,
                *rows.findings,
                *documents,
                *_drift(config, kind, rows.whole),
            ]
        ),
    )
