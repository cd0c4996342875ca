"""Data of the bundled model: its tokenizer and its shards, drawn on demand from a seed."""

from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

from rung_nano._scratch.corpus import Corpus, encode
from rung_nano._scratch.tokenizer import load_tokenizer, train_tokenizer
from rung_nano.training.documents import document
from rung_nano.training.mixtures import DRILLS, MIXTURES
from rung_nano.training.world import World

ENTRIES = 2048
TOKENIZER_DOCUMENTS = 20_000
TOKENIZER_SEED = 1
DOCUMENTS_PER_SHARD = 4_000
LONGEST = 1536
EARLY_SHARDS = 3
"""So many shards of mostly drills come first."""


def tokenizer(path: Path) -> Tokenizer:
    """Read the tokenizer, or train and write it if the file is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        train_tokenizer(_texts(), ENTRIES).save(str(path))
    return load_tokenizer(path)


def _texts() -> Iterator[str]:
    world = World(TOKENIZER_SEED)
    for _ in range(TOKENIZER_DOCUMENTS):
        yield from (turn.text for turn in document(world))


class Shards:
    """Shard number -> documents; every number gives fresh documents, the same ones each time."""

    def __init__(
        self,
        trained: Tokenizer,
        seed: int,
        mixture: str = "whole",
        early: bool = True,
        documents: int = DOCUMENTS_PER_SHARD,
    ) -> None:
        self.tokenizer, self.seed, self.shares, self.early, self.documents = (
            trained,
            seed,
            MIXTURES[mixture],
            early,
            documents,
        )

    def __call__(self, number: int) -> Corpus:
        """Draw one shard."""
        world = World(self.seed * 1_000_003 + number + 17)
        shares = DRILLS if self.early and number < EARLY_SHARDS else self.shares
        return encode(self.tokenizer, [document(world, shares) for _ in range(self.documents)], max_tokens=LONGEST)
