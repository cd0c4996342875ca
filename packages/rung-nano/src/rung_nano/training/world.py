"""Random source of the invented world: brands, products, codes, values and customer messages, split into training and test."""

import json
import random
import re
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from rung_nano.training import vocabulary as v
from rung_nano.training.vocabulary_facts import FACTS, FILLER
from rung_nano.training.vocabulary_topics import TOPICS

HELD_BACK = 4
"""So many wordings at the end of each list of customer sentences are never used in training."""
ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")
LETTERS = "ABCDEFGHKLMNPQRSTVWXZ"
KINDS = ("topic", "fact", "tone", "urgency")
TYPO_SHARE = 0.12


def reserved(text: str) -> bool:
    """Return whether a string belongs to the sixth of all strings kept for tests (CRC-32 of its lower case)."""
    return zlib.crc32(text.lower().encode()) % 6 == 0


def join(words: Sequence[str], last: str = "or") -> str:
    """Join words as English does: 'a, b or c'."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" {last} " + words[-1]


@dataclass(frozen=True)
class Message:
    """A customer message with what is true of it."""

    text: str
    product: str
    core: tuple[str, str, int]
    """Kind of the core sentence ('topic' or 'fact'), its category, its number in the list of wordings."""
    held_back: bool


@dataclass(frozen=True)
class Extras:
    """What a message must mention beside its core; None leaves it out, except that tone and urgency then come at random."""

    name: str | None = None
    order: str | None = None
    city: str | None = None
    urgent: bool | None = None
    plain: bool = False


class World:
    """Source of everything random.  `split` is 'train' (never a reserved string) or 'test' (only reserved ones)."""

    def __init__(self, seed: int, split: str = "train") -> None:
        self.random = random.Random(seed)
        self.split = split

    # -- choices -----------------------------------------------------------------------------------------------------
    def chance(self, share: float) -> bool:
        """Return True with the given probability."""
        return self.random.random() < share

    def weighted(self, table: dict[str, float]) -> str:
        """Draw a key with probability proportional to its value."""
        return self.random.choices(list(table), list(table.values()))[0]

    def say(self, pattern: str, **values: object) -> str:
        """Write a pattern out: choose among ``[a|b]``, then fill ``{name}``; unknown names get a random value."""
        while found := ALTERNATIVES.search(pattern):
            chosen = self.random.choice(found[1].split("|"))
            pattern = pattern[: found.start()] + chosen + pattern[found.end() :]
        r = self.random
        k, k2, k3 = r.sample(v.COLOURS, 3)
        day, day2 = r.sample(v.WEEKDAYS, 2)
        y, y2 = r.sample(v.MATERIALS, 2)
        filled = {
            "n": r.randint(2, 9),
            "a": r.randint(5, 999),
            "b": r.randint(10, 99),
            "m": r.randint(6, 60),
            "h": r.randint(2, 48),
            "d": r.randint(7, 100),
            "s": r.randint(2, 12),
            "t": r.randint(6, 11),
            "u": r.randint(2, 10),
            "w": f"{r.randint(1, 20)}.{r.randint(1, 9)}",
            "k": k,
            "k2": k2,
            "k3": k3,
            "y": y.replace("_", " "),
            "y2": y2.replace("_", " "),
            "c": r.choice(v.CITIES),
            "o": r.choice(v.COUNTRIES),
            "day": day,
            "day2": day2,
            "month": r.choice(v.MONTHS),
            "rel": r.choice(v.RELATIVES),
            "it": "it",
        } | values
        return pattern.format(**filled)

    def pick(self, patterns: Sequence[str], **values: object) -> str:
        """Write out one pattern of a list."""
        return self.say(self.random.choice(patterns), **values)

    def fresh(self, make: Callable[[], str]) -> str:
        """Draw until the string belongs to this split."""
        while True:
            text = make()
            if reserved(text) == (self.split == "test"):
                return text

    def own(self, texts: Sequence[str]) -> str:
        """Draw one of the texts that belong to this split; of all, if none does."""
        return self.random.choice([t for t in texts if reserved(t) == (self.split == "test")] or list(texts))

    # -- strings -----------------------------------------------------------------------------------------------------
    def brand(self) -> str:
        """Invent a brand name."""
        r = self.random
        return self.fresh(
            lambda: (
                r.choice(v.SYLLABLES_1)
                + r.choice(v.SYLLABLES_2)
                + (r.choice(v.SYLLABLES_3) if r.random() < 0.5 else "")
            )
        )

    def product(self, brand: str | None = None) -> str:
        """Invent a product: brand, perhaps a model, and what it is."""
        r = self.random
        parts = [brand or self.brand()]
        if self.chance(0.25):
            parts.append(
                r.choice(
                    [
                        "X",
                        "Pro",
                        "Mini",
                        "Max",
                        "Plus",
                        "Air",
                        str(r.randint(2, 99)),
                        r.choice(LETTERS) + str(r.randint(1, 9)),
                    ]
                )
            )
        return " ".join([*parts, r.choice(v.NOUNS).replace("-", " ")])

    def code_maker(self) -> Callable[[], str]:
        """Return a source of private codes of one style."""
        r = self.random
        styles: list[Callable[[], str]] = [
            lambda: r.choice(LETTERS) + str(r.randint(1, 9)),
            lambda: r.choice(LETTERS) + r.choice(LETTERS) + "-" + str(r.randint(10, 99)),
            lambda: r.choice(v.WORDS),
            lambda: r.choice(v.WORDS).capitalize(),
            lambda: "Team " + r.choice(v.WORDS).capitalize(),
            lambda: str(r.randint(100, 999)),
            lambda: r.choice(v.SYLLABLES_1).lower() + r.choice(v.SYLLABLES_2),
            lambda: "desk " + str(r.randint(10, 99)),
            lambda: r.choice(v.WORDS).upper(),
            lambda: "".join(r.choice(LETTERS) for _ in range(3)),
            lambda: "Q" + str(r.randint(10, 99)),
            lambda: r.choice(v.WORDS) + "_" + str(r.randint(1, 9)),
            lambda: r.choice(LETTERS) + "-" + str(r.randint(100, 999)),
        ]
        return r.choice(styles)

    def codes(self, count: int) -> list[str]:
        """Invent different private codes of one style."""
        make, out = self.code_maker(), list[str]()
        while len(out) < count:
            text = self.fresh(make)
            if text not in out:
                out.append(text)
        return out

    def value(self, attribute: str) -> str:
        """Invent the value of a product's attribute."""
        pattern = self.random.choice(FACTS[attribute]["value"])
        return self.codes(1)[0] if pattern == "{code}" else self.say(pattern)

    def call_to_action(self) -> str:
        """Invent a sentence that every reply of one company must carry."""
        r = self.random
        return self.fresh(lambda: r.choice(v.CTA_VERBS) + " " + self.say(r.choice(v.CTA_TAILS)) + r.choice(".!"))

    # -- messages ----------------------------------------------------------------------------------------------------
    def wording(self, count: int, avoid: Collection[int] = ()) -> int:
        """Choose the number of a wording; held-back ones only in tests, there half of the time."""
        free = [i for i in range(count - HELD_BACK) if i not in avoid]
        kept = [i for i in range(count - HELD_BACK, count) if i not in avoid]
        if self.split == "test" and kept and (not free or self.chance(0.5)):
            return self.random.choice(kept)
        return self.random.choice(free or list(range(count - HELD_BACK)))

    def message(
        self,
        kind: str,
        category: str,
        product: str | None = None,
        avoid: Collection[int] = (),
        extras: Extras = Extras(),
    ) -> Message:
        """Write a customer message of one category of one kind ('topic', 'fact', 'tone' or 'urgency')."""
        p = product or self.product()
        core_kind, core = (
            (kind, category)
            if kind in ("topic", "fact")
            else ("topic", self.random.choice([t for t in TOPICS if t != "praise"]))
        )
        patterns = wordings(core_kind, core)
        number = self.wording(len(patterns), avoid)
        pattern = patterns[number]
        alone = p.split(" ")[-1]
        named = p if extras.name or product or self.chance(0.7) else alone
        sentence = self.say(pattern, p=named, it="the " + named)
        parts = [sentence] if extras.plain else self.dress(sentence, kind, category, core, named, extras)
        text = " ".join(parts)
        if not extras.plain and self.chance(TYPO_SHARE):
            text = self.careless(text, keep=[p, *(x for x in (extras.name, extras.order, extras.city) if x)])
        return Message(text, p, (core_kind, core, number), number >= len(patterns) - HELD_BACK)

    def dress(self, sentence: str, kind: str, category: str, core: str, product: str, extras: Extras) -> list[str]:
        """Put greeting, background, tone, contact data and closing around the core sentence."""
        r, parts = self.random, [sentence]
        if self.chance(0.3):
            parts.insert(r.randint(0, 1), self.pick(v.BACKGROUND, it="the " + product))
        if kind == "tone":
            parts.insert(r.choice([0, 0, len(parts)]), self.pick(v.TONE_OPENINGS[category]))
        elif core != "praise" and self.chance(0.12):
            parts.insert(0, self.pick(v.TONE_OPENINGS[r.choice(["angry", "friendly"])]))
        if self.chance(0.3):
            parts.insert(0, r.choice(v.OPENINGS))
        if extras.order:
            parts.append(self.pick(v.ORDER_PHRASES, o=extras.order))
        if extras.city:
            parts.append(self.pick(v.CITY_PHRASES, c=extras.city))
        if kind == "urgency":
            parts.append(self.pick(v.CLOSINGS[category]))
        elif extras.urgent is not None:
            parts.append(self.pick(v.CLOSINGS["urgent" if extras.urgent else "calm"]))
        elif self.chance(0.25):
            parts.append(self.pick(v.NEUTRAL_CLOSINGS))
        if extras.name:
            parts.append(self.pick(v.SIGNATURES, n=extras.name))
        return parts

    def careless(self, text: str, keep: Sequence[str]) -> str:
        """Type a text badly: a few swapped or dropped letters or no capitals; protected strings stay whole."""
        r, words = self.random, text.split(" ")
        protected = {w for k in keep for w in k.split(" ")}
        if self.chance(0.4):
            return " ".join(w if w.strip(".,!?()") in protected else w.lower() for w in words)
        for _ in range(r.randint(1, 2)):
            i = r.randrange(len(words))
            w = words[i]
            if len(w) > 3 and w.isalpha() and w not in protected:
                j = r.randint(1, len(w) - 2)
                words[i] = w[:j] + (w[j + 1] + w[j] + w[j + 2 :] if self.chance(0.6) else w[j + 1 :])
        return " ".join(words)


def categories(kind: str) -> dict[str, list[str]]:
    """Return the categories of a kind with their natural names."""
    table = {"topic": TOPICS, "fact": FACTS, "tone": v.TONES, "urgency": v.URGENCIES}[kind]
    return {c: list(entry["names"]) for c, entry in table.items()}  # type: ignore[attr-defined]


def meanings(kind: str, category: str) -> list[str]:
    """Return the wordings of what a category means."""
    table = {"topic": TOPICS, "fact": FACTS, "tone": v.TONES, "urgency": v.URGENCIES}[kind]
    return list(table[category]["meanings"])  # type: ignore[index]


def wordings(kind: str, category: str) -> list[str]:
    """Return the patterns of the messages of a topic or of the questions about a fact; the last `HELD_BACK` are kept for tests."""
    return list(TOPICS[category]["messages"] if kind == "topic" else FACTS[category]["questions"])


class Scheme:
    """The labels of one company: categories of one kind, each with a natural name or a private code."""

    def __init__(
        self, world: World, kind: str | None = None, count: int | None = None, natural: bool | None = None
    ) -> None:
        r = world.random
        self.kind = kind or world.weighted({"topic": 50, "fact": 30, "tone": 10, "urgency": 10})
        pool = categories(self.kind)
        self.categories = r.sample(list(pool), min(count or r.choice([2, 3, 3, 4, 4, 5, 6]), len(pool)))
        self.natural = world.chance(0.3) if natural is None else natural
        names = [world.own(pool[c]) for c in self.categories] if self.natural else world.codes(len(self.categories))
        if self.natural and world.chance(0.35):
            names = (
                [r.choice([str.lower, str.upper])(n) for n in names]
                if world.chance(0.2)
                else [n.lower() for n in names]
            )
        self.label = dict(zip(self.categories, names, strict=True))
        self.meaning = {c: world.own(meanings(self.kind, c)) for c in self.categories}
        self.order = r.sample(self.categories, len(self.categories))

    @property
    def listed(self) -> list[str]:
        """The labels in the order in which prompts list them."""
        return [self.label[c] for c in self.order]


class Catalogue:
    """The products of one company with some facts each."""

    def __init__(self, world: World, count: int = 6) -> None:
        self.world = world
        self.facts: dict[str, dict[str, str]] = {}
        brand = world.brand()
        while len(self.facts) < count:
            # products of one brand differ only in their last word, so that a name must be read to its end
            product = world.product(brand if world.chance(0.4) else None)
            attributes = world.random.sample(list(FACTS), world.random.randint(2, 7))
            self.facts.setdefault(product, {a: world.value(a) for a in attributes})

    @property
    def products(self) -> list[str]:
        """All product names."""
        return list(self.facts)

    def know(self, product: str, attribute: str) -> str:
        """Return a fact, inventing it if the catalogue lacks it."""
        return self.facts[product].setdefault(attribute, self.world.value(attribute))

    def passage(self, product: str, attributes: Sequence[str], style: str = "prose") -> str:
        """Write about a product: 'prose', 'sheet' (key: value), 'titled' (its name, then prose) or 'heading' (a Markdown heading)."""
        world, r = self.world, self.world.random
        if style == "sheet":
            rows = [f"{r.choice(FACTS[a]['keys'])}: {self.facts[product][a]}" for a in attributes]
            return f"{product}. " + ". ".join(rows) + "." if world.chance(0.5) else f"{product}\n" + "\n".join(rows)
        heading = {"titled": f"{product}\n", "heading": f"# {product}" + r.choice(["\n\n", "\n", " "])}.get(style, "")
        sentences = list[str]()
        for position, attribute in enumerate(attributes):
            again = (position and world.chance(0.6)) or (heading and world.chance(0.55))
            patterns = FACTS[attribute]["more" if again else "facts"]
            sentences.append(world.pick(patterns, p=product, v=self.facts[product][attribute]))
        if world.chance(0.25):
            sentences.insert(r.randint(1, len(sentences)), r.choice(FILLER))
        return heading + " ".join(sentences)


def as_json(value: object) -> str:
    """Write JSON on one line with spaces after separators."""
    return json.dumps(value, ensure_ascii=False)
