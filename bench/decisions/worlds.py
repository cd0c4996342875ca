"""Kinds of worlds by construction: the true quality of every candidate of every rung, and where a climb should stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

GOAL, TOLERANCE, ALPHA = 0.9, 0.02, 0.05
MARGINS = (0.0, 0.01, 0.02, 0.04, 0.05, 0.10)  # .04: 6 points below and 4 above the goal, "well separated"
SIZES = (100, 200, 400, 1000)
BEST = 0.99  # nothing is better than this
LATENT, WITHIN = (
    0.51,
    0.29,
)  # shares of a row's ease: common to all, common to the candidates of a rung (bench/statistics)
NO_RUNG = "none"  # the right answer where no rung reaches the goal


@dataclass(frozen=True)
class Rung:
    """One rung: true quality by candidate, in order of preference. `tokens`: of a request, in thousands."""

    label: str
    rates: Mapping[str, float]
    kind: str = "asking"  # "no model", "asking", "tuned"
    knee: bool = False  # chooses like few-shot: the cheapest within `min_gain` of the best
    tokens: float = 0.2
    fewest_rows: int = 0


@dataclass(frozen=True)
class World:
    """A ladder with known truths. `right`: the rungs at which a climb should stop, NO_RUNG for none."""

    kind: str
    margin: float
    ladder: tuple[Rung, ...]
    right: tuple[str, ...]
    undecided_is_right: bool = False
    best_candidate: str | None = None  # the one that the right rung should choose
    test_share: float = 1.0  # of the nominal rows
    objective: str = "good_enough"
    latent: float = LATENT
    separable: bool = True  # whether "well separated" is about the goal alone

    @property
    def good(self) -> frozenset[str]:
        """Rungs whose best candidate reaches the goal."""
        return frozenset(r.label for r in self.ladder if max(r.rates.values()) >= GOAL - 1e-9)


@dataclass(frozen=True)
class _Levels:
    """Qualities at a margin: `low` is not good enough (at or below goal - tolerance), `high` is (at or above the goal)."""

    margin: float
    low: float = field(init=False)
    high: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", GOAL - TOLERANCE - self.margin)
        object.__setattr__(self, "high", min(GOAL + self.margin, BEST))

    def above(self, more: float) -> float:
        return min(self.high + more, BEST)


def _baseline(rate: float) -> Rung:
    return Rung("baseline", {"majority": rate - 0.2, "nearest": rate - 0.05, "linear": rate}, "no model", tokens=0.0)


def _prompt(as_is: float, best: float, others: float) -> Rung:
    rates = {"as-is": as_is, "label-list": others, "exact": best, "definitions": others, "structured": best}
    return Rung("prompt", rates)


def _examples(none: float, few: float, enough: float) -> Rung:
    rates = {"k=0": none, "k=1": few, "k=3": enough, "k=5": enough, "k=8": enough}
    return Rung("examples", rates, knee=True, tokens=0.8)


def _passages(best: float) -> Rung:
    return Rung("passages", {"k=2": best - 0.05, "k=4": best, "k=8": best, "k=4 long": best}, tokens=1.5)


def _tuned(best: float, fewest_rows: int = 0) -> Rung:
    return Rung("tuned", {"1 epoch": best - 0.05, "3 epochs": best}, "tuned", tokens=0.1, fewest_rows=fewest_rows)


def _format_only(x: _Levels) -> World:
    ladder = (
        _baseline(x.low),
        _prompt(x.low - 0.1, x.high, x.low - 0.05),
        _examples(x.high, x.high, x.above(0.005)),
        _passages(x.above(0.005)),
        _tuned(x.above(0.02)),
    )
    return World("format only", x.margin, ladder, ("prompt",))


def _convention(x: _Levels) -> World:
    ladder = (
        _baseline(x.low - 0.2),
        _prompt(x.low - 0.05, x.low, x.low - 0.02),
        _examples(x.low, x.low, x.high),
        _passages(x.above(0.005)),
        _tuned(x.above(0.02)),
    )
    return World("convention shown by examples", x.margin, ladder, ("examples",))


def _knowledge(x: _Levels) -> World:
    ladder = (
        _baseline(x.low - 0.4),
        _prompt(x.low - 0.2, x.low - 0.1, x.low - 0.15),
        _examples(x.low - 0.1, x.low - 0.05, x.low),
        _passages(x.high),
        _tuned(x.above(0.07)),
    )
    return World("private knowledge", x.margin, ladder, ("passages",))


def _behaviour(x: _Levels) -> World:
    ladder = (
        _baseline(x.low - 0.35),
        _prompt(x.low - 0.2, x.low - 0.12, x.low - 0.15),
        _examples(x.low - 0.12, x.low - 0.08, x.low - 0.05),
        _passages(x.low),
        _tuned(x.high),
    )
    return World("behaviour that only tuning gives", x.margin, ladder, ("tuned",))


def _noise_capped(x: _Levels) -> World:
    """Wrong labels cap every rung at `low`: all are equally good, none is good enough."""
    ladder = (
        _baseline(x.low - 0.1),
        _prompt(x.low, x.low, x.low),
        _examples(x.low, x.low, x.low),
        _passages(x.low),
        _tuned(x.low),
    )
    return World("noise-capped", x.margin, ladder, (NO_RUNG,))


def _impossible(x: _Levels) -> World:
    low = x.low - 0.2
    ladder = (
        _baseline(low - 0.2),
        _prompt(low - 0.1, low - 0.05, low - 0.08),
        _examples(low - 0.05, low, low),
        _passages(low),
        _tuned(low + 0.02),
    )
    return World("impossible", x.margin, ladder, (NO_RUNG,))


def _too_few_rows(x: _Levels) -> World:
    """A tenth of the rows: "inconclusive" is the honest answer, the right rung where even so few can show it."""
    world = _format_only(x)
    return World("too few rows", x.margin, world.ladder, ("prompt",), undecided_is_right=True, test_share=0.1)


def _too_few_to_tune(x: _Levels) -> World:
    """Only tuning would reach the goal, and there are too few training rows for it."""
    ladder = (*_behaviour(x).ladder[:-1], _tuned(x.high, fewest_rows=1_000_000))
    return World("too few rows to tune", x.margin, ladder, (NO_RUNG,))


def _already_good(x: _Levels) -> World:
    ladder = (
        _baseline(x.low),
        Rung("now", {"as-is": x.high}),
        _prompt(x.low, x.above(0.005), x.low),
        _examples(x.high, x.high, x.above(0.005)),
        _tuned(x.above(0.02)),
    )
    return World("already good", x.margin, ladder, ("now",))


def _baseline_wins(x: _Levels) -> World:
    ladder = (
        _baseline(x.high),
        _prompt(x.low, x.high, x.low),
        _examples(x.high, x.high, x.above(0.005)),
        _passages(x.above(0.005)),
        _tuned(x.above(0.02)),
    )
    return World("baseline wins", x.margin, ladder, ("baseline",))


def _small_first(x: _Levels) -> World:
    """A small model, tried before the large one, is as good as that."""
    small = _examples(x.low, x.low, x.high)
    ladder = (
        _baseline(x.low - 0.2),
        _prompt(x.low - 0.05, x.low, x.low - 0.02),
        small,
        Rung("prompt@large", {"as-is": x.high, "exact": x.high}, tokens=4.0),
        Rung("examples@large", {"k=3": x.above(0.005), "k=5": x.above(0.005)}, tokens=8.0),
    )
    return World("small model as good as the large", x.margin, ladder, ("examples",))


def _second_door(x: _Levels) -> World:
    """The same found the other way round: the large model is good, and the small one is not worse and cheaper."""
    ladder = (
        _baseline(x.low),
        Rung("prompt@large", {"exact": x.high}, tokens=4.0),
        Rung("prompt", {"exact": x.high}, tokens=0.4),
    )
    return World(
        "small model by the cheaper alternative",
        x.margin,
        ladder,
        ("prompt",),
        objective="cheapest",
        latent=0.93,
        separable=False,
    )


def _own_prompt(x: _Levels) -> World:
    """Every rewrite makes the feature's own prompt worse."""
    ladder = (
        _baseline(x.low),
        Rung("prompt", {"as-is": x.high, **dict.fromkeys(("label-list", "exact", "definitions", "structured"), x.low)}),
        _examples(x.high, x.high, x.high),
        _passages(x.above(0.005)),
        _tuned(x.above(0.02)),
    )
    return World("own prompt is best", x.margin, ladder, ("prompt",), best_candidate="as-is")


def _regressions(x: _Levels) -> World:
    """A better prompt that breaks many rows which worked: hard rows are other ones for each rung."""
    ladder = (
        Rung("now", {"as-is": x.low}),
        _prompt(x.low, x.high, x.low - 0.02),
        _examples(x.high, x.high, x.above(0.005)),
        _passages(x.above(0.005)),
        _tuned(x.above(0.02)),
    )
    return World("regressions under a better prompt", x.margin, ladder, ("prompt",), latent=0.1)


KINDS: tuple[Callable[[_Levels], World], ...] = (
    _already_good,
    _baseline_wins,
    _own_prompt,
    _format_only,
    _regressions,
    _small_first,
    _second_door,
    _convention,
    _knowledge,
    _behaviour,
    _too_few_to_tune,
    _noise_capped,
    _impossible,
    _too_few_rows,
)


def worlds(margin: float) -> tuple[World, ...]:
    """Return every kind at a margin."""
    return tuple(make(_Levels(margin)) for make in KINDS)
