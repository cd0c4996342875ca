"""`rung compare`: any two measured rungs on the same test rows, of one run or of two."""

from __future__ import annotations

from dataclasses import asdict

import typer

from rung.cli._screen import print_json


def compare(
    lower: str = typer.Argument(..., help="FOLDER:RUNG, or FOLDER for its winner (else its lean, else its last rung)."),
    upper: str = typer.Argument(..., help="The other one, written alike."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Compare two rungs row by row; exit code 0 when UPPER is shown to be better, else 1."""
    from rung.decide.across import across
    from rung.decide.wording import tally

    found, alpha = across(lower, upper)
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(
            f"{found.upper} against {found.lower}: {found.gain:+.3f} [{found.low:+.3f}, {found.high:+.3f}] {found.metric} "
            f"(n={found.n}); {tally(found.wins, found.losses)}, {found.ties} {'tie' if found.ties == 1 else 'ties'}; p = {found.p_value:.3g} "
            f"({found.method})"
        )
        better = found.gain > 0 and found.p_value < alpha
        worse = found.gain < 0 and found.p_value < alpha
        typer.echo("shown to be better" if better else "shown to be worse" if worse else "no difference shown")
    return 0 if found.gain > 0 and found.p_value < alpha else 1
