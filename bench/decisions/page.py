"""docs/decisions.md from the measured results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "decisions.json"

# Design, section 2, of docs/statistics.md ("design" column there): percent at n = 200, 400, 1000.
TABLE = {
    ("prompt at +0.03", "right"): (47, 81, 100),
    ("prompt at +0.03", "too far"): (37, 18, 0),
    ("prompt at +0.01", "right"): (12, 27, 76),
    ("prompt at +0.01", "too far"): (25, 39, 22),
    ("only tuning reaches it (0.94)", "right"): (62, 96, 100),
    ("nothing reaches it", "right"): (79, 97, 100),
    ("every rung at g - t: wrong met", "wrong met"): (3.4, 1.8, 3.3),
    ("retrieval at goal, tuned 0.97: false fine-tune", "false tuning"): (5.0, 4.1, 5.2),
}

HEAD = """# How often the advice is right

Worlds are made whose right stopping rung is known by construction, and climbed many times. This page is written from
`bench/decisions/results/decisions.json` by `python -m docs.generate`; this run took {minutes:.0f} CPU-minutes; `make bench-decisions` measures anew, with 200 climbs
a cell unless told otherwise.

**What is climbed.** The code that decides is rung's own: `rung.ladder`'s steps and stop rules, the races of candidates on dev, curtailment on test,
the three-way rule, paired comparisons, few-shot's choice and the verdict. Its outcomes come from memory instead of models: each candidate of each
rung has a true quality, rows are hard or easy for all of them alike (two equal rungs at .90 disagree on 13 % of rows, candidates of one rung on
fewer). A part of the climbs is made a second time through `rung.climb`, with files, cache, money, a sealed test set, the
fake model and plugins that come in by entry points: {agreed} of {replays} came to the same verdict, tentative pick, rows needed, choices and number of calls.

**What a margin is.** Goal .90, tolerance .02, K = 5 (3 by the cheaper alternative), `min_gain` .02. At margin m the right rung and those above it are truly at .90 + m
(at most .99), the rung below it at .88 - m: good, and not good, by m. At margin 0 both stand at the very edge of what the rule promises. n is the number of test rows;
dev has 0.375 n, training 1.125 n.

**What the words mean.** *Right*: the climb stops at the right rung (where none is: it says that none is). *Too far*: it stops above, or says that none
is good enough. *Too early*: it stops below, at a rung that is not good enough, or keeps the dearer of two equal models. *Undecided*: it says so, with the rows that would decide. With too few rows
(a tenth of n) inconclusive is right, too.
"""

TAIL = """## What follows

- Wrong claims are rare everywhere: see the checks. What a small margin or a small test set costs is *inconclusive*, and a cheap rung too far.
- One rung too far is the price of climbing on through *inconclusive* to rungs that train nothing: it costs calls, not a training run.
- A tentative pick is a hint. From margin .04 on, and at n = 1,000 from .02 on, it hardly ever points too low; nearer to the goal, or with 100 rows, it does often.
- The cheaper alternative asks for more rows than the first: "not worse by more than .02" takes about 770 rows where 5 % of them differ.
- At n = 400 the exact power of the rule itself, 4 points above and 6 below the goal, is what keeps well separated worlds near 95 %: where only tuning
  is right both claims must be shown, which allows 93 %. `rung plan` says so before money is spent.
"""


def page() -> str:
    """Return the page; a note where nothing was measured yet."""
    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    head = HEAD.format(
        minutes=data["cpu_seconds"] / 60, agreed=sum(r["agree"] for r in data["replays"]), replays=len(data["replays"])
    )
    parts = [head, *_curves(data), *_leans(data), *_calls(data), *_worst(data), *_published(data), *_checks(data), TAIL]
    return "\n".join(parts)


def _curves(data: dict[str, Any]) -> Iterator[str]:
    cells = data["curves"]
    margins = sorted({c["margin"] for c in cells})
    fewest, most = (f(c["climbs"] for c in cells) for f in (min, max))
    more = f" ({most} where the worlds are well separated)" if most > fewest else ""
    yield f"## Operating curves\n\nRight / too far / too early / inconclusive, percent of {fewest} climbs a cell{more}.\n"
    for n in sorted({c["n"] for c in cells}):
        yield f"**n = {n:,}**\n"
        yield _row(["world", *(f"margin {m:g}" for m in margins)])
        yield "|---|" + "--:|" * len(margins)
        for kind in dict.fromkeys(c["kind"] for c in cells):
            row = [next(c for c in cells if (c["kind"], c["margin"], c["n"]) == (kind, m, n)) for m in margins]
            yield _row([kind, *(" / ".join(f"{100 * v:.0f}" for v in c["shares"].values()) for c in row)])
        yield ""


def _leans(data: dict[str, Any]) -> Iterator[str]:
    cells = data["curves"]
    yield "## The tentative pick\n\nMean over all kinds: inconclusive climbs, and of all climbs those that are inconclusive and lean to the right rung / one too low / one too high, percent.\n"
    margins, sizes = sorted({c["margin"] for c in cells}), sorted({c["n"] for c in cells})
    yield _row(["n", *(f"margin {m:g}" for m in margins)])
    yield "|---|" + "--:|" * len(margins)
    for n in sizes:
        shown = []
        for m in margins:
            of = [c for c in cells if (c["n"], c["margin"]) == (n, m) and c["kind"] != "too few rows"]
            mean = [sum(v) / len(of) for v in zip(*(c["leans"].values() for c in of), strict=True)]
            inconclusive = sum(c["shares"]["inconclusive"] for c in of) / len(of)
            shown.append(f"{100 * inconclusive:.0f}: " + " / ".join(f"{100 * v:.0f}" for v in mean))
        yield _row([f"{n:,}", *shown])
    yield ""


def _calls(data: dict[str, Any]) -> Iterator[str]:
    cells = data["curves"]
    sizes = sorted({c["n"] for c in cells})
    yield "## Calls\n\nCalls of a climb on dev and test, mean over the margins, and their share of asking every candidate of every rung for every dev and test row.\n"
    yield _row(["world", *(f"n = {n:,}" for n in sizes)])
    yield "|---|" + "--:|" * len(sizes)
    for kind in dict.fromkeys(c["kind"] for c in cells):
        shown = []
        for n in sizes:
            of = [c for c in cells if (c["kind"], c["n"]) == (kind, n)]
            calls, share = sum(c["calls"] for c in of) / len(of), sum(c["share_of_calls"] for c in of) / len(of)
            shown.append(f"{calls:,.0f} ({share:.2f})")
        yield _row([kind, *shown])
    yield ""


def _worst(data: dict[str, Any]) -> Iterator[str]:
    if not data["worst"]:
        return
    yield f"## Wrong claims where they are likeliest\n\nMargin 0, {data['worst'][0]['climbs']:,} climbs a cell, percent.\n"
    yield _row(["world", "n", "false fine-tune", "wrong met"])
    yield "|---|--:|--:|--:|"
    for c in data["worst"]:
        yield _row([c["kind"], f"{c['n']:,}", f"{100 * c['false_tuning']:.1f}", f"{100 * c['wrong_met']:.1f}"])
    yield ""


def _published(data: dict[str, Any]) -> Iterator[str]:
    cells = data["published"]
    if not cells:
        return
    yield f"## The design's own worlds\n\nOne candidate a rung, {cells[0]['climbs']:,} climbs a cell through the whole ladder; percent, with the design's figure beside it.\n"
    yield _row(["world", "", "n = 200", "n = 400", "n = 1,000"])
    yield "|---|---|--:|--:|--:|"
    for (kind, what), expected in TABLE.items():
        of = sorted((c for c in cells if c["kind"] == kind), key=lambda c: c["n"])
        got = [
            {"wrong met": c["wrong_met"], "false tuning": c["false_tuning"]}.get(what, c["shares"].get(what))
            for c in of
        ]
        yield _row([kind, what, *(f"{100 * g:.1f} ({e:g})" for g, e in zip(got, expected, strict=True))])
    yield ""


def _checks(data: dict[str, Any]) -> Iterator[str]:
    yield "## Checks\n"
    for check in data["checks"]:
        yield f"- {'**holds**' if check['held'] else '**does not hold**'}: {check['claim']} ({check['figures']})."
    yield ""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
