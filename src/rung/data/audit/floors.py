"""Can the test set show the floors? What each is about, how many test examples that is, and with which probability it is met."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from rung.data.audit.audit_input import AuditInput, counted, percent, quoted
from rung.data.audit.power import as_many_rows, independent_rows, worth
from rung.stats.power import hits_for_met, power_met, rows_for_met
from rung.types import AVERAGES, FORMAT, MOST_VALUES, Example, Finding, Floor, MetricSpec


def check_floors(case: AuditInput) -> Iterator[Finding]:
    """Stop at a floor that no test example can show, and say how likely each of the others is met by what reaches it."""
    if (trouble := _trouble_of_average(case)) is not None:
        yield trouble
    for floor in case.task.floors:
        trouble = _trouble(floor, case, f"the floor on {floor.name}")
        yield _power(floor, case) if trouble is None else trouble
    for column in case.task.slices:
        values = {e.slices[column] for e in case.rows if column in e.slices}
        if len(values) > MOST_VALUES:
            yield Finding(
                "slices",
                "warn",
                f"the column {column!r} has {len(values):,} different values; the {MOST_VALUES} commonest are told apart.",
                "Name a coarser column.",
                measured={"values": len(values)},
            )


def rows_of(floor: Floor, examples: Sequence[Example]) -> list[Example]:
    """Return the examples that a floor is about; for precision, those that should be answered with its label."""
    return [e for e in examples if floor.label in (None, e.target) and floor.covers(e.slices)]


def _trouble_of_average(case: AuditInput) -> Finding | None:
    """Return what keeps a deciding average over labels from being shown by anything."""
    task, spec = case.task, case.task.metrics[0]
    if spec.average is not None and task.kind != "classification":
        said = f"the metric {spec.name} is about labels, and the task has none: its kind is {task.kind}."
        return _stop(said, "Name another metric, or set task.kind to classification.")
    if spec.label is None:
        return None
    return _trouble(Floor(task.goal, task.tolerance, "f1", spec.label), case, f"the goal on {spec.title}")


def _trouble(floor: Floor, case: AuditInput, what: str) -> Finding | None:
    """Return what keeps a claim from being shown by anything. `what`: the claim as the subject of a sentence."""
    task, test = case.task, case.parts.test
    averages = AVERAGES if task.kind == "classification" else ()
    names = [*(m.name for m in task.metrics), FORMAT, *averages]
    if floor.metric is not None and floor.metric not in names:
        said = f"a floor names the metric {floor.metric!r}, which the task does not have."
        return _stop(said, f"Name one of {', '.join(names)}, or add it to task.metrics.")
    if floor.label is not None and task.kind != "classification":
        said = f"{what} is about a label, and the task has none: its kind is {task.kind}."
        return _stop(said, "Use `where` or `metric` in the floor, or set task.kind to classification.")
    if rows_of(floor, test):
        return None
    if floor.label is not None and not any(e.target == floor.label for e in test):
        lacks, seen, wanted = f"no test example has the label {floor.label!r}", {e.target for e in test}, floor.label
        elsewhere = sum(e.target == wanted for e in case.rows)
    else:
        column, wanted = next(
            ((c, v) for c, v in floor.where.items() if not any(e.slices.get(c) == v for e in test)),
            next(iter(floor.where.items()), ("", "")),
        )
        lacks, seen = f"no test example has {column} {wanted!r}", {e.slices.get(column, "") for e in test}
        elsewhere = sum(e.slices.get(column) == wanted for e in case.rows)
        if wanted in {e.slices.get(column) for e in test}:
            lacks = "no test example has all that it names"
    if elsewhere and not lacks.endswith("names"):
        others = f"{elsewhere} such example{'s' if elsewhere > 1 else ''}"
        return _stop(
            f"{lacks}, so {what} can be neither met nor missed; the other parts hold {others}.",
            "Take it out, bring more of these, or divide the examples otherwise.",
        )
    near = difflib.get_close_matches(wanted, sorted(seen - {wanted}), n=1, cutoff=0.6)
    there = f"did you mean {near[0]!r}?" if near else f"there are {quoted(sorted(seen))}."
    return _stop(
        f"{lacks}, so {what} can be neither met nor missed; {there}",
        "Correct the name, take it out, or bring such examples.",
    )


def _stop(message: str, next_step: str) -> Finding:
    return Finding("floors", "stop", message, next_step)


def _power(floor: Floor, case: AuditInput) -> Finding:
    task, planned = case.task, case.planned_rungs
    test = rows_of(floor, case.parts.test)
    rows = independent_rows(test)
    if floor.metric in AVERAGES:
        rows = max(1, int(rows * worth(MetricSpec(str(floor.metric)), test)))
    truth = floor.at_least + min(task.min_gain, 1.0 - floor.at_least)
    rule = (floor.at_least, floor.tolerance, task.alpha, planned)
    power, needed = power_met(truth, rows, *rule), rows_for_met(truth, *rule)
    hopeless = int(hits_for_met(rows, *rule)[0]) > rows
    enough = power >= 0.8
    about = f"the floor on {floor.name} ({floor.at_least:g}) rests on {counted(len(test), 'test example')}"
    said = (
        "even if all of them are right it cannot be shown to hold."
        if hopeless
        else f"what is truly at {truth:.3g} is shown to meet it with probability {percent(power)}."
    )
    bring = "" if needed is None else f"bring {as_many_rows(needed, test):,} such test examples, "
    advice = f"Expect 'inconclusive': {bring}widen the floor's tolerance, or lower the floor."
    return Finding(
        "floors",
        "note" if enough else "warn",
        f"{about}: {said}",
        "Nothing to do." if enough else advice,
        measured={
            "floor": floor.name,
            "test": len(test),
            "effective": rows,
            "probability_met": round(power, 4),
            "examples_needed": needed,
        },
    )


def label_is_guarded(case: AuditInput) -> bool:
    """Whether a floor is about a label that is not the commonest: then always giving that one is not good enough."""
    visible = Counter(e.target for e in (*case.parts.train, *case.parts.dev))
    commonest = visible.most_common(1)[0][0]
    return any(f.measure == "recall" and f.label != commonest for f in case.task.floors)
