"""Many commands in one process on a pseudo-terminal: `python -m tests.hostile._terminal < commands.json`.

Between the output of two commands stands a line that no datum holds.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.unit._commands import all_shown

BETWEEN = "=====8c1f====="


def on_a_terminal(commands: Sequence[Sequence[str]], folder: Path) -> list[tuple[int, str]]:
    """Run commands of rung in `folder`; return the exit code of each and the characters that it sent to the terminal."""
    leader, follower = pty.openpty()
    places = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", "PYTHONPATH": os.pathsep.join(places)}
    program = [sys.executable, "-m", "tests.hostile._terminal"]
    words = json.dumps([list(command) for command in commands])
    process = subprocess.Popen(
        program, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=follower, stderr=follower
    )
    assert process.stdin is not None
    process.stdin.write(words.encode())
    process.stdin.close()
    os.close(follower)
    parts = all_shown(leader).split(BETWEEN)
    process.wait()
    return [(int(code), said) for said, code in zip(parts[::2], parts[1::2], strict=False)]


def main() -> None:
    from rung.cli import run

    for words in json.loads(sys.stdin.read()):
        sys.argv = ["rung", *words]
        try:
            code = run()
        except BaseException as error:  # noqa: BLE001 - told to who reads it
            code = 99
            sys.stdout.write(repr(error))
        sys.stderr.flush()
        sys.stdout.flush()
        os.write(1, f"{BETWEEN}{code}{BETWEEN}".encode())


if __name__ == "__main__":
    main()
