"""How sure an answer is: numbers of a classifier as the probability that its answer is right, fitted on dev examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import bdtr

FEWEST = 20  # dev examples below which no probability is claimed
SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)  # of dev examples, the surest ones, whose answers may be kept
ERROR = 0.05  # chance that a promise does not hold
_SHARPNESS = [2.0 ** (step / 4) for step in range(-16, 25)]  # from 1/16 to 64


@dataclass(frozen=True)
class Confidence:
    """Probability by softmax of the numbers times one factor (temperature scaling; Guo et al. 2017, arXiv 1706.04599)."""

    sharpness: float
    n: int

    @classmethod
    def fitted(cls, seen: Sequence[tuple[Mapping[str, float], bool]]) -> Confidence | None:
        """Return the factor under which what was seen is likeliest: numbers, and whether the answer was right. None: too few."""
        if len(seen) < FEWEST:
            return None
        best = min(_SHARPNESS, key=lambda s: sum(_surprise(_top(numbers, s), right) for numbers, right in seen))
        return cls(best, len(seen))

    def of(self, numbers: Mapping[str, float]) -> float:
        return _top(numbers, self.sharpness)


def _top(numbers: Mapping[str, float], sharpness: float) -> float:
    most = max(numbers.values())
    return 1.0 / sum(math.exp(sharpness * (value - most)) for value in numbers.values())


def _surprise(probability: float, right: bool) -> float:
    return -math.log(max(1e-9, probability if right else 1.0 - probability))


@dataclass(frozen=True)
class Threshold:
    """Answers at least so sure are kept: shown on dev, of `n` kept examples `wrong` were."""

    least: float
    kept: float
    n: int
    wrong: int


def threshold(seen: Sequence[tuple[float, bool]], promised: float) -> Threshold | None:
    """Return the lowest threshold for which at most the promised share of kept answers is shown to be wrong; None: none is.

    `seen`: confidence, and whether the answer was right. An exact binomial test for each of the shares, all together at
    error 5 % (Bonferroni; learn then test, Angelopoulos et al. 2021, arXiv 2110.01052).
    """
    surest = sorted(seen, key=lambda s: -s[0])
    for share in SHARES:
        count = round(share * len(surest))
        if not count:
            continue
        least = surest[count - 1][0]
        kept = [right for confidence, right in surest if confidence >= least]
        wrong = len(kept) - sum(kept)
        if float(bdtr(wrong, len(kept), promised)) <= ERROR / len(SHARES):
            return Threshold(least, len(kept) / len(surest), len(kept), wrong)
    return None
