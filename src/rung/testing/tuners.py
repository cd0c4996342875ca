"""The promises of `rung.protocols.Tuner` as checks, for built-in recipes and a stranger's.

from rung.testing.tuners import check_tuner
def test_my_recipe(tmp_path):
    check_tuner(MyRecipe, {"epochs": 1}, base, rows, tmp_path)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rung.protocols import Tuner, TuningRun
from rung.testing.conformance import promises
from rung.types import Base, TuningRow, canonical_json

SAFE = {".safetensors", ".json", ".jinja", ".txt", ".model"}


def check_tuner(
    cls: type[Any], settings: Mapping[str, Any], base: Base, rows: Sequence[TuningRow], folder: Path
) -> None:
    """Tune on a few rows and check every promise. Raises Broken with those that were not kept.

    `rows`: eight or more; `folder`: an empty one. Takes as long as a few steps of the recipe on the base.
    """
    with promises(f"tuner {cls.__name__}") as kept:
        tuner: Tuner = cls(**settings)
        kept.that(isinstance(tuner, Tuner), "offers what rung.protocols.Tuner names")
        kept.that(cls(**settings) == tuner, "equal settings make equal recipes")
        variants = tuner.variants(base)
        if not kept.that(bool(variants), "variants() returns the recipe itself first"):
            return
        kept.that(len({v.title for v in variants}) == len(variants), "every variant has a title of its own")
        kept.that(all(canonical_json(dict(v.settings())) for v in variants), "settings() is plain data")
        kept.that(variants == tuner.variants(base), "variants() is deterministic")
        kept.that(tuner.form in ("adapter", "full"), "form is adapter or full")
        need = variants[0].need(base, rows, lambda row: 10)
        kept.that(need.tokens > 0 and bool(need.note), "need() counts tokens and says what was assumed")
        ends = [_run(variants[0], base, rows, folder / name, halfway) for name, halfway in (("a", False), ("b", True))]
        kept.that(ends[0] == ends[1], "a run that goes on from its state ends in the same bytes")
        left = {p.suffix for p in folder.rglob("*") if p.is_file()}
        kept.that(left <= SAFE, f"writes safetensors and JSON only, no {', '.join(sorted(left - SAFE))}")
        texts = [p.read_text(encoding="utf-8") for p in folder.glob("?-out/*.json")]
        kept.that(
            not any(str(folder) in t or base.weights in t for t in texts if "/" in base.weights), "writes no path"
        )


def _run(tuner: Tuner, base: Base, rows: Sequence[TuningRow], place: Path, halfway: bool) -> dict[str, str]:
    """Return the hashes of what a run writes; with `halfway` it is broken off and taken up again."""
    run: TuningRun = tuner.start(base, rows, place / "state", 5)
    last = min(4, run.steps)
    if halfway:
        run.train(last // 2, lambda _: None)
        run.save()
        run.close()
        run = tuner.start(base, rows, place / "state", 5)
    run.train(last, lambda _: None)
    out = place.with_name(f"{place.name}-out")
    out.mkdir(parents=True)
    run.write(out)
    run.close()
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir())}
