"""Is a running server the measured approach? The frozen test examples are answered through it, and the paired difference must be
shown to lie within the tolerance."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rung import plugins
from rung.config.environment import variable
from rung.engine.reopen import Reopened, reopened
from rung.engine.sides import measured_label
from rung.errors import RungError
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import Asker, askers
from rung.exports.parity import compared, frozen_rows
from rung.models.direct import Direct
from rung.models.listing import listed
from rung.models.settings import ProviderSettings
from rung.models.tuned import tuned_role
from rung.progress import Progress, Silent
from rung.store.folder import locked
from rung.store.records import Parity
from rung.store.run import RunFolder
from rung.types import Answer, Candidate, Message, Request


@dataclass(frozen=True)
class Target:
    """A model of a running server. `whole`: it is a whole approach (`rung serve`), which takes the inputs alone."""

    name: str
    whole: bool


def check_server(
    folder: Path,
    label: str,
    url: str,
    model: str | None = None,
    key_env: str | None = None,
    progress: Progress | None = None,
) -> Parity:
    """Answer the frozen test examples through a server and compare with the stored outcomes. Not inside an event loop.

    The test set is opened once, which is written down. Raises RungError where an example gets no answer.
    """

    async def work() -> Parity:
        async with reopened(folder, progress or Silent()) as run:
            return await through(run, measured_label(run.folder, label), url, model, key_env)

    with locked(RunFolder.open(folder)):
        return asyncio.run(work())


async def through(run: Reopened, label: str, url: str, model: str | None, key_env: str | None) -> Parity:
    """Compare one approach as it was measured with the same approach through a server."""
    candidate, stored = run.candidate(label), run.folder.rung(label).measured()
    url = url.rstrip("/")
    target = await target_at(url, model, _variable(run, key_env))
    if candidate.model is None and not target.whole:
        raise RungError(
            f"{label} asks no model: what can be checked of it is `rung serve`, and {url} is something else"
        )
    direct = Direct(_settings(run, candidate, url, target.name, key_env), "server")
    try:
        rows = frozen_rows(run, f"re-score {label} through {url}")
        with run.progress.stage(f"{label}: test examples through {url}", len(rows)) as bar:
            kit = _kit(run, direct, candidate)
            whole = _Whole(direct, run.task.inputs) if target.whole else None
            again = await kit.answer(candidate, rows, lambda _: bar.advance(), system=whole)
    finally:
        await direct.close()
    lost = [o.failure.message for o in again if o.unanswered and o.failure is not None]
    if lost:
        raise RungError(
            f"{url} gave no answer to {len(lost)} of {len(rows)} test examples: {lost[0]}; nothing is said of the rest"
        )
    return compared(stored.outcomes, again, run.task, f"served as {target.name}")


async def target_at(url: str, model: str | None, key: str | None) -> Target:
    """Return what a server serves under `model`, or alone. Raises RungError."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    known = {
        name: told.get("owned_by") == "rung" and "root" in told for name, told in (await listed(url, headers)).items()
    }
    if model is None and len(known) != 1:
        raise RungError(f"{url} serves {', '.join(known) or 'nothing'}; name one of them")
    name = next(iter(known)) if model is None else model
    if name not in known:
        raise RungError(f"{url} does not serve {name!r}; it serves {', '.join(known)}")
    return Target(name, known[name])


def _kit(run: Reopened, direct: Direct, candidate: Candidate) -> RunKit:
    """Return the kit of the run in which the server answers for the candidate's model, tuned or not."""
    roles = askers(run.clients, run.folder.path)
    if candidate.model is not None:
        tuned = candidate.tuned
        role = candidate.model if tuned is None else tuned_role(candidate.model, tuned)
        card = replace(run.clients[candidate.model].card(), role=role, concurrency=direct.concurrency)
        roles[role] = Asker(card, direct.ask, direct.count_tokens, direct.concurrency, False)
    return RunKit(run.task, roles, run.config.split.seed, run.progress, run.config.root, run.document_index)


@dataclass(frozen=True)
class _Whole:
    """A served approach: it is told the inputs, and has its own prompt."""

    direct: Direct
    columns: tuple[str, ...]

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        told = {c: inputs[c] for c in self.columns}
        text = next(iter(told.values())) if len(told) == 1 else json.dumps(told)
        found = await self.direct.ask(Request((Message("user", text),)))
        return Answer(found.text, (found,))


def _settings(run: Reopened, candidate: Candidate, url: str, name: str, key_env: str | None) -> ProviderSettings:
    """Return the settings by which the server is asked: what shapes an answer is as it was measured."""
    wanted: dict[str, Any] = {"name": name, "base_url": url, "api_key_env": key_env, "timeout_s": 300.0}
    if candidate.model is not None:
        measured = run.clients[candidate.model].settings
        shaping = ("max_tokens", "temperature", "context", "extra_body", "efforts", "max_tokens_field", "keep_thoughts")
        wanted |= {key: getattr(measured, key) for key in shaping if hasattr(measured, key)}
    found: ProviderSettings = plugins.make("models", "openai", **wanted)
    return found


def _variable(run: Reopened, name: str | None) -> str | None:
    return variable(name, run.config.root) if name else None
