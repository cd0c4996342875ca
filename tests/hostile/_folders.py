"""Run folders from elsewhere: a finished run in which every text that a report may show is replaced.

Which texts are free is found by trying, so that a new field cannot be forgotten: each place is filled alone, and what the
reader of run folders refuses (a status, a kind, a hash) stays as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rung.errors import RungError
from rung.report.load import load_report
from rung.report.page import render_page
from rung.store.run import RunFolder

Place = tuple[
    str, ...
]  # the file, then keys; "*" for every entry of a list, "KEY" for the keys of a mapping themselves
Pick = Callable[[str], str]  # a text of the run -> what stands in its place
NOT_FREE = (
    "event",
    "at",
)  # what happened, and when: these decide which rows are shown; ids of test rows are sealed by a hash
MAPPINGS = {"scores", "estimates", "inputs", "by_role", "tokens"}  # whose keys are names that people give


def files(run: Path) -> list[Path]:
    return sorted(p for p in run.rglob("*.json*") if p.name != "manifest.json")


def read(path: Path) -> Any:
    """Return a JSON file, or the list of the values of a file of JSON lines."""
    text = path.read_text("utf-8")
    return [json.loads(line) for line in text.split("\n") if line] if path.suffix == ".jsonl" else json.loads(text)


def write(path: Path, value: Any) -> None:
    lines = path.suffix == ".jsonl"
    path.write_text("".join(json.dumps(v) + "\n" for v in value) if lines else json.dumps(value), "utf-8")


def _walk(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, (*place, "*"))
    elif isinstance(value, dict):
        for key, inner in value.items():
            named = place[-1] in MAPPINGS
            if named:
                yield (*place, "KEY"), key
            yield from _walk(inner, (*place, "*" if named else key))


def _filled(value: Any, place: Place, free: frozenset[Place], pick: Pick) -> Any:
    if isinstance(value, str):
        return pick(value) if place in free else value
    if isinstance(value, list):
        return [_filled(v, (*place, "*"), free, pick) for v in value]
    if isinstance(value, dict):
        named = place[-1] in MAPPINGS
        renamed = named and (*place, "KEY") in free
        return {
            pick(k) if renamed else k: _filled(v, (*place, "*" if named else k), free, pick) for k, v in value.items()
        }
    return value


def places(run: Path) -> tuple[Place, ...]:
    """Return every place of a text in the files of a run."""
    found: dict[Place, None] = {}
    for file in files(run):
        found |= dict.fromkeys(place for place, _ in _walk(read(file), (file.relative_to(run).as_posix(),)))
    return tuple(found)


def fill(run: Path, free: frozenset[Place], pick: Pick) -> None:
    """Replace the texts at the free places, in place."""
    for file in files(run):
        name = file.relative_to(run).as_posix()
        if any(place[0] == name for place in free):
            write(file, _filled(read(file), (name,), free, pick))


def free_places(run: Path) -> frozenset[Place]:
    """Return the places whose texts the reader of run folders takes, whatever they are."""
    alike: dict[Place, set[Place]] = {}
    for place in places(run):
        if place[-1] in NOT_FREE or (place[0].endswith("outcomes.jsonl") and place[-1] == "example_id"):
            continue
        alike.setdefault(_kind(place), set()).add(place)
    free: set[Place] = set()
    for together in alike.values():
        kept = {run / place[0]: (run / place[0]).read_bytes() for place in together}
        fill(run, frozenset(together), lambda text: f"{text} ?")
        try:
            render_page(load_report(RunFolder.open(run)))
            free |= together
        except RungError:
            pass
        finally:
            for file, content in kept.items():
                file.write_bytes(content)
    return frozenset(free)


def _kind(place: Place) -> Place:
    """Return what stands for all places that are filled together: one field of every rung, and the names of metrics."""
    if place[-2:] in (("scores", "KEY"), ("estimates", "KEY")) or place[-3:] == ("metrics", "*", "name"):
        return ("metric",)
    folder, apart, name = place[0].rpartition("/")
    return (name if apart and folder.startswith("rungs/") else place[0], *place[1:])


def copied(run: Path, to: Path, free: frozenset[Place], pick: Pick) -> RunFolder:
    """Return a copy of a run with the texts at the free places replaced; labels of rungs stay names that a file may have."""
    shutil.copytree(run, to)
    labels = {label: as_file(pick(label)) for label in read(run / "run.json")["planned"]}
    fill(to, free, lambda text: labels[text] if text in labels else pick(text))
    for label, name in labels.items():
        if (to / "rungs" / label).is_dir():
            (to / "rungs" / label).rename(to / "rungs" / name)
    return RunFolder.open(to)


def as_file(text: str) -> str:
    """Return the text as a label that rung takes: what no file's name may hold is replaced."""
    bare = "".join(c if c.isprintable() and c not in "/\\" else "\u2400" for c in text)
    return bare[:40] + bare[-8:]  # its end tells it apart
