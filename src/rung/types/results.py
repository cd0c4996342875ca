"""What was measured, and the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rung.types.answers import Estimate, Outcome
from rung.types.candidates import Candidate
from rung.types.costs import RequestCost
from rung.types.tables import Loss, Tables
from rung.types.tasks import Floor

Status = Literal["meets", "misses", "inconclusive"]
Decision = Literal["meets", "inconclusive", "misses", "stopped"]


@dataclass(frozen=True, slots=True)
class Quality:
    """The three-way judgement of one rung against the goal (docs/statistics.md). Bounds are one-sided; where the goal is to be as good
    as what runs now, they are what that scored plus a bound of the paired difference."""

    status: Status
    lower: float
    upper: float
    probability_good: float
    examples_needed: int | None
    advice: str | None = None
    provisional: str | None = None  # why nothing is shown yet: a judge's opinion without enough human labels
    labels_needed: int | None = None  # how many more human labels that takes
    corrected: bool = False  # whether a provisional status rests on enough labels to correct the judge by
    probability_at_goal: float | None = (
        None  # of the goal itself; `probability_good` allows the tolerance. None: not told
    )


@dataclass(frozen=True, slots=True)
class Served:
    """The latency of one approach as it is served: `n` requests on dev examples, `concurrency` of them at once; seconds.

    `low_s` and `high_s`: one-sided bounds of the 95th percentile; None where `n` is too small for one. `status`: against
    the limit, None where none is set. `timed_out` of the requests count as their model's `timeout_s`, `unknown` more got
    no answer: slow for *meets*, quick for *misses*.
    """

    concurrency: int
    n: int
    p50_s: float | None
    p95_s: float | None
    low_s: float | None = None
    high_s: float | None = None
    status: Status | None = None
    timed_out: int = 0
    unknown: int = 0
    advice: str | None = None  # what would decide, where nothing does


@dataclass(frozen=True, slots=True)
class Priced:
    """The cost of 1,000 requests in service against its limit: one-sided bounds of the mean, in US dollars (Student's t).

    Both None with fewer than two answers. `status`: *meets* where the upper bound is within the limit, *misses* where the lower is above.
    """

    low_usd: float | None
    high_usd: float | None
    status: Status


@dataclass(frozen=True, slots=True)
class FloorResult:
    """One floor judged: the same three ways as the goal, at the same level. `estimate` None: no example could tell.

    `examples_needed`: test examples in all, where about so many would decide; None where that is unknown or nothing is open.
    """

    floor: Floor
    quality: Quality
    estimate: Estimate | None
    examples_needed: int | None = None


@dataclass(frozen=True)
class Result:
    """One rung measured on the frozen test rows."""

    candidate: Candidate
    test_sha256: str
    outcomes: tuple[Outcome, ...] = field(repr=False)  # asyncio writes out what a loop returns, to throw it away
    estimates: Mapping[str, Estimate]  # metric name -> estimate; "<first metric>:format" -> format adherence
    quality: Quality
    cost_per_1k_usd: float | None  # in service, at the stated volume, rent included
    cost_note: str | None  # on what it rests, or why it is unknown
    p50_latency_s: float | None  # under the load of the measurement: many requests at once; it decides nothing
    p95_latency_s: float | None
    failures: Mapping[str, int]  # cause -> rows
    limits_held: bool | None  # True also without limits; None: a limit is set but its quantity is unknown
    stopped_early_at: int | None = None  # rows visited when the verdict became certain
    abstentions: Mapping[str, int] = field(default_factory=dict)  # right, wrong, missed -> rows; see Outcome.abstained
    tokens_per_request: float | None = None
    labels: Mapping[str, float | None] = field(
        default_factory=dict
    )  # row -> what people said; None: they could not tell
    cost: RequestCost = field(default_factory=RequestCost)  # the parts of `cost_per_1k_usd`
    unscored: Mapping[str, int] = field(default_factory=dict)  # metric -> answers that it could not judge, left out
    served: Served | None = None  # None: not asked
    load: int | None = None  # requests that could be under way at once while the test examples were answered
    priced: Priced | None = None  # where a limit on cost is set and the cost is known
    level: float | None = (
        None  # one-sided, of "meets": the approach's share of alpha by dev; None: alpha / planned rungs
    )

    floors: tuple[FloorResult, ...] = ()  # in the task's order
    tables: Tables | None = None  # None: measured before there were any
    saves: bool | None = None
    """Where the goal is to be as good as what runs now: whether it is shown better, or costs less, or what runs now breaks a limit.
    None: no such goal, or a price is unknown."""

    @property
    def status(self) -> Status:
        """All claims about quality taken together: *misses* if any is missed, *inconclusive* if any is open."""
        each = [self.quality.status, *(f.quality.status for f in self.floors)]
        return "misses" if "misses" in each else "inconclusive" if "inconclusive" in each else "meets"

    @property
    def probability_good(self) -> float:
        """The probability of the least likely claim: what all of them together have at most."""
        return min([self.quality.probability_good, *(f.quality.probability_good for f in self.floors)])

    @property
    def good_enough(self) -> bool:
        return self.status == "meets" and self.limits_held is True and self.saves is not False

    @property
    def missed_floors(self) -> tuple[FloorResult, ...]:
        return tuple(f for f in self.floors if f.quality.status == "misses")

    @property
    def open_floors(self) -> tuple[FloorResult, ...]:
        return tuple(f for f in self.floors if f.quality.status == "inconclusive")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`upper` against `lower` on the same rows; `fixed_share`: of the rows lower got wrong, the share upper fixed."""

    lower: str
    upper: str
    metric: str
    gain: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    wins: int
    losses: int
    ties: int
    n: int
    method: str
    fixed_share: float | None = None
    worse: tuple[Loss, ...] = ()  # where `upper` gains in all, the labels and slices that it makes significantly worse


@dataclass(frozen=True, slots=True)
class PairLooks:
    """What people said of pairs of test answers, blind: those of the best cheaper approach (`lower`) against those of a tuned one.

    Drawn at random from the groups of examples on which the two answer differently, one example a group. `differing`: of the `n`
    examples that both answered. `draws`: how often pairs were drawn after a verdict, the first draw included.
    """

    lower: str
    upper: str
    drawn: int
    waiting: int
    for_upper: int
    for_lower: int
    alike: int  # both right, or neither
    unknown: int  # people could not tell
    differing: int
    n: int
    draws: int = 1
    against_labels: tuple[str, ...] = ()  # examples on which people chose the answer with the lower score

    @property
    def complete(self) -> bool:
        return self.drawn > 0 and self.waiting == 0

    @property
    def gain(self) -> float:
        """The gain of `upper` as people see it, over all examples that both answered, estimated from what is said so far."""
        said = self.drawn - self.waiting
        return 0.0 if not said else (self.for_upper - self.for_lower) / said * self.differing / self.n


@dataclass(frozen=True, slots=True)
class Reason:
    """A claim of the verdict, the rule that made it, and keys into the run folder that prove it."""

    claim: str
    rule: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EarlierUse:
    """What earlier runs of the project did with a run's test examples."""

    runs: int  # earlier runs with other candidates
    share: float  # of this run's `examples`, the largest that one of them used
    examples: int
    other_candidates: bool  # the first of them had others: this run is exploratory
    other_goal: (
        bool  # the same candidates were measured before, under another goal: this one was chosen after the result
    )


EXIT_CODES: Mapping[Decision, int] = {"meets": 0, "misses": 1, "stopped": 3, "inconclusive": 6}


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a run ended before its time: `why` with what to do, the budget, and what the rest needs at most; US dollars.

    `rest_usd` is None where that is unknown.
    """

    why: str
    limit_usd: float
    rest_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Bet:
    """How far an approach is expected to fall short of the goal, E[max(0, goal - rate)] in [0, 1], and what 1,000 requests cost."""

    label: str
    shortfall: float
    cost_per_1k_usd: float | None


@dataclass(frozen=True, slots=True)
class Bets:
    """What to use now, where the test examples settle nothing: a bet, never a claim. `each`: least shortfall first.

    `worth`: by how much `more` further test examples would lower the least expected shortfall.
    """

    pick: str
    each: tuple[Bet, ...]
    more: int
    worth: float

    def __post_init__(self) -> None:
        if all(bet.label != self.pick for bet in self.each):
            raise ValueError(f"there is no bet on the pick {self.pick!r}")

    @property
    def picked(self) -> Bet:
        return next(bet for bet in self.each if bet.label == self.pick)


@dataclass(frozen=True)
class Verdict:
    """The answer in one sentence (`headline`), on what it rests in one line (`basis`), reasons, and what would change it."""

    decision: Decision
    winner: str | None
    tentative_pick: str | None
    headline: str
    reasons: tuple[Reason, ...]
    counterfactuals: tuple[str, ...]
    examples_needed: int | None
    minimum_detectable_effect: float | None
    exploratory: bool = False
    provisional: str | None = None
    corrected: bool = False  # provisional, yet the judge is corrected by labels: more of them settle it
    earlier: EarlierUse | None = None
    basis: str = ""
    repeats: float | None = None
    """How likely a second run on as many fresh test examples ends in the same verdict, in [0, 1]; None: unknown, or written by a
    version that did not keep it."""
    bets: Bets | None = None  # where the verdict is inconclusive; None also of a version that did not keep it
    pairs_to_compare: int | None = (
        None  # pairs of answers that wait for people before a gain of fine-tuning is relied on
    )

    def exit_code(self, unanswered: int) -> int:
        """Return the status of the command line: 0 good enough, 1 not, or by a judge's word alone, 3 budget spent, 4 test
        examples left unanswered, 6 inconclusive, or met by a judge whom too few labels correct. This is the one place that says so.
        """
        if unanswered:
            return 4
        if self.decision == "meets" and self.provisional is not None:
            return 6 if self.corrected else 1  # docs/log.md tells why it is no 6 by a judge alone
        return EXIT_CODES[self.decision]

    @property
    def shown(self) -> bool:
        """Whether a rung is shown to be good enough: not by a judge alone."""
        return self.decision == "meets" and self.provisional is None


@dataclass(frozen=True)
class Profile:
    """One request of a rung. `p50_s`: the median of `n` uncached requests, `concurrency` of them at once; None: unknown.

    `tokens`: mean prompt tokens of a request by part of PARTS; None where no model is asked or nothing was answered.
    `timed_out`: how many requests got no answer in their model's `timeout_s`, which stands for them in `seconds`.
    """

    candidate: str  # id
    n: int
    p50_s: float | None
    tokens: Mapping[str, float] | None
    output_tokens: float | None
    note: str | None = None
    seconds: tuple[
        float | None, ...
    ] = ()  # of each request, equal ones in an equal order at every rung; None: no answer
    p95_s: float | None = None  # of `seconds`, where there are `MANY`
    concurrency: int = 1
    timed_out: int = 0
