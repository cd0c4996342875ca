"""Greedy answers of a model folder, by the engine of the provider `local`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rung.models.batched import Ask
from rung.models.local import Local
from rung.models.local_engine import Engine
from rung.types import Message
from rung_nano._scratch.corpus import Document

ROWS_PER_BATCH = 64


@dataclass(frozen=True)
class Answerer:
    """A model folder and the engine that answers with it, in float32."""

    folder: Path
    engine: Engine

    @staticmethod
    def load(folder: Path, threads: int = 1) -> Answerer:
        """Load a folder written by the exporter."""
        settings = Local(name=folder.name, folder=str(folder), dtype="float32", device="cpu", batch=ROWS_PER_BATCH)
        return Answerer(folder, Engine(settings, threads))

    def tokens(self, chat: Document) -> tuple[int, ...]:
        """Return a chat without its last turn in tokens, ready to be answered."""
        return self.engine.tokens([Message(turn.role, turn.text) for turn in chat[:-1]])  # type: ignore[arg-type]

    def answers(self, chats: Sequence[Document], max_new: int = 96) -> list[str]:
        """Answer all chats greedily; the order of the answers is that of the chats."""
        asks = [Ask(self.tokens(chat), max_new) for chat in chats]
        out, waiting = [""] * len(asks), list(range(len(asks)))
        while waiting:
            places = self.engine.next_batch([asks[i] for i in waiting])
            chosen = [waiting[p] for p in places]
            for i, said in zip(chosen, self.engine.answer([asks[i] for i in chosen]), strict=True):
                out[i] = said.text
            waiting = [i for i in waiting if i not in set(chosen)]
        return out

    def prompt_tokens(self, chats: Sequence[Document]) -> float:
        """Return the mean number of prompt tokens."""
        return sum(len(self.tokens(c)) for c in chats) / len(chats)
