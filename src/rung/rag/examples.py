"""Examples that state facts: which document told the answer of each, and whether it still does.

An example is a training row with its answer. Once the document that told it says something else, the answer is wrong, and a
model follows what examples show. So the document is remembered when the rung is fitted; where it does not tell the answer any
more, the example is left out of prompts. An answer that no document told, such as a way of writing, is never left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rung.prompts.abstention import abstains
from rung.protocols import DocumentIndex
from rung.rag.gold import derived, tells
from rung.types import Demonstration, Example, Task

NAMED = 5
MOST = 2000  # examples whose documents are looked for at a fit: a search each


async def told_by(document_index: DocumentIndex, examples: Sequence[Demonstration], task: Task) -> dict[str, str]:
    """Return the document that tells the answer of each example, by the example's id; labels are told by none."""
    found: dict[str, str] = {}
    if task.labels is not None or task.kind == "classification":
        return found
    for shown in examples[:MOST]:
        gold = await derived(document_index, _row(shown))
        if gold is not None:
            found[shown.id] = gold.passage.document
    return found


def doubted(examples: Sequence[Demonstration], told: Mapping[str, str]) -> str | None:
    """Say which examples stand in no document where at least half of them do; None where there is none to name."""
    looked = [d for d in examples[:MOST] if not abstains(d.target)]
    missing = [d.id for d in looked if d.id not in told]
    if not missing or 2 * len(missing) > len(looked):
        return None
    named = ", ".join(missing[:NAMED]) + (f" and {len(missing) - NAMED} more" if len(missing) > NAMED else "")
    return (
        f"{len(missing)} of {len(looked)} examples have answers that no document tells, while the others' are told ({named}): "
        "where a fact has changed since the examples were written, fix the examples"
    )


async def still_told(
    document_index: DocumentIndex, examples: Sequence[Demonstration], told: Mapping[str, str]
) -> list[Demonstration]:
    """Return the examples without those whose document does not tell their answer any more."""
    return [d for d in examples if d.id not in told or await tells(document_index, _row(d), told[d.id])]


def _row(shown: Demonstration) -> Example:
    return Example(shown.id, shown.inputs, shown.target, shown.id)
