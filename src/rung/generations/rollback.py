"""Back to a generation that was champion before: the alias moves, nothing is trained or asked."""

from __future__ import annotations

from collections.abc import Iterator

from rung.errors import RungError
from rung.store.generations import WON, Generations, Step, need_champion


def rollback(place: Generations, by: str, why: str = "", to: int | None = None) -> tuple[Step, tuple[str, ...]]:
    """Make the last champion before this one champion again, or generation `to`; return the step, and why others were passed over.

    Raises RungError where no earlier champion is whole; the champion then stays. FolderBusy where another process changes the folder.
    """
    if not place.path.is_dir():
        raise RungError(f"{place.path} is no folder of generations: `rung retrain` makes one")
    with place.held():
        now, passed_over = need_champion(place), []
        for step in _earlier(place, now, to):
            try:
                place.run_of(step)
            except RungError as error:
                passed_over.append(str(error))
                continue
            said = f"instead of generation {now.generation}"
            back = Step(
                "rolled back",
                step.generation,
                step.folder,
                step.approach,
                step.sha256,
                by,
                "; ".join(filter(None, (said, why))),
            )
            return place.record(back), tuple(passed_over)
        raise RungError(
            f"{_none(place, now, to)}; generation {now.generation} stays" + "".join(f"; {p}" for p in passed_over)
        )


def _none(place: Generations, now: Step, to: int | None) -> str:
    """Say why there is nothing to go back to."""
    others = sorted({s.generation for s in _made(place)} - {now.generation})
    if to is None and not [n for n in others if n < now.generation]:
        return f"there is no champion before this one in {place.path}"
    if to is None:
        return f"no earlier champion in {place.path} is whole"
    if to == now.generation:
        return f"generation {to} is the champion already"
    if to in others:
        return f"generation {to} in {place.path} is not whole"
    which = ", ".join(map(str, others)) if others else "none"
    return f"generation {to} was never champion in {place.path} (former ones: {which})"


def _made(place: Generations) -> list[Step]:
    return [s for s in place.steps if s.what in ("begun", *WON)]


def _earlier(place: Generations, now: Step, to: int | None) -> Iterator[Step]:
    """Yield former champions, the newest first: those before this one, or the one of that number."""
    made = {s.generation: s for s in _made(place)}
    for number in sorted(made, reverse=True):
        if (number == to or (to is None and number < now.generation)) and number != now.generation:
            yield made[number]
