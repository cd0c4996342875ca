"""Training curves as a small SVG: answer accuracy over tokens, one line a model."""

from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 300, 52, 40, 16, 70
COLOURS = ("#1f6feb", "#bf4b00", "#2da44e")

Point = Mapping[str, float]


def svg(curves: Mapping[str, Sequence[Point]]) -> str:
    """Draw the curves of all models over one axis of tokens (millions), accuracy from 0 to 1."""
    most = max((p["tokens"] for curve in curves.values() for p in curve), default=1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth / 10:.1f}</text>')
    step = max(1, round(most / 1e6 / 6))
    for million in range(0, int(most / 1e6) + 1, step):
        x = _x(million * 1e6, most)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{million}</text>')
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        line = " ".join(f"{_x(p['tokens'], most):.1f},{_y(p['answer_accuracy']):.1f}" for p in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if curve:
            last = curve[-1]
            x, y = _x(last["tokens"], most), _y(last["answer_accuracy"])
            parts.append(f'<text x="{x + 6:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">million tokens (answer accuracy on the training mixture)</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(tokens: float, most: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * tokens / most


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)
