"""What the knowledge split means for the decision: reasons of the verdict, and why tuning may not be offered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from rung.evaluate.diagnosis.knowledge import lacks_facts, told
from rung.store.folder import RunFolder
from rung.types import Diagnosis, KnowledgeSplit, Reason

MOST_FACTS = 0.5  # share of the failures that lack a fact from which tuning is not offered
RULE = "the same dev rows closed book, with the passages found, and with the passage that holds the answer"


def asks_for_facts(diagnosis: Diagnosis | None) -> str | None:
    """Return why tuning may not be offered: half or more of the failures tried lack a fact; None where they do not.

    Read from the split of the rung below, or from its experiment on a sample of failed rows.
    """
    if diagnosis is None or (diagnosis.knowledge is not None and not told(diagnosis.knowledge)):
        return None
    missing, rows = lacks_facts(diagnosis.experiments)
    if not rows or missing < MOST_FACTS * rows:
        return None
    return (
        f"{missing} of {rows} failures at {diagnosis.rung} lack a fact (they become right with the passage that tells it), and "
        "tuning is no way to teach facts: they cannot be updated, audited or attributed; the cheaper way: answer from documents "
        "and search them better"
    )


def splits(folder: RunFolder, labels: Collection[str]) -> dict[str, KnowledgeSplit]:
    """Return the knowledge split of each rung that has one, from the run folder."""
    found: dict[str, KnowledgeSplit] = {}
    for label in labels:
        name = f"rungs/{label}/diagnosis.json"
        known = folder.load(name, Diagnosis).knowledge if folder.has(name) else None
        if known is not None:
            found[label] = known
    return found


def knowledge_reasons(known: Mapping[str, KnowledgeSplit]) -> Iterator[Reason]:
    """List a reason for each rung that looks answers up: what of the failures was knowledge."""
    for label, split in known.items():
        wrong = sum(c.count for c in split.causes)
        parts = "; ".join(f"{c.name} {c.count}" for c in split.causes) or "nothing"
        left = "; ".join(f"{c.name} {c.count}" for c in split.failures) or "nothing"
        yield Reason(
            f"{label}: {wrong} of {split.rows} dev rows are wrong without passages ({parts}); wrong with them: {left}",
            RULE,
            tuple(f"rungs/{label}/diagnosis.json#knowledge.{part}.mean" for part in ("closed", "retrieved")),
        )
