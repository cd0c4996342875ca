"""What comes in, measured: `python -m bench.intake parsers | init | documents`; writes results/NAME.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def main(which: str) -> None:
    if which == "parsers":
        from bench.intake import parsers

        found = parsers.run()
    elif which in ("init", "documents"):
        from bench.intake import speed

        found = speed.init() if which == "init" else speed.documents()
    else:
        sys.exit(f"{which!r} is none of parsers, init, documents")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{which}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(found, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
