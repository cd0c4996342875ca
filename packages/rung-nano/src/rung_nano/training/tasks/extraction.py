"""Extraction: fields of a message as JSON, lines or a row, with the conventions of the house."""

from collections.abc import Collection

from rung_nano.training import world as w
from rung_nano.training.tasks.job import Item
from rung_nano.training.vocabulary import CITIES, NAMES
from rung_nano.training.vocabulary_topics import TOPICS
from rung_nano.training.wording import VAGUE_WHAT, Brief

KEYS = {
    "customer": ["customer", "name", "client", "from", "sender", "customer_name", "person", "buyer"],
    "product": ["product", "item", "article", "product_name", "goods", "thing"],
    "order": ["order", "order_number", "order_id", "reference", "ref", "order_no"],
    "city": ["city", "place", "town", "location", "customer_city", "where"],
    "urgency": ["urgency", "priority", "speed", "level", "prio"],
}
GOALS = [
    "Extract the data from the message.",
    "Read the message and note the data.",
    "Pull the facts out of the message.",
    "Fill in the fields from the customer message.",
    "Turn the message into a record.",
    "Note the details of the message.",
    "Collect the fields below.",
    "Extract these fields.",
    "Convert the message to structured data.",
]
JSON_SAY = [
    "Return JSON with the keys {k}.",
    "Answer as JSON. Keys: {k}.",
    "Write one JSON object with {k}.",
    "Output: a JSON object with exactly these keys: {k}.",
    "Only JSON, with the keys {k} in this order.",
]
LINE_SAY = [
    "Write one line for each key: {k}.",
    "One line per field, as 'key: value': {k}.",
    "List {k}, each on its own line.",
]
PIPE_SAY = [
    "Write {k}, divided by |.",
    "One row with {k}, separated by ' | '.",
    "Give {k} in one line with | between them.",
]
PREFIXES = ["#", "no. ", "A-", "ID", "ord-", "nr ", "Z", "REF", "x-", "B/", "O:", "K", "no ", "Nr.", "P-", "%"]
URGENCY_RULE = "[For urgent messages write|Urgent is] {h}, [otherwise|else|if it can wait] {l}."
MISSING = ["none", "null", "-", "unknown", "n/a", "missing"]


class Extraction:
    """Extract fields under given keys; `private` conventions (prefix, codes for urgency) are told by examples or by a rule."""

    kind, factual = "extraction", False

    def __init__(
        self, world: w.World, fields: list[str] | None = None, form: str | None = None, private: bool | None = None
    ) -> None:
        self.world, r = world, world.random
        # sets of keys are kept for tests as whole strings are
        chosen = world.fresh(
            lambda: ",".join(f"{f}={r.choice(KEYS[f])}" for f in fields or r.sample(list(KEYS), r.randint(2, 4)))
        )
        self.key = dict(pair.split("=") for pair in chosen.split(","))
        self.fields = list(self.key)
        self.form = form or world.weighted({"json": 64, "lines": 18, "pipe": 18})
        self.private = world.chance(0.5) if private is None else private
        self.urgency = world.codes(2) if self.private else ["high", "low"]
        self.prefix = r.choice(PREFIXES) if self.private else ""
        self.upper = self.private and world.chance(0.2)
        self.missing = r.choice(MISSING) if form is None and world.chance(0.25) else None
        self.vague = world.own(VAGUE_WHAT)
        names = w.join(
            [f'"{self.key[f]}"' if self.form == "json" and world.chance(0.5) else self.key[f] for f in self.fields],
            "and",
        )
        rules = list[str]()
        self.explained = self.private and form is None and world.chance(0.35)
        if "urgency" in self.fields and (self.explained or not self.private):
            rules.append(
                world.say(
                    URGENCY_RULE,
                    h=self.urgency[0],
                    l=self.urgency[1],
                )
            )
        if self.explained and "order" in self.fields and self.prefix:
            rules.append(
                world.say("[Write the order number with|Put] '{x}' [in front|before the order number].", x=self.prefix)
            )
        if self.explained and self.upper and "customer" in self.fields:
            rules.append("Write the name of the customer in capital letters.")
        if self.missing:
            rules.append(
                world.say(
                    "[If a field is missing, write|Missing values are|Use for unknown fields:] {m}.", m=self.missing
                )
            )
        say = {"json": JSON_SAY, "lines": LINE_SAY, "pipe": PIPE_SAY}[self.form]
        self.brief = Brief(
            goal=world.own(GOALS), form=(world.own(say).format(k=names),), rules=tuple(rules), brand=world.brand()
        )

    def item(self, avoid: Collection[int] = (), category: str | None = None, plain: bool = False) -> Item:
        """Draw a message with its record."""
        world, r = self.world, self.world.random
        topic = category or r.choice(list(TOPICS))
        name, city, order = r.choice(NAMES), r.choice(CITIES), str(r.randint(1000, 99999))
        absent = r.choice(self.fields) if self.missing and world.chance(0.4) else None
        absent = None if absent in ("product", "urgency") else absent
        urgent = world.chance(0.5)
        while True:
            message = world.message(
                "topic",
                topic,
                avoid=avoid,
                extras=w.Extras(
                    name=None if absent == "customer" else name,
                    order=order if absent != "order" and ("order" in self.fields or world.chance(0.3)) else None,
                    city=city if absent != "city" and "city" in self.fields else None,
                    urgent=urgent if "urgency" in self.fields else None,
                ),
            )
            if "product" not in self.fields or message.product in message.text:
                break
        code = self.urgency[0 if urgent else 1]
        values = {
            "customer": name.upper() if self.upper else name,
            "product": message.product,
            "order": self.prefix + order,
            "city": city,
            "urgency": code,
        }
        record: dict[str, str | None] = {self.key[f]: (self.missing if f == absent else values[f]) for f in self.fields}
        if self.form == "json":
            answer = w.as_json({k: None if v == "null" else v for k, v in record.items()})
        else:
            answer = (
                "\n".join(f"{k}: {v}" for k, v in record.items())
                if self.form == "lines"
                else " | ".join(str(v) for v in record.values())
            )
        about = r.choice(w.meanings("topic", topic))
        return Item(
            message=message.text,
            answer=answer,
            generic=f"The message is about {about}.",
            product=message.product,
            core=message.core,
            held_back=message.held_back,
            convention=code if "urgency" in self.fields else "record",
            fields=record,
        )

    def told(self, item: Item, seen: Collection[str], explicit: bool, meanings: bool) -> bool:
        """Return whether prefix and codes can be inferred."""
        if not self.private or (explicit and self.explained):
            return True
        return item.convention in seen

    def passages(self, item: Item, others: int, gold: bool = True) -> list[str]:
        """Return nothing: extraction needs no passages."""
        return []
