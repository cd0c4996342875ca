"""Train the whole family from nothing and export it: ``python -m rung_nano.training.family``.

The small model in thirteen stages, each from the weights of the one before, then the large one, which is the small one widened and trained
on.  Called again after an interruption, the command goes on where it stopped; a finished stage is not trained again.

The stages are not taste.  In a mixture of everything, some abilities did not appear within 11 to 36 million tokens: finding the label of the
earlier message that is most like this one, finding the value of a key, seeing that a message is urgent, reading of which product a
passage speaks.  In a stage of little else each appeared within 1 to 4 million tokens, at once, and stayed (docs/log.md).
"""

import argparse
import subprocess
import sys
from pathlib import Path

from rung_nano.training.build import tokenizer
from rung_nano.training.record import NAME

BUILD = Path("build/nano")
_FULL = "--matrix-rate 0.016 --other-rate 0.0025"
_HIGH = "--matrix-rate 0.016 --other-rate 0.0022"
_SMALL = (
    f"--mixture whole {_FULL} --tokens 30e6 --decay-share 0.6 --steps 3099",
    f"--mixture matching {_FULL} --tokens 20e6 --decay-share 0.1 --steps 1222",
    f"--mixture reading {_FULL} --tokens 20e6 --decay-share 0.1 --steps 1080",
    f"--mixture last {_FULL} --tokens 19e6 --decay-share 0.8",
    "--mixture polish --matrix-rate 0.010 --other-rate 0.0016 --tokens 5e6 --decay-share 0.95 --steps 702",
    "--mixture notes --matrix-rate 0.014 --other-rate 0.002 --tokens 10e6 --decay-share 0.1 --steps 406",
    "--mixture final --matrix-rate 0.012 --other-rate 0.0018 --tokens 3.6e6 --decay-share 0.95",
    f"--mixture binding {_HIGH} --tokens 20e6 --decay-share 0.1 --steps 1351",
    f"--mixture citing {_HIGH} --tokens 20e6 --decay-share 0.1 --steps 600",
    f"--mixture meaning {_HIGH} --tokens 20e6 --decay-share 0.1 --steps 1200",
    f"--mixture recognising {_HIGH} --tokens 20e6 --decay-share 0.1 --steps 1250",
    f"--mixture settle {_HIGH} --tokens 12e6 --decay-share 0.9",
    "--mixture fix --matrix-rate 0.014 --other-rate 0.002 --tokens 6e6 --decay-share 0.95",
)
_LARGE = "--mixture everything --matrix-rate 0.008 --other-rate 0.0012 --tokens 3e6 --decay-share 0.9"


def stages() -> list[str]:
    """Return the arguments of `train` for each stage, one after another; those with steps stop before their rate has fallen."""
    out = list[str]()
    for number, settings in enumerate(_SMALL, 1):
        before = f" --start-from {{b}}/s{number - 1}/state --stage {number}" if number > 1 else ""
        out.append(f"--size s --batch 4096 --folder {{b}}/s{number} --out {{b}}/s{number}/weights{before} {settings}")
    last = len(_SMALL)
    out.append(
        f"--size l --batch 4096 --folder {{b}}/l --out {{b}}/l/weights --grow-from {{b}}/s{last}/state --stage {last + 1} {_LARGE}"
    )
    return out


def main() -> None:
    """Build the tokenizer, then train both sizes; the results lie in build/nano/s13/weights and build/nano/l/weights."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    tokenizer(BUILD / "tokenizer.json")
    for stage in stages():
        words = stage.format(b=BUILD).split(" ")
        if (Path(words[words.index("--out") + 1]) / NAME).is_file():
            continue
        code = subprocess.call([sys.executable, "-m", "rung_nano.training.train", *words])
        if code:
            raise SystemExit(code)


if __name__ == "__main__":
    main()
