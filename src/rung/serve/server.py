"""The server: ways, limits, deadlines, the token, and a stop that loses nothing that was accepted."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from rung.errors import ContextOverflow, IntegrityError, RefusedByModel, Retryable, RungError
from rung.foreign import foreign
from rung.serve.challenger import Challenger
from rung.serve.counts import Counts
from rung.serve.fallback import Fallback
from rung.serve.log import RequestLog, faults_alone
from rung.serve.shadow import Shadow
from rung.serve.spans import Spans
from rung.serve.winner import Winner
from rung.serve.wire import (
    Asked,
    Given,
    Refused,
    chat_of,
    columns_of,
    completion,
    events,
    json_object,
    listed,
    models,
    predicted,
    usage_of,
)
from rung.store.records import Parity

CHAT, PREDICT, MODELS, HEALTH, METRICS = "/v1/chat/completions", "/v1/predict", "/v1/models", "/health", "/metrics"
WAYS: Mapping[str, str] = {CHAT: "POST", PREDICT: "POST", MODELS: "GET", HEALTH: "GET", METRICS: "GET"}
UNCHECKED = "started unchecked (`rung serve --no-check`): nothing shows that it answers as it was measured"
LAST_WORDS_S = 0.5  # before a server that stops closes its port, and its connections: what is on its way is told so


@dataclass(frozen=True)
class Limits:
    """What one request and all of them may take. `silence_s`: of a connection on which no whole request comes."""

    body_bytes: int = 1_000_000
    deadline_s: float = 60.0
    read_s: float = 10.0
    silence_s: float = 30.0
    at_once: int = 4096
    grace_s: float = 30.0


@dataclass
class Server:
    """One approach behind an address. `token`: None where none is needed; `say` is told what an operator should know.

    `check`: what the stored dev examples showed before the start; None: nothing was checked, and /health says so.
    """

    winner: Winner
    name: str
    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    log: RequestLog | None = None
    say: Callable[[str], None] = print
    fallback: Fallback | None = None
    shadow: Shadow | None = None
    challenger: Challenger | None = None
    check: Parity | None = None
    spans: Spans | None = None
    counts: Counts = field(default_factory=Counts)
    stopping: bool = False
    url: str = ""
    _loopback: bool = True
    _told: set[str] = field(default_factory=set)
    _run: str = field(default_factory=lambda: secrets.token_hex(6))
    _number: Any = field(default_factory=itertools.count)
    _started: int = field(default_factory=lambda: int(time.time()))

    @property
    def checked(self) -> dict[str, Any]:
        """How many stored dev examples were answered again before the start, and how many otherwise; or that none were."""
        if self.check is None:
            return {"checked": 0, "warning": UNCHECKED}
        return {"checked": self.check.n, "changed": self.check.answers_changed}

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[str]:
        """Open the port and yield the address; at the end answer what was accepted, refuse the rest, and close.

        Raises RungError for an address that cannot be had, or one that others reach where no token is set.
        """
        self._loopback = is_loopback(host)
        if not self._loopback and self.token is None:
            raise RungError(
                f"{host} can be reached from other machines: name the environment variable that holds a token (`rung serve --token-env NAME`), "
                "or serve on 127.0.0.1"
            )
        limits = self.limits
        server = _Sized(
            self._handle,
            limits.body_bytes,
            handler_cancellation=True,
            access_log=None,
            logger=faults_alone(),
            keepalive_timeout=limits.silence_s,
            lingering_time=2.0,
            auto_decompress=False,
        )
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, backlog=2048)
            try:
                await site.start()
            except OSError as error:
                raise RungError(
                    f"cannot listen on {host}:{port} ({error.strerror or error}); choose another port"
                ) from None
            at = f"[{host}]" if ":" in host else host
            self.url = f"http://{at}:{runner.addresses[0][1]}/v1"
            yield self.url
            await self._stop(site)
        finally:
            await runner.cleanup()
            if self.shadow is not None:
                await self.shadow.close()

    async def _stop(self, site: web.TCPSite) -> None:
        self.stopping = True
        await asyncio.sleep(LAST_WORDS_S)  # who is connecting now is let in and told: a closed port would cut them off
        await site.stop()
        until = time.monotonic() + self.limits.grace_s
        while self.counts.in_flight and time.monotonic() < until:
            await asyncio.sleep(0.02)
        if self.counts.in_flight:
            self.say(
                f"{self.counts.in_flight} requests were not answered within {self.limits.grace_s:g} s and are broken off"
            )
        await asyncio.sleep(LAST_WORDS_S)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        counts, began, way, status = self.counts, time.perf_counter(), request.path, 499
        if way not in WAYS:
            way = "other"
        counts.in_flight += 1
        try:
            response = await self._within(request, way)
            status = response.status
            if self.stopping or status in (408, 413):
                response.force_close()
            return response
        finally:
            counts.in_flight -= 1
            counts.ended(way, status, time.perf_counter() - began)

    async def _within(self, request: web.BaseRequest, way: str) -> web.StreamResponse:
        try:
            self._let_in(request, way)
            if way in (CHAT, PREDICT):
                with self.spans.request(request.headers) if self.spans else nullcontext() as span:
                    async with asyncio.timeout(self.limits.deadline_s):
                        return await self._answer(request, way, span)
            return self._look(way)
        except Refused as refused:
            return _said(refused.body, refused.status, {"Retry-After": "1"} if refused.status in (429, 503) else None)
        except TimeoutError:
            late = Refused(
                504, f"no answer within {self.limits.deadline_s:g} s", "deadline_exceeded", kind="server_error"
            )
            return _said(late.body, 504)

    def _let_in(self, request: web.BaseRequest, way: str) -> None:
        """Raises Refused for whom or what is not served."""
        if self.stopping:
            raise Refused(503, "the server is stopping; ask again", "stopping", kind="server_error")
        headers = request.headers
        if self._loopback and not (_is_local(headers.get("Host")) and _is_local(headers.get("Origin"), missing=True)):
            raise Refused(403, "only pages and programs on this machine are answered", "foreign_origin")
        if self.token is not None and way != HEALTH:
            given = headers.get("Authorization", "").removeprefix("Bearer ").strip()
            if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode()):
                raise Refused(
                    401,
                    "a valid token is needed: Authorization: Bearer TOKEN",
                    "invalid_api_key",
                    kind="authentication_error",
                )
        wanted = WAYS.get(way)
        if wanted is None:
            raise Refused(404, f"there is nothing at this address; there are {', '.join(WAYS)}", "not_found")
        if request.method != wanted:
            raise Refused(405, f"{way} is asked by {wanted}", "method_not_allowed")
        if wanted == "POST" and self.counts.in_flight > self.limits.at_once:
            raise Refused(
                429, "too many requests are under way; ask again", "rate_limit_exceeded", kind="rate_limit_error"
            )

    def _look(self, way: str) -> web.Response:
        if way == HEALTH:
            about = {"status": "ok", "model": self.name, "approach": self.winner.label, **self.checked}
            about |= _generation(self.winner)
            return _said(json.dumps(about).encode())
        if way == METRICS:
            return web.Response(text=self.counts.text(), content_type="text/plain")
        root = f"{self.winner.label}/{self.winner.candidate.id}"
        return _said(models(self.name, root, self.winner.parent, self._started))

    async def _answer(self, request: web.BaseRequest, way: str, span: Any) -> web.Response:
        found, winner = json_object(await self._body(request)), self.winner  # another may take over while it answers
        task = winner.task
        asked = chat_of(found, task, self.name) if way == CHAT else Asked(columns_of(found, task))
        number, began = f"chatcmpl-{self._run}{next(self._number)}", time.perf_counter()
        try:
            given = await self._asked(winner, asked.inputs)
        except Refused as refused:
            facts = {"approach": winner.label, **_generation(winner), "status": refused.status, "error": refused.code}
            self._note(number, way, asked, began, facts)
            raise
        answer = given.answer
        usage = usage_of(answer)
        self.counts.tokens["input"] += usage["prompt_tokens"]
        self.counts.tokens["output"] += usage["completion_tokens"]
        if self.spans is not None:
            self.spans.answered(span, number, given, winner.parent)
        if self.log is not None:
            told = {
                "answer": answer.text,
                "sources": [s.document for s in answer.sources],
                "confidence": given.confidence,
                "tokens": usage["total_tokens"],
            }
            trial = self.challenger
            told |= {} if trial is None else {"challenger": trial.winner.label, "share": trial.share}
            facts = {"approach": winner.label, **_generation(winner), "status": 200, "by": given.approach, **told}
            self._note(number, way, asked, began, facts)
        if self.shadow is not None:
            self.shadow.follow(number, asked.inputs, answer)
        headers = {"x-rung-ignored": listed(asked.ignored)} if asked.ignored else None
        if way == PREDICT:
            return _said(predicted(self.name, given))
        if asked.stream:
            body = events(self.name, number, asked, given)
            return web.Response(body=body, content_type="text/event-stream", charset="utf-8", headers=headers)
        return _said(completion(self.name, number, given), headers=headers)

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Return the body. Raises Refused for one that is too large, packed, cut off, or late."""
        most = self.limits.body_bytes
        too_large = Refused(413, f"the body has more than {most:,} bytes", "body_too_large")
        if (request.content_length or 0) > most:
            raise too_large
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused(415, "a packed body is not read; send it as it is", "unsupported_encoding")
        try:
            if request.content.is_eof() or not request.can_read_body:
                return await request.read()
            async with asyncio.timeout(self.limits.read_s) as clock:
                return await request.read()
        except TimeoutError:
            if not clock.expired():  # the deadline of the whole request
                raise
            raise Refused(408, f"the body did not come within {self.limits.read_s:g} s", "request_timeout") from None
        except web.HTTPRequestEntityTooLarge:
            raise too_large from None

    async def _asked(self, winner: Winner, inputs: Mapping[str, str]) -> Given:
        """Return the answer. Raises Refused; what the error said is told to the operator once, not to the client."""
        try:
            with foreign(_Unforeseen):
                return await self._given(winner, inputs)
        except RefusedByModel as error:
            raise self._trouble(422, "the model declined to answer", "refused_by_model", error) from None
        except ContextOverflow as error:
            raise self._trouble(
                400, "the input is longer than the model's context", "context_length_exceeded", error
            ) from None
        except Retryable as error:
            if error.timed_out:
                raise self._trouble(504, "the model did not answer in time", "model_timeout", error) from None
            raise self._trouble(503, "the model cannot be reached or is busy", "model_unavailable", error) from None
        except IntegrityError as error:
            raise self._trouble(500, "stored content is not what it was", "integrity", error) from None
        except (RungError, _Unforeseen) as error:
            raise self._trouble(502, "the approach could not answer", "model_error", error) from None

    async def _given(self, winner: Winner, inputs: Mapping[str, str]) -> Given:
        other, trial = self.fallback, self.challenger
        if trial is not None and trial.takes(inputs):
            try:
                with foreign(_Unforeseen):
                    found = await trial.winner.answer(inputs)
            except (RungError, _Unforeseen) as error:  # nobody goes without an answer for a trial
                self._told_once("challenger", f"{trial.winner.label} could not answer, and {winner.label} did: {error}")
                self.counts.challenger["failed"] += 1
            else:
                self.counts.challenger["answered"] += 1
                return Given(found[0], trial.winner.label, found[1])
        if other is None:
            answer, confidence = await winner.answer(inputs)
            return Given(answer, winner.label, confidence)
        given = await other.given(winner, inputs)
        self.counts.fallbacks += given.approach != winner.label
        return given

    def _trouble(self, status: int, said: str, code: str, error: Exception) -> Refused:
        self._told_once(code, f"{said}: {error}")
        return Refused(status, said, code, kind="invalid_request_error" if status < 500 else "server_error")

    def _told_once(self, about: str, text: str) -> None:
        if about not in self._told:
            self._told.add(about)
            self.say(f"{text} (told once; /metrics counts)")

    def _note(self, number: str, way: str, asked: Asked, began: float, facts: Mapping[str, Any]) -> None:
        if self.log is not None:
            seconds = round(time.perf_counter() - began, 4)
            self.log.write({"id": number, "way": way, "inputs": asked.inputs, "seconds": seconds, **facts})


def _generation(winner: Winner) -> dict[str, Any]:
    return {} if winner.generation is None else {"generation": winner.generation}


class _Unforeseen(Exception):
    """Code that is not ours raised what is no word of ours."""

    def __str__(self) -> str:
        return f"{type(self.args[0]).__name__}: {self.args[0]}"


class _Sized(web.Server):
    """A server whose requests have bodies of so many bytes at most."""

    def __init__(self, handler: Callable[[web.BaseRequest], Any], most: int, **settings: Any) -> None:
        super().__init__(handler, request_factory=self._made, **settings)
        self._most = most

    def _made(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=self._most)


def _said(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def _is_local(named: str | None, missing: bool = False) -> bool:
    """Whether a header names this machine: a page elsewhere must not ask a server here through its reader's browser."""
    if named is None:
        return missing
    try:
        host = urlsplit(named if "//" in named else f"//{named}").hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)
