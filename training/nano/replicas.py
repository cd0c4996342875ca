"""Several processes that train copies of one model and average their weights every few steps (local SGD, Stich 2018, arXiv 1805.09767).

On a shared machine two processes with one thread each get further than one with two threads, which wait for one another at every
operation.  The result does not depend on their speeds: each waits at the exchange for the others' weights of the same round.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from rung.tuners._scratch.corpus import Corpus
from rung.tuners._scratch.loop import Source, Trainer

WAIT_S = 0.2


@dataclass(frozen=True)
class Replica:
    """Replica `rank` of `count`, meeting the others in `folder` every `every` steps."""

    rank: int
    count: int
    folder: Path
    every: int = 32

    def own(self, source: Source) -> Source:
        """Return the shards of this replica: no two replicas see the same one."""

        def shard(number: int) -> Corpus:
            return source(number * self.count + self.rank)

        return shard

    def exchange(self, trainer: Trainer) -> None:
        """Average the weights of all replicas if a round is complete; to be called after every step."""
        if trainer.state.step % self.every == 0:
            self._meet(trainer, f"{trainer.state.step:06d}")

    def finish(self, trainer: Trainer) -> None:
        """Average the weights a last time; replicas still on their way no longer wait for this one."""
        self._meet(trainer, "last")

    def _file(self, rank: int, label: str) -> Path:
        return self.folder / f"{label}-{rank}.safetensors"

    def _meet(self, trainer: Trainer, label: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = self._file(self.rank, label)
        part = mine.with_suffix(".part")
        save_file({n: p.detach().contiguous() for n, p in trainer.model.named_parameters()}, part)
        part.replace(mine)
        others = [self._wait(rank, label) for rank in range(self.count) if rank != self.rank]
        present = [load_file(path) for path in others if path is not None]
        with torch.no_grad():
            for name, parameter in trainer.model.named_parameters():
                parameter.copy_((parameter + sum(weights[name] for weights in present)) / (1 + len(present)))
        for old in sorted(self.folder.glob(f"0*-{self.rank}.safetensors"))[:-2]:
            old.unlink()

    def _wait(self, rank: int, label: str) -> Path | None:
        """Return the other's file of this round, or None if it has ended before the round."""
        path, last = self._file(rank, label), self._file(rank, "last")
        while not path.exists():
            if last.exists():
                return None
            time.sleep(WAIT_S)
        return path
