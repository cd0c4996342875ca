"""The seams: what a plugin must offer (Provider, Metric, Rung) and what it is given (Model, System, Kit).

A plugin is one frozen pydantic settings model in one file: its fields are its settings, it holds no state, and what it
learns it returns. The module names it `plugin`. `rung.testing` checks every promise made here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from rung.types import (
    Answer,
    Base,
    Candidate,
    Change,
    Completion,
    Diagnosis,
    Document,
    Example,
    Failure,
    Fitted,
    Hit,
    Message,
    ModelCard,
    Outcome,
    Passage,
    Preflight,
    Request,
    RungPlan,
    Score,
    Source,
    Task,
    TuningNeed,
    TuningRow,
    Weights,
)


@runtime_checkable
class Model(Protocol):
    """A live connection to one model: one attempt a call, no retries, no cache, no money (the client adds these)."""

    async def complete(self, request: Request) -> Completion:
        """Answer one request.

        Returns a Completion whose `cost_usd` is None (the client prices it) and whose `latency_s` is this attempt's.
        Raises Retryable (429, 5xx, drop, timeout, malformed body), RefusedByModel, ContextOverflow, or ModelError.
        """
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the prompt tokens of a chat: exact where a tokenizer is at hand, else an upper estimate."""
        ...

    async def close(self) -> None:
        """Release sockets, threads and memory. Called once; may be called after a failure."""
        ...


@runtime_checkable
class Provider(Protocol):
    """Plugin of kind `models`: the settings of one configured model; `connect` opens it.

    Common settings (see `rung.models._settings.ProviderSettings`): name, concurrency, context, max_tokens, timeouts,
    rate limits and prices.
    """

    def connect(self) -> Model: ...


@runtime_checkable
class Tunable(Protocol):
    """What a provider offers whose weights can be tuned here, and served through the same code afterwards."""

    @property
    def weights(self) -> str:
        """The folder or Hub name from which transformers loads model and tokenizer."""
        ...

    def with_weights(self, folder: Path) -> Provider:
        """Return these settings on tuned weights: an adapter for this model, or a whole model of its family."""
        ...


@runtime_checkable
class TokenModel(Protocol):
    """A live model that can say which tokens it is sent: training checks its own rendering against them."""

    def prompt_tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return a chat in tokens, up to where the answer begins."""
        ...


@runtime_checkable
class TuningRun(Protocol):
    """One model being tuned on this machine. Not for several threads at once; calls block."""

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        ...

    @property
    def step(self) -> int:
        """Steps done; more than 0 after a resumption."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens trained on so far, padding left out."""
        ...

    def train(self, until: int, on_step: Callable[[float], None]) -> float:
        """Go on to step `until`, telling each step's loss, and return their mean. Raises TuningError."""
        ...

    def save(self) -> None:
        """Keep everything needed to go on from here, as safetensors and JSON, atomically."""
        ...

    def write(self, folder: Path) -> None:
        """Write the weights as they stand into an empty folder, as they will be served."""
        ...

    def close(self) -> None:
        """Free the memory."""
        ...


@runtime_checkable
class Tuner(Protocol):
    """Plugin of kind `tuners`: a recipe by which weights are tuned on rows."""

    @property
    def title(self) -> str:
        """A short name with what makes this recipe different: "lora rank 16, rate 0.0036"."""
        ...

    @property
    def form(self) -> str:
        """What it writes: "adapter" or "full"."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """Return every field as plain data."""
        ...

    def variants(self, base: Base) -> tuple[Tuner, ...]:
        """Return recipes worth racing on this base, the default first, every field filled in."""
        ...

    def need(self, base: Base, rows: Sequence[TuningRow], counted: Callable[[TuningRow], int]) -> TuningNeed:
        """Estimate tokens, time, memory and disk of one run over all rows, without loading the model."""
        ...

    def preflight(
        self,
        base: Base,
        rows: Sequence[TuningRow],
        sent: Callable[[Sequence[Message]], Sequence[int] | None],
        seed: int,
    ) -> Preflight:
        """Look at everything that silently ruins tuning, in seconds. `sent` tells the tokens that inference sends.

        Raises TuningError where nothing can be tuned: no template, no end token, not enough memory.
        """
        ...

    def start(self, base: Base, rows: Sequence[TuningRow], folder: Path, seed: int) -> TuningRun:
        """Load the base and begin, or go on from the state in `folder`. Raises TuningError."""
        ...

    def gentler(self) -> Tuner | None:
        """Return the recipe with less power to change the model: a lower rate, and rank; None where there is none."""
        ...

    def scale(self, base: Base, weights: Path, out: Path, scale: float) -> None:
        """Write tuned weights to `out` with their change of the base multiplied by `scale` in (0, 1)."""
        ...


class Keeper(Protocol):
    """What tuning must not harm: the user's other tasks and general abilities."""

    async def scores(self, role: str) -> Mapping[str, Mapping[str, float]]:
        """Score the model in `role` on all of it: name -> row id -> score in [0, 1]."""
        ...

    def replay(self, rows: int) -> tuple[TuningRow, ...]:
        """Return at most so many rows of the other tasks to tune on as well; none of them is scored."""
        ...


class Workshop(Protocol):
    """Where one model is tuned: its base, room in the run folder, and the way back into service. Names no folder."""

    @property
    def base(self) -> Base: ...

    @property
    def keeper(self) -> Keeper: ...

    def sealed(self, rows: Sequence[Example]) -> tuple[str, ...]:
        """Return the ids of those rows that stand in the dev or test part, by their hashes."""
        ...

    def sent(self, messages: Sequence[Message]) -> tuple[int, ...] | None:
        """Return the tokens that inference sends for a chat; None where the provider does not tell."""
        ...

    def start(self, tuner: Tuner, rows: Sequence[TuningRow], name: str, seed: int) -> TuningRun:
        """Begin the run of that name, or go on with it. Raises TuningError."""
        ...

    def keep(self, run: TuningRun, name: str, form: str) -> Weights:
        """Write the weights as they stand and return where they lie. Raises TuningError when the disk is full."""
        ...

    def scaled(self, tuner: Tuner, weights: Weights, scale: float) -> Weights:
        """Return kept weights whose change of the base is multiplied by `scale`, without tuning anew."""
        ...

    def drop(self, path: str) -> None:
        """Remove kept weights that turned out not to be wanted, or what a run has left below its name."""
        ...

    def notes(self, name: str) -> dict[str, Any] | None:
        """Return what was noted of a run, by this sitting or an earlier one."""
        ...

    def note(self, name: str, value: Mapping[str, Any]) -> None:
        """Note where a run stands, atomically."""
        ...

    def free_bytes(self) -> int | None:
        """Return the room left on the disk of the run folder."""
        ...

    def role(self, weights: Weights) -> str:
        """Return the role under which these weights are asked, through ledger, limits and budget like any model.

        Raises IntegrityError when they are not what was kept.
        """
        ...

    def stage(self, title: str, steps: int) -> AbstractContextManager[Callable[[str], None]]:
        """Show a bar of `steps` steps; call what it gives with a short text at each."""
        ...


@runtime_checkable
class Metric(Protocol):
    """Plugin of kind `metrics`: judges one answer. Pure and synchronous: equal arguments, equal result."""

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        """Judge the answer as it stands: a Score in [0, 1], or a Failure("parse" | "metric", why)."""
        ...

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the quality in [0, 1] of the same answer with its form forgiven; None where that means nothing."""
        ...

    def format_rule(self, task: Task) -> str | None:
        """Return one or two sentences that tell a model the exact output form; None if any form will do."""
        ...


@runtime_checkable
class Judge(Metric, Protocol):
    """A metric that needs more than the answer's text: a model to ask, or the passages that the answer used.

    Where a metric has `assess`, it is awaited in place of `score`, which then says what can be said without asking.
    Equal arguments give equal requests, in the same order, so that stored answers recompute every score.
    `opinion`: True for scores that are a model's opinion; they decide only together with labels that people give.
    """

    opinion: ClassVar[bool]

    def asks(self, answer: str, example: Example, task: Task) -> tuple[Request, ...]:
        """Return the chats that judging this answer takes, for estimates of cost; empty where none is asked."""
        ...

    async def assess(self, answer: Answer, example: Example, task: Task, kit: Kit) -> Score | Failure:
        """Judge the answer, asking only through the kit. What a model says is untrusted; what cannot be read is a
        Failure("metric", why). Raises what `kit.ask` raises."""
        ...


@runtime_checkable
class System(Protocol):
    """A candidate brought to life: sees input columns, never a target."""

    async def answer(self, inputs: Mapping[str, str]) -> Answer: ...


class Shelf(Protocol):
    """Documents with their passages, searched by words and by vectors; one per place, opened by a Retriever.

    A change is written whole or not at all, is on the disk when `write` returns, and is seen by the next call of any
    shelf at the same place, in this process or another. Passages of several sizes (in words) stand side by side. Calls
    may come from several threads. What is removed is gone from the files, too. Raises FolderBusy where another process
    keeps writing, IntegrityError for a damaged place, Interrupted for a full disk.
    """

    def version(self) -> object:
        """Return something that differs, for this shelf, from what it was before anyone wrote here. Cheap."""
        ...

    def documents(self) -> Mapping[str, str]:
        """Return the SHA-256 of every document by name, sorted by name."""
        ...

    def read(self, names: Sequence[str] | None = None) -> tuple[Document, ...]:
        """Return documents whole, sorted by name; None: all."""
        ...

    def facts(self, prefix: str = "") -> Mapping[str, Any]:
        """Return the facts whose names start so."""
        ...

    def sizes(self) -> Mapping[int, int]:
        """Return the sizes of passages that are there (in words), each with the number of its passages."""
        ...

    def write(self, change: Change) -> None: ...

    def match(self, query: str, k: int, size: int) -> list[tuple[int, float]]:
        """Return the keys of the `k` best passages of this size by BM25, best first, with scores; ties by key."""
        ...

    def nearest(self, vector: Sequence[float], k: int, size: int) -> list[tuple[int, float]]:
        """Return the keys of the `k` passages with the highest dot product, best first, with it; exact."""
        ...

    def without_vector(self, size: int, most: int) -> Mapping[int, str]:
        """Return title and text of passages that have no vector yet, by key."""
        ...

    def passages(self, keys: Sequence[int], size: int) -> Mapping[int, Passage]:
        """Return passages by key; those that are gone are left out."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Retriever(Protocol):
    """Plugin of kind `retrievers`: a kind of place where documents are kept; the settings name the place."""

    def open(self) -> Shelf:
        """Open the place, or make it. Raises NewerFolder for one that a later version wrote."""
        ...


class Library(Protocol):
    """The user's documents, indexed. What is added, changed or removed is seen by the next search."""

    @property
    def modes(self) -> tuple[str, ...]:
        """Ways to search: "bm25", and with an embedder "dense" and "hybrid"."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the content of all documents, whatever their order: another content, another hash."""
        ...

    def documents(self) -> tuple[Source, ...]:
        """Return every document with its whole text, in the order of their names."""
        ...

    async def search(
        self, query: str, k: int, *, mode: str = "bm25", dense_weight: float = 0.5, chunk_words: int | None = None
    ) -> tuple[Hit, ...]:
        """Return the `k` best passages, best first.

        `dense_weight` in [0, 1] weighs dense against BM25 in "hybrid". `chunk_words`: passages of about so many words;
        None: the configured size. Raises ConfigError for a mode that is not in `modes`, RungError for a broken index.
        """
        ...


@runtime_checkable
class Judged(Protocol):
    """A library whose user has told which documents are relevant to which rows."""

    def relevant(self, example_id: str) -> frozenset[str]:
        """Return the names of the documents that hold the answer to a row; empty where nothing is told."""
        ...


class Kit(Protocol):
    """All a rung is handed besides its rows: models by role, scoring, randomness, progress. It holds no test row."""

    def library(self) -> Library | None:
        """Return the user's documents; None where the configuration names none."""
        ...

    def card(self, role: str) -> ModelCard:
        """Return what is known of the model in that role. Raises ConfigError for a role that is not configured."""
        ...

    def count_tokens(self, role: str, messages: Sequence[Message]) -> int: ...

    async def ask(self, role: str, request: Request) -> Completion:
        """Ask through ledger, rate limits, retries and budget. Raises ModelError or BudgetSpent."""
        ...

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        """Answer and score the given rows (train or dev) with a candidate of any rung, in the order given."""
        ...

    def metric(self) -> Metric:
        """Return the deciding metric."""
        ...

    def workshop(self, role: str) -> Workshop:
        """Return where the model in that role is tuned. Raises NotOffered, with why, for one that cannot be."""
        ...

    def rng(self, purpose: str) -> random.Random:
        """Return a generator seeded by the run's seed and `purpose`: the same draws on resumption."""
        ...

    def say(self, text: str) -> None:
        """Tell the user what goes on, one short line."""
        ...


@runtime_checkable
class Rung(Protocol):
    """Plugin of kind `rungs`."""

    trains: ClassVar[bool]  # True: changes weights; run only when every lower rung is shown not good enough
    asks_model: ClassVar[bool]  # False: no language model is asked (baseline)

    async def fit(
        self,
        task: Task,
        train: Sequence[Example],
        dev: Sequence[Example],
        kit: Kit,
        below: Candidate | None,
        diagnosis: Diagnosis | None,
    ) -> Fitted:
        """Choose a candidate on train and dev only. `below` is the best candidate of the rung below, `diagnosis` why
        its dev rows failed.

        Raises NotOffered (see `rung.errors`) with the reason when this task or data cannot use the rung.
        """
        ...

    def plan(self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> RungPlan:
        """Estimate what `fit` would ask, without asking: an upper figure for calls, typical chats for the tokens."""
        ...

    def system(self, candidate: Candidate, task: Task, kit: Kit) -> System:
        """Bring a candidate of this rung to life; needs nothing but the candidate's JSON-able content and the kit."""
        ...
