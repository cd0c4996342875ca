"""Train a whole family from nothing and export it: ``python -m training.nano.family``.

A small model from nothing in four stages, then a large one grown from it.  Each stage is trained by several processes that average
their weights; called again after an interruption, the command goes on where it stopped.  What the stages reached, and why the shipped
weights are others, stands in docs/log-nano.md.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from training.nano.build import tokenizer

BUILD = Path("build/nano")
STAGES = (
    "--size s --folder {b}/s1 --out {b}/s1/weights --tokens 20e6 --decay-share 0.55 --steps 1984",
    "--size s --folder {b}/s2 --out {b}/s2/weights --start-from {b}/s1/state --stage 2 --mixture later --batch 2048 --tokens 12e6 "
    "--matrix-rate 0.010 --other-rate 0.0016 --decay-share 0.6 --steps 1056",
    "--size s --folder {b}/s3 --out {b}/s3/weights --start-from {b}/s2/state --stage 3 --mixture matching --batch 2048 --tokens 4e6 "
    "--matrix-rate 0.012 --other-rate 0.002 --decay-share 0.01 --steps 672",
    "--size s --folder {b}/s4 --start-from {b}/s3/state --stage 4 --mixture last --batch 2048 --tokens 4.5e6 "
    "--matrix-rate 0.010 --other-rate 0.0016 --decay-share 0.9",
    "--size l --folder {b}/l --grow-from {b}/s4/state --stage 5 --mixture later --batch 2048 --tokens 4e6 "
    "--matrix-rate 0.006 --other-rate 0.001 --decay-share 0.9",
)


def train(arguments: list[str], processes: int, more: list[str]) -> None:
    """Run one training in so many processes; raises SystemExit with the first exit code that is not 0."""
    shared = [sys.executable, "-m", "training.nano.train", *arguments, "--replicas", str(processes), *more]
    running = [subprocess.Popen([*shared, "--rank", str(rank)]) for rank in range(processes)]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit(next(code for code in codes if code))


def main() -> None:
    """Build the tokenizer, then train both sizes; the results lie in build/nano/nano-s and build/nano/nano-l."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="each has one thread")
    options, more = parser.parse_known_args()
    tokenizer(BUILD / "tokenizer.json")
    for stage in STAGES:
        words = stage.format(b=BUILD).split(" ")
        if (
            "--out" not in words
        ):  # of both sizes the last stage is the result; the package's weights are replaced on purpose only
            words += ["--out", str(BUILD / f"nano-{words[1]}")]
        train(words, options.processes, ["--threads", "1", *more])


if __name__ == "__main__":
    main()
