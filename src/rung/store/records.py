"""What a run keeps beside the vocabulary of `rung.types`: labels by people, trust in a judge, consistency, robustness, predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict
from typing_extensions import TypedDict  # pydantic reads that of `typing` from Python 3.12 on only

from rung.types import EarlierUse, Estimate, Outcome, Skipped

Form = Literal["exact", "extra", "wrong", "failed"]


class PartEntry(TypedDict):
    """What was frozen of one part: its size and hash, and the hash of each row by its id."""

    rows: int
    groups: int
    sha256: str
    ids: dict[str, str]


class Manifest(TypedDict):
    """What was frozen. `settings`: what made the split; `given`: the user brought the test part."""

    train: PartEntry
    dev: PartEntry
    test: PartEntry
    quarantined: dict[str, str]
    seed: int
    given: bool
    settings: dict[str, Any]


class _SpentByRole(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    usd: float | None
    note: str | None
    calls: int
    cached: int
    input_tokens: int
    output_tokens: int
    lost_usd: float
    retries: int


class Spent(TypedDict, total=False):
    """What was asked and spent over all sittings; `usd` is None where a price is unknown."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    usd: float | None
    note: str | None
    calls: int
    cached: int
    by_role: dict[str, _SpentByRole]


@dataclass(frozen=True, slots=True)
class AlphaShare:
    """What one candidate may spend of alpha: `level`, by its `weight` on dev, P(rate >= `floor`) (docs/statistics.md).

    `floor`: goal less tolerance as they were then; a goal that changes later moves no level.
    """

    label: str
    candidate: str  # id
    floor: float
    weight: float
    level: float


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said of one answer: a value in [0, 1], or None for "I cannot tell"."""

    answer_id: str
    example_id: str
    value: float | None
    at: str


@dataclass(frozen=True, slots=True)
class Night:
    """Fixed dev examples asked again (`rung watch --ask`) of the candidate of that id: scores, hashes of the answers, and groups where several
    examples are one, by example."""

    at: str
    candidate: str
    scores: Mapping[str, float | None]
    answers: Mapping[str, str]
    groups: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sureness:
    """Dev examples asked once more (`rung serve --fallback`) of the candidate of that id: the log-probability of each answer, the sum of
    its tokens', and whether it is right, by example."""

    candidate: str
    logprobs: Mapping[str, float]
    right: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Feedback:
    """One input that was served, and what became of it. `requests`: the ids under which it was asked, each once.

    `thumb`: whether people liked the answer; `expected`: what they say is right; `cannot_tell`: they were asked and could not say.
    `confidence`, `shadow`: as the server logged them; `by`: the approach that answered; `challenger`, `share`: the one on trial then, and
    its share of the requests. `said_at`: when people's first word was taken in. Private texts are masked.
    """

    id: str
    inputs: Mapping[str, str]
    requests: tuple[str, ...] = ()
    answer: str | None = None
    at: str = ""
    confidence: float | None = None
    shadow: str | None = None
    thumb: bool | None = None
    expected: str | None = None
    cannot_tell: bool = False
    by: str | None = None
    challenger: str | None = None
    share: float | None = None
    said_at: str = ""


@dataclass(frozen=True, slots=True)
class Draw:
    """Test examples to label, or pairs of answers to compare, in the order in which they are asked. `looks`: the sizes at which a verdict was or will be
    made; each one after the first is a further chance to be wrong, and pays for it."""

    rows: tuple[str, ...]
    looks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation with its 95 % interval (Fisher's z) over `n` answers."""

    r: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Trust:
    """What is known of the judge. None: not measured, and `unknown` says why.

    Over the different test answers of all rungs, each once. `agreement`: share of labelled answers to which the judge gives
    the people's level; `kindness`: the judge's score less the people's. `turned`: comparisons that the order decided, and
    `first_place` the share of them won by the first place. `wavering`: answers on which repeats differ. `length`:
    correlation of the score with the logarithm of the answer's length; `length_error`: of the score less the people's.
    `on_dev`: agreement on chosen dev answers, which are no random draw. `teaches`: dev rows worth a label.
    """

    metric: str
    answers: int
    unreadable: int
    labelled: int
    agreement: Estimate | None
    kindness: Estimate | None
    turned: Estimate | None
    first_place: Estimate | None
    wavering: Estimate | None
    length: Correlation | None
    length_error: Correlation | None
    on_dev: Estimate | None
    teaches: tuple[str, ...]
    unknown: tuple[str, ...]
    warnings: tuple[str, ...]
    labels_sha256: str = ""  # of the labels and the draw that all this and the verdict rest on


@dataclass(frozen=True)
class PredictionCheck:
    """One prediction of a rung's diagnosis, checked on a rung measured later.

    `predicted` and `fixed` are shares of the same rows: expected to be fixed, and really fixed. `kept`: rows predicted to
    be fixed that are; `surprises`: rows predicted to stay wrong that are right all the same.
    """

    at: str
    cause: str
    found_by: Literal["reading", "experiment"]
    rung: str
    predicted: Estimate
    actual: Estimate
    fixed: int
    kept: int
    not_fixed: int
    surprises: int

    @property
    def tells_apart(self) -> float | None:
        """How much more often rows predicted to be fixed were: a difference of shares; None where one kind has no rows."""
        if not self.fixed or not self.not_fixed:
            return None
        return self.kept / self.fixed - self.surprises / self.not_fixed


@dataclass(frozen=True, slots=True)
class Share:
    """A count among so many, with the exact (Clopper-Pearson) 95 % interval of its rate."""

    count: int
    n: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        return self.count / self.n

    def __str__(self) -> str:
        return (
            f"{_percent(self.rate)} % ({self.count:,} of {self.n:,}; {_percent(self.low)} to {_percent(self.high)} %)"
        )


def _percent(share: float) -> str:
    """Write a share as a percentage with two significant digits, and whole from ten on."""
    return f"{100 * share:.2g}" if 100 * share < 9.95 else f"{100 * share:.0f}"


@dataclass(frozen=True)
class Consistency:
    """What many requests told of one rung.

    `forms` adds up to `requests`. With repeats their intervals count inputs, not requests, since repeats of one input are
    alike. `agreement`: inputs whose repeats all got the same text; None where every input was asked once.
    """

    rung: str
    metric: str
    requests: int
    inputs: int
    forms: Mapping[Form, Share]
    agreement: Share | None
    deviating: tuple[str, ...]  # ids of rows whose answer deviates

    @property
    def deviation(self) -> Share:
        """Requests whose answer is not exactly the form asked for."""
        exact = self.forms["exact"]
        return Share(exact.n - exact.count, exact.n, 1.0 - exact.high, 1.0 - exact.low)

    @property
    def per_10k(self) -> tuple[float, float]:
        """Failures of form in 10,000 requests: between which numbers they lie by the interval, never one number for so many from few."""
        return 10_000 * self.deviation.low, 10_000 * self.deviation.high


@dataclass(frozen=True)
class Changed:
    """A dev example answered under a change of its input or of the prompt."""

    change: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Drop:
    """The mean deciding score of the same `n` dev examples as they are and changed, in [0, 1].

    `drop`: the first less the second, with its paired 95 % interval; above 0: the approach loses. `worse`, `better`: examples whose
    score fell or rose. `unanswered`: examples left out, since one of the two has no score.
    """

    change: str
    n: int
    before: float
    after: float
    drop: float
    low: float
    high: float
    worse: int
    better: int
    unanswered: int


@dataclass(frozen=True)
class Robustness:
    """What an approach loses on changed dev examples. `untried`: the change at which it was broken off, and why."""

    rung: str
    metric: str
    together: Drop | None  # over all changes, each example once; None: nothing was answered
    drops: tuple[Drop, ...]
    untried: tuple[Skipped, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is left to ask when the same command is run again."""
        return not self.untried and not any(drop.unanswered for drop in self.drops)


@dataclass(frozen=True, slots=True)
class Parity:
    """Written weights against the measured ones on the same test rows.

    `answers_changed` counts rows whose text differs; `gain` is the change of the deciding score; `same` means that it is
    shown to lie within plus and minus `tolerance`.
    """

    form: str
    n: int
    answers_changed: int
    gain: float
    tolerance: float
    p_worse: float
    p_better: float
    same: bool

    @property
    def refused(self) -> bool:
        """Answers changed, and the change is not shown to be within the tolerance."""
        return self.answers_changed > 0 and not self.same

    @property
    def sentence(self) -> str:
        changed = f"{self.answers_changed or 'no'} answer{'' if self.answers_changed == 1 else 's'} changed"
        shown = "the same model" if self.same else "not confirmed to be the same model"
        return (
            f"{shown}: on the {self.n} frozen test examples {changed}, the score by {self.gain:+.4f}; a difference within "
            f"±{self.tolerance:g} {'is' if self.same else 'is not'} shown (p = {max(self.p_worse, self.p_better):.2g})"
        )


@dataclass(frozen=True)
class NotedUse:
    """What the register of test sets was told of a run, and what it told of earlier ones."""

    noted: Mapping[str, Any]
    earlier: EarlierUse | None = None
