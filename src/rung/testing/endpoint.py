"""A chat-completions endpoint on this machine for tests and measurements: right answers, latency and faults on demand.

Faults depend on (seed, prompt, attempt) only, so that every run and every client meets the same ones. It speaks
HTTP/1.1 with Content-Length and keep-alive, nothing more, straight on asyncio: it must cost less than what it measures.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Answering = Callable[[str], str]  # the last message's text -> the answer
Embedding = Callable[[str], Sequence[float]]  # a text -> its vector


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of all attempts, each in [0, 1]; together at most 1. What is left over is answered well."""

    too_many: float = 0.0  # 429 with Retry-After
    server_error: float = 0.0  # 500
    drop: float = 0.0  # the connection is reset without an answer
    malformed: float = 0.0  # status 200, JSON cut off in the middle
    page: float = 0.0  # status 200, an HTML page
    retry_after: str = "1"

    def draw(self, seed: int, prompt: bytes, attempt: int) -> str | None:
        """Return the name of the fault this attempt meets; None for none."""
        digest = hashlib.blake2b(prompt, digest_size=8, key=f"{seed}/{attempt}".encode()).digest()
        place = int.from_bytes(digest, "big") / 2**64
        for name in ("too_many", "server_error", "drop", "malformed", "page"):
            place -= getattr(self, name)
            if place < 0:
                return name
        return None


_NONE = Faults()
MIX_A = Faults(too_many=0.05, server_error=0.02, drop=0.01)
MIX_B = Faults(malformed=0.02)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of one's own making: what a test wants the endpoint to say."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass
class Counts:
    """What the endpoint has seen."""

    requests: int = 0
    answered: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seen: Counter[bytes] = field(default_factory=Counter)  # prompt hash -> times received

    @property
    def asked_again(self) -> int:
        """Requests beyond the first for a prompt."""
        return self.requests - len(self.seen)

    def as_dict(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "answered": self.answered,
            "most_in_flight": self.most_in_flight,
            "distinct": len(self.seen),
            "asked_again": self.asked_again,
            "faults": dict(self.faults),
        }


@dataclass
class Endpoint:
    """What to answer and how badly. `script` has the first word: it gets the request (parsed) and the attempt number.

    `latency_s` is the median; `sigma` above 0 makes it lognormal, drawn by prompt and attempt. Texts to be embedded get
    the vector that `embedding` gives them: by default texts that share words are near. With `places` only so many are
    worked on at once, and the others wait in line.
    """

    answering: Answering = lambda prompt: "yes"
    embedding: Embedding = field(default_factory=lambda: bag_of_words)
    latency_s: float = 0.0
    sigma: float = 0.0
    faults: Faults = _NONE
    seed: int = 0
    places: int | None = None
    script: Callable[[dict[str, Any], int], Reply | None] | None = None
    counts: Counts = field(default_factory=Counts)
    headers_seen: dict[str, str] = field(default_factory=dict)  # of the last request
    path_seen: str = ""
    url: str = ""
    _free_at: list[float] = field(default_factory=list)  # when each place is free again

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Endpoint]:
        """Serve on 127.0.0.1; `url` is what goes into `base_url`."""
        server = await asyncio.get_running_loop().create_server(lambda: _Wire(self), "127.0.0.1", port, backlog=2048)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()

    def reply_to(self, body: bytes) -> tuple[Reply | None, float]:
        """Return the reply (None: drop the connection) and the seconds until it is sent."""
        counts = self.counts
        counts.requests += 1
        data = json.loads(body)
        prompt = _prompt_hash(data)
        attempt = counts.seen[prompt] + 1
        counts.seen[prompt] = attempt
        scripted = self.script(data, attempt) if self.script else None
        if scripted is not None:
            return scripted, scripted.delay_s or self.latency_s
        fault = None if self.faults is _NONE else self.faults.draw(self.seed, prompt, attempt)
        if fault is not None:
            counts.faults[fault] += 1
            return self._badly(fault, data), self.latency_s
        return self._well(data), self._in_line(self._latency(prompt, attempt))

    def _in_line(self, takes_s: float) -> float:
        """Return the seconds until a request is answered that comes now."""
        if self.places is None:
            return takes_s
        now = time.perf_counter()
        free_at = [t for t in self._free_at if t > now]
        begins = now if len(free_at) < self.places else sorted(free_at)[-self.places]
        self._free_at = [*free_at, begins + takes_s]
        return begins + takes_s - now

    def _latency(self, prompt: bytes, attempt: int) -> float:
        if not self.sigma:
            return self.latency_s
        draw = random.Random(prompt + attempt.to_bytes(2, "big"))
        return self.latency_s * math.exp(draw.gauss(0.0, self.sigma))

    def _well(self, data: dict[str, Any]) -> Reply:
        self.counts.answered += 1
        if "input" in data:
            return Reply(body=embedding_body([self.embedding(text) for text in data["input"]], str(data.get("model"))))
        asked = data["messages"][-1]["content"]
        text = self.answering(asked)
        return Reply(body=answer_body(text, str(data.get("model")), len(asked) // 4 + 8, len(text) // 4 + 1))

    def _badly(self, fault: str, data: dict[str, Any]) -> Reply | None:
        if fault == "drop":
            return None
        if fault == "too_many":
            said = b'{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}'
            return Reply(429, said, {"Retry-After": self.faults.retry_after})
        if fault == "server_error":
            return Reply(500, b'{"error":{"message":"The server had an error","type":"server_error"}}')
        if fault == "page":
            return Reply(200, b"<html><body>502 Bad Gateway</body></html>", {"Content-Type": "text/html"})
        whole = answer_body("cut", str(data.get("model")), 8, 1)
        return Reply(200, whole[: len(whole) // 2])


def answer_body(text: str, model: str, tokens_in: int, tokens_out: int, **message: Any) -> bytes:
    """Return the body of a good answer; further keywords go into the message, `finish_reason` into the choice."""
    reason = message.pop("finish_reason", "stop")
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    data = {"id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": model, "choices": [choice]}
    return json.dumps({**data, "usage": usage}).encode()


def embedding_body(vectors: Sequence[Sequence[float]], model: str, tokens: int = 1) -> bytes:
    """Return the body of a good answer to an embedding request."""
    data = [{"object": "embedding", "index": i, "embedding": list(vector)} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "data": data, "model": model, "usage": usage}).encode()


def bag_of_words(text: str, dimensions: int = 64) -> list[float]:
    """Return a vector that counts words by hash: texts that share words are near, and nothing else is known."""
    vector = [0.0] * dimensions
    for word in text.lower().split():
        digest = hashlib.blake2b(word.strip(".,;:?!").encode("utf-8", "surrogatepass"), digest_size=4).digest()
        vector[int.from_bytes(digest, "big") % dimensions] += 1.0
    return vector


def _prompt_hash(data: dict[str, Any]) -> bytes:
    return hashlib.blake2b(
        repr(data.get("messages", data.get("input"))).encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()


class _Wire(asyncio.Protocol):
    """One connection: requests come one after the other."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            start = head.lower().find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self._received) < end + 4 + length:
                return
            body = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        endpoint = self._endpoint
        if head.startswith(b"GET"):
            self._send(Reply(body=json.dumps(endpoint.counts.as_dict()).encode()))
            return
        endpoint.path_seen = head.split(b" ", 2)[1].decode("latin-1")
        if endpoint.script is not None:
            lines = head.decode("latin-1").split("\r\n")[1:]
            endpoint.headers_seen = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        counts = endpoint.counts
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        reply, delay_s = endpoint.reply_to(body)
        if delay_s > 0:
            asyncio.get_running_loop().call_later(delay_s, self._finish, reply)
        else:
            self._finish(reply)

    def _finish(self, reply: Reply | None) -> None:
        self._endpoint.counts.in_flight -= 1
        if reply is not None:
            self._send(reply)
        elif self._transport is not None:
            self._transport.abort()

    def _send(self, reply: Reply) -> None:
        if self._transport is None:
            return
        headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        if "Content-Type" not in reply.headers:
            headers += "Content-Type: application/json\r\n"
        head = f"HTTP/1.1 {reply.status} X\r\n{headers}Content-Length: {len(reply.body)}\r\n\r\n"
        self._transport.write(head.encode("latin-1") + reply.body)
