"""The sealed test part: one door, every opening written down, and no way to it from what a rung holds."""

from __future__ import annotations

import ast
import asyncio
import gc
import importlib
import inspect
import random
import types
from pathlib import Path

import pytest

import rung
from rung.config import parse_config
from rung.data.split import freeze, split
from rung.errors import IntegrityError
from rung.evaluate.kit import RunKit, askers
from rung.evaluate.progress import Silent
from rung.models.client import open_clients
from rung.store.folder import RunFolder
from rung.store.sealed import is_spent, open_test, reveal, times_opened
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
    assert times_opened(folder) == 0
    assert open_test(folder, "rung baseline") == parts.test
    open_test(folder, "rung prompt")
    events = RunFolder(folder).events()
    assert [(e["event"], e["why"], e["rows"]) for e in events] == [
        ("test_opened", "rung baseline", 24),
        ("test_opened", "rung prompt", 24),
    ]
    assert times_opened(folder) == 2
    assert not is_spent(folder)


def test_revealing_marks_the_part_as_spent(frozen):
    parts, _, folder = frozen
    assert reveal(folder) == parts.test
    assert is_spent(folder)
    assert times_opened(folder) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [rows[0].replace('"l', '"k'), *rows[1:]], r"1 rows differ \(r\d+\)"),
        (lambda rows: rows[:-1], r"1 rows differ \(r\d+\)"),
        (lambda rows: [*rows[1:], rows[0]], r"0 rows differ \(in order\)"),
    ],
)
def test_a_changed_test_part_is_refused_and_the_attempt_is_written_down(frozen, change, message):
    _, _, folder = frozen
    path = folder / "parts" / "test.jsonl"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(IntegrityError, match="test.jsonl is not what was frozen: " + message):
        open_test(folder, "curiosity")
    assert times_opened(folder) == 1


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
        "t", "Answer.", ("q",), "a", "classification", (MetricSpec("exact_match"),), 0.9, labels=("l0", "l1", "l2")
    )
    kit = RunKit(task, {}, 7, Silent())
    del parts  # the test itself must not be what is found
    texts = {e.inputs["q"] for e in open_test(folder, "to know what to look for")}
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
    rows = open_test(folder, "to hide them")

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
            "metrics": ["exact_match"],
        },
        "data": {"path": "rows.csv"},
        "models": {"main": {"provider": "fake", "name": "fake"}},
        "ladder": ["prompt"],
    }
    (tmp_path / "rows.csv").write_text("q,a\nx,y\n")
    config = parse_config(raw, tmp_path)
    task = config.as_task(kind="classification", labels=("l0", "l1", "l2"))
    texts = {e.inputs["q"] for e in open_test(folder, "to know what to look for")}

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


CLOSED = ("rungs", "models", "metrics", "stats", "config", "protocols.py", "plugin.py", "data")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_module_below_the_evaluator_imports_the_door():
    files = [f for name in CLOSED for f in ([SOURCE / name] if name.endswith(".py") else (SOURCE / name).rglob("*.py"))]
    assert len(files) > 10
    for path in files:
        assert not any(m.startswith("rung.store.sealed") for m in imports_of(path)), path


def test_importing_the_door_is_no_use_without_the_folder():
    door = importlib.import_module("rung.store.sealed")
    for name in ("open_test", "reveal", "times_opened", "is_spent"):
        first = next(iter(inspect.signature(getattr(door, name)).parameters.values()))
        assert first.name == "folder"
        assert first.default is inspect.Parameter.empty
    holders = [v for v in vars(door).values() if isinstance(v, RunFolder | Path | Example)]
    assert not holders, "the module keeps no folder and no row"


def test_the_door_keeps_nothing_after_it_was_used(frozen):
    _, _, folder = frozen
    open_test(folder, "first")
    door = importlib.import_module("rung.store.sealed")
    assert not any(
        isinstance(v, tuple | list | dict) and v and isinstance(next(iter(v)), Example) for v in vars(door).values()
    )
    assert not any(hasattr(getattr(door, n), "cache_info") for n in dir(door))
