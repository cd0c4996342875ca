"""What a comparison says in words: claim, failures fixed, missed quality regained."""

from __future__ import annotations

from collections.abc import Iterator

from rung import plugins
from rung.decide.wording import difference, tally
from rung.report import blocks as b
from rung.report.charts import share_bar, wins_and_losses
from rung.report.figures import count, p_values, percent, signed, span
from rung.report.load import Report
from rung.types import TRANSPORT, Comparison
from rung.usual_names import shown_name


def section(report: Report, ids: b.Ids) -> b.Section:
    """Return the paired differences between approaches."""
    return b.Section("gains", "Gains", "What each approach fixed", tuple(_blocks(report)))


def _blocks(report: Report) -> Iterator[b.Block]:
    if not report.comparisons:
        one = len(report.measured) == 1
        yield b.Text(
            "Only one approach was measured: there is nothing to compare."
            if one
            else "No pair of approaches was compared.",
            "empty",
        )
        return
    yield b.Text(
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
    heads = b.columns(
        "First over second",
        "Difference",
        "Gain|",
        "95 % CI|",
        b.Column("Losses and wins", "barcell", ""),
        "Significance",
        "Effect",
    )
    yield b.Table(heads, [_row(report, pair, most, i) for i, pair in enumerate(report.comparisons)], "cards gains")


PAIRED = ", on the same test examples. Wins are examples that the first does better, losses those that it does worse. P-values are corrected over all"
INTRO = {
    "as_good_as": f"Each approach and what runs now{PAIRED} pairs that were planned.",
    "frontier": f"Along the frontier, and what is beaten with what beats it{PAIRED} pairs of planned approaches.",
    "ladder": f"Neighbouring approaches{PAIRED} pairs that were planned.",
}


def _row(report: Report, pair: Comparison, most: int, number: int) -> b.Row:
    better = "meets" if pair.gain > 0 else "misses"
    state = better if pair.p_adjusted < report.task.alpha else "inconclusive"
    cells: tuple[b.Words, ...] = (
        (shown_name(pair.upper), " ", b.soft("over"), f" {shown_name(pair.lower)}"),
        (b.status(state, claim(report, pair)), b.small(pair.method)),
        b.bold(signed(pair.gain)),
        f"{span(pair.low, pair.high)} (n={count(pair.n)})",
        b.Drawing(wins_and_losses(pair.wins, pair.losses, most), tally(pair.wins, pair.losses)),
        p_values(pair),
        _fixed(report, pair),
    )
    return b.Row(cells, f"pair-{number}")


def _fixed(report: Report, pair: Comparison) -> b.Words:
    """Say what the first made good of what the second missed, with a bar whose tick is what teams say by hand."""
    said, regained, lower = said_to_fix(pair.upper), regained_of(report, pair), shown_name(pair.lower)
    folklore = f"; folklore says {percent(said)}" if said else ""
    if regained is not None:
        words = (
            f"Regained {percent(regained)} of the quality that {lower} missed{folklore}."
            if regained >= 0
            else f"Lost quality against {lower}{folklore}."
        )
        whole = pair.fixed_share
        wholly = (
            [] if whole is None else [b.small(f"Wholly right now: {percent(whole)} of the examples that were not.")]
        )
        return (b.Drawing(share_bar(max(regained, 0.0), said, words), ""), words, *wholly)
    if pair.fixed_share is None:
        return b.soft(f"{lower} left no failures to fix.")
    of = fixed_of(report, pair)
    words = f"Fixed {percent(pair.fixed_share)} of the failures that {lower} left{f' ({of})' if of else ''}{folklore}."
    return b.Drawing(share_bar(pair.fixed_share, said, words), ""), words


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
