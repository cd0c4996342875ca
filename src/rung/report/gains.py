"""What a comparison says in words: claim, failures fixed, missed quality regained."""

from __future__ import annotations

from collections.abc import Iterator

from rung import plugins
from rung.decide.wording import difference
from rung.report.blocks import (
    Block,
    Column,
    Drawing,
    Ids,
    Row,
    Section,
    Table,
    Text,
    Words,
    bold,
    columns,
    small,
    soft,
    status,
)
from rung.report.charts import share_bar, wins_and_losses
from rung.report.figures import count, p_values, percent, signed, span
from rung.report.load import Report
from rung.types import TRANSPORT, Comparison
from rung.usual_names import shown_name


def section(report: Report, ids: Ids) -> Section:
    """Return the paired differences between approaches."""
    return Section("gains", "Gains", "What each approach fixed", tuple(_blocks(report)))


def _blocks(report: Report) -> Iterator[Block]:
    if not report.comparisons:
        one = len(report.measured) == 1
        yield Text(
            "Only one approach was measured: there is nothing to compare."
            if one
            else "No pair of approaches was compared.",
            "empty",
        )
        return
    yield Text(
        INTRO[
            "as_good_as"
            if report.task.as_good_as is not None
            else "frontier"
            if report.task.objective == "frontier"
            else "ladder"
        ],
        "intro",
    )
    most = max((max(c.wins, c.losses) for c in report.comparisons), default=1)
    heads = columns(
        "First over second",
        "Difference",
        "Gain|",
        "95 % CI|",
        Column("Losses and wins", "barcell", ""),
        "Significance",
        "Effect",
    )
    yield Table(heads, [_row(report, pair, most, i) for i, pair in enumerate(report.comparisons)])


PAIRED = ", on the same test examples. Wins are examples that the first does better, losses those that it does worse. P-values are corrected over all"
INTRO = {
    "as_good_as": f"Each approach and what runs now{PAIRED} pairs that were planned.",
    "frontier": f"Along the frontier, and what is beaten with what beats it{PAIRED} pairs of planned approaches.",
    "ladder": f"Neighbouring approaches{PAIRED} pairs that were planned.",
}


def _row(report: Report, pair: Comparison, most: int, number: int) -> Row:
    better = "meets" if pair.gain > 0 else "misses"
    state = better if pair.p_adjusted < report.task.alpha else "inconclusive"
    cells: tuple[Words, ...] = (
        (shown_name(pair.upper), " ", soft("over"), f" {shown_name(pair.lower)}"),
        (status(state, claim(report, pair)), small(pair.method)),
        bold(signed(pair.gain)),
        f"{span(pair.low, pair.high)} (n={count(pair.n)})",
        Drawing(wins_and_losses(pair.wins, pair.losses, most), f"{pair.losses} losses, {pair.wins} wins"),
        p_values(pair),
        _fixed_cell(report, pair),
    )
    return Row(cells, f"pair-{number}")


def _fixed_cell(report: Report, pair: Comparison) -> Words:
    """Say what the first made good of what the second missed, with a bar and what teams say by hand."""
    said, regained = said_to_fix(pair.upper), regained_of(report, pair)
    share = regained if regained is not None else pair.fixed_share
    if share is None:
        return fixed(report, pair)
    of = fixed_of(report, pair)
    below = [f"folklore says {percent(said)} (tick)"] if said else []
    if regained is not None and pair.fixed_share is not None:
        below.append(f"wholly right now: {percent(pair.fixed_share)} of the examples that were not")
    words = f"{fixed(report, pair)}{f' ({of})' if of else ''}"
    return (Drawing(share_bar(max(share, 0.0), said, words), ""), words, *map(small, below))


def said_to_fix(label: str) -> float | None:
    """Return the share of the failures below that people say a rung fixes; None where nothing is said."""
    name = label.split("@")[0]
    return plugins.rung_type(name).said_to_fix if name in plugins.available("rungs") else None


def usual(label: str) -> str:
    """Return what teams see by hand, cost and time; empty for a rung that is not installed."""
    name = label.split("@")[0]
    return ", ".join(plugins.rung_type(name).usual_cost) if name in plugins.available("rungs") else ""


def claim(report: Report, pair: Comparison) -> str:
    """Say what a comparison shows."""
    return difference(pair, report.task.alpha)


def fixed_of(report: Report, pair: Comparison) -> str:
    """Write "41 of 98" where the rows lower got wrong can be counted: 0/1 scores of a rung that visited every row."""
    wrong = _missed(report, pair)
    if pair.fixed_share is None or wrong is None or not _whole(wrong):
        return ""
    return f"{round(pair.fixed_share * wrong):,} of {round(wrong):,}"


def regained_of(report: Report, pair: Comparison) -> float | None:
    """Return the share of the missed quality that upper regained, for graded scores; None for 0/1 ones or if unknown."""
    missed = _missed(report, pair)
    return None if missed is None or _whole(missed) or missed <= 0 else pair.gain * pair.n / missed


def fixed(report: Report, pair: Comparison) -> str:
    """Say what share of lower's failures, or of the quality it missed, upper made good."""
    regained = regained_of(report, pair)
    if regained is not None:
        return f"regained {percent(regained)} of the quality missed" if regained > 0 else "regained nothing"
    return "none were left" if pair.fixed_share is None else f"fixed {percent(pair.fixed_share)} of its failures"


def _missed(report: Report, pair: Comparison) -> float | None:
    """Return how much lower's scores lack to 1, summed over what it answered of the pair; None where it did not visit all."""
    below = report.rung(pair.lower)
    estimate = report.estimate(below) if below else None
    if below is None or below.result is None or estimate is None or estimate.mean is None or estimate.n != pair.n:
        return None
    answered = pair.n - sum(count for cause, count in below.result.failures.items() if cause in TRANSPORT)
    return answered * (1 - estimate.mean)


def _whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6
