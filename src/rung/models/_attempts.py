"""One attempt at a request: money set aside, sent, priced, on the disk, and the rest of the money given back.

What an attempt may cost is read from the request as it is sent. One that was sent and did not come back (broken off, timed
out, unreadable) is booked at that price. Under a cap each model's first answer is asked for alone, so that a model that
keeps to no limit is found out by one answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from rung.embedding import is_embedding
from rung.errors import BudgetSpent, ModelError, RefusedByModel, Retryable, RungError
from rung.foreign import whole
from rung.models._counts import Machine, Tally
from rung.models._exposure import Exposure
from rung.models._fitting import Fitted, Learning
from rung.models._pace import Clock, Rate
from rung.models._slots import Slots
from rung.models.budget import Budget
from rung.models.prices import Amount, broke_its_length, price_of
from rung.models.settings import ProviderSettings
from rung.models.tokens import Bound
from rung.protocols import Model
from rung.store.cache import AnswerCache
from rung.types import Billed, Completion, Message, Request

TOO_MANY = (429, 503, 529)  # statuses by which an endpoint says that it has too much to do
NOT_LET_IN = (401, 402, 403, 404)  # no key, no credit, no right, no such model: whatever was sent
_LONGER_PROMPTS = 3  # times that prompts may turn out longer than reserved for: hidden instructions have one length


@dataclass(slots=True)
class _Flight:
    """One attempt under way: `worst` is set aside once it is known; `spent` is None until it is known what it took."""

    worst: float | None = None
    exposed: bool = False
    sent: bool = False
    spent: float | None = None


class Attempts:
    """Makes attempts for one model in one role."""

    def __init__(
        self,
        settings: ProviderSettings,
        model: Model,
        cache: AnswerCache,
        budget: Budget,
        *,
        role: str,
        clock: Clock,
    ) -> None:
        self.price = price_of(settings)
        self.tally = Tally()
        self.machine = Machine(clock)
        self.proven = False  # an answer came since this was opened: what is refused now is a row's own trouble
        self._shut_out = (
            False  # nothing was answered, and the endpoint lets us not in: what it was sent it does not bill
        )
        self.on_answer: Callable[[], None] = lambda: None  # called as soon as an answer is received
        self._found: dict[str, str] = {}  # what was found out about the model, by kind
        self._settings = settings
        self._model = model
        self._cache = cache
        self._budget = budget
        self._role = role
        self._rate = Rate(settings.requests_per_minute, settings.tokens_per_minute, clock)
        self._slots = Slots(settings.concurrency, clock, adapts=settings.behind_address)
        self._careful = budget.limit_usd is not None or isinstance(model, Learning)
        self._first: asyncio.Event | None = None  # while a request is alone under way: until it has ended
        self._exposure = Exposure(cache, role, settings.identity())
        self._hidden_tokens = 0  # of a prompt, beyond all that was sent
        self._longer_prompts = 0
        self._stopped: BudgetSpent | None = None

    async def make(self, key: bytes, request: Request, number: int) -> Completion:
        """Make attempt `number` at a request; its answer is on the disk when this returns.

        Its slot is given on before the answer is stored, so that the disk keeps nobody waiting. Raises what the model
        raises, but no RefusedByModel: a refusal is stored like an answer. Raises BudgetSpent.
        """
        flight = _Flight()
        try:
            if request.as_served:
                completion = await self._in_turn(request, number, flight)
            else:
                await self._slots.enter()
                try:
                    completion = await self._in_turn(request, number, flight)
                finally:
                    self._slots.leave()
            flight.spent = completion.cost_usd or 0.0
            self.tally.usage = self.tally.usage.with_answer(completion)
            await self._store(key, completion)
            if self._stopped is not None:
                raise self._stopped
            return completion
        except Fitted:
            raise
        except ModelError as error:
            if not isinstance(error, Retryable):
                self._shut_out |= not self.proven and error.status in NOT_LET_IN
                raise
            flight.spent = (flight.worst or 0.0) if error.billed else 0.0
            await self._lose(flight.spent, number, str(error))
            raise
        except asyncio.CancelledError:
            if flight.sent and flight.spent is None and not (self._shut_out and not self.proven):
                flight.spent = flight.worst or 0.0
                await self._lose(flight.spent, number, "broken off after it was sent", by_us=True)
            raise
        finally:
            if flight.worst is not None:
                if flight.exposed:
                    self._exposure.ended(flight.worst)
                self._budget.settle(flight.worst, flight.spent or 0.0)

    def priced_since(self, stored: Completion, request: Request) -> Completion:
        """Price an answer that was stored when no price by token was known; any other keeps the cost that it had."""
        if stored.cost_usd is not None or self.price.basis not in ("own", "table"):
            return stored
        tokens = stored.input_tokens, stored.output_tokens
        received = 0 if is_embedding(request) else len(stored.text) + stored.thought
        cost = self.price.of_call(tokens, self._settings.bound(request), received=received, billed=stored.billed)
        return replace(_priced(stored, cost, stored.attempts), cached=True)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth telling once."""
        return tuple(self._found.values())

    async def close(self) -> None:
        await self._exposure.close()

    async def _in_turn(self, request: Request, number: int, flight: _Flight) -> Completion:
        """Send the request: alone, as long as nothing is known about the model."""
        while self._careful and not self.proven:
            if self._first is not None:
                await self._first.wait()
                continue
            self._first = asyncio.Event()
            try:
                return await self._send(request, number, flight)
            finally:
                self._first.set()
                self._first = None
        return await self._send(request, number, flight)

    async def _send(self, request: Request, number: int, flight: _Flight) -> Completion:
        if self._stopped is not None:
            raise self._stopped
        sent = self._settings.bound(request)
        bound = Bound(sent.input_tokens + self._hidden_tokens, sent.output_tokens)
        worst = self.price.worst_case(bound) or 0.0
        await self._budget.reserve(worst)
        flight.worst = worst
        expected = 0
        if self._rate.limited:
            expected = self._model.count_tokens(request.messages) + bound.output_tokens
            await self._rate.wait(expected)
        if worst:
            flight.exposed = True
            await self._exposure.sends(worst, worst * self._settings.concurrency)
        self.machine.tick(+1)
        began = self.machine.seconds
        flight.sent = True
        place = None if request.as_served else self._slots.sent()
        try:
            raw = await self._model.complete(request)
            self._has_answered()
            if place is not None:
                self._slots.answered(place)
        except Retryable as error:
            if place is not None and error.timed_out:
                error.in_line = self._slots.timed_out(place)
            elif place is not None and error.status in TOO_MANY:
                self._slots.turned_away(place)
            raise
        except RefusedByModel as error:
            raw = refusal(error, self._settings.name)
            if error.status == 200:
                self._has_answered()
        finally:
            self.machine.tick(-1)
        tokens, received = (
            (raw.input_tokens, raw.output_tokens),
            0 if is_embedding(request) else len(raw.text) + raw.thought,
        )
        if expected and tokens[0] is not None and tokens[1] is not None:
            self._rate.correct(expected, tokens[0] + tokens[1])
        machine_s = self.machine.seconds - began
        cost = self.price.of_call(tokens, bound, machine_s=machine_s, received=received, billed=raw.billed)
        self._compare(tokens, received, sent)
        return _priced(raw, cost, number)

    def _has_answered(self) -> None:
        self.proven = True
        self.on_answer()

    def _compare(self, tokens: tuple[int | None, int | None], received: int, bound: Bound) -> None:
        """Compare what an answer took with what was allowed. Under a cap, a model that keeps to no limit is asked no more."""
        tokens_in, tokens_out = tokens
        if self.price.basis not in ("own", "table"):
            return
        name = f"{self._settings.name!r} (models.{self._role})"
        if tokens_in is not None and tokens_in > bound.input_tokens + self._hidden_tokens:
            self._hidden_tokens = tokens_in - bound.input_tokens
            self._longer_prompts += 1
            self._found.setdefault(
                "input",
                f"{name} bills more input than is sent: {tokens_in:,} tokens where at most {bound.input_tokens:,} were sent",
            )
            if self._longer_prompts > _LONGER_PROMPTS:
                self._stop(f"{name} bills more input than is sent, and ever more: the last time {tokens_in:,} tokens")
        told = tokens_in is not None and tokens_out is not None
        if tokens_out is not None and tokens_out > bound.output_tokens:
            what = f"{tokens_out:,} output tokens"
        elif not told and broke_its_length(received, bound):
            what = f"{received:,} characters"
        else:
            return
        said = f"{name} answered with {what}, where a request allowed {bound.output_tokens:,} tokens"
        self._found.setdefault("output", said)
        self._stop(said)

    def _stop(self, said: str) -> None:
        limit = self._budget.limit_usd
        if limit is not None:
            self._stopped = BudgetSpent(
                f"{said}: a budget of ${limit:g} cannot be kept with a model that keeps to no length; everything answered so far "
                f"is kept: set models.{self._role}.max_tokens to what it needs (a thought counts), or remove the budget, and run "
                "the same command again",
                spent=self._budget.spent_usd,
                limit=limit,
            )

    async def _store(self, key: bytes, completion: Completion) -> None:
        try:
            await self._cache.put(key, self._role, completion)
        except RungError:
            self._exposure.unstored = True
            raise

    async def _lose(self, usd: float, number: int, reason: str, *, by_us: bool = False) -> None:
        """Book an attempt without an answer."""
        self.tally.usage = self.tally.usage.with_loss(usd, number, by_us=by_us)
        if usd:
            try:
                await self._cache.lose(self._role, usd, reason)
            except RungError:
                self._exposure.unstored = True
                raise


def refusal(error: RefusedByModel, name: str) -> Completion:
    """Turn a refusal into data: it is stored like an answer, since it was asked for and may have been paid."""
    unbilled = error.status is not None and error.status >= 400
    counts = (0, 0) if unbilled else (error.input_tokens, error.output_tokens)
    return Completion(str(error), name, *counts, latency_s=0.0, cost_usd=None, finish="refused")


def unless_refused(completion: Completion, provider: str) -> Completion:
    """Return a stored completion; one that is a refusal is raised as RefusedByModel."""
    if completion.finish == "refused":
        raise RefusedByModel(
            completion.text,
            provider=provider,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
        )
    return completion


def harmless(request: Request) -> Request:
    """Return a request of the same form with a text that nobody refuses."""
    if is_embedding(request):
        return replace(request, messages=(Message("user", "Hello."),))
    last = max((i for i, m in enumerate(request.messages) if m.role == "user"), default=len(request.messages) - 1)
    turns = [Message(m.role, "Hello.") if i == last else m for i, m in enumerate(request.messages)]
    return replace(request, messages=tuple(turns))


def _priced(raw: Completion, cost: Amount, number: int) -> Completion:
    return Completion(
        whole(raw.text),
        whole(raw.model),
        raw.input_tokens,
        raw.output_tokens,
        raw.latency_s,
        cost.usd,
        raw.finish,
        False,
        number,
        cost.note,
        raw.thought,
        raw.billed if cost.uncached_usd is None else replace(raw.billed or Billed(), uncached_usd=cost.uncached_usd),
    )
