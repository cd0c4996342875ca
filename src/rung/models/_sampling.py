"""Token by token: the likeliest or a draw that seed, prompt and place decide; where an answer ends and what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from rung.models._local_form import Held
from rung.models.batched import Ask, Said
from rung.types import Finish


def pick(logits: Tensor, asks: Sequence[Ask], made: Sequence[Sequence[int]]) -> list[int]:
    """Return the next token of each row: the likeliest, or a draw that seed, prompt and place decide."""
    for row, ask in enumerate(asks):
        if ask.temperature > 0:
            text = f"{ask.seed} {len(made[row])} {ask.tokens}".encode()
            noise = torch.Generator().manual_seed(int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big"))
            uniform = torch.rand(logits.shape[1], generator=noise, dtype=torch.float64).clamp_min(1e-300)
            gumbel = -torch.log(-torch.log(uniform))  # Gumbel-max: argmax of logits/T + Gumbel noise is a softmax draw
            logits[row] = (logits[row].double() / ask.temperature + gumbel.to(logits.device)).to(logits.dtype)
    picked: list[int] = logits.argmax(-1).tolist()
    return picked


def told(logits: Tensor, asks: Sequence[Ask]) -> Tensor | None:
    """Return the logarithms of all tokens' probabilities (B, V) at temperature 1, before one is picked; None where no ask wants them."""
    return logits.log_softmax(-1) if any(ask.logprobs for ask in asks) else None


def step(
    ask: Ask,
    made: list[int],
    token: int,
    ends: Collection[int],
    decode: Callable[[list[int]], str],
    held: Held | None = None,
) -> Finish | None:
    """Append a token to an answer unless it ends it; return how the answer finished, None while it goes on.

    An answer that is held to a form ends where the form is complete: the end token, which alone could follow, is not asked for.
    """
    if token in ends:
        return "stop"
    made.append(token)
    if held is not None and (complete := held.take(token)):
        return complete
    if ask.stops and any(stop in decode(made) for stop in ask.stops):
        return "stop"
    return "length" if len(made) >= ask.limit else None


def said(
    ask: Ask, made: list[int], finish: Finish | None, decode: Callable[[list[int]], str], logprobs: list[float]
) -> Said:
    """Return an answer's text, cut before the first stop text and, where the limit fell inside a character, before that one.

    `logprobs` are those of all tokens that were made.
    """
    text = decode(made).rstrip("\ufffd") if finish == "length" else decode(made)
    cuts = [text.find(stop) for stop in ask.stops if stop in text]
    text = text[: min(cuts)] if cuts else text
    return Said(text, len(made), finish or "other", tuple(logprobs) if ask.logprobs else None)
