"""How sure an answer is, as the probability that it is right, and from where on the promised share of wrong answers is shown on dev.

Pure. What speaks for an answer are a classifier's numbers, or one number; the probability is fitted on dev examples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.optimize import minimize
from scipy.special import bdtr

FEWEST = 20  # dev examples below which no probability is claimed
SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)  # of dev examples, the surest ones, whose answers may be kept
ERROR = 0.05  # chance that a promise does not hold
_SHARPNESS = [2.0 ** (step / 4) for step in range(-16, 25)]  # from 1/16 to 64


@dataclass(frozen=True)
class Softmax:
    """Probability by softmax of the numbers times one factor (temperature scaling; Guo et al. 2017, arXiv 1706.04599)."""

    sharpness: float
    n: int

    @classmethod
    def fitted(cls, seen: Sequence[tuple[Mapping[str, float], bool]]) -> Softmax | None:
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
class Logistic:
    """Probability by a logistic curve of one number, which never falls (Platt 1999, Probabilistic outputs for support vector machines)."""

    offset: float
    slope: float

    @classmethod
    def fitted(cls, seen: Sequence[tuple[float, bool]]) -> Logistic | None:
        """Return the curve under which what was seen is likeliest, with Platt's targets, which keep it from certainty. None: too few."""
        if len(seen) < FEWEST:
            return None
        rights = sum(right for _, right in seen)
        aims = (1.0 / (len(seen) - rights + 2.0), (rights + 1.0) / (rights + 2.0))  # of wrong answers and of right ones

        def loss(at: Sequence[float]) -> float:
            odds = [(at[0] + at[1] * number, aims[right]) for number, right in seen]
            return math.fsum(_soft(x) - aim * x for x, aim in odds)

        offset, slope = minimize(loss, [0.0, 1.0], method="L-BFGS-B", bounds=[(None, None), (0.0, None)]).x
        return cls(float(offset), float(slope))

    def of(self, number: float) -> float:
        return math.exp(-_soft(-(self.offset + self.slope * number)))


def _soft(x: float) -> float:
    """Return log(1 + e^x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@dataclass(frozen=True)
class Threshold:
    """Answers surer than `above` are kept: on dev the share `kept`, these are `n`, and `wrong` of them are wrong."""

    above: float
    kept: float
    n: int
    wrong: int

    @property
    def right(self) -> float:
        """The probability that a kept answer is right, by the rule of succession."""
        return (self.n - self.wrong + 1) / (self.n + 2)

    def shows(self, promised: float, error: float = ERROR) -> bool:
        """Whether at most the promised share of kept answers is shown to be wrong (exact binomial test)."""
        return float(bdtr(self.wrong, self.n, promised)) <= error


def threshold(seen: Sequence[tuple[float, bool]], promised: float, tried: int = 1) -> Threshold | None:
    """Return the lowest threshold for which at most the promised share of kept answers is shown to be wrong; None: none is.

    `seen`: confidence, and whether the answer was right, of independent examples. `tried`: how many candidates the one that answered was
    chosen from on these examples.

    SHARES say how many answers are kept before any is seen, and never all: what is less sure than anything seen is not kept. The threshold is the confidence of the surest one that is not, and what lies
    above it is kept. Given that confidence and how many lie above it, those are independent draws from all answers that will be kept, so
    the number of wrong ones among them is binomial, whatever ties and however little a confidence says: the test is exact. The tests of
    all shares and candidates err together at 5 % (Bonferroni; learn then test, Angelopoulos et al. 2021, arXiv 2110.01052). A share of so
    few examples that not even all being right would show it is not tested.
    """
    surest = sorted(seen, key=lambda s: -s[0])
    counts = [min(round(share * len(surest)), len(surest) - 1) for share in SHARES]
    tests = [k for k in range(1, len(counts) + 1) if float(bdtr(0, counts[k - 1], promised)) <= ERROR / (k * tried)]
    for count in counts[: max(tests, default=0)]:
        all_tie = surest[0][0] == surest[-1][0]  # then what was tested are answers that are just so sure
        above = math.nextafter(surest[0][0], -math.inf) if all_tie else surest[count][0]
        found = kept([(confidence > above, right) for confidence, right in surest], above)
        if found.shows(promised, ERROR / (max(tests) * tried)):
            return found
    return None


def kept(seen: Sequence[tuple[bool, bool]], above: float = -math.inf) -> Threshold:
    """Return what was seen of a threshold: whether each answer is kept, and whether it is right."""
    rights = [right for stays, right in seen if stays]
    return Threshold(above, len(rights) / max(1, len(seen)), len(rights), len(rights) - sum(rights))
