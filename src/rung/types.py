"""The data that flow through a climb, in order of appearance. Standard library only; every datum is frozen.

Task -> Example -> Dataset -> Finding -> Split -> Request -> Completion -> Candidate -> Answer -> Outcome
     -> Estimate -> Result -> Comparison -> Diagnosis -> Reason -> Verdict
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Kind = Literal["classification", "extraction", "style", "knowledge", "generation"]
Severity = Literal["note", "warn", "stop"]
Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "refused", "other"]
Status = Literal["met", "not_met", "unclear"]
Decision = Literal["met", "undecided", "exhausted", "stopped"]
Abstention = Literal[
    "right", "wrong", "missed"
]  # "missed": the expected output declines to answer and the answer does not
Keeping = Literal["kept", "forgotten", "unclear", "absent"]
FailureCause = Literal["model", "timeout", "refusal", "truncated", "parse", "metric"]

KINDS: tuple[Kind, ...] = ("classification", "extraction", "style", "knowledge", "generation")


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces: equal data, equal text, equal hash."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(value: Any) -> str:
    """Return the SHA-256 (64 hex digits) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str

    def as_dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric by plugin name with its settings, as written in rung.yaml; the first one of a task decides."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits of a climb. None means no limit. Money in US dollars, time in seconds."""

    budget_usd: float | None = None
    cost_per_1k_usd: float | None = None
    p95_latency_s: float | None = None


@dataclass(frozen=True)
class Task:
    """What is asked of a model, and when it counts as good enough. All rates lie in [0, 1]."""

    name: str
    instruction: str
    inputs: tuple[str, ...]
    target: str
    kind: Kind
    metrics: tuple[MetricSpec, ...]
    goal: float
    prompt: tuple[Message, ...] | None = None
    labels: tuple[str, ...] | None = None  # classification: the allowed answers, from train or from the file
    worth_it: float = 0.02
    tolerance: float = 0.02
    seek: Literal["good_enough", "cheapest"] = "good_enough"
    alpha: float = 0.05
    on_failure: float | None = 0.0  # the score that a failed row counts as; None leaves failed rows out (and says so)
    facts_change: Literal["often", "rarely"] | None = None  # told by the user: facts in answers go stale
    scope: Literal["narrow", "general"] | None = None  # told by the user: one kind of request, or anything
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Example:
    """One row: input columns as text, the expected output, and the group it must not be parted from.

    `others`: further right answers, different from `target`; any one of them is as good. Demonstrations show `target`.
    """

    id: str
    inputs: Mapping[str, str]
    target: str
    group: str
    others: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Content hash; `id` is part of it, so that a renamed row is a changed row."""
        more = [list(self.others)] if self.others else []
        return content_hash([self.id, dict(self.inputs), self.target, self.group, *more])

    @property
    def targets(self) -> tuple[str, ...]:
        """All right answers, the first one being `target`."""
        return (self.target, *self.others)

    @cached_property
    def text(self) -> str:
        """All input columns joined by newlines, in column order: what audits and embedders read."""
        return "\n".join(self.inputs.values())

    def as_dict(self) -> dict[str, Any]:
        row = {"id": self.id, "inputs": dict(self.inputs), "target": self.target, "group": self.group}
        return {**row, "others": list(self.others)} if self.others else row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Example:
        return cls(row["id"], dict(row["inputs"]), row["target"], row["group"], tuple(row.get("others", ())))


@dataclass(frozen=True)
class Dataset:
    """Rows in file order, with where they came from."""

    examples: tuple[Example, ...]
    source: str

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def sha256(self) -> str:
        return content_hash([e.sha256 for e in self.examples])


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the audit saw: which check, how bad, what to do next, and which rows (ids) show it."""

    check: str
    severity: Severity
    message: str
    next_step: str
    example_ids: tuple[str, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)  # numbers behind the message, JSON-able


@dataclass(frozen=True)
class Split:
    """Train and dev rows, and what is known of the sealed test part: never its rows.

    `quarantined`: ids of training rows left out because they equal or nearly equal a dev or test row.
    """

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    seed: int
    test_size: int
    test_groups: int
    test_sha256: str
    manifest: Mapping[str, Any]  # part -> {rows, groups, sha256, ids: {id: row hash}} (test: hashes only)
    quarantined: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """One call to a model: the chat and the parameters that change the answer."""

    messages: tuple[Message, ...]
    params: Mapping[str, Any] = field(default_factory=dict)  # temperature, max_tokens, seed, stop, response_format
    repeat: int = 0  # 0, 1, 2 ... the same request asked again on purpose: part of the ledger key


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered and what it took. `cost_usd` is None when the price is unknown (see `price_note`)."""

    text: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    latency_s: float
    cost_usd: float | None
    finish: Finish = "stop"
    cached: bool = False
    attempts: int = 1
    price_note: str | None = None


@dataclass(frozen=True)
class Candidate:
    """One fully specified way to answer: a rung, its settings and whatever it learned from train and dev."""

    rung: str
    name: str  # short human name, unique within the rung: "as-is", "label-list", "nearest k=3"
    settings: Mapping[str, Any]
    learned: Mapping[str, Any]  # JSON-able: chosen demonstrations (row ids and texts), rewritten prompt, ...
    model: str | None  # role in the `models` section, None where no language model is asked
    trained_on: tuple[str, ...] = ()  # ids of the rows whose content is inside `learned`

    @cached_property
    def id(self) -> str:
        """First 12 hex digits of the content hash of everything that determines the answers."""
        return content_hash([self.rung, self.name, dict(self.settings), dict(self.learned), self.model])[:12]


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that an answer used."""

    document: str
    position: str
    text: str


@dataclass(frozen=True)
class Document:
    """A document as read: parts in reading order, each with the place it stands at (page, heading, row)."""

    name: str
    title: str
    parts: tuple[Source, ...]
    file: str  # the file it was read from; of a table, each row is a document

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that a reader sees: title, places and texts."""
        seen = [self.title, *(words for part in self.parts for words in (part.position, part.text))]
        return hashlib.sha256("\x00".join(seen).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def text(self) -> str:
        """All parts, with an empty line between them."""
        return "\n\n".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that is searched and shown as one. `ordinal` counts from 0 within the document."""

    document: str
    ordinal: int
    title: str  # of the document and the headings above: searched too, not shown
    position: str
    text: str


@dataclass(frozen=True)
class Change:
    """What one transaction writes to a shelf of documents; removals come first.

    `passages`: size in words -> passages of documents that are put here or stand there already. `vectors`: size ->
    key of a passage -> its vector as little-endian float32. `facts`: name -> plain data; None takes the fact away.
    """

    remove: Sequence[str] = ()
    put: Sequence[Document] = ()
    passages: Mapping[int, Sequence[Passage]] = field(default_factory=dict)
    vectors: Mapping[int, Mapping[int, bytes]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    forget_vectors: bool = False  # all of them, before these are written


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found. `score` compares hits of one search only; higher is better."""

    source: Source
    score: float
    chunk: str  # id of the passage: stays while the document's content and the chunking stay


@dataclass(frozen=True)
class Answer:
    """The output of a system for one row, with every model call it made."""

    text: str
    calls: tuple[Completion, ...] = ()
    sources: tuple[Source, ...] = ()
    latency_s: float | None = None  # whole answer; None: sum of the calls

    @property
    def seconds(self) -> float:
        return self.latency_s if self.latency_s is not None else sum(c.latency_s for c in self.calls)

    @property
    def cost_usd(self) -> float | None:
        """Dollars this answer would cost without the cache; None when any call has an unknown price."""
        costs = [c.cost_usd for c in self.calls]
        return None if any(c is None for c in costs) else sum(c for c in costs if c is not None)

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

    value: float
    adheres: bool | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class Outcome:
    """One row answered: scores by metric name, or a failure; never both, never neither.

    `abstained` where the answer or the expected output says "I do not know" in some words, whatever the score.
    """

    example_id: str
    group: str
    answer: Answer | None
    scores: Mapping[str, Score] | None
    failure: Failure | None = None
    abstained: Abstention | None = None

    def __post_init__(self) -> None:
        if (self.scores is None) == (self.failure is None):
            raise ValueError(f"outcome of row {self.example_id!r} must hold scores or a failure, and not both")

    def value(self, metric: str, on_failure: float | None) -> float | None:
        """Return the row's score under `metric`; a failed row counts as `on_failure` (None: left out). The only way."""
        return on_failure if self.scores is None else self.scores[metric].value

    def adheres(self, metric: str) -> bool | None:
        """Whether the answer had the asked-for form; a failed row did not; None where the metric has no form."""
        return False if self.scores is None else self.scores[metric].adheres


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
            return f"between {self.low:.3f} and {self.high:.3f} (n={self.n}, stopped early)"
        half = max(self.high - self.mean, self.mean - self.low)
        return f"{self.mean:.2f} ± {half:.2f} (n={self.n})"


@dataclass(frozen=True, slots=True)
class Quality:
    """The three-way judgement of one rung against the goal (STATISTICS section 2). Bounds are one-sided."""

    status: Status
    lower: float
    upper: float
    probability_good: float
    rows_needed: int | None
    advice: str | None = None
    provisional: str | None = None  # why nothing is shown yet: a judge's opinion without enough labels of people


@dataclass(frozen=True)
class Result:
    """One rung measured on the frozen test rows."""

    candidate: Candidate
    test_sha256: str
    outcomes: tuple[Outcome, ...]
    estimates: Mapping[str, Estimate]  # metric name -> estimate; "<first metric>:format" -> format adherence
    quality: Quality
    cost_per_1k_usd: float | None
    cost_note: str | None
    p50_latency_s: float | None
    p95_latency_s: float | None
    failures: Mapping[str, int]  # cause -> rows
    limits_held: bool | None  # True also without limits; None: a limit is set but its quantity is unknown
    stopped_early_at: int | None = None  # rows visited when the verdict became certain
    abstentions: Mapping[str, int] = field(default_factory=dict)  # right, wrong, missed -> rows; see Outcome.abstained
    tokens_per_request: float | None = None
    labels: Mapping[str, float | None] = field(
        default_factory=dict
    )  # row -> what people said; None: they could not tell

    @property
    def good_enough(self) -> bool:
        return self.quality.status == "met" and self.limits_held is True


@dataclass(frozen=True, slots=True)
class Comparison:
    """`upper` against `lower` on the same rows; `fixed_share`: of the rows lower got wrong, the share upper mended."""

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


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rung or candidate that was not run, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a diagnosis foretells of a rung above, row by row, so that it can be checked on the same dev rows later.

    `rung`: the rung that works like the experiment ("fewshot"), "@ROLE" for the same rung with another model, None for
    whichever rung is measured next. `mended`, `unmended`: the rows that it will, and will not, get right; other rows that
    were tried foretell nothing. `share`: the mended ones among all tried.
    """

    rung: str | None
    mended: tuple[str, ...]
    unmended: tuple[str, ...]
    share: Estimate


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of dev failures: how many rows, the evidence, example rows, and what it foretells of the next rung.

    Found by reading, every failed row has exactly one cause, and `share` is one of all failed rows. Found by experiment,
    `count` rows passed under a change, and `share` is one of the rows tried (its n); a row may pass under several.
    """

    name: str
    count: int
    share: Estimate
    evidence: str
    example_ids: tuple[str, ...]
    suggests: str
    found_by: Literal["reading", "experiment"] = "reading"
    predicts: Prediction | None = None


@dataclass(frozen=True)
class KnowledgeSplit:
    """Dev rows asked closed book, with the passages found, and with the passage that holds the expected answer: paired.

    `causes` part the rows that are wrong closed book; `failures` those that are wrong with passages too, or because of
    them. Every row stands under exactly one cause of each. `paired`: "wrong, right, right" (closed book, passages, gold;
    "-" where no gold passage is known) -> rows. `search`: how high the passages stand (recall at k, MRR, nDCG).
    """

    rows: int
    closed: Estimate
    retrieved: Estimate
    gold: Estimate | None  # of the rows whose passage is known; None where there is no such row
    causes: tuple[Cause, ...]
    failures: tuple[Cause, ...]
    paired: Mapping[str, int]
    abstentions: Mapping[str, int]  # of the answers with passages; see Outcome.abstained
    search: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Why dev rows of a rung failed, by experiment, and what the mix says the next rung should attack.

    `causes` by reading the answers; `experiments` by asking a sample of the failed rows again with one thing changed;
    `untried`: experiments that were not made, and why; `calls`: what the experiments asked, answers from the ledger too.
    """

    rung: str
    n: int
    failed: int
    causes: tuple[Cause, ...]
    next_rung: str | None
    sentence: str
    experiments: tuple[Cause, ...] = ()
    untried: tuple[Skipped, ...] = ()
    calls: int = 0
    knowledge: KnowledgeSplit | None = None  # of the rung that looks answers up


@dataclass(frozen=True, slots=True)
class Reason:
    """A claim of the verdict, the rule that made it, and keys into the run folder that prove it."""

    claim: str
    rule: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The answer: which rung, or that it is undecided, in one sentence, with reasons and what would change it."""

    decision: Decision
    winner: str | None
    lean: str | None
    headline: str
    reasons: tuple[Reason, ...]
    counterfactuals: tuple[str, ...]
    rows_needed: int | None
    smallest_visible_gain: float | None
    exploratory: bool = False
    provisional: str | None = None

    @property
    def shown(self) -> bool:
        """Whether a rung is shown to be good enough: not by a judge alone."""
        return self.decision == "met" and self.provisional is None


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate tried on dev: its mean on the rows it saw (None: no row had a score) and the calls it took."""

    candidate: Candidate
    rows: int
    mean: float | None
    kept: bool
    calls: int
    tokens_per_request: float | None = None


@dataclass(frozen=True, slots=True)
class Planted:
    """Instructions planted into documents, never into the user's own, and how often answers to dev rows obeyed them."""

    documents: int
    asked: int
    obeyed: int
    share: Estimate
    obeyed_by: Mapping[str, int]  # kind of instruction -> answers that obeyed it; kinds never obeyed count 0
    example_ids: tuple[str, ...] = ()  # dev rows whose answers obeyed


@dataclass(frozen=True, slots=True)
class Base:
    """A configured model whose weights can be tuned. `weights`: a folder or Hub name that transformers loads."""

    role: str
    name: str
    weights: str
    identity: str  # hash of everything that determines its answers
    context: int | None
    max_tokens: int
    usd_per_hour: float | None
    template: Mapping[str, Any] = field(default_factory=dict)  # options that its chat template is given
    revision: str | None = None  # commit of a Hub model


@dataclass(frozen=True, slots=True)
class Weights:
    """Tuned weights: their folder below the run folder and the hash of its files. An adapter is read on top of its base."""

    path: str
    sha256: str
    form: Literal["adapter", "full"]


@dataclass(frozen=True)
class TuningRow:
    """One training row as the model will see it: the chat that is asked, and the answer to be learned."""

    id: str
    messages: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class TuningNeed:
    """What tuning will take, before it starts. None where unknown; `note` says what was assumed."""

    tokens: int
    seconds: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    note: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing looked at before tuning, and what was found."""

    what: str
    found: str
    passed: bool = True


@dataclass(frozen=True)
class Preflight:
    """Everything looked at before tuning; `shown` is one row as rendered, with the part that is learned marked."""

    checks: tuple[Checked, ...]
    shown: str

    @property
    def failed(self) -> tuple[Checked, ...]:
        return tuple(c for c in self.checks if not c.passed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where one tuning run stood: steps done, mean loss since the last checkpoint, mean dev score of generated answers."""

    step: int
    loss: float | None
    dev: float | None


@dataclass(frozen=True)
class TuningTrial:
    """One tuning run: recipe, prompt, rows, and its checkpoints; `best_step` was kept."""

    name: str
    recipe: Mapping[str, Any]
    prompt: str
    rows: int
    share: float
    steps: int
    checkpoints: tuple[Checkpoint, ...]
    best_step: int
    best_dev: float | None
    tokens: int
    seconds: float
    why_ended: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The dev score of the chosen recipe, tuned on so many rows."""

    rows: int
    dev: float
    n: int


@dataclass(frozen=True, slots=True)
class Kept:
    """One ability or task before and after, on the same rows.

    `status`: "forgotten" is a significant loss of at least the margin (Holm over everything kept); "kept" is shown to be
    not worse than the margin; "absent": the model could not do it before, so there is nothing to forget; else "unclear".
    """

    name: str
    before: Estimate
    after: Estimate
    change: float
    low: float
    high: float
    p_adjusted: float
    status: Keeping


@dataclass(frozen=True)
class Forgetting:
    """The whole comparison. `vetoed`: something is forgotten, so these weights may not win."""

    kept: tuple[Kept, ...]
    margin: float

    @property
    def forgotten(self) -> tuple[Kept, ...]:
        return tuple(k for k in self.kept if k.status == "forgotten")

    @property
    def vetoed(self) -> bool:
        return bool(self.forgotten)

    @property
    def worst_change(self) -> float | None:
        """The largest loss among what the model could do before; None where it could do nothing of it."""
        return min((k.change for k in self.kept if k.status != "absent"), default=None)

    @property
    def sentence(self) -> str:
        if self.vetoed:
            named = ", ".join(f"{k.name} {k.before.mean:.2f} to {k.after.mean:.2f}" for k in self.forgotten)
            return f"Tuning cost other abilities: {named}."
        able = [k for k in self.kept if k.status != "absent"]
        if not able:
            return "Nothing was there to forget: the model could do none of what is kept before it was tuned."
        shown = sum(k.status == "kept" for k in able)
        return f"No loss shown in {len(able)} kept abilities; shown to be kept within {self.margin:g}: {shown}."


@dataclass(frozen=True)
class Remedy:
    """Tuned weights as they are, or with something done against forgetting: its dev score, and what it keeps."""

    name: str  # "as tuned", "adapter scale 0.5", "replay of 120 rows", "gentler: lora rank 4, rate 0.001"
    dev: float
    n: int
    forgetting: Forgetting
    weights: Weights
    chosen: bool = False


@dataclass(frozen=True)
class Tuning:
    """How a tuned candidate came about: what was checked, tried, learned from more rows, saved and spent."""

    base: str
    preflight: Preflight
    trials: tuple[TuningTrial, ...]
    curve: tuple[CurvePoint, ...]
    forecast: str | None  # what more rows would bring, from the curve
    forced: tuple[str, ...] = ()  # reasons against tuning that `force: true` overrode
    prompt_tokens: float | None = None
    prompt_tokens_below: float | None = None
    seconds: float = 0.0
    tokens: int = 0
    need: TuningNeed | None = None
    remedies: tuple[Remedy, ...] = ()  # the weights as tuned first; more only where these forget
    lesson: str | None = None  # what a teacher's answers made of the training rows
    lesson_usd: float | None = 0.0  # what they cost; None: unknown

    @property
    def forgetting(self) -> Forgetting | None:
        """What the chosen weights keep and forget; None where it was not looked at."""
        return next((r.forgetting for r in self.remedies if r.chosen), None)


@dataclass(frozen=True, slots=True)
class Edit:
    """A prompt accepted in place of another: the diff of its text, and the dev rows (ids) that moved.

    Candidates by name; means of the deciding metric over the `rows` that both answered, None where there are none.
    """

    before: str
    after: str
    diff: str
    rows: int
    mean_before: float | None
    mean_after: float | None
    better: tuple[str, ...]
    worse: tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """What a rung's fit brings back: its best candidate by dev, what was tried, what was left out and why.

    `dev` holds the best candidate's outcomes on all dev rows; diagnosis reads them.
    """

    candidate: Candidate
    dev: tuple[Outcome, ...]
    trials: tuple[Trial, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    planted: Planted | None = None  # rungs that put documents into prompts; None: not tried
    tuning: Tuning | None = None
    edits: tuple[Edit, ...] = ()  # prompts accepted in place of another, in order


@dataclass(frozen=True)
class RungPlan:
    """What a rung would ask before any call is made: candidates, calls on dev, and typical chats for one row each."""

    candidates: int
    dev_calls: int
    chats: tuple[tuple[Message, ...], ...]  # a sample of the dearest candidate's requests; empty: no model is asked
    note: str | None = None
    tuning: TuningNeed | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a rung may know of a configured model. `context` in tokens, None when unknown."""

    role: str
    provider: str
    name: str
    context: int | None
    max_tokens: int
    note: str | None = None  # a limit worth telling: "knows only its own small world"
    reads_chat: bool = True  # False: it is given the last user message alone, so that no instruction reaches it


def by_id(examples: Sequence[Example]) -> dict[str, Example]:
    """Return the examples keyed by id."""
    return {e.id: e for e in examples}
