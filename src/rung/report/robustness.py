"""What approaches lose on changed dev examples, with paired intervals."""

from __future__ import annotations

from collections.abc import Iterator

from rung.report import blocks as b
from rung.report.load import Report
from rung.store.records import Drop, Robustness
from rung.usual_names import shown_name

DECIDES_NOTHING = (
    "Changed in a way that leaves the right answer as it is. These are dev examples, on which the approach was chosen: the loss can look "
    "larger than it is, and decides nothing."
)


def section(report: Report, ids: b.Ids) -> b.Section | None:
    """Return what the best approaches lose on changed dev examples; None where that was not asked for."""
    return b.Section("robustness", "", "Robustness", tuple(_blocks(report))) if report.robustness else None


def _blocks(report: Report) -> Iterator[b.Block]:
    yield b.Bullets([summary(one, one.together) for one in report.robustness if one.together is not None])
    yield b.Text(DECIDES_NOTHING, "intro told")
    heads = (
        "Approach",
        "Change",
        "Examples|",
        "As they are|",
        "Changed|",
        "Drop (95 % CI)|",
        "Worse|",
        "Better|",
        "No score|",
    )
    yield b.table(heads, [
        (shown_name(one.rung), d.change, f"{d.n:,}", f"{d.before:.3f}", f"{d.after:.3f}", f"{d.drop:+.3f} ({d.low:+.3f} to {d.high:+.3f})", f"{d.worse:,}", f"{d.better:,}", f"{d.unanswered:,}")
        for one in report.robustness
        for d in (*([one.together] if one.together is not None else []), *one.drops)
    ])  # fmt: skip
    yield from (
        b.Text(f"{shown_name(one.rung)}: changed examples were not all asked, {left.reason}", "soft small")
        for one in report.robustness
        for left in one.untried
    )


def summary(one: Robustness, drop: Drop) -> str:
    """Say what an approach loses over all changes."""
    shown = "loses" if drop.low > 0 else "gains" if drop.high < 0 else "is not significantly worse or better"
    much = "" if drop.low <= 0 <= drop.high else f" {abs(drop.drop):.3f}"
    return (
        f"{shown_name(one.rung)} {shown}{much} on changed dev examples ({', '.join(d.change for d in one.drops)}): {one.metric} "
        f"{drop.before:.3f} as they are, {drop.after:.3f} changed, drop {span(drop)}."
    )


def span(drop: Drop) -> str:
    """Write a drop with its paired interval."""
    return f"{drop.drop:+.3f} (95 % CI {drop.low:+.3f} to {drop.high:+.3f}, n={drop.n})"
