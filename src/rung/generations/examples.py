"""The examples of a new generation: what tested before tests again, and new ones join by group."""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.config import Config, parse_config
from rung.data.clean import CleaningPlan
from rung.data.configured import read_rows
from rung.data.load import Columns
from rung.data.near import find_duplicates
from rung.data.parts import thaw
from rung.data.split import tied
from rung.data.version import Part, version_key, write_version
from rung.errors import RungError
from rung.store.run import RunFolder
from rung.types import Example

NAMED = 3


@dataclass(frozen=True)
class Grown:
    """The experiment on its parts. `fresh`: ids of test examples that have decided nothing before; `new`: examples that no generation had."""

    config: Config
    fresh: frozenset[str]
    new: int


def grown(config: Config, champion: RunFolder, held: Mapping[str, str], seen: Collection[str], place: Path) -> Grown:
    """Return the experiment over the examples of today: what tested before, by `held` (hashes by id), tests again, and what a generation
    has `seen` otherwise (ids) does not.

    One file is parted: new groups test by the share of earlier test examples, what resembles an earlier example joins its part, and
    `place` receives both parts as files. Files of the user's own stay as they are. Raises RungError where a test example is gone or changed.
    """
    read = read_rows(config)
    rows = read.whole.examples
    manifest = champion.parts.manifest.need()
    own = None if read.test is None else {e.id for e in rows[len(read.train or ()) :]}
    now = {e.id: e.sha256 for e in rows if own is None or e.id in own}
    lost = [i for i, sha in held.items() if now.get(i) != sha]
    if lost:
        more = f" and {len(lost) - NAMED:,} more" if len(lost) > NAMED else ""
        raise RungError(
            f"{len(lost):,} test examples of earlier generations are changed, or not among the test examples any more "
            f"({', '.join(lost[:NAMED])}{more}): put them back, or start anew in another folder"
        )
    split = thaw(champion.path)
    shown = (*split.train, *split.dev)
    known = {*held, *seen}
    groups = _groups(rows, shown)
    old = {groups[e.id] for e in (*rows, *shown) if e.id in known}
    fresh_groups = sorted({groups[e.id] for e in rows} - old)
    new = sum(e.id not in known for e in rows)
    if own is not None:
        return Grown(config, frozenset(i for i in own if i not in known and groups[i] not in old), new)
    share = len(held) / len(known)
    drawn = _drawn(fresh_groups, [groups[e.id] for e in rows], share, config.split.seed)
    testing = {groups[i] for i in held} | drawn
    test = {e.id for e in rows if e.id in held or (e.id not in known and groups[e.id] in testing)}
    fresh = frozenset(e.id for e in rows if groups[e.id] in drawn)
    dev = manifest["dev"]["rows"] / (manifest["train"]["rows"] + manifest["dev"]["rows"])
    return Grown(_parted(config, rows, test, place, dev), fresh, new)


def _groups(rows: Sequence[Example], shown: Sequence[Example]) -> dict[str, str]:
    """Return the group of each example, by groups and near duplicates, among those of earlier generations that are gone, too."""
    here = {e.id for e in rows}
    both = (*rows, *(e for e in shown if e.id not in here))
    return {e.id: e.group for e in tied(both, find_duplicates(both))}


def _drawn(names: Sequence[str], members: Sequence[str], share: float, seed: int) -> set[str]:
    """Draw whole groups until their examples are the share of all new ones."""
    counts, drawn, order = dict.fromkeys(names, 0), set[str](), list(names)
    for group in members:
        if group in counts:
            counts[group] += 1
    wanted = share * sum(counts.values())
    random.Random(f"{seed}/new test examples").shuffle(order)
    for name in order:
        if sum(counts[d] for d in drawn) + counts[name] / 2 > wanted:
            break
        drawn.add(name)
    return drawn


def _parted(config: Config, rows: Sequence[Example], test: set[str], place: Path, dev: float) -> Config:
    """Write both parts of one file as files of their own, and return the experiment that names them."""
    task, section = config.task, config.data
    assert section.path is not None
    source = config.resolve(section.path)
    train = frozenset(e.id for e in rows) - test
    parts = [Part("train", source, tuple(rows), train), Part("test", source, tuple(rows), frozenset(test))]
    columns = Columns(
        task.inputs,
        task.target,
        section.id,
        section.group_by,
        task.accepted_answers,
        task.target_lists == "any",
        task.sliced_by,
    )
    plan, settings = CleaningPlan((), ()), {"test": sorted(test), "seed": config.split.seed}
    key = version_key(str([e.sha256 for e in rows]), ("generation",), settings, plan)
    about = {"source": [source.name], "accepted": ["generation"]}
    version = write_version(place / f"examples-{key[:8]}", key, parts, columns, plan, about)
    raw: dict[str, Any] = config.model_dump(mode="json", exclude={"root"})
    root = config.root.resolve()
    raw["data"] |= {name: os.path.relpath(path.resolve(), root) for name, path in version.files.items()}
    raw["data"] |= {"path": None, "id": version.id_column}
    raw["split"] |= {"test": None, "dev": round(dev, 4)}
    return parse_config(raw, config.root)
