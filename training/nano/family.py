"""Train the whole family from nothing and export it: ``python -m training.nano.family``.

The small model from nothing, then the large one, which is the small one widened and trained on.  Called again after an interruption,
the command goes on where it stopped; a finished model is not trained again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from training.nano.build import tokenizer

BUILD = Path("build/nano")
SMALL = "--size s --batch 4096 --tokens 30e6 --matrix-rate 0.016 --other-rate 0.0025 --decay-share 0.6"
LARGE = "--size l --stage 1 --batch 4096 --tokens 6e6 --matrix-rate 0.008 --other-rate 0.0012 --decay-share 0.85"


def main() -> None:
    """Build the tokenizer, then train both sizes; the results lie in build/nano/nano-s and build/nano/nano-l."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=BUILD, help="state, logs and results")
    options, more = parser.parse_known_args()
    tokenizer(options.build / "tokenizer.json")
    small, large = options.build / "nano-s", options.build / "nano-l"
    _train(SMALL, options.build, "s", small, more)
    _train(f"{LARGE} --grow-from {small}", options.build, "l", large, more)


def _train(settings: str, build: Path, size: str, out: Path, more: list[str]) -> None:
    if (out / "hashes.json").is_file():
        return
    command = [sys.executable, "-m", "training.nano.train", *settings.split(" "), *more]
    code = subprocess.call([*command, "--folder", str(build / size), "--out", str(out)])
    if code:
        raise SystemExit(code)


if __name__ == "__main__":
    main()
