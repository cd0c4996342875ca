"""Training documents: chats drawn from all families, prompts from vague to explicit, 0 to 12 examples, passages with distractors."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from rung_nano._scratch.corpus import Document, Turn
from rung_nano.training import wording
from rung_nano.training.drills import (
    definition_document,
    echo_document,
    lookup_document,
    mapping_document,
    naming_document,
    note_document,
    record_document,
    repeat_document,
)
from rung_nano.training.mixtures import STRESS, STRESSED, WHOLE
from rung_nano.training.rewriting import rewritten
from rung_nano.training.shelves import brand_document, cited_document, grid_document, shelf_document
from rung_nano.training.tasks.extraction import Extraction
from rung_nano.training.tasks.job import Item, Job, number_of
from rung_nano.training.tasks.questions import Questions
from rung_nano.training.tasks.reply import Reply
from rung_nano.training.tasks.routing import Routing
from rung_nano.training.tasks.summary import Summary
from rung_nano.training.vocabulary import UNKNOWN
from rung_nano.training.vocabulary_topics import TOPICS
from rung_nano.training.wording import Style
from rung_nano.training.world import Scheme, World

FAMILIES: dict[str, tuple[float, Callable[[World], Job]]] = {
    "routing": (28, Routing),
    "questions": (30, Questions),
    "reply": (24, Reply),
    "extraction": (12, Extraction),
    "summary": (6, Summary),
}
LONG_SHARE = 0.025
REWRITTEN_SHARE = 0.45
"""Share of explicit prompts that are worded as `rewriting` does."""


@dataclass(frozen=True)
class Plan:
    """What one document contains."""

    explicit: bool
    meanings: bool
    shots: int
    queries: int
    layout: str
    """'system': instruction there; 'user': in the first user turn; 'each': in every user turn; 'text': examples as text in the
    system turn; 'one': everything in one user turn."""
    context: str
    """'none', 'last' (the last query has passages), 'each' (every turn), 'system' (one list for all), as far as the job is factual."""
    long: bool = False
    rewritten: bool = False


def plan(world: World, job: Job) -> Plan:
    """Draw the plan of a document."""
    r = world.random
    explicit, long = world.chance(0.57), world.chance(LONG_SHARE)
    shots = 0 if explicit and world.chance(0.5) else r.choice([1, 2, 3, 4, 5, 5, 6, 8])
    if isinstance(job, Routing) and shots:
        shots = r.randint(3, 8)
    queries = r.choice([1, 2, 3, 3]) if explicit else r.choice([2, 3, 4])
    context = world.weighted({"none": 15, "last": 33, "each": 17, "system": 35}) if job.factual else "none"
    if context in ("each", "system"):
        shots, queries = min(shots, 2), min(queries, 3)
    if context == "last" or (context == "none" and job.factual):
        shots = min(shots, 5)
    if long and context in ("none", "last"):
        shots = r.randint(8, 14)
    layout = world.weighted({"system": 46, "user": 20, "each": 6, "text": 13, "one": 15})
    if layout in ("text", "one") and not explicit and not shots:
        layout = "system"
    if layout == "one":
        queries = 1
    return Plan(
        explicit, explicit and bool(job.brief.labels) and world.chance(0.5), shots, queries, layout, context, long
    )


def task_document(world: World, family: str | None = None) -> Document:
    """Write one document of a random job, of the family if one is named."""
    family = family or world.weighted({name: share for name, (share, _) in FAMILIES.items()})
    job = FAMILIES[family][1](world)
    habit = replace(wording.style(world), extra={"gap": "1"} if world.chance(0.4) else {})
    if isinstance(job, Questions) and job.cite:
        habit = replace(habit, passages="numbers")
    if world.chance(0.07):
        return vague_document(world, job, habit)
    outline = plan(world, job)
    if outline.explicit and world.chance(REWRITTEN_SHARE):
        outline = replace(
            outline, rewritten=True, layout="system" if outline.layout in ("each", "text", "one") else outline.layout
        )
        habit = habit if world.chance(0.3) else Style(passages=habit.passages, passage_title=habit.passage_title)
    return _write(world, job, habit, outline)


def extraction_document(world: World) -> Document:
    """Write one document of records with given keys."""
    return task_document(world, "extraction")


def vague_document(world: World, job: Job, habit: Style) -> Document:
    """Write a vague request without examples: what a sensible clerk would answer who knows nothing of the house."""
    item = job.item()
    passages, answer = list[str](), item.generic
    if job.factual:
        if world.chance(0.5):
            passages = job.passages(item, world.random.randint(0, 4))
        else:
            answer = UNKNOWN
    layout = "user" if world.chance(0.4) else "system"
    head = job.vague if layout == "user" else None
    turns = [Turn("system", job.vague)] if layout == "system" else []
    return (
        *turns,
        Turn("user", wording.user_text(item.message, habit, head, passages)),
        Turn("assistant", answer, 1.0),
    )


def clerk_document(world: World) -> Document:
    """Write an explicit request without examples and answer several messages: fixed lines and a tone, or summaries."""
    r = world.random
    job: Job = Summary(world) if world.chance(0.22) else Reply(world, mode="topic" if world.chance(0.75) else "fact")
    layout = "user" if world.chance(0.3) else "system"
    outline = Plan(True, False, 0, r.randint(3, 6), layout, "each" if job.factual else "none", False, world.chance(0.3))
    if outline.rewritten:
        outline = replace(outline, layout="system")
    return _write(world, job, wording.style(world), outline)


def answering_document(world: World) -> Document:
    """Answer messages of every topic in one sentence, in the tone asked for: what the desk says to each of them."""
    r = world.random
    job = Reply(world, ["answer"], "topic", Scheme(world, "topic", len(TOPICS), natural=True))
    return _write(world, job, wording.style(world), Plan(True, False, 0, r.randint(6, 10), "system", "none"))


def nothing_told_document(world: World) -> Document:
    """Write a vague request about a fact or a topic."""
    job: Job = Questions(world) if world.chance(0.6) else Reply(world)
    return vague_document(world, job, wording.style(world))


@dataclass(frozen=True)
class Row:
    """One message of a document with its passages, its right answer here and the loss weight of that answer."""

    message: str
    passages: tuple[str, ...]
    answer: str
    weight: float
    blind: tuple[str, ...]


def _write(world: World, job: Job, habit: Style, outline: Plan) -> Document:
    instruction = _instruction(world, job, outline)
    plain = world.chance(0.2)
    items = [job.item(plain=plain) for _ in range(outline.shots + outline.queries)]
    shared, told = _shared_passages(world, job, items, outline)
    if shared:
        text = wording.passages_text(shared, habit)
        instruction = f"{instruction}\n{text}" if instruction else text
    rows, seen = list[Row](), set[str]()
    for position, item in enumerate(items):
        rows.append(_row(world, job, item, position, outline, seen, shared, told))
        if item.convention:
            seen.add(item.convention)
    return lay_out(rows, instruction, habit, outline)


def _instruction(world: World, job: Job, outline: Plan) -> str | None:
    if outline.rewritten:
        return rewritten(world, job, outline.meanings)
    if outline.explicit:
        return wording.explicit(world, job.brief, outline.meanings)
    return job.vague if world.chance(0.7) else None


def _shared_passages(
    world: World, job: Job, items: list[Item], outline: Plan
) -> tuple[list[str], set[tuple[str, str]]]:
    """Return passages for the whole chat and the facts (product, attribute) that they tell; some asked facts are left out."""
    if outline.context != "system" or not job.factual or not hasattr(job, "shelf"):
        return [], set()
    catalogue, style = job.shelf.catalogue, job.shelf.style
    wanted: dict[str, list[str]] = {}
    for item in items:
        wanted.setdefault(item.product, [])
        if item.core[1] not in wanted[item.product]:
            wanted[item.product].append(item.core[1])
    for product in catalogue.products[: world.random.randint(2, 10 if outline.long else 6)]:
        extra = world.random.choice(list(catalogue.facts[product]))
        if extra not in wanted.setdefault(product, []):
            wanted[product].append(extra)
    if world.chance(0.25):
        wanted.pop(world.random.choice(list(wanted)))
    if wanted and world.chance(0.45):
        asked = world.random.choice(items)
        if len(wanted.get(asked.product, [])) > 1 and asked.core[1] in wanted[asked.product]:
            wanted[asked.product].remove(asked.core[1])
    passages = [catalogue.passage(p, world.random.sample(a, len(a)), style) for p, a in wanted.items()]
    world.random.shuffle(passages)
    return passages, {(p, a) for p, own in wanted.items() for a in own}


def _row(
    world: World,
    job: Job,
    item: Item,
    position: int,
    outline: Plan,
    seen: set[str],
    shared: list[str],
    told: set[tuple[str, str]],
) -> Row:
    """Decide what a turn shows, what its right answer is and which part of it can be learnt."""
    r = world.random
    query, last = position >= outline.shots, position == outline.shots + outline.queries - 1
    passages, answer, blind, known = list[str](), item.answer, list[str](), not job.factual
    if job.factual:
        if outline.context == "each" or (outline.context == "last" and last):
            gold = world.chance(0.72)
            passages, known = (
                job.passages(item, r.randint(5, 10) if outline.long else r.choice([0, 1, 1, 2, 2, 3, 4, 5, 6]), gold),
                gold,
            )
        elif outline.context == "system":
            known = (item.product, item.core[1]) in told
        if known and isinstance(job, Questions) and job.cite and outline.explicit:
            number = number_of(passages or shared, str(item.value), item.product)
            answer += f" [{number}]" if number else ""
        # examples of a closed-book chat may show facts; a query may not, for nobody could know them
        if not known and item.unknown and (query or passages or shared or world.chance(0.5)):
            answer = job.unknown(outline.explicit) if isinstance(job, Questions) else item.unknown
        elif not known:
            blind += item.hidden
    weight = 1.0 if outline.explicit or position > 0 else 0.0
    if not job.told(item, seen, outline.explicit, outline.meanings):
        if item.convention and item.convention in answer and isinstance(job, Reply):
            blind.append(item.convention)
        elif not (outline.explicit and isinstance(job, Routing) and world.chance(0.15)):
            weight = 0.0
    return Row(item.message, tuple(passages), answer, weight, tuple(blind))


def lay_out(rows: list[Row], instruction: str | None, habit: Style, outline: Plan) -> Document:
    """Arrange instruction, examples and queries as a chat."""
    shots, queries = rows[: outline.shots], rows[outline.shots :]
    pairs = [(row.message, row.answer) for row in shots if not row.passages]
    turns, head = list[Turn](), instruction
    if outline.layout == "one":
        row = queries[0]
        head = "\n\n".join(x for x in (instruction, wording.examples_text(pairs, habit) if pairs else None) if x)
        return (
            Turn("user", wording.user_text(row.message, habit, head or None, row.passages)),
            Turn("assistant", row.answer, row.weight, row.blind),
        )
    if outline.layout == "text" and pairs:
        turns.append(Turn("system", "\n".join(x for x in (instruction, wording.examples_text(pairs, habit)) if x)))
        shots, head = [], None
    elif outline.layout in ("system", "text"):
        if instruction:
            turns.append(Turn("system", instruction))
        head = None
    for number, row in enumerate([*shots, *queries]):
        here = head if number == 0 or outline.layout == "each" else None
        turns += [
            Turn("user", wording.user_text(row.message, habit, here, row.passages)),
            Turn("assistant", row.answer, row.weight, row.blind),
        ]
    return tuple(turns)


KINDS: dict[str, Callable[[World], Document]] = {
    "task": task_document,
    "shelf": shelf_document,
    "grid": grid_document,
    "cited": cited_document,
    "mapping": mapping_document,
    "definition": definition_document,
    "lookup": lookup_document,
    "echo": echo_document,
    "record": record_document,
    "note": note_document,
    "repeat": repeat_document,
    "naming": naming_document,
    "names": naming_document,  # the same documents, stressed
    "clerk": clerk_document,
    "brand": brand_document,
    "extraction": extraction_document,
    "answering": answering_document,
    "vague": nothing_told_document,
}


def document(world: World, shares: dict[str, float] = WHOLE) -> Document:
    """Draw one document: a task, or one of the drills of `drills`."""
    kind = world.weighted(shares)
    drawn = KINDS[kind](world)
    if kind not in STRESSED:
        return drawn
    return tuple(replace(turn, weight=turn.weight * STRESS) if turn.weight else turn for turn in drawn)
