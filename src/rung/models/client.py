"""Ask a model so that no answer is lost, paid twice, over budget, or given up at the first trouble.

ask: asked by another row right now? -> in the ledger? -> reserve money -> wait for the rate -> attempt, again on
     trouble -> price -> durable -> settle
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rung.config import Config, asked_roles
from rung.errors import ConfigError, Interrupted, ModelError, PluginError, RefusedByModel, Retryable, RungError
from rung.models._absent import Absent, asked_by_tuning_alone, connected
from rung.models._larger import larger_roles
from rung.models._pace import LONGEST_ASKED_WAIT_S, Clock, Rate, wait_before
from rung.models._settings import ProviderSettings, configured
from rung.models._wire import storable
from rung.models.budget import Budget
from rung.models.prices import check_budget, check_priced, most_tokens, price_of
from rung.protocols import Model, TokenModel
from rung.store.ledger import Ledger, identity_bytes, key_of
from rung.types import Completion, Message, ModelCard, Request

UNNEEDED = (ConfigError, ModelError, PluginError)  # of a model that the diagnosis alone would ask: it can do without
ROWS_UNTIL_OUTAGE = 10  # rows given up in a row, without an answer between, that mean the endpoint is down


@dataclass(frozen=True, slots=True)
class Usage:
    """What a client did since it was opened.

    `usd` sums the answers with a known price, `unpriced` counts the others. `attempts` counts requests that ended,
    `retries` those after a first attempt, `given_up` requests without an answer after all attempts, `lost_usd` the
    most that attempts without an answer may have cost, `in_flight` the most requests under way at once.
    """

    answers: int = 0
    cached: int = 0
    attempts: int = 0
    retries: int = 0
    given_up: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    lost_usd: float = 0.0
    in_flight: int = 0


class Client:
    """One model role, open. Use it from one event loop; `ask` may be called many times at once."""

    def __init__(
        self,
        settings: ProviderSettings,
        model: Model,
        ledger: Ledger,
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
        self._model = model
        self._ledger = ledger
        self._budget = budget
        self._seed = seed
        self._clock = clock or Clock()
        self._price = price_of(settings)
        self._identity = identity_bytes(settings.identity())
        self._rate = Rate(settings.requests_per_minute, settings.tokens_per_minute, self._clock)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._asked: dict[bytes, asyncio.Future[Completion]] = {}
        self._usage = Usage()
        self._tuned: list[Client] = []
        self._under_way = 0
        self._most_under_way = 0
        self._given_up_in_a_row = 0
        self._answered_before = any(s.role == role and s.answers for s in ledger.spend())
        self._machine_s = 0.0  # grows by 1/n a second while n requests are under way: a request's share is a difference
        self._machine_at = self._clock.now()

    @property
    def concurrency(self) -> int:
        """Rows worth working on at once: as many as requests may be under way, and an eighth more to be stored."""
        return self.settings.concurrency + self.settings.concurrency // 8

    @property
    def free(self) -> bool:
        """Whether asking costs nothing for sure."""
        return self._price.free

    @property
    def usage(self) -> Usage:
        return replace(self._usage, in_flight=self._most_under_way)

    @property
    def answered(self) -> int:
        """Answers received since opening, not counting stored ones: 0 after a failure means it never worked."""
        return self._usage.answers

    @property
    def missing(self) -> str | None:
        """Why the model could not be opened, where only tuning would ask it; None where it is open."""
        return str(self._model.error) if isinstance(self._model, Absent) else None

    def card(self, role: str | None = None) -> ModelCard:
        return self.settings.card(role or self.role)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._model.count_tokens(messages)

    def spend(self) -> dict[str, Any]:
        """Return what this role took over all sittings, as plain data; `usd` is None when a price is unknown."""
        mine = next((s for s in self._ledger.spend() if s.role == self.role), None)
        unknown = bool(mine and mine.unpriced)
        return {
            "usd": None if unknown else (mine.usd + mine.lost_usd if mine else 0.0),
            "note": self._price.source,
            "calls": mine.answers if mine else 0,
            "cached": self._usage.cached + sum(c.usage.cached for c in self._tuned),
            "input_tokens": mine.input_tokens if mine else 0,
            "output_tokens": mine.output_tokens if mine else 0,
            "lost_usd": mine.lost_usd if mine else 0.0,
            "retries": self._usage.retries + sum(c.usage.retries for c in self._tuned),
        }

    def prompt_tokens(self, messages: Sequence[Message]) -> tuple[int, ...] | None:
        """Return the tokens that are sent for a chat; None where the provider does not tell."""
        return self._model.prompt_tokens(messages) if isinstance(self._model, TokenModel) else None

    def beside(self, settings: ProviderSettings) -> Client:
        """Open another model under this role, with the same ledger, budget and limits: tuned weights of the same base.

        It is closed by `release`, or with this client.
        """
        opened = settings.connect()
        child = Client(settings, opened, self._ledger, self._budget, role=self.role, seed=self._seed, clock=self._clock)
        self._tuned.append(child)
        return child

    async def release(self, child: Client) -> None:
        """Close a client that `beside` opened; what it counted stays counted."""
        self._tuned.remove(child)
        self._usage = replace(
            self._usage,
            cached=self._usage.cached + child.usage.cached,
            retries=self._usage.retries + child.usage.retries,
        )
        await child.close()

    async def close(self) -> None:
        for child in list(self._tuned):
            await self.release(child)
        await self._model.close()

    async def ask(self, request: Request) -> Completion:
        """Answer one request; the answer is on the disk when this returns.

        A stored answer, or one that an equal request is just getting, comes back with `cached` set, with the cost and
        latency that it had. Raises RefusedByModel (a stored refusal too), ContextOverflow, BudgetSpent; Retryable when
        all attempts failed; ModelError when no attempt can help or the model has never answered, in no sitting;
        Interrupted when the endpoint went down or the disk is full.
        """
        key = key_of(self._identity, request)
        while (leader := self._asked.get(key)) is not None:
            try:
                found = await asyncio.shield(leader)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not leader.cancelled() or (task is not None and task.cancelling()):
                    raise
            else:
                self._usage = replace(self._usage, cached=self._usage.cached + 1)
                return self._unless_refused(replace(found, cached=True))
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
        return self._unless_refused(found)

    async def _find_or_buy(self, key: bytes, request: Request) -> Completion:
        stored = await self._ledger.get(key)
        if stored is not None:
            self._usage = replace(self._usage, cached=self._usage.cached + 1)
            return stored
        attempt, waited_s = 1, 0.0
        while True:
            try:
                completion = await self._attempt(key, request, attempt)
            except Retryable as error:
                wait_s = self._wait_after(error, key, attempt, waited_s)
            else:
                self._given_up_in_a_row = 0
                return completion
            attempt += 1
            waited_s += wait_s
            await self._clock.sleep(wait_s)

    async def _attempt(self, key: bytes, request: Request, attempt: int) -> Completion:
        """Make one attempt. Its slot is given on before the answer is stored, so that the disk keeps nobody waiting."""
        reserved = self._worst_case(request) if self._budget.limit_usd is not None else 0.0
        await self._budget.reserve(reserved)
        spent = 0.0
        try:
            async with self._slots:
                completion = await self._send(request, attempt)
            spent = completion.cost_usd or 0.0
            self._count(completion)
            await self._ledger.put(key, self.role, completion)
            return completion
        except Retryable as error:
            spent = await self._lost(request, error, attempt)
            raise
        finally:
            self._budget.settle(reserved, spent)

    async def _send(self, request: Request, attempt: int) -> Completion:
        expected = 0
        if self._rate.limited:
            expected = self._model.count_tokens(request.messages) + self._most_output(request)
            await self._rate.wait(expected)
        self._tick(+1)
        began = self._machine_s
        try:
            raw = await self._model.complete(request)
        except RefusedByModel as error:
            raw = _refusal(error, self.settings.name)
        finally:
            self._tick(-1)
        tokens_in, tokens_out = raw.input_tokens, raw.output_tokens
        if expected and tokens_in is not None and tokens_out is not None:
            self._rate.correct(expected, tokens_in + tokens_out)
        upper = most_tokens(request.messages) if tokens_in is None or tokens_out is None else 0
        cost = self._price.of_call(tokens_in, tokens_out, self._machine_s - began, upper)
        text, model = storable(raw.text), storable(raw.model)
        return Completion(
            text, model, tokens_in, tokens_out, raw.latency_s, cost.usd, raw.finish, False, attempt, cost.note
        )

    def _tick(self, change: int) -> None:
        """Move the machine clock on, then note that a request started or ended."""
        now = self._clock.now()
        if self._under_way:
            self._machine_s += (now - self._machine_at) / self._under_way
        self._machine_at = now
        self._under_way += change
        self._most_under_way = max(self._most_under_way, self._under_way)

    def _most_output(self, request: Request) -> int:
        wanted = request.params.get("max_tokens")
        return int(wanted) if wanted is not None else self.settings.max_tokens

    def _worst_case(self, request: Request) -> float:
        return self._price.worst_case(most_tokens(request.messages), self._most_output(request)) or 0.0

    def _count(self, c: Completion) -> None:
        u = self._usage
        self._usage = Usage(
            u.answers + 1,
            u.cached,
            u.attempts + 1,
            u.retries + (c.attempts > 1),
            u.given_up,
            u.input_tokens + (c.input_tokens or 0),
            u.output_tokens + (c.output_tokens or 0),
            u.usd + (c.cost_usd or 0.0),
            u.unpriced + (c.cost_usd is None),
            u.lost_usd,
        )

    async def _lost(self, request: Request, error: Retryable, attempt: int) -> float:
        """Book an attempt without an answer; return what it may have cost."""
        usd = self._worst_case(request) if error.billed else 0.0
        u = self._usage
        self._usage = replace(u, attempts=u.attempts + 1, retries=u.retries + (attempt > 1), lost_usd=u.lost_usd + usd)
        if usd:
            await self._ledger.lose(self.role, usd, str(error))
        return usd

    def _wait_after(self, error: Retryable, key: bytes, attempt: int, waited_s: float) -> float:
        """Return the seconds until the next attempt, or raise what giving up means.

        A model that answers others but is asked too often (429) is waited for by time, not by attempts.
        """
        working = bool(self._usage.answers) or self._answered_before
        patient = error.status == 429 and working and waited_s < LONGEST_ASKED_WAIT_S
        draw = random.Random(f"{self._seed}/{key.hex()}/{attempt}")
        more = patient or attempt < self.settings.attempts
        wait_s = wait_before(attempt + 1, error.retry_after_s, draw) if more else None
        if wait_s is not None:
            return wait_s
        self._usage = replace(self._usage, given_up=self._usage.given_up + 1)
        self._given_up_in_a_row += 1
        tries = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        if not working:
            raise ModelError(
                f"the model {self.settings.name!r} (models.{self.role}) did not answer once, last after {tries}: {error}; "
                "once that is mended, run the same command again",
                provider=error.provider,
                status=error.status,
                request_id=error.request_id,
            ) from error
        if self._given_up_in_a_row >= max(ROWS_UNTIL_OUTAGE, self.settings.concurrency):
            raise Interrupted(
                f"the model {self.settings.name!r} (models.{self.role}) stopped answering: {self._given_up_in_a_row} requests "
                f"in a row were given up, the last because {error}; everything answered so far is kept: run the same "
                "command again once the endpoint is back"
            ) from error
        raise Retryable(
            f"no answer after {tries}: {error}",
            provider=error.provider,
            status=error.status,
            request_id=error.request_id,
            retry_after_s=error.retry_after_s,
            timed_out=error.timed_out,
        ) from error

    def _unless_refused(self, completion: Completion) -> Completion:
        if completion.finish == "refused":
            raise RefusedByModel(
                completion.text,
                provider=self.settings.provider,
                input_tokens=completion.input_tokens,
                output_tokens=completion.output_tokens,
            )
        return completion


def _refusal(error: RefusedByModel, name: str) -> Completion:
    """Turn a refusal into data: it is stored like an answer, since it was asked for and may have been paid."""
    unbilled = error.status is not None and error.status >= 400
    counts = (0, 0) if unbilled else (error.input_tokens, error.output_tokens)
    return Completion(str(error), name, *counts, latency_s=0.0, cost_usd=None, finish="refused")


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Let the garbage collector look less often, and not at what is loaded already.

    A request makes a few dozen objects that live until its answer; at the default threshold the collector walks them,
    and all loaded packages, again and again without finding anything. Measured: 15 to 20 % of a run's CPU time.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@asynccontextmanager
async def open_clients(config: Config, folder: Path, roles: Sequence[str] = ()) -> AsyncIterator[Mapping[str, Client]]:
    """Open the models that are asked, or `roles` alone, with one ledger (in `folder`) and one budget; close them at the end.

    A larger model that the diagnosis may ask is opened too, where it can be; one that only tuning asks may be missing.

    Raises ConfigError with every problem: an unknown price under a budget, a missing environment variable.
    """
    known = configured(config)
    settings = {role: known[role] for role in asked_roles(config) if not roles or role in roles}
    wanted = sorted({*larger_roles(config).values()} - set(settings)) if config.diagnosis.calls and not roles else []
    limit, spared = config.limits.budget_usd, asked_by_tuning_alone(config)
    check_budget(limit, settings)
    with quiet_collector(), Ledger.open(folder / "ledger.sqlite") as ledger:
        budget = Budget(limit, spent_usd=sum(s.usd + s.lost_usd for s in ledger.spend()))
        clients: dict[str, Client] = {}
        try:
            for role in (*settings, *wanted):
                with suppress(*(UNNEEDED if role in wanted else ())):
                    model = connected(known[role], role in spared)
                    clients[role] = Client(known[role], model, ledger, budget, role=role, seed=config.split.seed)
            yield clients
        finally:
            for client in clients.values():
                await client.close()
