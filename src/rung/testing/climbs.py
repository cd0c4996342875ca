"""A small real climb with a plug-in of others: config, cache, sealed test set, verdict, report and verification."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rung import plugins
from rung.config import parse_config
from rung.config.roles import roles_of
from rung.engine.verify import verify
from rung.errors import RungError
from rung.ladder import climb
from rung.report.load import load_report
from rung.report.page import render_page
from rung.store.run import RunFolder
from rung.testing.kit import small_rows
from rung.types import Example

ROWS = 60  # of which 24 are test examples
UNDER_TEST = "under-test"  # the name by which the climb knows the plug-in


def trouble_in_a_climb(
    kind: str,
    cls: type[Any],
    settings: Mapping[str, Any],
    *,
    name: str = UNDER_TEST,
    targets: Sequence[str] = (),
    documents: Mapping[str, str] | None = None,
) -> str | None:
    """Climb on the fake model with the plug-in in its place; return what went wrong, None where nothing did.

    `targets`: expected answers that suit a metric; by default the three teams. `documents`: texts by file name.
    Anything but a RungError is raised as it is. A class of this package is not climbed with: its own tests do that.
    """
    if cls.__module__.split(".")[0] == "rung":
        return None
    with TemporaryDirectory(prefix="rung-") as scratch, _known(kind, name, cls):
        root = Path(scratch)
        rows = [
            (e, targets[i % len(targets)] if targets else e.target) for i, e in enumerate(small_rows(ROWS, "climb"))
        ]
        lines = [json.dumps({"id": e.id, "text": e.inputs["text"], "team": target}) for e, target in rows]
        (root / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
        for file, text in (documents or {}).items():
            (root / "documents").mkdir(exist_ok=True)
            (root / "documents" / file).write_text(text, encoding="utf-8")
        try:
            config = parse_config(_raw(kind, name, settings, rows, documents), root)
            climb(config, root / "run")
            run = RunFolder.open(root / "run")
            render_page(load_report(run))
            differing = [f"{check.what}: {check.differs}" for check in verify(run) if not check.passed]
        except RungError as error:
            return str(error)
        return f"verification differs: {'; '.join(differing)}" if differing else None


def _raw(
    kind: str,
    name: str,
    settings: Mapping[str, Any],
    rows: Sequence[tuple[Example, str]],
    documents: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return the configuration: everything is the fake's but the plug-in."""
    fake = {
        "provider": "fake",
        "answers": {e.inputs["text"]: target for e, target in rows},
        "abilities": {"base": 0.6, "label_list": 0.2, "examples": {3: 0.15}},
    }
    task: dict[str, Any] = {
        "name": "conformance",
        "kind": "classification",
        "instruction": "Route the message to one team.",
        "inputs": ["text"],
        "target": "team",
        "goal": 0.8,
    }
    raw: dict[str, Any] = {
        "task": task,
        "data": {"path": "rows.jsonl"},
        "models": {"main": fake},
        "ladder": [{"prompt": {"rewrites": False}}],
        "diagnosis": {"calls": 10},
    }
    if documents is not None:
        raw["documents"] = {"path": "documents"}
    if kind == "metrics":
        task["metrics"] = [{name: dict(settings)}]
        raw["models"] |= dict.fromkeys(roles_of("metrics", name, settings), fake)
    elif kind == "models":
        raw["models"] = {"main": {"provider": name, **settings}}
    elif kind == "rungs":
        raw["ladder"] = ["baseline", {name: dict(settings)}]
        raw["models"] |= dict.fromkeys(roles_of("rungs", name, settings), fake)
    elif kind == "retrievers":
        raw["documents"]["store"] = f"{name}:{settings['place']}"
        raw["ladder"] = ["rag"]
    return raw


@contextmanager
def _known(kind: str, name: str, cls: type[Any]) -> Iterator[None]:
    """Make the class known by that name for as long as the context lasts; an installed plug-in is known already."""
    known = plugins.available(kind).get(name)
    if known is not None and known.load() is cls:
        yield
        return
    plugins.register(kind, name, cls)
    try:
        yield
    finally:
        plugins.unregister(kind, name)
