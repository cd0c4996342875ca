"""Fine-tuning and consistency: what was tuned, what it kept, and how often answers keep their form."""

from __future__ import annotations

from collections.abc import Iterator

from rung.decide.economics import UNTOLD
from rung.report import blocks as b
from rung.report.curves import learning_curve, trade_off
from rung.report.figures import count, money, quality, seconds, signed, span
from rung.report.load import Report
from rung.store.records import Consistency
from rung.types import Remedy, Tuning
from rung.usual_names import shown_name


def section(report: Report, ids: b.Ids) -> b.Section | None:
    """Return how each tuned approach came about; None where nothing was tuned."""
    tuned = [
        (rung.label, rung.fitted.tuning)
        for rung in report.rungs
        if rung.fitted is not None and rung.fitted.tuning is not None
    ]
    found = tuple(block for label, tuning in tuned for block in _blocks(shown_name(label), tuning, report.task.goal))
    return b.Section("tuning", "", "Fine-tuning", found) if found else None


def _blocks(name: str, t: Tuning, goal: float) -> Iterator[b.Block]:
    lesson = f" {t.lesson}." if t.lesson else ""
    yield b.Text(
        f"{name}: {how(t)}.{lesson}" if t.elsewhere else f"{name} starts from {t.base}: {how(t)}.{lesson}", "intro told"
    )
    yield from (b.Text(f"Forced, although {reason}. It cannot win.", "warn") for reason in t.forced)
    if curve := learning_curve(t, goal):
        yield b.Figure(curve)
    if t.curve or t.forecast:
        yield b.Text(f"More examples: {t.forecast or 'no forecast'}.", "small")
    if traded := trade_off(t.remedies, goal):
        yield b.Figure(traded, caption="What each remedy scores and costs in other abilities; numbers as in the table.")
    if t.remedies:
        yield b.Title("Regression tasks")
        yield b.table(
            ("Weights", "Dev score|", "Worst change|", "Passed?"), [_remedy(i, r) for i, r in enumerate(t.remedies, 1)]
        )
    if t.forgetting is not None:
        rows = [
            (
                k.name,
                quality(k.before),
                quality(k.after),
                f"{signed(k.change)} (95 % CI {span(k.low, k.high)})",
                k.status,
            )
            for k in t.forgetting.kept
        ]
        kept = b.table(("What", "Before|", "After|", "Change|", "State"), rows, "")
        yield b.Fold("each ability and task, before and after", [kept], style="long")
    if not t.elsewhere:
        yield b.Fold("every run, and what was looked at before", [*_runs(t)], style="long")


def _remedy(number: int, r: Remedy) -> tuple[b.Words, ...]:
    worst = r.forgetting.worst_change
    return (
        f"{number}. {r.name}{' (chosen)' if r.chosen else ''}",
        f"{r.dev:.3f} (n={r.n})",
        b.soft("nothing to forget") if worst is None else signed(worst),
        f"{'no: ' if r.forgetting.vetoed else ''}{r.forgetting.sentence}",
    )


def _runs(t: Tuning) -> Iterator[b.Block]:
    heads = ("Recipe", "Prompt", "Examples|", "Steps|", "Best dev|", "Seconds|", "Ended")
    yield b.table(heads, [
        (run.name, run.prompt, count(run.rows), f"{run.best_step} of {run.steps}", "" if run.best_dev is None else f"{run.best_dev:.3f}", f"{run.seconds:.0f}", run.why_ended)
        for run in t.trials
    ])  # fmt: skip
    yield b.Bullets([f"{c.what}: {c.found}" for c in t.preflight.checks], "plain small")
    yield b.Code(t.preflight.shown)


def consistency(report: Report, ids: b.Ids) -> b.Section | None:
    """Return how often answers keep exactly the form asked for; None where no metric knows a form."""
    counted = [(shown_name(rung.label), rung.consistency) for rung in report.rungs if rung.consistency is not None]
    if not counted:
        return None
    intro = (
        "How often answers keep exactly the form asked for, with exact intervals. In a run every test example counts once; "
        f"rung consistency {report.inside} --requests 10000 asks as often as you like."
    )
    heads = (
        "Approach",
        "Requests|",
        "Format errors|",
        "Text around|",
        "Other form|",
        "No answer|",
        "In 10,000|",
        "Repeats agree",
    )
    told = b.table(heads, [_kept_form(name, c) for name, c in counted])
    return b.Section("consistency", "", "Consistency", (b.Text(intro, "intro"), told))


def _kept_form(name: str, c: Consistency) -> tuple[b.Words, ...]:
    off, (low, high) = c.deviation, c.per_10k
    return (
        name,
        count(c.requests),
        f"{100 * off.rate:.2f} % (95 % CI {100 * off.low:.2f} to {100 * off.high:.2f})",
        *(count(c.forms[form].count) for form in ("extra", "wrong", "failed")),
        f"{count(round(low))} to {count(round(high))}",
        b.soft("asked once") if c.agreement is None else str(c.agreement),
    )


def how(tuning: Tuning) -> str:
    """Say what tuning took, or that it was done elsewhere."""
    if tuning.elsewhere:
        unknown = "; what it forgets was not measured: name the model that it was tuned from as `base`"
        return f"{tuning.base} was tuned elsewhere, for {money(tuning.paid_usd, UNTOLD)}{unknown * (tuning.forgetting is None)}"
    return f"{len(tuning.trials)} runs, {tuning.tokens:,} tokens, {seconds(tuning.seconds)}{saving(tuning)}"


def saving(tuning: Tuning) -> str:
    """Say how much shorter the tuned prompt is than the best one below; nothing where that is unknown."""
    now, before = tuning.prompt_tokens, tuning.prompt_tokens_below
    if now is None or not before:
        return ""
    share = f"{100 * abs(1 - now / before):.0f} % {'fewer' if now < before else 'more'}"
    return f"; its prompt takes {now:.0f} tokens, the best one below {before:.0f} ({share})"
