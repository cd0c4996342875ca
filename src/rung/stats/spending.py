"""One error for all decisions of a row that nobody knows the end of: what the next one may spend.

The fallback procedure for a stream of hypotheses (Tian and Ramdas 2021, Stat. Methods Med. Res. 30:976, arXiv 1910.04900; Wiens and Dmitrienko
2005, J. Biopharm. Stat. 15:929): decision k has the share alpha / (k (k + 1)), which sum to alpha, and a rejection hands its level on to the
next one. The chance of any false rejection is at most alpha, however many there are and however their tests depend on each other.
"""

from __future__ import annotations

from collections.abc import Sequence


def next_level(alpha: float, rejected: Sequence[bool]) -> float:
    """Return the level of the decision after these. `rejected`: whether each of those before it was a rejection, oldest first."""
    level = 0.0
    for k, handed_on in enumerate((False, *rejected), 1):
        level = alpha / (k * (k + 1)) + (level if handed_on else 0.0)
    return level
