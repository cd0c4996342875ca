"""Summaries in fixed lines: who writes, what is wrong, what is wanted, how urgent it is."""

from collections.abc import Collection

from rung_nano.training import world as w
from rung_nano.training.tasks.job import Item
from rung_nano.training.vocabulary import NAMES
from rung_nano.training.vocabulary_topics import ACTIONS, ISSUES
from rung_nano.training.wording import VAGUE_WHAT, Brief

PARTS = {
    "who": ["who writes and about what", "the customer and the product", "name and product"],
    "issue": ["what the problem is", "the issue", "what it is about"],
    "wanted": ["what we should do", "what is wanted", "the next action"],
    "urgency": ["whether it is urgent", "how urgent it is", "the urgency"],
}
LABELS = {
    "who": ["Customer", "From", "Who"],
    "issue": ["Problem", "Issue", "Topic"],
    "wanted": ["Action", "To do", "Wanted"],
    "urgency": ["Urgency", "Priority"],
}
GOALS = [
    "Summarise the message.",
    "Sum up the message in a few lines.",
    "Write a short summary for the team.",
    "Summarise the customer message for a colleague.",
    "Make a summary of the ticket.",
    "Condense the message.",
]


class Summary:
    """Summarise a message in two to four lines."""

    kind, factual = "summary", False

    def __init__(self, world: w.World, parts: list[str] | None = None, titled: bool | None = None) -> None:
        self.world, r = world, world.random
        if parts is None:
            parts = r.choices(
                [["who", "issue", "wanted"], r.sample(list(PARTS), 3), r.sample(list(PARTS), r.choice([2, 4]))],
                [4, 4, 3],
            )[0]
        self.parts = parts
        self.titled = world.chance(0.5) if titled is None else titled
        self.title = {p: r.choice(LABELS[p]) for p in parts}
        self.vague = world.own(VAGUE_WHAT)
        lines = tuple(r.choice(PARTS[p]) + (f", as '{self.title[p]}: x'" if self.titled else "") for p in parts)
        self.brief = Brief(goal=world.own(GOALS), lines=lines, brand=world.brand())

    def item(self, avoid: Collection[int] = (), category: str | None = None, plain: bool = False) -> Item:
        """Draw a message with its summary."""
        world, r = self.world, self.world.random
        topic = category or r.choice(list(ISSUES))
        name, urgent = r.choice(NAMES), world.chance(0.5)
        while True:
            message = world.message(
                "topic",
                topic,
                avoid=avoid,
                extras=w.Extras(name=name, urgent=urgent if "urgency" in self.parts else None),
            )
            if message.product in message.text or "who" not in self.parts or topic in ("login", "address"):
                break
        product = message.product if message.product in message.text else ""
        text = {
            "who": (f"{name}, {product}" if self.titled else f"{name} writes about the {product}.")
            if product
            else (name if self.titled else f"{name} writes to us."),
            "issue": ISSUES[topic] if self.titled else ISSUES[topic].capitalize() + ".",
            "wanted": ACTIONS[topic] if self.titled else f"We should {ACTIONS[topic]}.",
            "urgency": ("high" if urgent else "low")
            if self.titled
            else ("It is urgent." if urgent else "It can wait."),
        }
        lines = tuple((f"{self.title[p]}: " if self.titled else "") + text[p] for p in self.parts)
        about = r.choice(w.meanings("topic", topic))
        return Item(
            message=message.text,
            answer="\n".join(lines),
            generic=f"The message is about {about}.",
            product=message.product,
            core=message.core,
            held_back=message.held_back,
            lines=lines,
        )

    def told(self, item: Item, seen: Collection[str], explicit: bool, meanings: bool) -> bool:
        """Return True: the lines speak for themselves."""
        return True

    def passages(self, item: Item, others: int, gold: bool = True) -> list[str]:
        """Return nothing: summaries need no passages."""
        return []
