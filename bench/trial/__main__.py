"""Simulate trials of a challenger in service: `python -m bench.trial [TRIALS]`; results/trial.json keeps the figures.

Scores of 0 and 1 come in blocks as the share says; the trial is looked at after every block and ends at the first claim, or after
3,000 labelled answers in all. A claim is wrong where the truth is its null: "better" where the challenger is no better, "as good"
where it is worse by the margin or more, "worse" where it is no worse.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from rung.stats.trial import above, block_sizes

ALPHA, MARGIN, LABELS = 0.05, 0.05, 3000
CHAMPION = 0.8
TRUTHS = (0.7, 0.75, 0.8, 0.85, 0.9)
SHARES = (0.1, 0.5)


def cell(truth: float, share: float, trials: int, rng: np.random.Generator) -> dict[str, Any]:
    n, m = block_sizes(share)
    blocks = LABELS // (n + m)
    a = (rng.random((trials, blocks, n)) < truth).astype(float)
    b = (rng.random((trials, blocks, m)) < CHAMPION).astype(float)
    wealth = {"better": above(a, b), "as good": above(a, b, MARGIN), "worse": above(b, a)}
    found: dict[str, Any] = {"truth": truth, "share": share, "trials": trials}
    for claim, process in wealth.items():
        made = process >= 1.0 / ALPHA
        ever = made.any(axis=-1)
        first = np.where(ever, made.argmax(axis=-1) + 1, blocks) * (n + m)
        wrong = (
            truth <= CHAMPION
            if claim == "better"
            else truth <= CHAMPION - MARGIN
            if claim == "as good"
            else truth >= CHAMPION
        )
        found[claim] = {
            "claimed": round(float(ever.mean()), 4),
            "se": round(float(np.sqrt(ever.mean() * (1 - ever.mean()) / trials)), 4),
            "labels": int(np.median(first[ever])) if ever.any() else None,
            "wrong": bool(wrong),
        }
    return found


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rng, began = np.random.default_rng(7), time.process_time()
    cells = [cell(truth, share, trials, rng) for share in SHARES for truth in TRUTHS]
    print(
        f"champion {CHAMPION}, margin {MARGIN}, alpha {ALPHA}, {trials} trials, at most {LABELS} labels; claimed (median labels until then)"
    )
    print("| share | challenger | better | as good | worse |\n|--:|--:|---|---|---|")
    for c in cells:
        told = [
            f"{c[k]['claimed']:.1%}{' wrong' if c[k]['wrong'] else ''} ({c[k]['labels'] or '-'})"
            for k in ("better", "as good", "worse")
        ]
        print(f"| {c['share']:.0%} | {c['truth']} | {' | '.join(told)} |")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    made = {
        "champion": CHAMPION,
        "margin": MARGIN,
        "alpha": ALPHA,
        "labels": LABELS,
        "cpu_s": round(time.process_time() - began, 1),
        "cells": cells,
    }
    (results / "trial.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
