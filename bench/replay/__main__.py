"""Replay decisions on recorded outcomes of real models: python -m bench.replay [--shared FOLDER] [--climbs 200] [--only SET].

Of each set and model that is recorded, random subsets of 100, 250 and 500 labelled examples (of half the recorded ones at
most) are divided by rung's own split, the baseline is fitted anew in each, prompt, few-shot and tuned answers are looked up by example id, and the
decision code climbs for two goals that are fixed by a rule: the best approach's truth less 3 and less 8 points. Every cell is written to
results/replay.jsonl, none left out; `python -m docs.generate` shows them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.real.record import PLACE
from bench.real.sets import SETS
from bench.replay.baseline import Remembered, embedder
from bench.replay.climbs import BASELINE, RULE, WAYS, WHATS, Said, Subset, climbs, shares_for, sorted_into, subset
from bench.replay.sources import Source, climbed, recorded

RESULTS = Path(__file__).parent / "results" / "replay.jsonl"
SIZES = (100, 250, 500)
BELOW = (3, 8)  # points of the goals below the best approach
MOST = 2  # a subset is at most one in so many of the recorded examples
APART = 3  # from one in so many on, subsets overlap too much for an interval
SPLITS = ("default", "45/15/40", "30/20/50", "10/20/70")
TRUTHS_FROM = 50  # subsets whose baseline answers all examples that it has not learnt from


def sources(shared: Path, labelled: int, rule: str, place: Path = PLACE) -> Iterator[Source]:
    """Yield every model on every set as it is replayed with so many labelled examples."""
    share = 1 - shares_for((BASELINE, "prompt", "fewshot"), labelled, rule).test
    for name, of in SETS.items():
        if (place / f"{name}.json").exists():
            yield from recorded(name, of.pools(shared).asked, round(share * labelled), place)
    yield from climbed(shared)


def subsets(
    source: Source, labelled: int, rule: str, count: int, vectors: Remembered | None
) -> tuple[list[Subset], str]:
    """Return the subsets of a source as a rule divides them, and the shares in words."""
    shares = shares_for((BASELINE, *source.approaches), labelled, rule)
    drawn = [subset(source, labelled, shares, k, vectors, rest=k < TRUTHS_FROM) for k in range(count)]
    return drawn, "/".join(f"{100 * s:.0f}" for s in (shares.train, shares.dev, shares.test))


def truths_of(source: Source, drawn: Sequence[Subset]) -> dict[str, float]:
    """Return the truth of each approach: its mean over all recorded examples, and of the baseline over those that it did not learn from."""
    fitted = [s.baseline.later for s in drawn[:TRUTHS_FROM] if s.baseline is not None]
    known = {name: a.truth for name, a in source.approaches.items()}
    return {BASELINE: sum(sum(f.values()) / len(f) for f in fitted) / len(fitted), **known} if fitted else known


def cells(
    source: Source, labelled: int, rule: str, drawn: Sequence[Subset], divided: str
) -> Iterator[dict[str, object]]:
    """Yield one line for each goal: what every way came to, in shares of the climbs, and its mean regret."""
    truths = truths_of(source, drawn)
    usd = {name: source.approaches[name].usd if name in source.approaches else 0.0 for name in truths}
    for below in BELOW:
        goal = max(truths.values()) - below / 100
        if goal <= 0:
            continue
        right = next(name for name in truths if truths[name] >= goal - 1e-9)
        said = list(climbs(source, truths, goal, drawn))
        ways = {way: _way([s[way] for s in said], truths, goal, usd, usd[right]) for way in WAYS if way in said[0]}
        yield {
            "set": source.set, "model": source.model, "labelled": labelled, "recorded": len(source.examples), "rule": rule,
            "divided": divided, "below": below, "goal": goal, "right": right, "truths": truths, "climbs": len(said), "ways": ways,
        }  # fmt: skip


def _way(
    said: Sequence[Said], truths: Mapping[str, float], goal: float, usd: Mapping[str, float], fair: float
) -> dict[str, float]:
    """Return the shares of WHATS, of claims about what lies more than the tolerance below the goal, and the mean regrets."""
    what, tolerance = Counter(sorted_into(s, truths, goal) for s in said), min(0.02, (1 - goal) / 5)
    n = len(said)
    return {
        **{name: what[name] / n for name in WHATS},
        "wrong": sum(s.named is not None and truths[s.named] < goal - tolerance for s in said) / n,
        "points": 100 * sum(max(0.0, goal - truths[s.used]) for s in said) / n,
        "usd": sum(max(0.0, usd[s.used] - fair) for s in said) / n,
    }


def main(words: Sequence[str] | None = None) -> None:
    """Replay what is recorded and write every cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--climbs", type=int, default=200)
    parser.add_argument("--only", help="one set; the cells of the others stay as they are written")
    args = parser.parse_args(words)
    vectors = embedder(args.shared.resolve() / "models" / "potion-base-4m-int8")
    stored = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    lines = [line for line in stored if args.only and json.loads(line)["set"] != args.only]
    for labelled in SIZES:
        for rule in SPLITS:
            made: dict[tuple[str, str], tuple[list[Subset], str]] = {}
            for source in sources(args.shared, labelled, rule):
                if (
                    args.only not in (None, source.set)
                    or len(source.approaches) < 2
                    or labelled * MOST > len(source.examples)
                ):
                    continue
                key = (source.set, f"{len(source.examples)} {[*source.approaches]}")
                if key not in made:  # the baseline of a set is the same beside every model
                    made[key] = subsets(source, labelled, rule, args.climbs, vectors)
                for cell in cells(source, labelled, rule, *made[key]):
                    lines.append(json.dumps(_rounded(cell)))
                    print(_told(cell), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _told(cell: Mapping[str, object]) -> str:
    shares = cell["ways"][RULE]  # type: ignore[index]
    return " ".join(str(cell[k]) for k in ("set", "model", "labelled", "rule", "below", "right")) + f" {shares}"


if __name__ == "__main__":
    main()
