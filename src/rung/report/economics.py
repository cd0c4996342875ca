"""What the measured approaches of a run cost to use: as offers, and as a section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rung.decide.economics import Economics, Offer, break_even_sentence, economics, one_off, requests
from rung.report import blocks as b
from rung.report.charts import stacked
from rung.report.figures import cost, cost_notes, count, money, seconds
from rung.report.load import Report, RungReport
from rung.usual_names import shown_name

COLOURS: Mapping[str, str] = {
    "instruction": "c0",
    "examples": "c1",
    "passages": "c2",
    "input": "c-rest",
}  # of prompt parts


def economics_of(report: Report) -> Economics:
    """Return what the measured rungs of a run cost to use, at the volume that its configuration states."""
    offers = [_offer(report, rung) for rung in report.measured]
    return economics([o for o in offers if o is not None], report.task.service.requests_per_month)


def _offer(report: Report, rung: RungReport) -> Offer | None:
    result, estimate, profile = rung.result, report.estimate(rung), rung.profile
    if result is None or estimate is None:
        return None
    tuning = rung.fitted.tuning if rung.fitted else None
    once, note = one_off(tuning, result.cost.usd_per_hour or None) if tuning else (0.0, None)
    return Offer(
        label=rung.label,
        quality=estimate,
        cost=result.cost,
        cost_per_1k_usd=result.cost_per_1k_usd,
        one_off_usd=once,
        one_off_note=note,
        tokens=profile.tokens if profile else None,
        output_tokens=profile.output_tokens if profile else None,
        served_p50_s=profile.p50_s if profile else None,
        served_n=profile.n if profile else 0,
        served_p95_s=profile.p95_s if profile else None,
        p95_s=result.p95_latency_s,
    )


def month(offer: Offer, volume: int | None) -> str:
    """Write the monthly bill of an offer; nothing where no volume is stated."""
    return "-" if volume is None else cost(offer.month_usd(volume))


def pareto_line(found: Economics) -> str:
    """Name the Pareto-optimal approaches; empty where no cost is known."""
    return f"Pareto-optimal: {', '.join(map(shown_name, found.efficient))}." if found.efficient else ""


def section(report: Report, ids: b.Ids) -> b.Section:
    """Return what each approach costs at the stated volume, and from which volume one is cheaper than another."""
    return b.Section("economics", "Costs", "What it costs to use", tuple(_blocks(report)))


def _blocks(report: Report) -> Iterator[b.Block]:
    found = economics_of(report)
    if not found.offers:
        yield b.Text("No approach was measured.", "empty")
        return
    volume = (
        f"A month means {count(found.requests_per_month)} requests, as configured."
        if found.requests_per_month
        else "Give volume.requests_per_month for the monthly bill."
    )
    yield b.Text(
        f"An approach is Pareto-optimal if nothing measured beats its quality for at most its cost; the chart above joins these. {volume} A "
        "machine of your own is paid for all hours of the month.",
        "intro",
    )
    served = f"Latency at concurrency {report.task.limits.concurrency}"
    heads = b.columns(
        "Approach", "Trade-off", "Cost per 1,000|", "Cost per month|", "One-time cost|",
        b.Column("Prompt tokens by part", "tokencell", "Prompt tokens"), "Answer tokens|", b.Column(served, "r", "Latency"), "p95 in the run|",
    )  # fmt: skip
    most = max((sum(o.tokens.values()) for o in found.offers if o.tokens), default=1.0)
    winner = report.verdict.winner if report.verdict else None
    yield b.Table(
        heads, [b.Row(_cells(found, o, most), style="chosen" if o.label == winner else "") for o in found.offers]
    )
    if most > 1:
        yield b.Key([(f"swatch {colour}", part) for part, colour in COLOURS.items()])
    if notes := cost_notes(report.measured):
        yield b.Bullets(
            [f"Cost of {', '.join(map(shown_name, labels))} {note}" for note, labels in notes.items()], "plain small"
        )
    if found.break_evens:
        yield b.Title("Break-even of any two")
        rows = [
            ((shown_name(p.lower), " ", b.soft("or"), f" {shown_name(p.upper)}"), break_even_sentence(p))
            for p in found.break_evens
        ]
        yield b.table(("Approaches", b.Column("Cheaper per month", "", "Cheaper")), rows, "cards narrow-table")


def _cells(found: Economics, o: Offer, most: float) -> tuple[b.Words, ...]:
    bill, machine = month(o, found.requests_per_month), o.served_a_month
    p95 = "" if o.served_p95_s is None else f"; p95 {seconds(o.served_p95_s)}"
    return (
        shown_name(o.label),
        b.status("meets", "Pareto-optimal") if o.label in found.efficient else "",
        cost(o.cost_per_1k_usd),
        (bill, b.small(f"one machine serves up to {requests(machine)}")) if machine else bill,
        ("unknown", b.small(o.one_off_note or "")) if o.one_off_usd is None else money(o.one_off_usd),
        _tokens(o.tokens, most),
        "" if o.output_tokens is None else count(o.output_tokens),
        "unknown" if o.served_p50_s is None else (seconds(o.served_p50_s), b.small(f"median of {o.served_n}{p95}")),
        seconds(o.p95_s),
    )


def _tokens(parts: Mapping[str, float] | None, most: float) -> b.Words:
    if not parts:
        return b.soft("no model asked, or unknown")
    shown = [(part, round(parts[part]), colour) for part, colour in COLOURS.items() if round(parts.get(part, 0))]
    return b.Drawing(stacked(shown, round(most)), ", ".join(f"{part} {many}" for part, many, _ in shown))
