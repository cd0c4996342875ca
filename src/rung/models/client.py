"""Ask a model so that no answer is lost, paid twice, over budget, or given up at the first trouble.

ask: asked by another row right now? -> in the cache? -> reserve money -> wait for the rate -> attempt, again on
     trouble -> price -> durable -> settle
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rung.background import quiet_collector
from rung.config import Config, asked_roles
from rung.contracts import held_model
from rung.errors import ConfigError, Interrupted, ModelError, PluginError, RefusedByModel, Retryable, RungError
from rung.models._absent import Absent, connected
from rung.models._attempts import Attempts, harmless, refusal, unless_refused
from rung.models._counts import Usage
from rung.models._exposure import settle_earlier
from rung.models._files import within_open_files
from rung.models._fitting import Fitted
from rung.models._giving_up import GivenUp
from rung.models._news import News, Quiet
from rung.models._pace import LONGEST_ASKED_WAIT_S, MOST_ATTEMPTS, Clock, wait_before
from rung.models._sharing import Sharing, shared_by
from rung.models._wire import NoAnswer
from rung.models.budget import Budget
from rung.models.larger import larger_roles
from rung.models.prices import check_budget, check_priced
from rung.models.settings import ProviderSettings, StoredSettings, asked_by_tuning_alone, configured
from rung.models.tokens import Bound
from rung.plugins import kept
from rung.protocols import Model, TokenModel
from rung.store.cache import AnswerCache, Spend, identity_bytes, key_of
from rung.types import Completion, Message, ModelCard, Request

UNNEEDED = (ConfigError, ModelError, PluginError)  # of a model that the diagnosis alone would ask: it can do without
_OF_A_ROW = (400, 403, 413, 415, 422, 451)  # statuses by which endpoints refuse a single text, or wrong settings


class Client:
    """One model role, open. Use it from one event loop; `ask` may be called many times at once."""

    def __init__(
        self,
        settings: ProviderSettings,
        model: Model,
        answer_cache: AnswerCache,
        budget: Budget,
        *,
        role: str = "main",
        seed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """Raises ConfigError when the budget is limited and the model's price is unknown."""
        problem = check_priced(settings, f"models.{role}") if budget.limit_usd is not None else None
        if problem:
            raise ConfigError([problem])
        self.role = role
        self.settings = settings
        self.ends = ExitStack()  # what this client was lent, and is given back once the model is closed
        self.say: Callable[[str], None] = _silent  # where something is told that is worth telling once
        self._model = model
        self._cache = answer_cache
        self._budget = budget
        self._seed = seed
        self._clock = clock or Clock()
        with kept(settings.provider, "identity", "plain data that determines the answers", "models"):
            self._identity = identity_bytes(settings.identity())
        self._attempts = Attempts(settings, model, answer_cache, budget, role=role, clock=self._clock)
        self._sharing = Sharing(answer_cache, role, self._attempts.price)
        self._given_up = GivenUp(answer_cache, role, settings.concurrency)
        self._attempts.on_answer = self._answer_came
        self._asked: dict[bytes, asyncio.Future[Completion]] = {}
        self._probing = asyncio.Lock()
        self._tuned: list[Client] = []
        self._answered_before = any(s.role == role and s.answers for s in answer_cache.spend())
        self.news = News(model, answer_cache, self._identity)
        self._quiet = Quiet(self._clock)

    @property
    def concurrency(self) -> int:
        """Rows worth working on at once: as many as requests may be under way, and an eighth more to be stored."""
        return self.settings.concurrency + self.settings.concurrency // 8

    @property
    def free(self) -> bool:
        """Whether asking costs nothing for sure."""
        return self._attempts.price.free

    @property
    def usage(self) -> Usage:
        return replace(self._attempts.tally.usage, in_flight=self._attempts.machine.most_under_way)

    @property
    def answered(self) -> int:
        """Answers received since opening, not counting stored ones: 0 after a failure means it never worked."""
        return self._attempts.tally.usage.answers

    @property
    def missing(self) -> str | None:
        """Why the model could not be opened, where only tuning would ask it; None where it is open."""
        return str(self._model.error) if isinstance(self._model, Absent) else None

    def card(self, role: str | None = None) -> ModelCard:
        return self.settings.card(role or self.role)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._model.count_tokens(messages)

    def spend(self) -> dict[str, Any]:
        """Return what this role took over all sessions, as plain data; `usd` is None when a price is unknown.

        `bound_usd` is the part of `usd` that was booked from above, since the endpoint did not tell (attempts without an
        answer included), `notes` what was found out about the endpoint.
        """
        mine = next((s for s in self._cache.spend() if s.role == self.role), Spend(self.role, 0, 0, 0, 0.0, 0, 0.0))
        count = "1 answer" if mine.thoughts == 1 else f"{mine.thoughts:,} answers"
        thoughts = [f"{count} came with a thought, which is not scored"] if mine.thoughts else []
        return {
            "usd": None if mine.unpriced else mine.usd + mine.lost_usd,
            "note": self._attempts.price.source,
            "calls": mine.answers,
            "cached": self.usage.cached + sum(c.usage.cached for c in self._tuned),
            "input_tokens": mine.input_tokens,
            "output_tokens": mine.output_tokens,
            "lost_usd": mine.lost_usd,
            "bound_usd": mine.bound_usd + mine.lost_usd,
            "retries": self.usage.retries + sum(c.usage.retries for c in self._tuned),
            "taken": mine.taken,
            "taken_usd": mine.taken_usd,
            "notes": [*dict.fromkeys((*self.news.told, *self._attempts.notices)), *thoughts],
        }

    def prompt_tokens(self, messages: Sequence[Message]) -> tuple[int, ...] | None:
        """Return the tokens that are sent for a chat; None where the provider does not tell."""
        return self._model.prompt_tokens(messages) if isinstance(self._model, TokenModel) else None

    def beside(self, settings: ProviderSettings) -> Client:
        """Open another model under this role, with the same cache, budget and limits: tuned weights of the same base.

        It is closed by `release`, or with this client.
        """
        opened = held_model(settings.provider, settings.connect)
        child = Client(settings, opened, self._cache, self._budget, role=self.role, seed=self._seed, clock=self._clock)
        child.say = self.say
        self._tuned.append(child)
        return child

    async def release(self, child: Client) -> None:
        """Close a client that `beside` opened; what it counted stays counted."""
        self._tuned.remove(child)
        self._attempts.tally.more(cached=child.usage.cached, retries=child.usage.retries)
        await child.close()

    async def close(self) -> None:
        """Store what is still to be stored, tell what was broken off, and close the connection."""
        for child in list(self._tuned):
            await self.release(child)
        try:
            with suppress(RungError):  # as on a full disk: what is not stored is asked again
                await self._given_up.keep(all_of_it=True)
                await self._tell_news()
            await self._attempts.close()
        finally:
            with self.ends:
                await self._model.close()
        self._sharing.tell(self.say)
        broken_off = self.usage.broken_off
        if broken_off:
            what = "1 request was" if broken_off == 1 else f"{broken_off} requests were"
            self._say_of_it(
                f"{what} broken off after being sent; what they may cost is booked in full, since nobody tells"
            )

    async def ask(self, request: Request) -> Completion:
        """Answer one request; the answer is on the disk when this returns.

        A stored answer, or one that an equal request is just getting, comes back `cached`, as it was. Raises RefusedByModel
        (a stored refusal too), ContextOverflow, BudgetSpent; Retryable when all attempts failed; ModelError when no attempt
        can help or the model has never answered, in no session; Interrupted when the endpoint went down or the disk is full.
        """
        if isinstance(self.settings, StoredSettings):  # looked up: nothing is kept, booked or counted
            await self._tell_news()
            return await self._model.complete(request)
        key = key_of(self._identity, request)
        while (leader := self._asked.get(key)) is not None:
            try:
                found = await asyncio.shield(leader)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not leader.cancelled() or (task is not None and task.cancelling()):
                    raise
            else:
                self._attempts.tally.more(cached=1)
                return unless_refused(replace(found, cached=True), self.settings.provider)
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._asked[key] = answer
        try:
            found = await self._find_or_buy(key, request)
            answer.set_result(found)
        except RungError as error:
            answer.set_exception(error)
            answer.exception()  # marks it as seen: there may be nobody else who waits
            raise
        finally:
            del self._asked[key]
            answer.cancel()  # only where neither of the above happened: those who wait ask for themselves
        return unless_refused(found, self.settings.provider)

    async def _find_or_buy(self, key: bytes, request: Request) -> Completion:
        stored = await self._cache.get(key) or await self._sharing.take(key, request)
        if stored is not None:
            self._attempts.tally.more(cached=1)
            return self._attempts.priced_since(stored, request)
        try:
            return await self._buy(key, request)
        finally:
            self._sharing.done(key)

    async def _buy(self, key: bytes, request: Request) -> Completion:
        number, began = 1, self._clock.now()
        while True:
            try:
                completion = await self._attempts.make(key, request, number)
            except Fitted:
                continue  # in another form: no attempt of its own, since the endpoint did nothing
            except Retryable as error:
                if error.in_line:
                    continue  # in a shorter line: no attempt of its own, since the endpoint was busy with our requests
                once = request.as_served and error.timed_out
                wait_s = None if once else self._wait_after(error, key, number, self._clock.now() - began)
                if wait_s is None:
                    return await self._give_up(key, request, number, error)
                self._quiet.waits(wait_s, error, self._say_of_it)
            except ModelError as error:
                if not await self._is_the_rows_own(error, request):
                    raise
                instead = self._failed(f"{self.settings.name} took other requests, but not this one: {error}", error)
                if self._given_up.add(key, instead):
                    raise
                return instead
            else:
                await self._given_up.keep()
                await self._tell_news()
                return completion
            number += 1
            await self._clock.sleep(wait_s)

    def _wait_after(self, error: Retryable, key: bytes, number: int, elapsed_s: float) -> float | None:
        """Return the seconds until the next attempt; None: no more attempts.

        A model that answers others but is asked too often (429) is waited for by time, not by `attempts`.
        """
        patient = error.status == 429 and self._working and elapsed_s < LONGEST_ASKED_WAIT_S and number < MOST_ATTEMPTS
        draw = random.Random(f"{self._seed}/{key.hex()}/{number}")
        more = patient or number < self.settings.attempts
        return wait_before(number + 1, error.retry_after_s, draw) if more else None

    async def _give_up(self, key: bytes, request: Request, number: int, error: Retryable) -> Completion:
        """Return what is stored instead of an answer, where the row itself has none, or raise what giving up means."""
        self._attempts.tally.more(given_up=1)
        tries = "1 attempt" if number == 1 else f"{number} attempts"
        name = f"the model {self.settings.name!r} (models.{self.role})"
        unanswerable = isinstance(error, NoAnswer) and await self._works_otherwise(request)
        if not unanswerable and not self._working:
            raise ModelError(
                f"{name} did not answer once, last after {tries}: {error}; once that is fixed, run the same command again",
                provider=error.provider,
                status=error.status,
                request_id=error.request_id,
            ) from error
        instead = self._failed(f"no answer after {tries}: {error}", error) if unanswerable else None
        if self._given_up.add(key, instead):
            raise Interrupted(
                f"{name} stopped answering: {self._given_up.in_a_row} requests in a row were given up, the last because "
                f"{error}; everything answered so far is kept: run the same command again once the endpoint is back"
            ) from error
        if instead is not None:
            return instead
        raise Retryable(
            f"no answer after {tries}: {error}",
            provider=error.provider,
            status=error.status,
            request_id=error.request_id,
            retry_after_s=error.retry_after_s,
            timed_out=error.timed_out,
        ) from error

    @property
    def _working(self) -> bool:
        """Whether the model has answered, in this session or an earlier one."""
        return bool(self.answered) or self._answered_before

    async def _is_the_rows_own(self, error: ModelError, request: Request) -> bool:
        """Whether an error is this request's own trouble: others like it are answered, with the same settings."""
        ours = type(error) is ModelError and error.status in _OF_A_ROW
        return ours and await self._works_otherwise(request)

    async def _works_otherwise(self, request: Request) -> bool:
        """Whether the model answers requests of this form: known from other answers, else tried with a harmless text."""
        async with self._probing:
            probe = harmless(request)
            tries = 0 if self._attempts.proven or probe == request else MOST_ATTEMPTS
            for number in range(1, tries + 1):
                try:
                    await self._attempts.make(key_of(self._identity, probe), probe, number)
                except Fitted:
                    continue
                except ModelError:
                    break
                break
            return self._attempts.proven

    def _failed(self, message: str, error: ModelError) -> Completion:
        """Return what is kept in the place of an answer that cannot be had. What it cost is booked already."""
        kept = refusal(RefusedByModel(message, provider=error.provider, status=400), self.settings.name)
        nothing = self._attempts.price.of_call((0, 0), Bound(0, 0))
        return replace(kept, cost_usd=nothing.usd, price_note=nothing.note)

    def _answer_came(self) -> None:
        self._given_up.answered()
        self._quiet.answered()

    def _say_of_it(self, text: str) -> None:
        self.say(f"models.{self.role}: {text}")

    async def _tell_news(self) -> None:
        await self.news.tell(self._attempts.notices, self._say_of_it)


def _silent(_: str) -> None:
    return None


@asynccontextmanager
async def open_clients(
    config: Config,
    folder: Path,
    roles: Sequence[str] = (),
    say: Callable[[str], None] = _silent,
    *,
    project: Path | None = None,
    alone: bool = False,
) -> AsyncIterator[Mapping[str, Client]]:
    """Open the models that are asked, or `roles` alone, with one cache (in `folder`) and one budget; close them at the end.

    A larger model that the diagnosis may ask is opened too, where it can be; one that only tuning asks may be missing.
    `say` is told once what is worth telling of an endpoint. `project`: the folder of the project whose runs share what they
    paid for; None: nothing is shared. `alone`: `folder` is thrown away at the end, and the project alone keeps the answers.

    Raises ConfigError with every problem: an unknown price under a budget, a missing environment variable.
    """
    known = configured(config)
    asked = {role: known[role] for role in asked_roles(config) if not roles or role in roles}
    wanted = sorted({*larger_roles(config).values()} - set(asked)) if config.diagnosis.calls and not roles else []
    limit, spared = config.limits.budget_usd, asked_by_tuning_alone(config)
    check_budget(limit, asked)
    with quiet_collector(), AnswerCache.open_in(folder) as answer_cache:
        answer_cache.begin()
        if project is not None:
            answer_cache.project = shared_by(project, alone, say)
        await settle_earlier(answer_cache, folder, say)
        budget = Budget(limit, spent_usd=sum(s.usd + s.lost_usd for s in answer_cache.spend()))
        clients: dict[str, Client] = {}
        try:
            for role, settings in within_open_files({r: known[r] for r in (*asked, *wanted)}, say).items():
                with suppress(*(UNNEEDED if role in wanted else ())):
                    model = connected(settings, role in spared)
                    clients[role] = Client(settings, model, answer_cache, budget, role=role, seed=config.split.seed)
                    clients[role].say = say
            yield clients
        finally:
            for client in clients.values():
                await client.close()
            shared = answer_cache.project
            if shared is not None and shared.trouble is not None:
                say(f"later runs may pay again for what this one asked: {shared.trouble}")
