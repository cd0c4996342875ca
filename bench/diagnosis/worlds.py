"""Does the diagnosis name what is missing, and does what it predicts come true? python -m bench.diagnosis.worlds [--save].

In each world the fake model fails for one known reason. The ladder [prompt, fewshot] is climbed; at `prompt` the experiment that
mends most should be the one that supplies what is missing, and what the experiments predicted is checked on `fewshot`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.ladder import climb
from rung.store.records import PredictionCheck
from rung.store.run import RunFolder
from tests.unit._worlds import world

ROWS, SEEDS, CALLS = 600, 10, 120
AS_IT_STANDS = {"ladder": [{"prompt": {"rewrites": False}}, "fewshot"]}
ENOUGH = 0.25  # share of tried rows from which an experiment counts as having found something


@dataclass(frozen=True)
class World:
    """One reason to fail: the fake's settings, the experiment that should stand out (None: none should)."""

    name: str
    main: Mapping[str, Any]
    expected: str | None
    large: Mapping[str, Any] | None = None


WORLDS = (
    World("examples show it", {"abilities": {"base": 0.45, "examples": {1: 0.1, 3: 0.4}}}, "missing convention"),
    World("a rule says it", {"abilities": {"base": 0.45, "hints": {"point to": 0.4}}}, "missing instruction"),
    World("only the form is wrong", {"abilities": {"base": 0.97}, "format_slip": 0.5, "format_slip_when_told": 0.02}, "missing instruction"),
    World("too small a model", {"abilities": {"base": 0.45}}, "capacity", {"abilities": {"base": 0.97}}),
    World("drawn by lot", {"abilities": {"base": 0.45}, "noise": 1.0}, "unstable"),
    World("nothing helps", {"abilities": {"base": 0.45}, "correlation": 1.0}, None),
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What one climb showed: the experiment that stood out, and predictions checked."""

    found: str | None
    shares: Mapping[str, float]
    checked: tuple[PredictionCheck, ...]
    calls: int


def climb_one(made: World, seed: int) -> Seen:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        config = world(
            root,
            ROWS,
            model={**made.main, "seed": seed},
            task={"goal": 0.95, "kind": "classification"},
            split={"seed": seed},
            diagnosis={"calls": CALLS},
            **AS_IT_STANDS,
        )
        if made.large is not None:
            main = dict(config.models["main"])
            large = {**main, **made.large, "name": "fake-large", "seed": seed}
            config = config.model_copy(update={"models": {"main": main, "large": large}})
        climb(config, root / "run")
        folder = RunFolder.open(root / "run")
        diagnosis = folder.rung("prompt").diagnosis.need()
        checked = folder.rung("fewshot").predictions.get() or ()
    shares = {c.name: c.share.mean or 0.0 for c in diagnosis.experiments}
    best = max(shares, key=lambda n: shares[n], default=None)
    found = best if best is not None and shares[best] >= ENOUGH else None
    return Seen(found, shares, tuple(f for f in checked if f.found_by == "experiment"), diagnosis.calls)


def line(made: World) -> str:
    seen = [climb_one(made, seed) for seed in range(SEEDS)]
    named = Counter(s.found or "none" for s in seen)
    right = named[made.expected or "none"]
    convention = [f for s in seen for f in s.checked if f.cause == "missing convention"]
    fixed, kept = sum(f.fixed for f in convention), sum(f.kept for f in convention)
    not_fixed, surprises = sum(f.not_fixed for f in convention), sum(f.surprises for f in convention)
    n = fixed + not_fixed
    predicted = f"{fixed / n:.0%} / {(kept + surprises) / n:.0%}" if n else "-"
    rows = f"{kept} of {fixed}; {surprises} of {not_fixed}" if n else "-"
    shares = {name: sum(s.shares.get(name, 0.0) for s in seen) / SEEDS for name in seen[0].shares}
    means = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    calls = max(s.calls for s in seen)
    others = ", ".join(f"{k} {v}" for k, v in named.items() if k != (made.expected or "none")) or "-"
    return f"| {made.name} | {made.expected or 'none'} | {right} of {SEEDS} | {others} | {means} | {predicted} | {rows} | {calls} |"


def table() -> str:
    """Return one line a world."""
    head = (
        "| world | what is missing | named right | named else | pass, mean over seeds | near examples: predicted / true "
        "| of those predicted to be fixed; of the others | calls at most |"
    )
    return "\n".join([head, "|---|---|--:|---|---|--:|---|--:|", *(line(w) for w in WORLDS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="write results/worlds.md")
    arguments = parser.parse_args()
    about = (__doc__ or "").split("\n", 2)[2].strip()
    text = (
        f"# What is missing, by experiment\n\n{about}\n{ROWS} rows, {SEEDS} seeds, {CALLS} calls a rung.\n\n{table()}"
    )
    print(text)
    if arguments.save:
        (Path(__file__).parent / "results" / "worlds.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
