"""How weights are tuned: the seam of kind `tuners`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from rung.types import Base, Example, Json, Message, Preflight, TuningNeed, TuningRow, Weights

Sent = Callable[
    [Sequence[Message]], Sequence[int] | None
]  # the tokens that inference sends for a chat; None: not known


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

    def settings(self) -> Mapping[str, Json]:
        """Return every field as plain data."""
        ...

    def variants(self, base: Base) -> tuple[Tuner, ...]:
        """Return recipes worth racing on this base, the default first, every field filled in."""
        ...

    def need(self, base: Base, rows: Sequence[TuningRow], counted: Callable[[TuningRow], int]) -> TuningNeed:
        """Estimate tokens, time, memory and disk of one run over all rows, without loading the model."""
        ...

    def preflight(self, base: Base, rows: Sequence[TuningRow], sent: Sent, seed: int) -> Preflight:
        """Look at everything that silently ruins tuning, in seconds. `sent` tells the tokens that inference sends.

        Raises TuningError where nothing can be tuned: no template, no end token, not enough memory.
        """
        ...

    def start(self, base: Base, rows: Sequence[TuningRow], folder: Path, seed: int) -> TuningRun:
        """Load the base and begin, or go on from the state in `folder`, the run's own, outside of the run folder. Raises TuningError."""
        ...

    def gentler(self) -> Tuner | None:
        """Return the recipe with less power to change the model: a lower rate, and rank; None where there is none."""
        ...

    def scale(self, base: Base, weights: Path, out: Path, scale: float) -> None:
        """Write tuned weights to `out` with their change of the base multiplied by `scale` in (0, 1)."""
        ...


class RegressionSuite(Protocol):
    """What tuning must not harm: the user's other tasks and general abilities."""

    @property
    def asked(self) -> int:
        """Rows that a model is asked to be scored on all of it."""
        ...

    @property
    def vetoes(self) -> bool:
        """Whether a loss may keep tuned weights from winning, so that remedies are tried: the user named tasks."""
        ...

    async def scores(self, role: str) -> Mapping[str, Mapping[str, float]]:
        """Score the model in `role` on all of it: name -> row id -> score in [0, 1]."""
        ...

    def replay(self, rows: int) -> tuple[TuningRow, ...]:
        """Return at most so many rows of the other tasks to tune on as well; none of them is scored."""
        ...


class TuningSpace(Protocol):
    """Where one model is tuned: its base, room in the run folder, and the way back into service. Paths are relative to it."""

    @property
    def base(self) -> Base: ...

    @property
    def regression_suite(self) -> RegressionSuite: ...

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
        """Remove kept weights that turned out not to be wanted, what a run has left below its name, or `NAME/state`."""
        ...

    def notes(self, name: str) -> dict[str, Json] | None:
        """Return what was noted of a run, by this session or an earlier one."""
        ...

    def note(self, name: str, value: Mapping[str, Json]) -> None:
        """Note where a run stands, atomically."""
        ...

    def free_bytes(self) -> int | None:
        """Return the room left on the disk of the run folder."""
        ...

    def role(self, weights: Weights) -> str:
        """Return the role under which these weights are asked, through cache, limits and budget like any model.

        Raises IntegrityError when they are not what was kept.
        """
        ...

    def stage(self, title: str, steps: int) -> AbstractContextManager[Callable[[str], None]]:
        """Show a bar of `steps` steps; call what it gives with a short text at each."""
        ...
