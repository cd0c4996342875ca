"""The charts of a tuned rung: its learning curve, and what each remedy against forgetting costs and keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from rung.report._svg import element, linear_ticks
from rung.report.figures import count
from rung.types import Remedy, Tuning

WIDTH, HEIGHT = 460.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 12.0, 40.0


def learning_curve(tuning: Tuning, goal: float) -> Markup:
    """Draw the dev score against the training rows (log scale), with the goal line; nothing with fewer than two points."""
    points = tuning.curve
    if len({p.rows for p in points}) < 2:
        return Markup("")
    low, high = _range([*(p.dev for p in points), goal])
    first, last = math.log(min(p.rows for p in points)), math.log(max(p.rows for p in points))
    spots = [(_across((math.log(p.rows) - first) / (last - first)), _up(p.dev, low, high)) for p in points]
    labels = [
        element("text", count(p.rows), x=x, y=HEIGHT - BOTTOM + 16, text_anchor="middle", cls="tick")
        for p, (x, _) in zip(points, spots, strict=True)
    ]
    values = [
        element("text", f"{p.dev:.2f}", x=x, y=y + (18 if p.dev < goal else -10), text_anchor="middle", cls="value")
        for p, (x, y) in zip(points, spots, strict=True)
    ]
    title = f"Learning curve: dev score {', '.join(f'{p.dev:.2f} on {p.rows} examples' for p in points)}"
    return _drawing(
        title,
        low,
        high,
        [_goal(goal, low, high, spots), *_line(spots), *values, *labels],
        "training examples, log scale",
    )


def trade_off(remedies: Sequence[Remedy], goal: float) -> Markup:
    """Draw the dev score of each remedy against the worst change of what must be kept; nothing with fewer than two."""
    known = [(r, loss) for r in remedies if (loss := r.forgetting.worst_change) is not None]
    if len(known) < 2:
        return Markup("")
    low, high = _range([*(r.dev for r, _ in known), goal])
    left, right = min(-0.05, *(loss for _, loss in known)), max(0.05, *(loss for _, loss in known))
    spots = [(_across((loss - left) / (right - left)), _up(r.dev, low, high)) for r, loss in known]
    parts = [_goal(goal, low, high, spots)]
    for number, ((remedy, _), (x, y)) in enumerate(zip(known, spots, strict=True), 1):
        state = "bad" if remedy.forgetting.vetoed else "good"
        parts.append(element("circle", cx=x, cy=y, r=7.0 if remedy.chosen else 5.0, cls=f"dot {state}"))
        parts.append(element("text", str(number), x=x + 10, y=y + 4, cls="value"))
    zero = _across(-left / (right - left))
    parts.append(element("line", x1=zero, x2=zero, y1=TOP, y2=HEIGHT - BOTTOM, cls="axis"))
    parts += [
        element("text", f"{v:+.2f}", x=_across((v - left) / (right - left)), y=HEIGHT - BOTTOM + 16, text_anchor="middle", cls="tick")
        for v in (left, 0.0)
    ]  # fmt: skip
    title = f"Trade-off of {len(known)} ways: dev score against the worst change of regression tasks"
    return _drawing(title, low, high, parts, "worst change of regression tasks")


def _drawing(title: str, low: float, high: float, parts: Sequence[Markup], below: str) -> Markup:
    ticks = [
        element("text", f"{v:.2f}", x=LEFT - 8, y=_up(v, low, high) + 4, text_anchor="end", cls="tick")
        for v in linear_ticks(low, high, 5)
    ]
    name = element("text", below, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle", cls="tick")
    frame = element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, cls="axis")
    return element(
        "svg",
        frame,
        *ticks,
        *parts,
        name,
        cls="curve",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="img",
        aria_label=title,
    )


def _goal(goal: float, low: float, high: float, spots: Sequence[tuple[float, float]]) -> Markup:
    """Draw the goal line, named at the end that is further from what is drawn."""
    y = _up(goal, low, high)
    line = element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, cls="goal")
    first, last = (abs(at - y) for _, at in (min(spots), max(spots)))
    x, anchor = (LEFT + 4, "start") if first > last else (WIDTH - RIGHT - 4, "end")
    return line + element("text", f"goal {goal:g}", x=x, y=y - 5, text_anchor=anchor, cls="tick")


def _line(spots: Sequence[tuple[float, float]]) -> list[Markup]:
    path = element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in spots), cls="path")
    return [path, *(element("circle", cx=x, cy=y, r=5.0, cls="dot good") for x, y in spots)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    return max(0.0, min(values) - 0.08), min(1.05, max(values) + 0.08)


def _across(share: float) -> float:
    return LEFT + 18 + share * (WIDTH - RIGHT - LEFT - 36)


def _up(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP)
