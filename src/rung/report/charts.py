"""The report's charts as inline SVG: colours come from the page's classes, texts are escaped, no script."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rung.report._svg import Box, Wanted, apart, element, linear_ticks, log_ticks, place
from rung.report.figures import money, quality
from rung.report.load import Report, RungReport
from rung.types import Estimate, Result, rate
from rung.usual_names import shown_name

LABEL_CHAR, LABEL_HEIGHT, LINE_HEIGHT = 6.6, 31.0, 16.0
NARROW = 600.0  # width below which a label is one line
MARKER = 4.5  # radius
CAP = 11.0  # half the width of an interval\'s end: wider than a marker with its rings


@dataclass(frozen=True, slots=True)
class Lane:
    """A vertical strip of the ladder chart: rungs that cost nothing, rungs on the log scale, rungs of unknown cost."""

    left: float
    right: float
    low: float | None = None  # dollars at the edges; None: no scale, rungs stand in ladder order
    high: float | None = None

    def x(self, usd: float) -> float:
        assert self.low is not None
        assert self.high is not None
        share = math.log(usd / self.low) / math.log(self.high / self.low)
        return self.left + share * (self.right - self.left)


@dataclass(frozen=True, slots=True)
class Spot:
    """A measured rung on the chart: its estimate, where its cost is, and where its marker stands (moved if crowded)."""

    rung: RungReport
    result: Result
    estimate: Estimate
    true_x: float | None
    x: float


@dataclass(frozen=True, slots=True)
class Plane:
    """The drawing area with its vertical scale, quality in [0, 1]."""

    width: float
    height: float
    frame: Box
    low: float
    high: float

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.frame.bottom - share * (self.frame.bottom - self.frame.top)


def ladder(report: Report, width: float = 980.0, height: float = 430.0, efficient: Collection[str] = ()) -> Markup:
    """Draw quality with intervals against cost per 1,000 requests, with goal line and tolerance band.

    A line joins the efficient rungs, those that nothing measured beats for at most their cost.
    """
    found = [(r, r.result, e) for r in report.measured if r.result and (e := report.estimate(r))]
    if not found:
        return Markup("")
    plane = _plane(report, [e for _, _, e in found], width, height)
    lanes, spots = _lanes(report, found, plane.frame)
    parts = [
        *_grid(plane),
        *_goal(report, plane, spots),
        *_axis(lanes, plane),
        *_limit(report, lanes, plane),
        *_frontier(spots, plane, efficient),
        *(_marker(report, s, plane, s.rung.label in efficient) for s in spots),
        *_labels(spots, plane, _lines(report, lanes, plane, spots)),
    ]
    said = "; ".join(
        f"{shown_name(s.rung.label)} {quality(s.estimate)} at {money(s.result.cost_per_1k_usd)}" for s in spots
    )
    title = element("title", f"Quality against cost per 1,000 requests, goal {report.task.goal:.2f}: {said}")
    return element(
        "svg",
        title,
        *parts,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        cls="ladder",
        width=width,
        height=height,
    )


def _plane(report: Report, estimates: Sequence[Estimate], width: float, height: float) -> Plane:
    low = min([e.low for e in estimates] + [report.task.goal - report.task.tolerance])
    high = max([e.high for e in estimates] + [report.task.goal])
    pad = max(0.04, 0.08 * (high - low))
    frame = Box(44.0, 16.0, width - 14.0, height - 52.0)
    return Plane(width, height, frame, max(low - pad, 0.0) if low > 0.02 else -0.02, min(high + pad, 1.0 + pad / 2))


def _lanes(
    report: Report, found: Sequence[tuple[RungReport, Result, Estimate]], frame: Box
) -> tuple[dict[str, Lane], list[Spot]]:
    """Give each kind of cost its strip, in proportion to the rungs in it, and each rung its place."""
    kinds: dict[str, list[int]] = {"free": [], "priced": [], "unknown": []}
    for i, (_, result, _) in enumerate(found):
        usd = result.cost_per_1k_usd
        kinds["unknown" if usd is None else "priced" if usd > 0 else "free"].append(i)
    weights = {k: len(v) + (1.2 if k == "priced" else 0.25) for k, v in kinds.items() if v}
    room = frame.right - frame.left
    lanes: dict[str, Lane] = {}
    places: dict[int, tuple[float | None, float]] = {}
    left = frame.left
    for kind, weight in weights.items():
        right = left + room * weight / sum(weights.values())
        if kind == "priced":
            costs = [float(found[i][1].cost_per_1k_usd or 0) for i in kinds[kind]]
            lane = lanes[kind] = Lane(left, right, *_span(costs, report.task.limits.cost_per_1k_usd))
            true = [lane.x(c) for c in costs]
            moved = apart(true, 2 * CAP + 2, left + CAP + 2, right - CAP - 2)
            places |= {i: (t, m) for i, t, m in zip(kinds[kind], true, moved, strict=True)}
        else:
            lanes[kind] = Lane(left, right)
            step = (right - left) / len(kinds[kind])
            places |= {i: (None, left + step * (n + 0.5)) for n, i in enumerate(kinds[kind])}
        left = right
    return lanes, [Spot(rung, result, e, *places[i]) for i, (rung, result, e) in enumerate(found)]


def _span(costs: Sequence[float], limit: float | None) -> tuple[float, float]:
    low, high = min(costs), max(costs)
    if limit is not None and low / 10 <= limit <= high * 10:
        low, high = min(low, limit), max(high, limit)
    pad = max((high / low) ** 0.14, 1.7)
    return low / pad, high * pad


def _grid(plane: Plane) -> list[Markup]:
    parts = []
    for tick in linear_ticks(max(plane.low, 0.0), min(plane.high, 1.0), 9):
        y = plane.y(tick)
        parts.append(element("line", x1=plane.frame.left, x2=plane.frame.right, y1=y, y2=y, cls="grid"))
        parts.append(element("text", f"{tick:.2f}", x=plane.frame.left - 8, y=y + 4, text_anchor="end", cls="tick"))
    return parts


def _goal(report: Report, plane: Plane, spots: Sequence[Spot]) -> list[Markup]:
    goal, floor = report.task.goal, report.task.goal - report.task.tolerance
    y, y_floor, frame, box = plane.y(goal), plane.y(floor), plane.frame, _goal_box(report, plane, spots)
    return [
        element("rect", x=frame.left, y=y, width=frame.right - frame.left, height=y_floor - y, cls="band"),
        element("line", x1=frame.left, x2=frame.right, y1=y, y2=y, cls="goal"),
        element("text", f"goal {goal:.2f}", x=box.left, y=y - 6, cls="goal-text"),
    ]


def _goal_box(report: Report, plane: Plane, spots: Sequence[Spot]) -> Box:
    """Return where the goal line's name stands: at the end, or at the beginning where a rung is in its way."""
    y, width = plane.y(report.task.goal), 62.0
    ends = [Box(x, y - 19, x + width, y - 2) for x in (plane.frame.right - width, plane.frame.left + 6)]
    drawn = [Box(s.x - 14, plane.y(s.estimate.high) - 6, s.x + 14, plane.y(s.estimate.low) + 6) for s in spots]
    return min(ends, key=lambda end: sum(end.overlap(box) for box in drawn))


def _axis(lanes: dict[str, Lane], plane: Plane) -> list[Markup]:
    frame = plane.frame
    parts = [element("line", x1=frame.left, x2=frame.right, y1=frame.bottom, y2=frame.bottom, cls="axis")]
    alone = ": no scale, in ladder order" if len(lanes) == 1 else ""
    names = {
        "free": f"free ($0){alone}",
        "unknown": f"cost unknown{alone}",
        "priced": "cost per 1,000 requests, log scale",
    }
    for n, (kind, lane) in enumerate(lanes.items()):
        if n:
            parts.append(element("line", x1=lane.left, x2=lane.left, y1=frame.top, y2=frame.bottom + 6, cls="lane"))
        middle = (lane.left + lane.right) / 2
        name = "$ per 1,000 (log)" if kind == "priced" and lane.right - lane.left < 230 else names[kind]
        middle = min(middle, plane.width - 3.7 * len(name))  # a narrow last lane: its name stays on the chart
        parts.append(element("text", name, x=middle, y=frame.bottom + 42, text_anchor="middle", cls="axis-text"))
        if lane.low is None or lane.high is None:
            continue
        for tick in log_ticks(lane.low, lane.high, max(int((lane.right - lane.left) / 62), 1)):
            x = lane.x(tick)
            parts.append(element("line", x1=x, x2=x, y1=frame.bottom, y2=frame.bottom + 5, cls="axis"))
            parts.append(element("text", money(tick), x=x, y=frame.bottom + 20, text_anchor="middle", cls="tick"))
    return parts


def _limit(report: Report, lanes: dict[str, Lane], plane: Plane) -> list[Markup]:
    limit, x = report.task.limits.cost_per_1k_usd, _limit_x(report, lanes)
    if limit is None or x is None:
        return []
    return [
        element("line", x1=x, x2=x, y1=plane.frame.top, y2=plane.frame.bottom, cls="goal"),
        element("text", f"limit {money(limit)}", x=x - 6, y=plane.frame.bottom - 8, text_anchor="end", cls="goal-text"),
    ]


def _limit_x(report: Report, lanes: dict[str, Lane]) -> float | None:
    limit, lane = report.task.limits.cost_per_1k_usd, lanes.get("priced")
    if limit is None or lane is None or lane.low is None or lane.high is None or not lane.low <= limit <= lane.high:
        return None
    return lane.x(limit)


def _frontier(spots: Sequence[Spot], plane: Plane, efficient: Collection[str]) -> list[Markup]:
    """Join the efficient rungs from the cheapest to the dearest."""
    on = sorted((s for s in spots if s.rung.label in efficient), key=lambda s: s.x)
    points = " ".join(f"{s.x:.1f},{plane.y(s.estimate.point):.1f}" for s in on)
    return [element("polyline", points=points, cls="frontier")] if len(on) > 1 else []


def _marker(report: Report, spot: Spot, plane: Plane, efficient: bool) -> Markup:
    verdict = report.verdict
    role = "winner" if verdict and verdict.winner == spot.rung.label else ""
    role = role or ("tentative_pick" if verdict and verdict.tentative_pick == spot.rung.label else "other")
    early = " early" if spot.estimate.mean is None else ""
    low, high, y = plane.y(spot.estimate.low), plane.y(spot.estimate.high), plane.y(spot.estimate.point)
    parts = [
        element("line", x1=spot.x, x2=spot.x, y1=high, y2=low, cls="whisker"),
        *(element("line", x1=spot.x - CAP, x2=spot.x + CAP, y1=edge, y2=edge, cls="cap") for edge in (low, high)),
    ]
    if spot.true_x is not None:
        bottom = plane.frame.bottom
        parts.append(element("line", x1=spot.true_x, x2=spot.true_x, y1=bottom - 7, y2=bottom, cls="rug"))
    if efficient:
        parts.append(element("circle", cx=spot.x, cy=y, r=MARKER + 2.5, cls="efficient"))
    if role == "winner":
        parts.append(element("circle", cx=spot.x, cy=y, r=MARKER + 4.5, cls="halo"))
    parts.append(element("circle", cx=spot.x, cy=y, r=MARKER, cls="dot"))
    return element("g", *parts, cls=f"spot {role}{early}")


def _lines(report: Report, lanes: dict[str, Lane], plane: Plane, spots: Sequence[Spot]) -> list[Box]:
    """Return what labels should keep off besides markers: the goal line, the limit line and their names."""
    frame, y, limit = plane.frame, plane.y(report.task.goal), _limit_x(report, lanes)
    goal = [Box(frame.left, y - 2, frame.right, y + 2), _goal_box(report, plane, spots)]
    if limit is None:
        return goal
    return [
        *goal,
        Box(limit - 2, frame.top, limit + 2, frame.bottom),
        Box(limit - 76, frame.bottom - 20, limit, frame.bottom),
    ]


def _labels(spots: Sequence[Spot], plane: Plane, lines: Sequence[Box]) -> list[Markup]:
    """Write each approach beside its marker: name above score and interval, or on a narrow chart name and score in a line."""
    narrow = plane.width < NARROW
    texts = [(shown_name(s.rung.label), (_score if narrow else _short)(s.estimate)) for s in spots]
    wanted, taken = [], list(lines)
    for spot, (name, value) in zip(spots, texts, strict=True):
        y, top, bottom = plane.y(spot.estimate.point), plane.y(spot.estimate.high), plane.y(spot.estimate.low)
        widths = (len(name) * (LABEL_CHAR + 0.8), (len(value) + narrow) * LABEL_CHAR)
        width = (sum(widths) if narrow else max(widths)) + 2
        wanted.append(Wanted(spot.x, y, top, bottom, width, LINE_HEIGHT if narrow else LABEL_HEIGHT))
        taken.append(Box(spot.x - 12, y - 12, spot.x + 12, y + 12))
        taken.append(Box(spot.x - CAP - 1, top - 2, spot.x + CAP + 1, bottom + 2))
    parts = []
    for placed, (name, value) in zip(place(wanted, taken, plane.frame), texts, strict=True):
        box = placed.box
        x = {"start": box.left, "middle": (box.left + box.right) / 2, "end": box.right}[placed.anchor]
        anchor, first, second = placed.anchor, box.top + 13, box.top + 28
        if narrow:
            score = element("tspan", f" {value}", cls="value")
            written = [element("text", name, score, x=x, y=first, text_anchor=anchor, cls="name")]
        else:
            above = element("text", name, x=x, y=first, text_anchor=anchor, cls="name")
            written = [above, element("text", value, x=x, y=second, text_anchor=anchor, cls="value")]
        parts.append(element("g", *written, cls="label"))
    return parts


def _score(estimate: Estimate) -> str:
    return rate(estimate.mean) if estimate.mean is not None else f"{rate(estimate.low)}-{rate(estimate.high)}"


def _short(estimate: Estimate) -> str:
    if estimate.mean is None:
        return f"{rate(estimate.low)} to {rate(estimate.high)}"
    return f"{rate(estimate.mean)} ({rate(estimate.low)} to {rate(estimate.high)})"


def wins_and_losses(wins: int, losses: int, most: int) -> Markup:
    """Draw losses to the left and wins to the right of a middle line; `most` rows fill one side."""
    scale = 38.0 / max(most, 1)
    right, left = wins * scale, losses * scale
    return element(
        "svg",
        element("title", f"{losses} losses, {wins} wins"),
        element("rect", x=f"{50 - left:.2f}%", y=5, width=f"{left:.2f}%", height=18, cls="bad", rx=2),
        element("rect", x="50%", y=5, width=f"{right:.2f}%", height=18, cls="good", rx=2),
        element("line", x1="50%", x2="50%", y1=0, y2=28, cls="axis"),
        element("text", f"−{losses}" if losses else "0", x=f"{49 - left:.2f}%", y=19, text_anchor="end", cls="count"),
        element("text", f"+{wins}" if wins else "0", x=f"{51 + right:.2f}%", y=19, cls="count"),
        role="img",
        cls="bar",
        width="100%",
        height=28,
    )


def share_bar(share: float, mark: float | None = None, said: str = "", cls: str = "fill") -> Markup:
    """Draw a share in [0, 1] as a filled track, with a tick where something else says it should be; unsaid, it is for eyes alone."""
    tick = element("line", x1=f"{100 * mark:.2f}%", x2=f"{100 * mark:.2f}%", y1=0, y2=14, cls="mark") if mark else ""
    return element(
        "svg",
        element("title", said) if said else "",
        element("rect", x=0, y=3, width="100%", height=8, cls="track", rx=4),
        element("rect", x=0, y=3, width=f"{100 * share:.2f}%", height=8, cls=cls, rx=4),
        tick,
        **({"role": "img"} if said else {"aria_hidden": "true"}),
        cls="bar",
        width="100%",
        height=14,
    )


def stacked(parts: Sequence[tuple[str, int, str]], whole: int) -> Markup:
    """Draw counts (name, count, class) side by side; `whole` fills the width. Narrow parts carry no number."""
    drawn, start = [element("title", ", ".join(f"{name} {count:,}" for name, count, _ in parts))], 0
    for _, count, cls in parts:
        left, width = 100 * start / max(whole, 1), 100 * count / max(whole, 1)
        drawn.append(element("rect", x=f"{left:.3f}%", y=0, width=f"{width:.3f}%", height=26, cls=f"seg {cls}"))
        if width >= 7:
            middle = f"{left + width / 2:.2f}%"
            drawn.append(element("text", f"{count:,}", x=middle, y=18, text_anchor="middle", cls="on-seg"))
        start += count
    return element("svg", *drawn, role="img", cls="bar", width="100%", height=26)
