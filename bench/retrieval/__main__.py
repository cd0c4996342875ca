"""`python -m bench.retrieval quality | speed | large`: writes results/NAME.json. See docs/retrieval.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.retrieval import quality, speed

RESULTS = Path(__file__).parent / "results"


def main(which: str) -> None:
    if which == "quality":
        found = quality.run()
    elif which == "speed":
        found = speed.run(50_000, list(speed.CASES), rounds=3)
    else:
        found = speed.run(200_000, ["rung sqlite", "rung lance"])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{which}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
