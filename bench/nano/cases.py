"""Held-out jobs, their prompts at every rung, and how answers are scored."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rung_nano._scratch.corpus import Document
from rung_nano.training import wording
from rung_nano.training.documents import Plan, Row, lay_out
from rung_nano.training.rewriting import rewritten
from rung_nano.training.tasks.extraction import Extraction
from rung_nano.training.tasks.job import Item, Job, number_of
from rung_nano.training.tasks.questions import Questions
from rung_nano.training.tasks.reply import Reply
from rung_nano.training.tasks.routing import Routing
from rung_nano.training.tasks.summary import Summary
from rung_nano.training.vocabulary import UNKNOWN
from rung_nano.training.world import Scheme, World

ITEMS_PER_JOB = 4


@dataclass(frozen=True)
class Rung:
    """How much a prompt tells.  `passages` counts those besides the right one; None gives none, and `gold` False leaves out the right one."""

    explicit: bool = True
    meanings: bool = False
    shots: int = 0
    passages: int | None = None
    gold: bool = True
    layout: str = "system"
    rewritten: bool = False
    """Whether the prompt is worded as rung's own rewrites are."""
    mixed: bool = False
    """Whether every prompt writer has habits of his own: wrappers of the message, titles and marks of passages and examples."""


@dataclass(frozen=True)
class Case:
    """One test row: the job, the examples of its prompt, the message, the habits of the prompt writer."""

    job: Job
    shots: tuple[Item, ...]
    item: Item
    habit: wording.Style


def _reply(mode: str, label: bool) -> Callable[[World], Job]:
    def make(world: World) -> Job:
        while True:
            scheme = Scheme(world, kind=mode, count=3, natural=False) if label else None
            job = Reply(world, mode=mode, scheme=scheme, products=12)
            if len(job.parts) >= 3 and ("label" in job.parts) == label and not job.joined:
                return job

    return make


def _constraints(world: World) -> Job:
    while True:
        job = Reply(world, mode="topic")
        if "label" not in job.parts and len(job.parts) >= 2 and job.tone != "neutral" and len(job.brief.rules) >= 2:
            return job


def _known_names(world: World) -> Job:
    # labels and meanings as training words them; everything else is held out
    scheme = Scheme(World(world.random.randrange(10**9)), "topic", 4, natural=True)
    return Routing(world, scheme, form="bare", extras=False)


TASKS: dict[str, Callable[[World], Job]] = {
    "routing, names seen in training": _known_names,
    "routing, natural names": lambda w: Routing(w, Scheme(w, "topic", 4, natural=True), form="bare", extras=False),
    "routing, private codes": lambda w: Routing(w, Scheme(w, "topic", 3, natural=False), form="bare", extras=False),
    "product questions": lambda w: Questions(w, 12, form="sentence", cite=False),
    "product questions, cited": lambda w: Questions(w, 12, form="sentence", cite=True),
    "extraction, plain": lambda w: Extraction(w, ["customer", "order", "urgency"], "json", private=False),
    "extraction, private conventions": lambda w: Extraction(w, ["customer", "order", "urgency"], "json", private=True),
    "summary in three lines": lambda w: Summary(w, ["who", "issue", "wanted"]),
    "brand voice": _reply("topic", label=False),
    "desk reply": _reply("fact", label=True),
    "constraints in new combinations": _constraints,
}
VAGUE, PROMPT = Rung(explicit=False), Rung()
CELLS: list[tuple[str, str, Rung]] = [
    ("routing, natural names", "vague", VAGUE),
    ("routing, natural names", "prompt", PROMPT),
    ("routing, natural names", "+ definitions", Rung(meanings=True)),
    ("routing, natural names", "+ definitions + 8 examples", Rung(meanings=True, shots=8)),
    ("routing, names seen in training", "vague", VAGUE),
    ("routing, names seen in training", "prompt", PROMPT),
    ("routing, names seen in training", "+ definitions", Rung(meanings=True)),
    ("routing, names seen in training", "+ 8 examples", Rung(shots=8)),
    ("routing, names seen in training", "rewritten, definitions", Rung(meanings=True, rewritten=True)),
    ("routing, private codes", "vague", VAGUE),
    ("routing, private codes", "prompt", PROMPT),
    ("routing, private codes", "+ definitions", Rung(meanings=True)),
    ("routing, private codes", "+ 5 examples", Rung(shots=5)),
    ("routing, private codes", "+ 8 examples", Rung(shots=8)),
    ("routing, private codes", "+ 8 examples as text", Rung(shots=8, layout="text")),
    ("routing, private codes", "+ 8 examples, mixed habits", Rung(shots=8, mixed=True)),
    ("product questions", "vague", VAGUE),
    ("product questions", "prompt, closed book", PROMPT),
    ("product questions", "+ 1 passage", Rung(passages=0)),
    ("product questions", "+ 3 passages", Rung(passages=2)),
    ("product questions", "+ 6 passages", Rung(passages=5)),
    ("product questions", "+ 3 passages, mixed habits", Rung(passages=2, mixed=True)),
    ("product questions", "+ 3 passages without the fact", Rung(passages=2, gold=False)),
    ("product questions, cited", "+ 4 passages", Rung(passages=3)),
    ("extraction, plain", "vague", VAGUE),
    ("extraction, plain", "prompt", PROMPT),
    ("extraction, plain", "rewritten", Rung(rewritten=True)),
    ("extraction, private conventions", "prompt", PROMPT),
    ("extraction, private conventions", "+ 5 examples", Rung(shots=5)),
    ("summary in three lines", "vague", VAGUE),
    ("summary in three lines", "prompt", PROMPT),
    ("summary in three lines", "+ 3 examples", Rung(shots=3)),
    ("brand voice", "vague", VAGUE),
    ("brand voice", "prompt", PROMPT),
    ("brand voice", "+ 3 examples", Rung(shots=3)),
    ("brand voice", "rewritten", Rung(rewritten=True)),
    ("desk reply", "vague", VAGUE),
    ("desk reply", "prompt", PROMPT),
    ("desk reply", "+ 5 examples", Rung(shots=5)),
    ("desk reply", "+ 5 examples + 3 passages", Rung(shots=5, passages=2)),
    ("desk reply", "rewritten + 3 passages", Rung(rewritten=True, passages=2)),
    ("constraints in new combinations", "prompt", PROMPT),
]
LONGEST = {"routing": 14, "product": 40, "extraction": 72}
"""Most tokens of an answer, by the first word of the task; 96 for all others."""


def examples(job: Job, count: int) -> tuple[Item, ...]:
    """Draw examples that cover every label (or every code) and repeat no product."""
    categories = list(job.scheme.categories) if hasattr(job, "scheme") else [None]
    job.world.random.shuffle(categories)
    out = list[Item]()
    for _ in range(200 * count):
        if len(out) == count:
            break
        item = job.item(category=categories[len(out) % len(categories)])
        fresh = item.message not in {x.message for x in out} and not (
            item.value and item.product in {x.product for x in out}
        )
        if fresh and not (isinstance(job, Extraction) and len(out) == 1 and item.convention == out[0].convention):
            out.append(item)
    return tuple(out)


def queries(job: Job, count: int, shots: Sequence[Item]) -> list[Item]:
    """Draw messages in other wordings than the examples, and about other products if facts are asked."""
    avoid: dict[str, set[int]] = {}
    for shot in shots:
        avoid.setdefault(shot.core[1], set()).add(shot.core[2])
    seen, out = {x.message for x in shots}, list[Item]()
    for attempt in range(400 * count):
        if len(out) == count:
            break
        category = job.world.random.choice(job.scheme.categories) if hasattr(job, "scheme") else None
        item = job.item(avoid=avoid.get(category or "", set()), category=category)
        if item.value and item.product in {x.product for x in shots}:
            continue
        if item.message not in seen or attempt > 200 * count:
            seen.add(item.message)
            out.append(item)
    return out


def cases(task: str, rung: Rung, count: int, seed: int) -> list[Case]:
    """Draw test rows, `ITEMS_PER_JOB` of each job."""
    world, out = World(seed, "test"), list[Case]()
    while len(out) < count:
        job = TASKS[task](world)
        habit = wording.style(world) if rung.mixed else wording.Style(passages="numbers")
        shots = examples(job, rung.shots)
        out += [Case(job, shots, item, habit) for item in queries(job, ITEMS_PER_JOB, shots)]
    return out[:count]


def chat(case: Case, rung: Rung) -> tuple[Document, str]:
    """Write the chat of a case and return it with the right answer there."""
    job, world = case.job, case.job.world
    if rung.rewritten:
        instruction = rewritten(world, job, rung.meanings)
    else:
        instruction = wording.explicit(world, job.brief, rung.meanings) if rung.explicit else job.vague
    rows = [Row(x.message, (), x.answer, 0.0, ()) for x in case.shots]
    passages = job.passages(case.item, rung.passages, rung.gold) if rung.passages is not None else []
    answer = case.item.answer
    if job.factual and (rung.passages is None or not rung.gold):
        answer = case.item.unknown or answer
    if (
        isinstance(job, Questions)
        and job.cite
        and (number := number_of(passages, str(case.item.value), case.item.product))
    ):
        answer += f" [{number}]"
    rows.append(Row(case.item.message, tuple(passages), answer, 1.0, ()))
    return lay_out(
        rows, instruction, case.habit, Plan(rung.explicit, rung.meanings, len(case.shots), 1, rung.layout, "last")
    ), answer


def checks(case: Case, rung: Rung, expected: str, got: str) -> dict[str, bool]:
    """Return every check of an answer; a name in (round brackets) is reported but not part of the score."""
    job, item, got = case.job, case.item, got.strip()
    if isinstance(job, Questions):
        told = rung.passages is not None and rung.gold
        says_unknown = UNKNOWN in got or bool(job.idk and job.idk in got)
        out = (
            {"fact": str(item.value) in got, "(abstains)": says_unknown}
            if told
            else {"abstains": says_unknown, "(fact)": str(item.value) in got}
        )
        return out | ({"citation": got.endswith(expected[-3:])} if job.cite else {})
    if isinstance(job, Extraction):
        return _record_checks(item, got)
    if isinstance(job, Routing):
        return {"label": got == expected}
    wanted, lines = expected.split("\n"), got.split("\n")
    out = {"lines": len(lines) == len(wanted)}
    names = job.parts if isinstance(job, (Reply, Summary)) else []
    for place, (name, line) in enumerate(zip(names, wanted, strict=False)):
        found = lines[place] if place < len(lines) else ""
        out[name] = (
            str(item.value) in found if name == "answer" and item.value and UNKNOWN not in line else found == line
        )
    return out | {"(answer anywhere)": item.generic in got}


def _record_checks(item: Item, got: str) -> dict[str, bool]:
    try:
        record = json.loads(got)
    except json.JSONDecodeError:
        record = None
    if not isinstance(record, dict):
        return {"json": False, "keys": False, **dict.fromkeys(item.fields, False)}
    return {
        "json": True,
        "keys": list(record) == list(item.fields),
        **{k: record.get(k) == v for k, v in item.fields.items()},
    }
