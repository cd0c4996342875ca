"""Commands of `rung` as processes of their own, each forked from one process that has imported everything already.

Importing is most of what a short command takes. What a command does with its imports has tests of its own (test_imports,
test_stopping); those that ask what a command says, does and returns ask it here.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

IMPORTED = (
    "rung.cli", "rung.ladder", "rung.api", "rung.engine.check", "rung.engine.plan", "rung.engine.quick", "rung.engine.verify",
    "rung.data.audit._linear", "rung.report.page", "rung.report.text", "rung.report.markdown", "rung.report.briefing",
    "rung.rungs.baseline", "rung.models.fake", "rung.models.openai", "rung.exports.write",
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def command(*words: object, folder: Path, **more: str) -> Done:
    """Run `rung WORDS` in that folder, with no terminal and further variables of the environment.

    `-c CODE` as words: that code instead, as `python -c` would run it.
    """
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()  # not files: a command may be told that its files may not grow
    with open(os.devnull, "rb") as nothing:
        ended = started(words, folder, {**os.environ, **more}, (nothing.fileno(), to_out, to_err))
    os.close(to_out)
    os.close(to_err)
    with ThreadPoolExecutor(1) as reader, open(out, "rb") as told, open(err, "rb") as complained:
        stderr = reader.submit(complained.read)
        stdout = told.read()
        return Done(ended(), stdout.decode(), stderr.result().decode())


def on_a_terminal(*words: object, folder: Path, typed: str | None = None, **more: str) -> Done:
    """Run `rung WORDS` with all it writes on a pseudo-terminal; it is `typed` into that terminal, or there is no input."""
    import pty

    leader, follower = pty.openpty()
    if typed is not None:
        os.write(leader, typed.encode())
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", **more}
    with open(os.devnull, "rb") as nothing:
        given = follower if typed is not None else nothing.fileno()
        ended = started(words, folder, environment, (given, follower, follower))
    os.close(follower)
    said = all_shown(leader)
    return Done(ended(), said, "")


def all_shown(leader: int) -> str:
    """Return all that is written to a pseudo-terminal until its last writer has gone, and close our end of it."""
    found = b""
    while True:
        try:
            more = os.read(leader, 65536)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not more:
            break
        found += more
    os.close(leader)
    return found.decode("utf-8", "surrogateescape")


def started(words, folder: Path, environment: Mapping[str, str], streams: tuple[int, int, int]):
    """Start `rung WORDS` on these three files; return a function that waits for its end and returns its exit code."""
    if not hasattr(os, "fork"):
        program = [sys.executable, *(() if "-c" in words[:1] else ("-m", "rung")), *map(str, words)]
        process = subprocess.Popen(
            program, cwd=folder, env=dict(environment), stdin=streams[0], stdout=streams[1], stderr=streams[2]
        )
        return process.wait
    ours = _ours()
    asked = json.dumps([[str(w) for w in words], str(folder), dict(environment)]).encode()
    socket.send_fds(ours, [len(asked).to_bytes(8, "big")], list(streams))
    ours.sendall(asked)
    return lambda: int.from_bytes(_exactly(ours, 8), "big", signed=True)


@cache
def _ours() -> socket.socket:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([sys.executable, "-m", __name__, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    theirs.close()

    def leave() -> None:
        ours.close()
        process.wait()

    atexit.register(leave)
    return ours


def _exactly(held: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = held.recv(size - len(found))
        if not more:
            raise EOFError("the process that commands are forked from has ended")
        found += more
    return found


def _serve(held: socket.socket) -> None:
    """Fork a command for each request until nobody asks any more."""
    while True:
        size, streams, _, _ = socket.recv_fds(held, 8, 3)
        if not size:
            return
        words, folder, environment = json.loads(_exactly(held, int.from_bytes(size, "big")))
        child = os.fork()
        if not child:
            held.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = ["rung", *words]
            sys.stdin, sys.stdout, sys.stderr = (
                open(number, mode, encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115 - for all its life
                for number, mode in enumerate("rww")
            )
            _become(words)
        for stream in streams:
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        held.sendall(code.to_bytes(8, "big", signed=True))


def _become(words: list[str]) -> None:
    """Be the program, and leave without taking the imported world apart: that takes longer than most commands."""
    from rung.__main__ import main

    code = 1
    try:
        if "-c" in words[:1]:
            exec(words[1], {"__name__": "__main__"})
        else:
            main()
        code = 0
    except SystemExit as left:
        code = left.code or 0
    except KeyboardInterrupt:
        code = 130
    except:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
