"""Draw the rows of the shipped examples from the held-out side of the invented world.

    python -m training.nano.examples            writes rows.jsonl below src/rung/examples/*/

Brands, fixed sentences and half of the customers' wordings are never seen in training, so that an example asks the embedded
model for what it was trained to do, on words that it was not trained on.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from training.nano.tasks.extraction import Extraction
from training.nano.tasks.job import Item, Job
from training.nano.tasks.questions import Questions
from training.nano.tasks.reply import Reply
from training.nano.world import Scheme, World

FOLDER = Path(__file__).parents[2] / "src" / "rung" / "examples"


def brand_voice(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Messages and the replies of one house: greeting, one sentence of the desk, call to action, sign-off."""
    world = World(seed, "test")
    job = Reply(
        world, ["greeting", "answer", "call", "sign"], "topic", Scheme(world, "topic", 6, natural=True), tone="neutral"
    )
    while job.nameless or job.joined:
        job = Reply(
            world,
            ["greeting", "answer", "call", "sign"],
            "topic",
            Scheme(world, "topic", 6, natural=True),
            tone="neutral",
        )
    for number, item in enumerate(_different(job, rows), 1):
        yield {"id": f"m{number:04d}", "message": item.message, "reply": item.answer}


def order_notes(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Messages and the record that the desk keeps of each: customer, order number and urgency as JSON."""
    job = Extraction(World(seed, "test"), ["customer", "order", "urgency"], "json", private=False)
    for number, item in enumerate(_different(job, rows), 1):
        yield {"id": f"n{number:04d}", "message": item.message, "record": item.answer}


def catalogue(rows: int, seed: int, documents: Path) -> Iterator[dict[str, str]]:
    """Questions about 60 products and their answers; the facts stand in one Markdown file a product and nowhere else."""
    job = Questions(World(seed, "test"), 60, form="sentence", cite=False)
    drawn = [
        {"id": f"q{number:04d}", "question": item.message, "answer": item.answer, "product": item.product}
        for number, item in enumerate(_different(job, rows), 1)
    ]
    documents.mkdir(parents=True, exist_ok=True)
    shelf = job.shelf.catalogue
    for product in shelf.products:
        text = f"# {product}\n\n{shelf.passage(product, list(shelf.facts[product]))}\n"
        (documents / f"{product.lower().replace(' ', '-')}.md").write_text(text, encoding="utf-8")
    yield from drawn


def _different(job: Job, rows: int) -> Iterator[Item]:
    seen: set[str] = set()
    while len(seen) < rows:
        item = job.item()
        if item.message not in seen:
            seen.add(item.message)
            yield item


def main() -> None:
    """Write the files of all examples."""
    drawn = {
        "brand-voice": brand_voice(1400, 41),
        "order-notes": order_notes(1200, 43),
        "catalogue": catalogue(800, 47, FOLDER / "catalogue" / "documents"),
    }
    for name, rows in drawn.items():
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (FOLDER / name / "rows.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
