"""The two distributions as they are built: what is in them, how large they are, and the core alone, without torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from zipfile import ZipFile

import pytest

from tests.unit.test_without_torch import HEAVY, WITHOUT

pytestmark = pytest.mark.extra
pytest.importorskip("setuptools", minversion="77")

ROOT = Path(__file__).parents[2]
NANO = "packages/rung-nano"
CORE_BYTES, NANO_BYTES = 2_000_000, 20_000_000
BUILD = "from setuptools import build_meta as b; b.build_sdist('out'); b.build_wheel('out')"


def built(source: Path, place: Path, url: str = "") -> tuple[Path, Path]:
    """Return sdist and wheel, built from a copy of the sources."""
    left_out = ignore_patterns("*.egg-info", "build", "dist", "__pycache__", ".*", "runs", "packages", "tests", "bench")
    copytree(source, place, ignore=left_out)
    environment = {**os.environ, "RUNG_URL_ISSUES": url}
    subprocess.run([sys.executable, "-c", BUILD], cwd=place, env=environment, capture_output=True, check=True)
    return next((place / "out").glob("*.tar.gz")), next((place / "out").glob("*.whl"))


ROOMS = (  # of the core: a new one is said here, so that nothing comes along by accident
    *("cli", "config", "data", "data/audit", "data/importers", "decide", "diagnosis", "documents", "engine", "evaluate", "exports", "exports/alone", "judging", "metrics"),
    *("models", "prompts", "protocols", "rag", "report", "retrievers", "rungs", "stats", "store", "testing", "tuners", "serve", "feedback", "watch", "generations", "tuning", "types"),
)  # fmt: skip
ABOUT = r"dist-info/(?:METADATA|RECORD|WHEEL|entry_points\.txt|top_level\.txt|licenses/LICENSE)"
CORE_FILES = (
    r"rung/[a-z0-9_]+\.py",
    *(rf"rung/{room}/[a-z0-9_]+\.py" for room in ROOMS),
    r"rung/py\.typed",
    r"rung/report/page\.(?:css|js)",
    r"rung/(?:tuning/abilities|models/ends)\.jsonl",
    rf"rung-[\d.]+\.{ABOUT}",
)
_WEIGHTS = r"model\.safetensors|(?:config|generation_config|hashes|tokenizer|tokenizer_config|training)\.json|chat_template\.jinja|CARD\.md"
NANO_FILES = (
    r"rung_nano/(?:(?:_scratch|training|training/tasks)/)?[a-z0-9_]+\.py",
    r"rung_nano/py\.typed",
    rf"rung_nano/weights/nano-[sl]/(?:{_WEIGHTS})",
    r"rung_nano/examples/[a-z-]+/(?:rung\.yaml|small-model\.yaml|rows\.jsonl|live-prompt\.txt|documents/[a-z0-9-]+\.md)",
    r"rung_nano/real/[a-z-]+/(?:rung\.yaml|rows\.jsonl|live-prompt\.txt|weights\.json|documents/[a-z0-9-]+\.md)",
    rf"rung_nano-[\d.]+\.{ABOUT}",
)


def unexpected(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    """Return the files that no pattern foresees."""
    return [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)]


def sources(package: Path) -> set[str]:
    """Return the code of a package, by its name in a wheel."""
    return {p.relative_to(package.parent).as_posix() for p in package.rglob("*.py")}


def test_no_file_of_either_wheel_is_a_surprise(core, nano):
    for wheel, patterns, package in (
        (core, CORE_FILES, ROOT / "src/rung"),
        (nano, NANO_FILES, ROOT / NANO / "src/rung_nano"),
    ):
        with ZipFile(wheel) as archive:
            names = archive.namelist()
            assert len(set(names)) == len(names)
            assert unexpected(names, patterns) == []
            assert {n for n in names if n.endswith(".py")} == sources(package)
            for pattern in patterns:  # an expectation that nothing meets says what is no longer so
                assert any(re.fullmatch(pattern, n) for n in names), pattern
            assert not [
                i.filename for i in archive.infolist() if i.external_attr >> 16 & 0o170000 == 0o120000
            ]  # no links


def text_of(wheel: ZipFile, ending: str) -> str:
    return wheel.read(next(n for n in wheel.namelist() if n.endswith(ending))).decode()


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    sdist, wheel = built(ROOT, tmp_path_factory.mktemp("core") / "source", "https://example.org/rung/issues")
    assert sdist.stat().st_size < CORE_BYTES
    return wheel


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    sdist, wheel = built(ROOT / NANO, tmp_path_factory.mktemp("nano") / "source")
    assert max(sdist.stat().st_size, wheel.stat().st_size) < NANO_BYTES
    return wheel


def test_the_core_is_small_and_holds_no_weights(core):
    assert core.stat().st_size < CORE_BYTES
    with ZipFile(core) as wheel:
        names = set(wheel.namelist())
        metadata, points = text_of(wheel, "METADATA"), text_of(wheel, "entry_points.txt")
    assert not [n for n in names if n.endswith((".safetensors", "rows.jsonl", "tokenizer.json")) or "nano" in n]
    assert {"rung/py.typed", "rung/report/page.css"} <= names
    assert "rung = rung.__main__:main" in points
    assert 'torch>=2.6; extra == "local"' in metadata
    assert "torch==" not in metadata
    assert "Project-URL: Issues, https://example.org/rung/issues" in metadata


def test_the_core_works_alone_without_torch(core, tmp_path):
    with ZipFile(core) as wheel:
        wheel.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def rung(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT, f"{HEAVY},rung_nano", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert rung("--help").returncode == 0
    assert "prompt" in rung("plugins", "rungs").stdout
    told = rung("demo")
    assert told.returncode == 2
    assert "come with the package rung-nano, which is not installed: pip install rung-nano" in " ".join(
        told.stderr.split()
    )


def test_the_package_of_the_bundled_model_holds_weights_examples_and_plugins(nano):
    with ZipFile(nano) as wheel:
        names = set(wheel.namelist())
        metadata, points = text_of(wheel, "METADATA"), text_of(wheel, "entry_points.txt")
    for model in ("nano-s", "nano-l"):
        assert {f"rung_nano/weights/{model}/{n}" for n in ("model.safetensors", "CARD.md", "hashes.json")} <= names
    source = ROOT / NANO / "src" / "rung_nano" / "examples"
    shipped = {f"rung_nano/examples/{p.relative_to(source).as_posix()}" for p in source.rglob("*") if p.is_file()}
    assert len(shipped) > 20
    assert shipped <= names
    assert "Project-URL" not in metadata  # no address is invented
    assert "Requires-Dist: rung[tune]<0.2,>=0.1" in metadata
    assert "nano = rung_nano.nano:Nano" in points
    assert "scratch = rung_nano.scratch:Scratch" in points
