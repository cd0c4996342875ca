"""A climb in which everything that a user, a file, a document or an endpoint may name or say is hostile."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from rung.config import load_config
from rung.ladder import climb
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.testing.endpoint import Endpoint, Reply, answer_body
from tests.hostile.strings import SHORT

MARK = re.compile(r"#(\d+)#")  # in an input: the number of its row, by which the endpoint knows it


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[str]:
    """Serve on a thread of its own; yield the address."""
    up, loop, end = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with endpoint.serving():
            up.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    up.wait(10)
    try:
        yield endpoint.url
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def saying(texts: Sequence[str]) -> Endpoint:
    """Return an endpoint that says a hostile text to every row, and answers every eleventh with a hostile error."""

    def script(request: dict[str, Any], attempt: int) -> Reply | None:
        found = MARK.findall(request["messages"][-1]["content"])
        number = int(found[-1]) if found else 0
        text = texts[number % len(texts)] if number % 3 else target_of(texts, number)
        if number % 11 == 10:
            return Reply(422, json.dumps({"error": {"message": text, "type": text, "code": text}}).encode())
        if number % 11 == 9:
            return Reply(200, answer_body(text, text, 9, 4, finish_reason=text))
        return Reply(200, answer_body(text, "stub", 9, 4))

    return Endpoint(script=script)


def target_of(texts: Sequence[str], number: int) -> str:
    return texts[(number + 7) % len(texts)].strip() or f"blank {number}"


def file_name(text: str, number: int) -> str:
    """Return the text as a name that a file of this system may have."""
    return text.replace("/", "\u2215").replace("\x00", "\u2400").strip(".")[:60] + f" {number}.md"


def write_project(root: Path, texts: Sequence[str], url: str, name: str, **task: Any) -> Path:
    """Write rows, documents and a rung.yaml in which everything but the keys is hostile; return the file.

    `name` goes wherever there is room for one alone: model, columns, instruction, name of the task as far as it may.
    """
    columns = (f"{name} first", f"{name} second")
    rows = [
        {
            "id": f"{text} {number}",
            columns[0]: f"{text} #{number}#",
            columns[1]: texts[number - 1],
            "team": target_of(texts, number),
            "group": texts[number // 2],
        }
        for number, text in enumerate(texts)
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "documents").mkdir()
    for number, text in enumerate(texts[::4]):
        (root / "documents" / file_name(text, number)).write_text(
            f"# {text}\n\nAbout {text}: {texts[-number]}\n", "utf-8"
        )
    shown = "".join(c for c in name if c.isprintable() and c not in "/\\:").lstrip(".")[:100] or "task"
    raw = {
        "task": {
            "name": shown, "kind": "generation", "instruction": f"Answer. {name}", "inputs": list(columns), "target": "team",
            "metrics": ["normalized_match", {"token_f1": {"name": "f1"}}], "goal": 0.3, **task,
        },
        "data": {"path": "rows.jsonl", "id": "id", "group_by": "group"}, "split": {"test": 0.4, "dev": 0.15},
        "documents": {"path": "documents"},
        "models": {"main": {"provider": "openai", "name": f"m {name}", "base_url": url, "attempts": 1}},
        "ladder": ["baseline", {"prompt": {"rewrites": False}}, "fewshot", "rag"],
        "diagnosis": {"calls": 20},
        "limits": {"cost_per_1k_usd": 1.0},
    }  # fmt: skip
    (root / "rung.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True))
    return root / "rung.yaml"


def climbed(root: Path, texts: Sequence[str], name: str, url: str, **task: Any) -> RunFolder:
    """Climb in `root`, and show the test rows, too, so that the report has them."""
    climb(load_config(write_project(root, texts, url, name, **task)), root / "run")
    run = RunFolder.open(root / "run")
    sealed_test(run).reveal()
    return run


def together(texts: Sequence[str] = SHORT, most: int = 4_000) -> str:
    """Return one name that holds as many texts as fit."""
    found, size = [], 0
    for text in texts:
        if size + len(text) < most:
            found.append(text)
            size += len(text) + 1
    return " ".join(found)
