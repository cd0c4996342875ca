"""Which served inputs are worth a label next: those that people did not like, that two approaches answer differently, that the
approach was least sure of. Uncertainty sampling: Lewis and Gale 1994 (SIGIR); how much it is worth: bench/feedback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rung.prompts.similar import Index
from rung.rungs.words import END, fitted_linear
from rung.store.records import Feedback
from rung.types import Example, Task

FEWEST_EXAMPLES = 20  # from which a classifier is fitted to say what is uncertain
MOST_EXAMPLES = 5_000
MOST_COMPARED = 500  # inputs at the head of the queue of which it is said whether they are new
FAR = 0.3  # likeness to the nearest example below which an input is called new


@dataclass(frozen=True, slots=True)
class Waiting:
    """An input that waits for its label, and why it stands where it stands."""

    item: Feedback
    why: tuple[str, ...]


def queue(items: Sequence[Feedback], known: Sequence[Example], task: Task) -> tuple[Waiting, ...]:
    """Return the inputs without an expected answer, those worth most first.

    First what people did not like, then what the shadow answered otherwise, then, where answers are labels, by how near to each
    other a linear classifier of the examples, and of what is labelled so far, has the two best ones; where it knows too
    little, by the logged confidence. Of other answers nobody says how sure they are: their order is random.
    """
    waiting = [i for i in items if i.expected is None and not i.cannot_tell]
    if not waiting:
        return ()
    texts = ["\n".join(i.inputs.values()) for i in waiting]
    sure = _sureness(waiting, texts, _labelled(items, known), task)
    by = [0.0] * len(waiting) if sure is None else sure
    disputed = [i.shadow is not None and i.answer is not None and i.shadow != i.answer for i in waiting]
    order = sorted(
        range(len(waiting)), key=lambda n: (waiting[n].thumb is not False, not disputed[n], by[n], waiting[n].id)
    )
    near = _likeness([texts[n] for n in order[:MOST_COMPARED]], known)
    return tuple(
        Waiting(waiting[n], tuple(_why(waiting[n], disputed[n], near[place] if place < len(near) else 1.0)))
        for place, n in enumerate(order)
    )


def _why(item: Feedback, disputed: bool, near: float) -> list[str]:
    told = ["not liked"] if item.thumb is False else []
    told += ["the shadow answers otherwise"] if disputed else []
    told += [f"{item.confidence:.0%} sure"] if item.confidence is not None else []
    return [*told, *(["unlike every example"] if near < FAR else [])]


def _labelled(items: Sequence[Feedback], known: Sequence[Example]) -> list[tuple[str, str]]:
    """Return texts with their answers: of the newest examples, and of what people have labelled."""
    own = [(e.text, e.target) for e in known[-MOST_EXAMPLES:]]
    return own + [("\n".join(i.inputs.values()), i.expected) for i in items if i.expected is not None]


def _likeness(texts: Sequence[str], known: Sequence[Example]) -> list[float]:
    """Return the cosine of each text to the most similar example, in [0, 1]."""
    if not known:
        return [0.0] * len(texts)
    index = Index.of([e.text for e in known[-MOST_EXAMPLES:]])
    return [float(index.similarity(text).max()) for text in texts]


def _sureness(
    waiting: Sequence[Feedback], texts: Sequence[str], labelled: Sequence[tuple[str, str]], task: Task
) -> list[float] | None:
    """Return numbers that grow with certainty; None where answers are no labels, or too little is known."""
    answers = [answer for _, answer in labelled]
    if task.kind != "classification" or len(answers) < FEWEST_EXAMPLES or len(set(answers)) < 2:
        logged = all(i.confidence is not None for i in waiting)
        return [i.confidence or 0.0 for i in waiting] if logged else None
    pipeline = fitted_linear([text for text, _ in labelled], answers, 1.0)
    found = np.asarray(pipeline.decision_function([text + END for text in texts]), dtype=np.float64)
    if found.ndim == 1:
        return [float(value) for value in np.abs(found)]
    ordered = np.sort(found, axis=1)
    return [float(value) for value in ordered[:, -1] - ordered[:, -2]]
