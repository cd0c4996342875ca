"""Prompts as a prompt optimiser writes them from rows: blocks after the instruction, or sections with headings."""

import re

from rung_nano.training.tasks.extraction import Extraction
from rung_nano.training.tasks.job import Item, Job
from rung_nano.training.tasks.reply import LABEL_FORMS, Reply
from rung_nano.training.tasks.routing import Routing
from rung_nano.training.tasks.summary import Summary
from rung_nano.training.world import World, join

SOURCES = ["message", "message", "text", "ticket", "question", "body", "input", "mail"]
ANSWERS = ["answer", "reply", "response", "answer", "record", "summary"]


def rewritten(world: World, job: Job, meanings: bool) -> str:
    """Write a job's prompt as blocks or sections."""
    source = world.random.choice(SOURCES)
    goal = job.vague if world.chance(0.35) else job.brief.goal
    word = "label" if isinstance(job, Routing) else world.random.choice(ANSWERS)
    only = f"Write only the {word}. No explanation."
    if isinstance(job, Routing):
        rows = _definitions(world, job) if meanings else [f"- {label}" for label, _ in job.brief.labels]
        if world.chance(0.5):
            return f"# Instruction\n{goal}\n\n# Labels\n" + "\n".join(rows) + f"\n\n# Output format\n{_form(job, only)}"
        if meanings:
            return f"{goal}\n\nLabels:\n" + "\n".join(rows) + f"\n\n{_form(job, only)}"
        listed = f"Use one of these labels: {join([n for n, _ in job.brief.labels])}."
        return f"{goal}\n\n{listed}" + (f"\n{_form(job, only)}" if world.chance(0.6) or job.form != "bare" else "")
    rules = _rules(world, job, source)
    shown = world.chance(0.25) and not job.factual
    if shown or not rules:
        example: Item = job.item()
        block = f"{only}\n\nA right answer, to another {source}:\n{example.answer}"
        return (
            f"{goal}\n\n{block}"
            if not rules or world.chance(0.5)
            else f"{goal}\n\n{block}\n\nRules:\n{_bullets(rules)}"
        )
    if world.chance(0.5):
        return f"# Instruction\n{goal}\n\n# Rules\n{_bullets(rules)}\n\n# Output format\n{only}"
    return f"{goal}\n\n{only}\n" + "\n".join(rules)


def _bullets(rules: list[str]) -> str:
    return "\n".join(f"- {rule}" for rule in rules)


def _form(job: Routing, only: str) -> str:
    return only if job.form == "bare" else " ".join(job.brief.form)


def _definitions(world: World, job: Routing) -> list[str]:
    """Return a line for each label: its meaning, or words and an example from messages with that label."""
    kind, rows = job.scheme.kind, list[str]()
    telling = world.chance(0.6)
    for category in job.scheme.order:
        label, parts = job.scheme.label[category], list[str]()
        if telling:
            texts = " ".join(world.message(kind, category).text for _ in range(3)).lower()
            words = list(dict.fromkeys(re.findall(r"[a-z]{4,}", texts)))
            parts = [
                ", ".join(world.random.sample(words, min(4, len(words)))),
                f'for example "{world.message(kind, category).text}"',
            ]
        rows.append(f"- {label}: {'; '.join(parts) if telling else job.scheme.meaning[category]}")
    return rows


def _rules(world: World, job: Job, source: str) -> list[str]:
    """Return what all answers have in common, as one who only reads answers would put it."""
    if isinstance(job, Reply) and len(job.parts) == 1:
        return ["Write one sentence.", *job.brief.rules]
    if isinstance(job, Reply) and not job.joined:
        tone = job.brief.rules[:1] if job.tone != "neutral" else ()
        return [
            *tone,
            f"Write exactly {len(job.parts)} lines.",
            *(f"Line {i + 1}: {_line(job, p, source)}." for i, p in enumerate(job.parts)),
        ]
    if isinstance(job, Summary):
        frame = {p: f'"{job.title[p]}: ..."' if job.titled else job.brief.lines[i] for i, p in enumerate(job.parts)}
        return [
            f"Write exactly {len(job.parts)} lines.",
            *(f"Line {i + 1}: {frame[p]}." for i, p in enumerate(job.parts)),
        ]
    if isinstance(job, Extraction) and job.form == "json":
        keys = ", ".join(f'"{job.key[f]}"' for f in job.fields)
        told = {"urgency": f'is "{job.urgency[0]}" or "{job.urgency[1]}"'} | (
            {"order": f'is "{job.prefix}" with a text copied from the {source} behind it'} if job.prefix else {}
        )
        lines = [f'"{job.key[f]}" {told.get(f, f"is copied from the {source}")}.' for f in job.fields]
        return [f"Write one JSON object with exactly these keys, in this order: {keys}.", *lines]
    return [*job.brief.form, *job.brief.rules] if world.chance(0.7) else []


def _line(job: Reply, part: str, source: str) -> str:
    if part == "label":
        frame = LABEL_FORMS[job.label_form].format(l="...", u="...", K=job.key.capitalize())
        labels = ", ".join(n.upper() if job.label_form == "upper" else n for n, _ in job.brief.labels)
        return f"one of: {labels}" if frame == "..." else f'"{frame}" with one of: {labels}'
    if part == "greeting":
        greeting = job.house.greeting
        return (
            f'"{greeting.format(n="NAME")}" with the name from the {source}'
            if "{n}" in greeting
            else f'exactly "{greeting}"'
        )
    if part == "answer":
        return "one sentence with the answer"
    return _exact(job, part)


def _exact(job: Reply, part: str) -> str:
    return 'exactly "' + {"call": job.house.call, "sign": job.house.sign_off, "closing": job.house.closing}[part] + '"'
