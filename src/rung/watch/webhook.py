"""One POST of JSON to the address that the user names: https, or this machine; no redirect, no proxy, ten seconds, one try."""

from __future__ import annotations

import http.client
import ipaddress
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


def post(address: str, body: Mapping[str, Any]) -> str | None:
    """Send it; return what went wrong in words that hold nothing of the address, which may be a secret. None: it was taken."""
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return "it holds no address"
    if parts.scheme not in ("https", "http") or not host:
        return "it holds no http address"
    if parts.scheme == "http" and not _here(host):
        return "its address is not https"
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, port, timeout=TIMEOUT_S)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"it cannot be reached ({type(error).__name__})"
    finally:
        connection.close()
    return None if 200 <= status < 300 else f"it answered with status {status}"


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
