"""Addresses and headers as they may stand in rung.yaml: never with a key in them."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from rung.models._said import holds_key, names_key

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.1
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_near(address: str) -> bool:
    """Whether an address is on this machine or network: a private or loopback number, or a name that no public table knows."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def check_address(value: str, form: str, advice: str) -> str:
    """Return the address. Raises ValueError for what is none, or holds a password or a key.

    `form`: how it is written; `advice`: where keys go.
    """
    parts = urlsplit(value)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or any(c.isspace() or not c.isprintable() for c in value)
    ):
        raise ValueError(f"is no web address; write it as {form}")
    _ = parts.port  # raises ValueError for one out of range
    if parts.username or parts.password:
        raise ValueError(f"holds a user name or password; {advice}")
    if holds_key(value):
        raise ValueError(f"holds what looks like a key; {advice}")
    for name, text in parse_qsl(parts.query):
        if text and names_key(name):
            raise ValueError(f"holds a key in its query ({name}=...); {advice}")
    return value


def address_of(value: str, endings: Sequence[str]) -> str:
    """Return an address without the first of the endings that its path has, the query kept: portals show the whole."""
    parts = urlsplit(value)
    path = parts.path.rstrip("/")
    for ending in endings:
        path = path.removesuffix(ending)
    return urlunsplit((parts.scheme, parts.netloc, path.rstrip("/"), parts.query, ""))


def check_json(value: Any) -> Any:
    """Return data that is sent. Raises ValueError for numbers that JSON does not have."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError, TypeError) as error:
        raise ValueError(f"cannot be sent as JSON: {error}") from error
    return value


def check_headers(value: Mapping[str, str]) -> Mapping[str, str]:
    """Return header -> variable. Raises ValueError for what is no name of a header, or none of a variable and may be a key."""
    for name in value:
        if not _HEADER.fullmatch(name):
            raise ValueError(f"names {name!a}, which no header can be called: letters, digits and hyphens can be")
    if not all(ENV_NAME.fullmatch(variable) and not holds_key(variable) for variable in value.values()):
        raise ValueError("maps a header to what is no environment variable; write the variable's NAME, never the key")
    return value
