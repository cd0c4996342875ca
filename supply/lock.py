"""Write requirements-core.lock: every package that the core needs, its version from constraints.txt, the hash of each of its wheels.

    python -m supply.lock              # or: make lock

Resolved by uv for Linux, macOS and Windows at once. Kept are the wheels for CPython 3.11 to 3.13 on x86-64 and ARM; source
packages are left out, since building one runs its code. The file names no index: pip asks the one it is set up with.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from packaging.markers import Environment, Marker
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-core.lock"
PYTHONS = (11, 12, 13)  # CPython 3.x
SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
MACHINES = ("x86_64", "aarch64", "arm64", "amd64", "universal2")
HEAD = """\
# Everything that the core needs, with the hash of every wheel for CPython 3.11 to 3.13 on Linux, macOS and Windows.
# Written by `python -m supply.lock` from constraints.txt: do not edit. How to use it: SECURITY.md.
#
#     pip install --require-hashes -r requirements-core.lock
#     pip install --no-deps rung
--only-binary :all:
"""


@dataclass(frozen=True)
class Locked:
    """One package: its version, where it is needed ("" : everywhere), and the SHA-256 of its wheels."""

    name: str
    version: str
    marker: str
    sha256: tuple[str, ...]

    def __str__(self) -> str:
        where = f" ; {self.marker}" if self.marker else ""
        return " \\\n".join([f"{self.name}=={self.version}{where}", *(f"    --hash=sha256:{h}" for h in self.sha256)])


def environments() -> Iterator[Environment]:
    """Yield what markers see on each system and Python that is served."""
    for system, title in SYSTEMS.items():
        for minor in PYTHONS:
            yield Environment(
                python_version=f"3.{minor}",
                python_full_version=f"3.{minor}.0",
                sys_platform=system,
                platform_system=title,
                os_name="nt" if system == "win32" else "posix",
                platform_machine="x86_64",
                platform_release="",
                platform_version="",
                implementation_name="cpython",
                implementation_version=f"3.{minor}.0",
                platform_python_implementation="CPython",
            )


def serves(tag: Tag) -> bool:
    """Whether a wheel with this tag runs on one of the Pythons and systems that are served."""
    ours = {f"cp3{minor}" for minor in PYTHONS}
    if tag.interpreter.startswith("cp"):
        older = tag.abi == "abi3" and int(tag.interpreter.removeprefix("cp3") or 99) <= max(PYTHONS)
        if not older and (tag.interpreter not in ours or tag.abi not in (tag.interpreter, "abi3", "none")):
            return False
    elif tag.interpreter != "py3" and tag.interpreter not in {f"py3{minor}" for minor in PYTHONS}:
        return False
    system = tag.platform.startswith(("manylinux", "musllinux", "macosx", "win"))
    return tag.platform == "any" or (system and tag.platform.endswith((*MACHINES, "win32")))


def locked(resolved: Mapping[str, Any]) -> Iterator[Locked]:
    """Yield the packages of a resolution (PEP 751) that are needed on a served system. Raises ValueError for one without a wheel."""
    known = list(environments())
    for package in sorted(resolved["packages"], key=lambda p: p["name"]):
        marker = package.get("marker", "")
        needed = [Marker(marker).evaluate(dict(e)) if marker else True for e in known]  # type: ignore[arg-type]
        if not any(needed):
            continue
        found = set()
        for wheel in package.get("wheels", ()):
            name = wheel.get("name") or unquote(wheel["url"].rpartition("/")[2])
            if any(serves(tag) for tag in parse_wheel_filename(name)[3]):
                found.add(wheel["hashes"]["sha256"])
        if not found:
            raise ValueError(
                f"{package['name']} {package['version']} has no wheel for any Python and system that is served"
            )
        yield Locked(package["name"], package["version"], "" if all(needed) else marker, tuple(sorted(found)))


def read(path: Path = LOCK) -> tuple[Locked, ...]:
    """Return the packages of a lock file."""
    found = []
    for entry in path.read_text(encoding="utf-8").removeprefix(HEAD).replace(" \\\n", "\n").split("\n"):
        if entry.startswith("    --hash=sha256:"):
            found[-1] = Locked(
                found[-1].name, found[-1].version, found[-1].marker, (*found[-1].sha256, entry.rpartition(":")[2])
            )
        elif entry:
            wanted, _, marker = entry.partition(" ; ")
            name, _, version = wanted.partition("==")
            found.append(Locked(name, version, marker, ()))
    return tuple(found)


def resolve() -> Mapping[str, Any]:
    """Have uv resolve the core's dependencies under constraints.txt for every system at once."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "pylock.toml"
        words = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "-c", "constraints.txt", "--universal", "-q",
                 "--python-version", f"3.{min(PYTHONS)}", "--format", "pylock.toml", "-o", str(out)]  # fmt: skip
        subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return tomllib.loads(out.read_text(encoding="utf-8"))


def main() -> None:
    found = tuple(locked(resolve()))
    LOCK.write_text(HEAD + "".join(f"{package}\n" for package in found), encoding="utf-8")
    print(f"{LOCK.name}: {len(found)} packages, {sum(len(p.sha256) for p in found)} wheels")


if __name__ == "__main__":
    main()
