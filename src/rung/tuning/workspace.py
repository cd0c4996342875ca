"""Where models are tuned: room in a folder, and the way of tuned weights into service. Holds no test example.

The rung sees names and hashes; paths stay in here. Tuned weights are asked through the client of their base: same answer
cache, budget, limits and latency as every other model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from rung.errors import Interrupted, NotOffered, RungError, TuningError
from rung.models.client import Client
from rung.models.prices import rent_of
from rung.models.settings import ProviderSettings
from rung.models.tuned import tuned_role
from rung.progress import Progress
from rung.protocols import Kit, Tunable, Tuner, TuningRun, TuningSpace
from rung.store.run import RunFolder
from rung.store.tuned import TunedRecord
from rung.tuning.regression import RegressionTask, RunRegressionSuite
from rung.types import Base, Example, Json, Message, TuningRow, Weights, content_hash


@dataclass(frozen=True)
class Workplace:
    """Where models are tuned and kept. `sealed`: hashes of the dev and test rows, which nothing may be tuned on; `project`: where
    an equal try may lie finished, as `rung climb --dev` leaves it."""

    weights: TunedRecord
    sealed: frozenset[str]
    project: TunedRecord | None = None

    @classmethod
    def of_run(cls, run: RunFolder, root: Path) -> Workplace:
        """Return the place of a climb, whose parts are frozen, in the project at `root`."""
        manifest = run.parts.manifest.need()
        hashes = (h for part in ("dev", "test") for h in manifest[part]["ids"].values())
        return cls(TunedRecord(run.path), frozenset(hashes), TunedRecord.of_project(root))


@dataclass(frozen=True)
class Spaces:
    """What makes the tuning spaces of a kit. `place` None: a plan or a first look, where nothing is tuned; `general`: general abilities too."""

    place: Workplace | None
    tasks: tuple[RegressionTask, ...]
    progress: Progress
    general: bool = True

    def suite(self, kit: Kit) -> RunRegressionSuite:
        """Return what tuning must not harm."""
        return RunRegressionSuite(kit, self.tasks, self.progress, self.general)

    def __call__(self, kit: Kit, role: str, settings: ProviderSettings, client: Client | None) -> TuningSpace:
        if client is not None and client.missing:
            raise NotOffered(f"models.{role} cannot be tuned here: {client.missing}")
        return RunTuningSpace(base_of(role, settings), client, self.place, self.progress, self.suite(kit))


class RunTuningSpace:
    """The TuningSpace of one role. Names no folder: what a rung reaches by it are its own weights."""

    def __init__(
        self, base: Base, client: Client | None, place: Workplace | None, progress: Progress, suite: RunRegressionSuite
    ) -> None:
        """`client` and `place` are None in a plan, where nothing is begun."""
        self.base = base
        self.regression_suite = suite
        self._client = client
        self._place = place
        self._progress = progress

    @property
    def _weights(self) -> TunedRecord:
        return self._here().weights

    def _here(self) -> Workplace:
        if self._place is None:
            raise RungError("no model is tuned in a plan or a first look")
        return self._place

    def sealed(self, rows: Sequence[Example]) -> tuple[str, ...]:
        return tuple(r.id for r in rows if r.sha256 in self._here().sealed)

    def sent(self, messages: Sequence[Message]) -> tuple[int, ...] | None:
        return self._client.prompt_tokens(messages) if self._client is not None else None

    def start(self, tuner: Tuner, rows: Sequence[TuningRow], name: str, seed: int) -> TuningRun:
        return tuner.start(self.base, rows, self._weights.state(name), seed)

    def keep(self, run: TuningRun, name: str, form: str) -> Weights:
        path = self._weights.step(name, run.step)
        with _disk(self._weights.run / path):
            return Weights(path, self._weights.write(path, run.write), cast(Any, form))

    def scaled(self, tuner: Tuner, weights: Weights, scale: float) -> Weights:
        path = f"{weights.path}-scale-{scale:g}"
        sha256 = self._weights.hash_of(path)
        if sha256 is None:
            with _disk(self._weights.run / path), self._weights.copied(weights) as source:
                sha256 = self._weights.write(path, lambda out: tuner.scale(self.base, source, out, scale))
        return replace(weights, path=path, sha256=sha256)

    def drop(self, path: str) -> None:
        self._weights.drop(path)

    def notes(self, name: str) -> dict[str, Json] | None:
        if (project := self._here().project) is not None:
            with _disk(self._weights.run / name):
                self._weights.adopt(name, project)
        return self._weights.notes(name)

    def note(self, name: str, value: Mapping[str, Json]) -> None:
        try:
            self._weights.note(name, value)
        except Interrupted as error:
            raise TuningError(str(error)) from error

    def free_bytes(self) -> int | None:
        return self._weights.free_bytes()

    def role(self, weights: Weights) -> str:
        self._weights.checked(weights)
        return tuned_role(self.base.role, weights)

    @contextmanager
    def stage(self, title: str, steps: int) -> Iterator[Callable[[str], None]]:
        with self._progress.stage(title, steps) as bar:
            yield lambda text: bar.advance(note=text)


def base_of(role: str, settings: ProviderSettings) -> Base:
    """Return the base that a configured model is for tuning. Raises NotOffered for one that cannot be tuned here."""
    if not isinstance(settings, Tunable):
        raise NotOffered(
            f"models.{role} is {settings.name!r} of the provider {settings.provider!r}, whose weights are not on this "
            "machine: name a model of the provider `local` or `nano` for this approach (`{finetune: {model: small}}`), or tune "
            "elsewhere and bring the endpoint back as a model"
        )
    if getattr(settings, "adapter", None) is not None:
        raise NotOffered(
            f"models.{role} carries an adapter already, and an adapter is not tuned on top of another: name its base as a model "
            "of its own, or merge the adapter into it first"
        )
    return Base(
        role,
        settings.name,
        settings.weights,
        content_hash(dict(settings.identity())),
        settings.context,
        settings.max_tokens,
        rent_of(settings),
        dict(getattr(settings, "template", {})),
        getattr(settings, "revision", None),
    )


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Translate a disk that does not take tuned weights."""
    try:
        yield
    except OSError as error:
        raise TuningError(
            f"the tuned weights could not be written to {path} ({error.strerror or error}); what was measured before is kept: "
            "free some space and run the same command again, and tuning goes on from its last checkpoint"
        ) from error
