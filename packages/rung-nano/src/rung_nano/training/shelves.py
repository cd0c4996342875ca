"""Drills of reading: passages about several products, and many questions over them, some of which none of them answers."""

import re
from dataclasses import dataclass

from rung_nano._scratch.corpus import Document, Turn
from rung_nano.training import wording
from rung_nano.training import world as w
from rung_nano.training.rewriting import rewritten
from rung_nano.training.tasks.job import number_of
from rung_nano.training.tasks.questions import FORMS, Questions
from rung_nano.training.vocabulary_facts import FACTS

Fact = tuple[str, str]
"""Product and attribute."""
COUNTED = ("price", "weight", "battery", "size", "capacity", "power", "fee")
"""Attributes whose numbers may be of any length."""
WHERE = [
    "Answer with the number of the passage that tells it.",
    "Which passage tells it? Give only its number in brackets.",
    "Name only the number of the passage, like [2].",
    "Write the number of the right passage and nothing else.",
]


@dataclass(frozen=True)
class Reading:
    """What one drill shows: passages about products, which facts they tell, and how answers are written."""

    job: Questions
    told: dict[str, list[str]]
    passages: list[str]
    explicit: bool
    numbers_only: bool = False
    """Whether the answer is nothing but the number of the passage."""

    def answer(self, product: str, attribute: str) -> str:
        """Return the right answer: the fact, with its passage if that is asked for, or that it is not known."""
        job, known = self.job, attribute in self.told.get(product, [])
        if not known:
            return job.unknown(self.explicit)
        value = job.shelf.catalogue.facts[product][attribute]
        if self.numbers_only:
            return f"[{list(self.told).index(product) + 1}]"
        sentence = FACTS[attribute]["answer"].format(p=product, v=value)
        cited = f" [{number_of(self.passages, value, product)}]" if job.cite and self.explicit else ""
        return FORMS[job.form].format(s=sentence, v=value) + cited


def shelf_document(world: w.World) -> Document:
    """Write 1 to 8 passages about products and ask many questions over them, about a quarter of them about facts that none tells."""
    r = world.random
    job = Questions(world, r.choice([1, 2, 2, 3, 3, 4, 4, 5, 6, 8]), form="value" if world.chance(0.3) else None)
    shelf, explicit = job.shelf.catalogue, world.chance(0.65)
    habit = _habit(world, job, explicit)
    told: dict[str, list[str]] = {}
    common = r.choice(list(FACTS)) if world.chance(0.6) else None
    for product in shelf.products:
        own = r.sample(list(shelf.facts[product]), min(len(shelf.facts[product]), r.choice([1, 1, 2, 2, 3, 4, 5, 6])))
        if common and common not in own and world.chance(0.7):
            shelf.know(product, common)
            own.insert(r.randint(0, len(own)), common)
        told[product] = own
    passages = _passages(job, told)
    instruction = None
    if explicit:
        instruction = rewritten(world, job, False) if world.chance(0.4) else wording.explicit(world, job.brief)
    reading = Reading(job, told, passages, explicit)
    return _chat(world, reading, _asked(world, told), instruction, habit, terse=0.1)


def grid_document(world: w.World, level: str | None = None, cited: bool = False) -> Document:
    """Tell the same attributes of 2 to 8 products and ask for many of them: easy, middling or hard.

    Whoever reads only what is asked and not of which product is right no more often than by chance.  Easy: one attribute, one sentence a
    product, the question is often the bare name.  Middling: two or three attributes.  Hard: some facts are missing, other facts stand
    between, and two of seven questions are about a fact that no passage tells.
    """
    r = world.random
    level = level or world.weighted({"easy": 45, "middling": 20, "hard": 35})
    hard, easy = level == "hard", level == "easy"
    count = r.choice([2, 2, 2, 3, 3, 3, 4, 4, 5, 6] + ([8] if hard else []))
    form = "value" if world.chance(0.8 if easy else 0.5) else None
    job = Questions(world, count, form=form, cite=cited or world.chance(0.3))
    shelf, explicit = job.shelf.catalogue, job.cite or world.chance(0.6)
    habit = _habit(world, job, explicit)
    common = r.sample(list(FACTS), 1 if easy else r.choice([1, 2, 2, 3]))
    holes = r.choice([0.0, 0.15, 0.35]) if hard else 0.0
    told: dict[str, list[str]] = {}
    for product in shelf.products:
        own = [a for a in common if not world.chance(holes)]
        if not own or (hard and world.chance(0.3)):
            own.append(r.choice([a for a in shelf.facts[product] if a not in own] or common[:1]))
        told[product] = r.sample(list(dict.fromkeys(own)), len(set(own)))
        for attribute in told[product]:
            shelf.know(product, attribute)
    passages = _passages(job, told)
    numbers_only = job.cite and world.chance(0.4)
    if numbers_only:
        instruction: str | None = f"{job.brief.goal} {r.choice(WHERE)}"
    elif explicit:
        instruction = (
            rewritten(world, job, False)
            if not cited and world.chance(0.35)  # a rewritten prompt may not say that passages are to be named
            else wording.explicit(world, job.brief)
        )
    else:
        instruction = None
    there = _there(told)
    asked = r.sample(there, min(len(there), r.randint(4, 8)))
    if easy:
        asked = (asked + r.sample(there, len(there)))[:10]
    absent = _absent(told, common)
    for _ in range(sum(world.chance(0.4) for _ in asked) if hard else 0):
        asked.append(
            absent.pop(r.randrange(len(absent))) if absent and world.chance(0.6) else _strange(world, told, common)
        )
    if hard:
        r.shuffle(asked)
    reading = Reading(job, told, passages, explicit, numbers_only)
    return _chat(world, reading, asked, instruction, habit, terse=0.4, bare=0.5 if easy else 0.0)


def cited_document(world: w.World) -> Document:
    """Write a grid whose passages are numbered, and whose answers name the passage that tells them."""
    return grid_document(world, cited=True)


def brand_document(world: w.World) -> Document:
    """Tell two to six facts of each of 2 to 6 products, mostly of one brand, with numbers of any length; one question in six has no answer.

    What retrieval finds looks like this: the neighbours of the right passage are about the other products of its brand.
    """
    r = world.random
    job = Questions(world, 2, form="sentence" if world.chance(0.6) else None)
    shelf, explicit = job.shelf.catalogue, world.chance(0.7)
    habit = _habit(world, job, explicit)
    brand, count = world.brand(), r.choice([1, 2, 3, 3, 3, 4, 5, 6])
    shelf.facts = {}
    while len(shelf.facts) < count:
        product = world.product(brand if world.chance(0.8) else None)
        shelf.facts[product] = {a: _wide(world, a) for a in r.sample(list(FACTS), r.randint(2, 6))}
    told = {product: list(facts) for product, facts in shelf.facts.items()}
    passages = _passages(job, told)
    there = _there(told)
    attributes = [attribute for _, attribute in there]
    asked = r.sample(there, min(len(there), r.randint(3, 7)))
    elsewhere = _absent(told, attributes)
    for _ in range(sum(world.chance(0.2) for _ in asked)):
        asked.append(r.choice(elsewhere) if elsewhere and world.chance(0.6) else _strange(world, told, attributes))
    r.shuffle(asked)
    instruction = wording.explicit(world, job.brief) if explicit else None
    return _chat(world, Reading(job, told, passages, explicit), asked, instruction, habit, terse=0.1)


def _wide(world: w.World, attribute: str) -> str:
    """Draw a value whose numbers have one to five digits, where they count something."""
    r, value = world.random, world.value(attribute)
    if attribute not in COUNTED or world.chance(0.4):
        return value
    cents = f".{r.randint(0, 99):02d}" if world.chance(0.15) else ""
    return re.sub(r"\d+(\.\d+)?", lambda _: str(_number(world)) + cents, value)


def _number(world: w.World) -> int:
    """Draw a number of one to five digits, each length as likely."""
    digits = world.random.randint(1, 5)
    return world.random.randrange(10 ** (digits - 1), 10**digits)


def _habit(world: w.World, job: Questions, explicit: bool) -> wording.Style:
    """Draw the habits of the prompt writer, who numbers passages if they are to be cited."""
    habit = wording.style(world)
    if job.cite and explicit:
        return wording.Style(habit.message, passages="numbers", passage_title=habit.passage_title)
    return habit


def _chat(
    world: w.World,
    reading: Reading,
    asked: list[Fact],
    instruction: str | None,
    habit: wording.Style,
    terse: float,
    bare: float = 0.0,
) -> Document:
    """Write questions and answers over the passages, which stand in the system turn or in the first user turn."""
    r, rows = world.random, list[tuple[str, str]]()
    for product, attribute in asked:
        short = f"{product}, {r.choice(FACTS[attribute]['keys']).lower()}" if world.chance(terse) else None
        plain = w.Extras(plain=world.chance(0.7))
        if bare and world.chance(bare):
            short = product
        question = short or world.message("fact", attribute, product=product, extras=plain).text
        rows.append((question, reading.answer(product, attribute)))
    turns = list[Turn]()
    apart = world.chance(0.45)
    if apart:
        text = wording.passages_text(reading.passages, habit)
        turns.append(Turn("system", f"{instruction}\n{text}" if instruction else text))
    elif instruction and world.chance(0.7):
        turns.append(Turn("system", instruction))
        instruction = None
    for position, (message, answer) in enumerate(rows):
        first = position == 0 and not apart
        shown = wording.user_text(message, habit, instruction if first else None, reading.passages if first else ())
        turns += [Turn("user", shown), Turn("assistant", answer, 1.0 if reading.explicit or position else 0.0)]
    return tuple(turns)


def _asked(world: w.World, told: dict[str, list[str]]) -> list[Fact]:
    """Draw what is asked: mostly facts that stand there, else one that another passage tells of its product, else a strange product."""
    r = world.random
    there = _there(told)
    elsewhere = _absent(told, [attribute for _, attribute in there])
    asked = r.sample(there, min(len(there), r.randint(4, 9)))
    for _ in range(sum(world.chance(0.33) for _ in asked)):
        if elsewhere and world.chance(0.7):
            asked.append(elsewhere.pop(r.randrange(len(elsewhere))))
        else:
            product = _stranger(world, told)
            if product not in told:
                asked.append((product, r.choice(there)[1] if world.chance(0.6) else r.choice(list(FACTS))))
    r.shuffle(asked)
    return asked


def _passages(job: Questions, told: dict[str, list[str]]) -> list[str]:
    """Write one passage a product."""
    return [job.shelf.catalogue.passage(product, own, job.shelf.style) for product, own in told.items()]


def _there(told: dict[str, list[str]]) -> list[Fact]:
    """Return all facts that the passages tell."""
    return [(product, attribute) for product, own in told.items() for attribute in own]


def _absent(told: dict[str, list[str]], attributes: list[str]) -> list[Fact]:
    """Return the facts about products with a passage that their passage does not tell, of the attributes given."""
    return [(product, a) for product in told for a in dict.fromkeys(attributes) if a not in told[product]]


def _stranger(world: w.World, told: dict[str, list[str]]) -> str:
    """Invent a product, half of the time of the brand of one that has a passage; by chance it may be that one."""
    return world.product(world.random.choice(list(told)).split(" ")[0] if world.chance(0.5) else None)


def _strange(world: w.World, told: dict[str, list[str]], attributes: list[str]) -> Fact:
    """Draw a question about a product of which no passage speaks."""
    while (product := _stranger(world, told)) in told:
        pass
    return product, world.random.choice(attributes)
