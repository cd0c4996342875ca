"""Reads hostile files with the command line in a process of its own, so that one that hangs, eats memory or kills is told.

`python -m tests.hostile._reader WORK < files.json`: writes one JSON object a file on the real stdout.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

import yaml

from tests.pace import pace

MEMORY = 3 << 30  # bytes of addresses; what is read and parsed together stays far below
LONGEST_S = 30  # of computing, five times what is allowed: others compute here, too
WORTH_S = 5  # of computing: from here on it is worth knowing how fast this machine is now
WAIT_S = 120  # in all, on a machine with much to do: who waits for a pipe waits for ever


class Hung(BaseException):
    """It took too long."""


def _hung(*_: object) -> None:
    raise Hung


def command(*words: str) -> dict[str, object]:
    """Run one command of rung here; return how it ended and what it printed."""
    from rung.cli import run

    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["rung", *words]
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    signal.alarm(WAIT_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: object = run()
    except Hung:
        code = "hung: " + "".join(traceback.format_exc().splitlines(keepends=True)[-9:])
    except BaseException as error:  # noqa: BLE001 - told, not raised: the next file is read all the same
        code = f"raised {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
    said = out.getvalue() + err.getvalue()
    spent = time.process_time() - began
    return {"words": words[:1], "code": code, "said": said, "cpu_s": spent, "pace": pace() if spent > WORTH_S else 1.0}


def rows(root: Path, path: Path) -> list[dict[str, object]]:
    """Look at a file of examples: write a rung.yaml for it, and check it."""
    file = root / "rung.yaml"
    words = ["--target", "team", "--inputs", "text", "--out", str(file), "--yes", "--force"]
    found = [command("init", *words, "--", str(path))]
    if found[0]["code"] == 0:
        found.append(command("check", str(file)))
    return found


def documents(root: Path, path: Path) -> list[dict[str, object]]:
    """Look at a folder of documents, beside harmless examples."""
    file = root / "rung.yaml"
    lines = [
        json.dumps({"text": f"order {i} is late", "team": ("delivery", "billing")[i % 2]}) + "\n" for i in range(40)
    ]
    (root / "rows.jsonl").write_text("".join(lines))
    task = {
        "name": "t",
        "kind": "classification",
        "instruction": "Which?",
        "inputs": ["text"],
        "target": "team",
        "goal": 0.6,
    }
    raw = {
        "task": task, "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15}, "documents": {"path": str(path.parent)},
        "models": {"main": {"provider": "fake", "answers": {}}}, "ladder": ["rag"],
    }  # fmt: skip
    file.write_text(yaml.safe_dump(raw))
    return [command("check", str(file)), command("docs", "update", "--config", str(file))]


def main() -> None:
    work = Path(sys.argv[1])
    work.mkdir()
    tell = os.fdopen(os.dup(1), "w")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _hung)
    signal.signal(signal.SIGPROF, _hung)
    for number, (use, path) in enumerate(json.loads(sys.stdin.read())):
        root = work / f"{number:03d}"
        root.mkdir()
        os.chdir(root)
        did = {"rows": rows, "documents": documents}[use](root, Path(path))
        tell.write(json.dumps({"path": path, "did": did}) + "\n")
        tell.flush()


if __name__ == "__main__":
    main()
