"""Short drills: look up a value by its key; map customers' words to private codes seen earlier in the chat."""

from rung.tuners._scratch.corpus import Document, Turn
from training.nano import world as w
from training.nano.vocabulary_facts import FACTS


def lookup_document(world: w.World) -> Document:
    """Write a key-value list and ask for its values in random order."""
    r, count = world.random, world.random.randint(3, 10)
    keys = list(dict.fromkeys(world.product() for _ in range(count))) if world.chance(0.6) else world.codes(count)
    pattern = r.choice(["{k}: {v}", "{k} = {v}", "{k} -> {v}", "- {k}: {v}", "{k} | {v}"])
    values = {k: world.value(r.choice(list(FACTS))) if world.chance(0.5) else world.codes(1)[0] for k in keys}
    turns = [Turn("system", "\n".join(pattern.format(k=k, v=x) for k, x in values.items()))]
    for key in r.sample(keys, len(keys)):
        turns += [Turn("user", key), Turn("assistant", values[key], 1.0)]
    return tuple(turns)


def mapping_document(world: w.World) -> Document:
    """Write many short turns over 2 to 6 categories with private codes; each category returns in other words each time."""
    r = world.random
    kind = world.weighted({"topic": 65, "fact": 35})
    scheme = w.Scheme(world, kind=kind, count=r.choice([2, 2, 3, 3, 4, 5, 6]), natural=False)
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
    return tuple(turns)
