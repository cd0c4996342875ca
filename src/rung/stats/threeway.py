"""The three-way rule: meets the goal, misses it, or inconclusive; never "the estimate is above the line, so yes"."""

from __future__ import annotations

import math
from collections.abc import Sequence

from numpy.typing import ArrayLike

from rung.stats.aggregate import Contributions, non_inferior_contributions
from rung.stats.distribution import beta_above, normal_quantile
from rung.stats.estimate import FEWEST_GROUPS, Sample, can_claim_met, sample_lower, sample_upper, summarise
from rung.stats.paired import SIDE, NonInferiority, non_inferior, non_inferior_of, paired_difference, sign_flip
from rung.stats.power import check_rule, rows_for_answer, rows_for_difference
from rung.stats.ppi import Differences, rectified_difference
from rung.types import Quality, Status

MOST_TIMES = 10  # needing more than ten times the rows at hand is no advice that anyone can follow


def judge(
    scores: ArrayLike,
    groups: Sequence[str] | None,
    goal: float,
    tolerance: float,
    alpha: float,
    planned_rungs: float,
) -> Quality:
    """Judge the scores (in [0, 1], one a test row) of one rung against the goal.

    met: the one-sided lower bound at alpha / planned_rungs is at least goal - tolerance, and rows in groups have at least
    8 of them; takes precedence. misses: the one-sided upper bound at alpha is below the goal. inconclusive: otherwise.
    `planned_rungs` is the number of rungs in the ladder, fixed before the test part is opened: it pays for judging
    them all on the same rows. Where dev divides alpha (`rung.stats.wealth`) it is alpha over the approach's own level. `probability_good` is P(rate >= goal - tolerance) under Jeffreys' prior, and
    `probability_at_goal` is P(rate >= goal).
    `examples_needed`: smallest test size, above the present one, that answers either way with probability 0.8 if the
    true rate is (hits + 1/2) / (n + 1); only for inconclusive, None above ten times the rows (then see `advice`).
    Raises ValueError for no scores, scores outside [0, 1], or settings that make no sense.
    """
    return judge_sample(summarise(scores, groups), goal, tolerance, alpha, planned_rungs)


def judge_sample(
    sample: Sample, goal: float, tolerance: float, alpha: float, planned_rungs: float, *, best: Sample | None = None
) -> Quality:
    """Judge rows that are summarised already, as `judge` does.

    `best`: the same rows with everything that is unknown counted as right, where `sample` counts it as wrong; the upper
    bound rests on it.
    """
    check_rule(goal, tolerance, alpha, planned_rungs)
    lower = sample_lower(sample, alpha / planned_rungs)
    upper = sample_upper(best or sample, alpha)
    good, at_goal = (
        beta_above(sample.hits + 0.5, sample.n_eff - sample.hits + 0.5, line) for line in (goal - tolerance, goal)
    )
    status = _status(lower, upper, goal, tolerance)
    rows, advice = None, None
    if status == "meets" and not can_claim_met(sample.n_groups):
        status, advice = "inconclusive", _more_groups(sample.n_groups)
    elif status == "inconclusive":
        rows = _rows_needed(sample, goal, tolerance, alpha, planned_rungs)
        advice = "widen the tolerance or change the goal" if rows is None else None
    return Quality(status, lower, upper, good, rows, advice, probability_at_goal=at_goal)


Pairs = Sequence[tuple[float, float]]  # what is held against, and what is judged: scores of one row
NO_MARGIN = 1e-9  # the margin of "not worse at all", since a test of non-inferiority wants one


def judge_difference(
    worst: Pairs, best: Pairs, groups: Sequence[str] | None, margin: float, alpha: float, divisor: float, at: float
) -> Quality:
    """Judge one rung against another on the same rows: whether it is at most `margin` worse, by three answers as `judge` gives.

    meets: the one-sided lower bound of the difference at alpha / divisor lies above -margin (Tango's score test, in groups by their
    effective size, and with at least 8 of them); misses: its upper bound at alpha is below 0 (in groups exactly where sign flips of whole
    groups say so, as in the comparison that is printed beside it); inconclusive: neither. `worst` and `best`:
    the pairs with what is unknown counted against the judged rung, and for it. Bounds are told as rates: `at`, the mean of
    what is held against, plus the difference. The probabilities are 1 - p of the test at the margin, and at none.
    Raises ValueError as `rung.stats.paired.non_inferior` does.
    """
    a, b = zip(*worst, strict=True)
    c, d = zip(*best, strict=True)
    seen = paired_difference(a, b, groups)
    found = non_inferior_of(seen, margin, alpha / divisor)
    at_all = non_inferior_of(seen, NO_MARGIN, alpha)
    rows = rows_for_difference(seen, len(worst), margin, alpha, divisor)
    rows = rows if rows is not None and rows <= MOST_TIMES * len(worst) else None
    advice = "widen the margin" if rows is None else None
    return _beside(found, _upper_difference(c, d, groups, margin, alpha), at_all, groups, at, rows, advice)


def judge_rectified(
    worst: Differences, best: Differences, margin: float, alpha: float, divisor: float, at: float
) -> Quality:
    """Judge one rung against another by a judge's opinions that people's labels correct, as `judge_difference` does by scores that are known.

    `worst`: second minus first, what people could not tell counted against the second; `best`: first minus second, counted against the first.
    What would settle it is more labels where the rows at hand can carry them, else more rows. Raises ValueError as `non_inferior_of` does.
    """
    seen, n = rectified_difference(*worst), len(worst.labels) + len(worst.others)
    found = non_inferior_of(seen, margin, alpha / divisor)
    at_all = non_inferior_of(seen, NO_MARGIN, alpha)
    upper = -non_inferior_of(rectified_difference(*best), margin, alpha).lower
    rows, advice = rows_for_difference(seen, n, margin, alpha, divisor), None
    labels = n if rows is None else math.ceil(rows * len(worst.labels) / n)
    if labels < n:
        rows, advice = (
            None,
            f"about {labels:,} labels instead of {len(worst.labels):,} would tell (rung label --rows {labels})",
        )
    elif rows is None or rows > MOST_TIMES * n:
        rows, advice = None, "widen the margin"
    return _beside(found, upper, at_all, worst.groups, at, rows, advice)


def _beside(
    found: NonInferiority,
    upper: float,
    at_all: NonInferiority,
    groups: Sequence[str] | None,
    at: float,
    rows: int | None,
    advice: str | None,
) -> Quality:
    """Return the three answers of a paired claim. `rows` and `advice`: what would settle it, where nothing does."""
    status: Status = "meets" if found.shown else "misses" if upper < 0 else "inconclusive"
    if status != "inconclusive":
        rows, advice = None, None
    if status == "meets" and groups is not None and not can_claim_met(len(set(groups))):
        status, advice = "inconclusive", _more_groups(len(set(groups)))
    good, at_goal = 1.0 - found.p_value, 1.0 - at_all.p_value
    return Quality(status, at + found.lower, at + upper, good, rows, advice, probability_at_goal=at_goal)


def judge_contributions(
    worst: tuple[Contributions, Contributions],
    best: tuple[Contributions, Contributions],
    groups: Sequence[str] | None,
    margin: float,
    alpha: float,
    divisor: float,
    at: float,
) -> Quality:
    """Judge one rung against another by an average over labels, as `judge_difference` does by means: bounds by the delta method.

    How many examples would settle it is not said: it depends on which labels they have. Raises ValueError as `non_inferior_contributions`.
    """
    found = non_inferior_contributions(*worst, groups, margin, alpha / divisor)
    upper = -non_inferior_contributions(best[1], best[0], groups, margin, alpha).lower
    at_all = non_inferior_contributions(*worst, groups, NO_MARGIN, alpha)
    advice = "bring more examples of the rare labels, or widen the margin"
    return _beside(found, upper, at_all, groups, at, None, advice)


FALLEN = 0.05


def fallen(earlier: Sample, later: Sample) -> bool:
    """Whether later rows are shown worse than earlier ones: a one-sided score test of two rates at 5 %, by what the rows are worth in groups."""
    rate = (earlier.hits + later.hits) / (earlier.n_eff + later.n_eff)
    variance = rate * (1.0 - rate) * (1.0 / earlier.n_eff + 1.0 / later.n_eff)
    return variance > 0.0 and (earlier.mean - later.mean) / math.sqrt(variance) > normal_quantile(1.0 - FALLEN)


def _upper_difference(
    a: Sequence[float], b: Sequence[float], groups: Sequence[str] | None, margin: float, alpha: float
) -> float:
    """Return the upper bound of b - a. In groups the effective size is a cautious guess, which costs a test of no difference a fifth of its
    power and more, where flips of groups are exact: they say on which side of 0 the bound lies (docs/log.md)."""
    bound = -non_inferior(b, a, groups, margin, alpha).lower
    if groups is None:
        return bound
    worse = sum(b) < sum(a) and sign_flip([y - x for x, y in zip(a, b, strict=True)], groups, seed=0) / 2.0 < alpha
    return min(bound, -SIDE) if worse else max(bound, 0.0)


def _status(lower: float, upper: float, goal: float, tolerance: float) -> Status:
    if lower >= goal - tolerance:
        return "meets"
    return "misses" if upper < goal else "inconclusive"


def _more_groups(n_groups: int | None) -> str:
    return (  # one group alone has the lower bound 0 and never comes here
        f"the test examples come from {n_groups} groups; at least {FEWEST_GROUPS} are needed before 'meets' can be said: "
        "add examples from other groups, or drop group_by if the examples are independent"
    )


def _rows_needed(sample: Sample, goal: float, tolerance: float, alpha: float, planned_rungs: float) -> int | None:
    """Search in effective rows and translate back: n_eff grows in proportion to n."""
    truth = (sample.hits + 0.5) / (sample.n_eff + 1.0)
    first = math.floor(sample.n_eff) + 1
    last = math.floor(MOST_TIMES * sample.n_eff)
    effective = rows_for_answer(truth, goal, tolerance, alpha, planned_rungs, first, last)
    return None if effective is None else math.ceil(effective * sample.n / sample.n_eff)
