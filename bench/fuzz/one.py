"""One target under the fuzzer, in a process of its own.

    python -m bench.fuzz.one TARGET --work FOLDER --seconds N

Needs atheris. What it finds is written to the folder, one input and one text a kind, and it goes on; what it tried at the end
of each second stands in `TARGET.json`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.fuzz.target import Target

GROUPS = {
    "request": "served",
    "feedback": "served",
    "generations": "served",
    "rows": "examples",
    "document": "documents",
    "reply": "replies",
}
TRACED = (
    "yaml",
    "openpyxl",
    "tinycss2",
    "cssselect",
    "markdown_it",
    "docx",
    "pypdf",
)  # readers in Python that stand before ours
LIMIT_S, LIMIT_MIB = (
    60,
    4096,
)  # of one input, in the fuzzer's own clock: then the process ends, and the next one goes on


def group_of(name: str) -> str:
    """Return the file that holds a target."""
    return f"bench.fuzz.{GROUPS.get(name.partition('-')[0], 'answers')}"


def target_named(name: str) -> Target:
    """Return the target of that name."""
    found: tuple[Target, ...] = importlib.import_module(group_of(name)).targets()
    return next(t for t in found if t.name == name)


class Watcher:
    """Runs each input that the fuzzer makes, keeps the smallest of each kind of fault, and counts."""

    def __init__(self, target: Target, work: Path) -> None:
        self.target = target
        self.faults: dict[str, int] = {}
        self.runs = 0
        self._work, self._told = work, time.monotonic()
        self._scratch = Path(
            tempfile.mkdtemp(prefix="rung-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        )

    def warm(self) -> None:
        """Run the first seed for what it imports, which under the fuzzer takes seconds."""
        with contextlib.suppress(Exception):
            self.target.run(self.target.seeds[0], self._scratch)

    def __call__(self, data: bytes) -> None:
        from bench.fuzz.target import fault_of

        fault = fault_of(self.target, data, self._scratch)
        self.runs += 1
        if fault is not None and len(data) < self.faults.get(fault.kind, sys.maxsize):
            self.faults[fault.kind] = len(data)
            stem = self._work / f"{self.target.name}--{re.sub(r'[^A-Za-z0-9]+', '-', fault.kind)[:80]}"
            stem.with_suffix(".input").write_bytes(data)
            stem.with_suffix(".txt").write_text(f"{fault.kind}\n{fault.detail}\n", encoding="utf-8", errors="replace")
        if time.monotonic() - self._told > 1:
            self.tell()

    def tell(self) -> None:
        self._told = time.monotonic()
        told = {"runs": self.runs, "faults": sorted(self.faults)}
        (self._work / f"{self.target.name}.json").write_text(json.dumps(told), encoding="utf-8")

    def close(self) -> None:
        self.tell()
        shutil.rmtree(self._scratch, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    import atheris

    with atheris.instrument_imports(include=["rung", *TRACED]):  # also what is imported on the way
        target = target_named(asked.target)
        watcher = Watcher(target, asked.work)
        watcher.warm()
        for seed in target.seeds:
            watcher(seed)
    corpus = asked.work / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    dictionary = asked.work / f"{target.name}.dict"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words or ("0",)), encoding="ascii")
    options = [f"-max_total_time={asked.seconds}", f"-seed={asked.seed}", "-max_len=10000", f"-timeout={LIMIT_S}", f"-rss_limit_mb={LIMIT_MIB}",
               f"-dict={dictionary}", f"-artifact_prefix={asked.work}/{target.name}--ended-", "-print_final_stats=1", "-verbosity=1", str(corpus)]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], watcher)
    try:
        atheris.Fuzz()
    finally:
        watcher.close()


def _escaped(word: str) -> str:
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in word.encode())


if __name__ == "__main__":
    main()
