"""Questions about a catalogue, shared by the families whose answers need a passage."""

from collections.abc import Collection

from rung_nano.training import world as w


class Shelf:
    """A catalogue with its habit of writing passages."""

    def __init__(self, world: w.World, products: int) -> None:
        self.world = world
        self.catalogue = w.Catalogue(world, products)
        self.style = world.weighted({"prose": 46, "sheet": 15, "titled": 15, "heading": 24})

    def ask(
        self, avoid: Collection[int], attribute: str | None, name: str | None, plain: bool
    ) -> tuple[w.Message, str]:
        """Draw a question and the value that answers it."""
        r = self.world.random
        product = r.choice(self.catalogue.products)
        chosen = attribute or r.choice(list(self.catalogue.facts[product]))
        value = self.catalogue.know(product, chosen)
        message = self.world.message(
            "fact",
            chosen,
            product=product,
            avoid=avoid,
            extras=w.Extras(name=name, plain=plain or (self.world.chance(0.4) and not name)),
        )
        return message, value

    def passages(self, product: str, attribute: str, others: int, gold: bool) -> list[str]:
        """Return passages in random order: about the product (with the fact if `gold`) and about others, often with a like fact."""
        world, r, facts = self.world, self.world.random, self.catalogue.facts
        own = [a for a in facts[product] if a != attribute]
        own = r.sample(own, min(len(own), r.choice([0, 1, 2, 3, 4, 5]))) + ([attribute] if gold else [])
        r.shuffle(own)
        out = [self.catalogue.passage(product, own, self.style)] if own else []
        rest = [p for p in facts if p != product]
        for other in r.sample(rest, min(others, len(rest))):
            known = list(facts[other])
            chosen = r.sample(known, min(len(known), r.choice([1, 2, 3, 3, 4])))
            if world.chance(0.6):
                self.catalogue.know(other, attribute)
                chosen = [a for a in chosen if a != attribute] + [attribute]
                r.shuffle(chosen)
            out.append(self.catalogue.passage(other, chosen, self.style))
        r.shuffle(out)
        return out
