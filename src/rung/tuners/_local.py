"""The loop: batches of rows, loss on the answers alone, AdamW, state that survives a kill -9.

A loop of our own instead of TRL's SFTTrainer: its checkpoints are pickles (optimizer.pt, rng_state.pth), it costs three
seconds to build and 12 % a step on small models, and the choice of checkpoints by generated answers needs a run that
can be stopped between steps. The loss is TRL's completion-only loss; a test compares the two batch by batch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads cost 30-fold on busy cores

import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from rung.base_weights import base_model
from rung.errors import TuningError
from rung.tuners._encode import Encoded, Reader
from rung.tuners._peak import give_back
from rung.tuners._resources import PLAIN_HEADS, free_memory, gigabytes, tokens_at_once
from rung.tuners._state import load_state, save_state, write_adapter, write_model
from rung.types import Base, TuningRow

if TYPE_CHECKING:
    from rung.tuners._recipe import LocalRecipe


class LocalRun:
    """One model being tuned in this process."""

    def __init__(self, recipe: LocalRecipe, base: Base, rows: Sequence[TuningRow], folder: Path, seed: int) -> None:
        """Load, wrap, encode, and take up the state in `folder` if there is one. Raises TuningError."""
        one_process()
        self.recipe, self.base, self.folder, self.seed = recipe, base, folder, seed
        reader = Reader.of(base)
        self.tokenizer = reader.tokenizer
        encoded = [reader.encode(row) for row in rows]
        self.rows = [e for e in encoded if reader.window is None or len(e.tokens) <= reader.window]  # none is cut
        if not self.rows:
            raise TuningError(f"no training example fits the context of {base.name} ({reader.window} tokens)")
        self.device = device_of(recipe.device)
        self.threads = min(recipe.threads or os.cpu_count() or 1, _cores())
        self.bf16 = self.device.type == "cuda" or recipe.precision == "bfloat16"
        self.at_once = at_once(recipe, base, self.rows, self.device)
        with translated(base):
            self.model = load(base, recipe, self.device, seed)
        self.parts = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.parts.values(), lr=recipe.learning_rate or 0.0, weight_decay=recipe.weight_decay
        )
        self._per_epoch = max(1, math.ceil(len(self.rows) / recipe.batch_rows))
        self._steps = max(1, round(recipe.epochs * self._per_epoch))
        self._step = 0
        self._tokens = 0
        stored = load_state(folder, self.parts, self.optimizer, self.device)
        if stored is not None:
            self._step, self._tokens = int(stored["step"]), int(stored["tokens"])
        else:
            torch.manual_seed(seed)  # dropout, where there is any, draws the same again

    @property
    def steps(self) -> int:
        return self._steps

    @property
    def step(self) -> int:
        return self._step

    @property
    def tokens(self) -> int:
        return self._tokens

    def train(self, until: int, on_step: Callable[[float], None]) -> float:
        """Go on to step `until`; return the mean loss (nats a learned token)."""
        torch.set_num_threads(self.threads)  # a setting of each thread, and this one may be new
        self.model.train()
        losses: list[float] = []
        give_back()  # what answering took
        with translated(self.base):
            while self._step < min(until, self._steps):
                losses.append(self._one_step())
                on_step(losses[-1])
        give_back()
        if not all(math.isfinite(x) for x in losses):
            raise TuningError(
                f"the loss of {self.recipe.title} is no number after step {self._step}: the learning rate is too high for "
                f"{self.base.name}; give a smaller learning_rate"
            )
        return sum(losses) / len(losses) if losses else 0.0

    def save(self) -> None:
        """Keep weights, optimizer, random state and place as safetensors and JSON."""
        try:
            save_state(self.folder, self.parts, self.optimizer, {"step": self._step, "tokens": self._tokens})
        except (OSError, SafetensorError) as error:
            why = getattr(error, "strerror", None) or error
            raise TuningError(
                f"a checkpoint of {self.recipe.title} could not be written to {self.folder} ({why}); "
                "what was measured before is kept: free some space and run the same command again, and tuning goes on from "
                f"its last checkpoint"
            ) from error

    def write(self, folder: Path) -> None:
        """Write what will be served: the adapter alone, or the whole model with its tokenizer."""
        try:
            if self.recipe.form == "adapter":
                write_adapter(self.model, folder, self.base.name)
            else:
                write_model(self.model, self.tokenizer, self.base.weights, folder)
        except SafetensorError as error:  # its way of telling a full disk
            raise OSError(str(error)) from error

    def close(self) -> None:
        """Free the memory."""
        del self.model, self.optimizer, self.parts
        give_back()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _one_step(self) -> float:
        batch = self._batch(self._step)
        rate = (self.recipe.learning_rate or 0.0) * rate_factor(self._step, self._steps, self.recipe.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        learned = sum(len(r.learned) for r in batch)
        total = 0.0
        for part in packs(batch, self.at_once):
            with autocast(self.device, self.bf16):
                loss = summed_loss(self.model, part, self.device) / learned
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.parts.values(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._step += 1
        self._tokens += sum(len(r.tokens) for r in batch)
        return total

    def _batch(self, step: int) -> list[Encoded]:
        """Return the rows of a step: every epoch has an order of its own that seed and epoch alone decide."""
        epoch, place = divmod(step, self._per_epoch)
        return [self.rows[i] for i in epoch_order(self.rows, self.recipe.batch_rows, f"{self.seed}/{epoch}")[place]]


def free_bytes(device: torch.device) -> int | None:
    """Return the memory that tuning could still take on its device; None where unknown."""
    return int(torch.cuda.mem_get_info()[0]) if device.type == "cuda" else free_memory()


def at_once(recipe: LocalRecipe, base: Base, rows: Sequence[Encoded], device: torch.device) -> int:
    """Return how many tokens, padding included, are computed at once: fewer than the recipe allows where memory is short."""
    shape = recipe.computed(base)
    if shape is None:
        return recipe.batch_tokens
    batches = recipe.batches([len(r.tokens) for r in rows], max(len(r.learned) for r in rows))
    free, gpu = free_bytes(device), device.type == "cuda"
    found = tokens_at_once(shape, recipe.trained_parameters(shape), batches, free, gpu)
    return recipe.batch_tokens if found == batches.wanted else found


def epoch_order(rows: Sequence[Encoded], size: int, seed: str) -> list[list[int]]:
    """Part row indices into batches of `size`: shuffled, then rows of like length together within windows of 8 batches,
    which saves padding, then the batches shuffled; the short one is last."""
    draw = random.Random(seed)
    order = list(range(len(rows)))
    draw.shuffle(order)
    window = 8 * size
    sorted_ = [
        i
        for a in range(0, len(order), window)
        for i in sorted(order[a : a + window], key=lambda i: len(rows[i].tokens))
    ]
    batches = [sorted_[a : a + size] for a in range(0, len(sorted_), size)]
    short = [batches.pop()] if len(batches) > 1 and len(batches[-1]) < size else []
    draw.shuffle(batches)
    return batches + short


def packs(batch: Sequence[Encoded], tokens: int) -> Iterator[list[Encoded]]:
    """Cut a batch so that each part, padded, has at most `tokens` tokens (or a single row)."""
    part: list[Encoded] = []
    for row in sorted(batch, key=lambda r: len(r.tokens)):
        if part and len(row.tokens) * (len(part) + 1) > tokens:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """Return the share of the highest rate at a step: a linear rise over `warmup` of the steps, then a linear fall to 0."""
    rise = max(1, math.ceil(warmup * steps))
    return min((step + 1) / rise, (steps - step) / max(1, steps - rise))


def summed_loss(model: Any, batch: Sequence[Encoded], device: torch.device) -> Tensor:
    """Return the cross-entropy summed over the learned tokens of a batch (nats).

    Padding stands on the right and no token looks at what follows it, so no attention mask is needed.
    """
    width = max(len(r.tokens) for r in batch)
    ids = torch.tensor([[*r.tokens, *([0] * (width - len(r.tokens)))] for r in batch], device=device)
    targets = torch.tensor(
        [[*([-100] * (r.prompt - 1)), *r.learned, *([-100] * (width - len(r.tokens)))] for r in batch], device=device
    )
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if inner.config.model_type in PLAIN_HEADS:
        states = inner.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        chosen = targets != -100
        logits = inner.get_output_embeddings()(states[chosen])
        return cross_entropy(logits.float(), targets[chosen], reduction="sum")
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-100, reduction="sum")


def load(base: Base, recipe: LocalRecipe, device: torch.device, seed: int) -> Any:
    """Return the base ready to be tuned by the recipe, in float32."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if recipe.form != "adapter":
        whole: Any = AutoModelForCausalLM.from_pretrained(
            base.weights, dtype=torch.float32, use_safetensors=True, revision=base.revision
        )
        return whole.to(device)
    model = base_model(base.weights, base.revision, torch.float32, device)
    torch.manual_seed(seed)  # the adapter's first values
    targets = recipe.targets  # type: ignore[attr-defined]
    config = LoraConfig(
        r=recipe.rank,  # type: ignore[attr-defined]
        lora_alpha=recipe.scale_alpha,  # type: ignore[attr-defined]
        lora_dropout=recipe.dropout,  # type: ignore[attr-defined]
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft and transformers disagree on a name until transformers 6
            return get_peft_model(model, config).to(device)
    except (ValueError, NotImplementedError, AttributeError, TypeError) as error:
        raise TuningError(
            f"{base.name} takes no LoRA adapter on {targets!r} ({' '.join(str(error).split())[:160]}): name its linear layers "
            "(`{lora: {targets: [q_proj, v_proj]}}`), or tune all weights with `tuner: full`"
        ) from error


@contextmanager
def translated(base: Base) -> Iterator[None]:
    """Turn what torch says about memory, files and shapes into one clear paragraph."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TuningError(_no_memory(base)) from error
    except RuntimeError as error:
        text = " ".join(str(error).split())
        if "out of memory" in text or "can't allocate memory" in text:
            raise TuningError(_no_memory(base)) from error
        raise TuningError(
            f"tuning {base.name} failed in torch: {text[:300]}; what was measured before is kept"
        ) from error
    except (OSError, ValueError) as error:
        raise TuningError(f"{base.name} cannot be loaded for tuning: {' '.join(str(error).split())[:300]}") from error


def one_process() -> None:
    """Refuse to tune as one of several processes: each would train and measure on its own."""
    world = int(os.environ.get("WORLD_SIZE") or 1)
    if world != 1:
        raise TuningError(
            f"this run has {world} processes (WORLD_SIZE={world}), and every one of them would tune and measure for "
            "itself: start `rung` once, without accelerate launch or torchrun; docs/tuning.md says how several GPUs are used"
        )


def device_of(wanted: str) -> torch.device:
    """Return the device to tune on."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise TuningError("the recipe asks for a GPU (`device: cuda`), and torch finds none: use `device: auto`")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def autocast(device: torch.device, bf16: bool) -> Iterator[None]:
    """Compute in bf16 or in float32; weights, gradients and the optimizer stay in float32."""
    if bf16:
        with torch.autocast(device.type, torch.bfloat16):
            yield
    else:
        yield


def _no_memory(base: Base) -> str:
    free = free_memory()
    left = f"; about {gigabytes(free)} are free now" if free is not None else ""
    return (
        f"memory ran out while tuning {base.name}{left}: lower batch_tokens or batch_rows, use LoRA instead of full tuning, "
        "or a smaller base; what was measured before is kept"
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
