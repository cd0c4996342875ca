"""A kit that asks nobody: every answer comes from the cache of a run, so that judgements can be recomputed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

from pydantic import ValidationError

from rung.config import Config
from rung.config.roles import roles_of
from rung.errors import IntegrityError, RefusedByModel
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import Asker
from rung.models.prices import most_tokens
from rung.models.settings import ProviderSettings, configured
from rung.progress import Silent
from rung.store.archive import readable_answers
from rung.store.cache import AnswerCache, identity_bytes, key_of
from rung.store.run import HEAD, RunFolder
from rung.types import Completion, Request, Task


def stored_config(run: RunFolder) -> Config:
    """Return the configuration as the run keeps it, without a look at the files it names. Raises IntegrityError for damage."""
    settings, root = run.config
    try:
        return Config.model_validate({**settings, "root": root})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(("config", *map(str, first["loc"])))
        raise IntegrityError(f"{run.path / HEAD} is damaged at {where}: {first['msg']}; {run.cure}") from error


@contextmanager
def stored_kit(run: RunFolder, task: Task) -> Iterator[RunKit]:
    """Open the kit of a run as its metrics saw it. What they ask and is not stored raises IntegrityError.

    Only models that metrics ask are looked at: a run can be verified where the others' packages are not installed.
    """
    config = stored_config(run)
    asked = {role for spec in task.metrics for role in roles_of("metrics", spec.plugin, spec.settings)}
    models = {role: entry for role, entry in config.models.items() if role in asked}
    known = configured(config.model_copy(update={"models": models}))
    with ExitStack() as stack:
        asked_before = models and AnswerCache.exists_in(run.path)
        place = stack.enter_context(readable_answers(run.path))
        answer_cache = stack.enter_context(AnswerCache.open_in(place)) if asked_before else None
        roles = {role: _asker(role, settings, answer_cache) for role, settings in known.items()}
        yield RunKit(task, roles, config.split.seed, Silent(), config.root)


def _asker(role: str, settings: ProviderSettings, answer_cache: AnswerCache | None) -> Asker:
    return Asker(settings.card(role), _from_ledger(role, settings, answer_cache), most_tokens, 1, True)


def _from_ledger(
    role: str, settings: ProviderSettings, answer_cache: AnswerCache | None
) -> Callable[[Request], Awaitable[Completion]]:
    identity = identity_bytes(settings.identity())

    async def ask(request: Request) -> Completion:
        found = await answer_cache.get(key_of(identity, request)) if answer_cache is not None else None
        if found is None:
            raise IntegrityError(
                f"an answer of models.{role} that the stored scores rest on is not in the run's cache: the cache, the "
                "model's settings or the metric's are not what they were"
            )
        if found.finish == "refused":
            raise RefusedByModel(found.text, provider=settings.provider)
        return found

    return ask
