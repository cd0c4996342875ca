"""What a test part can show, said before money is spent: what the audit says, and what people's labels or equal quality take."""

from __future__ import annotations

from collections.abc import Iterator

from rung.data.audit.audit_input import AuditInput, percent
from rung.data.audit.power import DISCORDANCE, check_power, independent_rows
from rung.data.parts import Parts
from rung.judging.human_labels import is_opinion
from rung.stats.power import power_met, power_of_non_inferiority, rows_for_met, rows_for_non_inferiority
from rung.stats.ppi import FEWEST_LABELS
from rung.types import Task


def power_lines(task: Task, parts: Parts, planned_rungs: int) -> Iterator[str]:
    """Say what this test part can show, before money is spent: what the audit says, and what people's labels or equal quality take."""
    for finding in check_power(AuditInput(parts, task, planned_rungs)):
        yield (
            finding.message[:1].upper()
            + finding.message[1:]
            + ("" if finding.severity == "note" else f" {finding.next_step}")
        )
    if is_opinion(task):
        yield _labels_line(task, min(FEWEST_LABELS, independent_rows(parts.test)), planned_rungs)
    if task.objective == "cheapest":
        rows = rows_for_non_inferiority(task.min_gain, DISCORDANCE, task.alpha)
        yield f'"Not worse by more than {task.min_gain:g}" takes about {rows:,} test examples at {percent(DISCORDANCE)} disagreement.'


def _labels_line(task: Task, labels: int, planned: int) -> str:
    """Say what people have to do where a judge decides, and what their labels can show without it."""
    if task.as_good_as is None:
        truth = min(1.0, task.goal + task.min_gain)
        rule = (task.goal, task.tolerance, task.alpha, planned)
        alone, needed, what = power_met(truth, labels, *rule), rows_for_met(truth, *rule), f"a system at {truth:.2f}"
    else:
        beside = (task.tolerance, DISCORDANCE, task.alpha / max(1, planned - 1))
        alone, needed = power_of_non_inferiority(labels, *beside), rows_for_non_inferiority(*beside)
        what = f"one as good as {task.as_good_as}, labelled beside it,"
    most = f", with {needed:,} with probability 0.80" if needed is not None else ""
    return (
        f"The judge {task.metrics[0].name!r} decides only beside labels that people give after the run (`rung label`, at least "
        f"{labels}): {labels} labels alone show {what} with probability {alone:.2f}{most}; a judge that agrees "
        "with people needs fewer."
    )
