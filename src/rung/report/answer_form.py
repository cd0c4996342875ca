"""What mended the form of answers, and what would, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from rung.decide.form import cheapest_fix
from rung.prompts.structured import NAME
from rung.report.load import Report, RungReport
from rung.usual_names import shown_name


def form_lines(report: Report) -> Iterator[str]:
    """Yield a line on each step that mended the form of a rung's answers, paired, and on what was left out or is untried."""
    for rung in report.rungs:
        yield from _mended(rung)
        for left in rung.fitted.skipped if rung.fitted else ():
            if left.what == NAME:
                yield f"{shown_name(rung.label)}: {NAME} left out: {left.reason}"
        form = rung.diagnosis.form if rung.diagnosis else None
        fix = cheapest_fix(form, report.task) if form is not None else None
        if fix is not None and not (rung.result is not None and rung.result.good_enough):
            yield f"{shown_name(rung.label)}: first {fix}"


def _mended(rung: RungReport) -> Iterator[str]:
    for edit in rung.fitted.edits if rung.fitted else ():
        of_form = "+ after the model" in edit.diff or "+ response_format" in edit.diff
        if of_form and edit.mean_before is not None and edit.mean_after is not None:
            yield (
                f"{shown_name(rung.label)}: {edit.before} {edit.mean_before:.3f}; {edit.after} {edit.mean_after:.3f} "
                f"(the same {edit.rows:,} dev examples: {len(edit.better)} better, {len(edit.worse)} worse)"
            )
