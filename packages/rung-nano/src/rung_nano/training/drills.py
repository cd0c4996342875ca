"""Short drills with many answers a document: look up values, apply definitions, map words to private codes, copy into records."""

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from rung_nano._scratch.corpus import Document, Turn
from rung_nano.training import wording
from rung_nano.training import world as w
from rung_nano.training.rewriting import rewritten
from rung_nano.training.tasks.extraction import KEYS, URGENCY_RULE
from rung_nano.training.tasks.routing import Routing
from rung_nano.training.vocabulary import CITIES, CITY_PHRASES, CLOSINGS, NAMES, ORDER_PHRASES, SIGNATURES, WORDS
from rung_nano.training.vocabulary_facts import FACTS
from rung_nano.training.vocabulary_topics import TOPICS

CONTACTS = ("customer", "order", "city")
CASES: tuple[Callable[[str], str], ...] = (str, str, str.capitalize, str.capitalize, str.lower, str.upper)


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


def naming_document(world: w.World) -> Document:
    """List 2 to 6 names that say what they stand for, and give each of many messages the name that fits."""
    r = world.random
    kind = world.weighted({"topic": 70, "fact": 30})
    scheme = w.Scheme(world, kind=kind, count=r.choice([2, 3, 3, 4, 4, 5, 6]), natural=True)
    for category in scheme.categories:
        scheme.label[category] = _telling(world, kind, category, list(scheme.label.values()))
    job = Routing(world, scheme, form="bare" if world.chance(0.8) else None, extras=False)
    defined, plain = world.chance(0.35), world.chance(0.6)
    instruction = rewritten(world, job, defined) if world.chance(0.3) else wording.explicit(world, job.brief, defined)
    head = world.chance(0.75)
    turns = [Turn("system", instruction)] if head else []
    for number in range(r.randint(5, 10)):
        item = job.item(category=r.choice(scheme.categories), plain=plain)
        message = item.message if head or number else f"{instruction}\n{item.message}"
        turns += [Turn("user", message), Turn("assistant", item.answer, 1.0)]
    return tuple(turns)


def _telling(world: w.World, kind: str, category: str, taken: list[str]) -> str:
    """Draw a name for a category: one of its natural names, what it means, or words that only its messages use."""
    r, words = world.random, own_words(kind)[category]
    while True:
        how = r.random()
        if how < 0.35:
            name = world.own(w.categories(kind)[category])
        elif how < 0.5:
            name = world.own(w.meanings(kind, category))
        elif how < 0.85:
            name = world.fresh(lambda: r.choice(words))
        else:
            name = world.fresh(lambda: " and ".join(r.sample(words, 2)))
        name = r.choice(CASES)(name)
        if name not in taken and not w.reserved(name):
            return name


@lru_cache
def own_words(kind: str) -> dict[str, list[str]]:
    """Return for each category ('topic' or 'fact') the words that its messages, names and meanings use, and hardly any other's.

    Wordings that are held back for tests are left out.
    """
    texts = {
        c: [*names, *w.meanings(kind, c), *w.wordings(kind, c)[: -w.HELD_BACK]]
        for c, names in w.categories(kind).items()
    }
    counts = {
        c: Counter(x for t in set_ for x in set(re.findall(r"[a-z]{4,}", re.sub(r"\{.*?\}", " ", t.lower()))))
        for c, set_ in texts.items()
    }
    total = sum(counts.values(), Counter[str]())
    return {c: sorted(x for x, n in own.items() if n >= 0.75 * total[x]) for c, own in counts.items()}


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
    patterns = {c: len(w.wordings(kind, c)) for c in scheme.categories}
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
