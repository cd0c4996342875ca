"""Champion against challenger on the same test examples: does the newer one take the older one's place?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from rung.decide.across import Across, Side, across

FEWEST = 200  # new test examples that decide alone: fewer would show hardly any gain


@dataclass(frozen=True)
class Contest:
    """What decided, at which error, and the earlier test examples beside it.

    `fresh`: only examples that had decided nothing before. `earlier`: None where all test examples decide, or none is an earlier one.
    """

    decided: Across
    level: float
    fresh: bool
    earlier: Across | None

    @property
    def won(self) -> bool:
        """Whether the challenger is shown to be better, or to be not worse by the margin and cheaper."""
        found = self.decided
        equal = found.not_worse is not None and found.not_worse.shown
        return found.better or (equal and found.spares == "cheaper")

    @property
    def why(self) -> str:
        """Why the champion is replaced, or stays."""
        if self.decided.better:
            return f"shown better at the level {self.level:.3g}"
        if self.won:
            return f"shown at most {self.decided.margin:g} worse and cheaper at the level {self.level:.3g}"
        return f"shown neither better, nor at most {self.decided.margin:g} worse and cheaper, at the level {self.level:.3g}"


def contest(champion: Side, challenger: Side, fresh: Collection[str], level: float) -> Contest:
    """Hold the challenger against the champion. `fresh`: ids of the test examples that decided nothing before.

    `FEWEST` fresh ones or more decide alone, otherwise all test examples do. Raises what `across` raises.
    """
    new = {i for i in fresh if i in {o.example_id for o in challenger.result.outcomes}}
    alone = len(new) >= FEWEST
    strict = replace(challenger, task=replace(challenger.task, alpha=level))
    decided = across(_only(champion, new), _only(strict, new)) if alone else across(champion, strict)
    old = {o.example_id for o in challenger.result.outcomes} - new
    earlier = across(_only(champion, old), _only(challenger, old)) if alone and old else None
    return Contest(decided, level, alone, earlier)


def _only(side: Side, ids: Collection[str]) -> Side:
    kept = tuple(o for o in side.result.outcomes if o.example_id in ids)
    return replace(side, result=replace(side.result, outcomes=kept))
