"""Missing instruction: does the same row pass when the rule that it broke is stated?"""

from __future__ import annotations

from dataclasses import replace

from rung.diagnosis.experiments import ExperimentRun
from rung.errors import NotOffered
from rung.prompts.rewrites import Draft, Writer, label_list
from rung.prompts.templates import Template, chat_of
from rung.types import Candidate, Cause

NAME = "missing instruction"


async def missing_instruction(trial: ExperimentRun) -> tuple[Cause, ...]:
    """State what the prompt leaves unsaid: the allowed labels, the output form, and the edge-case rules that the dev
    failures call for, worded from training rows. One prompt for all rows: no row's own answer is given away.
    """
    subject = trial.case.subject
    candidate = subject.candidate
    stated = _stated(trial, candidate)
    passed = await trial.passed(changed(candidate, stated))
    evidence = (
        f"{len(passed)} of {len(trial.rows)} failed examples pass once the rules that they broke are stated "
        f"({trial.by_reading(passed)})."
    )
    cause = trial.cause(
        NAME,
        passed,
        evidence=evidence,
        suggests="state these rules in the prompt: allowed answers, exact form, what tells look-alikes apart",
        rung=next((r for r in subject.fixers(NAME) if r in subject.above), None),  # else: whichever conveys the rule
    )
    return (cause,)


def changed(candidate: Candidate, template: Template) -> Candidate:
    """Return the candidate with another chat template."""
    learned = replace(chat_of(candidate), messages=template.messages)
    return replace(candidate, name=f"{candidate.name} changed", learned=learned)


def template_of(candidate: Candidate) -> Template:
    """Return the chat template of a candidate. Raises NotOffered where it keeps none."""
    if candidate.chat is None:
        raise NotOffered(f"the approach {candidate.rung} keeps no prompt that could be changed")
    return Template.of(candidate)


def _stated(trial: ExperimentRun, candidate: Candidate) -> Template:
    case = trial.case
    base = template_of(candidate)
    train = case.subject.train if case.task.target else ()
    writer = Writer(case.task, base, case.labels, train, (), case.metric)
    said = "\n".join(m.content for m in base.messages)
    missing = []
    if case.labels and not all(label in said for label in case.labels):
        missing.append(label_list(case.labels))
    if writer.exactness not in said:
        missing.append(writer.exactness)
    stated = base.with_block("\n".join(missing)) if missing else base
    rules = writer.edge_rules(Draft("stated", stated), case.subject.outcomes, case.subject.dev)
    if rules is not None:
        stated = rules.template
    if stated == base:
        raise NotOffered("the prompt states every rule that these examples and the training examples show")
    return stated
