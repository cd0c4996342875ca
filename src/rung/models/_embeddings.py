"""Read what an `/embeddings` endpoint answered. Pure; no network here.

The wire format is https://platform.openai.com/docs/api-reference/embeddings (checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rung.embedding import write_vectors, wrong_number
from rung.errors import ModelError
from rung.foreign import ODD_SHAPE
from rung.models._said import scrub
from rung.models._usage import prompt_tokens
from rung.models._wire import Endpoint, Reply, no_answer, status_within, trouble_of
from rung.types import Completion, Request


def embedding_body(name: str, request: Request) -> dict[str, Any]:
    """Return what is posted: plain numbers are asked for, since not every server knows base64."""
    return {"model": name, "input": [m.content for m in request.messages], "encoding_format": "float"}


def vectors_in(reply: Reply, endpoint: Endpoint, secrets: Sequence[str], texts: int, latency_s: float) -> Completion:
    """Return the vectors in a reply with status 200, in the order of the texts.

    Raises Retryable for anything that is no answer, ModelError for another number of vectors than texts or for vectors of
    different lengths.
    """
    try:
        data = reply.json()
        if (status := status_within(data)) is not None:
            raise trouble_of(Reply(status, reply.headers, reply.body), endpoint, secrets)
        rows = data["data"]
        places = [row.get("index", place) for place, row in enumerate(rows)]
        vectors = [np.array(row["embedding"], dtype=np.float32) for row in rows]
        shaped = all(v.ndim == 1 and v.size and np.isfinite(v).all() for v in vectors)
        usage = data.get("usage")
        tokens = prompt_tokens(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
        model = data.get("model")
        if not shaped or not all(isinstance(p, int) for p in places):
            raise ValueError("no vectors of numbers")
    except ODD_SHAPE as error:
        raise no_answer(reply, endpoint, secrets, error, "data with vectors") from None
    if sorted(places) != list(range(texts)):
        raise ModelError(
            wrong_number(endpoint.name, texts, len(vectors)),
            provider=endpoint.provider,
            status=200,
            request_id=reply.request_id,
        )
    lengths = sorted({v.size for v in vectors})
    if len(lengths) > 1:
        raise ModelError(
            f"{endpoint.base_url} gave vectors of different lengths ({', '.join(map(str, lengths))}) in one answer; check that "
            f"{endpoint.name!r} is an embedding model",
            provider=endpoint.provider,
            status=200,
            request_id=reply.request_id,
        )
    ordered = [vectors[places.index(i)] for i in range(texts)]
    named = scrub(model, secrets) if isinstance(model, str) and model else endpoint.name
    return Completion(write_vectors(np.stack(ordered)), named, tokens, 0, latency_s, None)
