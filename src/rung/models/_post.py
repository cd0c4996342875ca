"""One aiohttp session that posts JSON, one attempt a call: what every provider behind an address shares."""

from __future__ import annotations

import time
import urllib.request
import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from rung.errors import ConfigError, ModelError, Retryable
from rung.models._said import scrub
from rung.models._wire import Endpoint, Reply
from rung.models.settings import ProviderSettings, variable_problems

LONGEST_BODY = 32 * 1024 * 1024  # bytes of an answer; more is not an answer


class Address(Endpoint, Protocol):
    """The settings that posting needs beside those that messages name."""

    @property
    def timeout_s(self) -> float: ...
    @property
    def concurrency(self) -> int: ...


def headers_from_environment(settings: ProviderSettings) -> dict[str, str]:
    """Return the headers whose values are variables.

    Raises ConfigError that names every variable which is not set or holds what no header may have.
    """
    problems = variable_problems(settings, f"models: {settings.name}")
    if problems:
        raise ConfigError(problems, "the environment")
    wanted = settings.variables
    return {name: before + (settings.variable(variable) or "").strip() for name, (variable, before) in wanted.items()}


class Poster:
    """Posts to one address. The session opens with the first request, inside the running event loop."""

    def __init__(self, settings: Address, url: str, headers: Mapping[str, str], secrets: Sequence[str]) -> None:
        self.url = url
        self._settings = settings
        # Answers are short, and what is not packed cannot unpack to gigabytes. What comes packed all the same is bounded.
        self._headers = {**headers, "Content-Type": "application/json", "Accept-Encoding": "identity"}
        self._secrets = tuple(secrets)
        self._proxy = _proxy_for(url)
        self._session: aiohttp.ClientSession | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth telling once: that requests and keys go through a proxy, which the environment names."""
        if self._proxy is None:
            return ()
        parts = urlsplit(self._proxy)
        place = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        return (f"requests to {self._settings.base_url} go through the proxy {place} (named in the environment)",)

    async def post(self, body: bytes) -> Reply:
        """Return whatever came back. Raises ModelError for what aiohttp, the socket or the clock raise."""
        if self._session is None:
            self._session = self._open()
        began = time.perf_counter()
        try:
            async with self._session.post(self.url, data=body, allow_redirects=False, proxy=self._proxy) as response:
                if (response.content_length or 0) > LONGEST_BODY:
                    response.close()
                    raise aiohttp.ClientPayloadError(f"an answer of {response.content_length} bytes")
                return Reply(response.status, response.headers, await _read(response))
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, zlib.error) as error:
            # Not chained: the error may hold the request's headers, and with them the key.
            raise translate(error, self._settings, self._secrets, time.perf_counter() - began) from None

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.concurrency, keepalive_timeout=30, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, unpacked, of at most LONGEST_BODY bytes. Raises ClientPayloadError for more."""
    if response.content_length is not None:  # which is bounded already
        body = await response.read()
    else:
        parts = bytearray()
        async for part in response.content.iter_any():
            parts += part
            if len(parts) > LONGEST_BODY:
                response.close()
                raise aiohttp.ClientPayloadError(f"an answer of more than {LONGEST_BODY} bytes")
        body = bytes(parts)
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packing in ("identity", "") or not body:
        return body
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise aiohttp.ClientPayloadError(f"an answer packed as {packing[:40]!r}, which was not asked for")
    return unpacked(body, packing)


def unpacked(body: bytes, packing: str) -> bytes:
    """Return a gzip or deflate body unpacked. Raises ClientPayloadError for more than LONGEST_BODY bytes, zlib.error."""
    bare = packing == "deflate" and (body[:1] != b"\x78" or int.from_bytes(body[:2], "big") % 31 != 0)
    reader = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
    found = reader.decompress(body, LONGEST_BODY + 1)
    if len(found) > LONGEST_BODY:
        raise aiohttp.ClientPayloadError(f"an answer of {len(body)} bytes that unpacks to more than {LONGEST_BODY}")
    if not reader.eof:
        raise aiohttp.ClientPayloadError("an answer that breaks off while it is unpacked")
    return found


def translate(error: Exception, settings: Address, secrets: Sequence[str], waited_s: float) -> ModelError:
    """Return what an error of aiohttp, of the socket or of the clock means to the user."""
    url, name, key = settings.base_url, settings.provider, settings.address_key
    said = scrub(f"{type(error).__name__}: {error}", secrets)
    if isinstance(error, TimeoutError):
        return Retryable(
            f"no answer from {url} within {waited_s:.1f} s (timeout_s is {settings.timeout_s:g})",
            provider=name,
            timed_out=True,
            billed=True,
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return ModelError(
            f"{url} has no certificate that this machine trusts ({said}); check {key} and the system's certificates",
            provider=name,
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return Retryable(f"cannot reach {url} ({said}); check {key} and that the server is running", provider=name)
    if isinstance(error, aiohttp.ClientError | OSError | zlib.error) and not isinstance(error, aiohttp.InvalidURL):
        return Retryable(f"the connection to {url} broke ({said})", provider=name, billed=True)
    return ModelError(f"the request to {url} cannot be sent ({said}); check {key} and the headers", provider=name)


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for this address; looked up once, because it costs time."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
