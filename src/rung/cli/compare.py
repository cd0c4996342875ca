"""`rung compare`: any two measured rungs on the same test rows, of one run or of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._screen import echo, print_json

if TYPE_CHECKING:
    from rung.decide.across import Across


def compare(
    lower: str = typer.Argument(
        ..., help="FOLDER:APPROACH, or FOLDER for its winner (else its tentative pick, else its last approach)."
    ),
    upper: str = typer.Argument(..., help="The other one, written alike."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Compare two approaches, example by example; exit code 0 when UPPER is significantly better, else 1."""
    from rung.decide.across import across
    from rung.engine.sides import side

    found = across(side(lower), side(upper))
    if as_json:
        print_json(as_data(found))
    else:
        for line in lines_of(found):
            echo(line)
    return 0 if found.better else 1


def as_data(found: Across) -> dict[str, Any]:
    """Return a comparison as plain data."""
    return {
        **asdict(found.comparison),
        "better": found.better,
        "worse": found.worse,
        "margin": found.margin,
        "not_worse": asdict(found.not_worse) if found.not_worse else None,
        "cheaper_or_faster": found.spares,
        "cost_per_1k_usd": [side.result.cost_per_1k_usd for side in (found.lower, found.upper)],
        "p95_latency_s": [side.result.p95_latency_s for side in (found.lower, found.upper)],
        "test_opened": [side.opened for side in (found.lower, found.upper)],
        "notes": list(found.notes),
    }


def lines_of(found: Across) -> Iterator[str]:
    """Yield a comparison in lines."""
    from rung.decide.wording import bound, money, tally

    pair = found.comparison
    yield (
        f"{pair.upper} against {pair.lower}: {pair.gain:+.3f} (95 % CI {bound(pair.low)} to {bound(pair.high)}) {pair.metric} "
        f"(n={pair.n}); {tally(pair.wins, pair.losses)}, {pair.ties} {'tie' if pair.ties == 1 else 'ties'}; p = {pair.p_value:.3g} "
        f"({pair.method})"
    )
    yield found.word
    if found.not_worse is not None and not found.better:
        word = "" if found.not_worse.shown else "not "
        yield f"{word}shown to be at most {found.margin:g} worse (lower bound of the gain {found.not_worse.lower:+.3f})"
    costs = [money(side.result.cost_per_1k_usd) for side in (found.lower, found.upper)]
    yield f"cost per 1,000 requests {costs[0]} -> {costs[1]}" + (
        f"; shown to be {found.spares}" if found.spares else ""
    )
    for note in found.notes:
        yield f"note: {note}"
