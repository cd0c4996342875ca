"""What failed rows show by themselves: every one gets exactly one cause, the first of `CAUSES` that applies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rung.diagnosis.evidence import evidence_of
from rung.diagnosis.failed_examples import MOST_IDS, FailedExamples, share_of
from rung.diagnosis.signs import DOES_NOT_KNOW, OPENING, REFUSAL, only_here
from rung.diagnosis.suspects import suspects
from rung.types import Cause, Outcome

CAUSES: tuple[str, ...] = (
    "transport",  # no answer came: the provider failed or timed out
    "metric",  # the metric could not judge the answer
    "refusal",  # the model declined
    "truncation",  # the answer was cut off at max_tokens, or the prompt exceeded the context
    "format",  # a lenient reading of the same answer is right, or the answer cannot be read at all, or it repeats itself without end
    "suspect label",  # all rungs so far agree against the expected answer, and like rows do not favour it
    "knowledge",  # the model says that it does not know, or the task asks it for facts and the answer is wrong
    "label confusion",  # another label of the task
    "outside labels",  # an answer that names none of the labels, or several
    "content",  # wrong in some other way
)
_SUGGESTS: Mapping[str, str] = {
    "transport": "run the same command again: unanswered examples are asked again",
    "metric": "look at these examples: the metric cannot judge them",
    "refusal": "say in the prompt what the task is for, or choose another model",
    "truncation": "raise max_tokens, ask for a shorter answer, or shorten the prompt",
    "format": "take the answer out of its wrapping (post-processing) or hold the model to a schema (structured output); then state the "
    "form in the prompt, and last show it by examples",
    "suspect label": "look at the expected answers of these examples and correct them: no approach can fix them",
    "knowledge": "give the model the facts from documents at answer time; tuning is no way to teach facts",
    "label confusion": "define the labels in the prompt, then show examples of each; tune only if they are still confused",
    "outside labels": "list the allowed labels in the prompt and demand exactly one, by structured output where the server has it",
    "content": "say in the prompt what a right answer holds, then show examples; tune only if the task is narrow",
}


_ENDLESS = "hold the model to a form with an end (structured output), show examples, or try another model"


@dataclass(frozen=True)
class Reading:
    """The failed rows of a case under each cause of CAUSES, in the order given."""

    rows: Mapping[str, tuple[Outcome, ...]]

    def cause_of(self, example_id: str) -> str:
        """Return the cause of a failed row."""
        return next(name for name, rows in self.rows.items() if any(o.example_id == example_id for o in rows))


def read(case: FailedExamples) -> Reading:
    """Sort the failed rows by what their answers show; nothing is asked."""
    doubtful = suspects(case) if case.labels else frozenset()
    found: dict[str, list[Outcome]] = {name: [] for name in CAUSES}
    for outcome in case.failed:
        found[_cause_of(case, outcome, doubtful)].append(outcome)
    return Reading({name: tuple(rows) for name, rows in found.items()})


def causes(case: FailedExamples, reading: Reading) -> list[Cause]:
    """Return the causes that have rows, most rows first; on a tie the order of CAUSES."""
    found = [_cause(case, name, rows) for name, rows in reading.rows.items() if rows]
    return sorted(found, key=lambda c: -c.count)


def _cause(case: FailedExamples, name: str, found: tuple[Outcome, ...]) -> Cause:
    ids = tuple(o.example_id for o in found)[:MOST_IDS]
    share = share_of(len(found), len(case.failed))
    endless = 2 * sum(map(case.runs_on, found)) > len(found)
    suggests = _ENDLESS if endless else _SUGGESTS[name]
    return Cause(name, len(found), share, evidence_of(case, name, found), ids, suggests)


def _cause_of(case: FailedExamples, outcome: Outcome, doubtful: frozenset[str]) -> str:
    failure = outcome.failure.cause if outcome.failure is not None else None
    direct = {"model": "transport", "timeout": "transport", "metric": "metric", "refusal": "refusal"}
    if failure in direct:
        return direct[failure]
    if outcome.answer is None:
        return "truncation"  # the prompt was longer than the context: nothing was asked
    text, target = outcome.answer.text, case.examples[outcome.example_id].target
    if any(call.finish == "refused" for call in outcome.answer.calls) or only_here(REFUSAL, text, target):
        return "refusal"
    if case.runs_on(outcome):
        return "format"
    if failure == "truncated" and not case.chatters(outcome):
        return "truncation"
    if case.only_form(outcome):
        return "format"
    if outcome.example_id in doubtful:
        return "suspect label"
    label = case.denoted(outcome)
    if label is None and only_here(DOES_NOT_KNOW, text[:OPENING], target):
        return "knowledge"
    if failure == "parse":
        return "format"
    if case.labels:
        return "outside labels" if label is None else "label confusion"
    return "knowledge" if case.task.kind == "knowledge" and case.asks_model else "content"
