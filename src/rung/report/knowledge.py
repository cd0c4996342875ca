"""The knowledge split, abstentions and planted instructions of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rung.report import blocks as b
from rung.report.figures import count, examples, quality
from rung.report.load import Report
from rung.types import KnowledgeSplit
from rung.usual_names import shown_name


def section(report: Report, ids: b.Ids) -> b.Section | None:
    """Return what approaches that look answers up know, find and obey; None without such an approach."""
    found = tuple(_blocks(report, ids))
    return b.Section("knowledge", "", "Is it knowledge?", found) if found else None


def _blocks(report: Report, ids: b.Ids) -> Iterator[b.Block]:
    for rung in report.rungs:
        if rung.diagnosis is not None and rung.diagnosis.knowledge is not None:
            yield from _split(shown_name(rung.label), rung.diagnosis.knowledge, ids)
    declined = [
        (r.label, r.result.abstentions) for r in report.measured if r.result is not None and r.result.abstentions
    ]
    if declined:
        yield b.Title("Abstentions on test")
        yield b.Text(
            "Answers that say they do not know: right where the expected output does too, wrong where the example has an answer. Missed: the "
            "expected output abstains and the answer does not.",
            "intro",
        )
        ways = ("right", "wrong", "missed")
        rows = [(shown_name(label), *(count(times.get(way, 0)) for way in ways)) for label, times in declined]
        yield b.table(("Approach", *(f"{way}|" for way in ways)), rows, "")
    for rung in report.rungs:
        planted = rung.fitted.planted if rung.fitted is not None else None
        if planted is not None:
            kinds = "".join(f" {kind}: {count(times)}." for kind, times in planted.obeyed_by.items() if times)
            yield b.Text(
                f"{shown_name(rung.label)}: instructions planted in {count(planted.documents)} documents were obeyed in {count(planted.obeyed)} of "
                f"{count(planted.asked)} answers to dev examples: {quality(planted.share)}.{kinds} The user's own documents never held them."
            )


def _split(name: str, known: KnowledgeSplit, ids: b.Ids) -> Iterator[b.Block]:
    yield b.Text(
        f"The same {examples(known.rows)} of dev at {name}, asked closed book and with the passages that were found. Where a passage is known "
        "to hold the expected answer, also with that passage alone.",
        "intro told",
    )
    gold: b.Words = quality(known.gold) if known.gold else b.soft("no example has a known one")
    asked: Sequence[Sequence[b.Words]] = [
        ("closed book", quality(known.closed)),
        ("with the passages found", quality(known.retrieved)),
        ("with the right passage", gold),
        *(
            (f"search: {what.replace('_', ' ')}", f"{value:.3f}")
            for what, value in (known.search or {}).items()
            if what != "rows"
        ),
        *((f"abstentions, {what}", count(times)) for what, times in known.abstentions.items()),
    ]
    yield b.table(("Asked", "Right|"), asked, "")
    heads = ("Why", b.Column("Examples", "r", "Count"), "Share|", "What was seen", "Suggests", "Examples")
    for title, causes in (("Wrong closed book", known.causes), ("Wrong with passages", known.failures)):
        if causes:
            yield b.Title(title)
            yield b.table(heads, [
                (c.name, count(c.count), quality(c.share), b.Long(c.evidence), c.suggests, ids(c.example_ids)) for c in causes
            ])  # fmt: skip
