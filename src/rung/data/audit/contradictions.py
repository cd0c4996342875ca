"""Nearly equal inputs whose expected outputs disagree: other labels, other fields, or other words where such rows usually agree."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from rung.data.audit._slots import fields_of
from rung.data.audit.audit_input import AuditInput, counted, of_test
from rung.data.near import NearPair, normal_text
from rung.types import Finding

AGREE = 0.6  # median likeness of the outputs of near inputs from which a pair can stand out
APART = 0.3  # likeness below which it does
MANY = 0.05  # share of rows from which it deserves a warning


def contradicting(case: AuditInput) -> tuple[NearPair, ...]:
    """Return the near pairs that disagree, in order of the file."""
    pairs = case.duplicates.near
    rows = case.by_id
    if case.task.kind == "classification":
        return tuple(p for p in pairs if not _any_shared(rows[p.first].targets, rows[p.second].targets))
    targets = list(dict.fromkeys(i for p in pairs for i in (p.first, p.second)))
    fields = fields_of([rows[i].target for i in targets])
    if fields is not None:
        names = {i: set(f) for i, f in zip(targets, fields, strict=True)}
        return tuple(p for p in pairs if names[p.first] != names[p.second])
    words = {i: set(normal_text(rows[i].target).split()) for i in targets}
    alike = [len(words[p.first] & words[p.second]) / max(1, len(words[p.first] | words[p.second])) for p in pairs]
    if not alike or statistics.median(alike) < AGREE:
        return ()
    return tuple(p for p, a in zip(pairs, alike, strict=True) if a < APART)


def check_contradictions(case: AuditInput) -> Iterator[Finding]:
    """Report near pairs that disagree. They may both be right: a word can make the difference."""
    found = contradicting(case)
    if not found:
        return
    ids = list(dict.fromkeys(i for p in found for i in (p.first, p.second)))
    what = {"classification": "other labels", "extraction": "other fields"}.get(
        case.task.kind, "outputs with little in common"
    )
    total = len(case.duplicates.near)
    yield Finding(
        "contradictions",
        "warn" if len(ids) >= MANY * len(case.rows) else "note",
        f"{counted(len(found), 'pair')} of nearly equal inputs (of {total:,}) {'has' if len(found) == 1 else 'have'} {what}"
        f"{of_test(case.hidden(ids))}.",
        "Look at both examples of a pair: either one is wrong, or the word that tells them apart matters.",
        case.seen(ids),
        {"pairs": len(found), "of": total, "rows": len(ids)},
    )


def _any_shared(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return bool({normal_text(t) for t in one} & {normal_text(t) for t in other})
