"""May a model be tuned for this task? Every reason against, each with the cheaper way named."""

from __future__ import annotations

from collections.abc import Iterator

from rung.decide.form import form_comes_first
from rung.stats.sizes import NEEDS
from rung.types import Diagnosis, Task

KNOWLEDGE = ("knowledge", "retrieval")  # causes that tuning cannot fix: facts belong into documents
NOT_MENDED = ("transport", "metric", "suspect label", "truncation", "refusal")
MOST = 0.5  # share of the failures from which a cause speaks against tuning


def against(task: Task, rows: int, diagnosis: Diagnosis | None) -> tuple[str, ...]:
    """Return the reasons against tuning on `rows` training rows; none: the gate is open.

    That every lower rung is shown to fall short is asked elsewhere (`rung.decide.tuned.must_fall_short`); an audit finding
    that stops the climb never gets here.
    """
    return tuple(_against(task, rows, diagnosis))


def _against(task: Task, rows: int, diagnosis: Diagnosis | None) -> Iterator[str]:
    need = NEEDS[task.kind]
    if rows < need.minimum:
        yield (
            f"{rows} training examples are below the minimum of {need.minimum:,} for {task.kind}, where tuning is likely to "
            "overfit; few-shot needs a handful of examples and costs nothing to change"
        )
    if task.facts_change == "often":
        yield (
            "the facts in the answers change often (task.facts_change), and a tuned model keeps the old ones; retrieval "
            "(`rag`) sees a changed document at once"
        )
    if task.scope == "general":
        yield (
            "the task is general (task.scope), and tuning pays on narrow ones only; a better prompt or a larger model keeps "
            "all abilities"
        )
    if diagnosis is None or diagnosis.failed == 0:
        return
    form = form_comes_first(task, [diagnosis])
    if form is not None:
        yield form
    facts = sum(c.count for c in diagnosis.causes if c.name in KNOWLEDGE)
    other = sum(c.count for c in diagnosis.causes if c.name in NOT_MENDED)
    if facts > MOST * diagnosis.failed:
        yield (
            f"{facts} of {diagnosis.failed} failed dev examples of {diagnosis.rung} lack knowledge, which tuning teaches badly; "
            "give the model the facts from documents (`rag`)"
        )
    elif facts + other > MOST * diagnosis.failed:
        names = ", ".join(c.name for c in diagnosis.causes if c.name in (*KNOWLEDGE, *NOT_MENDED))
        yield (
            f"{facts + other} of {diagnosis.failed} failed dev examples of {diagnosis.rung} fail for what tuning cannot fix "
            f"({names}); fix these first: it is cheaper and changes what there is to tune"
        )
