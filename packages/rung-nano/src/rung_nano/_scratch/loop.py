"""The training loop: resumable, its state in safetensors and JSON, its progress in JSON lines."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rung_nano._scratch.corpus import Batch, Corpus, batches
from rung_nano._scratch.llama import Llama
from rung_nano._scratch.muon import Muon


@dataclass(frozen=True)
class Settings:
    """How to train.  The learning rate rises over `warmup_steps`, stays, and falls over the last `decay_share` of the way.

    The way ends after `tokens` or, if that comes first and is not None, after `minutes` of training time (all starts together);
    `steps` stops it there, without changing the rate on the way.
    """

    tokens: int
    minutes: float | None = None
    steps: int | None = None
    tokens_per_batch: int = 8192
    matrix_rate: float = 0.02
    other_rate: float = 3e-3
    warmup_steps: int = 60
    decay_share: float = 0.35
    floor: float = 0.02
    bf16: bool = True
    seed: int = 0
    save_every_s: float = 150.0
    log_every: int = 25


@dataclass(frozen=True)
class State:
    """Where a run stands.  `shard` and `batch` say which data come next; `data_sha256` chains the hashes of all finished shards."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    shard: int = 0
    batch: int = 0
    data_sha256: str = ""


Source = Callable[[int], Corpus]
"""Shard number -> documents; the same number must always give the same documents."""


def progress(state: State, settings: Settings) -> float:
    """Return the share of the way that lies behind, in [0, 1]."""
    share = state.tokens / settings.tokens
    if settings.minutes is not None:
        share = max(share, state.seconds / (60 * settings.minutes))
    return min(1.0, share)


def rate(step: int, share: float, settings: Settings) -> float:
    """Return the factor of the learning rates at a step: rise, plateau, fall."""
    return min(1.0, (step + 1) / settings.warmup_steps) * min(
        1.0, max(settings.floor, (1 - share) / settings.decay_share)
    )


class Trainer:
    """A model with its optimizers and its place in the data."""

    def __init__(
        self,
        model: Llama,
        source: Source,
        settings: Settings,
        folder: Path,
        after_step: Callable[["Trainer"], None] | None = None,
    ) -> None:
        self.model, self.source, self.settings, self.folder, self.after_step = (
            model,
            source,
            settings,
            folder,
            after_step,
        )
        matrices = {n: p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n}
        others = {n: p for n, p in model.named_parameters() if n not in matrices}
        self.names = {id(p): n for n, p in model.named_parameters()}
        precision = torch.bfloat16 if settings.bf16 else torch.float32
        self.muon = Muon(matrices.values(), lr=settings.matrix_rate, precision=precision)
        self.adam = torch.optim.AdamW(others.values(), lr=settings.other_rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.others = list(others.values())
        self.state = State()
        if (folder / "state" / "state.json").exists():
            self.resume()

    # -- state on disk -----------------------------------------------------------------------------------------------
    def save(self) -> None:
        """Write weights, optimizer state and place; the former state stays until the new one is whole."""
        new, old, now = self.folder / "state.new", self.folder / "state.old", self.folder / "state"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        save_file({n: p.detach().contiguous() for n, p in self.model.named_parameters()}, new / "model.safetensors")
        moments: dict[str, Tensor] = {}
        for optimizer in (self.muon, self.adam):
            for parameter, entry in optimizer.state.items():
                moments |= {
                    f"{self.names[id(parameter)]}/{key}": torch.as_tensor(value).contiguous()
                    for key, value in entry.items()
                }
        save_file(moments, new / "optimizer.safetensors")
        (new / "state.json").write_text(json.dumps(asdict(self.state), indent=2) + "\n")
        shutil.rmtree(old, ignore_errors=True)
        if now.exists():
            now.rename(old)
        new.rename(now)

    def resume(self) -> None:
        """Read what `save` wrote."""
        place = self.folder / "state"
        weights = load_file(place / "model.safetensors")
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(weights[name])
        moments = load_file(place / "optimizer.safetensors")
        for optimizer in (self.muon, self.adam):
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    prefix = self.names[id(parameter)] + "/"
                    entry = {k.removeprefix(prefix): v for k, v in moments.items() if k.startswith(prefix)}
                    if entry:
                        optimizer.state[parameter] = entry
        self.state = State(**json.loads((place / "state.json").read_text()))

    # -- the way -----------------------------------------------------------------------------------------------------
    def run(self) -> State:
        """Train to the end of the way, saving and logging as set; return the final state."""
        self.folder.mkdir(parents=True, exist_ok=True)
        started, before, saved = time.monotonic(), self.state.seconds, time.monotonic()
        losses = list[tuple[float, float, float]]()
        self.model.train()
        for batch in self._stream():
            share = progress(self.state, self.settings)
            if share >= 1 or self.state.step == self.settings.steps:
                break
            losses.append(self._step(batch, rate(self.state.step, share, self.settings)))
            now = time.monotonic()
            self.state = replace(
                self.state,
                step=self.state.step + 1,
                tokens=self.state.tokens + batch.tokens,
                batch=self.state.batch + 1,
                seconds=before + now - started,
            )
            if self.after_step:
                self.after_step(self)
            if self.state.step % self.settings.log_every == 0:
                self._log(losses)
                losses = []
            if now - saved > self.settings.save_every_s:
                self.save()
                saved = time.monotonic()
        self.save()
        return self.state

    def _stream(self) -> Iterator[Batch]:
        """Yield batches from the present place on, shard after shard."""
        while True:
            shard = self.state.shard
            corpus = self.source(shard)
            digest = hashlib.sha256(corpus.ids.tobytes() + corpus.weights.tobytes()).hexdigest()
            stream = batches([corpus], self.settings.tokens_per_batch, seed=self.settings.seed * 100_003 + shard)
            for number, batch in enumerate(stream):
                if number >= self.state.batch:
                    yield batch
            chain = hashlib.sha256((self.state.data_sha256 + digest).encode()).hexdigest()
            self.state = replace(self.state, shard=shard + 1, batch=0, data_sha256=chain)

    def _step(self, batch: Batch, factor: float) -> tuple[float, float, float]:
        for optimizer, base in ((self.muon, self.settings.matrix_rate), (self.adam, self.settings.other_rate)):
            for group in optimizer.param_groups:
                group["lr"] = base * factor
        device = self.model.embed_tokens.weight.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.bf16):
            loss, answer_loss, hits = self.model.loss(
                torch.from_numpy(batch.ids).to(device), torch.from_numpy(batch.weights).to(device)
            )
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.others, 1.0)
        self.muon.step()
        self.adam.step()
        self.muon.zero_grad()
        self.adam.zero_grad()
        return loss.item(), answer_loss.item(), hits.item()

    def _log(self, losses: list[tuple[float, float, float]]) -> None:
        mean = [
            sum(v for v in column if v == v) / max(1, sum(v == v for v in column))
            for column in zip(*losses, strict=True)
        ]
        state = self.state
        row = {
            "step": state.step,
            "tokens": state.tokens,
            "seconds": round(state.seconds, 1),
            "loss": round(mean[0], 4),
            "answer_loss": round(mean[1], 4),
            "answer_accuracy": round(mean[2], 4),
            "tokens_per_s": round(state.tokens / max(1e-9, state.seconds)),
        }
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
