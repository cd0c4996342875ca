"""What the test part can show, told before money is spent (STATISTICS sections 2 and 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rung.data.audit._case import Case, counted, percent
from rung.stats.power import power_met, rows_for_met, smallest_visible_gain, tolerance_carried
from rung.types import Finding

DISCORDANCE = 0.10  # share of rows on which two neighbouring rungs differ, until it is measured
FEWEST_GROUPS = 8  # below this a grouped test part can never show *met*
ASSUMED_ICC = 0.05  # STATISTICS section 5


def check_power(case: Case) -> Iterator[Finding]:
    """Say how likely a system truly at goal + worth_it is shown *met*, and which gain between rungs is visible."""
    test, task = case.parts.test, case.task
    groups = Counter(e.group for e in test)
    if len(groups) < len(test) and len(groups) < FEWEST_GROUPS:
        yield Finding(
            "power",
            "warn",
            f"the {len(test):,} test rows come from only {counted(len(groups), 'group')}; with fewer than {FEWEST_GROUPS} no "
            "system can be shown to meet the goal.",
            "Group by a finer column, or bring rows of more groups.",
            measured={"test": len(test), "groups": len(groups)},
        )
        return
    spread = sum(n * n for n in groups.values()) / len(test)
    rows = int(len(test) / (1.0 + ASSUMED_ICC * (spread - 1.0)))
    yield _power_of_met(case, rows, len(groups))
    yield _visible_gain(case, rows, task.worth_it)


def _as_rows(case: Case, rows: int, groups: int) -> str:
    test = len(case.parts.test)
    return counted(test, "test row") + (
        f" in {groups:,} groups (worth about {rows:,} independent rows)" if rows < test else ""
    )


def _power_of_met(case: Case, rows: int, groups: int) -> Finding:
    task, planned = case.task, case.planned_rungs
    margin = min(task.worth_it, 1.0 - task.goal)
    truth = task.goal + margin
    power = power_met(truth, rows, task.goal, task.tolerance, task.alpha, planned)
    needed = rows_for_met(truth, task.goal, task.tolerance, task.alpha, planned)
    carried = tolerance_carried(rows, task.goal, task.alpha, planned, truth_margin=margin)
    share = len(case.parts.test) / len(case.rows)
    steps = []
    if needed is not None and needed > rows:
        in_all = "" if case.parts.given else f" (about {round(needed / rows * len(case.parts.test) / share):,} in all)"
        steps.append(f"bring {needed:,} test rows{in_all}")
    if carried is not None and carried > task.tolerance:
        steps.append(f"accept a tolerance of {carried:g}, which these rows carry")
    steps.append("lower the goal" if steps else "widen the tolerance or lower the goal")
    enough = power >= 0.8
    return Finding(
        "power",
        "note" if enough else "warn",
        f"{_as_rows(case, rows, groups)}: a system truly at {truth:.3g} is shown to meet the goal {task.goal:g} "
        f"(tolerance {task.tolerance:g}, {counted(planned, 'planned rung')}) with probability {percent(power)}.",
        "Nothing to do." if enough else f"Expect 'unclear' more often than you like: {', or '.join(steps)}.",
        measured={
            "test": len(case.parts.test),
            "effective": rows,
            "truth": round(truth, 6),
            "probability_met": round(power, 4),
            "rows_needed": needed,
            "tolerance_carried": carried,
        },
    )


def _visible_gain(case: Case, rows: int, worth_it: float) -> Finding:
    alpha = case.task.alpha / max(1, case.planned_rungs - 1)
    gain = smallest_visible_gain(rows, DISCORDANCE, alpha)
    gain = None if gain is None else round(gain, 4)
    measured = {"gain": gain, "discordance": DISCORDANCE, "worth_it": worth_it, "effective": rows}
    if gain is not None and gain <= worth_it:
        return Finding(
            "visible-gain",
            "note",
            f"a gain of {100 * gain:.1f} points between two rungs is visible, which is within worth_it "
            f"({100 * worth_it:g} points).",
            "Nothing to do.",
            measured=measured,
        )
    seen = (
        "no gain between two rungs is visible"
        if gain is None
        else f"the smallest visible gain is {100 * gain:.1f} points"
    )
    return Finding(
        "visible-gain",
        "warn",
        f"{seen} (80 % power, {percent(DISCORDANCE)} of the rows differing): these rows cannot carry worth_it "
        f"{100 * worth_it:g} points.",
        "Bring more rows, or set worth_it to a gain that you could see.",
        measured=measured,
    )
