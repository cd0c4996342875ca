"""`rung data`: act on what `rung check` found. `rung data clean` writes a new version of the rows beside the old one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._draft import as_yaml
from rung.cli._experiment import experiment
from rung.cli._screen import Screen, echo, print_json

if TYPE_CHECKING:
    from rung.config import Config
    from rung.data.clean import Change, CleaningPlan
    from rung.data.configured import Loaded
    from rung.data.parts import Parts
    from rung.data.version import Version
    from rung.types import Example

SHOWN = 5  # changes shown of each check
MARKS = {"drop": "-", "correct": "~", "mask": "*"}
VERBS = {"drop": "dropped", "correct": "corrected", "mask": "masked"}

data = typer.Typer(
    name="data", help="Act on the examples: a new version of the data, never in place.", no_args_is_help=True
)


@dataclass(frozen=True)
class Rows:
    """The rows before cleaning: as read and as parted."""

    loaded: Loaded
    parts: Parts


@data.command(short_help="Write a new version of the data from accepted findings.")
def clean(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment."),
    accept: list[str] = typer.Option(..., "--accept", help="Checks whose findings are acted on, with commas between."),
    out: Path = typer.Option(None, "--out", help="The folder of the new version; by default beside the data."),
    test_rows: bool = typer.Option(False, "--test-rows", help="Clean the test set too; the version then says so."),
    seed: int = typer.Option(None, "--seed", help="Override split.seed, as the run did."),
    folder: Path = typer.Option(None, "--folder", help="The run whose frozen test set stays; by default runs/NAME."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the changes and write nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Drop, correct or mask the examples that `rung check` found, in a new folder; the old files stay as they are.

    Offered: duplicates, near-duplicates, conflicts, leakage, label-spelling, empty-inputs, suspect-labels, suspect-outputs,
    odd-outputs, personal-data, secrets. Test examples are counted and kept, so that old and new versions are measured on
    the same ones.
    """
    from rung.data.clean import plan_cleaning, to_clean
    from rung.data.configured import as_task, as_written, label_form, part_rows, read_rows

    loaded = experiment(config, seed=seed)
    accepted = [name.strip() for entry in accept for name in entry.split(",") if name.strip()]
    with Screen(quiet=as_json).stage("reading, splitting, checking", 3) as bar:
        read = read_rows(loaded)
        bar.advance()
        kind, parts = part_rows(loaded, read)
        check_frozen(folder or Path("runs") / loaded.task.name, parts)
        bar.advance()
        parts = as_written(parts, read)  # the file is what is cleaned
        task, form = as_task(loaded, kind, (*parts.train, *parts.dev)), label_form(loaded, kind)
        case = to_clean(parts, task, form)
        plan = plan_cleaning(case, accepted, test_too=test_rows)
        bar.advance()
    rows = Rows(read, parts)
    version = None if dry_run or not plan.changes else written(loaded, rows, plan, accepted, (out, test_rows))
    if as_json:
        print_json(_as_data(loaded, rows, plan, version))
    else:
        _tell(loaded, rows, plan, version, dry_run)
    return 0


def check_frozen(folder: Path, parts: Parts) -> None:
    """Check that the test examples are those that a run has frozen, and all others free. Raises RungError where they are others."""
    from rung.errors import RungError
    from rung.store.run import RunFolder

    if parts.aside:
        raise RungError(
            f"split.confirm keeps {len(parts.aside):,} examples sealed, which would be lost in a new version: make the version before it is set"
        )
    frozen, here = RunFolder(folder).parts.manifest.get(), parts.manifest
    if frozen is not None and frozen["test"]["sha256"] != here["test"]["sha256"]:
        raise RungError(
            f"{folder} holds a test set that was frozen otherwise (seed {frozen['seed']}, {frozen['test']['rows']:,} examples; here "
            f"seed {here['seed']}, {here['test']['rows']:,} examples), and some of its examples would be cleaned away: use the same "
            "data and --seed, or name the run that counts with --folder"
        )


def written(
    config: Config,
    rows: Rows,
    plan: CleaningPlan,
    accepted: Sequence[str],
    where: tuple[Path | None, bool],
    added: Sequence[Example] = (),
) -> Version:
    """Write the version that a plan makes of the examples, and what is `added` to those that train and choose."""
    from rung.data.load import Columns
    from rung.data.version import Part, default_folder, version_key, write_version

    read, parts = rows.loaded, rows.parts
    out, test_too = where
    section, task = config.data, config.task
    whole = read.whole.examples
    sealed = frozenset(e.id for e in parts.test)
    others = frozenset(e.id for e in whole) - sealed
    if section.path is not None:
        source = config.resolve(section.path)
        files = [Part("train", source, whole, others, tuple(added)), Part("test", source, whole, sealed)]
    else:
        assert section.train is not None
        assert section.test is not None
        source, held = config.resolve(section.train), config.resolve(section.test)
        own = len(whole) - len(parts.test)
        files = [Part("train", source, whole[:own], others, tuple(added)), Part("test", held, whole[own:], sealed)][
            : 1 + test_too
        ]
    columns = Columns(
        task.inputs, task.target, section.id, section.group_by, task.accepted_answers, task.target_lists == "any"
    )
    settings = {**dict(parts.settings), "seed": parts.seed, "given": parts.given, "test_rows": test_too}
    if added:
        settings["added"] = [e.sha256 for e in added]
    key = version_key(read.whole.sha256, accepted, settings, plan)
    about = {
        "source": [f.source.name for f in files],
        "source_sha256": read.whole.sha256,
        "accepted": sorted(set(accepted)),
        "split": settings,
        "test_part": "cleaned" if test_too else "as it was",
        "test_sha256_before": parts.manifest["test"]["sha256"],
        "rows_before": {name: n for name, n in parts.sizes.items() if n},
        "rows_after": sizes_after(parts, plan),
        **({"rows_added": [e.id for e in added]} if added else {}),
    }
    return write_version(
        out or default_folder(source, key, "grown" if added else "clean"), key, files, columns, plan, about
    )


def sizes_after(parts: Parts, plan: CleaningPlan) -> dict[str, int]:
    named = {"train": parts.train, "dev": parts.dev, "test": parts.test}
    return {name: sum(e.id not in plan.dropped for e in rows) for name, rows in named.items()}


def settings_lines(config: Config, parts: Parts, version: Version) -> list[str]:
    """Return the lines of rung.yaml that climb on the new version, and on the same test examples."""
    root = config.root.resolve()

    def beside(path: Path) -> str:
        return os.path.relpath(path.resolve(), root)

    section = config.data
    test = version.files.get("test") or (config.resolve(section.test) if section.test is not None else None)
    lines = [f"train: {as_yaml(beside(version.files['train']))}"]
    lines += [f"test: {as_yaml(beside(test))}"] if test is not None else []
    named = section.id or (version.id_column if version.id_column != "id" else None)
    lines += [f"id: {as_yaml(named)}"] if named else []
    lines += [f"group_by: {as_yaml(section.group_by)}"] if section.group_by else []
    dev = parts.settings["dev"] if parts.given else parts.settings["dev"] / (1.0 - parts.settings["test"])
    return [f"data: {{{', '.join(lines)}}}", f"split: {{dev: {dev:.4g}, seed: {config.split.seed}}}"]


def _as_data(config: Config, rows: Rows, plan: CleaningPlan, version: Version | None) -> dict[str, Any]:
    return {
        "source": Path(rows.loaded.whole.source).name,
        "folder": str(version.folder) if version is not None else None,
        "fresh": version.fresh if version is not None else None,
        "files": {name: str(path) for name, path in version.files.items()} if version is not None else {},
        "rung_yaml": settings_lines(config, rows.parts, version) if version is not None else [],
        "rows_before": rows.parts.sizes,
        "rows_after": sizes_after(rows.parts, plan),
        "changes": [asdict(c) for c in plan.changes],
        "test_rows_kept": plan.counts(plan.kept_test),
        "exit_code": 0,
    }


def _tell(config: Config, rows: Rows, plan: CleaningPlan, version: Version | None, dry_run: bool) -> None:
    by_check: dict[tuple[str, str], list[Change]] = {}
    for change in plan.changes:
        by_check.setdefault((change.check, change.action), []).append(change)
    for (check, action), changes in by_check.items():
        echo(f"{check}: {len({c.id for c in changes}):,} examples {VERBS[action]}")
        for c in changes[:SHOWN]:
            what = f" {c.column}: {c.before!r} -> {c.after!r}" if action == "correct" else ""
            echo(f"  {MARKS[action]} {c.id}{what}  ({c.reason})")
        if len(changes) > SHOWN:
            echo(f"    and {len(changes) - SHOWN:,} more")
    kept = plan.counts(plan.kept_test)
    if kept:
        listed = ", ".join(f"{n:,} by {check}" for check, n in kept.items())
        echo(f"test examples concerned and kept as they are: {listed} (--test-rows cleans them too)")
    if not plan.changes:
        echo("nothing to change outside the test set: no new version is written")
        return
    before, after = rows.parts.sizes, sizes_after(rows.parts, plan)
    sizes = ", ".join(f"{name} {before[name]:,} -> {n:,}" for name, n in after.items())
    echo(f"examples: {sizes}; {len(plan.altered):,} corrected or masked")
    if version is None:
        echo("nothing was written (--dry-run)" if dry_run else "")
        return
    echo(
        f"{'Wrote' if version.fresh else 'Already there, unchanged:'} {version.folder} "
        f"({', '.join(p.name for p in version.files.values())}, version.json with a reason for each example)"
    )
    echo("To climb on it, put into rung.yaml:")
    for line in settings_lines(config, rows.parts, version):
        echo(f"  {line}")
