"""A real llama-server for as long as it is needed: it ends with the work, however that ends, SIGTERM among the ways."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

PORT = 8597  # part of a model's address, and so of what its stored answers are found by
STARTS_IN_S = 300.0


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that what was opened is closed."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before: Any = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def llama(model: Path, binaries: Path, threads: int, port: int = PORT) -> Iterator[tuple[str, int]]:
    """Serve a GGUF file with two slots; yields the address and the process id. Raises RuntimeError where it does not start."""
    line = [str(binaries / "llama-server"), "--device", "none", "-m", str(model), "--host", "127.0.0.1", "--port", str(port),
            "-c", "8192", "-np", "2", "-t", str(threads), "-tb", str(threads), "--no-webui"]  # fmt: skip
    with ended_in_order():
        process = subprocess.Popen(
            line, env={**os.environ, "LD_LIBRARY_PATH": str(binaries)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )  # fmt: skip
        try:
            _await(process, port)
            yield f"http://127.0.0.1:{port}/v1", process.pid
        finally:
            process.terminate()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    began = time.monotonic()
    while time.monotonic() - began < STARTS_IN_S:
        if process.poll() is not None:
            raise RuntimeError(
                f"llama-server ended at its start with status {process.returncode}: is port {port} taken?"
            )
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"llama-server answers nothing on port {port} after {STARTS_IN_S:g} s")


def cpu_s(pid: int | None) -> float:
    """Return the CPU seconds of a process; None: of this one."""
    if pid is None:
        return time.process_time()
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
