"""Train and export the whole family: ``python -m training.nano.family``.

nano-s from nothing, then nano-l grown from nano-s as it was before its rate fell.  Each is trained by several processes that
average their weights; called again after an interruption, the command goes on where it stopped.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from training.nano.build import tokenizer

BUILD = Path("build/nano")
SMALL = ("--size", "s", "--tokens", "20e6", "--decay-share", "0.55")
LARGE = ("--size", "l", "--tokens", "6e6", "--grow-from", str(BUILD / "s" / "plateau"))


def train(arguments: tuple[str, ...], processes: int, more: list[str]) -> None:
    """Run one training in so many processes; raises SystemExit with the first exit code that is not 0."""
    shared = [sys.executable, "-m", "training.nano.train", *arguments, "--replicas", str(processes), *more]
    running = [subprocess.Popen([*shared, "--rank", str(rank)]) for rank in range(processes)]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit(next(code for code in codes if code))


def main() -> None:
    """Build the tokenizer, then train both sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="each has one thread; the shipped weights took 2")
    options, more = parser.parse_known_args()
    tokenizer(BUILD / "tokenizer.json")
    for arguments in (SMALL, LARGE):
        train(arguments, options.processes, ["--threads", "1", *more])


if __name__ == "__main__":
    main()
