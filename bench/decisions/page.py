"""docs/decisions.md for a reader who decides, and its appendix with every cell, from the measured results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.decisions.kept import read

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

Worlds whose right answer is known by construction are climbed many times with rung's own code, on outcomes that are drawn instead of asked. *Right*: the run ends at the right approach (or says
that none is). *Too far*: at one above it, which costs money. *Too early*: at one below, which is not good enough, or at the dearer of two equals. *Inconclusive*: it says so, and how many examples would decide.
Every cell, and how it was measured: [the appendix](decisions-cells.md).
"""

MAIN = """## By distance from the goal

All {kinds} kinds of world, the impossible and the trivial ones among them, {climbs} climbs a cell; percent. At margin m the right approach is m above the goal of .90 and the next one below m beneath .88.
n counts *test* examples: where an approach is tuned, as in most of these worlds, it is 40 % of the labelled ones. Alpha follows dev. With 250 *labelled* examples, nothing tuned and truths .92 / .93 / .95 it is right in 43 / 64 / 96 % and
inconclusive in 57 / 36 / 4 % (before: 36 / 53 / 88 and 64 / 47 / 12; [the log](log.md), "Split by need").
"""

LABELLED = """## By labelled examples, where nothing is tuned

250 labelled examples, goal .90, a prompt of five candidates, examples of three, passages; {climbs} climbs a row through the ladder's own code (`python -m bench.decisions.labelled`); percent. *Before*: 45 % train,
15 % dev, 40 % test, alpha divided equally. *Now*: shares by need, alpha by dev, and what learns from rows learns from dev, too, before the test.
"""

EQUAL = """## Two equal models at different prices

`objective: cheapest`, the dearer one first, both truly .95, {climbs} climbs a row; percent of the climbs that name a winner (`python -m bench.decisions.labelled equal`).
"""

SECTIONS_OF_THE_DESIGN = """## What can mislead a verdict, and the simulated task of each

The numbers are those of the design's second edition (section 8), under which the log and the code name them.

| | what misleads | simulated by | figures |
|---|---|---|---|
| 8.1 | a cheaper approach over a limit keeps the only one within it from being named | `bench.decisions.gates` | [below](#through-the-whole-ladder) |
| 8.2 | requests without an answer counted as wrong | `bench.decisions.gates` | [below](#through-the-whole-ladder) |
| 8.3 | near-duplicates counted as independent | `bench.decisions.gates`, `faults 8.3` | [below](#through-the-whole-ladder), [the log](log.md) |
| 8.4 | a tolerance larger than the errors that the goal allows | `faults 8.4` (exact) | [the log](log.md) |
| 8.5 | one average hides the class that matters | `bench.decisions.former`, `claims` | [below](#through-the-whole-ladder), [the appendix](decisions-cells.md#a-class-that-matters) |
| 8.6 | few test examples, and alpha where it cannot decide | `bench.decisions.former`, `faults 8.6`, `faults 8.6i`, `labelled` | [above](#by-distance-from-the-goal), [below](#through-the-whole-ladder), [the log](log.md) |
| 8.7 | a free second look at more test examples | `bench.decisions.former`, `looks` | [below](#through-the-whole-ladder), [the appendix](decisions-cells.md#more-test-examples-later) |
| 8.8 | many runs on one test set | `faults 8.8` | [the log](log.md) |
| 8.9 | nothing is shown, and something has to be used now | `bench.decisions.bets` | [statistics](statistics.md#the-question-and-why-it-has-three-answers) |
| 8.10 | what changes with time, under a division at random | `bench.decisions.former`, `faults 8.10` | [below](#through-the-whole-ladder), [statistics](statistics.md#by-time) |
| 8.11 | labels that are wrong in a way that can be learnt | `bench.decisions.former`, `noise` | [below](#labels-that-are-wrong-in-a-way-that-can-be-learnt) |
| 8.12 | figures that leave out the hard worlds | all kinds, sizes and outcomes stand in the table above | [the appendix](decisions-cells.md) |

No test on the given labels shows 8.11, paraphrased leaks, or failures left out of the score (`failure_score: null`): the verdict then carries the warning.
"""

GATES = """## Through the whole ladder

Climbs with the ladder's own code, goal .90; percent of climbs in which it happens. *Before*: the code of commit e6a5761 ({before} climbs a line for 8.1 to 8.3, {former} for the others); *now*: {climbs} and {former} (`python -m bench.decisions.gates`,
`python -m bench.decisions.former`). For 8.5 *now* is with a floor on the recall of fraud, for 8.11 after people compared 30 pairs.
"""

NOISE = """## Labels that are wrong in a way that can be learnt

A prompt and a tuned model, goal .90; the tuned model gives the wrong label in nine of ten such examples, the prompt never. People err in one pair of twenty. {climbs} climbs a row; percent that name fine-tuning (`python -m bench.decisions.noise`).
In all climbs in which the labels alone name it, the verdict asks for the pairs.
"""

TAIL = """## What follows

- Wrong claims are rare everywhere. What few examples cost is *inconclusive*, and a cheap approach too far: climbing on through *inconclusive* costs calls, never a training run.
- Where nothing is tuned, 250 labelled examples are enough for a prompt that is 5 points above the goal, and mostly not for one that is 2 points above it.
- One average hides the class that matters: where one payment in ten is fraud, a goal on right answers names an approach that misses two frauds in three, in all climbs. With a floor on its recall the right one is named in 53 / 93 %
  at 350 / 700 test examples, with macro F1 as the goal in 97 / 99 %.
- More test examples for an inconclusive run decide honestly in 71 to 75 % where the truth is two points above the goal; a free second look doubles the wrong claims.
- A tentative pick is a hint. From margin .04 on, and at n = 1,000 from .02 on, it hardly ever points too low; nearer to the goal, or with 100 rows, it does often.
"""

CELLS = """# Every cell of "how often the advice is right"

The appendix of [decisions.md](decisions.md), written from `bench/decisions/results/decisions.json`; that run took {minutes:.0f} CPU-minutes. `make bench-decisions` measures anew.

**What is climbed.** The code that decides is rung's own: `rung.ladder`'s steps and stop rules, the races of candidates on dev, curtailment on test,
the three-way rule, paired comparisons, few-shot's choice and the verdict. Its outcomes come from memory instead of models: each candidate of each
rung has a true quality, rows are hard or easy for all of them alike (two equal rungs at .90 disagree on 13 % of rows, candidates of one rung on
fewer). A part of the climbs is made a second time through `rung.climb`, with files, cache, money, a sealed test set, the
fake model and plugins that come in by entry points: {agreed} of {replays} came to the same verdict, tentative pick, rows needed, choices and number of calls.

**What a margin is.** Goal .90, tolerance .02, K = 5 (3 by the cheaper alternative), `min_gain` .02. At margin m the right rung and those above it are truly at .90 + m
(at most .99), the rung below it at .88 - m: good, and not good, by m. At margin 0 both stand at the very edge of what the rule promises. n is the number of test rows;
dev has 0.375 n, training 1.125 n. With too few rows (a tenth of n) inconclusive is right, too.
"""


def page() -> str:
    """Return the page for a reader who decides."""
    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    parts = [
        HEAD,
        *_main(data),
        *_labelled(),
        *_equal(),
        SECTIONS_OF_THE_DESIGN,
        *_gates(),
        *_noise(),
        *_checks(data),
        TAIL,
    ]
    return "\n".join(parts)


def cells_page() -> str:
    """Return the appendix: every cell."""
    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    head = CELLS.format(
        minutes=data["cpu_seconds"] / 60, agreed=sum(r["agree"] for r in data["replays"]), replays=len(data["replays"])
    )
    more = [line for section in SECTIONS for line in section.lines()]
    return "\n".join([head, *_curves(data), *_leans(data), *_calls(data), *_worst(data), *_published(data), *more])


def _main(data: dict[str, Any]) -> Iterator[str]:
    cells = data["curves"]
    margins, sizes = sorted({c["margin"] for c in cells}), sorted({c["n"] for c in cells})
    yield MAIN.format(kinds=len({c["kind"] for c in cells}), climbs=min(c["climbs"] for c in cells))
    yield "Right / too far / too early / inconclusive:\n"
    yield _row(["test examples", *(f"margin {m:g}" for m in margins)])
    yield "|---|" + "--:|" * len(margins)
    for n in sizes:
        shown = []
        for m in margins:
            of = [c["shares"].values() for c in cells if (c["n"], c["margin"]) == (n, m)]
            shown.append(" / ".join(f"{100 * sum(v) / len(of):.0f}" for v in zip(*of, strict=True)))
        yield _row([f"{n:,}", *shown])
    yield ""


@dataclass(frozen=True)
class Section:
    """A table of kept figures: what stands above it, and per column its heading and the key of the figure; shares become percent."""

    name: str
    text: str
    columns: Mapping[str, str]

    def lines(self) -> Iterator[str]:
        """Yield the section; nothing where its bench has never run."""
        kept = read(self.name)
        if not kept:
            return
        yield self.text.format(climbs=f"{kept[0]['climbs']:,}")
        yield _row(list(self.columns))
        yield "|---|" + "--:|" * (len(self.columns) - 1)
        for line in kept:
            yield _row(
                [f"{100 * v:.1f}" if isinstance(v := line[key], float) else str(v) for key in self.columns.values()]
            )
        yield ""


SECTIONS = (
    Section(
        "beside",
        """## As good as what runs now

What runs now is truly at .90 and dear, the margin is .05; a prompt and examples stand so much above or below it. {climbs} climbs a row; percent (`python -m bench.decisions.beside`). *Score as the goal* is what people do by hand: its
score becomes the goal of the others.
""",
        {"simulated task": "world", "test examples": "n", "rule": "rule", "right": "right", "wrong": "wrong", "inconclusive": "inconclusive"},
    ),
    Section(
        "frontier",
        """## All of them measured

`objective: frontier` beside stopping at the first: five equal approaches, {climbs} climbs a row (`python -m bench.decisions.frontier`). At .88 every *meets* is wrong, and everywhere every difference; percent.
""",
        {"simulated task": "world", "test examples": "n", "objective": "objective", "some meets": "meets", "some differ": "differ"},
    ),
    Section(
        "claims",
        """## A class that matters

Of the payments one in ten is fraud; three approaches, of which the first finds 32 % of the frauds, the second 75 %, the third 98 %, and all are right in more than nine of ten. *Right* is to name the third. {climbs} climbs a row;
percent (`python -m bench.decisions.claims`).
""",
        {
            "what is asked": "rule", "test examples": "test", "right": "right", "too early": "too early", "none named": "none",
            "all exactly at the limit, and one is named": "all at the limit: one is named",
        },
    ),
    Section(
        "looks",
        """## More test examples later

A prompt, examples and passages, goal .90; 160 test examples, and as many again where no approach meets the goal. At .88 every *meets* is wrong, at .90 and above every *misses*. {climbs} climbs a row; percent
(`python -m bench.decisions.looks`; [what the ways are](statistics.md#more-test-examples)).
""",
        {"truth": "truth", "way": "way", "meets": "meets", "misses": "misses", "inconclusive": "inconclusive"},
    ),
)  # fmt: skip


def _labelled() -> Iterator[str]:
    lines = read("labelled")
    if not lines:
        return
    yield LABELLED.format(climbs=f"{lines[0]['climbs']:,}")
    yield _row(["world", "rule", "train / dev / test", "right", "inconclusive", "wrong *meets*"])
    yield "|---|---|---|--:|--:|--:|"
    for line in lines:
        shares = [f"{100 * line[what]:.0f}" for what in ("right", "inconclusive")]
        yield _row([line["world"], line["rule"], line["split"], *shares, f"{100 * line['wrong']:.1f}"])
    yield ""


def _equal() -> Iterator[str]:
    lines = read("equal")
    if not lines:
        return
    yield EQUAL.format(climbs=f"{lines[0]['climbs']:,}")
    yield _row(["test examples", "rule", "names a winner", "of these the cheaper one"])
    yield "|--:|---|--:|--:|"
    for line in lines:
        yield _row([f"{line['n']:,}", line["rule"], f"{100 * line['named']:.0f}", f"{100 * line['cheaper']:.0f}"])
    yield ""


def _gates() -> Iterator[str]:
    lines, others, before = read("gates"), read("former"), read("gates_before")
    if not lines or not others or not before:
        return
    sizes = {"climbs": lines[0]["climbs"], "former": others[0]["climbs"], "before": before[0]["climbs"]}
    yield GATES.format(**{name: f"{count:,}" for name, count in sizes.items()})
    yield _row(["", "simulated task", "counted", "examples", "before", "now"])
    yield "|---|---|---|--:|--:|--:|"
    for line in [*lines, *others]:
        shares = ["" if line[what] is None else f"{100 * line[what]:.0f}" for what in ("before", "now")]
        size = line.get("size") or f"{line['test']:,} test"
        yield _row([line["section"], line["world"], line["counted"], size, *shares])
    yield ""


def _noise() -> Iterator[str]:
    lines = read("noise")
    if not lines:
        return
    yield NOISE.format(climbs=f"{lines[0]['climbs']:,}")
    yield _row(["simulated task", "true gain, points", "test examples", "by the labels", "after 30 pairs"])
    yield "|---|--:|--:|--:|--:|"
    for line in lines:
        shares = [f"{100 * line[what]:.0f}" for what in ("named by the labels", "named after 30 pairs")]
        yield _row([line["world"], f"{100 * line['true gain']:+.1f}", f"{line['test']:,}", *shares])
    yield ""


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
