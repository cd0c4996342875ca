"""Start what is measured as a process of its own and read what it took from the kernel's books."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench.harness.rows import INSTRUCTION, target_of, text_of
from rung.store.run import RunFolder
from rung.types import Example

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measured:
    """One process, start to end: CPU seconds (user and system), wall seconds, peak memory, what it printed."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    code: int
    said: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def stub(latency_s: float = 0.0, faults: str = "none") -> Iterator[str]:
    """Run the endpoint and yield its address."""
    command = [sys.executable, "-m", "bench.harness.stub", "--latency", str(latency_s), "--faults", faults]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def counts(url: str) -> dict[str, Any]:
    """Return what the endpoint has seen so far."""
    with urllib.request.urlopen(url) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@contextlib.contextmanager
def run_folder(rows: int) -> Iterator[Path]:
    """Make a run folder with so many rows in its test part; it is removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="rung-bench-"))
    examples = [Example(f"r{i}", {"text": text_of(i)}, target_of(i), f"r{i}") for i in range(rows)]
    RunFolder(path).save_rows("parts/test.jsonl", examples, Example)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a module by its dotted name; `rung` is the command line."""
    command = [sys.executable, "-m", program, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=_environment()
    )


@cache
def _environment() -> dict[str, str]:
    """Return an environment in which compiled modules are kept, as on any user's machine."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "RUNG_TRUST": "1", "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "rung-bench-pycache")}


def measure(program: str, *arguments: object, fine: Collection[int] = (0,)) -> Measured:
    """Run a program to its end. Raises RuntimeError when it ends with a status that is not among the `fine` ones."""
    began = time.perf_counter()
    process = start(program, *arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    said, complaint = process.stdout.read(), process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in fine:
        raise RuntimeError(f"{program} ended with status {process.returncode}: {complaint[-2000:]}")
    cpu_s = usage.ru_utime + usage.ru_stime
    last = said.strip().splitlines()[-1] if said.strip() else ""
    told = json.loads(last) if last.startswith("{") else {}
    return Measured(cpu_s, wall_s, usage.ru_maxrss / 1024, process.returncode, told)


_LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[%s]]
"""


def wrk(url: str, connections: int, seconds: int = 3) -> float | None:
    """Return the requests per second that wrk gets with one thread; None where wrk is not installed."""
    if shutil.which("wrk") is None:
        return None
    messages = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text_of(20)}]
    body = json.dumps({"model": "stub", "temperature": 0.0, "max_tokens": 256, "messages": messages})
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA % body)
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, f"{url}/chat/completions"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    return float(found.group(1)) if found else None
