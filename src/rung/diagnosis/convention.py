"""Missing convention: does the same row pass when the training rows most like it are shown?"""

from __future__ import annotations

from rung.diagnosis.experiments import ExperimentRun
from rung.diagnosis.instruction import template_of
from rung.errors import NotOffered
from rung.prompts.similar import Index, apart_from
from rung.types import Candidate, Cause, Demonstration, Example, FewShotLearned, RagLearned, TunedLearned

NAME = "missing convention"
SHOWN = 3  # near examples in the prompt
MOST_CANDIDATES = 2000  # training rows that they are chosen from


async def missing_convention(trial: ExperimentRun) -> tuple[Cause, ...]:
    """Show each row its nearest training rows, chosen by their inputs alone, with their expected answers."""
    candidate = trial.case.subject.candidate
    if candidate.chat is None or isinstance(candidate.learned, RagLearned | TunedLearned):
        raise NotOffered(f"the approach {candidate.rung} builds its prompt in its own way")
    if candidate.chat.nearest is not None:
        raise NotOffered("the prompt shows near examples already")
    passed = await trial.passed(_with_near_examples(trial, candidate))
    evidence = (
        f"{len(passed)} of {len(trial.rows)} failed examples pass once the {SHOWN} training examples most like them are shown "
        f"({trial.by_reading(passed)})."
    )
    suggests = "show examples in the prompt, the nearest ones for each input"
    return (trial.cause(NAME, passed, evidence=evidence, suggests=suggests, rung=trial.works_like(NAME)),)


def _with_near_examples(trial: ExperimentRun, candidate: Candidate) -> Candidate:
    template = template_of(candidate)
    shown = near_rows(trial, SHOWN)
    learned = FewShotLearned(
        messages=template.messages,
        columns=template.columns,
        demonstrations=tuple(Demonstration.of(e) for e in shown),
        nearest=SHOWN,
        k=SHOWN,
        selection="nearest",
    )
    return Candidate("fewshot", "near examples", learned, candidate.model, tuple(e.id for e in shown))


def near_rows(trial: ExperimentRun, k: int) -> tuple[Example, ...]:
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
        raise NotOffered("there are no training examples to show")
    return found
