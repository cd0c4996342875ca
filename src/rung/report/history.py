"""What became of a run among the generations of its experiment: which step was taken, when, by whom and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rung.errors import IntegrityError
from rung.store.generations import Generations, Step
from rung.store.run import RunFolder

SAID = {
    "begun": "begun by {by}",
    "promoted": "promoted by {by}: {why}",
    "migrated": "promoted by {by} on another model: {why}",
    "kept": "not promoted (asked by {by}): {why}",
    "rolled back": "champion again by {by}, {why}",
}


def line_of(step: Step) -> str:
    """Return a step of the history in a line."""
    return f"{step.at[:10]}  generation {step.generation} ({step.approach}) {SAID[step.what].format(by=step.by, why=step.why)}"


def place_of(run: Path) -> Generations | None:
    """Return the folder of generations that a run belongs to: the one above it, or the first one's neighbour; None: to none."""
    path = run.resolve()
    for folder in (path.parent, path.with_name(f"{path.name}-generations")):
        place = Generations(folder)
        if place.history.exists and any(_folder(place, step) == path for step in _steps(place)):
            return place
    return None


def steps_of(run: Path) -> tuple[Step, ...]:
    """Return the steps that a run took part in, the oldest first."""
    place = place_of(run)
    return () if place is None else tuple(s for s in _steps(place) if _folder(place, s) == run.resolve())


def history_of(run: Path) -> tuple[str, ...]:
    """Return the whole history of the experiment in lines, the oldest first; nothing for a run that belongs to no generations."""
    place = place_of(run)
    return () if place is None else tuple(map(line_of, _steps(place)))


def _steps(place: Generations) -> tuple[Step, ...]:
    try:
        return place.steps
    except IntegrityError:
        return ()  # `rung runs` says so


def _folder(place: Generations, step: Step) -> Path:
    return (place.path / step.folder).resolve()


def histories(folder: Path, deep: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder of generations at a place with its history in lines, oldest first; a damaged one says so in its line."""
    place = Generations(folder)
    if place.history.exists:
        try:
            yield folder, [line_of(step) for step in place.steps]
        except IntegrityError as error:
            yield folder, [str(error)]
    elif deep and not RunFolder(folder).begun:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                yield from histories(child, deep - 1)
