"""SVG by hand: elements, a log scale, and labels that keep out of each other's way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from rung.invisible import visible

Attribute = str | float | None
CROSSED = 300.0  # what a label pays for each thing that it covers, a thin line too, beside the pixels of it
CLEAR = 2.0  # pixels that a label keeps between itself and what is drawn
AGAIN = 2  # times that each label is placed again when all others stand


def element(tag: str, *children: str, **attributes: Attribute) -> Markup:
    """Return one element; texts are escaped and what is invisible in them written out, `cls` is written as class, `_` in names as
    `-`.
    """
    written = "".join(
        f' {"class" if name == "cls" else name.replace("_", "-")}="{escape(visible(_number(value)))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(child if isinstance(child, Markup) else visible(child) for child in children)
    return Markup(f"<{tag}{written}>{inner}</{tag}>")  # attributes and children were escaped above


def _number(value: Attribute) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the chart, in its pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the shared area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, frame: Box) -> float:
        """Return how far it sticks out of the frame."""
        return (
            max(frame.left - self.left, 0.0)
            + max(self.right - frame.right, 0.0)
            + max(frame.top - self.top, 0.0)
            + max(self.bottom - frame.bottom, 0.0)
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """A label's box and where its text is anchored ("start", "middle" or "end")."""

    box: Box
    anchor: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A label of the given size near a vertical stroke from `top` to `bottom` at `x`, with a marker at `y`."""

    x: float
    y: float
    top: float
    bottom: float
    width: float
    height: float


def place(labels: Sequence[Wanted], taken: Sequence[Box], frame: Box, gap: float = 19.0) -> list[Placed]:
    """Place labels where they cover least of what is drawn: one by one, then each again beside all others; deterministic."""
    placed: list[Placed] = []
    for label in labels:
        placed.append(_best(label, [*taken, *(p.box for p in placed)], frame, gap))
    for _ in range(AGAIN):
        for i, label in enumerate(labels):
            others = [p.box for n, p in enumerate(placed) if n != i]
            placed[i] = _best(label, [*taken, *others], frame, gap)
    return placed


def _best(label: Wanted, blocked: Sequence[Box], frame: Box, gap: float) -> Placed:
    return min(_spots(label, gap), key=lambda spot: _cost(spot, blocked, frame))


def _spots(w: Wanted, gap: float) -> list[Placed]:
    """List positions from the most to the least wished for: right, left, above, below, then further away."""
    spots = []
    for away in (0.0, 8.0, 14.0, 22.0, 30.0, 40.0, 50.0):
        for shift in (0.0, -away, away) if away else (0.0,):
            middle = w.y + shift
            spots.append(_at(w.x + gap, middle, w, "start"))
            spots.append(_at(w.x - gap, middle, w, "end"))
        for middle in (w.top - 6 - w.height / 2 - away, w.bottom + 6 + w.height / 2 + away):
            spots.append(_at(w.x, middle, w, "middle"))
            spots.append(_at(w.x - 8, middle, w, "start"))
            spots.append(_at(w.x + 8, middle, w, "end"))
    return spots


def _at(x: float, middle: float, w: Wanted, anchor: str) -> Placed:
    left = {"start": x, "middle": x - w.width / 2, "end": x - w.width}[anchor]
    return Placed(Box(left, middle - w.height / 2, left + w.width, middle + w.height / 2), anchor)


def _cost(spot: Placed, blocked: Sequence[Box], frame: Box) -> float:
    near = Box(spot.box.left - CLEAR, spot.box.top - CLEAR, spot.box.right + CLEAR, spot.box.bottom + CLEAR)
    met = [area for other in blocked if (area := near.overlap(other))]
    return 50.0 * spot.box.outside(frame) + sum(met) + CROSSED * len(met)


def apart(positions: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Return the positions moved as little as needed to stand `least` apart between `low` and `high`, order kept."""
    if len(positions) > 1:
        least = min(least, (high - low) / (len(positions) - 1))
    order = sorted(range(len(positions)), key=lambda i: (positions[i], i))
    moved = list(positions)
    previous = -math.inf
    for i in order:
        previous = moved[i] = max(moved[i], previous + least, low)
    following = math.inf
    for i in reversed(order):
        following = moved[i] = min(moved[i], following - least, high)
    return moved


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values between low and high, at most `most` of them."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5):
        first = math.ceil(low / step - 1e-9)
        ticks = [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]
        if len(ticks) <= most:
            return ticks
    return [0.0, 1.0]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return 1-2-5 values between low and high, thinned to powers of ten, then to some of these."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [s * 10.0**k for k in powers for s in steps if low <= s * 10.0**k <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]
