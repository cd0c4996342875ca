"""What approaches lose on changed dev examples, in sentences: the same for the terminal and Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rung.report.load import Report
from rung.store.records import Drop, Robustness
from rung.usual_names import shown_name

DECIDES_NOTHING = (
    "Changed in a way that leaves the right answer as it is. These are dev examples, on which the approach was chosen: the loss can look "
    "larger than it is, and decides nothing."
)


def robustness_lines(report: Report) -> Iterator[str]:
    """Yield what each approach that was asked loses over all changes, by change, and what could not be asked."""
    for one in report.robustness:
        if one.together is not None:
            yield summary(one, one.together)
        yield from (f"{shown_name(one.rung)}, {line(drop)}" for drop in one.drops)
        yield from (
            f"{shown_name(one.rung)}: changed examples were not all asked, {left.reason}" for left in one.untried
        )
    if report.robustness:
        yield DECIDES_NOTHING


def summary(one: Robustness, drop: Drop) -> str:
    """Say what an approach loses over all changes."""
    shown = "loses" if drop.low > 0 else "gains" if drop.high < 0 else "is not significantly worse or better"
    much = "" if drop.low <= 0 <= drop.high else f" {abs(drop.drop):.3f}"
    return (
        f"{shown_name(one.rung)} {shown}{much} on changed dev examples ({', '.join(d.change for d in one.drops)}): {one.metric} "
        f"{drop.before:.3f} as they are, {drop.after:.3f} changed, drop {span(drop)}."
    )


def line(drop: Drop) -> str:
    """Say what one change costs."""
    left = f"; {drop.unanswered} without a score" if drop.unanswered else ""
    return f"{drop.change}: {drop.before:.3f} to {drop.after:.3f}, drop {span(drop)}; {drop.worse} worse, {drop.better} better{left}"


def span(drop: Drop) -> str:
    """Write a drop with its paired interval."""
    return f"{drop.drop:+.3f} (95 % CI {drop.low:+.3f} to {drop.high:+.3f}, n={drop.n})"
