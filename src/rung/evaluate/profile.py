"""What one request of a rung takes as it is served: the tokens of each part of its prompt, and its latency."""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rung.contracts import revived
from rung.errors import Retryable, RungError
from rung.evaluate.asking import AskingKit
from rung.protocols import AnsweringKit, System
from rung.stats.latency import TAIL, requests_for_bound
from rung.types import Answer, Candidate, Completion, Example, Message, Profile, Request, Task

ROWS = 5  # dev rows asked where nothing rests on their latency
MANY = 60  # requests where the climb seeks the cheapest: enough to compare 95th percentiles (`rung.stats.latency`)
ANEW = 1_000  # times the concurrency: the repeat under which they are asked, for which no answer of the climb is stored
PARTS = ("instruction", "examples", "passages", "input")
SHORTEST = 12  # characters from which a piece of a passage is looked for in a prompt
_ENDS = re.compile(r"(?<=[.!?:;])\s+|\n+|\[|\]|\(|\)")


@dataclass
class ListeningKit(AskingKit):
    """A kit that keeps what was asked through it."""

    heard: list[tuple[str, Request, Completion]] | None = None

    async def ask(self, role: str, request: Request) -> Completion:
        completion = await super().ask(role, replace(request, as_served=True))
        if self.heard is not None:
            self.heard.append((role, request, completion))
        return completion


@dataclass
class _Heard:
    """What one request of a rung took: seconds (None: no answer), and its prompt by parts."""

    seconds: float | None = None
    parts: Mapping[str, float] | None = None
    output_tokens: float = 0.0
    timed_out: bool = False
    note: str | None = None


async def profile(
    candidate: Candidate, dev: Sequence[Example], task: Task, kit: AnsweringKit, wanted: int | None = None
) -> Profile:
    """Ask dev rows anew, as many at once as the task says the approach is used; each row again if they are too few.

    Stored answers are looked up, each once: their seconds are those that were recorded. `wanted`: how many requests; None: as many as `requests_of` says. A request without an answer in its model's
    `timeout_s` counts as taking so long. Other trouble (money, a model that does not answer) is a note, not an error.
    """
    asked = requests_of(task) if wanted is None else wanted
    stored = is_stored(candidate, kit)
    asked = min(asked, len(dev)) if stored else asked  # the same time read twice would be no second one
    rows = kit.rng("profile").sample(list(dev), min(asked, len(dev)))
    heard = [_Heard() for _ in range(asked if rows else 0)]
    waiting = iter(range(len(heard)))

    async def one_after_the_other() -> None:
        listening = ListeningKit(kit)
        system = revived(candidate, task, listening)
        for number in waiting:
            turn, place = divmod(number, len(rows))
            listening.heard, listening.repeat = [], 0 if stored else ANEW * task.limits.concurrency + turn
            await _listen(system, rows[place], listening, candidate, heard[number])

    await asyncio.gather(*(one_after_the_other() for _ in range(min(task.limits.concurrency, len(heard)))))
    known = [h.seconds for h in heard if h.seconds is not None]
    parts = [h.parts for h in heard if h.parts is not None]
    if stored and not known:
        heard[-1].note = "nobody timed the stored answers: name the column with their seconds as latency"
    notes = [h.note for h in heard if h.note] if rows else ["there are no dev examples to ask"]
    return Profile(
        candidate=candidate.id,
        n=len(known),
        p50_s=statistics.median(known) if known else None,
        tokens={name: statistics.fmean(p[name] for p in parts) for name in PARTS} if parts else None,
        output_tokens=statistics.fmean(h.output_tokens for h in heard if h.parts is not None) if parts else None,
        note=notes[-1] if notes and len(known) < len(heard or [None]) else None,
        seconds=tuple(h.seconds for h in heard),
        p95_s=float(np.quantile(known, TAIL)) if asked >= MANY and known else None,
        concurrency=task.limits.concurrency,
        timed_out=sum(h.timed_out for h in heard),
    )


async def _listen(system: System, row: Example, listening: ListeningKit, candidate: Candidate, into: _Heard) -> None:
    try:
        answer = await system.answer(dict(row.inputs))
    except RungError as error:
        into.note = " ".join(str(error).split())
        if isinstance(error, Retryable) and error.timed_out and candidate.model is not None:
            into.seconds = listening.card(candidate.model).timeout_s
            into.timed_out = into.seconds is not None
        return
    into.seconds = answer.seconds
    if listening.heard:
        into.parts = _parts(listening.heard, row, answer, candidate, listening)
        into.output_tokens = float(sum(c.output_tokens or 0 for _, _, c in listening.heard))


def is_stored(candidate: Candidate, kit: AnsweringKit) -> bool:
    """Whether a candidate's answers were stored before and nothing is asked."""
    return candidate.model is not None and kit.card(candidate.model).recorded is not None


def requests_of(task: Task, level: float | None = None) -> int:
    """Return how many requests a rung is profiled by. `level`: of the bound that its latency limit is judged by, if it is."""
    least = MANY if task.objective == "cheapest" else ROWS
    if level is None or task.limits.p95_latency_s is None:
        return least
    return max(least, requests_for_bound(level), task.limits.latency_requests or 0)


def enough(taken: Profile | None, candidate: Candidate, task: Task, level: float | None = None) -> bool:
    """Whether a stored profile is of this candidate, at today's concurrency, with as many answers as are wanted."""
    if taken is None or not taken.n or taken.candidate != candidate.id:
        return False
    whole = level is None or None not in taken.seconds  # what got no answer may get one now
    return whole and taken.concurrency == task.limits.concurrency and len(taken.seconds) >= requests_of(task, level)


def _parts(
    heard: Sequence[tuple[str, Request, Completion]],
    row: Example,
    answer: Answer,
    candidate: Candidate,
    kit: AnsweringKit,
) -> dict[str, float]:
    """Return the prompt tokens of one answer by part, scaled to the endpoint's own count where it tells one."""
    total = dict.fromkeys(PARTS, 0.0)
    own = _assistants(candidate)
    for role, request, completion in heard:
        counted = _counted(role, request.messages, row, answer, own, kit)
        whole = sum(counted.values())
        scale = completion.input_tokens / whole if completion.input_tokens and whole else 1.0
        for name, tokens in counted.items():
            total[name] += tokens * scale
    return total


def _counted(
    role: str, chat: Sequence[Message], row: Example, answer: Answer, own: int, kit: AnsweringKit
) -> dict[str, float]:
    """Count by leaving parts out: earlier turns, then retrieved passages, then the row's own values; the rest instructs."""
    whole = kit.count_tokens(role, chat)
    turns = [i for i, m in enumerate(chat) if m.role == "assistant"][own:]
    shown = {j for i in turns for j in (i - 1, i) if j >= 0}
    rest = [m for i, m in enumerate(chat) if i not in shown]
    without_examples = kit.count_tokens(role, rest)
    inputs, passages = sorted(row.inputs.values(), key=len, reverse=True), 0
    if answer.sources:  # their lines are joined in a prompt, and their links may be gone
        rest, inputs = [replace(m, content=_squeezed(m.content)) for m in rest], [_squeezed(v) for v in inputs]
        with_passages = kit.count_tokens(role, rest)
        rest = [replace(m, content=_without_passages(m.content, answer)) for m in rest]
        passages = with_passages - kit.count_tokens(role, rest)
    without_passages = kit.count_tokens(role, rest)
    rest = [_without(m, inputs) for m in rest]
    instruction = kit.count_tokens(role, rest)
    return {
        "instruction": float(instruction),
        "examples": float(whole - without_examples),
        "passages": float(passages),
        "input": float(without_passages - instruction),
    }


def _without_passages(content: str, answer: Answer) -> str:
    """Take the passages of an answer out of a squeezed prompt: whole, else by their lines and sentences."""
    for source in answer.sources:
        whole = _squeezed(source.text)
        found = [whole] if whole in content else [_squeezed(p) for p in _ENDS.split(source.text)]
        for piece in found:
            if len(piece) >= SHORTEST:
                content = content.replace(piece, "", 1)
    return content


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _without(message: Message, texts: Sequence[str]) -> Message:
    content = message.content
    for text in texts:
        if text.strip():
            content = content.replace(text, "", 1)
    return replace(message, content=content)


def _assistants(candidate: Candidate) -> int:
    """Return how many assistant turns the prompt itself has: these are no examples of training rows."""
    return sum(m.role == "assistant" for m in candidate.prompt or ())
