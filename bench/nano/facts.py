"""Does tuning on facts carry over to changed facts?  ``python -m bench.nano.facts``; the table lies in results/facts.md.

A model is tuned, closed book, on questions and answers about a catalogue; then it is asked about the same facts in other words, and
again after every fact has changed.  Beside it the untuned model answers from a passage, before and after the change.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bench.nano.answers import Answerer
from bench.nano.cases import queries
from bench.nano.measure import HERE
from bench.nano.tuned import tune
from rung.stats.estimate import wilson
from rung_nano import WEIGHTS
from rung_nano._scratch.corpus import Document, Turn
from rung_nano.training import wording
from rung_nano.training.tasks.job import Item
from rung_nano.training.tasks.questions import Questions
from rung_nano.training.vocabulary import UNKNOWN
from rung_nano.training.vocabulary_facts import FACTS
from rung_nano.training.world import World

PRODUCTS, ROWS, TESTS, EPOCHS = 24, 900, 400, 12
Facts = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Quiz:
    """Questions about one catalogue, and what is right before and after every fact has changed."""

    job: Questions
    before: Facts
    after: Facts

    def ask(self, item: Item, facts: Facts, others: int | None) -> tuple[Document, str]:
        """Return a chat with the right answer; `others` passages beside the right one, None for a closed book."""
        catalogue, passages = self.job.document_store.catalogue, list[str]()
        product, attribute = item.product, item.core[1]
        if others is not None:
            catalogue.facts = facts
            rest = [p for p in facts if p != product]
            shown = [product, *self.job.world.random.sample(rest, others)]
            passages = [catalogue.passage(p, list(facts[p]), "prose") for p in shown]
            self.job.world.random.shuffle(passages)
        answer = FACTS[attribute]["answer"].format(p=product, v=facts[product][attribute])
        said = wording.user_text(item.message, wording.Style(), None, passages)
        return (
            Turn("system", "Answer the question in one sentence."),
            Turn("user", said),
            Turn("assistant", answer, 1.0),
        ), answer


def quiz(seed: int) -> tuple[Quiz, list[Item], list[Item]]:
    """Draw a catalogue, its changed twin, and questions: `ROWS` to tune on and `TESTS` in other words."""
    world = World(seed, "test")
    job = Questions(world, PRODUCTS, form="sentence", cite=False)
    items = queries(job, ROWS + TESTS, ())
    before = {p: dict(own) for p, own in job.document_store.catalogue.facts.items()}
    after = {p: {a: _other(world, a, value) for a, value in own.items()} for p, own in before.items()}
    return Quiz(job, before, after), items[:ROWS], items[ROWS:]


def _other(world: World, attribute: str, value: str) -> str:
    while (drawn := world.value(attribute)) == value:
        pass
    return drawn


def line(name: str, asked: Sequence[Item], got: Sequence[str], now: Facts, old: Facts | None) -> str:
    """Write a row: shares of answers that tell today's value, the one before the change, or that nothing is known."""

    def share(facts: Facts) -> int:
        return sum(facts[i.product][i.core[1]] in text for i, text in zip(asked, got, strict=True))

    right = share(now)
    interval = wilson(right, len(asked))
    stale = "" if old is None else f"{share(old) / len(asked):.3f}"
    unknown = sum(UNKNOWN in text for text in got) / len(asked)
    return f"| {name} | {len(asked)} | {right / len(asked):.3f} | {interval.low:.3f} to {interval.high:.3f} | {stale} | {unknown:.3f} |"


HEAD = "| who answers | n | right | 95 % interval | tells the old value | does not know |\n|---|--:|--:|---|--:|--:|"


def main() -> None:
    """Tune, ask everybody, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano-s")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--threads", type=int, default=2, help="of the tuning")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    base = Answerer.load(WEIGHTS / options.model)
    asked, learn, tests = quiz(options.seed)
    tuned, seconds = tune(base, [asked.ask(item, asked.before, None) for item in learn], 0, epochs=EPOCHS)
    rows = [HEAD]
    print(HEAD)
    for when, now, old in (("before the change", asked.before, None), ("after it", asked.after, asked.before)):
        for who, model, others in (
            (f"{options.model}, closed book", base, None),
            (f"{options.model} tuned on the facts, closed book", tuned, None),
            (f"{options.model}, with 1 passage", base, 0),
            (f"{options.model}, with 3 passages", base, 2),
            (f"{options.model} tuned on the facts, with 1 passage", tuned, 0),
        ):
            got = model.answers([asked.ask(item, now, others)[0] for item in tests], 40)
            rows.append(line(f"{who}, {when}", tests, got, now, old))
            print(rows[-1], flush=True)
    rows += [
        "",
        f"{PRODUCTS} products, {ROWS} rows, {EPOCHS} epochs, all weights, {seconds:.0f} CPU-seconds; seed {options.seed}.",
    ]
    (HERE / "results" / "facts.md").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
