"""What the knowledge split means for the decision: reasons of the verdict, and why tuning may not be offered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rung.types import Cause, Diagnosis, KnowledgeSplit, Reason
from rung.usual_names import shown_name

DOES_NOT_KNOW, NOT_RETRIEVED, NOT_USED = "does not know", "not retrieved", "retrieved but not used"
NOT_KNOWLEDGE, NOT_TOLD, HURT = "not a knowledge problem", "no passage known", "hurt by passages"
KNOWLEDGE_CAUSES: tuple[str, ...] = (DOES_NOT_KNOW, NOT_RETRIEVED, NOT_USED, NOT_KNOWLEDGE, NOT_TOLD, HURT)
MOST_FACTS = 0.5  # share of the failures that lack a fact from which tuning is not offered
RULE = "the same dev examples closed book, with the passages found, and with the passage that holds the answer"


def asks_for_facts(diagnosis: Diagnosis | None) -> str | None:
    """Return why tuning may not be offered: half or more of the failures tried lack a fact; None where they do not.

    Read from the split of the rung below, or from its experiment on a sample of failed rows.
    """
    found = missing_facts(diagnosis)
    if found is None or diagnosis is None:
        return None
    missing, rows = found
    return (
        f"{missing} of {rows} failures at {shown_name(diagnosis.rung)} lack a fact: they become right with the passage that tells it; "
        "tuning is no way to teach facts: they cannot be updated, audited or attributed; the cheaper way: answer from documents "
        "and search them better"
    )


def missing_facts(diagnosis: Diagnosis | None) -> tuple[int, int] | None:
    """Return how many failures of those tried lack a fact, and how many were tried, where it is half or more; else None."""
    if diagnosis is None or (diagnosis.knowledge is not None and not told(diagnosis.knowledge)):
        return None
    missing, rows = lacks_facts(diagnosis.experiments)
    return (missing, rows) if rows and missing >= MOST_FACTS * rows else None


def splits(diagnoses: Mapping[str, Diagnosis]) -> dict[str, KnowledgeSplit]:
    """Return the knowledge split of each rung that has one."""
    return {label: d.knowledge for label, d in diagnoses.items() if d.knowledge is not None}


def knowledge_reasons(known: Mapping[str, KnowledgeSplit]) -> Iterator[Reason]:
    """List a reason for each rung that looks answers up: what of the failures was knowledge."""
    for label, split in known.items():
        wrong = sum(c.count for c in split.causes)
        parts = "; ".join(f"{c.name} {c.count}" for c in split.causes) or "nothing"
        left = "; ".join(f"{c.name} {c.count}" for c in split.failures) or "nothing"
        yield Reason(
            f"{shown_name(label)}: {wrong} of {split.rows} dev examples are wrong without passages ({parts}); wrong with them: {left}",
            RULE,
            tuple(f"{label}/diagnosis#knowledge.{part}.mean" for part in ("closed", "retrieved")),
        )


def told(known: KnowledgeSplit) -> bool:
    """Return whether the split tells why most of its rows fail: labels, say, stand in no passage that could be known."""
    unknown = sum(c.count for c in known.failures if c.name == NOT_TOLD)
    return 2 * unknown < sum(c.count for c in known.failures)


def lacks_facts(causes: Sequence[Cause]) -> tuple[int, int]:
    """Return how many rows of a split lack a fact (does not know, not retrieved), and how many it has."""
    rows = [c for c in causes if c.name in KNOWLEDGE_CAUSES]
    return sum(c.count for c in rows if c.name in (DOES_NOT_KNOW, NOT_RETRIEVED)), sum(c.count for c in rows)
