"""`rung plan`: calls, tokens, dollars and minutes before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._experiment import experiment
from rung.cli._screen import Screen, console, print_json

if TYPE_CHECKING:
    from rung.config import Config
    from rung.engine.plan import Plan


def plan(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment."),
    budget: float = typer.Option(None, "--budget", help="Override limits.budget_usd."),
    only: list[str] = typer.Option(None, "--only", help="Plan these approaches only; may be given again."),
    timed: bool = typer.Option(
        False,
        "--timed",
        help="Ask a few dev examples, under the budget, to tell the minutes; a run pays for none of them again.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Estimate what a run would ask and cost, and what its test examples can show; asks no model, unless --timed."""
    from rung.engine.plan import plan as estimate
    from rung.engine.plan import spent_in

    loaded = experiment(config, budget_usd=budget, only=only)
    found = _timed(loaded) if timed else estimate(loaded)
    folder = Path("runs") / loaded.task.name
    booked = spent_in(folder)
    if as_json:
        print_json(
            {
                "sizes": dict(found.sizes),
                "shares": found.shares,
                "rungs": [asdict(r) for r in found.rungs],
                "usd": found.usd,
                "beyond": list(found.beyond),
                "beyond_usd": found.beyond_usd if found.beyond else None,
                "power": found.power,
                "spent": booked,
            }
        )
        return 0
    _tell(found, loaded.task.objective, folder, booked, timed=timed)
    return 0


def _tell(found: Plan, objective: str, folder: Path, booked: Mapping[str, Any] | None, *, timed: bool) -> None:
    """Print the plan as a table, with what it rests on and what was spent already."""
    from rich.table import Table

    from rung.report.figures import spent

    table = Table(
        "approach", "tried", "dev calls", "test calls", "input tokens", "output tokens", "dollars", "minutes", box=None
    )
    for r in found.rungs:
        cells = (r.candidates, r.dev_calls, r.test_calls, r.input_tokens, r.output_tokens)
        usd = "unknown" if r.usd is None else f"${r.usd:,.2f}"
        minutes = "unknown" if r.minutes is None else f"{r.minutes:,.1f}"
        table.add_row(r.rung, *(f"{c:,}" for c in cells), usd, minutes)
    screen = console()
    screen.print(", ".join(f"{n:,} {part}" for part, n in found.sizes.items()) + f" examples ({found.shares}).")
    screen.print("Upper estimates:")
    screen.print(table)
    for r in found.rungs:
        if r.note:
            screen.print(f"{r.rung}: {r.note}")
    if not timed and any(r.test_calls for r in found.rungs):
        screen.print("Minutes rest on a guess of what a call takes: `rung plan --timed` measures it.")
    for line in found.power:
        screen.print(line)
    total = "cost an unknown amount" if found.usd is None else f"cost at most about ${found.usd:,.2f}"
    screen.print(f"All approaches together {total}; {_ends(objective, found)}.")
    if found.usd is not None and found.untold_usd is not None and found.untold_usd > 1.5 * max(found.usd, 0.005):
        screen.print(
            f"An endpoint that tells no tokens is booked at the longest answer of each call: up to about ${found.untold_usd:,.2f}."
        )
    if booked is not None:
        screen.print(
            f"Spent so far in {folder}: {spent(booked)}, {booked['calls']:,} calls; what is answered is not paid again."
        )


def _timed(config: Config) -> Plan:
    """Return the plan with minutes from a few calls, which are asked now."""
    from rung.engine.plan import plan as estimate
    from rung.engine.timed import timing

    with timing(config, Screen()) as paces:
        return estimate(config, paces=paces)


def _ends(objective: str, found: Plan) -> str:
    """Say where the climb stops."""
    if objective == "frontier":
        more = "an unknown amount" if found.beyond_usd is None else f"at most about ${found.beyond_usd:,.2f}"
        return f"for the frontier all that trains nothing is measured: where the first meets the goal, the others add {more}"
    if objective == "cheapest":
        return "seeking the cheapest, every approach is climbed"
    return "the run stops at the first approach that meets the goal"
