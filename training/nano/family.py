"""Train the whole family from nothing and export it: ``python -m training.nano.family``.

The small model in four stages, each from the weights of the one before, then the large one, which is the small one widened and trained
on.  Called again after an interruption, the command goes on where it stopped; a finished stage is not trained again.

The stages are not taste.  In one mixture of everything, two abilities did not appear within 11 million tokens: finding the label of the
earlier message that is most like this one, and finding the value of a key.  In a stage of almost nothing else the first appeared within
3 million tokens, at once, and stayed (docs/log-nano.md).
"""

import argparse
import subprocess
import sys
from pathlib import Path

from training.nano.build import tokenizer
from training.nano.record import NAME

BUILD = Path("build/nano")
PLATEAU = "--batch 4096 --matrix-rate 0.016 --other-rate 0.0025"
STAGES = (
    f"--size s --folder {{b}}/s1 --out {{b}}/s1/weights {PLATEAU} --tokens 30e6 --decay-share 0.6 --steps 3099",
    f"--size s --folder {{b}}/s2 --out {{b}}/s2/weights --start-from {{b}}/s1/state --stage 2 --mixture matching {PLATEAU} --tokens 20e6 "
    "--decay-share 0.1 --steps 1222",
    f"--size s --folder {{b}}/s3 --out {{b}}/s3/weights --start-from {{b}}/s2/state --stage 3 --mixture reading {PLATEAU} --tokens 20e6 "
    "--decay-share 0.1 --steps 1080",
    f"--size s --folder {{b}}/s4 --out {{b}}/s4/weights --start-from {{b}}/s3/state --stage 4 --mixture last {PLATEAU} --tokens 19e6 "
    "--decay-share 0.8",
    "--size l --folder {b}/l --out {b}/l/weights --grow-from {b}/s4/state --stage 5 --mixture last --batch 4096 --tokens 4e6 "
    "--matrix-rate 0.008 --other-rate 0.0012 --decay-share 0.9",
)
"""Arguments of `train`.  Stages 1 to 3 stop on the plateau of their rate; it falls in the fourth."""


def main() -> None:
    """Build the tokenizer, then train both sizes; the results lie in build/nano/s4/weights and build/nano/l/weights."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    tokenizer(BUILD / "tokenizer.json")
    for stage in STAGES:
        words = stage.format(b=BUILD).split(" ")
        if (Path(words[words.index("--out") + 1]) / NAME).is_file():
            continue
        code = subprocess.call([sys.executable, "-m", "training.nano.train", *words])
        if code:
            raise SystemExit(code)


if __name__ == "__main__":
    main()
