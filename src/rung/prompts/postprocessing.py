"""What may stand behind a model: named steps that take its answer out of its wrapping, chosen on answers that are there.

A candidate names its steps as text, in the order in which they are done: "after_thought, strip_fence". What a model said is
kept as it is in the call's Completion; the steps make the answer's text of it, when it is measured and when it is served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rung.errors import IntegrityError
from rung.metrics.unwrap import STEPS, label_in_sentence
from rung.prompts.class_labels import labels_of
from rung.prompts.race import Race, asked, paired, row_scores
from rung.prompts.templates import chat_of
from rung.protocols import Judge, Kit, Metric
from rung.types import Candidate, Edit, Example, Outcome, Score, Task, by_id

MOST_STEPS = 3  # one after the other: what needs more is no wrapping
LABEL = "label_in_sentence"  # the one step with a setting: the task's labels
FIRST = "after_thought"
SAID: Mapping[str, str] = {  # in order of preference: what takes off least comes first
    FIRST: "thought removed",
    "strip_fence": "fence removed",
    "strip_quotes": "quotes removed",
    "first_json": "JSON taken out",
    "boxed": "boxed answer taken out",
    "only_value": "value taken out of JSON",
    "after_lead": "lead-in removed",
    LABEL: "label taken out",
    "last_line": "last line taken",
    "first_line": "first line taken",
}
Step = Callable[[str], str]


def in_words(steps: str) -> str:
    """Return what the steps do: "thought removed, fence removed"."""
    return ", ".join(SAID.get(name, name.replace("_", " ")) for name in names_in(steps))


def names_in(steps: str | None) -> tuple[str, ...]:
    """Return the names of the steps; none for None."""
    return tuple(name.strip() for name in steps.split(",")) if steps else ()


def step_of(steps: str | None, labels: Sequence[str] | None = None) -> Step:
    """Return what the steps do to an answer, as one function. Raises IntegrityError for a step that is not known."""
    found = [_known(name, labels) for name in names_in(steps)]

    def processed(text: str) -> str:
        for step in found:
            text = step(text)
        return text

    return processed


def _known(name: str, labels: Sequence[str] | None) -> Step:
    if name == LABEL:
        known = tuple(labels or ())
        return lambda text: label_in_sentence(text, known)
    if name not in STEPS:
        raise IntegrityError(
            f"the post-processing step {name!r} is not known here; known are {', '.join([*STEPS, LABEL])}: was the candidate "
            "made by a later version of rung?"
        )
    return STEPS[name]


@dataclass(frozen=True, slots=True)
class Unwrapping:
    """Steps, and the mean deciding score of the answers with them and without any."""

    steps: str
    mean: float
    as_answered: float


def best_steps(
    outcomes: Sequence[Outcome], examples: Mapping[str, Example], metric: Metric, task: Task
) -> Unwrapping | None:
    """Return the steps that raise the mean strict score of these answers most; None where none does. Nothing is asked.

    One step after the other is added as long as it raises the score; of equal ones the first of `SAID` is taken. None also
    for a metric that must ask to judge.
    """
    outcomes = [
        o for o in outcomes if not o.unjudged
    ]  # what the metric could not judge is unknown with and without steps
    if isinstance(metric, Judge) or not outcomes:
        return None
    scores = _Rescored(outcomes, examples, metric, task)
    as_answered = best = scores.mean(())
    chosen: tuple[str, ...] = ()
    while len(chosen) < MOST_STEPS:
        found = {steps: scores.mean(steps) for steps in _longer(chosen, task)}
        steps = max(found, key=lambda s: found[s])
        if found[steps] <= best:
            break
        chosen, best = steps, found[steps]
    return Unwrapping(", ".join(chosen), best, as_answered) if chosen else None


def _longer(chosen: tuple[str, ...], task: Task) -> Iterator[tuple[str, ...]]:
    labels = labels_of(task, ())
    names = [n for n in dict.fromkeys([*SAID, *STEPS]) if n not in chosen and (n in STEPS or (n == LABEL and labels))]
    yield from ((*chosen, name) for name in names)
    if not chosen:  # a thought hides from every other step what follows it
        yield from ((FIRST, name) for name in names if name != FIRST)


class _Rescored:
    """Answers scored once for every text that the steps make of them."""

    def __init__(
        self, outcomes: Sequence[Outcome], examples: Mapping[str, Example], metric: Metric, task: Task
    ) -> None:
        self._outcomes, self._examples, self._metric, self._task = outcomes, examples, metric, task
        self._known: dict[tuple[str, str], float] = {}
        self._failed = 0.0 if task.failure_score is None else task.failure_score

    def mean(self, steps: tuple[str, ...]) -> float:
        step = step_of(", ".join(steps), self._task.labels)
        return sum(self._value(o, step) for o in self._outcomes) / len(self._outcomes)

    def _value(self, outcome: Outcome, step: Step) -> float:
        if outcome.answer is None:
            return self._failed
        text = step(raw_text(outcome))
        key = (outcome.example_id, text)
        if key not in self._known:
            said = self._metric.score(text, self._examples[outcome.example_id], self._task)
            value = said.value if isinstance(said, Score) else self._failed
            self._known[key] = self._failed if outcome.answer.truncated and value < 1.0 else value
        return self._known[key]


def raw_text(outcome: Outcome) -> str:
    """Return what the model said, before any step; "" where no answer came."""
    if outcome.answer is None:
        return ""
    return outcome.answer.calls[-1].text if outcome.answer.calls else outcome.answer.text


def with_steps(candidate: Candidate, steps: str | None) -> Candidate:
    """Return the candidate with these steps behind its model."""
    name = f"{candidate.name}, {in_words(steps)}" if steps else candidate.name
    return replace(candidate, name=name, learned=replace(chat_of(candidate), postprocessing=steps))


async def unwrapped(
    found: Race, task: Task, kit: Kit, among: Sequence[Candidate] | None = None
) -> tuple[Race, tuple[Edit, ...]]:
    """Try all steps on the answers of the candidates that went the whole way (or of those `among` them); the best becomes one more.

    It takes the place of the winner where its strict score on the raced rows is higher. The model is not asked: equal
    requests have their answers already.
    """
    examples, metric = by_id(found.order), kit.metric()
    best: tuple[float, Candidate, str] | None = None
    for candidate in sorted(found.candidates if among is None else among, key=lambda c: c.name != found.winner.name):
        seen = found.seen[candidate.name][: found.raced]
        if len(seen) < found.raced or candidate.chat is None:
            continue
        gain = best_steps(seen, examples, metric, task)
        if gain is not None and (best is None or gain.mean > best[0]):
            best = (gain.mean, candidate, gain.steps)
    if best is None or best[0] <= _mean(found.seen[found.winner.name][: found.raced], task):
        return found, ()
    _, bare, steps = best
    winner = replace(with_steps(bare, steps), name=_free_name(found, f"{bare.name}, {in_words(steps)}"))
    again = replace(
        found,
        candidates=(*found.candidates, winner),
        seen={**found.seen, winner.name: ()},
        winner=winner,
        unasked=found.unasked | {winner.name},
    )
    again = await asked(again, winner.name, kit)
    diff = "\n".join(f"+ after the model: {name}" for name in names_in(steps))
    kit.say(f"{winner.rung}: {in_words(steps)} lifts {bare.name} without a call")
    return again, (paired(again, bare, winner, diff, task),)


def _free_name(found: Race, name: str) -> str:
    return name if name not in found.seen else f"{name} anew"


def _mean(outcomes: Sequence[Outcome], task: Task) -> float:
    values = row_scores(outcomes, task)
    return sum(values) / len(values) if values else 0.0
