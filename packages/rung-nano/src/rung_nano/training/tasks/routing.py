"""Routing: one label a message, with natural names or private codes."""

from collections.abc import Collection

from rung_nano.training import world as w
from rung_nano.training.tasks.job import Item
from rung_nano.training.vocabulary import CLOSINGS, TONE_OPENINGS
from rung_nano.training.wording import VAGUE_WHAT, Brief

KEYS = ["team", "label", "category", "code", "queue", "class", "department", "topic", "intent", "desk", "group"]
FORMS = {
    "bare": "{l}",
    "key": "{K}: {l}",
    "brackets": "[{l}]",
    "json": '{{"{k}": "{l}"}}',
    "arrow": "-> {l}",
    "stop": "{l}.",
    "upper": "{l}",
    "quotes": '"{l}"',
}
SAY = {
    "bare": [
        "Answer with the {k} only.",
        "Write only the {k}.",
        "Reply with the {k} and nothing else.",
        "One {k}, no other text.",
        "Output just the {k}, no explanation.",
        "Return the {k} exactly as listed.",
    ],
    "key": [
        "Answer in the form '{K}: x'.",
        "Write '{K}:' and then the {k}.",
        "Format: {K}: <{k}>",
        "The answer looks like this: {K}: x",
    ],
    "brackets": ["Put the {k} in square brackets.", "Write the {k} in square brackets, like [x].", "Format: [{k}]"],
    "json": [
        'Answer as JSON with the key "{k}".',
        'Return a JSON object with one key, "{k}".',
        'Format: {{"{k}": "..."}}',
    ],
    "arrow": ["Answer with an arrow '->' and the {k}.", "Write '->' before the {k}."],
    "stop": ["Answer with the {k} and a full stop.", "Write the {k}, then a full stop."],
    "upper": [
        "Write the {k} in capital letters.",
        "Use upper case for the {k}.",
        "Answer with the {k} only, in CAPITALS.",
    ],
    "quotes": ["Put the {k} in double quotes.", 'Write the {k} in quotes, like "x".'],
}
GOALS = [
    "Assign the message to one {k}.",
    "Classify the customer message.",
    "Which {k} fits the message?",
    "Choose the right {k} for the message.",
    "Sort the message into one {k}.",
    "Decide which {k} the message belongs to.",
    "Read the message and name its {k}.",
    "Route the message to one {k}.",
    "Pick the {k} of each message.",
    "Label the customer message.",
    "Find the {k} for this text.",
    "Your task is to assign one {k} to each message.",
    "Determine the correct {k}.",
    "Route each ticket to the right {k}.",
]
ONE_ONLY = [
    "Choose exactly one {k}.",
    "Never answer with more than one {k}.",
    "Do not explain your choice.",
    "Use no other words.",
    "Do not add any text before or after the {k}.",
    "If two fit, take the main concern.",
    "Spell the {k} exactly as given.",
    "Ignore greetings and small talk.",
    "Look at what the customer wants, not at the tone.",
]
NONE_FITS = [
    "If none fits, answer {l}.",
    "Use {l} if nothing else fits.",
    "When no {k} fits, write {l}.",
    "Anything else: {l}.",
]
OVERRIDE = {
    "angry": [
        "If the customer is angry, use {l}.",
        "Angry messages go to {l}, whatever they are about.",
        "Use {l} whenever the tone is rude.",
    ],
    "urgent": [
        "If it is urgent, use {l}.",
        "Urgent messages go to {l}, whatever they are about.",
        "Use {l} when the customer needs an answer at once.",
    ],
}


class Routing:
    """Assign a message to one label of a scheme."""

    kind, factual = "routing", False

    def __init__(
        self, world: w.World, scheme: w.Scheme | None = None, form: str | None = None, extras: bool = True
    ) -> None:
        self.world, r = world, world.random
        self.scheme = scheme or w.Scheme(world)
        self.key = r.choice(KEYS)
        self.form = form or world.weighted(
            {"bare": 56, "key": 12, "brackets": 6, "json": 8, "arrow": 5, "stop": 4, "upper": 5, "quotes": 4}
        )
        self.vague = world.own(VAGUE_WHAT)
        private = not self.scheme.natural
        self.other = (
            (world.codes(1)[0] if private else r.choice(["other", "Other", "General", "none"]))
            if extras and world.chance(0.12)
            else None
        )
        self.override = (
            r.choice(list(OVERRIDE)) if extras and self.scheme.kind in ("topic", "fact") and world.chance(0.1) else None
        )
        self.special = (
            (world.codes(1)[0] if private else r.choice(["Escalation", "Manager", "Priority", "escalate"]))
            if self.override
            else ""
        )
        rules = list[str]()
        if self.override:
            rules.append(world.own(OVERRIDE[self.override]).format(l=self.special))
        if self.other:
            rules.append(world.own(NONE_FITS).format(l=self.other, k=self.key))
        for rule in r.sample(ONE_ONLY, r.choice([0, 0, 1, 2])):
            rules.append(rule.format(k=self.key))
        say = world.own(SAY[self.form]).format(k=self.key, K=self.key.capitalize())
        self.brief = Brief(
            goal=world.own(GOALS).format(k=self.key),
            labels=tuple((self.scheme.label[c], self.scheme.meaning[c]) for c in self.scheme.order),
            label_word=self.key if world.chance(0.6) else "label",
            form=(say,),
            rules=tuple(rules),
            brand=world.brand(),
        )

    def write(self, label: str) -> str:
        """Write a label in the form asked for."""
        text = FORMS[self.form].format(l=label, k=self.key, K=self.key.capitalize())
        return text.upper() if self.form == "upper" else text

    def item(self, avoid: Collection[int] = (), category: str | None = None, plain: bool = False) -> Item:
        """Draw a message with its label."""
        world, scheme = self.world, self.scheme
        rest = [c for c in w.categories(scheme.kind) if c not in scheme.categories]
        stray = self.other is not None and category is None and bool(rest) and world.chance(0.2)
        chosen = world.random.choice(rest) if stray else category or world.random.choice(scheme.categories)
        plain = plain and scheme.kind in ("topic", "fact")
        message = world.message(scheme.kind, chosen, avoid=avoid, extras=w.Extras(plain=plain))
        text = message.text
        label = self.other if stray and self.other else scheme.label.get(chosen, "")
        if self.override and not plain and category is None and world.chance(0.25) and message.core[1] != "praise":
            label = self.special
            text = (
                f"{text} {world.pick(CLOSINGS['urgent'])}"
                if self.override == "urgent"
                else f"{world.pick(TONE_OPENINGS['angry'])} {text}"
            )
        answer = self.write(label)
        about = world.random.choice(w.meanings(message.core[0], message.core[1]))
        return Item(
            message=text,
            answer=answer,
            generic=f"The message is about {about}.",
            product=message.product,
            core=message.core,
            held_back=message.held_back,
            convention=label.upper() if self.form == "upper" else label,
        )

    def told(self, item: Item, seen: Collection[str], explicit: bool, meanings: bool) -> bool:
        """Return whether the label can be inferred."""
        rules = {x.upper() for x in (self.other, self.special) if x}
        return item.convention in seen or (
            explicit and (meanings or self.scheme.natural or str(item.convention).upper() in rules)
        )

    def passages(self, item: Item, others: int, gold: bool = True) -> list[str]:
        """Return nothing: routing needs no passages."""
        return []
