"""Where models are tuned: room in the run folder, and the way of tuned weights into service. Holds no test row.

The rung sees names and hashes; paths stay in here. Tuned weights lie in `tuned/` of the run folder as safetensors and
JSON, and are asked through the client of their base: same ledger, budget, limits and latency as every other model.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from rung.errors import IntegrityError, Interrupted, NotOffered, RungError, TuningError
from rung.evaluate.keeping import Keeper
from rung.evaluate.progress import Progress
from rung.models._settings import ProviderSettings
from rung.models.client import Client
from rung.protocols import Tunable, Tuner, TuningRun
from rung.store.folder import RunFolder
from rung.types import Base, Completion, Example, Message, Request, TuningRow, Weights, content_hash

PLACE = "tuned"
OPEN_AT_ONCE = 2  # tuned models of one role held in memory


@dataclass
class Served:
    """The tuned models of one role, opened when asked; the longest unasked one is closed when another is wanted."""

    client: Client
    folder: Path
    repeat: int = 0  # asks everything again on purpose, as in `Request.repeat`
    _open: dict[str, Client] = field(default_factory=dict)
    _busy: dict[str, int] = field(default_factory=dict)

    async def ask(self, weights: Weights, request: Request) -> Completion:
        await self._close_others(weights.path)
        client = self.opened(weights)
        self._busy[weights.path] = self._busy.get(weights.path, 0) + 1
        try:
            return await client.ask(replace(request, repeat=self.repeat) if self.repeat else request)
        finally:
            self._busy[weights.path] -= 1

    def opened(self, weights: Weights) -> Client:
        client = self._open.pop(weights.path, None)
        if client is None:
            settings = self.client.settings
            assert isinstance(settings, Tunable)  # or nothing would have been tuned
            tuned = settings.with_weights(checked(self.folder, weights))
            client = self.client.beside(cast(ProviderSettings, tuned))
        self._open[weights.path] = client  # last in the dict: asked last
        return client

    async def _close_others(self, path: str) -> None:
        idle = [p for p in self._open if p != path and not self._busy.get(p)]
        while idle and len(self._open) >= OPEN_AT_ONCE and path not in self._open:
            await self.client.release(self._open.pop(idle.pop(0)))


def checked(folder: Path, weights: Weights) -> Path:
    """Return the folder of kept weights below a run folder. Raises IntegrityError when they are not what was kept."""
    place = (folder / weights.path).resolve()
    if not place.is_relative_to((folder / PLACE).resolve()):
        raise IntegrityError(f"tuned weights {weights.path!r} do not lie in {PLACE}/ of the run folder")
    found = folder_hash(place) if place.is_dir() else None
    if found != weights.sha256:
        what = f"have the hash {found[:12]}, not {weights.sha256[:12]}" if found else "are not there"
        raise IntegrityError(
            f"the tuned weights in {place} {what}: restore them, or remove {folder / PLACE} and run the climb again"
        )
    return place


def folder_hash(place: Path) -> str:
    """Return one hash of the names and contents of all files in a folder."""
    files = sorted(p for p in place.rglob("*") if p.is_file())
    return content_hash([[p.relative_to(place).as_posix(), _sha256(p)] for p in files])


@dataclass(frozen=True)
class RunWorkshop:
    """The Workshop of one role in one run folder."""

    base: Base
    client: Client | None  # None in a plan, where nothing is begun
    served: Served | None
    progress: Progress
    keeper: Keeper

    @property
    def folder(self) -> RunFolder:
        if self.served is None:
            raise RungError("a model is tuned in a run folder only; this is a plan or a first look")
        return RunFolder(self.served.folder)

    def sealed(self, rows: Sequence[Example]) -> tuple[str, ...]:
        manifest = self.folder.read("parts/manifest.json")
        hashes = {h for part in ("dev", "test") for h in manifest[part]["ids"].values()}
        return tuple(r.id for r in rows if r.sha256 in hashes)

    def sent(self, messages: Sequence[Message]) -> tuple[int, ...] | None:
        return self.client.prompt_tokens(messages) if self.client is not None else None

    def start(self, tuner: Tuner, rows: Sequence[TuningRow], name: str, seed: int) -> TuningRun:
        return tuner.start(self.base, rows, self._place(f"{PLACE}/{name}/state"), seed)

    def keep(self, run: TuningRun, name: str, form: str) -> Weights:
        path = f"{PLACE}/{name}/step-{run.step}"
        final = self._place(path)
        part = final.with_name(f".{final.name}.part")
        try:
            for old in (part, final):
                shutil.rmtree(old, ignore_errors=True)
            part.mkdir(parents=True)
            run.write(part)
            part.rename(final)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise TuningError(_disk(error, final)) from error
        return Weights(path, folder_hash(final), cast(Any, form))

    def scaled(self, tuner: Tuner, weights: Weights, scale: float) -> Weights:
        path = f"{weights.path}-scale-{scale:g}"
        final = self._place(path)
        if not final.is_dir():
            part = final.with_name(f".{final.name}.part")
            try:
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                tuner.scale(self.base, checked(self.folder.path, weights), part, scale)
                part.rename(final)
            except OSError as error:
                shutil.rmtree(part, ignore_errors=True)
                raise TuningError(_disk(error, final)) from error
        return replace(weights, path=path, sha256=folder_hash(final))

    def drop(self, path: str) -> None:
        shutil.rmtree(self._place(path if path.startswith(f"{PLACE}/") else f"{PLACE}/{path}"), ignore_errors=True)

    def notes(self, name: str) -> dict[str, Any] | None:
        file = f"{PLACE}/{name}/notes.json"
        return dict(self.folder.read(file)) if self.folder.has(file) else None

    def note(self, name: str, value: Mapping[str, Any]) -> None:
        try:
            self.folder.write(f"{PLACE}/{name}/notes.json", value)
        except Interrupted as error:
            raise TuningError(str(error)) from error

    def free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self.folder.path).free
        except OSError:
            return None

    def role(self, weights: Weights) -> str:
        checked(self.folder.path, weights)
        return tuned_role(self.base.role, weights)

    @contextmanager
    def stage(self, title: str, steps: int) -> Iterator[Callable[[str], None]]:
        with self.progress.stage(title, steps) as bar:
            yield lambda text: bar.advance(note=text)

    def _place(self, path: str) -> Path:
        place = (self.folder.path / path).resolve()
        if not place.is_relative_to((self.folder.path / PLACE).resolve()):
            raise IntegrityError(f"{path!r} leaves {PLACE}/ of the run folder")
        return place


def base_of(role: str, settings: ProviderSettings) -> Base:
    """Return the base that a configured model is for tuning. Raises NotOffered for one that cannot be tuned here."""
    if not isinstance(settings, Tunable):
        raise NotOffered(
            f"models.{role} is {settings.name!r} of the provider {settings.provider!r}, whose weights are not on this "
            "machine: name a model of the provider `local` or `nano` for this rung (`{finetune: {model: small}}`), or tune "
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
        settings.usd_per_hour,
        dict(getattr(settings, "template", {})),
        getattr(settings, "revision", None),
    )


def tuned_role(role: str, weights: Weights) -> str:
    """Return the name under which tuned weights are asked: it holds all that is needed to open them."""
    return f"{role}+{json.dumps([weights.path, weights.sha256, weights.form])}"


def weights_in(role: str) -> tuple[str, Weights] | None:
    """Return base role and weights of a name that `tuned_role` made; None for a configured role."""
    base, plus, rest = role.partition("+[")
    if not plus:
        return None
    path, sha256, form = json.loads(f"[{rest}")
    return base, Weights(path, sha256, form)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _disk(error: OSError, place: Path) -> str:
    return (
        f"the tuned weights could not be written to {place} ({error.strerror or error}); what was measured before is kept: "
        "free some space and run the same command again, and tuning goes on from its last checkpoint"
    )
