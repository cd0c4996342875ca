"""Draw the rows of the shipped examples from the held-out side of the invented world.

    python -m rung_nano.training.examples            writes rows.jsonl below rung_nano/examples/*/

Brands, fixed sentences and half of the customers' wordings are never seen in training, so that an example asks the embedded
model for what it was trained to do, on words that it was not trained on.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from rung_nano import EXAMPLES
from rung_nano.training.tasks.extraction import Extraction
from rung_nano.training.tasks.job import Item, Job
from rung_nano.training.tasks.questions import Questions
from rung_nano.training.tasks.reply import Reply
from rung_nano.training.world import LETTERS, Scheme, World

GOODS = {
    "kettle": "power capacity material", "lamp": "power colour size", "heater": "power size weight", "blender": "power capacity",
    "speaker": "battery water colour", "monitor": "size power", "backpack": "capacity water material", "camera": "battery water weight",
    "drone": "battery weight size", "fan": "power size", "headset": "battery weight colour", "mixer": "power capacity weight",
    "oven": "power capacity size", "printer": "power size weight", "radio": "battery size", "router": "power size",
    "scooter": "battery weight colour", "tablet": "battery size weight", "tent": "water size weight", "toaster": "power colour",
    "vacuum": "battery capacity weight", "watch": "battery water material", "desk": "material size colour", "chair": "material weight colour",
    "kayak": "size weight capacity", "bottle": "capacity material colour", "sofa": "size colour material", "suitcase": "capacity weight size",
    "phone": "battery water size", "laptop": "battery size weight", "coffee-maker": "power capacity colour", "freezer": "power capacity size",
    "fridge": "power capacity size", "dishwasher": "power size weight", "projector": "power size weight", "stroller": "weight size colour",
}  # fmt: skip
"""What the catalogue's shop sells, and which facts of a thing make sense beside those that all goods have."""
SLIPS = re.compile(r"[Hh]ow much (goes into the [^?]* hold|does the ((?!hold|weigh|cost)[^?])*)\?")
"""Wordings of the world's generator that are not quite English."""
COMMON = ["price", "warranty", "returns", "shiptime", "origin", "fee", "partno", "hours"]


def brand_voice(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Messages and the replies of one house: greeting, one sentence of the desk, call to action, sign-off."""
    world = World(seed, "test")
    yield from _replies(
        "m", rows, lambda: _form(world, ["greeting", "answer", "call", "sign"], Scheme(world, "topic", 6, natural=True))
    )


def ticket_replies(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Messages about twelve topics and complete replies: the desk's private code of the topic, then the lines of the house."""
    world = World(seed, "test")
    scheme = Scheme(world, "topic", 12, natural=False)
    yield from _replies(
        "t", rows, lambda: _form(world, ["label", "greeting", "answer", "call", "sign"], scheme, "bare")
    )


def desk_codes(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Messages about three topics and replies that begin with the private code of the topic, then answer it and ask for something."""
    world = World(seed, "test")
    scheme = Scheme(world, "topic", 3, natural=False)
    yield from _replies("d", rows, lambda: _form(world, ["label", "answer", "call"], scheme, "bare"))


def order_notes(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Messages and the record that the desk keeps of each: customer, order number and urgency as JSON."""
    return _records("n", rows, seed, private=False)


def house_records(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Messages and records with the conventions of one house: a prefix before order numbers, code words for urgency."""
    return _records("r", rows, seed, private=True)


def _form(world: World, parts: list[str], scheme: Scheme, label_form: str | None = None) -> Reply:
    return Reply(world, parts, "topic", scheme, tone="neutral", label_form=label_form)


def _replies(mark: str, rows: int, draw: Callable[[], Reply]) -> Iterator[dict[str, str]]:
    """Draw a house that greets by name and writes its lines below one another, then its messages and replies."""
    job = draw()
    while job.nameless or job.joined:
        job = draw()
    for number, item in enumerate(_different(job, rows), 1):
        yield {"id": f"{mark}{number:04d}", "message": item.message, "reply": item.answer}


def _records(mark: str, rows: int, seed: int, *, private: bool) -> Iterator[dict[str, str]]:
    job = Extraction(World(seed, "test"), ["customer", "order", "urgency"], "json", private=private)
    for number, item in enumerate(_different(job, rows), 1):
        yield {"id": f"{mark}{number:04d}", "message": item.message, "record": item.answer}


def catalogue(rows: int, seed: int, documents: Path) -> Iterator[dict[str, str]]:
    """Questions about 100 products and their answers; the facts stand in one Markdown file a product and nowhere else."""
    job = Questions(World(seed, "test"), 1, form="sentence", cite=False)
    shelf = job.shelf.catalogue
    shelf.facts = dict(_goods(job.world, 100))
    drawn = [
        {"id": f"q{number:04d}", "question": item.message, "answer": item.answer, "product": item.product}
        for number, item in enumerate(_different(job, rows), 1)
    ]
    shutil.rmtree(documents, ignore_errors=True)
    documents.mkdir(parents=True)
    for product in shelf.products:
        text = f"# {product}\n\n{shelf.passage(product, list(shelf.facts[product]))}\n"
        (documents / f"{product.lower().replace(' ', '-')}.md").write_text(text, encoding="utf-8")
    yield from drawn


def _goods(world: World, count: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Invent products of a few brands with four to six facts each that such a product can have."""
    r, seen = world.random, set[str]()
    brands = [world.brand() for _ in range(9)]
    while len(seen) < count:
        noun = r.choice(list(GOODS))
        model = r.choice(["", "", "", "Pro ", "Mini ", "Max ", f"{r.randint(2, 9)}0 "])
        product = f"{r.choice(brands)} {model}{noun.replace('-', ' ')}"
        if product in seen:
            continue
        seen.add(product)
        own = GOODS[noun].split(" ")
        chosen = [*r.sample(own, r.randint(2, len(own))), *r.sample(COMMON, r.randint(2, 4))]
        yield product, {a: _sensible(world, a, noun) for a in r.sample(chosen, len(chosen))}


LITRES = {
    "fridge": (90, 340),
    "freezer": (60, 280),
    "oven": (40, 75),
    "backpack": (12, 45),
    "suitcase": (30, 95),
    "kayak": (60, 140),
}


def _sensible(world: World, attribute: str, noun: str) -> str:
    """Invent a value that a buyer would believe; what is not listed here is drawn as in training."""
    r = world.random
    values = {
        "price": f"{r.randint(19, 389)}{r.choice(['', '', '.50', '.90'])} euros",
        "warranty": r.choice(["12 months", "18 months", "24 months", "36 months", "2 years", "3 years", "5 years"]),
        "weight": r.choice([f"{r.randint(1, 9)}.{r.randint(1, 9)} kilograms", f"{r.randint(12, 95)}0 grams"]),
        "battery": f"{r.randint(4, 36)} hours",
        "returns": r.choice(["14 days", "21 days", "30 days", "45 days", "60 days", "90 days"]),
        "shiptime": r.choice([f"{r.randint(2, 9)} working days", f"{r.randint(2, 6)} days", "24 hours", "48 hours", "2 weeks"]),
        "size": f"{r.randint(15, 95)} by {r.randint(10, 60)} cm",
        "capacity": f"{r.randint(*LITRES[noun])} litres" if noun in LITRES else f"{r.randint(0, 3)}.{r.randint(2, 9)} litres",
        "power": f"{r.randint(3, 180)}0 watts",
        "fee": r.choice([f"{r.randint(2, 9)} euros", f"{r.randint(2, 9)}.{r.choice(['50', '90', '95'])} euros"]),
        "partno": f"{''.join(r.sample(LETTERS, 2))}-{r.randint(100, 999)}",
        "water": r.choice([f"up to {r.randint(2, 9)} metres", f"up to {r.choice([20, 30, 45, 60])} minutes"]),
    }  # fmt: skip
    return values.get(attribute) or world.value(attribute)


def _different(job: Job, rows: int) -> Iterator[Item]:
    seen: set[str] = set()
    while len(seen) < rows:
        item = job.item()
        if item.message not in seen and not SLIPS.search(item.message):
            seen.add(item.message)
            yield item


def main() -> None:
    """Write the files of all examples."""
    drawn = {
        "brand-voice": brand_voice(1400, 41),
        "order-notes": order_notes(1200, 43),
        "house-records": house_records(1300, 67),
        "desk-codes": desk_codes(1200, 79),
        "ticket-replies": ticket_replies(1300, 71),
        "catalogue": catalogue(900, 53, EXAMPLES / "catalogue" / "documents"),
    }
    for name, rows in drawn.items():
        (EXAMPLES / name).mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (EXAMPLES / name / "rows.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
