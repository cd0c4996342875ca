"""What one request of a rung takes by itself: the tokens of each part of its prompt, and its latency unloaded."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rung import plugin
from rung.errors import RungError
from rung.evaluate.diagnosis._asking import AskingKit
from rung.protocols import Kit, Rung
from rung.stats.latency import TAIL
from rung.types import Answer, Candidate, Completion, Example, Message, Request, Task

ROWS = 5  # dev rows asked one after the other, nothing else under way
MANY = 60  # requests where the climb seeks the cheapest: enough to compare 95th percentiles (`rung.stats.latency`)
ANEW = 1_000  # the repeat under which they are asked: no answer of the climb itself stands in the ledger for it
PARTS = ("instruction", "examples", "passages", "input")
SHORTEST = 12  # characters from which a passage is looked for in a prompt


@dataclass(frozen=True)
class Profile:
    """One request of a rung. `unloaded_s`: the median of `n` requests made one after the other, uncached; None: unknown.

    `tokens`: mean prompt tokens of a request by part of PARTS; None where no model is asked or nothing was answered.
    """

    candidate: str  # id
    n: int
    unloaded_s: float | None
    tokens: Mapping[str, float] | None
    output_tokens: float | None
    note: str | None = None
    seconds: tuple[
        float | None, ...
    ] = ()  # of each request, equal ones in an equal order at every rung; None: no answer
    p95_s: float | None = None  # of `seconds`, where there are `MANY`


@dataclass
class ListeningKit(AskingKit):
    """A kit that keeps what was asked through it."""

    heard: list[tuple[str, Request, Completion]] | None = None

    async def ask(self, role: str, request: Request) -> Completion:
        completion = await super().ask(role, request)
        if self.heard is not None:
            self.heard.append((role, request, completion))
        return completion


async def profile(candidate: Candidate, dev: Sequence[Example], task: Task, kit: Kit) -> Profile:
    """Ask a few dev rows one after the other, many where the climb seeks the cheapest; each row again if they are too few.

    Trouble (money, a model that does not answer) is a note, not an error.
    """
    asked = requests_of(task)
    rows = kit.rng("profile").sample(list(dev), min(asked, len(dev)))
    listening = ListeningKit(kit, repeat=ANEW, heard=[])
    rung: Rung = plugin.find("rungs", candidate.rung).model_construct()
    system = rung.system(candidate, task, listening)
    seconds: list[float | None] = []
    parts: list[Mapping[str, float]] = []
    outputs: list[float] = []
    note = None if rows else "there are no dev rows to ask"
    for number in range(asked if rows else 0):
        turn, place = divmod(number, len(rows))
        row, listening.heard, listening.repeat = rows[place], [], ANEW + turn
        try:
            answer = await system.answer(row.inputs)
        except RungError as error:
            note = " ".join(str(error).split())
            seconds.append(None)
            continue
        seconds.append(answer.seconds)
        if listening.heard:
            parts.append(_parts(listening.heard, row, answer, candidate, kit))
            outputs.append(float(sum(c.output_tokens or 0 for _, _, c in listening.heard)))
    known = [s for s in seconds if s is not None]
    return Profile(
        candidate=candidate.id,
        n=len(known),
        unloaded_s=statistics.median(known) if known else None,
        tokens={name: statistics.fmean(p[name] for p in parts) for name in PARTS} if parts else None,
        output_tokens=statistics.fmean(outputs) if outputs else None,
        note=note if not known else None,
        seconds=tuple(seconds),
        p95_s=float(np.quantile(known, TAIL)) if asked >= MANY and known else None,
    )


def requests_of(task: Task) -> int:
    """Return how many requests a rung is profiled by."""
    return MANY if task.seek == "cheapest" else ROWS


def _parts(
    heard: Sequence[tuple[str, Request, Completion]], row: Example, answer: Answer, candidate: Candidate, kit: Kit
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


def _counted(role: str, chat: Sequence[Message], row: Example, answer: Answer, own: int, kit: Kit) -> dict[str, float]:
    """Count by leaving parts out: earlier turns, then retrieved passages, then the row's own values; the rest instructs."""
    whole = kit.count_tokens(role, chat)
    turns = [i for i, m in enumerate(chat) if m.role == "assistant"][own:]
    shown = {j for i in turns for j in (i - 1, i) if j >= 0}
    rest = [m for i, m in enumerate(chat) if i not in shown]
    without_examples = kit.count_tokens(role, rest)
    passages = [s.text for s in answer.sources if len(s.text) >= SHORTEST]
    rest = [_without(m, passages) for m in rest]
    without_passages = kit.count_tokens(role, rest)
    rest = [_without(m, sorted(row.inputs.values(), key=len, reverse=True)) for m in rest]
    instruction = kit.count_tokens(role, rest)
    return {
        "instruction": float(instruction),
        "examples": float(whole - without_examples),
        "passages": float(without_examples - without_passages),
        "input": float(without_passages - instruction),
    }


def _without(message: Message, texts: Sequence[str]) -> Message:
    content = message.content
    for text in texts:
        if text.strip():
            content = content.replace(text, "", 1)
    return replace(message, content=content)


def _assistants(candidate: Candidate) -> int:
    """Return how many assistant turns the prompt itself has: these are no examples of training rows."""
    messages = candidate.learned.get("messages")
    return sum(m.get("role") == "assistant" for m in messages) if isinstance(messages, list) else 0
