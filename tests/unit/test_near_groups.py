"""Near-duplicates are one piece of evidence: one group for the split, for every interval, bound and test."""

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.config import Config
from rung.data.audit.grouping import grouping_findings, intra_group
from rung.data.cells import RawRow
from rung.data.columns import guess_columns
from rung.data.near import Duplicates
from rung.data.parts import check_unchanged, freeze, thaw
from rung.data.split import split, split_given, tied
from rung.engine.check import check
from rung.evaluate.evaluator import Evaluator, Rules
from rung.progress import Silent
from rung.stats.estimate import assumed_design, sample_lower, summarise
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.types import TWINS, Dataset, Example
from tests.unit._results import task

LETTERS = "abcdefghijklmnop"


def example(name: str, group: str | None = None, text: str = "") -> Example:
    return Example(name, {"text": text or name}, "x", group or name)


@given(
    st.lists(st.sampled_from(["", "A", "B", "C"]), min_size=2, max_size=16),
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=6),
    st.randoms(use_true_random=False),
)
def test_rows_share_a_group_exactly_where_a_chain_of_groups_and_clusters_ties_them(groups, pairs, random):
    rows = [example(LETTERS[i], g) for i, g in enumerate(groups)]
    clusters = tuple((LETTERS[i], LETTERS[j]) for i, j in pairs if i != j and max(i, j) < len(rows))
    merged: list[set[str]] = [{r.id} for r in rows]  # the reference: merge sets until nothing changes
    links = [*clusters, *((a.id, b.id) for a in rows for b in rows if a.group == b.group)]
    for a, b in links:
        one, other = (next(m for m in merged if x in m) for x in (a, b))
        if one is not other:
            one |= other
            merged.remove(other)
    disjoint = tuple(tuple(m & {x for c in clusters for x in c}) for m in merged if len(m) > 1)
    found = tied(rows, Duplicates((), (), tuple(c for c in disjoint if len(c) > 1)))
    by_group: dict[str, set[str]] = {}
    for row in found:
        by_group.setdefault(row.group, set()).add(row.id)
    assert sorted(map(sorted, by_group.values())) == sorted(map(sorted, merged))
    assert [r.sha256 for r in found] == [r.sha256 for r in rows]  # what ties a row is no part of it
    shuffled = list(rows)
    random.shuffle(shuffled)
    again = {r.id: r.group for r in tied(shuffled, Duplicates((), (), tuple(c for c in disjoint if len(c) > 1)))}
    assert again == {r.id: r.group for r in found}
    for row in found:
        alone = all(r.group == r.id for r in rows if r.id in by_group[row.group])
        assert row.group.startswith(TWINS) == (alone and len(by_group[row.group]) > 1)


def texts() -> list[str]:
    words = "amber basil cedar delta ember fjord grove heron indigo jetty krill lemon mango nickel onion pearl".split()
    draw = np.random.default_rng(5)
    return [" ".join(draw.choice(words, 14)) for _ in range(60)]


def data() -> Dataset:
    """60 texts, ten of which are there three times: the first as it stands, then with another ending or case."""
    rows = []
    for i, text in enumerate(texts()):
        rows.append(Example(f"r{i}", {"text": text}, LETTERS[i % 2], f"r{i}"))
        if i < 10:
            rows += [Example(f"r{i}b", {"text": text + " too"}, LETTERS[i % 2], f"r{i}b"),
                     Example(f"r{i}c", {"text": text.upper()}, LETTERS[i % 2], f"r{i}c")]  # fmt: skip
    return Dataset(tuple(rows), "rows.jsonl")


def test_the_parts_hold_the_groups_and_a_run_goes_on_with_them(tmp_path):
    parts = split(data())
    three = [e for part in (parts.train, parts.dev, parts.test) for e in part if e.group.startswith(TWINS)]
    assert Counter(Counter(e.group for e in three).values()) == {3: 10}
    frozen = freeze(parts, tmp_path / "run")
    assert frozen.test_groups == len({e.group for e in parts.test}) < len(parts.test)
    again = thaw(tmp_path / "run")
    assert (again.train, again.dev) == (parts.train, parts.dev)
    assert sealed_test(RunFolder.create(tmp_path / "run")).read("test") == parts.test
    check_unchanged(data(), again.manifest)  # the file's own rows know nothing of ties


def test_a_test_part_of_the_users_own_is_tied_too():
    whole = data().examples
    parts = split_given(Dataset(whole[30:], "train"), Dataset(whole[:30], "test"))
    assert Counter(Counter(e.group for e in parts.test).values())[3] == 10
    assert [e.sha256 for e in parts.test] == [e.sha256 for e in whole[:30]]


@given(st.lists(st.sampled_from(["a", "b", TWINS + "c", TWINS + "d", "e", "f"]), min_size=1, max_size=40))
def test_the_assumed_design_effect_is_kishs(groups):
    n, effect = len(groups), 1.0
    for one in range(n):
        for other in range(n):
            if one != other and groups[one] == groups[other]:
                effect += (1.0 if groups[one].startswith(TWINS) else 0.05) / n
    found = assumed_design(groups)
    assert found.effect == pytest.approx(effect)
    assert 1.0 <= found.effect <= n


def test_a_pair_of_near_duplicates_costs_hardly_anything():
    values = [1.0] * 372 + [0.0] * 28
    alone = sample_lower(summarise(values), 0.01)
    pair = sample_lower(summarise(values, [TWINS + "0", TWINS + "0", *map(str, range(2, 400))]), 0.01)
    assert alone - 0.005 < pair < alone


def test_clusters_that_are_right_together_seldom_pass_what_is_not_good():
    """0/1 rows at .88, 200 of 400 in clusters of 20, which are right or wrong together."""
    draw = np.random.default_rng(8)
    names = [f"{TWINS}{i // 20}" for i in range(200)] + [str(i) for i in range(200, 400)]
    wrong = {"rows": 0, "groups": 0}
    for _ in range(300):
        clusters, single = draw.random(10) < 0.88, draw.random(200) < 0.88
        values = np.concatenate([np.repeat(clusters, 20), single]).astype(float)
        wrong["rows"] += sample_lower(summarise(values), 0.05) >= 0.88
        wrong["groups"] += sample_lower(summarise(values, names), 0.05) >= 0.88
    assert wrong["rows"] > 0.15 * 300
    assert wrong["groups"] <= 0.05 * 300


def test_no_early_stop_where_rows_are_tied():
    kit = SimpleNamespace(free=lambda candidate: False)
    made = Evaluator(task(0.9), kit, None, None, "", Rules(("a", "b", "c"), True, 7), Silent())
    rows = [example(str(i)) for i in range(100)]
    assert made._curtailment(None, rows, 0.01) is not None
    assert (
        made._curtailment(None, [*rows, example("again", TWINS + "0"), example("and again", TWINS + "0")], 0.01) is None
    )


# --- columns that may group rows


def grouped_errors(icc: float, groups: int = 40, size: int = 6, seed: int = 3) -> tuple[list[float], list[str]]:
    draw = np.random.default_rng(seed)
    values, names = [], []
    for g in range(groups):
        shared = draw.random() < 0.3
        for _ in range(size):
            values.append(float(shared if draw.random() < icc**0.5 else draw.random() < 0.3))
            names.append(str(g))
    return values, names


def test_the_intra_group_correlation_is_that_of_the_pairs():
    values, names = grouped_errors(0.5)
    found = intra_group(values, names)
    y, mean = np.array(values), np.mean(values)
    products = [
        (y[i] - mean) * (y[j] - mean)
        for i in range(len(y)) for j in range(len(y)) if i != j and names[i] == names[j]
    ]  # fmt: skip
    assert found.icc == pytest.approx(np.mean(products) / y.var(), abs=0.05)  # another estimator of the same
    assert found.p_value == 0.002
    assert intra_group(*grouped_errors(0.0)).p_value > 0.01
    assert intra_group(values[:30], names[:30]) is None  # five groups
    assert intra_group([1.0] * 60, names[:60]) is None


def test_check_names_the_column_whose_rows_are_wrong_together(tmp_path):
    draw = np.random.default_rng(2)
    words = [f"word{i}" for i in range(12)]
    lines = []
    for t in range(50):
        odd = t % 3 == 0  # a template whose words say the opposite
        for _ in range(6):
            label = int(draw.integers(2))
            told = label ^ odd
            text = " ".join([*draw.choice(words, 12), *(["yes"] * 3 if told else ["no"] * 3)])
            lines.append({"text": text, "team": "ab"[label], "template": f"t{t}", "session": f"s{len(lines) % 60}"})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    raw = {
        "task": {"name": "t", "instruction": "Name it.", "inputs": ["text"], "target": "team", "goal": 0.9, "kind": "classification"},
        "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15}, "models": {}, "ladder": ["baseline"],
    }  # fmt: skip
    config = Config.model_validate({**raw, "root": tmp_path})
    [found] = [f for f in check(config, Silent()).findings if f.check == "grouping"]
    assert found.severity == "warn"
    assert found.measured["column"] == "template"
    assert found.measured["icc"] > 0.2
    assert found.next_step.startswith("Set data.group_by: template.")
    with_it = config.model_copy(update={"data": config.data.model_copy(update={"group_by": "template"})})
    assert not [f for f in check(with_it, Silent()).findings if f.check == "grouping"]


def test_without_columns_nothing_is_learnt():
    assert list(grouping_findings([example("a")], {}, 100)) == []


@pytest.mark.parametrize(("column", "values", "grouped"),
                         [("source", 30, True), ("Source", 30, True), ("source", 3, False), ("url", 40, True), ("day", 25, True),
                          ("template_id", 3, True), ("session", 30, True), ("source", 300, False)])  # fmt: skip
def test_init_looks_for_a_column_that_groups(column, values, grouped):
    rows = [
        {"text": f"some words that say something {i}", "label": "ab"[i % 2], column: f"v{i % values}"}
        for i in range(300)
    ]
    assert guess_columns([RawRow(i, row) for i, row in enumerate(rows)]).group == (column if grouped else None)
