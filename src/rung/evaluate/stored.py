"""A kit that asks nobody: every answer comes from the ledger of a run, so that judgements can be recomputed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

from rung.config import Config
from rung.config.roles import roles_of
from rung.errors import IntegrityError, RefusedByModel
from rung.evaluate.kit import Asker, RunKit
from rung.evaluate.progress import Silent
from rung.models._settings import ProviderSettings, configured
from rung.models.prices import most_tokens
from rung.store.folder import RunFolder
from rung.store.ledger import Ledger, identity_bytes, key_of
from rung.types import Completion, Request, Task


@contextmanager
def stored_kit(folder: RunFolder, task: Task) -> Iterator[RunKit]:
    """Open the kit of a run as its metrics saw it. What they ask and is not stored raises IntegrityError.

    Only models that metrics ask are looked at: a run can be verified where the others' packages are not installed.
    """
    head = folder.read("run.json")
    config = Config.model_validate({**head["config"], "root": folder.path / head.get("root", ".")})
    asked = {role for spec in task.metrics for role in roles_of("metrics", spec.name, spec.settings)}
    models = {role: entry for role, entry in config.models.items() if role in asked}
    known, path = configured(config.model_copy(update={"models": models})), folder.path / "ledger.sqlite"
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(path)) if models and path.exists() else None
        roles = {role: _asker(role, settings, ledger) for role, settings in known.items()}
        yield RunKit(task, roles, config.split.seed, Silent(), config.root)


def _asker(role: str, settings: ProviderSettings, ledger: Ledger | None) -> Asker:
    return Asker(settings.card(role), _from_ledger(role, settings, ledger), most_tokens, 1, True)


def _from_ledger(
    role: str, settings: ProviderSettings, ledger: Ledger | None
) -> Callable[[Request], Awaitable[Completion]]:
    identity = identity_bytes(settings.identity())

    async def ask(request: Request) -> Completion:
        found = await ledger.get(key_of(identity, request)) if ledger is not None else None
        if found is None:
            raise IntegrityError(
                f"an answer of models.{role} that the stored scores rest on is not in the run's ledger: the ledger, the "
                "model's settings or the metric's are not what they were"
            )
        if found.finish == "refused":
            raise RefusedByModel(found.text, provider=settings.provider)
        return found

    return ask
