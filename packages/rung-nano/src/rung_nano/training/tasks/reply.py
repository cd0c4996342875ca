"""Replies in the form of a house: fixed lines around one sentence that answers, in one tone, under constraints."""

from collections.abc import Collection
from dataclasses import dataclass

from rung_nano.training import vocabulary as v
from rung_nano.training import world as w
from rung_nano.training.tasks.facts import Shelf
from rung_nano.training.tasks.job import Item
from rung_nano.training.vocabulary_facts import FACTS
from rung_nano.training.vocabulary_topics import TOPICS
from rung_nano.training.wording import VAGUE_DO, Brief

GOALS = [
    "Reply to the customer.",
    "Write a reply to the message.",
    "Answer the customer in our style.",
    "Write the answer of our service desk.",
    "Answer the message.",
    "Compose a reply.",
    "Write the reply that we send to the customer.",
    "Respond to the customer message.",
]
TONE_SAY = {
    "formal": [
        "Use a formal tone.",
        "Be formal.",
        "Write formally and politely.",
        "Keep a formal, polite tone.",
        "The tone is formal.",
        "Formal tone.",
        "Write in a formal voice.",
        "Sound formal and polite.",
        "Keep it formal.",
    ],
    "casual": [
        "Use a casual tone.",
        "Be casual and friendly.",
        "Sound relaxed and friendly.",
        "Write in a casual voice.",
        "The tone is casual.",
        "Casual tone.",
        "Keep it casual.",
        "Sound casual and friendly.",
        "Be relaxed and casual.",
    ],
}
LABEL_FORMS = {"bare": "{l}", "key": "{K}: {l}", "brackets": "[{l}]", "upper": "{u}", "hash": "#{l}"}
LABEL_SAY = {
    "bare": "the {k}",
    "key": "the {k} in the form '{K}: x'",
    "brackets": "the {k} in square brackets",
    "upper": "the {k} in capital letters",
    "hash": "a # and the {k}",
}
ORDERS = ["label", "greeting"]


@dataclass(frozen=True)
class House:
    """The fixed strings of one company."""

    greeting: str
    call: str
    sign_off: str
    closing: str


class Reply:
    """Reply in fixed lines; in mode 'fact' the answer needs a passage, in mode 'topic' it is the desk's own sentence."""

    kind = "reply"

    def __init__(
        self,
        world: w.World,
        parts: list[str] | None = None,
        mode: str | None = None,
        scheme: w.Scheme | None = None,
        products: int = 6,
        tone: str | None = None,
        label_form: str | None = None,
    ) -> None:
        self.world, r = world, world.random
        self.mode = mode or world.weighted({"fact": 55, "topic": 45})
        self.factual = self.mode == "fact"
        self.scheme = scheme or w.Scheme(world, kind=self.mode)
        self.shelf = Shelf(world, products)
        brand = world.brand()
        self.nameless = world.chance(0.3)
        greeting = r.choice(v.NAMELESS_GREETINGS if self.nameless else v.GREETINGS)
        if self.nameless and "{n}" in greeting:
            greeting = "Hello,"
        self.house = House(
            greeting,
            world.call_to_action(),
            world.pick(v.SIGN_OFFS, b=brand, n=r.choice(v.NAMES)),
            world.call_to_action(),
        )
        self.parts, self.tone, self.label_form = self._combination(parts, tone, label_form)
        self.key = r.choice(["team", "label", "category", "code", "queue", "tag"])
        self.joined = len(self.parts) > 1 and parts is None and world.chance(0.12)
        self.vague = world.own(VAGUE_DO)
        self.brief = self._brief(brand)

    def _combination(
        self, parts: list[str] | None, tone: str | None, label_form: str | None
    ) -> tuple[list[str], str, str]:
        """Draw parts, tone and form of the label; combinations are kept for tests as whole strings are."""
        world = self.world

        def draw() -> str:
            chosen = parts or self._parts()
            voice = tone or (
                world.weighted({"neutral": 46, "formal": 27, "casual": 27}) if self.mode == "topic" else "neutral"
            )
            form = label_form or world.weighted({"bare": 40, "key": 20, "brackets": 18, "upper": 14, "hash": 8})
            # what the reply does not have must not tell two combinations apart
            return "|".join(
                [
                    " ".join(chosen),
                    voice,
                    form if "label" in chosen else "bare",
                    "nameless" if self.nameless and "greeting" in chosen else "named",
                ]
            )

        chosen = (draw() if parts else world.fresh(draw)).split("|")
        return chosen[0].split(" "), chosen[1], chosen[2]

    def _parts(self) -> list[str]:
        r = self.world.random
        chosen = r.sample(["label", "greeting", "call", "sign", "closing"], r.choice([0, 1, 1, 2, 2, 3, 3, 4]))
        head = [x for x in chosen if x in ("label", "greeting")]
        r.shuffle(head)
        parts = [*head, "answer", *(x for x in ("call", "sign", "closing") if x in chosen)]
        if "label" in parts and r.random() < 0.2:
            parts.remove("label")
            parts.append("label")
        return parts

    def _brief(self, brand: str) -> Brief:
        world, r, house = self.world, self.world.random, self.house
        quote = r.choice(["'{x}'", '"{x}"', "'{x}'"])
        label = LABEL_SAY[self.label_form].format(k=self.key, K=self.key.capitalize())
        named = r.choice(["NAME", "NAME", "{name}", "<name>", "[name]"])
        greeting = quote.format(x=house.greeting.format(n=named))
        if not self.nameless:
            greeting = r.choice(
                [
                    "the greeting {g}",
                    "{g} with the name of the customer",
                    "{g}",
                    "the greeting {g}, with the customer's name",
                ]
            ).format(g=greeting)
        say = {
            "label": label,
            "greeting": f"the greeting {greeting}" if self.nameless else greeting,
            "answer": r.choice(
                [
                    "one sentence that answers the customer",
                    "one sentence with the answer",
                    "the answer in one sentence",
                    "a single sentence that answers",
                    "one short sentence that helps the customer",
                ]
            ),
            "call": f"the sentence {quote.format(x=house.call)}",
            "sign": r.choice(["the words {x}", "the sign-off {x}", "{x}"]).format(x=quote.format(x=house.sign_off)),
            "closing": r.choice(["the sentence {x}", "exactly {x}"]).format(x=quote.format(x=house.closing)),
        }
        rules = [world.own(TONE_SAY[self.tone])] if self.tone != "neutral" else []
        if self.nameless and world.chance(0.7):
            rules.append(
                r.choice(
                    [
                        "Do not use the customer's name.",
                        "No customer name.",
                        "Never mention the name of the customer.",
                        "Leave out the name.",
                    ]
                )
            )
        if world.chance(0.25):
            rules.append(
                r.choice(
                    [
                        "Add nothing else.",
                        "No other text.",
                        "No explanations.",
                        "Nothing before or after.",
                        "Keep the fixed sentences exactly as given.",
                        "Do not promise anything else.",
                    ]
                )
            )
        form: tuple[str, ...] = ()
        lines = tuple(say[p] for p in self.parts)
        if self.joined:
            form, lines = (
                (
                    f"Write one paragraph: first {say[self.parts[0]]}, "
                    + "".join(f"then {say[p]}, " for p in self.parts[1:-1])
                    + f"and last {say[self.parts[-1]]}.",
                ),
                (),
            )
        elif self.parts[-1] in ("call", "sign", "closing") and world.chance(0.25):
            last = {"call": house.call, "sign": house.sign_off, "closing": house.closing}[self.parts[-1]]
            rules.append(
                r.choice(["Always end with {x}.", "The last line is {x}.", "End every reply with {x}."]).format(
                    x=quote.format(x=last)
                )
            )
        scheme = self.scheme
        labels = tuple((scheme.label[c], scheme.meaning[c]) for c in scheme.order) if "label" in self.parts else ()
        return Brief(
            goal=world.own(GOALS),
            labels=labels,
            label_word=self.key,
            form=form,
            lines=lines,
            rules=tuple(rules),
            brand=brand,
        )

    def item(self, avoid: Collection[int] = (), category: str | None = None, plain: bool = False) -> Item:
        """Draw a message with its reply."""
        world, r = self.world, self.world.random
        chosen = category or r.choice(self.scheme.categories)
        name = r.choice(v.NAMES) if "greeting" in self.parts or world.chance(0.3) else None
        value: str | None = None
        if self.mode == "fact":
            message, value = self.shelf.ask(avoid, chosen, name, plain)
            sentence = generic = FACTS[chosen]["answer"].format(p=message.product, v=value)
            unknown = self.compose(v.UNKNOWN, chosen, name)
        else:
            while True:
                message = world.message("topic", chosen, avoid=avoid, extras=w.Extras(name=name))
                if message.product in message.text or "{p}" not in TOPICS[chosen]["replies"][0]:
                    break
                if (
                    message.core[2] >= 0
                    and "{p}" not in TOPICS[chosen]["messages"][message.core[2]]
                    and world.chance(0.9)
                ):
                    continue
            replies = TOPICS[chosen]["replies"]
            sentence = replies[["neutral", "formal", "casual"].index(self.tone)].format(p=message.product)
            generic, unknown = replies[0].format(p=message.product), None
        lines = self.lines(sentence, chosen, name)
        return Item(
            message=message.text,
            answer=self.join(lines),
            generic=generic,
            product=message.product,
            core=message.core,
            held_back=message.held_back,
            convention=self._label(chosen) if "label" in self.parts else None,
            value=value,
            unknown=unknown,
            lines=lines,
        )

    def _label(self, category: str) -> str:
        label = self.scheme.label[category]
        return label.upper() if self.label_form == "upper" else label

    def lines(self, sentence: str, category: str, name: str | None) -> tuple[str, ...]:
        """Return the lines of a reply around its answering sentence."""
        label = self.scheme.label[category]
        text = {
            "label": LABEL_FORMS[self.label_form].format(l=label, u=label.upper(), K=self.key.capitalize()),
            "greeting": self.house.greeting.format(n=name or ""),
            "answer": sentence,
            "call": self.house.call,
            "sign": self.house.sign_off,
            "closing": self.house.closing,
        }
        return tuple(text[p] for p in self.parts)

    def join(self, lines: Collection[str]) -> str:
        """Put lines together: below one another, or as one paragraph."""
        return (" " if self.joined else "\n").join(lines)

    def compose(self, sentence: str, category: str, name: str | None) -> str:
        """Write the whole reply."""
        return self.join(self.lines(sentence, category, name))

    def told(self, item: Item, seen: Collection[str], explicit: bool, meanings: bool) -> bool:
        """Return whether the label can be inferred."""
        return "label" not in self.parts or item.convention in seen or (explicit and (meanings or self.scheme.natural))

    def passages(self, item: Item, others: int, gold: bool = True) -> list[str]:
        """Return passages about the product and others."""
        return self.shelf.passages(item.product, item.core[1], others, gold) if self.factual else []
