"""How likely a second sample of the same size comes to the same answer: the predictive distribution of one approach's status."""

from __future__ import annotations

import math

import numpy as np

from rung.stats.distribution import at_least, at_most, beta_quantile, normal_cdf, normal_quantile
from rung.stats.paired import Difference, smoothed
from rung.stats.power import hits_for_met, hits_for_not_met

POINTS = 64  # of the distribution of the true rate, equally likely


def status_chances(
    hits: float, n: float, rows: int, goal: float, tolerance: float, alpha: float, planned_rungs: float
) -> tuple[float, float]:
    """Return the probabilities that an approach with so many hits in `n` rows *meets* and *misses* the goal on `rows` fresh ones.

    The true rate is from Beta(hits + 1/2, n - hits + 1/2), the fresh hits are binomial given it.
    """
    a, b = hits + 0.5, n - hits + 0.5
    rates = np.array([beta_quantile(a, b, (i + 0.5) / POINTS) for i in range(POINTS)])
    met = int(hits_for_met(rows, goal, tolerance, alpha, planned_rungs)[0])
    missed = int(hits_for_not_met(rows, goal, alpha)[0])
    return float(np.mean(at_least(met, rows, rates))), float(np.mean(at_most(missed, rows, rates)))


def difference_chances(seen: Difference, margin: float, alpha: float, divisor: float) -> tuple[float, float]:
    """Return the probabilities that the second is shown at most `margin` worse than the first, and shown worse, on as many fresh rows.

    Normal approximation: the true difference around the one seen, the fresh one around the true one, each with its standard error.
    """
    gain, spread = smoothed(seen)
    error = math.sqrt(spread / seen.n_eff)
    meets = gain + margin - normal_quantile(1.0 - alpha / divisor) * error
    misses = -gain - normal_quantile(1.0 - alpha) * error
    return normal_cdf(meets / (error * math.sqrt(2.0))), normal_cdf(misses / (error * math.sqrt(2.0)))
