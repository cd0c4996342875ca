"""The embedded model at work: chats to tokens, tokens to answers, many rows at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from rung.models._nano_llama import Llama, Prefix, Rows  # first: it settles how torch's threads wait

import torch  # isort: skip
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from rung.errors import IntegrityError, ModelError
from rung.models._batched import Ask, Said
from rung.models._nano_adapter import with_adapter
from rung.models._nano_batches import batches, common_length, groups
from rung.models._sampling import pick, said, step
from rung.types import Finish, Message

_ROLES = ("system", "user", "assistant")
_KNOWN_PREFIXES = 4  # beginnings kept with their keys and values: a climb asks a few candidates at a time
_BATCH_TOKENS = 8192  # prompt tokens of one batch, padding included: bounds memory
_SHRINK = 0.8  # rows leave a batch when the unfinished ones are at most this share of it


class Engine:
    """Weights and tokenizer of one folder. Not for several threads at once."""

    def __init__(self, folder: Path, dtype: str, threads: int, batch: int, adapter: str | None = None) -> None:
        """Raises IntegrityError for files that cannot be read and ModelError for a model of another kind."""
        torch.set_num_threads(threads)
        self.batch = batch
        self.stopping = False
        self._threads = threads
        self._prefixes: list[Prefix] = []
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            weights = load_file(folder / "model.safetensors")
            if adapter is not None:
                weights = with_adapter(weights, Path(adapter))
            text = (folder / "tokenizer.json").read_text(encoding="utf-8")
            self._tokenizer = Tokenizer.from_str(text)
            self._llama = Llama(config, weights, getattr(torch, dtype))
        except (OSError, SafetensorError, UnicodeDecodeError, json.JSONDecodeError, KeyError) as error:
            raise IntegrityError(f"{folder} cannot be read as a model ({error}); copy or install it again") from error
        except ValueError as error:
            raise ModelError(f"{folder}: {error}; nano runs its own family only", provider="nano") from error
        # Text of users is never read as a turn mark: only this class writes those.
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._marks = {name: self._mark(folder, f"<|{name}|>") for name in (*_ROLES, "bos", "end")}
        end = config.get("eos_token_id")
        self._ends = {self._marks["end"], *([end] if isinstance(end, int) else end or [])}
        self.context = self._llama.context
        self._encoded = lru_cache(maxsize=8192)(self._encode)

    def tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return a chat in tokens, up to the mark after which the answer begins."""
        found = [self._marks["bos"]]
        for message in messages:
            found += (self._marks[message.role], *self._encoded(message.content), self._marks["end"])
        found.append(self._marks["assistant"])
        return tuple(found)

    def forget(self) -> None:
        """Drop what is kept of earlier prompts, so that the next answer reads its whole prompt."""
        self._prefixes = []

    def next_batch(self, asks: Sequence[Ask]) -> list[int]:
        """Return the indices that are best answered together now; the first ask is always among them."""
        prompts = [ask.tokens for ask in asks]
        group = next(g for g in groups(prompts) if 0 in g.members)
        own = [len(prompts[i]) - group.shared for i in group.members]
        parts = batches(own, self.batch, _BATCH_TOKENS)
        place = group.members.index(0)
        return [group.members[j] for j in next(part for part in parts if place in part)]

    def answer(self, asks: Sequence[Ask]) -> list[Said]:
        """Answer one batch: the common beginning once, then all rows step by step, finished rows leaving."""
        torch.set_num_threads(self._threads)  # a setting of each thread, and this one may be new
        with torch.inference_mode():
            prefix = self._prefix([ask.tokens for ask in asks])
            return self._decode(asks, prefix)

    def _decode(self, asks: Sequence[Ask], prefix: Prefix) -> list[Said]:
        shared = len(prefix.tokens)
        own = [ask.tokens[shared:] for ask in asks]
        width = max(map(len, own))
        tokens = torch.tensor([[*row, *([0] * (width - len(row)))] for row in own])
        rows = Rows(torch.tensor([len(row) for row in own]), width)
        logits = self._llama.start(prefix, tokens, rows)
        made: list[list[int]] = [[] for _ in asks]
        finish: list[Finish | None] = [None] * len(asks)
        active = list(range(len(asks)))
        while active and not self.stopping:
            picked = pick(logits, [asks[i] for i in active], [made[i] for i in active])
            for i, token in zip(active, picked, strict=True):
                if finish[i] is None:
                    finish[i] = step(asks[i], made[i], token, self._ends, self._tokenizer.decode)
            open_rows = [place for place, i in enumerate(active) if finish[i] is None]
            if len(open_rows) <= _SHRINK * len(active):
                rows.keep(torch.tensor(open_rows, dtype=torch.long))
                active, picked = [active[p] for p in open_rows], [picked[p] for p in open_rows]
            if active:
                logits = self._llama.step(prefix, torch.tensor(picked), rows)
        decode = self._tokenizer.decode
        return [said(ask, tokens, end, decode) for ask, tokens, end in zip(asks, made, finish, strict=True)]

    def _prefix(self, prompts: Sequence[tuple[int, ...]]) -> Prefix:
        """Return the longest common beginning with its keys and values, computed on from what is known of it."""
        first = min(prompts)
        shared = min(common_length(first, max(prompts)), min(map(len, prompts)) - 1)
        wanted = first[:shared]
        known: Prefix | None = None
        best = 0
        for prefix in self._prefixes:
            length = common_length(prefix.tokens, wanted)
            if length > best:
                known, best = prefix.first(length), length
        found = self._llama.prefix(wanted, known)
        kept = [p for p in self._prefixes if common_length(p.tokens, wanted) < len(p.tokens)]
        if any(p.tokens[:shared] == wanted for p in kept):
            return found
        self._prefixes = [found, *kept][:_KNOWN_PREFIXES]
        return found

    def _encode(self, text: str) -> tuple[int, ...]:
        # A lone surrogate is no character and has no bytes in UTF-8; it is read as a question mark.
        plain = text.encode("utf-8", "replace").decode("utf-8")
        return tuple(self._tokenizer.encode(plain, add_special_tokens=False).ids)

    def _mark(self, folder: Path, name: str) -> int:
        found = self._tokenizer.token_to_id(name)
        if found is None:
            raise ModelError(f"the tokenizer in {folder} has no {name}; nano runs its own family only", provider="nano")
        return int(found)
