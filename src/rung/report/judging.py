"""What is known of a judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rung.report import blocks as b
from rung.report.load import Report
from rung.store.records import Correlation, Trust
from rung.types import Estimate


def section(report: Report, ids: b.Ids) -> b.Section | None:
    """Return what is known of the judge; None where none decides."""
    return None if report.trust is None else b.Section("judge", "", "The judge", tuple(_blocks(report.trust, ids)))


def _blocks(t: Trust, ids: b.Ids) -> Iterator[b.Block]:
    judged = f"{t.answers:,} different test answers judged, {t.labelled:,} of them with human labels."
    yield b.Text(f"{judged} A judge's scores decide only together with labels.", "small")
    if t.warnings:
        yield b.Bullets([b.Item(line, icon="warn") for line in t.warnings], "findings")
    yield b.Facts([(fact.name, (fact.value, b.small(fact.meaning))) for fact in facts(t)], "facts")
    if t.unknown:
        yield b.Text(f"Not measured: {'; '.join(t.unknown)}.", "soft small")
    if t.teaches:
        yield b.Text(
            ("Dev examples whose labels would teach most about it (rung label --teach): ", *ids(t.teaches)), "small"
        )


@dataclass(frozen=True, slots=True)
class JudgeFact:
    """One measured property of the judge: its name, its value with interval and size, and what it means."""

    name: str
    value: str
    meaning: str


def facts(trust: Trust) -> tuple[JudgeFact, ...]:
    """Return everything measured, most telling first."""
    return tuple(_facts(trust))


def _facts(t: Trust) -> Iterator[JudgeFact]:
    if t.agreement is not None:
        yield JudgeFact("agrees with people", _share(t.agreement), "on answers drawn at random and labelled blind")
    if t.kindness is not None:
        yield JudgeFact(
            "kinder than people by", _signed(t.kindness), "its mean score less theirs; the verdict is corrected for it"
        )
    if t.turned is not None:
        yield JudgeFact(
            "turned by the order", _share(t.turned), "comparisons that the order of the two answers decided"
        )
    if t.first_place is not None:
        yield JudgeFact("of these for the first", _share(t.first_place), "0.50 would be no preference for a place")
    if t.wavering is not None:
        yield JudgeFact("disagrees with itself", _share(t.wavering), "answers on which repeats of one question differ")
    if t.length is not None:
        yield JudgeFact(
            "score with length", _correlation(t.length), "correlation; longer answers may also be better ones"
        )
    if t.length_error is not None:
        yield JudgeFact(
            "error with length", _correlation(t.length_error), "correlation of score less people's: 0 is no bias"
        )
    if t.on_dev is not None:
        yield JudgeFact(
            "agrees on chosen dev examples", _share(t.on_dev), "hard examples, no random draw: they decide nothing"
        )
    if t.teaches and t.labelled == 0:
        yield JudgeFact(
            "labels teach most on dev examples", ", ".join(t.teaches[:5]), "`rung label --teach` asks for them"
        )
    if t.unreadable:
        yield JudgeFact(
            "replies that could not be read", f"{t.unreadable:,} of {t.answers:,}", "failures of cause metric"
        )


def _share(found: Estimate) -> str:
    return str(found)


def _signed(found: Estimate) -> str:
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}] (n={found.n:,})"


def _correlation(found: Correlation) -> str:
    return f"{found.r:+.2f} [{found.low:+.2f}, {found.high:+.2f}] (n={found.n:,})"
