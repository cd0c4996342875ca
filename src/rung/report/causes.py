"""Why dev examples failed, what that predicts of the next approach, and how good the prediction was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rung.diagnosis.calibration import right_about
from rung.diagnosis.failed_examples import share_of
from rung.report import blocks as b
from rung.report.answer_form import form_lines
from rung.report.charts import share_bar, stacked
from rung.report.evidence import slug
from rung.report.figures import count, percent, quality
from rung.report.load import Report
from rung.report.summary import main_cause
from rung.store.records import PredictionCheck
from rung.types import Cause, Diagnosis, Estimate
from rung.usual_names import shown_name

CAUSE_COLOURS = 6


def section(report: Report, ids: b.Ids) -> b.Section:
    """Return the failures by cause: a line an approach, the causes of each behind it."""
    return b.Section("why", "Failures", "Failures by cause", tuple(_blocks(report, ids)), folded=False)


def _blocks(report: Report, ids: b.Ids) -> Iterator[b.Block]:
    diagnosed = [rung.diagnosis for rung in report.rungs if rung.diagnosis is not None]
    if not diagnosed:
        yield b.Text("No approach was diagnosed.", "empty")
        return
    if cause := main_cause(report):
        yield b.Text(cause, "intro")
    yield from (b.Text(f"{shown_name(d.rung)}: {d.mostly}.", "warn") for d in diagnosed if d.mostly)
    colours, most = cause_colours(diagnosed), max(d.failed for d in diagnosed)
    heads = b.columns("Approach", b.Column("Causes", "barcell", ""), "Dev examples failed|")
    yield b.Table(heads, [_bar(d, colours, most) for d in diagnosed], "cards stacks")
    yield b.Key([(f"swatch {colour}", name) for name, colour in colours.items()])
    yield from (_fold(d, colours, ids) for d in diagnosed)
    if lines := [*form_lines(report)]:
        yield b.Fold(b.bold("Format"), [b.Bullets(lines)], told="blocks")
    if checked := [c for rung in report.rungs for c in rung.predicted]:
        yield b.Fold(b.bold("How good the diagnosis was"), [*_checked(checked)], told="blocks")


def _bar(d: Diagnosis, colours: Mapping[str, str], most: int) -> b.Row:
    said = ", ".join(f"{c.name} {c.count}" for c in d.causes) or "none"
    bar = b.Drawing(stacked([(c.name, c.count, colours[c.name]) for c in d.causes], most), said)
    return b.Row(
        (b.Bit(shown_name(d.rung), "", f"#why-{slug(d.rung)}"), bar, b.soft(f"{count(d.failed)} of {count(d.n)}"))
    )


def _fold(d: Diagnosis, colours: Mapping[str, str], ids: b.Ids) -> b.Fold:
    name = shown_name(d.rung)
    return b.Fold(
        (b.bold(name), f" {d.sentence.removeprefix(f'At {name} ')}"), [*_causes(d, colours, ids)], f"why-{slug(d.rung)}"
    )


def _causes(d: Diagnosis, colours: Mapping[str, str], ids: b.Ids) -> Iterator[b.Block]:
    if d.causes:
        yield b.table(
            ("Cause", "Count|", b.Column("Share of failures", "r", "Share"), "Evidence", "Suggests", "Examples"),
            [
                (
                    (b.Bit("", f"swatch {colours[c.name]}"), c.name),
                    count(c.count),
                    quality(c.share),
                    b.Long(c.evidence),
                    c.suggests,
                    ids(c.example_ids),
                )
                for c in d.causes
            ],
        )
    else:
        yield b.Text("No dev example failed.", "empty")
    if d.experiments:
        yield b.Title(("Re-run with one change ", b.soft(f"({count(d.calls)} calls)")), "sub")
        yield b.table(
            (
                "Changed",
                b.Column("Pass now", "barcell", ""),
                b.Column("", "r", "Pass now"),
                "Evidence",
                "Predicted fix rate",
                "Suggests",
                "Examples",
            ),
            [
                (c.name, _passing(c), quality(c.share), b.Long(c.evidence), predicts(c), c.suggests, ids(c.example_ids))
                for c in d.experiments
            ],
        )
    if d.untried:
        yield b.Text(f"Not tried: {'; '.join(f'{u.what} ({u.reason})' for u in d.untried)}.", "small soft")


def _passing(c: Cause) -> b.Drawing:
    said = f"{c.count} of {c.share.n} tried examples pass"
    return b.Drawing(share_bar(c.share.mean or 0.0, None, said), said)


def _checked(checked: Sequence[PredictionCheck]) -> Iterator[b.Block]:
    yield b.Text(
        "What a diagnosis predicted of the next approach, against what that approach did on the same dev examples.",
        "intro",
    )
    yield b.Text(summary(checked), "intro told")
    heads = (
        "Predicted at",
        "Cause",
        "Of approach",
        "Count|",
        "Predicted fix rate|",
        "Actual fix rate|",
        "Example by example",
        "Correct predictions|",
    )
    yield b.table(heads, [
        (shown_name(c.at), (c.cause, b.small(f"by {c.found_by}")), shown_name(c.rung), count(right_about(c).n), _rate(c.predicted), _rate(c.actual), _one_by_one(c), quality(right_about(c)))
        for c in checked
    ])  # fmt: skip


def _rate(e: Estimate) -> tuple[str, b.Bit]:
    return percent(e.mean), b.small(f"{percent(e.low)} to {percent(e.high)}")


def _one_by_one(c: PredictionCheck) -> str:
    fixed = f"{c.kept} of {c.fixed} predicted to be fixed were" if c.fixed else ""
    wrong = f"{c.surprises} of {c.not_fixed} predicted to stay wrong were fixed" if c.not_fixed else ""
    return "; ".join(filter(None, (fixed, wrong)))


def cause_colours(diagnosed: Sequence[Diagnosis]) -> Mapping[str, str]:
    """Give each cause its class, the same in every rung; what is unexplained is grey."""
    known = {c.name: None for d in diagnosed for c in d.causes}
    explained = [n for n in known if n not in ("unexplained", "other")]
    colours = {name: f"c{i % CAUSE_COLOURS}" for i, name in enumerate(explained)}
    return {name: colours.get(name, "c-rest") for name in known}


def predicts(cause: Cause) -> str:
    """Say what a cause predicts of which rung."""
    told = cause.predicts
    if told is None:
        return "nothing"
    who = (
        "the next approach"
        if told.rung is None
        else shown_name(told.rung)
        if told.rung[0] != "@"
        else f"models.{told.rung[1:]}"
    )
    share = told.share
    return f"{who} fixes {percent(share.mean)} ({percent(share.low)} to {percent(share.high)})"


def summary(checked: Sequence[PredictionCheck]) -> str:
    """Say how often the experiments were right about a row, and whether they tell rows apart."""
    made = [f for f in checked if f.found_by == "experiment"]
    if not made:
        return "No prediction was made by experiment."
    fixed, kept = sum(f.fixed for f in made), sum(f.kept for f in made)
    not_fixed, surprises = sum(f.not_fixed for f in made), sum(f.surprises for f in made)
    n = fixed + not_fixed
    right = share_of(kept + not_fixed - surprises, n)
    said = (
        f"By experiment it was right about {percent(right.mean)} of {n} predictions ({percent(right.low)} to "
        f"{percent(right.high)}, as if each stood alone)"
    )
    if not fixed or not not_fixed:
        return f"{said}."
    apart = kept / fixed - surprises / not_fixed
    word = f"{percent(kept / fixed)} of the examples predicted to be fixed were, {percent(surprises / not_fixed)} of the others"
    return f"{said}: {word}{'' if apart > 0 else '; it did not tell them apart'}."
