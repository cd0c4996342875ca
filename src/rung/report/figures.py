"""Numbers as the report writes them, one way everywhere; what is unknown says why."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rung.types import Estimate, Result, Task

FORMAT = "format"  # key of the format-adherence estimate in Result.estimates


def quality(estimate: Estimate | None) -> str:
    """Write a mean with the wider half of its interval, or bounds alone where the rung stopped early."""
    if estimate is None:
        return "unknown: not measured"
    if estimate.mean is None:
        return f"{estimate.low:.2f} to {estimate.high:.2f} (n={estimate.n}, stopped early)"
    return str(estimate)


def money(usd: float | None, note: str | None = None) -> str:
    """Write dollars with at least two significant digits; None as "unknown: why"."""
    if usd is None:
        return f"unknown: {note}" if note else "unknown: the model reports no tokens"
    if usd == 0:
        return "$0"
    if usd >= 0.1:
        return f"${usd:,.2f}"
    return f"${usd:.{min(1 - math.floor(math.log10(usd)), 12)}f}"


def seconds(value: float | None, why: str = "no row was answered") -> str:
    """Write a duration in the unit that a reader would choose; None as "unknown: why"."""
    if value is None:
        return f"unknown: {why}"
    if value < 0.0995:
        return f"{value * 1000:.2g} ms" if value < 0.00995 else f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def percent(share: float | None) -> str:
    """Write a share in [0, 1] as a whole percentage; a share that is not quite none or all never reads so."""
    if share is None:
        return "unknown"
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def count(number: float | None) -> str:
    """Write a whole number with thousands separators."""
    return "unknown" if number is None else f"{number:,.0f}"


def signed(value: float) -> str:
    """Write a difference with its sign and a true minus."""
    return f"{value:+.3f}".replace("-", "−")


def p_value(p: float) -> str:
    """Write a p-value as papers do."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def rows(number: int) -> str:
    """Write a number of rows."""
    return f"{number:,} row" if number == 1 else f"{number:,} rows"


def failures(result: Result) -> str:
    """Write the failed rows by cause."""
    return ", ".join(f"{n} {cause}" for cause, n in result.failures.items()) or "none"


def listed(words: Iterable[str]) -> str:
    """Join words as a sentence does."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def deciding(result: Result, task: Task) -> Estimate | None:
    """Return the estimate of the metric that decides."""
    return result.estimates.get(task.metrics[0].name)


def tokens(result: Result) -> str:
    """Write the tokens of one request."""
    if result.tokens_per_request is not None:
        return count(result.tokens_per_request)
    return "no model" if result.candidate.model is None else "unknown: the model reports no tokens"
