"""The chat that an approach sent for a dev example: its prompt with the examples shown and the input in their places."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping

from rung.errors import RungError
from rung.prompts.similar import chooser
from rung.prompts.templates import Template, columns_in
from rung.report.load import Report, load_report
from rung.store.run import RunFolder
from rung.types import Candidate, Example, Message, Outcome, RagLearned
from rung.usual_names import shown_name

GIVEN_THE_ROW = {"python", "http", "recorded"}  # providers that are sent no chat, or one of their own
Sent = Callable[[Mapping[str, str]], tuple[Message, ...]]


def sent_by(report: Report, candidate: Candidate) -> Sent | None:
    """Return what makes the chat for an input; None where it cannot be told from the run folder.

    That is so without a model, for features that are given the row alone, and for RAG, whose passages are looked up anew.
    """
    learned = candidate.chat
    models = report.head.get("config", {}).get("models", {})
    provider = models.get(candidate.model, {}).get("provider") if candidate.model is not None else None
    if learned is None or isinstance(learned, RagLearned) or provider in GIVEN_THE_ROW:
        return None
    template, choose, columns = Template.of(candidate), chooser(learned), set(learned.columns)
    if not any(columns_in(m.content, learned.columns) for m in template.messages):
        return None  # a folder that was changed: no prompt without a place for the input was ever sent
    return lambda inputs: template.render(inputs, choose(inputs)) if columns <= inputs.keys() else ()


def example_lines(folder: RunFolder, wanted: str) -> Iterator[str]:
    """Yield a dev example with the chat, the answer and the score of each approach. Raises RungError for an unknown id."""
    report = load_report(folder)
    side = next((side for side in report.sides if side.part == "dev"), None)
    example = next((e for e in (side.examples if side is not None else ()) if e.id == wanted), None)
    if side is None or example is None:
        raise RungError(
            f"{folder.path} has no dev example {wanted!r}; the page lists their ids, and test examples stay sealed"
        )
    yield f"example {example.id}"
    yield from (f"{name}: {text}" for name, text in example.inputs.items())
    yield f"expected: {example.target}"
    for rung in report.rungs:
        outcome = side.outcomes.get(rung.label, {}).get(example.id)
        if rung.fitted is not None and outcome is not None:
            yield ""
            yield f"== {shown_name(rung.label)}"
            yield from _answered(report, rung.fitted.candidate, example, outcome)


def _answered(report: Report, candidate: Candidate, example: Example, outcome: Outcome) -> Iterator[str]:
    sent = sent_by(report, candidate)
    for message in sent(example.inputs) if sent is not None else ():
        yield f"-- {message.role}"
        yield message.content
    yield "-- answer"
    yield outcome.answer.text if outcome.answer is not None else "none"
    if outcome.failure is not None:
        yield f"-- {outcome.failure.cause}: {outcome.failure.message}"
    else:
        yield f"-- score {(outcome.scores or {})[report.task.metrics[0].name].value:g}"


def command_for(report: Report) -> str:
    """Return the command that prints any dev example."""
    return f"rung report {shlex.quote(report.inside)} --example ID"
