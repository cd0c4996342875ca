"""What is looked at before tuning: every silent way to ruin it, in seconds, by doing it on a few rows."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rung.errors import TuningError
from rung.protocols import Sent
from rung.tuners._encode import Encoded, Reader
from rung.tuners._local import LocalRun, at_once, autocast, device_of, free_bytes, one_process, summed_loss
from rung.tuners._peak import peak_memory, watch_memory
from rung.tuners._resources import gigabytes
from rung.types import Base, Checked, Preflight, TuningRow

if TYPE_CHECKING:
    from rung.tuners._recipe import LocalRecipe

COMPARED = 200  # rows whose rendering is compared with what inference sends
OVERFIT_ROWS, OVERFIT_STEPS = 4, 16
OVERFIT_SHARE = 0.5  # the loss on the same few rows must fall to this share at least
LEFT_OUT = 0.05  # share of rows that may be left out for their length
NAMED = 5
PROBED = 256  # tokens of the part whose memory is measured
SAME_LOSS = 2e-3  # relative; bf16 on a GPU is allowed ten times as much


def preflight(
    recipe: LocalRecipe,
    base: Base,
    rows: Sequence[TuningRow],
    sent: Sent,
    seed: int,
) -> Preflight:
    """Check rendering, mask, lengths, templates and the loss itself.

    A failed check comes back as such; what makes any tuning impossible is raised as TuningError.
    """
    one_process()
    _memory(recipe, base, rows)
    reader = Reader.of(base)
    encoded = [reader.encode(row) for row in rows]
    fitting = [e for e in encoded if reader.window is None or len(e.tokens) <= reader.window]
    checks = [
        _lengths(encoded, fitting, reader),
        _same_template(rows, reader, sent),
        _whole_answers(rows, encoded, reader),
    ]
    if not fitting:
        raise TuningError(
            f"no training example fits the context of {base.name} ({reader.window} tokens; the shortest example has "
            f"{min((len(e.tokens) for e in encoded), default=0)}): shorten the inputs or choose a base with a longer context"
        )
    checks.append(
        Checked("end of answer", f"every learned part ends in the end token ({_named(reader, fitting[0].tokens[-1])})")
    )
    seconds = None
    if all(c.passed for c in checks):
        found, seconds = _loss(recipe, base, rows, fitting, seed)
        checks += found
    shown = reader.shown(min(fitting, key=lambda e: (len(e.tokens), e.id)))
    return Preflight(tuple(checks), shown, seconds)


def _memory(recipe: LocalRecipe, base: Base, rows: Sequence[TuningRow]) -> None:
    free = free_bytes(device_of(recipe.device))
    need = recipe.need(
        base, rows, lambda row: sum(len(m.content) for m in row.messages) // 3 + len(row.answer) // 3 + 8
    )
    if free is not None and need.memory_bytes is not None and need.memory_bytes > free:
        raise TuningError(
            f"tuning {base.name} by {recipe.title} would take about {gigabytes(need.memory_bytes)} of memory, and about "
            f"{gigabytes(free)} are free: use LoRA instead of full tuning, a smaller batch_tokens, a smaller base, or a larger "
            "machine"
        )


def _lengths(encoded: Sequence[Encoded], fitting: Sequence[Encoded], reader: Reader) -> Checked:
    longest = max((len(e.tokens) for e in encoded), default=0)
    kept = {e.id for e in fitting}
    left_out = [e.id for e in encoded if e.id not in kept]
    if not left_out:
        return Checked(
            "nothing truncated",
            f"the longest of {len(encoded)} examples has {longest} tokens, the context holds {reader.window or 'any'}",
        )
    named = ", ".join(left_out[:NAMED]) + (" ..." if len(left_out) > NAMED else "")
    found = (
        f"{len(left_out)} of {len(encoded)} examples are longer than the context of {reader.window} tokens ({named}; the longest "
        f"has {longest}) and are left out whole, none is cut"
    )
    if len(left_out) > LEFT_OUT * len(encoded):
        return Checked(
            "nothing truncated", f"{found}; that is too many: shorten the inputs or choose a longer context", False
        )
    return Checked("nothing truncated", found)


def _same_template(rows: Sequence[TuningRow], reader: Reader, sent: Sent) -> Checked:
    what = "train and inference templates"
    compared = 0
    for row in rows[:COMPARED]:
        served = sent(row.messages)
        if served is None:
            return Checked(what, "the provider does not tell what it sends; they could not be compared")
        own = reader.prompt(row.messages)
        if tuple(served) != own:
            place = next(
                (i for i, (a, b) in enumerate(zip(served, own, strict=False)) if a != b), min(len(served), len(own))
            )
            return Checked(
                what,
                f"they differ in example {row.id} from token {place} on: inference sends "
                f"{reader.tokenizer.decode(list(served)[place : place + 8])!r}, training has "
                f"{reader.tokenizer.decode(list(own)[place : place + 8])!r}; give both the same chat_template.jinja",
                False,
            )
        compared += 1
    return Checked(what, f"equal, token by token, on {compared} examples")


def _whole_answers(rows: Sequence[TuningRow], encoded: Sequence[Encoded], reader: Reader) -> Checked:
    wrong = [r for r, e in zip(rows, encoded, strict=True) if reader.learned_text(e).strip() != r.answer.strip()]
    learned = sum(len(e.learned) for e in encoded)
    if wrong:
        first = next(e for r, e in zip(rows, encoded, strict=True) if r is wrong[0])
        return Checked(
            "answers whole",
            f"what is learned is not the answer in {len(wrong)} examples: {wrong[0].id} would learn "
            f"{reader.learned_text(first)[:80]!r}, not {wrong[0].answer[:80]!r}; the template adds to answers or the tokenizer "
            "cannot write them (a thinking template takes `template: {enable_thinking: false}`)",
            False,
        )
    total = sum(len(e.tokens) for e in encoded)
    return Checked("answers whole", f"{learned:,} of {total:,} tokens are learned: the answers and nothing else")


def _loss(
    recipe: LocalRecipe, base: Base, rows: Sequence[TuningRow], fitting: Sequence[Encoded], seed: int
) -> tuple[list[Checked], float | None]:
    """Compute the loss a second way, overfit a few rows with the recipe itself, and measure what a part of a step takes.

    Returns what was found, and the seconds of a run on all rows.
    """
    short = sorted(rows, key=lambda r: (sum(len(m.content) for m in r.messages) + len(r.answer), r.id))[:OVERFIT_ROWS]
    quick = recipe.model_copy(update={"epochs": float(OVERFIT_STEPS), "batch_rows": OVERFIT_ROWS, "warmup": 0.0})
    with tempfile.TemporaryDirectory() as nowhere:
        run = LocalRun(quick, base, short, Path(nowhere) / "state", seed)
        try:
            own, other = _both_losses(run)
            tolerance = SAME_LOSS * (10 if run.device.type == "cuda" else 1)
            same = abs(own - other) <= tolerance * max(1.0, abs(other))
            first = run.train(1, lambda _: None)
            last, steps = first, 1
            while last > OVERFIT_SHARE * first and steps < OVERFIT_STEPS:
                steps += 1
                last = run.train(steps, lambda _: None)
            most = recipe.batch_rows * max(len(r.tokens) for r in fitting)
            memory, pace = _measured(run, fitting, min(most, at_once(recipe, base, fitting, run.device)))
            seconds = _seconds(recipe, fitting, pace) if run.device.type == "cpu" else None
        finally:
            run.close()
    fell = last <= OVERFIT_SHARE * first or first < 0.01
    found = [
        Checked(
            "labels in the loss",
            f"the loss over the learned tokens is {own:.4f} nats, {other:.4f} computed a second way"
            + ("" if same else ": they must be equal; this model's logits are not its head applied to its last states"),
            same,
        ),
        Checked(
            "overfits one batch",
            f"on {len(short)} examples the loss went from {first:.3f} to {last:.3f} in {steps} steps"
            + (
                "" if fell else f": {recipe.title} does not learn; raise learning_rate, or check that the targets exist"
            ),
            fell,
        ),
        *([memory] if memory is not None else []),
    ]
    return found, seconds


def _seconds(recipe: LocalRecipe, rows: Sequence[Encoded], pace: tuple[float, float]) -> float:
    """Return the seconds of a run on all rows, from those of a token and of a step of the optimizer."""
    steps = math.ceil(len(rows) / recipe.batch_rows)
    return recipe.epochs * (pace[0] * sum(len(r.tokens) for r in rows) + pace[1] * steps)


def _measured(run: LocalRun, rows: Sequence[Encoded], whole: int) -> tuple[Checked | None, tuple[float, float]]:
    """Say what tuning takes at its peak, from parts of a step that are computed and thrown away; None where it cannot be measured.

    Returns the seconds of a token and of a step of the optimizer, too.

    The first has the longest rows, as many as make PROBED tokens; what it takes grows with its tokens. Then come rows of other lengths and
    the longest again: what they take does not quite fit into what was freed.
    """
    longest = sorted(rows, key=lambda r: -len(r.tokens))
    many = max(1, min(PROBED, whole) // len(longest[0].tokens))
    part = longest[:many]
    before = watch_memory(run.device)
    run.model.train()
    took, done = 0.0, 0
    for index, each in enumerate((part, longest[len(longest) // 2 :][:many], part)):
        run.optimizer.zero_grad(set_to_none=True)
        began = time.perf_counter()
        with autocast(run.device, run.bf16):
            loss = summed_loss(run.model, each, run.device)
        loss.backward()  # type: ignore[no-untyped-call]
        if index:  # the first takes new memory, too
            took, done = took + time.perf_counter() - began, done + sum(len(r.tokens) for r in each)
    peak_now = peak_memory(run.device) if before is not None else 0
    began = time.perf_counter()
    run.optimizer.step()
    pace = (took / done, time.perf_counter() - began)
    if before is None:
        return None, pace
    tokens = len(part) * len(longest[0].tokens)
    grown = max(0, peak_now - before)
    peak, free = before + grown * max(1.0, whole / tokens), free_bytes(run.device)
    fits = free is None or grown * max(1.0, whole / tokens) <= free
    found = f"{gigabytes(grown)} for {tokens} tokens at once, so about {gigabytes(peak)} at its peak with {whole}"
    cure = f", and {gigabytes(free or 0)} are free: use a smaller batch_tokens, a smaller base, or a larger machine"
    return Checked("memory", found if fits else found + cure, fits), pace


def _both_losses(run: LocalRun) -> tuple[float, float]:
    """Return the loss as trained, and from full logits, row by row and token by token, both in nats a learned token."""
    learned = sum(len(r.learned) for r in run.rows)
    run.model.eval()
    other = 0.0
    with torch.inference_mode(), autocast(run.device, run.bf16):
        own = float(summed_loss(run.model, run.rows, run.device)) / learned
        for row in run.rows:
            ids = torch.tensor([row.tokens], device=run.device)
            likely = run.model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
            for place in range(row.prompt, len(row.tokens)):
                other -= float(likely[place - 1, row.tokens[place]])
    return own, other / learned


def _named(reader: Reader, token: int) -> str:
    return str(reader.tokenizer.convert_ids_to_tokens(token))
