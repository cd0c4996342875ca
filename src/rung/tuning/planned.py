"""What a race of recipes asks and tunes at most, remedies included: for a plan, before anything is asked."""

from __future__ import annotations

from dataclasses import dataclass

from rung.protocols import RegressionSuite, Tuner
from rung.tuning.remedies import DIAL
from rung.tuning.search import CHECKPOINTS, MOST_JUDGED, SHARES
from rung.types import TuningNeed


@dataclass(frozen=True)
class LongestRace:
    """The longest way that a race may take. `prompts`: 1, or 2 where a longer one is tuned under, too; `curve`: see `search`;
    `remedies`: how many are tuned on all examples where a regression task is forgotten."""

    recipes: int
    prompts: int
    curve: bool
    remedies: int

    @property
    def alone(self) -> bool:
        """Whether all examples are tuned on at once."""
        return not self.curve and self.recipes == self.prompts == 1

    @property
    def runs(self) -> int:
        """Recipes, prompts, all examples; and the quarter once more, where the longer prompt wins."""
        return 1 if self.alone else self.recipes + self.prompts + 1 + (self.prompts > 1)

    def need(self, short: TuningNeed, longest: TuningNeed, mended: TuningNeed, rows: int) -> TuningNeed:
        """Return what the whole race takes, from what one run on all `rows` does under the short and the longest prompt, and as a
        remedy, with rows of the kept tasks."""
        of_short, of_longest = self._times()
        parts = ((short, of_short), (longest, of_longest), (mended, self.remedies))
        known = all(need.seconds is not None for need, _ in parts)
        return TuningNeed(
            tokens=round(sum(need.tokens * times for need, times in parts)),
            seconds=sum((need.seconds or 0.0) * times for need, times in parts) if known else None,
            memory_bytes=longest.memory_bytes,
            disk_bytes=longest.disk_bytes,
            note=f"{self._told(rows)}; {longest.note}",
        )

    def seconds(self, short: float | None, longest: float | None) -> float | None:
        """Return the seconds of the race without remedies, from those of one run on all examples; None where they are unknown."""
        if short is None or longest is None:
            return None
        of_short, of_longest = self._times()
        return short * of_short + longest * of_longest

    def calls(self, dev: int, suite: RegressionSuite) -> int:
        """Return the most calls: every look at the dev score, the choice on all `dev` examples, and what must be kept before and after."""
        judged, kept = min(dev, MOST_JUDGED), suite.asked
        found = CHECKPOINTS * self.runs * judged + dev + 2 * kept
        if suite.vetoes:
            found += len(DIAL) * (judged + kept) + self.remedies * (CHECKPOINTS * judged + kept)
        return found

    def _times(self) -> tuple[float, float]:
        """Return how often all examples are tuned on, under the short prompt and under the longest, remedies left out."""
        if self.alone:
            return 0.0, 1.0
        quarter, half, whole = SHARES
        again = quarter + half if self.prompts > 1 else 0.0
        return quarter * self.recipes + half, again + whole

    def _told(self, rows: int) -> str:
        more = f", {self.remedies} on all as remedies where a regression task is forgotten" if self.remedies else ""
        if self.alone:
            return f"1 run on {rows} examples{more}"
        recipes = f"{self.recipes} recipe{'s' if self.recipes > 1 else ''} on a quarter of {rows} examples"
        prompts = f"{self.prompts} prompt{'s' if self.prompts > 1 else ''} on a half"
        again = ", a quarter once more where the longer prompt wins" if self.prompts > 1 else ""
        return f"{recipes}, {prompts}, 1 on all{again}{more}"


def remedies_tuned(recipe: Tuner, suite: RegressionSuite) -> int:
    """Return how many remedies are tuned: with rows of the other tasks, where these have some to spare, and by a gentler recipe."""
    return (len(suite.replay(1)) + (recipe.gentler() is not None)) if suite.vetoes else 0


def kept_told(suite: RegressionSuite) -> str:
    """Say what is asked for what must be kept; nothing where nothing is."""
    if not suite.asked:
        return ""
    more = ", and for each remedy that is tried" if suite.vetoes else ""
    return f"; {suite.asked} examples of what tuning must not harm are asked before and after{more}"
