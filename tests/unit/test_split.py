"""The split: groups and clusters stay whole, labels are balanced, seeds and content decide, frozen parts are checked."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from dataclasses import replace

import pytest

from rung.data.parts import Parts
from rung.data.split import check_unchanged, freeze, joined, split, split_given, thaw
from rung.errors import IntegrityError, SplitError
from rung.types import Dataset, Example


def unlike(i):
    rng = random.Random(i)
    return " ".join("".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(6)) for _ in range(6))


def data(n, labels=4, groups=None, source="rows.jsonl"):
    """n rows of unlike texts; label by place, `groups` groups of equal size."""
    return Dataset(
        tuple(
            Example(f"id{i:04d}", {"q": unlike(i)}, f"label{i % labels}", f"g{i % groups}" if groups else f"id{i:04d}")
            for i in range(n)
        ),
        source,
    )


def ids(rows):
    return [e.id for e in rows]


def test_shares_and_labels_are_kept():
    rows = data(1000, labels=7)
    parts = split(rows, test=0.4, dev=0.15, seed=7)
    assert all(abs(n - m) <= 1 for n, m in zip(parts.sizes.values(), (450, 150, 400, 0), strict=True))
    for part, share in ((parts.test, 0.4), (parts.dev, 0.15), (parts.train, 0.45)):
        for label, n in Counter(e.target for e in part).items():
            assert abs(n - share * 1000 / 7) <= 1.0, label
    assert sorted(ids((*parts.train, *parts.dev, *parts.test))) == sorted(ids(rows.examples))
    assert ids(parts.test) == sorted(ids(parts.test))  # file order


def test_rare_labels_reach_train_and_test():
    base = data(200, labels=1)
    odd = tuple(replace(e, target="rare") if i < 2 else e for i, e in enumerate(base.examples))
    parts = split(Dataset(odd, "x"), seed=1)
    assert Counter(e.target for e in parts.train)["rare"] == 1
    assert Counter(e.target for e in parts.test)["rare"] == 1


@pytest.mark.parametrize(
    "targets",
    [
        [f"l{i}" for i in range(60)],
        [f"l{i // 2}" for i in range(200)],
        [f"l{i % 3}" for i in range(40)],
        random.Random(1).choices([f"l{i}" for i in range(77)], [1 / (i + 1) for i in range(77)], k=1500),
    ],
)
def test_sizes_hold_whatever_the_labels(targets):
    rows = Dataset(tuple(replace(e, target=t) for e, t in zip(data(len(targets)).examples, targets, strict=True)), "x")
    parts = split(rows)
    n, counts = len(targets), Counter(targets)
    for part, share in ((parts.train, 0.45), (parts.dev, 0.15), (parts.test, 0.4)):
        assert abs(len(part) - share * n) <= 2
        got = Counter(e.target for e in part)
        assert max(abs(got[label] - share * total) for label, total in counts.items()) <= 1.2


def test_groups_are_never_parted():
    rows = data(600, groups=60)
    parts = split(rows, seed=3)
    sides = {}
    for name in ("train", "dev", "test"):
        for e in getattr(parts, name):
            assert sides.setdefault(e.group, name) == name
    assert abs(len(parts.test) - 240) <= 20


def test_near_duplicates_and_chains_with_groups_are_never_parted():
    rows = list(data(300).examples)
    long = unlike(999)
    for k, (i, tail) in enumerate(((5, ""), (150, " x"), (290, " y"))):
        rows[i] = replace(rows[i], inputs={"q": long + tail}, group="acme" if k == 2 else rows[i].group)
    rows[40] = replace(rows[40], group="acme")
    for seed in range(8):
        parts = split(Dataset(tuple(rows), "x"), seed=seed)
        where = {e.id: name for name in ("train", "dev", "test") for e in getattr(parts, name)}
        assert len({where[f"id{i:04d}"] for i in (5, 150, 290, 40)}) == 1


def test_seed_and_content_decide_and_file_order_does_not():
    rows = data(200)
    shuffled = list(rows.examples)
    random.Random(0).shuffle(shuffled)
    one, same, other = split(rows, seed=5), split(Dataset(tuple(shuffled), "x"), seed=5), split(rows, seed=6)
    assert set(ids(one.test)) == set(ids(same.test))
    assert set(ids(one.test)) != set(ids(other.test))


def test_other_kinds_are_not_stratified_but_sized():
    rows = Dataset(tuple(replace(e, target=e.id) for e in data(100).examples), "x")
    parts = split(rows, kind="generation", seed=2)
    assert (len(parts.train), len(parts.dev), len(parts.test)) == (45, 15, 40)


def test_too_few_rows_say_how_many_are_needed():
    with pytest.raises(
        SplitError, match=r"1 example cannot give dev \(share 0.15\) its 2 examples; at least 14 examples are needed"
    ):
        split(data(1))
    split(data(20, labels=2))


def test_a_group_bigger_than_every_part_is_named():
    rows = data(100)
    big = tuple(replace(e, group="acme") if i < 60 else e for i, e in enumerate(rows.examples))
    with pytest.raises(
        SplitError, match=r"group 'acme' holds 60 of 100 examples, more than the largest part \(45 examples\)"
    ):
        split(Dataset(big, "x"))


def test_starved_parts_are_refused():
    with pytest.raises(SplitError, match=r"the examples form only 2 inseparable groups"):
        split(data(100, groups=2), test=0.5, dev=0.25)


def test_shares_that_leave_no_train_are_refused():
    with pytest.raises(SplitError, match="leave -0.10 for train; they must sum below 1"):
        split(data(50), test=0.6, dev=0.5)


def test_given_parts_keep_the_test_file_and_set_leaks_aside():
    train, test = (
        data(300),
        Dataset(tuple(replace(e, id="t" + e.id, group="t" + e.id) for e in data(60).examples), "test.csv"),
    )
    held = [replace(e, inputs={"q": unlike(5000 + i)}) for i, e in enumerate(test.examples)]
    held[0] = replace(held[0], inputs={"q": train.examples[10].inputs["q"].upper()})
    held[1] = replace(held[1], inputs={"q": train.examples[11].inputs["q"] + "!"})
    held[2] = replace(held[2], group=train.examples[12].group)
    parts = split_given(train, Dataset(tuple(held), "test.csv"), dev=0.2, seed=1)
    assert parts.test == tuple(held)
    assert {(q.example.id, q.twin, q.why) for q in parts.quarantine} == {
        ("id0010", held[0].id, "equal"),
        ("id0011", held[1].id, "near"),
        ("id0012", held[2].id, "group"),
    }
    assert abs(len(parts.dev) - 59) <= 1
    assert len(parts.dev) + len(parts.train) == 297
    assert not set(parts.quarantined) & {*ids(parts.train), *ids(parts.dev)}


def test_a_leak_through_an_equal_twin_is_found():
    """The second copy in train stands for the first in the list of pairs; both must go."""
    train = data(100)
    base = unlike(777)
    rows = [replace(e, inputs={"q": base}) if i in (3, 4) else e for i, e in enumerate(train.examples)]
    test = Dataset(tuple(Example(f"t{i}", {"q": unlike(9000 + i)}, "label1", f"t{i}") for i in range(9)), "t")
    held = (*test.examples, Example("t9", {"q": base + "!"}, "label1", "t9"))
    parts = split_given(Dataset(tuple(rows), "x"), Dataset(held, "t"))
    assert set(parts.quarantined) == {"id0003", "id0004"}


def test_ids_in_both_files_are_told_apart():
    both = joined(data(3), data(3))
    assert ids(both.examples) == ["id0000", "id0001", "id0002", "test:id0000", "test:id0001", "test:id0002"]
    assert both.examples[4].group == "test:id0001"
    apart = Dataset(tuple(Example(f"t{i}", {"q": unlike(i + 50)}, "label1", f"t{i}") for i in range(4)), "t")
    assert ids(joined(data(2), apart).examples)[2:] == ids(apart.examples)


def test_given_with_nothing_left_says_so():
    with pytest.raises(SplitError, match="0 examples left after 30 leaking examples were set aside"):
        split_given(data(30), data(30))


# --- frozen parts


@pytest.fixture
def frozen(tmp_path):
    parts = split(data(60), seed=7)
    return parts, tmp_path / "run", freeze(parts, tmp_path / "run")


def test_freeze_writes_private_files_and_thaw_reads_back(frozen):
    parts, folder, made = frozen
    back = thaw(folder)
    assert back == made == parts.as_split()
    assert (back.train, back.dev) == (parts.train, parts.dev)
    assert back.test_size == len(parts.test)
    assert back.test_sha256 == Dataset(parts.test, "").sha256
    for name in ("train.jsonl", "dev.jsonl", "test.jsonl", "manifest.json"):
        assert os.stat(folder / "parts" / name).st_mode & 0o777 == 0o600
    assert not list(folder.glob("parts/.*"))


def test_split_holds_no_test_text(frozen):
    parts, _, made = frozen
    said = repr(made) + json.dumps(made.manifest)
    assert not any(e.inputs["q"] in said for e in parts.test)
    assert all(e.inputs["q"] in said for e in parts.train)


def test_freezing_again_is_harmless_and_other_parts_are_refused(frozen):
    parts, folder, made = frozen
    assert freeze(parts, folder) == made
    with pytest.raises(
        IntegrityError, match=r"already holds other frozen parts \(seed 7, 24 test examples\); choose another"
    ):
        freeze(split(data(60), seed=8), folder)


def edit(path, change):
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [rows[0].replace("label", "lapel"), *rows[1:]], r"1 example changed \(id\d+\)"),
        (lambda rows: rows[2:], r"2 examples vanished \(id\d+, id\d+\)"),
        (lambda rows: [*rows, rows[0].replace("id0", "xx0")], r"1 example appeared \(xx0\d+\)"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "the order of the examples or the manifest itself changed"),
    ],
)
def test_a_changed_part_is_refused_with_what_changed(frozen, change, message):
    _, folder, _ = frozen
    edit(folder / "parts" / "dev.jsonl", change)
    with pytest.raises(IntegrityError, match=r"parts/dev.jsonl is not what was frozen: " + message):
        thaw(folder)


def test_changed_source_rows_are_refused_with_what_changed(frozen):
    parts, _, _ = frozen
    rows = data(60).examples
    check_unchanged(Dataset(rows[::-1], "rows.jsonl"), parts.manifest)  # order does not matter
    changed = (replace(rows[0], target="other"), *rows[2:], replace(rows[1], id="new"))
    with pytest.raises(
        IntegrityError,
        match=r"rows.jsonl is not what this run was started on: 1 example changed \(id0000\); 1 example vanished \(id0001\); "
        r"1 example appeared \(new\). The frozen parts stay as they are",
    ):
        check_unchanged(Dataset(changed, "rows.jsonl"), parts.manifest)


def test_unchanged_given_files_with_quarantine():
    train, test = data(80), Dataset(data(90).examples[78:], "test")
    parts = split_given(train, test)
    assert parts.given
    assert len(parts.quarantine) == 2
    check_unchanged(joined(train, test), parts.manifest)


def test_parts_are_frozen_data():
    assert Parts.__dataclass_params__.frozen
