"""The models that an OpenAI-compatible address says it has: its list, as it stands there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from rung.errors import RungError
from rung.foreign import ODD_SHAPE

PATIENCE_S = 10.0
LONGEST = 1_000_000  # bytes that are read of it


async def listed(url: str, headers: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Return what the address tells of its models, by their names. `url`: up to and without /models. Raises RungError."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S), headers=headers) as session,
            session.get(f"{url}/models", allow_redirects=False) as reply,
        ):
            if reply.status != 200:
                raise RungError(f"{url}/models answers with status {reply.status}; name the address up to and with /v1")
            body = b""
            while len(body) < LONGEST and (part := await reply.content.read(LONGEST)):
                body += part  # as it comes: a read returns what is there
            return {str(model["id"]): dict(model) for model in json.loads(body)["data"]}
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise RungError(f"{url} cannot be reached ({type(error).__name__}); is the server running?") from None
    except ODD_SHAPE:
        raise RungError(f"{url}/models does not list models as OpenAI writes them") from None
