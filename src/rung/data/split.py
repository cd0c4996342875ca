"""Part the rows into train, dev and test: by group and near-duplicate cluster, stratified by label, seeded."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rung.data.by_time import in_order, latest
from rung.data.near import Duplicates, Ties, find_duplicates
from rung.data.parts import IDS_NAMED, Parts, Quarantined, check_unchanged, freeze, thaw
from rung.errors import SplitError
from rung.types import TWINS, Dataset, Example, Kind

__all__ = ["Parts", "check_unchanged", "freeze", "joined", "split", "split_given", "thaw"]

FEWEST_ROWS = 2  # in any part
SHORTFALL = 0.5  # a part with less than this share of its rows was starved by groups
SIZE_WEIGHT, FEWEST_WANTED = 3.0, 2.0  # see `_misfit`
_ALL = "\0all"  # the pseudo-label that counts every row


def split(
    dataset: Dataset,
    *,
    test: float = 0.4,
    dev: float = 0.15,
    seed: int = 7,
    kind: Kind = "classification",
    when: Mapping[str, float] | None = None,
    confirm: float = 0.0,
    confirming: bool = False,
) -> Parts:
    """Part the rows by shares of the whole; train takes the rest. `when`: each row's moment by id, to part them by time.

    `confirm`: this share is kept out of all parts, and the others are shares of what is left; `confirming`: it is the test set, and what would have
    been that is kept out instead. Both part equally otherwise.
    Rows of one group, or of one near-duplicate cluster, or tied by a chain of both, stay on one side. For
    classification each part nears the label proportions of the whole. Equal rows and seed give equal parts, in
    whatever order the file has them. Raises SplitError when a group exceeds every part, or a part would hold too few.
    """
    rows = dataset.examples
    shares = {"train": round(1.0 - test - dev, 12), "dev": dev, "test": test}
    if min(shares.values()) <= 0.0:
        raise SplitError(
            f"the shares test {test} and dev {dev} leave {shares['train']:.2f} for train; they must sum below 1"
        )
    duplicates = find_duplicates(rows)
    rest: tuple[Example, ...] = tied(rows, duplicates)
    apart: tuple[Example, ...] = ()
    if confirm:  # before all else, so that other shares, of another ladder, keep the same rows
        first = {"rest": 1.0 - confirm, "confirm": confirm}
        _enough(len(rows), first, dataset.source)
        both = _parted(rest, first, kind, seed, dataset.source, when)
        rest, apart = both["rest"], both["confirm"]
    _enough(len(rest), shares, dataset.source)
    parts = _parted(rest, shares, kind, seed, dataset.source, when)
    kept, aside = (apart, parts["test"]) if confirming else (parts["test"], apart)
    return Parts(
        parts["train"],
        parts["dev"],
        kept,
        seed=seed,
        duplicates=duplicates,
        settings={
            "test": test,
            "dev": dev,
            "kind": kind,
            **({"by": "time", "latest": latest(kept, when)} if when is not None else {}),
        },
        aside=aside,
    )


def split_given(
    train: Dataset, test: Dataset, *, dev: float = 0.15, seed: int = 7, kind: Kind = "classification"
) -> Parts:
    """Keep the user's own test part and carve dev from the training file; `dev` is a share of the training rows.

    Training rows that equal or nearly equal a test row, or share its group, are quarantined before dev is carved.
    Where an id stands in both files the parts carry the ids of `joined`. Raises SplitError.
    """
    both = joined(train, test)
    own, held = both.examples[: len(train)], both.examples[len(train) :]
    if len(held) < FEWEST_ROWS:
        raise SplitError(f"the test file has {_rows(len(held))}; at least {FEWEST_ROWS} are needed", file=test.source)
    duplicates = find_duplicates(both.examples)
    quarantine = _leaks(own, held, duplicates)
    left_out = {q.example.id for q in quarantine}
    rest, held = tied([e for e in own if e.id not in left_out], duplicates), tied(held, duplicates)
    if not 0.0 < dev < 1.0:
        raise SplitError(f"the share dev {dev} must lie between 0 and 1")
    shares = {"train": round(1.0 - dev, 12), "dev": dev}
    _enough(len(rest), shares, train.source, len(quarantine))
    parts = _parted(rest, shares, kind, seed, train.source)
    return Parts(
        parts["train"],
        parts["dev"],
        held,
        seed=seed,
        duplicates=duplicates,
        quarantine=quarantine,
        given=True,
        settings={"dev": dev, "kind": kind},
    )


MORE_PREFIX = "more:"  # of the id of an added test example, where any of its file's ids stands in the other files, too
TEXT_NAMED = 40  # characters


def with_more(
    parts: Parts,
    more: Sequence[Example],
    together: bool,
    source: str,
    own_ids: bool,
    when: Mapping[str, float] | None = None,
) -> Parts:
    """Return the parts with test examples that were added later: beside the old ones (`together`), or in their place.

    `own_ids`: whether the file has ids, by which its rows are named in an error; else they are named by their text. `when`: each row's moment
    by id, where rows are divided by time.
    `Parts.settings` then holds, as `first`, the hashes of the old test examples by id. Raises SplitError for added rows that equal or
    nearly equal one that is there already, or share the group of one that approaches may see.
    """
    seen = (*parts.train, *parts.dev, *(q.example for q in parts.quarantine))
    duplicates = find_duplicates((*seen, *parts.test, *parts.aside, *more))
    for rows, where, advice in (
        (seen, "train or dev", "leave them out, since what an approach has seen cannot test it"),
        (parts.test, "the test set already", "leave them out, since nothing counts twice"),
        (parts.aside, "what is kept for confirming", "leave them out, since it is fresh only once"),
    ):
        alone = tuple(
            e if rows is seen else replace(e, group=e.id) for e in rows
        )  # a group may have more test examples
        if found := _leaks(more, alone, duplicates):
            named = ", ".join(_told(q.example, own_ids) for q in found[:IDS_NAMED]) + (
                " ..." if found[IDS_NAMED:] else ""
            )
            said = f"{len(found):,} of the {_rows(len(more))} equal, nearly equal or share the group of one in {where} ({named})"
            raise SplitError(f"{said}: {advice}", file=source)
    if not together:
        duplicates = find_duplicates((*seen, *more))  # the old test examples are in no part of this look
    test = tied((*parts.test, *more) if together else more, duplicates)
    first = {e.id: e.sha256 for e in parts.test}
    settings = {**parts.settings, "first": first} | ({"latest": latest(test, when)} if when is not None else {})
    return replace(parts, test=test, duplicates=duplicates, settings=settings)


def _told(example: Example, own_ids: bool) -> str:
    """Name an added row as the user's file does."""
    if own_ids:
        return example.id.removeprefix(MORE_PREFIX)
    text = " ".join(example.text.split())
    return repr(text if len(text) <= TEXT_NAMED else f"{text[:TEXT_NAMED]}...")


def joined(train: Dataset, test: Dataset, prefix: str = "test:") -> Dataset:
    """Return the rows of both files as one Dataset, training rows first.

    Where any id stands in both files, every test row's id gets the prefix, so that ids stay unique.
    """
    ids = {e.id for e in train.examples}
    held = test.examples
    if any(e.id in ids for e in held):
        held = tuple(_renamed(e, prefix) for e in held)
    return Dataset(train.examples + held, f"{train.source} with {test.source}")


def _renamed(example: Example, prefix: str) -> Example:
    new = f"{prefix}{example.id}"
    return replace(example, id=new, group=new if example.group == example.id else example.group)


def _rows(n: int) -> str:
    return "1 example" if n == 1 else f"{n:,} examples"


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows (by place) that must stay together, with their label counts and the largest group in words."""

    rows: tuple[int, ...]
    labels: Mapping[str, int]
    name: str


def tied(rows: Sequence[Example], duplicates: Duplicates) -> tuple[Example, ...]:
    """Return the rows with one group for whatever groups and near-duplicate clusters tie together, in any chain of both.

    Such rows are one piece of evidence, for the split as for every interval, bound and test. The group of rows that
    near-duplicates alone tie says so (TWINS); where groups of the file are tied it is the first of them.
    """
    ties = Ties(len(rows))
    first: dict[tuple[str, str | int], int] = {}
    for i, example in enumerate(rows):
        ties.tie(first.setdefault(("group", example.group), i), i)
        cluster = duplicates.cluster_of.get(example.id)
        if cluster is not None:
            ties.tie(first.setdefault(("cluster", cluster), i), i)
    result = list(rows)
    for found in ties.clusters():
        groups = sorted({rows[i].group for i in found})
        if len(groups) > 1:
            own = next((g for g in groups if any(rows[i].group == g != rows[i].id for i in found)), None)
            name = TWINS + groups[0] if own is None else own
            for i in found:
                result[i] = replace(rows[i], group=name, own_group=rows[i].group)
    return tuple(result)


def _blocks(rows: Sequence[Example]) -> list[_Block]:
    """Bring the rows of each group together; blocks in order of their smallest row id, so that file order does not matter."""
    places: dict[str, list[int]] = {}
    for i, example in enumerate(rows):
        places.setdefault(example.group, []).append(i)
    blocks = []
    for found in places.values():
        groups = {rows[i].own_group or rows[i].group for i in found}
        name = f"group {next(iter(groups))!r}" if len(groups) == 1 else f"{len(groups)} groups tied by near-duplicates"
        blocks.append(_Block(tuple(found), Counter(rows[i].target for i in found), name))
    return sorted(blocks, key=lambda b: min(rows[i].id for i in b.rows))


def _parted(
    rows: Sequence[Example],
    shares: Mapping[str, float],
    kind: Kind,
    seed: int,
    source: str,
    when: Mapping[str, float] | None = None,
) -> dict[str, tuple[Example, ...]]:
    blocks = _blocks(rows)
    parts: dict[str, list[int]] = {name: [] for name in shares}
    by_luck = when is None
    assigned = (
        _assign(blocks, shares, kind, seed, source)
        if by_luck
        else in_order([b.rows for b in blocks], rows, when or {}, shares)
    )
    for block, part in zip(blocks, assigned, strict=True):
        parts[part].extend(block.rows)
    _check_filled({name: len(found) for name, found in parts.items()}, shares, blocks, source)
    return {name: tuple(rows[i] for i in sorted(found)) for name, found in parts.items()}


def _enough(n: int, shares: Mapping[str, float], source: str, quarantined: int = 0) -> None:
    least = min(shares, key=lambda name: shares[name])
    needed = math.ceil(FEWEST_ROWS / shares[least] - 1e-9)
    if n < needed:
        left = f" left after {quarantined} leaking examples were set aside" if quarantined else ""
        raise SplitError(
            f"{_rows(n)}{left} cannot give {least} (share {shares[least]:.2f}) its {FEWEST_ROWS} examples; at least "
            f"{needed} examples are needed, and a verdict usually wants some hundreds",
            file=source,
        )


def _assign(blocks: Sequence[_Block], shares: Mapping[str, float], kind: Kind, seed: int, source: str) -> list[str]:
    """Give each block, the largest first, to the part where it raises the misfit to the wanted counts least.

    Misfit: sum over parts and labels of (count - wanted)^2 / wanted, where every row also counts under one label common
    to all, which keeps the sizes right.
    """
    totals: Counter[str] = Counter()
    for block in blocks:
        totals.update(block.labels if kind == "classification" else ())
        totals[_ALL] += len(block.rows)
    largest = max(blocks, key=lambda b: len(b.rows))
    room = max(shares.values()) * totals[_ALL]
    if len(largest.rows) > max(room, 1.0):
        raise SplitError(
            f"{largest.name} holds {len(largest.rows)} of {totals[_ALL]} examples, more than the largest part "
            f"({math.floor(room)} examples); group by a finer column, or take repeated examples out",
            file=source,
        )
    order = list(range(len(blocks)))
    random.Random(seed).shuffle(order)
    order.sort(key=lambda i: -len(blocks[i].rows))
    wanted = {part: {label: share * n for label, n in totals.items()} for part, share in shares.items()}
    have: dict[str, Counter[str]] = {part: Counter() for part in shares}
    result = [""] * len(blocks)
    for i in order:
        counts = {_ALL: len(blocks[i].rows), **(blocks[i].labels if kind == "classification" else {})}
        best = min(shares, key=lambda part: _misfit(counts, have[part], wanted[part]))
        have[best].update(counts)
        result[i] = best
    return result


def _misfit(counts: Mapping[str, int], have: Mapping[str, int], wanted: Mapping[str, float]) -> float:
    """Return by how much adding `counts` raises the misfit.

    The size counts threefold, and a label wanted less than twice as if twice: else rows of rare labels would all go
    to the largest part. With these weights sizes were exact, and no label was a whole row off, in every simulated case.
    """
    return sum(
        g
        * (2.0 * have[label] + g - 2.0 * wanted[label])
        * (SIZE_WEIGHT if label == _ALL else 1.0)
        / max(wanted[label], FEWEST_WANTED)
        for label, g in counts.items()
    )


def _check_filled(sizes: Mapping[str, int], shares: Mapping[str, float], blocks: Sequence[_Block], source: str) -> None:
    total = sum(sizes.values())
    for part, size in sizes.items():
        if size < max(FEWEST_ROWS, SHORTFALL * math.floor(shares[part] * total)):
            largest = max(blocks, key=lambda b: len(b.rows))
            raise SplitError(
                f"{part} would hold {_rows(size)} instead of about {round(shares[part] * total)}: the examples form only "
                f"{len(blocks)} inseparable groups, the largest ({largest.name}) of {_rows(len(largest.rows))}; group by "
                "a finer column or bring more groups",
                file=source,
            )


def _leaks(own: Sequence[Example], held: Sequence[Example], duplicates: Duplicates) -> tuple[Quarantined, ...]:
    """Return the training rows that equal or nearly equal a test row, or share its group."""
    test_ids = {e.id for e in held}
    equal: dict[str, str] = {}
    stands_for: dict[str, list[str]] = {}
    for ids in duplicates.equal:
        twin = next((i for i in ids if i in test_ids), None)
        stands_for[ids[0]] = list(ids)
        if twin is not None:
            equal.update(dict.fromkeys(ids, twin))
    near: dict[str, str] = {}
    for pair in duplicates.near:
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            twin = next((i for i in stands_for.get(other, [other]) if i in test_ids), None)
            if twin is not None:
                near.update(dict.fromkeys(stands_for.get(one, [one]), twin))
    groups = {e.group: e.id for e in held}
    found = []
    for example in own:
        for why, twins, key in (
            ("equal", equal, example.id),
            ("near", near, example.id),
            ("group", groups, example.group),
        ):
            if key in twins:
                found.append(Quarantined(example, twins[key], "test", why))
                break
    return tuple(found)
