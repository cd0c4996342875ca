"""A small invented catalogue with questions, and a fake model that can answer only from the right passage."""

from __future__ import annotations

import random

from rung.models.fake import FakeModel, KnownRow
from rung.testing.document_index import PlainDocumentIndex
from rung.testing.kit import BareKit
from rung.types import Example, MetricSpec, ModelCard, Task

NAMES = """Alder Birch Cedar Damson Elder Fennel Garnet Hazel Indigo Juniper Kestrel Lupin Maple Nettle Orchid Poplar
Quince Rowan Sorrel Teasel""".split()
THINGS = ("kettle", "lamp", "toaster")
READS = r"The {product} costs (\d+) euros"


def catalogue() -> dict[str, int]:
    draw = random.Random("catalogue")
    return {f"{name} {thing}": draw.randrange(11, 990) for name in NAMES for thing in THINGS}


def document_index(prices: dict[str, int] | None = None, **settings: object) -> PlainDocumentIndex:
    texts = {
        f"{name.lower().replace(' ', '-')}.md": f"# {name}\n\nIt is one of our own. The {name} costs {price} euros. It ships at once."
        for name, price in (prices or catalogue()).items()
    }
    return PlainDocumentIndex(texts, **settings)


def task(**changes: object) -> Task:
    settings = {
        "name": "prices",
        "instruction": "Answer the question.",
        "inputs": ("question", "product"),
        "target": "answer",
        "kind": "knowledge",
        "metrics": (MetricSpec("normalized_match"),),
        "goal": 0.9,
        **changes,
    }
    return Task(**settings)


def rows(count: int, name: str) -> tuple[Example, ...]:
    draw = random.Random(name)
    prices = catalogue()
    found = []
    for i in range(count):
        product = draw.choice(list(prices))
        greeting = draw.choice(("Hello there.", "Hi.", "Good morning to you all.", "Dear team."))
        text = f"{greeting} I write for the {i}. time. What do you ask for the {product}?"
        found.append(Example(f"{name}{i}", {"question": text, "product": product}, str(prices[product]), f"{name}{i}"))
    return tuple(found)


def kit(
    examples: tuple[Example, ...], documents: PlainDocumentIndex | None, context: int | None = None, **fake: object
) -> BareKit:
    known = tuple(KnownRow(inputs=dict(e.inputs), answer=e.target) for e in examples)
    model = FakeModel.model_validate({"answers": known, "reads": READS, "context": context, **fake})
    card = ModelCard("main", "fake", "fake", context, 20)
    return BareKit(task(), model.connect(), card, documents=documents)
