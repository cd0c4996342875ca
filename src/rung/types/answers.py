"""A model asked, its answer, the score of that answer, and the mean of scores with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from rung.types.documents import Source
from rung.types.plain import Json, nothing
from rung.types.tasks import Message

Finish = Literal["stop", "length", "refused", "other"]
Abstention = Literal[
    "right", "wrong", "missed"
]  # "missed": the expected output declines to answer and the answer does not
FailureCause = Literal["model", "timeout", "unrecorded", "refusal", "truncated", "parse", "metric"]
TRANSPORT: frozenset[FailureCause] = frozenset(
    {"model", "timeout", "unrecorded"}
)  # causes of an example without an answer, whose score is unknown: all but "unrecorded" are asked again on resumption


COLUMNS = "columns"  # the parameter that holds input columns as data, for models that are given these


@dataclass(frozen=True)
class Request:
    """One call to a model: the chat and the parameters that change the answer."""

    messages: tuple[Message, ...]
    params: Mapping[str, Json] = field(
        default_factory=dict
    )  # temperature, max_tokens, seed, stop, response_format; or what only its provider knows
    repeat: int = 0  # 0, 1, 2 ... the same request asked again on purpose: part of the cache key
    as_served: bool = False  # its latency is what is asked for: sent at once, and a timeout is its answer

    def number(self, name: str) -> float | None:
        """Return a parameter that is a number; None where it is not given, or something else."""
        value = self.params.get(name)
        return value if isinstance(value, int | float) else None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts at which the answer ends: `stop`, one text or a list of them."""
        value = self.params.get("stop")
        return (value,) if isinstance(value, str) else tuple(map(str, value)) if isinstance(value, list | tuple) else ()


@dataclass(frozen=True, slots=True)
class Billed:
    """What stands on a bill beside the tokens in and out. None: the endpoint told nothing of it.

    `cached`, `written`: of the input tokens, those read from and written to the provider's prefix cache. `reasoning`: of
    the output tokens, those of the thought. `uncached_usd`: what the call would have cost with nothing in that cache;
    None: the same.
    """

    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None
    uncached_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered and what it took. `cost_usd` is None when the price is unknown (see `price_note`),
    `latency_s` when nobody timed it: an answer that was stored before.

    `thought`: characters of a thought that came with the answer and are not in `text`. `logprobs`: natural logarithms of the
    probabilities of the tokens that `text` is made of; None where the request did not ask for them (`logprobs: true`), or the model
    told none. They are never stored.
    """

    text: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    latency_s: float | None
    cost_usd: float | None
    finish: Finish = "stop"
    cached: bool = False
    attempts: int = 1
    price_note: str | None = None
    thought: int = 0
    billed: Billed | None = None
    logprobs: tuple[float, ...] | None = None

    @property
    def uncached_usd(self) -> float | None:
        """Dollars this call would cost with nothing in the provider's prefix cache; None when the price is unknown."""
        anew = self.billed.uncached_usd if self.billed is not None else None
        return self.cost_usd if anew is None else anew


def _sum(amounts: Sequence[float | None]) -> float | None:
    """Add dollars, or seconds; None where any are unknown."""
    return None if any(a is None for a in amounts) else sum(a for a in amounts if a is not None)


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of a system for one row, with every model call it made."""

    text: str
    calls: tuple[Completion, ...] = ()
    sources: tuple[Source, ...] = ()
    latency_s: float | None = None  # whole answer; None: sum of the calls

    @property
    def seconds(self) -> float | None:
        """Seconds of the whole answer; None when nobody timed a call."""
        return self.latency_s if self.latency_s is not None else _sum([c.latency_s for c in self.calls])

    @property
    def cost_usd(self) -> float | None:
        """Dollars this answer would cost without the cache; None when any call has an unknown price."""
        return _sum([c.cost_usd for c in self.calls])

    @property
    def uncached_usd(self) -> float | None:
        """The same with nothing in the provider's prefix cache either."""
        return _sum([c.uncached_usd for c in self.calls])

    @property
    def truncated(self) -> bool:
        return any(c.finish == "length" for c in self.calls)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row has no score."""

    cause: FailureCause
    message: str


@dataclass(frozen=True, slots=True)
class Score:
    """One metric's word on one answer: quality in [0, 1] and whether the form was exactly the asked-for one.

    `adheres` is None where the metric knows no form. `parts` are named sub-scores in [0, 1] (fields, lines).
    """

    value: Annotated[float, Field(ge=0, le=1)]  # held to where it is read from a file
    adheres: bool | None = None
    parts: Mapping[str, float] = field(default_factory=nothing)
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One example answered: a Score or a Failure by metric name, or a failure of the example; never both, never neither.

    The deciding metric's failure is the example's. `unscored`: the other metrics that could not judge the answer, with why.
    `label`: the expected answer of a classification; `said`: the label that the answer is, None for none of them; `slices`: the
    example's own. All three are told of test examples alone, so that tables by label and slice can be made from outcomes.
    `abstained` where the answer or the expected output says "I do not know" in some words, whatever the score.
    """

    example_id: str
    group: str
    answer: Answer | None
    scores: Mapping[str, Score] | None
    failure: Failure | None = None
    abstained: Abstention | None = None
    unscored: Mapping[str, Failure] = field(default_factory=nothing)
    label: str | None = None
    said: str | None = None
    slices: Mapping[str, str] = field(default_factory=nothing)

    def __post_init__(self) -> None:
        if (self.scores is None) == (self.failure is None):
            raise ValueError(f"outcome of example {self.example_id!r} must hold scores or a failure, and not both")

    def value(self, metric: str, failure_score: float | None) -> float | None:
        """Return the example's score under `metric`: a failed example counts as `failure_score`; None: left out.

        A metric that could not judge the answer gives no number, whatever `failure_score` is. The only way to a number.
        """
        if self.scores is None:
            return None if self.unjudged else failure_score
        return None if metric in self.unscored else self.scores[metric].value

    @property
    def unanswered(self) -> bool:
        """Whether no answer came, by trouble of transport: unknown, neither right nor wrong."""
        return self.failure is not None and self.failure.cause in TRANSPORT

    @property
    def unjudged(self) -> bool:
        """Whether there is an answer that the deciding metric could not judge: unknown, and no failure of the model."""
        return self.failure is not None and self.failure.cause == "metric"

    def bounds(self, metric: str, failure_score: float | None) -> tuple[float, float] | None:
        """Return the least and the greatest score that the example may have: equal where it was answered and judged, else 0 and 1.

        None where it has no value, as `value` says.
        """
        value = self.value(metric, failure_score)
        return (0.0, 1.0) if self.unanswered or self.unjudged else None if value is None else (value, value)

    def adheres(self, metric: str) -> bool | None:
        """Whether the answer had the asked-for form; a failed example had not; None where the metric cannot tell."""
        if self.scores is None:
            return False
        return None if metric in self.unscored else self.scores[metric].adheres


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval. `method` names how (for example "wilson"); a bound-only estimate has mean None."""

    mean: float | None
    low: float
    high: float
    n: int
    method: str
    level: float = 0.95
    n_effective: float | None = None

    @property
    def point(self) -> float:
        """The mean, or the middle of the bounds where there is none: where a chart puts it."""
        return self.mean if self.mean is not None else (self.low + self.high) / 2

    def __str__(self) -> str:
        if self.mean is None:
            return f"between {rate(self.low)} and {rate(self.high)} (n={self.n}, stopped early)"
        return f"{rate(self.mean)} (95 % CI {rate(self.low)} to {rate(self.high)}, n={self.n})"


def rate(value: float) -> str:
    """Write a score in [0, 1] with two places, everywhere; with three where two would read as none or all of it."""
    return f"{value:.3f}" if 0.0 < value < 0.005 or 0.995 <= value < 1.0 else f"{value:.2f}"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a rung may know of a configured model. `context` in tokens, None when unknown."""

    role: str
    provider: str
    name: str
    context: int | None
    max_tokens: int
    note: str | None = None  # a limit worth telling: "knows only its own small world"
    takes_effort: bool = False  # whether a reasoning effort can be sent
    reads_chat: bool = True  # False: it is given the last user message alone, so that no instruction reaches it
    columns: tuple[
        str, ...
    ] = ()  # input columns that it is given as data, beside the chat (`COLUMNS` of a request's params)
    timeout_s: float | None = None  # for one attempt; None where there is none
    concurrency: int | None = None  # requests that may be under way at once
    recorded: str | None = (
        None  # the hash of its stored answers, where it has these and nothing else; None: it is asked
    )


def groups_of(outcomes: Sequence[Outcome]) -> list[str] | None:
    """Return the group of each row, or None when every row is a group of its own."""
    names = [o.group for o in outcomes]
    return None if len(set(names)) == len(names) else names
