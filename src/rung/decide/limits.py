"""Limits on cost and latency in words: what is known of them, and what would settle those that are open; and what is open for another reason than its bound."""

from __future__ import annotations

from rung.types import Priced, Result, Task


def limits_open(task: Task, result: Result) -> str:
    """Say which limits are neither kept nor broken, for certain."""
    parts = []
    if cost_open(task, result):
        parts.append(
            "its cost is unknown"
            if result.priced is None
            else f"its cost is not settled ({_cost(task, result.priced)})"
        )
    if latency_open(task, result):
        parts.append(f"its latency is not settled ({latency(result)}; limit {task.limits.p95_latency_s:g} s)")
    return " and ".join(parts) or "its cost or latency is unknown"


def what_settles(task: Task, result: Result) -> str:
    """Say what would settle the open limits, or the first of them."""
    if cost_open(task, result) and result.priced is not None:
        return "widen limits.cost_per_1k_usd, or bring more test examples"
    if cost_open(task, result) or not latency_open(task, result):
        return f"give a price for the model {result.candidate.model!r}"
    if result.served is not None and result.served.unknown:
        return "run the same command again: it asks the requests without an answer"
    more = result.served.advice if result.served is not None else None
    return f"{more or 'make the endpoint steadier'}; or widen limits.p95_latency_s"


def limits_broken(task: Task, result: Result) -> str:
    """Say which limits are broken, with the figures."""
    parts = ["cost"] if result.priced is not None and result.priced.status == "misses" else []
    if result.served is not None and result.served.status == "misses":
        parts.append(f"latency ({latency(result)}; limit {task.limits.p95_latency_s:g} s)")
    return " and ".join(parts) or "cost or latency"


def at_once(concurrency: int) -> str:
    """Say how many requests were under way at once."""
    return "one at a time" if concurrency == 1 else f"{concurrency} at a time"


def limits_left_open(task: Task, result: Result) -> str:
    """Name the limits that are neither kept nor broken in two or three words, for a cell; empty: none."""
    if result.limits_held is not None or result.status == "misses":
        return ""
    parts = ["cost unknown" if result.priced is None else "cost not settled"] if cost_open(task, result) else []
    parts += ["latency not settled"] if latency_open(task, result) else []
    return " and ".join(parts) or "limit open"


def cost_open(task: Task, result: Result) -> bool:
    """Whether a limit on cost is set and neither kept nor broken for certain: no price is known, or its bounds lie on both sides."""
    judged = result.priced is not None and result.priced.status in ("meets", "misses")
    return task.limits.cost_per_1k_usd is not None and not judged


def _cost(task: Task, priced: Priced) -> str:
    limit = f"limit ${task.limits.cost_per_1k_usd:.2g}"
    if priced.low_usd is None or priced.high_usd is None:
        return f"too few answers for an interval; {limit}"
    return f"${priced.low_usd:.2g} to ${priced.high_usd:.2g} per 1,000 requests; {limit}"


def latency_open(task: Task, result: Result) -> bool:
    """Whether a latency limit is set and neither kept nor broken for certain."""
    judged = result.served is not None and result.served.status in ("meets", "misses")
    return task.limits.p95_latency_s is not None and not judged


def latency(result: Result) -> str:
    """Return the latency that a limit is judged by, with how it was measured; what was measured under load says so."""
    served = result.served
    if served is None:
        return "not asked"
    alike = f"{served.n} requests, {at_once(served.concurrency)}"
    notes = [f"{served.timed_out} timed out"] if served.timed_out else []
    notes += [f"{served.unknown} more got no answer"] if served.unknown else []
    said = "; ".join([alike, *notes])
    if served.p95_s is None:
        return f"no answer to {served.unknown} requests"
    if served.low_s is None and served.high_s is None:
        return f"p95 {served.p95_s:.2g} s, without bounds, on {said}"
    low = f"{served.low_s:.2g}" if served.low_s is not None else "0"
    if served.high_s is None:
        return f"p95 {low} s or more, without an upper bound, on {said}"
    return f"p95 between {low} and {served.high_s:.2g} s on {said}"


def held_back(task: Task, result: Result) -> bool:
    """Whether an approach whose bound is good enough is left open all the same, as where its latest test examples are worse: of what will be,
    no bound knows then."""
    return result.quality.status == "inconclusive" and result.quality.lower >= task.goal - task.tolerance
