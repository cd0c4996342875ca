"""Alpha divided among the planned approaches by what dev says of each: most of it goes where *meets* is likely.

Alpha-spending over a fixed sequence with weights that do not depend on the test rows: the shares sum to at most alpha whatever
dev says, so that a wrong *meets* anywhere on the ladder comes with probability alpha at most (union bound, given dev). Weights
of hypotheses: Genovese, Roeder and Wasserman 2006 (Biometrika 93:509); alpha wealth: Foster and Stine 2008 (JRSS B 70:429).
"""

from __future__ import annotations

from rung.stats.distribution import beta_above
from rung.stats.estimate import Sample

LEAST_WEIGHT = 0.002  # an approach that dev gives up is tested all the same, and may surprise
WAITING = 0.5  # what an approach that is still to come is expected to weigh


def weight(dev: Sample | None, floor: float) -> float:
    """Return P(rate >= floor) given dev, from Beta(k + 1/2, n - k + 1/2) with the effective size, in [0.002, 1].

    None: dev says nothing, and the weight is that of those to come.
    """
    if dev is None:
        return WAITING
    likely = beta_above(dev.hits + 0.5, dev.n_eff - dev.hits + 0.5, floor)
    return min(max(likely, LEAST_WEIGHT), 1.0)


def share(wealth: float, own: float, to_come: int) -> float:
    """Return what an approach of weight `own` may spend of the alpha left, with `to_come` planned approaches after it.

    The last one takes all that is left. Raises ValueError unless 0 <= wealth, 0 < own <= 1 and to_come >= 0.
    """
    if wealth < 0.0 or not 0.0 < own <= 1.0 or to_come < 0:
        raise ValueError(f"wealth {wealth}, weight {own} and {to_come} approaches to come are no division of alpha")
    return wealth * (own / (own + WAITING * to_come))
