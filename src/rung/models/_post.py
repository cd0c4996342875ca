"""One aiohttp session that posts JSON, one attempt a call: what every provider behind an address shares."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from rung.errors import ConfigError, ModelError, Problem, Retryable
from rung.models._wire import Endpoint, Reply, scrub

LONGEST_BODY = 32 * 1024 * 1024  # bytes of an answer; more is not an answer


class Address(Endpoint, Protocol):
    """The settings that posting needs beside those that messages name."""

    @property
    def timeout_s(self) -> float: ...
    @property
    def concurrency(self) -> int: ...


def check_address(value: str, form: str, advice: str) -> str:
    """Return the address. Raises ValueError for what is none or holds a password.

    `form`: how it is written; `advice`: where keys go.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"is no web address; write it as {form}")
    if parts.username or parts.password:
        raise ValueError(f"holds a user name or password; {advice}")
    return value


def headers_from_environment(wanted: Mapping[str, tuple[str, str]], settings: Endpoint) -> dict[str, str]:
    """Return headers by name; `wanted`: header -> (environment variable, what goes before its value).

    Raises ConfigError that names every variable which is not set or holds what no header may have.
    """
    headers: dict[str, str] = {}
    problems: list[Problem] = []
    for name, (variable, prefix) in wanted.items():
        value = os.environ.get(variable, "").strip()
        if not value:
            problem = f"the environment variable {variable} is not set: put the key of {settings.base_url} there"
            problems.append(Problem(f"models: {settings.name}", problem))
        elif not value.isprintable() or not value.isascii():
            problem = f"the environment variable {variable} holds characters that no header may have"
            problems.append(Problem(f"models: {settings.name}", problem))
        headers[name] = prefix + value
    if problems:
        raise ConfigError(problems, "the environment")
    return headers


class Poster:
    """Posts to one address. The session opens with the first request, inside the running event loop."""

    def __init__(self, settings: Address, url: str, headers: Mapping[str, str], secrets: Sequence[str]) -> None:
        self.url = url
        self._settings = settings
        self._headers = {**headers, "Content-Type": "application/json"}
        self._secrets = tuple(secrets)
        self._proxy = _proxy_for(url)
        self._session: aiohttp.ClientSession | None = None

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
                return Reply(response.status, response.headers, await response.read())
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
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
        )


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
    if isinstance(error, aiohttp.ClientError | OSError) and not isinstance(error, aiohttp.InvalidURL):
        return Retryable(f"the connection to {url} broke ({said})", provider=name, billed=True)
    return ModelError(f"the request to {url} cannot be sent ({said}); check {key} and the headers", provider=name)


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for this address; looked up once, because it costs time."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
