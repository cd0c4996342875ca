"""Draw the rows of the shipped examples from the held-out side of the invented world.

    python -m training.nano.examples            writes rows.jsonl below src/rung/examples/*/

Brands, fixed sentences and half of the customers' wordings are never seen in training, so that an example asks the embedded
model for what it was trained to do, on words that it was not trained on.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from training.nano.tasks.extraction import Extraction
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


def _different(job: Reply | Extraction, rows: int) -> Iterator[object]:
    seen: set[str] = set()
    while len(seen) < rows:
        item = job.item()
        if item.message not in seen:
            seen.add(item.message)
            yield item


def main() -> None:
    """Write the files of all examples."""
    for name, draw, rows, seed in (("brand-voice", brand_voice, 1100, 41), ("order-notes", order_notes, 900, 43)):
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in draw(rows, seed))
        (folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
