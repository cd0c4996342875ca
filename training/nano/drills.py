"""Short drills with many answers a document: look up values, read shelves of passages, apply definitions, map words to private codes."""

import re

from rung.tuners._scratch.corpus import Document, Turn
from training.nano import wording
from training.nano import world as w
from training.nano.rewriting import rewritten
from training.nano.tasks.extraction import KEYS, URGENCY_RULE
from training.nano.tasks.job import number_of
from training.nano.tasks.questions import FORMS, Questions
from training.nano.tasks.routing import Routing
from training.nano.vocabulary import CITIES, CITY_PHRASES, CLOSINGS, NAMES, ORDER_PHRASES, SIGNATURES, WORDS
from training.nano.vocabulary_facts import FACTS
from training.nano.vocabulary_topics import TOPICS

Fact = tuple[str, str]
"""Product and attribute."""
CONTACTS = ("customer", "order", "city")


def shelf_document(world: w.World) -> Document:
    """Write 1 to 8 passages about products and ask many questions over them, about a quarter of them about facts that none tells."""
    r = world.random
    job = Questions(world, r.choice([1, 2, 2, 3, 3, 4, 4, 5, 6, 8]), form="value" if world.chance(0.3) else None)
    shelf, explicit = job.shelf.catalogue, world.chance(0.65)
    habit = wording.style(world)
    if job.cite and explicit:
        habit = wording.Style(habit.message, passages="numbers", passage_title=habit.passage_title)
    told: dict[str, list[str]] = {}
    common = r.choice(list(FACTS)) if world.chance(0.6) else None
    for product in shelf.products:
        own = r.sample(list(shelf.facts[product]), min(len(shelf.facts[product]), r.choice([1, 1, 2, 2, 3, 4, 5, 6])))
        if common and common not in own and world.chance(0.7):
            shelf.know(product, common)
            own.insert(r.randint(0, len(own)), common)
        told[product] = own
    passages = [shelf.passage(product, own, job.shelf.style) for product, own in told.items()]
    instruction = None
    if explicit:
        instruction = rewritten(world, job, False) if world.chance(0.4) else wording.explicit(world, job.brief)
    rows = list[tuple[str, str]]()
    for product, attribute in _asked(world, told):
        known = attribute in told.get(product, [])
        value = shelf.facts[product][attribute] if known else ""
        sentence = FACTS[attribute]["answer"].format(p=product, v=value)
        answer = FORMS[job.form].format(s=sentence, v=value) if known else job.unknown(explicit)
        if known and job.cite and explicit:
            answer += f" [{number_of(passages, value, product)}]"
        terse = f"{product}, {r.choice(FACTS[attribute]['keys']).lower()}" if world.chance(0.1) else None
        plain = w.Extras(plain=world.chance(0.7))
        rows.append((terse or world.message("fact", attribute, product=product, extras=plain).text, answer))
    turns = list[Turn]()
    apart = world.chance(0.45)
    if apart:
        text = wording.passages_text(passages, habit)
        turns.append(Turn("system", f"{instruction}\n{text}" if instruction else text))
    elif instruction and world.chance(0.7):
        turns.append(Turn("system", instruction))
        instruction = None
    for position, (message, answer) in enumerate(rows):
        first = position == 0 and not apart
        shown = wording.user_text(message, habit, instruction if first else None, passages if first else ())
        turns += [Turn("user", shown), Turn("assistant", answer, 1.0 if explicit or position else 0.0)]
    return tuple(turns)


def _asked(world: w.World, told: dict[str, list[str]]) -> list[Fact]:
    """Draw what is asked: mostly facts that stand there, else one that another passage tells of its product, else a strange product."""
    r = world.random
    there = [(product, attribute) for product, own in told.items() for attribute in own]
    elsewhere = [(p, a) for p in told for a in {a: None for _, a in there} if a not in told[p]]
    asked = r.sample(there, min(len(there), r.randint(4, 9)))
    for _ in range(sum(world.chance(0.33) for _ in asked)):
        if elsewhere and world.chance(0.7):
            asked.append(elsewhere.pop(r.randrange(len(elsewhere))))
        else:
            brand = r.choice(list(told)).split(" ")[0] if world.chance(0.5) else None
            product = world.product(brand)
            if product not in told:
                asked.append((product, r.choice(there)[1] if world.chance(0.6) else r.choice(list(FACTS))))
    r.shuffle(asked)
    return asked


def definition_document(world: w.World) -> Document:
    """Define 3 to 6 labels, mostly private codes, in varied words, and ask for each of them once or twice."""
    r = world.random
    kind = world.weighted({"topic": 58, "fact": 34, "tone": 4, "urgency": 4})
    scheme = w.Scheme(world, kind=kind, count=r.choice([2, 3, 3, 4, 4, 5, 6]), natural=world.chance(0.25))
    scheme.meaning = {c: definition(world, kind, c) for c in scheme.categories}
    job = Routing(world, scheme, form="bare" if world.chance(0.8) else None, extras=False)
    instruction = rewritten(world, job, True) if world.chance(0.35) else wording.explicit(world, job.brief, True)
    order = r.sample(scheme.categories, len(scheme.categories))
    order += [r.choice(order) for _ in range(r.randint(0, 2))]
    plain, verbatim = world.chance(0.6), world.chance(0.25)  # the definition itself as the message: the easiest match
    turns = [Turn("system", instruction)]
    for category in order:
        item = job.item(category=category, plain=plain)
        message = scheme.meaning[category] if verbatim and world.chance(0.7) else item.message
        turns += [Turn("user", message), Turn("assistant", item.answer, 1.0)]
    return tuple(turns)


def definition(world: w.World, kind: str, category: str) -> str:
    """Say what a category means: in set words, in key words of its messages, or by an example."""
    r = world.random
    said = world.own(w.meanings(kind, category))
    how = r.random()
    if how < 0.4:
        return said
    if how < 0.55:
        return f"{said}, {world.own(w.meanings(kind, category))}"
    if how < 0.65:
        return r.choice(
            ["messages about {m}", "all about {m}", "anything that is about {m}", "{m} and the like"]
        ).format(m=said)
    messages = [world.message(kind, category, extras=w.Extras(plain=kind in ("topic", "fact"))).text for _ in range(3)]
    if how < 0.8:
        words = list(dict.fromkeys(re.findall(r"[a-z]{4,}", " ".join(messages).lower())))
        return ", ".join(r.sample(words, min(r.randint(3, 6), len(words))))
    return r.choice(['for example "{m}"', 'messages like "{m}"', 'e.g. "{m}"']).format(m=messages[0])


def lookup_document(world: w.World) -> Document:
    """Write a key-value list and ask for its values in random order, or for the keys of its values."""
    r, count = world.random, world.random.randint(3, 10)
    keys = list(dict.fromkeys(world.product() for _ in range(count))) if world.chance(0.6) else world.codes(count)
    pattern = r.choice(["{k}: {v}", "{k} = {v}", "{k} -> {v}", "- {k}: {v}", "{k} | {v}"])
    values = {k: world.value(r.choice(list(FACTS))) if world.chance(0.5) else world.codes(1)[0] for k in keys}
    turns = [Turn("system", "\n".join(pattern.format(k=k, v=x) for k, x in values.items()))]
    back = world.chance(0.5)  # as labels are found by what they mean
    for key in r.sample(keys, len(keys)):
        asked, answer = (values[key], key) if back else (key, values[key])
        known = not back or list(values.values()).count(asked) == 1
        turns += [Turn("user", asked), Turn("assistant", answer, 1.0 if known else 0.0)]
    return tuple(turns)


def mapping_document(world: w.World) -> Document:
    """Write many short turns over 2 to 6 categories with private codes; each category returns in other words each time."""
    r = world.random
    kind = world.weighted({"topic": 65, "fact": 35})
    scheme = w.Scheme(world, kind=kind, count=r.choice([2, 2, 3, 3, 4, 5, 6]), natural=False)
    scheme.meaning = {c: definition(world, kind, c) for c in scheme.categories}
    short, plain = world.chance(0.25), world.chance(0.4)
    names = w.categories(kind)
    turns, seen = list[Turn](), set[str]()
    start = r.random()
    if start < 0.3:
        pattern = r.choice(["{l}: {m}", "{m} -> {l}", "Use {l} for {m}.", "{l} = {m}", "- {l}: {m}"])
        turns.append(
            Turn("system", "\n".join(pattern.format(l=scheme.label[c], m=scheme.meaning[c]) for c in scheme.order))
        )
        seen = set(scheme.categories)
    elif start < 0.65:
        turns.append(
            Turn("system", f"{r.choice(['Choose', 'Labels:', 'Answer with', 'One of'])} {w.join(scheme.listed)}.")
        )
    rounds = [r.sample(scheme.categories, len(scheme.categories))] if world.chance(0.5) else []
    order = [*(c for block in rounds for c in block), *(r.choice(scheme.categories) for _ in range(r.randint(5, 12)))]
    for category in order:
        message = (
            r.choice(w.meanings(kind, category) + names[category])
            if short
            else world.message(kind, category, extras=w.Extras(plain=plain)).text
        )
        turns += [Turn("user", message), Turn("assistant", scheme.label[category], 1.0 if category in seen else 0.0)]
        seen.add(category)
    return _as_text(world, turns, len(scheme.categories))


def echo_document(world: w.World) -> Document:
    """Map messages to private codes where each category has two wordings only, so that the messages to be matched look alike."""
    r = world.random
    kind = world.weighted({"topic": 65, "fact": 35})
    scheme = w.Scheme(world, kind=kind, count=r.choice([2, 2, 3, 3, 4]), natural=False)
    patterns = {c: len(TOPICS[c]["messages"] if kind == "topic" else FACTS[c]["questions"]) for c in scheme.categories}
    kept = {c: r.sample(range(count - w.HELD_BACK), r.choice([1, 2, 2])) for c, count in patterns.items()}
    turns, seen = list[Turn](), set[str]()
    if world.chance(0.5):
        turns.append(
            Turn("system", f"{r.choice(['Choose', 'Labels:', 'Answer with', 'One of'])} {w.join(scheme.listed)}.")
        )
    order = [*r.sample(scheme.categories, len(scheme.categories)), *r.choices(scheme.categories, k=r.randint(5, 12))]
    for category in order:
        avoid = set(range(patterns[category])) - set(kept[category])
        plain = w.Extras(plain=world.chance(0.8))
        message = world.message(kind, category, avoid=avoid, extras=plain).text
        turns += [Turn("user", message), Turn("assistant", scheme.label[category], 1.0 if category in seen else 0.0)]
        seen.add(category)
    return _as_text(world, turns, len(scheme.categories))


def record_document(world: w.World) -> Document:
    """Copy names, numbers and places from short messages into records with given keys."""
    r = world.random
    fields = r.sample(list(CONTACTS), r.randint(1, 3))
    keys = {f: world.own(KEYS[f]) for f in fields}
    form = world.weighted({"json": 70, "lines": 15, "bare": 15})
    turns = [
        Turn("system", f"{r.choice(['Keys', 'Fields', 'JSON with', 'Note'])}: {w.join(list(keys.values()), 'and')}")
    ]
    for _ in range(r.randint(4, 9)):
        values = _contact(world)
        said = {
            "customer": world.pick(SIGNATURES, n=values["customer"]),
            "order": world.pick(ORDER_PHRASES, o=values["order"]),
            "city": world.pick(CITY_PHRASES, c=values["city"]),
        }
        shown = r.sample(CONTACTS, 3) if world.chance(0.5) else r.sample(fields, len(fields))
        record = {keys[f]: values[f] for f in fields}
        if form == "json":
            answer = w.as_json(record)
        else:
            answer = (
                "\n".join(f"{k}: {v}" for k, v in record.items()) if form == "lines" else " | ".join(record.values())
            )
        told = form == "json" or bool(len(turns) > 1)
        turns += [Turn("user", " ".join(said[f] for f in shown)), Turn("assistant", answer, 1.0 if told else 0.0)]
    return tuple(turns)


def _contact(world: w.World) -> dict[str, str]:
    """Draw a customer's name, order number and city."""
    r = world.random
    return {"customer": r.choice(NAMES), "order": str(r.randint(1000, 99999)), "city": r.choice(CITIES)}


def note_document(world: w.World) -> Document:
    """Note from short messages how urgent they are, beside contact data: as told in the first turn, or as the notes before show."""
    r = world.random
    fields = r.sample(list(CONTACTS), r.choice([0, 1, 1, 2]))
    keys = {f: world.own(KEYS[f]) for f in [*fields, "urgency"]}
    order = r.sample(list(keys), len(keys))
    private = world.chance(0.4)
    high, low = world.codes(2) if private else ("high", "low")
    told = not private or world.chance(0.5)
    rule = world.say(URGENCY_RULE, h=high, l=low)
    head = f"{r.choice(['Keys', 'Fields', 'JSON with', 'Note'])}: {w.join([keys[f] for f in order], 'and')}"
    turns, seen = [Turn("system", f"{head}. {rule}" if told else head)], set[str]()
    topics = list(TOPICS)
    for _ in range(r.randint(4, 9)):
        urgent = world.chance(0.5)
        values = _contact(world)
        said = [world.pick(CLOSINGS["urgent" if urgent else "calm"])]
        said += [world.pick(ORDER_PHRASES, o=values["order"])] if "order" in fields else []
        said += [world.pick(CITY_PHRASES, c=values["city"])] if "city" in fields else []
        r.shuffle(said)
        if world.chance(0.6):
            said.insert(0, world.message("topic", r.choice(topics), extras=w.Extras(plain=True)).text)
        said += [world.pick(SIGNATURES, n=values["customer"])] if "customer" in fields else []
        values["urgency"] = high if urgent else low
        answer = w.as_json({keys[f]: values[f] for f in order})
        known = told or values["urgency"] in seen
        seen.add(values["urgency"])
        blind = () if known else (values["urgency"],)
        turns += [Turn("user", " ".join(said)), Turn("assistant", answer, 1.0, blind)]
    return tuple(turns)


def repeat_document(world: w.World) -> Document:
    """Answer each of a few short messages with its own code, again and again in the same words: the first step towards matching meanings."""
    r, count = world.random, world.random.randint(2, 6)
    kind = world.weighted({"word": 30, "product": 20, "phrase": 25, "sentence": 25})
    topics = r.sample(list(TOPICS), min(count, len(TOPICS)))
    keys = {
        "word": lambda: r.sample(WORDS, count),
        "product": lambda: list(dict.fromkeys(world.product() for _ in range(count))),
        "phrase": lambda: [world.own(w.meanings("topic", t)) for t in topics],
        "sentence": lambda: [world.message("topic", t, extras=w.Extras(plain=True)).text for t in topics],
    }[kind]()
    codes = dict(zip(keys, world.codes(len(keys)), strict=True))
    turns, seen = list[Turn](), set[str]()
    for key in [*r.sample(keys, len(keys)), *r.choices(keys, k=r.randint(6, 14))]:
        turns += [Turn("user", key), Turn("assistant", codes[key], 1.0 if key in seen else 0.0)]
        seen.add(key)
    return _as_text(world, turns, len(keys))


def _as_text(world: w.World, turns: list[Turn], labels: int) -> Document:
    """Write the first answers of a quarter of the documents as examples in the system turn: each label once, and some more."""
    head = [turn for turn in turns[:1] if turn.role == "system"]
    pairs = [(a.text, b.text) for a, b in zip(turns[len(head) :: 2], turns[len(head) + 1 :: 2], strict=True)]
    count = min(labels + world.random.randint(0, 5), len(pairs) - 3)
    if not world.chance(0.25) or count < labels:
        return tuple(turns)
    habit = wording.style(world)
    text = wording.examples_text(pairs[:count], habit)
    first = Turn("system", "\n".join([*(t.text for t in head), text]))
    return (first, *turns[len(head) + 2 * count :])
