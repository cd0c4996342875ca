"""How many requests an endpoint can take is found out by its answers: simulated servers with 1, 4 and 64 places, in virtual time."""

from __future__ import annotations

import asyncio
import random

import pytest

from rung.errors import Interrupted, ModelError, Retryable
from rung.models._pace import Clock
from rung.models._slots import Slots
from rung.models.budget import Budget
from rung.models.client import Client
from rung.models.settings import ProviderSettings
from rung.types import Completion, Message, Request


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer as soon as nothing else can run."""

    def __init__(self):
        super().__init__()
        self._virtual = 0.0

    def time(self):
        return self._virtual

    def _run_once(self):
        if not self._ready and self._scheduled:
            self._virtual = max(self._virtual, self._scheduled[0].when())
        super()._run_once()


class Endpoint(ProviderSettings):
    """An endpoint behind an address; tests hand the server in."""

    name: str = "simulated"

    @property
    def behind_address(self) -> bool:
        return True

    def connect(self):
        raise AssertionError("tests hand the model in")


class Nothing:
    """A cache that keeps nothing: no thread writes while the clock jumps."""

    session, project = "", None

    def spend(self):
        return ()

    def noted(self, kind):
        return {}

    def elsewhere(self, key):
        return None

    async def get(self, key):
        return None

    async def put(self, *given):
        return None

    note = lose = put


class Server:
    """So many places, first come, first served; a request that waits too long is given up by the one who asked."""

    def __init__(self, places, service, timeout_s=60.0, most=10_000, silent_after=None, unlucky=0):
        self.places, self.service, self.timeout_s, self.most = places, service, timeout_s, most
        self.unlucky = unlucky  # each so manieth request is turned away, however few there are
        self.silent_after = silent_after  # answers after which nothing is answered any more
        self.free, self.line = places, []
        self.inside = self.answers = self.timed_out = self.turned_away = 0
        self.seen = []  # how many were inside when each request came

    async def complete(self, request):
        if self.inside >= self.most or (
            self.unlucky and (len(self.seen) + self.turned_away) % self.unlucky == self.unlucky - 1
        ):
            self.turned_away += 1
            raise Retryable("too many", provider="test", status=429, retry_after_s=0.1)
        self.inside += 1
        self.seen.append(self.inside)
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._served(request)
        except TimeoutError:
            self.timed_out += 1
            raise Retryable("no answer in time", provider="test", timed_out=True) from None
        finally:
            self.inside -= 1
        self.answers += 1
        took = asyncio.get_running_loop().time() - began
        return Completion("yes", "m", 10, 5, took, None)

    async def _served(self, request):
        if self.free and not self.line:
            self.free -= 1
        else:
            turn = asyncio.get_running_loop().create_future()
            self.line.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next()
                elif turn in self.line:
                    self.line.remove(turn)
                raise
        try:
            if self.silent_after is not None and self.answers >= self.silent_after:
                await asyncio.sleep(1e9)
            await asyncio.sleep(self.service(request.messages[0].content))
        finally:
            self._next()

    def _next(self):
        while self.line:
            turn = self.line.pop(0)
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1

    def count_tokens(self, messages):
        return 10

    async def close(self):
        return None


def asked(server, number, *, concurrency=64, adapts=True, **settings):
    """Ask so many different requests, as many at once as rung does; return seconds of virtual time, answers or errors, and the limit at the end."""

    async def work():
        loop = asyncio.get_running_loop()
        given = {"concurrency": concurrency, "timeout_s": server.timeout_s, **settings}
        client = Client(Endpoint(**given), server, Nothing(), Budget(), clock=Clock(loop.time, asyncio.sleep))
        client._attempts._slots._adapts = adapts
        waiting, found = iter(range(number)), []

        async def worker():
            for row in waiting:
                try:
                    found.append(await client.ask(Request((Message("user", f"row {row}"),))))
                except (ModelError, Interrupted) as error:
                    found.append(error)
                    if isinstance(error, Interrupted):
                        return

        await client.ask(Request((Message("user", "the first, alone"),)))
        began = loop.time()
        await asyncio.gather(*(worker() for _ in range(client.concurrency)))
        return loop.time() - began, found, client._attempts._slots.limit

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work())


def constant(seconds):
    return lambda _: seconds


def varied(median, sigma=0.6):
    return lambda text: median * random.Random(text).lognormvariate(0.0, sigma)


@pytest.mark.parametrize(("places", "most"), [(1, 2), (4, 8), (64, 64)])
def test_the_number_that_a_server_can_use_is_found(places, most):
    server = Server(places, constant(0.05))
    took, found, limit = asked(server, 600)
    assert sum(isinstance(f, Completion) for f in found) == 600
    assert places <= limit <= most
    assert max(server.seen[-100:]) <= most
    assert took <= 1.06 * 600 * 0.05 / places + 0.3  # no place stood empty on the way


@pytest.mark.slow
@pytest.mark.parametrize("service", [constant(0.2), varied(0.2)], ids=["constant", "lognormal"])
def test_a_hosted_endpoint_keeps_its_rate(service):
    rates = []
    for adapts in (False, True):
        took, _, _ = asked(Server(1000, service), 3000, adapts=adapts)
        rates.append(3000 / took)
    assert rates[1] >= 0.95 * rates[0]


def test_a_busy_server_with_one_place_is_not_called_dead():
    """64 requests in line before one place take longer than a request may: that is our own doing, and no outage."""
    server = Server(1, constant(2.0), timeout_s=10.0)
    _, found, limit = asked(server, 80, attempts=2)
    assert sum(isinstance(f, Completion) for f in found) == 80
    assert server.timed_out > 0  # the line was too long at first
    assert limit <= 5
    assert max(f.latency_s for f in found[-40:]) < 10.0


def test_a_server_that_falls_silent_is_an_outage_as_ever():
    server = Server(64, constant(0.05), timeout_s=1.0, silent_after=40)
    _, found, _ = asked(server, 200, concurrency=16, attempts=2)
    assert sum(isinstance(f, Completion) for f in found) < 60
    assert any(isinstance(f, Interrupted) for f in found)
    assert len(found) < 100


def test_one_request_that_hangs_does_not_shorten_the_line():
    server = Server(64, lambda text: 1e9 if text == "row 30" else 0.05, timeout_s=2.0)
    _, found, limit = asked(server, 4000, attempts=2)
    assert sum(isinstance(f, Completion) for f in found) == 3999
    assert limit == 64
    assert server.timed_out == 2


def test_a_server_that_turns_requests_away_is_asked_for_less():
    server = Server(6, constant(0.05), most=6)
    _, found, limit = asked(server, 600)
    assert sum(isinstance(f, Completion) for f in found) == 600
    assert limit <= 6
    assert server.turned_away <= 200  # without a change: 58 of the first 64, and ever more


def test_a_few_that_are_turned_away_whatever_their_number_slow_nothing_down():
    """One request in twenty meets a 429 that has nothing to do with how many are under way."""
    rates = []
    for adapts in (False, True):
        server = Server(1000, constant(0.2), unlucky=20)
        took, found, limit = asked(server, 2000, adapts=adapts)
        assert sum(isinstance(f, Completion) for f in found) == 2000
        rates.append(2000 / took)
    assert limit == 64
    assert rates[1] >= 0.95 * rates[0]


def test_what_runs_in_this_process_gets_all_at_once():
    slots = Slots(16, Clock(lambda: 0.0), adapts=False)
    place = slots.sent()
    slots.turned_away(place)
    assert not slots.timed_out(place)
    assert slots.limit == 16


def test_a_place_is_given_on_when_the_one_who_got_it_is_cancelled():
    async def work():
        slots = Slots(1, Clock(), adapts=True)
        await slots.enter()
        second, third = asyncio.create_task(slots.enter()), asyncio.create_task(slots.enter())
        await asyncio.sleep(0)
        slots.leave()
        second.cancel()  # it has its place by now
        await asyncio.sleep(0)
        await asyncio.wait_for(third, 1)
        slots.leave()
        await asyncio.wait_for(slots.enter(), 1)

    asyncio.run(work())
