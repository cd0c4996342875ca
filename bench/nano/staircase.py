"""The staircases of a model as a small SVG: one line a task, one mark a kind of prompt, and one for the tuned model."""

from collections.abc import Mapping, Sequence

STEPS = ("vague", "prompt", "+ definitions", "+ examples or passages", "tuned on 500 rows")
COLOURS = ("#8c959f", "#1f6feb", "#8250df", "#bf4b00", "#1a7f37")
WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 760, 210, 30, 56, 34, 34
RADIUS = 6


def svg(rows: Mapping[str, Sequence[float | None]]) -> str:
    """Draw for each task the shares, in [0, 1], of rows that pass all checks at each of `STEPS`; None leaves a mark out."""
    height = TOP + ROW * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    place = 14.0
    for step, colour in zip(STEPS, COLOURS, strict=True):
        parts.append(f'<circle cx="{place + RADIUS}" cy="20" r="{RADIUS}" fill="{colour}"/>')
        parts.append(f'<text x="{place + 18}" y="24">{step}</text>')
        place += 34 + 6.6 * len(step)
    for tenth in range(0, 11, 2):
        x = _x(tenth / 10)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - BOTTOM}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - BOTTOM + 18}" text-anchor="middle">{tenth / 10:.1f}</text>')
    for number, (task, shares) in enumerate(rows.items()):
        y = TOP + ROW * (number + 0.5)
        parts.append(f'<text x="{LEFT - 14}" y="{y + 4:.1f}" text-anchor="end">{task}</text>')
        known = [s for s in shares if s is not None]
        if known:
            parts.append(
                f'<line x1="{_x(min(known)):.1f}" x2="{_x(max(known)):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#c8ccd0" stroke-width="3"/>'
            )
        for share, colour in zip(shares, COLOURS, strict=True):
            if share is not None:
                parts.append(
                    f'<circle cx="{_x(share):.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{colour}"><title>{share:.2f}</title></circle>'
                )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(share: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * share
