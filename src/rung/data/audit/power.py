"""What the test part can show, told before money is spent (docs/statistics.md)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from rung.data.audit.audit_input import AuditInput, counted, percent
from rung.stats.aggregate import even_size
from rung.stats.estimate import assumed_design
from rung.stats.power import (
    minimum_detectable_effect,
    power_met,
    power_of_non_inferiority,
    rows_for_met,
    rows_for_non_inferiority,
    tolerance_carried,
)
from rung.types import Example, Finding, MetricSpec, widest_tolerance

DISCORDANCE = 0.10  # share of rows on which two neighbouring rungs differ, until it is measured
FEWEST_GROUPS = 8  # below this a grouped test part can never show *met*


def check_power(case: AuditInput) -> Iterator[Finding]:
    """Say how likely a system truly at goal + min_gain is shown *met*, and which gain between rungs is visible."""
    test, task = case.parts.test, case.task
    groups = Counter(e.group for e in test)
    if len(groups) < len(test) and len(groups) < FEWEST_GROUPS:
        yield Finding(
            "power",
            "warn",
            f"the {len(test):,} test examples come from only {counted(len(groups), 'group')}; with fewer than {FEWEST_GROUPS} no "
            "system can be shown to meet the goal.",
            "Group by a finer column, or bring examples of more groups.",
            measured={"test": len(test), "groups": len(groups)},
        )
        return
    rows = max(1, int(independent_rows(test) * worth(task.metrics[0], test)))
    yield _power_of_met(case, rows, len(groups)) if task.as_good_as is None else _power_beside(case, rows, len(groups))
    yield _visible_gain(case, rows, task.min_gain)


def independent_rows(test: Sequence[Example]) -> int:
    """Return how many independent examples these are worth: those of one group tell less than as many strangers."""
    return int(len(test) / assumed_design([e.group for e in test]).effect)


def worth(spec: MetricSpec, test: Sequence[Example]) -> float:
    """Return on what share of these examples a metric rests: less than all for an average over labels, where some are rare."""
    labels = [e.target for e in test]
    if spec.label is not None:
        return labels.count(spec.label) / len(test)
    return even_size(labels) / len(test) if spec.average is not None else 1.0


def as_many_rows(independent: int, test: Sequence[Example]) -> int:
    """Return how many examples, grouped like these, are worth so many independent ones."""
    return math.ceil(independent * len(test) / max(1, independent_rows(test)))


def _as_rows(case: AuditInput, rows: int, groups: int) -> str:
    test = len(case.parts.test)
    if case.task.metrics[0].average is not None and rows < test:
        return f"{counted(test, 'test example')} (worth about {rows:,} for {case.task.metrics[0].title}, since labels are rare)"
    return counted(test, "test example") + (
        f" in {groups:,} groups (worth about {rows:,} independent examples)" if rows < test else ""
    )


def _power_of_met(case: AuditInput, rows: int, groups: int) -> Finding:
    task, planned = case.task, case.planned_rungs
    margin = min(task.min_gain, 1.0 - task.goal)
    truth = task.goal + margin
    power = power_met(truth, rows, task.goal, task.tolerance, task.alpha, planned)
    needed = rows_for_met(truth, task.goal, task.tolerance, task.alpha, planned)
    carried = tolerance_carried(rows, task.goal, task.alpha, planned, truth_margin=margin)
    share = len(case.parts.test) / len(case.rows)
    steps = []
    if needed is not None and needed > rows:
        bring = math.ceil(needed * len(case.parts.test) / rows)
        in_all = "" if case.parts.given else f" (about {round(bring / share):,} in all)"
        steps.append(f"bring {bring:,} test examples{in_all}")
    if carried is not None and task.tolerance < carried <= widest_tolerance(task.goal):
        steps.append(f"accept a tolerance of {carried:g}, which these examples carry")
    steps.append("lower the goal" if steps else "widen the tolerance or lower the goal")
    enough = power >= 0.8
    return Finding(
        "power",
        "note" if enough else "warn",
        f"{_as_rows(case, rows, groups)}: a system truly at {truth:.3g} meets the goal {task.goal:g} "
        f"(tolerance {task.tolerance:g}, {counted(planned, 'planned approach', 'planned approaches')}) with probability {percent(power)}.",
        "Nothing to do." if enough else f"Expect 'inconclusive' more often than you like: {', or '.join(steps)}.",
        measured={
            "test": len(case.parts.test),
            "effective": rows,
            "truth": round(truth, 6),
            "probability_met": round(power, 4),
            "examples_needed": needed,
            "tolerance_carried": carried,
        },
    )


def _power_beside(case: AuditInput, rows: int, groups: int) -> Finding:
    """Say how likely an approach that is truly as good as what runs now is shown to be."""
    task, others = case.task, max(1, case.planned_rungs - 1)
    level = task.alpha / others
    power = power_of_non_inferiority(rows, task.tolerance, DISCORDANCE, level)
    needed = rows_for_non_inferiority(task.tolerance, DISCORDANCE, level)
    carried = task.tolerance * (needed / max(1, rows)) ** 0.5
    enough = power >= 0.8
    return Finding(
        "power",
        "note" if enough else "warn",
        f"{_as_rows(case, rows, groups)}: an approach truly as good as {task.as_good_as}, which runs now, is shown to be at most "
        f"{task.tolerance:g} worse with probability {percent(power)}; assumed: they differ on {percent(DISCORDANCE)} of the examples, and "
        f"{counted(others, 'other approach', 'other approaches')} are planned.",
        "Nothing to do."
        if enough
        else f"Expect 'inconclusive' more often than you like: bring {as_many_rows(needed, case.parts.test):,} test examples, or accept a margin of "
        f"{math.ceil(200 * carried) / 200:g}, which these examples carry.",
        measured={
            "test": len(case.parts.test),
            "effective": rows,
            "margin": task.tolerance,
            "discordance": DISCORDANCE,
            "probability_met": round(power, 4),
            "examples_needed": needed,
        },
    )


def _visible_gain(case: AuditInput, rows: int, min_gain: float) -> Finding:
    alpha = case.task.alpha / max(1, case.planned_rungs - 1)
    gain = minimum_detectable_effect(rows, DISCORDANCE, alpha)
    gain = None if gain is None else round(gain, 4)
    measured = {"gain": gain, "discordance": DISCORDANCE, "min_gain": min_gain, "effective": rows}
    if gain is not None and gain <= min_gain:
        return Finding(
            "visible-gain",
            "note",
            f"a gain of {100 * gain:.1f} points between two approaches is visible, which is within min_gain "
            f"({100 * min_gain:g} points).",
            "Nothing to do.",
            measured=measured,
        )
    seen = (
        "no gain between two approaches is visible"
        if gain is None
        else f"the minimum detectable effect is {100 * gain:.1f} points"
    )
    return Finding(
        "visible-gain",
        "warn",
        f"{seen} (80 % power, {percent(DISCORDANCE)} of the examples differing): the sample is too small for min_gain "
        f"{100 * min_gain:g} points.",
        "Bring more examples, or set min_gain to a gain that you could see.",
        measured=measured,
    )
