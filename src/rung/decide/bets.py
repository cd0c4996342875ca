"""What to use now, where the test examples settle nothing: how far each approach is expected to fall short, beside what it costs. A bet, no claim.

One recommendation: the tentative pick where there is one, else the approach that is expected to fall short least. What another one would have to be
worth to be the better bet is told as the price of a point, since nobody can know that price but the reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rung.decide.averages import quality_sample
from rung.decide.wording import money
from rung.stats.shortfall import Seen, expected_shortfall, least_after
from rung.types import Bet, Bets, Result, Task
from rung.usual_names import shown_name

MORE = 100  # test examples whose worth is told
LEAST = 0.0005  # what more examples are worth from here on is told as a number
INTRO = (
    "A bet, not a finding: nothing here is shown. An approach is expected to fall so many points short of the goal on the average; reaching it or more counts "
    "as 0. The true score is taken from Beta(k + 1/2, n - k + 1/2)."
)


def bets_on(task: Task, may_win: Mapping[str, Result], pick: str | None) -> Bets | None:
    """Return the bets on approaches that may win; None where no example tells of any. `pick`: the tentative pick."""
    seen: dict[str, Seen] = {}
    more = []
    for label, result in may_win.items():
        sample = quality_sample(result, task)
        if sample is not None and not result.missed_floors:
            seen[label] = Seen(sample.hits, sample.n_eff)
            more.append(max(1, round(MORE * sample.n_eff / sample.n)))
    if not seen:
        return None
    found = [Bet(k, expected_shortfall(s, task.goal), may_win[k].cost_per_1k_usd) for k, s in seen.items()]
    each = tuple(sorted(found, key=lambda bet: bet.shortfall))
    after = least_after(list(seen.values()), more, task.goal)
    return Bets(pick if pick in seen else each[0].label, each, MORE, max(each[0].shortfall - after, 0.0))


def beaten_by(label: str, others: Mapping[str, Result], task: Task) -> str | None:
    """Return the one of `others` that costs no more than an approach and is expected to fall short less; the least short of several."""
    seen = {k: sample for k, r in others.items() if (sample := quality_sample(r, task)) is not None}
    cost = others[label].cost_per_1k_usd
    if label not in seen or cost is None:
        return None
    short = {k: expected_shortfall(Seen(s.hits, s.n_eff), task.goal) for k, s in seen.items()}
    better = [
        k for k in seen if (usd := others[k].cost_per_1k_usd) is not None and usd <= cost and short[k] < short[label]
    ]
    return min(better, key=lambda k: short[k], default=None)


def points(share: float) -> str:
    """Write a shortfall in points."""
    return f"{100 * share:.1f} points"


def first_line(bets: Bets) -> str:
    """Say the bet in one sentence, for the first screen."""
    return (
        f"A bet, if you have to choose now: {shown_name(bets.pick)}, expected to fall {points(bets.picked.shortfall)} short of the goal"
        + (f"; {bets.more} more test examples are worth {points(bets.worth)}." if bets.worth >= LEAST else ".")
    )


def sentences(bets: Bets) -> Iterator[str]:
    """Say which approach it is, at which price of a point another one would be the better bet, and what more test examples are worth."""
    mine = bets.picked
    yield f"If you have to choose now: {shown_name(mine.label)}."
    for bet in bets.each:
        less = mine.shortfall - bet.shortfall
        if less <= 0.0:
            break
        short = f"{shown_name(bet.label)} is expected to fall {points(less)} less short"
        if bet.cost_per_1k_usd is None or mine.cost_per_1k_usd is None:
            yield f"{short}; give prices to see what that costs."
            continue
        dearer = bet.cost_per_1k_usd - mine.cost_per_1k_usd
        yield (
            f"{short} and costs {money(dearer)} more per 1,000 requests: the better bet if a point is worth more than {money(dearer / (100 * less))} per "
            "1,000 requests to you."
            if dearer > 0.0
            else f"{short} at no higher cost, and is less likely to be good enough."
        )
    yield (
        f"{bets.more} more test examples would lower the least expected shortfall by about {points(bets.worth)}, from {points(bets.each[0].shortfall)}; "
        "what they cost you is to be held against that."
        if bets.worth >= LEAST
        else f"{bets.more} more test examples would hardly change which approach to use."
    )
