"""Which prompts are computed together: groups that share a beginning, batches of similar length. Pure lists of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_ROWS_WORTH_A_GROUP = 8
_PADDING = 0.2
_TOKENS_WORTH_A_GROUP = 512  # tokens that a prefix of its own must save; below, larger batches are quicker


@dataclass(frozen=True, slots=True)
class Group:
    """Prompts (by index) that share their first `shared` tokens; each has at least one token more."""

    members: tuple[int, ...]
    shared: int


def groups(prompts: Sequence[Sequence[int]]) -> list[Group]:
    """Part the prompts so that long common beginnings are computed once. Every index is in exactly one group.

    Prompts are sorted; where a run of them shares clearly more than all do, it becomes a group of its own. All
    prompts must begin with one token and have two at least.
    """
    if not prompts:
        return []
    order = sorted(range(len(prompts)), key=lambda i: tuple(prompts[i]))
    common = [common_length(prompts[a], prompts[b]) for a, b in pairwise(order)]
    return _part(prompts, order, common)


def _part(prompts: Sequence[Sequence[int]], order: list[int], common: list[int]) -> list[Group]:
    least = min((*common, *(len(prompts[i]) - 1 for i in order)))
    runs: list[tuple[list[int], list[int]]] = [([order[0]], [])]
    for index, shared in zip(order[1:], common, strict=True):
        if shared <= least:
            runs.append(([index], []))
        else:
            runs[-1][0].append(index)
            runs[-1][1].append(shared)
    found: list[Group] = []
    rest: list[int] = []
    for members, inner in runs:
        saved = (min((*inner, *(len(prompts[i]) - 1 for i in members))) - least) * (len(members) - 1)
        worth = len(members) >= _ROWS_WORTH_A_GROUP and saved >= _TOKENS_WORTH_A_GROUP
        if worth and len(members) < len(order):
            found += _part(prompts, members, inner)
        else:
            rest += members
    return [*found, Group(tuple(rest), least)] if rest else found


def batches(lengths: Sequence[int], rows: int, tokens: int) -> list[list[int]]:
    """Part indices into batches of similar length, longest first: at most `rows` each and `tokens` with padding.

    From a few rows on a batch also ends where padding would be more than `_PADDING` of its tokens.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    found: list[list[int]] = []
    real = 0
    for index in order:
        if found:
            padded = lengths[found[-1][0]] * (len(found[-1]) + 1)
            wasteful = len(found[-1]) >= _ROWS_WORTH_A_GROUP and padded * (1 - _PADDING) > real + lengths[index]
            if len(found[-1]) < rows and padded <= tokens and not wasteful:
                found[-1].append(index)
                real += lengths[index]
                continue
        found.append([index])
        real = lengths[index]
    return found


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens two prompts share at their beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:  # halving on slice equality: slices compare in C
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
