"""Which expected outputs look wrong, and what quality the labels then allow at all.

Three ways, by what the rows are: labels (a word model that never saw the row), fields in the output or the input (cues for
each field), free text on both sides (does the output fit the input?). Each says how many rows it doubts; how many are
wrong is estimated from sets with known errors, and with it the ceiling: what a system that is always right would score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rung.data.audit._slots import fields_of
from rung.data.audit.audit_input import AuditInput, counted, of_test, percent
from rung.data.audit.labels import Judged, judged_labels, suspect_labels
from rung.plugins import require
from rung.stats.estimate import wilson
from rung.types import Example, Finding, Json

Way = Literal["labels", "fields", "pairs"]
FEWEST_ROWS = 200
FEWEST_FIELDS = 2  # different fields that rows of a form must have
RELATED = 0.05  # median rank from which input and output are too loosely tied to judge a row by
BADLY_FITTING = 0.025  # share of the rows of clean sets that look as if they did not belong together: 0.6 to 2.4 %
SURE = 0.9  # estimated share of wrong rows among those named
# true errors per doubted row on sets with known errors (docs/audit.md): 0.67 and 1.49 (published verdicts), 0.63 to 0.94
# (5 % flipped labels, whose own errors count as none), 1.4 to 1.7 (fields); pairs estimate the share itself
ERRORS_PER_DOUBT: dict[Way, tuple[float, float, float]] = {"labels": (0.6, 1.0, 1.5), "fields": (0.9, 1.4, 1.8)}
UNSUPPORTED, MISSING = "has no support in the text", "is missing, though the text has it"
ALL_OR_NOTHING = ("normalized_match", "contains", "numeric", "regex", "sql", "schema")
BY_PART = ("json_fields", "token_f1", "rouge_l", "chrf")  # F measures over parts of the output
HARMLESS = 0.995  # a ceiling that nobody needs to hear of
OVERLOOKED = (1.6, 1.3, 1.0)  # on e2e-label-noise a wrong row loses 1.3 times what its doubted fields cost
SAMPLE = 300  # pairs of outputs from which the score of a wrong one is taken


@dataclass(frozen=True, slots=True)
class Doubt:
    """A row whose expected output looks wrong, why, and which share of the output is doubted."""

    id: str
    why: str
    share: float = 1.0


@dataclass(frozen=True)
class Noise:
    """What was judged and doubted. `wrong`: estimated share of wrong rows with its interval (low, estimate, high)."""

    way: Way
    rows: int
    doubts: tuple[Doubt, ...]
    wrong: tuple[float, float, float]
    fields: tuple[str, ...] = ()

    @property
    def lost(self) -> float:
        """Return the share of an output that is doubted in a doubted row, on the average."""
        return sum(d.share for d in self.doubts) / len(self.doubts) if self.doubts else 0.0


def find_noise(case: AuditInput) -> Noise | None:
    """Judge the expected outputs; None where no way fits these rows."""
    if case.task.kind == "classification":
        judged = judged_labels(case)
        return _of_labels(judged) if judged is not None and judged.contradicts else None
    rows = case.judged
    return (_of_fields(rows) or _of_pairs(rows, case)) if len(rows) >= FEWEST_ROWS else None


def check_noise(case: AuditInput) -> Iterator[Finding]:
    """Report doubted expected outputs, and the ceiling that they set."""
    if case.task.kind == "classification":
        judged = judged_labels(case)
        if judged is None:
            return
        yield from suspect_labels(case, judged)
        noise = _of_labels(judged) if judged.contradicts else None
    else:
        noise = find_noise(case)
        if noise is not None and noise.doubts:
            yield _suspect_outputs(case, noise)
    if noise is not None:
        yield from _ceiling(case, noise)


def _of_labels(judged: Judged) -> Noise:
    doubts = tuple(
        Doubt(
            judged.rows[s.row].id,
            f"given {judged.names[s.given]!r}, the words of other examples say {judged.names[s.guessed]!r}",
        )
        for s in judged.found
    )
    return Noise("labels", len(judged.rows), doubts, _scaled("labels", len(doubts), len(judged.rows)))


def _scaled(way: Way, doubted: int, rows: int) -> tuple[float, float, float]:
    least, usual, most = ERRORS_PER_DOUBT[way]
    seen = wilson(doubted, rows)
    return least * seen.low, min(1.0, usual * doubted / rows), min(1.0, most * seen.high)


def _of_fields(rows: Sequence[Example]) -> Noise | None:
    """Compare the fields of the outputs with the inputs, or those of the inputs with the outputs."""
    outputs, inputs = [e.target for e in rows], [e.text for e in rows]
    fields, texts = fields_of(outputs), inputs
    if fields is None:
        fields, texts = fields_of(inputs), outputs
    if fields is None or len({name for row in fields for name in row}) < FEWEST_FIELDS:
        return None
    reading = require("rung.data.audit._cues").disagreements(fields, texts)
    if not reading.fields:
        return None
    by_row: dict[int, list[str]] = {}
    for d in reading.found:
        by_row.setdefault(d.row, []).append(f"{d.field} {UNSUPPORTED if d.why == 'unsupported' else MISSING}")
    doubts = [Doubt(rows[i].id, "; ".join(why), _taken(len(fields[i]), why)) for i, why in by_row.items()]
    doubts.sort(key=lambda d: -d.share)
    return Noise("fields", len(rows), tuple(doubts), _scaled("fields", len(doubts), len(rows)), reading.fields)


def _taken(fields: int, why: Sequence[str]) -> float:
    """Return what an F measure over the fields takes from a right answer where these doubts are true."""
    extra = sum(w.endswith(UNSUPPORTED) for w in why)
    missing = len(why) - extra
    right = max(0, fields - extra)
    return 1.0 - 2.0 * right / (fields + right + missing) if right else 1.0


def _of_pairs(rows: Sequence[Example], case: AuditInput) -> Noise | None:
    module = require("rung.data.audit._pairs")
    places: dict[str | int, int] = {}
    cluster = case.duplicates.cluster_of
    groups = [places.setdefault(cluster.get(e.id, e.group), len(places)) for e in rows]
    found = module.ranks([e.text for e in rows], [e.target for e in rows], groups)
    if found is None or sorted(found)[len(found) // 2] > RELATED:
        return None
    limit = module.threshold(found, SURE)
    named = sorted((i for i in range(len(rows)) if found[i] > limit), key=lambda i: -found[i])
    doubts = tuple(
        Doubt(rows[i].id, f"{percent(found[i])} of other examples' outputs fit the input better") for i in named
    )
    share = module.unfit_share(found)
    half = wilson(share / 2.0 * len(rows), len(rows))
    low = max(0.0, 2.0 * half.low - BADLY_FITTING)
    return Noise("pairs", len(rows), doubts, (low, share, min(1.0, 2.0 * half.high)))


def _suspect_outputs(case: AuditInput, noise: Noise) -> Finding:
    ids = [d.id for d in noise.doubts]
    share = len(ids) / noise.rows
    judged = f" (fields judged: {', '.join(noise.fields)})" if noise.fields else ""
    what = "disagree with the text beside them" if noise.way == "fields" else "do not seem to belong to their input"
    measured: dict[str, Json] = {
        "suspects": len(ids),
        "in_test": case.hidden(ids),
        "rows": noise.rows,
        "way": noise.way,
    }
    if noise.fields:
        reasons = Counter(why for d in noise.doubts if d.id not in case.sealed for why in d.why.split("; "))
        measured["reasons"] = {**dict(reasons.most_common(10))}
    return Finding(
        "suspect-outputs",
        "warn" if share >= 0.05 else "note",
        f"{counted(len(ids), 'expected output')} ({percent(share)}) {what}{judged}{of_test(case.hidden(ids))}.{case.judged_in_words}",
        "Look at the named examples; `rung data clean --accept suspect-outputs` leaves the training examples among them out.",
        case.seen(ids),
        measured,
    )


def _ceiling(case: AuditInput, noise: Noise) -> Iterator[Finding]:
    """Set the goal against what a system that is always right would score on these labels."""
    lost = _lost(case, noise)
    # Wrong labels pull what runs now down, too; what an average over labels loses depends on whose they are.
    if lost is None or case.task.as_good_as is not None or case.task.metrics[0].average is not None:
        return
    low, mid, high = (
        1.0 - min(1.0, lost * more) * share
        for share, more in zip(reversed(noise.wrong), _more(noise, lost), strict=True)
    )
    if case.task.metrics[0].plugin in ALL_OR_NOTHING:
        high = min(high, 1.0 - _contradicted(case) / len(case.rows))
        mid, low = min(mid, high), min(low, high)
    goal = case.task.goal
    above = goal > high
    if goal <= mid and mid >= HARMLESS:
        return
    allowed = f"these labels allow: about {mid:.2f} ({low:.2f} to {high:.2f})"
    yield Finding(
        "ceiling",
        "warn" if goal > mid else "note",
        f"{goal:g} is above what {allowed}."
        if above
        else f"{goal:g} may be above what {allowed}."
        if goal > mid
        else f"{goal:g} is within what {allowed}.",
        "Fix or leave out the wrong examples of the test set too, or set a goal below that."
        if goal > mid
        else "Nothing to do.",
        measured={
            "ceiling": round(mid, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "goal": goal,
            "wrong_share": round(noise.wrong[1], 4),
            "way": noise.way,
        },
    )


def _more(noise: Noise, lost: float) -> tuple[float, float, float]:
    """Return by how much the loss of a wrong row exceeds that of its doubted fields, for low, usual and high ceilings."""
    return OVERLOOKED if noise.way == "fields" and lost < 1.0 else (1.0, 1.0, 1.0)


def _lost(case: AuditInput, noise: Noise) -> float | None:
    """Return how much of its score a right answer loses on a wrong row; None where the metric does not say."""
    metric = case.task.metrics[0].name
    if metric in ALL_OR_NOTHING or noise.way == "labels":
        return 1.0
    if metric not in BY_PART:
        return None
    if noise.way == "fields":
        return noise.lost
    targets = [Counter(e.target.casefold().split()) for e in case.rows[: 2 * SAMPLE]]
    shared = [2.0 * (a & b).total() / max(1, a.total() + b.total()) for a, b in pairwise(targets)]
    return 1.0 - sum(shared) / max(1, len(shared))


def _contradicted(case: AuditInput) -> int:
    """Return how many rows are wrong for any system, as equal inputs want different outputs."""
    lost = 0
    for cluster in case.duplicates.equal:
        answers = Counter(case.by_id[i].target for i in cluster)
        lost += len(cluster) - max(answers.values())
    return lost
