"""The sealed test part: one door, every opening written down, and no way to it from what a rung holds."""

from __future__ import annotations

import ast
import asyncio
import copy
import gc
import importlib
import inspect
import pickle
import random
import tomllib
import types
from pathlib import Path

import pytest

import rung
from rung.config import parse_config
from rung.data.split import freeze, split
from rung.errors import IntegrityError
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import askers
from rung.models.client import open_clients
from rung.progress import Silent
from rung.store.run import RunFolder
from rung.store.sealed import SealedTest, sealed_test
from rung.types import Dataset, Example, Message, MetricSpec, Request, Task

SOURCE = Path(rung.__file__).parent


def secret(i):
    rng = random.Random(i)
    return " ".join("".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(7)) for _ in range(5))


@pytest.fixture
def frozen(tmp_path):
    rows = Dataset(tuple(Example(f"r{i}", {"q": secret(i)}, f"l{i % 3}", f"r{i}") for i in range(60)), "x")
    parts = split(rows)
    return parts, freeze(parts, tmp_path / "run"), tmp_path / "run"


def test_opening_gives_the_frozen_rows_and_is_written_down(frozen):
    parts, _, folder = frozen
    assert RunFolder(folder).times_opened == 0
    assert sealed_test(RunFolder(folder)).read("rung baseline") == parts.test
    sealed_test(RunFolder(folder)).read("rung prompt")
    events = RunFolder(folder).events()
    assert [(e["event"], e["why"], e["rows"]) for e in events] == [
        ("test_opened", "rung baseline", 24),
        ("test_opened", "rung prompt", 24),
    ]
    assert RunFolder(folder).times_opened == 2
    assert not RunFolder(folder).revealed


def test_revealing_marks_the_part_as_spent(frozen):
    parts, _, folder = frozen
    assert sealed_test(RunFolder(folder)).reveal() == parts.test
    assert RunFolder(folder).revealed
    assert RunFolder(folder).times_opened == 1


def test_the_hash_of_the_whole_part_is_checked_beside_those_of_its_rows(frozen):
    _, _, folder = frozen
    run = RunFolder(folder)
    manifest = run.read("parts/manifest.json")
    manifest["test"]["sha256"] = "0" * 64
    run.write("parts/manifest.json", manifest)
    with pytest.raises(
        IntegrityError,
        match=r"0 examples differ \(in order\)\. Restore the file; the answers of this run stay in the project's cache",
    ):
        sealed_test(RunFolder(folder)).read("curiosity")


def test_the_hash_of_each_row_is_checked_beside_that_of_the_whole_part(frozen):
    parts, _, folder = frozen
    run = RunFolder(folder)
    manifest = run.read("parts/manifest.json")
    manifest["test"]["ids"][parts.test[3].id] = "0" * 64
    run.write("parts/manifest.json", manifest)
    with pytest.raises(IntegrityError, match=rf"1 examples differ \({parts.test[3].id}\)"):
        sealed_test(RunFolder(folder)).read("curiosity")


@pytest.mark.parametrize(("changed", "more"), [(4, False), (5, False), (6, True)])
def test_five_rows_that_differ_are_named_missing_ones_first(frozen, changed, more):
    parts, _, folder = frozen
    path = folder / "parts" / "test.jsonl"
    lines = path.read_text().splitlines()
    new = lines[-1].replace(parts.test[-1].id, "new")
    path.write_text("\n".join([*lines[changed - 1 :], new]) + "\n")
    with pytest.raises(IntegrityError) as caught:
        sealed_test(RunFolder(folder)).read("curiosity")
    manifest = RunFolder(folder).read("parts/manifest.json")["test"]["ids"]
    missing = [i for i in manifest if i in {e.id for e in parts.test[: changed - 1]}]
    named = ", ".join([*missing, "new"][:5])
    assert f"{changed} examples differ ({named}{' ...' if more else ''})" in str(caught.value)


def test_what_people_are_shown_is_written_down_with_its_reason(frozen):
    _, _, folder = frozen
    assert not RunFolder(folder).revealed
    sealed_test(RunFolder(folder)).reveal()
    sealed_test(RunFolder(folder)).read("again")
    RunFolder(folder).event("climb_done")
    events = [(e["event"], e.get("why")) for e in RunFolder(folder).events()]
    assert events == [("test_revealed", "shown to people"), ("test_opened", "again"), ("climb_done", None)]
    assert (RunFolder(folder).times_opened, RunFolder(folder).revealed) == (2, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [rows[0].replace('"l', '"k'), *rows[1:]], r"1 examples differ \(r\d+\)"),
        (lambda rows: rows[:-1], r"1 examples differ \(r\d+\)"),
        (lambda rows: [*rows[1:], rows[0]], r"0 examples differ \(in order\)"),
    ],
)
def test_a_changed_test_part_is_refused_and_the_attempt_is_written_down(frozen, change, message):
    _, _, folder = frozen
    path = folder / "parts" / "test.jsonl"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(IntegrityError, match="test.jsonl is not what was frozen: " + message):
        sealed_test(RunFolder(folder)).read("curiosity")
    assert RunFolder(folder).times_opened == 1


# --- a hostile rung: what it is given, walked to the end


LEAF = (str, bytes, int, float, bool, type(None), type, types.ModuleType)


def reachable(roots, limit=200_000):
    """Yield every object that attributes, items, closures, defaults and bound selves lead to; modules are not entered."""
    seen, todo = set(), list(roots)
    while todo and len(seen) < limit:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, LEAF) and not isinstance(thing, type):
            continue
        if isinstance(thing, types.FunctionType):  # its globals are its module: reached by import, tested below
            todo += [c.cell_contents for c in thing.__closure__ or () if c.cell_contents is not None]
            todo += [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        elif isinstance(thing, type):
            todo += [v for v in vars(thing).values() if not isinstance(v, types.FunctionType)]
        else:
            todo += gc.get_referents(thing)
    assert len(seen) < limit, "the walk did not come to its end"


def test_nothing_a_rung_is_handed_leads_to_a_test_row_or_to_the_folder(frozen):
    parts, made, folder = frozen
    task = Task(
        "t", "Answer.", ("q",), "a", "classification", (MetricSpec("normalized_match"),), 0.9, labels=("l0", "l1", "l2")
    )
    kit = RunKit(task, {}, 7, Silent())
    del parts  # the test itself must not be what is found
    texts = {e.inputs["q"] for e in sealed_test(RunFolder(folder)).read("to know what to look for")}
    name = str(folder)
    found_train = False
    for thing in reachable(
        [task, made.train, made.dev, kit, *(getattr(kit, n) for n in dir(kit) if not n.startswith("__"))]
    ):
        if isinstance(thing, Example):
            assert thing.inputs["q"] not in texts
            found_train = True
        if isinstance(thing, str | bytes | Path):
            said = thing.decode("utf-8", "replace") if isinstance(thing, bytes) else str(thing)
            assert said not in texts
            assert name not in said
        assert not isinstance(thing, RunFolder)
    assert found_train, "the walk must see what it is given"


def test_the_walk_would_find_a_leak(frozen):
    _, made, folder = frozen
    rows = sealed_test(RunFolder(folder)).read("to hide them")

    class Hole:
        def __init__(self):
            self.look = lambda: rows

    assert any(isinstance(t, Example) and t.id == rows[0].id for t in reachable([made.train, Hole()]))


def public(thing):
    """Yield what a rung reaches by the names it may use: those without a leading underscore."""
    for name in dir(thing):
        if not name.startswith(("_", "model_")):  # model_*: pydantic's own, about classes
            yield getattr(thing, name)


def test_the_public_names_of_a_live_kit_lead_nowhere(frozen, tmp_path):
    """With a real client behind it: every kit method called, and every public name of what comes back followed."""
    _, made, folder = frozen
    raw = {
        "task": {
            "name": "t",
            "instruction": "Answer.",
            "inputs": ["q"],
            "target": "a",
            "goal": 0.9,
            "metrics": ["normalized_match"],
        },
        "data": {"path": "rows.csv"},
        "models": {"main": {"provider": "fake", "name": "fake"}},
        "ladder": ["prompt"],
    }
    (tmp_path / "rows.csv").write_text("q,a\nx,y\n")
    config = parse_config(raw, tmp_path)
    task = config.as_task(kind="classification", labels=("l0", "l1", "l2"))
    texts = {e.inputs["q"] for e in sealed_test(RunFolder(folder)).read("to know what to look for")}

    async def handed():
        async with open_clients(config, folder) as clients:
            kit = RunKit(task, askers(clients), 7, Silent())
            chat = (Message("user", "hello"),)
            got = [kit, kit.card("main"), kit.metric(), kit.rng("x"), kit.count_tokens("main", chat)]
            return [*got, await kit.ask("main", Request(chat)), *public(kit), task, made.train, made.dev]

    seen, todo = {}, asyncio.run(handed())
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, types.ModuleType | type | types.BuiltinMethodType):
            continue
        seen[id(thing)] = thing  # held, so that no id is used twice
        said = repr(thing) if isinstance(thing, str | bytes | Path | Example) else ""
        assert str(folder) not in said
        assert not any(t in said for t in texts)
        if isinstance(thing, dict):
            todo += [*thing.keys(), *thing.values()]
        elif isinstance(thing, tuple | list | set | frozenset):
            todo += list(thing)
        elif not isinstance(thing, str | bytes | int | float | types.MethodType | types.FunctionType):
            todo += list(public(thing))
    assert len(seen) > 50


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_listed_holders_alone_import_the_door():
    contracts = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (listed,) = (c["holders"] for c in contracts if c["type"] == "holders")
    found = {
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for path in SOURCE.rglob("*.py")
        if "sealed" in path.read_text(encoding="utf-8")
        and any(m.startswith("rung.store.sealed") for m in imports_of(path))
    }
    assert found == set(listed)
    closed = ("rungs", "models", "metrics", "stats", "config", "protocols", "plugins", "data")
    assert not [name for name in listed if name.split(".")[1] in closed]


def test_a_sealed_test_is_made_by_the_store_alone(frozen):
    _, _, folder = frozen
    for key in (None, object(), True, "key"):
        with pytest.raises(TypeError, match="made by rung.store.sealed.sealed_test alone"):
            SealedTest(RunFolder(folder), key)
    held = sealed_test(RunFolder(folder))
    for taken in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor stored"):
            taken(held)


def test_a_sealed_test_offers_reading_and_revealing_alone(frozen):
    _, _, folder = frozen
    held = sealed_test(RunFolder(folder))
    assert not list(public(held)) or {name for name in dir(held) if not name.startswith("_")} == {
        "read",
        "recompute",
        "reveal",
    }
    assert RunFolder(folder).times_opened == 0


def test_importing_the_door_is_no_use_without_the_folder():
    door = importlib.import_module("rung.store.sealed")
    first = next(iter(inspect.signature(door.sealed_test).parameters.values()))
    assert first.name == "run"
    assert first.default is inspect.Parameter.empty
    holders = [v for v in vars(door).values() if isinstance(v, RunFolder | Path | Example | SealedTest)]
    assert not holders, "the module keeps no folder, no right and no example"


def test_the_door_keeps_nothing_after_it_was_used(frozen):
    _, _, folder = frozen
    sealed_test(RunFolder(folder)).read("first")
    door = importlib.import_module("rung.store.sealed")
    assert not any(
        isinstance(v, tuple | list | dict) and v and isinstance(next(iter(v)), Example) for v in vars(door).values()
    )
    assert not any(hasattr(getattr(door, n), "cache_info") for n in dir(door))
