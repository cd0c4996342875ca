"""Missing convention: does the same row pass when the training rows most like it are shown?"""

from __future__ import annotations

from rung.errors import NotOffered
from rung.evaluate.diagnosis.instruction import template_of
from rung.evaluate.diagnosis.lab import Trial
from rung.rungs._prompting import Demonstration
from rung.rungs._similar import Index, apart_from
from rung.types import Candidate, Cause, Example

NAME = "missing convention"
SHOWN = 3  # near examples in the prompt
MOST_CANDIDATES = 2000  # training rows that they are chosen from
ASKS_WITH_A_PROMPT = ("prompt", "fewshot")


async def missing_convention(trial: Trial) -> tuple[Cause, ...]:
    """Show each row its nearest training rows, chosen by their inputs alone, with their expected answers."""
    candidate = trial.case.subject.candidate
    if candidate.rung not in ASKS_WITH_A_PROMPT:
        raise NotOffered(f"the rung {candidate.rung} builds its prompt in its own way")
    if candidate.settings.get("selection") == "nearest":
        raise NotOffered("the prompt shows near examples already")
    passed = await trial.passed(_with_near_examples(trial, candidate))
    evidence = (
        f"{len(passed)} of {len(trial.rows)} failed rows pass once the {SHOWN} training rows most like them are shown "
        f"({trial.by_reading(passed)})."
    )
    suggests = "show examples in the prompt, the nearest ones for each input"
    return (trial.cause(NAME, passed, evidence=evidence, suggests=suggests, rung="fewshot"),)


def _with_near_examples(trial: Trial, candidate: Candidate) -> Candidate:
    template = template_of(candidate)
    shown = near_rows(trial, SHOWN)
    learned = {
        "messages": template.as_list(),
        "columns": list(template.columns),
        "demonstrations": [Demonstration.of(e).as_dict() for e in shown],
    }
    settings = {"k": SHOWN, "selection": "nearest"}
    return Candidate("fewshot", "near examples", settings, learned, candidate.model, tuple(e.id for e in shown))


def near_rows(trial: Trial, k: int) -> tuple[Example, ...]:
    """Return the training rows nearest to the trial's rows, k for each, none equal or near equal to one of them.

    Raises NotOffered without training rows.
    """
    train = [e for e in trial.case.subject.train if e.target.strip()]
    if len(train) > MOST_CANDIDATES:
        chosen = sorted(trial.kit.rng("near examples").sample(range(len(train)), MOST_CANDIDATES))
        train = [train[i] for i in chosen]
    index = Index.of([e.text for e in train]) if train else None
    wanted: dict[str, Example] = {}
    for row in trial.examples if index else ():
        assert index is not None
        wanted.update({train[i].id: train[i] for i in index.nearest(row.text, k + 2)})
    found = apart_from(list(wanted.values()), trial.examples)
    if not found:
        raise NotOffered("there are no training rows to show")
    return found
