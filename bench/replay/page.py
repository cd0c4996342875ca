"""The record and the replays as Markdown tables, from what is written beside this file and by `bench.real.record`."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.decisions.kept import read
from bench.real.four import STEPS
from bench.real.record import PLACE
from bench.real.sets import SETS
from bench.replay.climbs import RULE, WAYS, WHATS
from bench.replay.published import BELOW, CASES, DISCORDANCE
from rung.stats.estimate import interval_mean
from rung.stats.paired import compare_paired
from rung.types import rate
from rung_nano.fetched import MODELS

RESULTS = Path(__file__).parent / "results"
APART = 3  # a subset of more than one in so many of the recorded examples: subsets overlap too much for an interval
TOLD = 0.5  # below this share of replays the source's reading could not have been told


def parts() -> dict[str, str]:
    """Return the tables by the names that docs/real.md marks their places with."""
    return {lines.__name__: "\n".join(lines()) for lines in (record, against, replay, splits, published)}


def record(place: Path = PLACE) -> Iterator[str]:
    """Yield what is recorded: one row an approach, the truth of the replays."""
    yield _row(["set", "model", "approach", "fitted on", "n", "score (95 % CI)", "tokens in, out", "chosen"])
    yield "|---|---|---|--:|--:|---|--:|---|"
    for name in SETS:
        file = place / f"{name}.json"
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"] if file.exists() else {}
        for key, cell in sorted(
            cells.items(), key=lambda item: (item[0].split("/")[0], [*STEPS].index(item[0].split("/")[1]), item[0])
        ):
            model, approach, pool = key.split("/")
            n = len(cell["score"])
            into, out = (sum(cell[f"{way}_tokens"]) / n for way in ("input", "output"))
            score = interval_mean(cell["score"])
            shown = f"{_short(score.mean)} ({_short(score.low)} to {_short(score.high)})"
            title = MODELS[model].title if model in MODELS else model
            yield _row(
                [name, title, STEPS[approach][0], pool, str(n), shown, f"{into:.0f}, {out:.0f}", cell["candidate"]]
            )


def against(place: Path = PLACE) -> Iterator[str]:
    """Yield each small tuned model beside each larger prompted one on the examples of a set that both answered."""
    yield _row(
        [
            "set",
            "small, tuned",
            "large, prompted",
            "n",
            "tuned",
            "prompted",
            "difference (95 % CI)",
            "p",
            "tokens a request",
        ]
    )
    yield "|---|---|---|--:|--:|--:|---|--:|--:|"
    sizes = list(MODELS)  # from the smallest model to the largest
    for name in SETS:
        file = place / f"{name}.json"
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"] if file.exists() else {}
        keys = [key.split("/") for key in sorted(cells)]
        for small, large in itertools.product(keys, keys):
            if small[1] != "finetune" or large[1] == "finetune" or sizes.index(large[0]) <= sizes.index(small[0]):
                continue
            tuned, asked = cells["/".join(small)], cells["/".join(large)]
            n = min(len(tuned["score"]), len(asked["score"]))
            found = compare_paired(asked["score"][:n], tuned["score"][:n])
            gain = f"{found.gain:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
            tokens = " against ".join(f"{sum(c['input_tokens'][:n]) / n:.0f}" for c in (tuned, asked))
            titles = [MODELS[small[0]].title, f"{MODELS[large[0]].title}, {STEPS[large[1]][0]}"]
            means = [_short(sum(c["score"][:n]) / n) for c in (tuned, asked)]
            yield _row([name, *titles, str(n), *means, gain, f"{found.p_value:.2g}", tokens])


def replay() -> Iterator[str]:
    """Yield every cell that was replayed by rung's own split: how rung ended, and each simpler way."""
    lines = [c for c in read("replay", RESULTS) if c["rule"] == "default"]
    yield _row(
        [
            "set",
            "model",
            "labelled",
            "goal",
            "right is",
            *(f"{what} %" for what in WHATS),
            "wrong %",
            "points",
            *WAYS[1:],
        ]
    )
    yield "|---|---|--:|--:|---|" + "--:|" * (len(WHATS) + 2 + len(WAYS) - 1)
    for c in lines:
        ways, few = c["ways"], c["labelled"] * APART > c["recorded"]
        own = ways[RULE]
        cells = [f"{100 * own[what]:.0f}" for what in (*WHATS, "wrong")]
        others = [_way(ways.get(way)) for way in WAYS[1:]]
        size = f"{c['labelled']} of {c['recorded']}" + ("*" if few else "")
        yield _row(
            [
                c["set"],
                _title(c["model"]),
                size,
                f"{_short(c['goal'])} (-{c['below']})",
                STEPS[c["right"]][0],
                *cells,
                f"{own['points']:.1f}",
                *others,
            ]
        )


def splits() -> Iterator[str]:
    """Yield how rung ended under other ways of dividing the examples, beside the default on the same sets, models and goals."""
    found = {(c["labelled"], c["rule"], c["set"], c["model"], c["below"]): c for c in read("replay", RESULTS)}
    yield _row(
        [
            "labelled",
            "train / dev / test",
            "cells",
            "right %",
            "inconclusive %",
            "wrong %",
            "points",
            "words alone, truth",
        ]
    )
    yield "|--:|---|--:|" + "--:|" * 5
    for labelled, rule in dict.fromkeys((c[0], c[1]) for c in found if c[1] != "default"):
        pairs = [(c, found[labelled, "default", *key[2:]]) for key, c in found.items() if key[:2] == (labelled, rule)]
        ways = [tuple(c["ways"][RULE] for c in pair) for pair in pairs]
        shown = [
            _beside([(100 * a[what], 100 * b[what]) for a, b in ways], 0) for what in ("right", "inconclusive", "wrong")
        ]
        words = [(a["truths"]["baseline"], b["truths"]["baseline"]) for a, b in pairs]
        yield _row(
            [
                f"{labelled}",
                rule,
                f"{len(pairs)}",
                *shown,
                _beside([(a["points"], b["points"]) for a, b in ways], 1),
                _beside(words, 2),
            ]
        )


def _beside(pairs: Sequence[tuple[float, float]], places: int) -> str:
    """Return two means, the default's in brackets."""
    own, default = (_mean([pair[at] for pair in pairs]) for at in (0, 1))
    return f"{own:.{places}f} ({default:.{places}f})"


def published() -> Iterator[str]:
    """Yield the published comparisons: what they are cited for, and how often rung would have said so."""
    lines = {(c["case"], c["below"], c["discordance"]): c for c in read("published", RESULTS)}
    if not lines:
        return
    yield _row(["", "comparison", "n", "cited for", *(f"goal best - {b}: said so, %" for b in BELOW), "else", "source"])
    yield "|--:|---|--:|---|--:|--:|---|---|"
    for case in CASES:
        found = [
            [lines[case.number, b, d] for d in DISCORDANCE] for b in BELOW if (case.number, b, DISCORDANCE[0]) in lines
        ]
        size = "" if case.n is None else f"{case.n:,}" + ("" if case.sure else "†")
        head = [case.number, case.title, size, " or ".join(case.reading)]
        if not found:
            yield _row([*head, "", "", f"not replayed: {case.why}", case.source])
            continue
        said = [" / ".join(f"{100 * c['read']:.0f}" for c in at) for at in found]
        yield _row([*head, *said, _else(case.reading, [c for at in found for c in at]), case.source])
    yield ""
    yield _untold(list(lines.values()))


def _untold(lines: Sequence[Mapping[str, Any]]) -> str:
    """Say in which cases rung could not have told what they are cited for, at the goal next to the best."""
    titles, low = {case.number: case.title for case in CASES}, []
    for number in titles:
        of = [c["read"] for c in lines if c["case"] == number and c["below"] == BELOW[0]]
        low += [f"{number} ({titles[number]})"] if of and _mean(of) < TOLD else []
    return f"At a goal {BELOW[0]} points below the best, `rung` would in most draws not have said what these are cited for: {'; '.join(low)}."


def _else(reading: Sequence[str], cells: Sequence[Mapping[str, Any]]) -> str:
    """Return what was said otherwise, most often first."""
    other: dict[str, float] = defaultdict(float)
    for c in cells:
        for name, share in c["said"].items():
            if name not in reading:
                other[name] += share / len(cells)
    told = sorted(((share, name) for name, share in other.items() if share >= 0.05), reverse=True)
    return ", ".join(f"{name} {100 * share:.0f} %" for share, name in told)


def _way(found: Mapping[str, float] | None) -> str:
    """Return how often a simpler way was right, and what it cost: points below the goal, dollars per 1,000 requests above need."""
    if found is None:
        return "not recorded"
    return f"{100 * found['right']:.0f} %, {found['points']:.1f}, ${found['usd']:.3f}"


def _title(model: str) -> str:
    return MODELS[model].title.removesuffix("-Instruct") if model in MODELS else model


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _short(value: float) -> str:
    return rate(value).removeprefix("0")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
