"""How long a climb's tuning step takes on 500 training rows of a shipped example, on two cores. ``python -m bench.tuning.step``

The ladder is `finetune` alone, by force, as the example names it (brand-voice: LoRA with its search; house-records: all
weights). Told are wall and CPU seconds of the whole climb: reading, preflight, race, looks at generated dev answers, what must
be kept, and the answers to the test rows.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from rung.config import load_config, parse_config
from rung.ladder import climb
from rung.progress import Silent
from rung.store.run import RunFolder
from rung_nano import EXAMPLES

HERE = Path(__file__).parent
ROWS = 500
GOAL_S = 180.0


def step(name: str, threads: int) -> dict[str, Any]:
    """Climb the example with as many rows as give 500 training rows."""
    shipped = load_config(EXAMPLES / name / "rung.yaml")
    raw = shipped.model_dump(mode="json", exclude={"root"})
    share = 1 - shipped.split.test - shipped.split.dev
    [tuned] = [s for s in raw["ladder"] if s["rung"] == "finetune"]
    raw["ladder"] = [{"finetune": {**tuned["settings"], "force": True}}]
    raw["models"]["main"]["threads"] = threads
    with tempfile.TemporaryDirectory() as root:
        lines = (EXAMPLES / name / "rows.jsonl").read_text(encoding="utf-8").splitlines()[: round(ROWS / share) + 1]
        (Path(root) / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if "prompt" in raw["task"]:
            prompt = EXAMPLES / name / str(raw["task"]["prompt"])
            (Path(root) / prompt.name).write_text(prompt.read_text(encoding="utf-8"), encoding="utf-8")
        wall, cpu = time.monotonic(), time.process_time()
        run = climb(parse_config(raw, Path(root)), Path(root) / "run", Silent())
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        folder = RunFolder.open(run.folder)
        tuning = folder.rung("finetune").fitted.plain()["tuning"]
        estimate = next(iter(run.results["finetune"].estimates.values()))
        return {
            "example": name,
            "train_rows": folder.parts.manifest.need()["train"]["rows"],
            "runs": len(tuning["trials"]),
            "tokens": tuning["tokens"],
            "tuning_s": round(tuning["seconds"], 1),
            "climb_wall_s": round(wall, 1),
            "climb_cpu_s": round(cpu, 1),
            "test": str(estimate),
            "within_goal": wall <= GOAL_S,
        }


def main() -> None:
    """Measure both examples and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("examples", nargs="*", default=["house-records", "brand-voice"])
    options = parser.parse_args()
    found = []
    for name in options.examples:
        found.append(step(name, options.threads))
        print(json.dumps(found[-1]), flush=True)
    (HERE / "results").mkdir(exist_ok=True)
    kept = {"threads": options.threads, "goal_s": GOAL_S, "load": os.getloadavg()[0], "steps": found}
    (HERE / "results" / "step.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
