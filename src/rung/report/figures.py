"""Numbers as the report writes them, one way everywhere; what is unknown says why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from rung.decide.wording import bound
from rung.types import Comparison, Estimate, ModelTrial, Result, Task
from rung.usual_names import shown_name


def quality(estimate: Estimate | None) -> str:
    """Write a mean with its interval, or bounds alone where the rung stopped early."""
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


def cost(usd: float | None) -> str:
    """Write a cost for a cell or a tile: where it is unknown, why stands beside it, never in it."""
    return "unknown" if usd is None else money(usd)


class Measured(Protocol):
    """A rung of the report."""

    @property
    def label(self) -> str: ...
    @property
    def result(self) -> Result | None: ...


def cost_notes(rungs: Iterable[Measured]) -> dict[str, list[str]]:
    """Return what is to be known of the costs, each thing once, with the rungs of which it is true."""
    notes: dict[str, list[str]] = {}
    for label, result in ((rung.label, rung.result) for rung in rungs):
        if result is not None and result.cost_note:
            said = "rests on" if result.cost_per_1k_usd is not None else "is unknown:"
            notes.setdefault(f"{said} {result.cost_note}", []).append(label)
    return notes


def models_tried(label: str, models: Sequence[ModelTrial]) -> str:
    """Say which models were candidates of a rung, what each scored on dev at what cost, and which was chosen."""
    said = []
    for m in models:
        score = "not tried" if m.mean is None else f"{m.mean:.3f} on {m.rows} dev examples"
        price = "cost unknown" if m.cost_per_1k_usd is None else f"{money(m.cost_per_1k_usd)} per 1,000"
        said.append(f"{m.name} {score}, {price}{' (chosen)' if m.kept else ''}")
    return f"{shown_name(label)}: models tried on dev: {'; '.join(said)}"


def spent(spend: Mapping[str, Any]) -> str:
    """Write what a run spent, and how much of it is an upper bound because an endpoint did not tell, and what was paid before."""
    bound = sum(role.get("bound_usd") or 0.0 for role in spend.get("by_role", {}).values())
    taken = sum(role.get("taken") or 0 for role in spend.get("by_role", {}).values())
    told = money(spend["usd"]) if spend["usd"] is not None else "cost unknown"
    if bound:
        told += f" (of which {money(bound)} is an upper bound: the endpoint did not tell)"
    return f"{told} ({taken:,} answers were paid for by earlier runs)" if taken else told


def seconds(value: float | None, why: str = "no example was answered") -> str:
    """Write a duration in the unit that a reader would choose; None as "unknown: why"."""
    if value is None:
        return f"unknown: {why}"
    if value < 0.00001:
        return "< 0.01 ms"
    if value < 0.0995:
        return f"{value * 1000:.2g} ms" if value < 0.00995 else f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def percentile(result: Result, which: Literal["p50", "p95"] = "p95") -> str:
    """Write a percentile of an approach's latency and what it was measured at: as it is served, else under our own load."""
    if result.candidate.stored:
        return "unknown: stored answers have no latency"
    at = latency_at(result)
    return f"{seconds(_latency(result, which))} {at}" if at else seconds(_latency(result, which))


def latencies(result: Result) -> str:
    """Write the median and the 95th percentile of an approach's latency; `latency_at` says what they were measured at."""
    if result.candidate.stored:
        return "unknown: stored answers have no latency"
    p95 = _latency(result, "p95")
    return seconds(_latency(result, "p50")) + ("" if p95 is None else f" / {seconds(p95)}")


def latency_at(result: Result) -> str:
    """Say at how many requests at once an approach's latency was measured; empty where it is of no model or unknown."""
    if result.served is not None and result.served.p95_s is not None:
        return f"at concurrency {result.served.concurrency}"
    if result.p95_latency_s is None or result.load is None:
        return ""
    return f"at concurrency {result.load}{'' if result.load == 1 else ' (our own load)'}"


def _latency(result: Result, which: Literal["p50", "p95"]) -> float | None:
    served = result.served
    if served is not None and served.p95_s is not None:
        return served.p95_s if which == "p95" else served.p50_s
    return result.p95_latency_s if which == "p95" else result.p50_latency_s


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


def span(low: float, high: float) -> str:
    """Write the interval of a difference."""
    return f"{bound(low)} to {bound(high)}".replace("-", "−")


def p_values(pair: Comparison) -> str:
    """Write the p-value of a pair, and the one that counts all pairs compared where it is another."""
    alone, adjusted = p_value(pair.p_value), p_value(pair.p_adjusted)
    return alone if alone == adjusted else f"{alone}, {adjusted.removeprefix('p = ')} adjusted"


def p_value(p: float) -> str:
    """Write a p-value as papers do."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def examples(number: int) -> str:
    """Write a number of examples."""
    return f"{number:,} example" if number == 1 else f"{number:,} examples"


def failures(result: Result) -> str:
    """Write the failed rows by cause."""
    return by_cause(result.failures) or "none"


def by_cause(failures: Mapping[str, int]) -> str:
    """Write counts by cause."""
    return ", ".join(f"{n} {cause}" for cause, n in failures.items())


def listed(words: Iterable[str]) -> str:
    """Join words as a sentence does."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def goal(task: Task) -> str:
    """Write the goal as a whole clause: a number, or what is to be kept."""
    if task.as_good_as is None:
        return f"Goal {task.goal:.2f}"
    return f"Goal: as good as {shown_name(task.as_good_as)} ({task.goal:.2f}, at most {task.tolerance:g} worse)"


def deciding(result: Result, task: Task) -> Estimate | None:
    """Return the estimate of the metric that decides."""
    return result.estimates.get(task.metrics[0].name)


def tokens(result: Result) -> str:
    """Write the tokens of one request."""
    if result.tokens_per_request is not None:
        return count(result.tokens_per_request)
    return "no model" if result.candidate.model is None else "unknown: the model reports no tokens"
