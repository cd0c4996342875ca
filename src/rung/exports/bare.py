"""Does what was written answer alone? Dev examples go through its own command line, in a Python that sees the packages it names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from rung.errors import RungError
from rung.exports import alone
from rung.store.folder import write_atomic
from rung.types import Completion, Example

CHECKED = 50  # dev examples that are answered again
NUMPY, SCIPY, MARKDOWN = "numpy>=2.0,<3", "scipy>=1.14,<2", "markdown-it-py>=3,<5"  # as they stand in pyproject.toml
TORCH = ("torch>=2.6", "transformers>=5.23,<6", "tokenizers>=0.22,<1", "safetensors>=0.6,<1")
JINJA, PEFT = "jinja2>=3.1,<4", "peft>=0.21,<1"
DOCUMENTS = (
    "pypdf>=6,<8",
    "cryptography>=44",
    "python-docx>=1.1,<2",
    "lxml>=5,<7",
    "tinycss2>=1.4,<2",
    "cssselect>=1.3,<2",
)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
# The standard library and one folder of packages: no site-packages of the Python that runs rung.
_BOOT = "import runpy, sys; sys.path.append(sys.argv[1]); del sys.argv[:2]; runpy.run_path(sys.argv[0], run_name='__main__')"


def copied(name: str, out: Path) -> None:
    """Copy one of the programs of `rung.exports.alone`, as it stands."""
    write_atomic(out / name, (Path(alone.__file__).parent / name).read_bytes())


def required(packages: Sequence[str], out: Path, name: str = "requirements.txt") -> None:
    """Write the packages that a folder needs, one a line; none: an empty file."""
    write_atomic(out / name, "".join(f"{package}\n" for package in packages).encode())


@dataclass(frozen=True)
class Said:
    """What an exported program answered to one row, and the sources that it named."""

    text: str
    sources: tuple[tuple[str, str], ...] = ()  # document, position


async def answered_alone(
    program: Path,
    rows: Sequence[Example],
    columns: Sequence[str],
    variables: Mapping[str, str] | None = None,
    patience_s: float = 600.0,
) -> list[Said]:
    """Return what an exported program answers to rows, by its batch command under `python -I`.

    It sees these variables, the standard library, and the packages in its requirements.txt with what they need, nothing else.
    Raises RungError, with what it said last, where it does not answer them all.
    """
    with tempfile.TemporaryDirectory(prefix="rung-export-") as place:
        given, out = Path(place) / "rows.jsonl", Path(place) / "answers.jsonl"
        named = ({column: e.inputs[column] for column in columns} for e in rows)
        write_atomic(given, "".join(json.dumps(cells) + "\n" for cells in named).encode())
        name = _free(columns)
        site = _site(program.parent / "requirements.txt", Path(place) / "site")
        command = [sys.executable, "-I", "-S", "-c", _BOOT, str(site), str(program.absolute())]  # it runs elsewhere
        try:
            done = await asyncio.to_thread(
                subprocess.run,
                [*command, "--in", str(given), "--out", str(out), "--answer", name],
                cwd=place,
                env=dict(variables or {}),
                capture_output=True,
                timeout=patience_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            late = f"what was written had not answered {len(rows)} dev examples alone after {patience_s:.0f} s"
            raise RungError(f"export refused: {late}") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise RungError(f"export refused: what was written does not run alone ({said[-1] if said else 'no word'})")
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
        sources = f"{name}_sources"
        return [Said(x[name], tuple((s["document"], s["position"]) for s in x.get(sources, ()))) for x in lines]


def _site(requirements: Path, site: Path) -> Path:
    """Make a folder that holds the packages of a file of requirements, and what these need, as links."""
    site.mkdir()
    waiting = requirements.read_text(encoding="utf-8").splitlines() if requirements.exists() else []
    seen: set[str] = set()
    while waiting:
        named = _NAME.match(waiting.pop())
        if named is None or named[0].lower() in seen:
            continue
        seen.add(named[0].lower())
        try:
            found = distribution(named[0])
        except PackageNotFoundError:
            continue  # the program says what it lacks
        waiting += [line for line in found.requires or () if ";" not in line or "extra" not in line]
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            if not (site / top).exists() and Path(str(found.locate_file(top))).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))).resolve())
    return site


@contextlib.contextmanager
def standing_in(
    reply_to: Callable[[Any], Completion | None], vectors: Mapping[str, Sequence[float]] | None = None
) -> Iterator[str]:
    """Serve stored replies on this machine, and yield the address; a body that is not known gets status 404.

    `vectors`: those of the texts that may be sent to /embeddings.
    """

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found: Any
            if self.path.endswith("/embeddings"):
                found = (vectors or {}).keys() >= set(body["input"])
                data = [{"embedding": list((vectors or {})[text])} for text in body["input"]] if found else []
                said = json.dumps({"data": data}).encode()
            else:
                found = reply_to(body)
                message = {"role": "assistant", "content": found.text if found else None}
                choice = {"message": message, "finish_reason": found.finish if found else None}
                said = json.dumps({"choices": [choice]}).encode()
            self.send_response(200 if found else 404, None if found else "not a request that was measured")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # callers that wait to be let in
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _free(columns: Sequence[str]) -> str:
    name = "answer"
    while name in columns:
        name += "_"
    return name
