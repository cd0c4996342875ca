"""Replay decisions on recorded outcomes of real models: python -m bench.replay [--shared FOLDER] [--climbs 200].

Of each set and model that is recorded, random subsets of 100, 250 and 500 labelled examples (of half the recorded ones at
most) are divided by rung's own split, the baseline is fitted anew in each, prompt, few-shot and tuned answers are looked up by example id, and the
decision code climbs for two goals that are fixed by a rule: the best approach's truth less 3 and less 8 points. Every cell is written to
results/replay.jsonl when it is there, none left out, and the same command goes on; `python -m docs.generate` shows them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.decisions.kept import read
from bench.real.record import PLACE
from bench.real.sets import SETS
from bench.replay.baseline import Remembered, embedder
from bench.replay.climbs import BASELINE, RULE, WAYS, WHATS, Said, Subset, climbs, shares_for, sorted_into, subset
from bench.replay.sources import Source, climbed, recorded

RESULTS = Path(__file__).parent / "results"
SIZES = (100, 250, 500)
BELOW = (3, 8)  # points of the goals below the best approach
MOST = 2  # a subset is at most one in so many of the recorded examples
SPLITS = ("default", "45/15/40", "30/20/50", "10/20/70")
TRUTHS_FROM = 30  # subsets whose baseline answers all examples that it has not learnt from


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
    """Replay what is recorded and not replayed yet; every cell is written when it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--climbs", type=int, default=200)
    args = parser.parse_args(words)
    vectors = embedder(args.shared.resolve() / "models" / "potion-base-4m-int8")
    known = {_key(line): line for line in read("replay", RESULTS)}
    found = Found(known)
    for rule in SPLITS:
        for labelled in SIZES:
            made: dict[tuple[str, str], tuple[list[Subset], str]] = {}
            climbs = (
                args.climbs if rule == SPLITS[0] else args.climbs // 3
            )  # the other splits are compared in their mean over cells
            for source in sources(args.shared, labelled, rule):
                if labelled * MOST > len(source.examples) or found.has(source, labelled, rule, climbs):
                    continue
                key = (
                    source.set,
                    f"{len(source.examples)} {shares_for((BASELINE, *source.approaches), labelled, rule)}",
                )
                if key not in made:  # the baseline of a set is the same beside every model
                    made[key] = subsets(source, labelled, rule, climbs, vectors)
                for cell in cells(source, labelled, rule, *made[key]):
                    print(found.add(cell), flush=True)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return line["set"], line["model"], line["labelled"], line["rule"], line["below"]


class Found:
    """The cells that are written, by what they are of."""

    def __init__(self, lines: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> None:
        self._lines = dict(lines)

    def has(self, source: Source, labelled: int, rule: str, climbs: int) -> bool:
        """Whether a source was replayed so often as it is recorded now."""
        written = [self._lines.get((source.set, source.model, labelled, rule, below)) for below in BELOW]
        now = (len(source.examples), climbs, [*source.approaches])
        return all(
            w is not None and (w["recorded"], w["climbs"], [t for t in w["truths"] if t != BASELINE]) == now
            for w in written
        )

    def add(self, cell: Mapping[str, object]) -> str:
        """Write a cell in place of an earlier one; return what it came to."""
        line: Any = _rounded(dict(cell))
        self._lines[_key(line)] = line
        RESULTS.mkdir(exist_ok=True)
        lines = sorted(
            self._lines.values(),
            key=lambda of: (SPLITS.index(of["rule"]), of["labelled"], of["set"], of["model"], of["below"]),
        )
        (RESULTS / "replay.jsonl").write_text("".join(json.dumps(of) + "\n" for of in lines), encoding="utf-8")
        return " ".join(map(str, _key(line))) + f", right is {line['right']}: {line['ways'][RULE]}"


if __name__ == "__main__":
    main()
