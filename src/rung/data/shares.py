"""Which shares of the examples train, choose and test: by what the planned approaches need, unless rung.yaml says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rung import plugins
from rung.config import Config

DEV_OF_A_TRAINING_FILE = 0.15  # where the test set is the user's own: nothing of the training file could be tested
MOST_TRAIN = 0.45  # the share that tuning gets; few examples give no more to approaches that show or learn from them
FEWEST_SHOWN = 40  # training examples from which few-shot chooses, where there are as many
MOST_BY_TIME = 0.4  # the longer ago an example, the less it says of tomorrow (docs/statistics.md)
FEWEST_READ = 10  # training examples whatever is planned: the audit, and what knows labels by them, read these


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of all examples, which sum to 1, and why they are these."""

    train: float
    dev: float
    test: float
    why: str

    @property
    def said(self) -> str:
        """The shares in percent."""
        return f"{100 * self.train:.0f} % train, {100 * self.dev:.0f} % dev, {100 * self.test:.0f} % test"


def shares_of(config: Config, rows: int) -> Shares:
    """Return the shares for so many examples. What rung.yaml says stands; one share that it leaves out is divided from the rest as by need."""
    needed = shares_by_need([step.rung for step in config.ladder], rows, answers=bool(config.task.target))
    test, dev = config.split.test, config.split.dev
    if config.split.by == "time" and needed.test > MOST_BY_TIME:
        why = f"{needed.why}; by time the latest {100 * MOST_BY_TIME:.0f} % test"
        needed = Shares(round(1.0 - needed.dev - MOST_BY_TIME, 4), needed.dev, MOST_BY_TIME, why)
    if test is None and dev is None:
        return needed
    if test is None:
        test = (1.0 - (dev or 0.0)) * needed.test / (needed.test + needed.train)
    if dev is None:
        dev = (1.0 - test) * needed.dev / (needed.dev + needed.train)
    return Shares(round(1.0 - test - dev, 12), dev, test, "as `split` says")


def shares_by_need(approaches: Sequence[str], rows: int, *, answers: bool = True) -> Shares:
    """Return the shares that these approaches need. `answers`: the examples have expected answers to learn from, or to show."""
    kinds = [plugins.rung_type(name) for name in approaches]
    if any(kind.trains for kind in kinds):
        return Shares(0.45, 0.15, 0.4, "an approach is tuned on the training examples")
    learns = answers and any(not kind.asks for kind in kinds)
    shows = answers and any(kind.asks and getattr(kind, "shows_answers", False) for kind in kinds)
    least = min((FEWEST_SHOWN if shows else FEWEST_READ) / max(rows, 1), MOST_TRAIN)
    train = round(max(0.3 if learns else 0.1, least), 4)
    why = "nothing is tuned, and the baseline learns from examples" if learns else "nothing is tuned"
    return Shares(train, 0.2, round(0.8 - train, 4), why)
