"""Findings become an action: which rows of a new data version are dropped, corrected or masked, and why. Nothing is written here."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rung.data.audit.audit_input import AuditInput
from rung.data.audit.duplicates import FREE
from rung.data.audit.noise import find_noise
from rung.data.audit.odd import odd_outputs
from rung.data.audit.private import ORDER, SECRETS, private_rows
from rung.data.near import normal_text
from rung.data.parts import Parts
from rung.data.spellings import usual_spellings
from rung.errors import RungError
from rung.types import Task

MOST_LABELS, MOST_OUTPUTS = 50_000, 20_000  # rows whose expected outputs are judged before they are cleaned
Action = Literal["drop", "correct", "mask"]
Part = Literal["train", "dev", "test", "set aside"]


@dataclass(frozen=True, slots=True)
class Change:
    """One row, what is done with it and why. `before` and `after`: texts of a correction, never those of a mask."""

    id: str
    part: Part
    action: Action
    check: str
    reason: str
    column: str | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class CleaningPlan:
    """What accepting the checks does: changes that are made, and those of test rows that are not."""

    changes: tuple[Change, ...]
    kept_test: tuple[Change, ...]

    def of(self, action: Action) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.action == action)

    @property
    def dropped(self) -> frozenset[str]:
        return frozenset(c.id for c in self.of("drop"))

    @property
    def altered(self) -> frozenset[str]:
        """Return the ids of rows that stay and are corrected or masked."""
        return frozenset(c.id for c in self.changes if c.action != "drop") - self.dropped

    @property
    def corrections(self) -> dict[str, dict[str, str]]:
        """Return row id -> {text of the target: its correction}."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for c in self.of("correct"):
            found[c.id][c.before or ""] = c.after or ""
        return dict(found)

    @property
    def masks(self) -> dict[str, tuple[str, ...]]:
        """Return row id -> kinds of private data that are masked there."""
        found: dict[str, tuple[str, ...]] = {}
        for c in self.of("mask"):
            secret = c.check == "secrets"
            found[c.id] = (*found.get(c.id, ()), *(k for k in ORDER if (k in SECRETS) is secret))
        return found

    def counts(self, changes: Iterable[Change] | None = None) -> dict[str, int]:
        """Return the rows concerned by check."""
        chosen = self.changes if changes is None else changes
        return dict(Counter(check for check, _ in dict.fromkeys((c.check, c.id) for c in chosen)))


def plan_cleaning(case: AuditInput, accepted: Sequence[str], *, test_too: bool = False) -> CleaningPlan:
    """Return what accepting the findings of these checks changes. Test rows stay as they are unless `test_too`.

    A row that one check drops is not corrected by another. Raises RungError for a check that offers no action.
    """
    for check in accepted:
        if check not in REMEDIES:
            near = difflib.get_close_matches(check, REMEDIES, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise RungError(f"no action is offered for {check!r}{hint} Offered: {', '.join(REMEDIES)}")
    part: dict[str, Part] = {e.id: "train" for e in case.parts.train}
    part.update((e.id, "dev") for e in case.parts.dev)
    part.update((e.id, "test") for e in case.parts.test)
    part.update((q.example.id, "set aside") for q in case.parts.quarantine)
    found: list[Change] = []
    for check in dict.fromkeys(accepted):
        found.extend(replace(c, part=part[c.id]) for c in REMEDIES[check](case))
    order = {e.id: i for i, e in enumerate(case.rows)}
    found.sort(key=lambda c: order[c.id])
    dropped = {c.id for c in found if c.action == "drop" and (test_too or c.part != "test")}
    wanted = [c for c in found if c.action == "drop" or c.id not in dropped]
    return CleaningPlan(
        tuple(c for c in wanted if test_too or c.part != "test"),
        () if test_too else tuple(c for c in wanted if c.part == "test"),
    )


def _drop(row_id: str, check: str, reason: str) -> Change:
    return Change(row_id, "train", "drop", check, reason)


def _duplicates(case: AuditInput) -> Iterator[Change]:
    for cluster in case.duplicates.equal:
        yield from _repeats(case, cluster, "duplicates", "repeats the text and the answer of")


def _near_duplicates(case: AuditInput) -> Iterator[Change]:
    for cluster in case.duplicates.clusters:
        yield from _repeats(case, cluster, "near-duplicates", "nearly repeats the text, and repeats the answer, of")


def _repeats(case: AuditInput, cluster: Sequence[str], check: str, words: str) -> Iterator[Change]:
    """Keep the first row of each answer, on either side of the seal."""
    first: dict[tuple[bool, str], str] = {}
    for row_id in cluster:
        key = (row_id in case.sealed, normal_text(case.by_id[row_id].target))
        if key in first:
            yield _drop(row_id, check, f"{words} {first[key]}")
        else:
            first[key] = row_id


def _conflicts(case: AuditInput) -> Iterator[Change]:
    """Drop the minority where most rows of an input agree, else all of them; free text has many right wordings."""
    if case.task.kind in FREE:
        return
    for cluster in case.duplicates.equal:
        answers = Counter(normal_text(case.by_id[i].target) for i in cluster)
        common, rows = answers.most_common(1)[0]
        agreed = rows > len(cluster) / 2
        if len(answers) > 1:
            for row_id in cluster:
                if not agreed:
                    yield _drop(
                        row_id, "conflicts", f"equal inputs have {len(answers)} answers, none of them in most examples"
                    )
                elif normal_text(case.by_id[row_id].target) != common:
                    yield _drop(
                        row_id, "conflicts", f"{rows} of {len(cluster)} examples with this input have another answer"
                    )


def _label_spelling(case: AuditInput) -> Iterator[Change]:
    """Correct each label to its commonest spelling in train and dev."""
    if case.task.kind != "classification":
        return
    known = usual_spellings((*case.parts.train, *case.parts.dev), case.label_form)
    for e in case.rows:
        for text in e.targets:
            usual, rows = known.get(case.label_form(text), (text, 0))
            if usual != text:
                reason = f"the usual spelling of this label ({rows} examples)"
                yield Change(e.id, "train", "correct", "label-spelling", reason, case.task.target, text, usual)


def to_clean(parts: Parts, task: Task, label_form: Callable[[str], str] | None = None) -> AuditInput:
    """Return what the checks are given where rows are cleaned: a check samples, cleaning looks at as many as it can."""
    most = MOST_LABELS if task.kind == "classification" else MOST_OUTPUTS
    return AuditInput(parts, task, label_form=label_form or normal_text, judged_rows=most)


def _suspects(check: str) -> Callable[[AuditInput], Iterator[Change]]:
    def remedy(case: AuditInput) -> Iterator[Change]:
        noise = find_noise(case) if (case.task.kind == "classification") is (check == "suspect-labels") else None
        for doubt in noise.doubts if noise is not None else ():
            yield _drop(doubt.id, check, doubt.why)

    return remedy


def _odd(case: AuditInput) -> Iterator[Change]:
    for what, ids in odd_outputs(case).items():
        for row_id in ids:
            yield _drop(row_id, "odd-outputs", what)


def _empty(case: AuditInput) -> Iterator[Change]:
    for e in case.rows:
        if not e.text.strip():
            yield _drop(e.id, "empty-inputs", "nothing in any input column")


def _leakage(case: AuditInput) -> Iterator[Change]:
    words = {"equal": "has the text of", "near": "has nearly the text of", "group": "has the group of"}
    for q in case.parts.quarantine:
        yield _drop(q.example.id, "leakage", f"{words[q.why]} a {q.part} example")


def _private(check: str) -> Callable[[AuditInput], Iterator[Change]]:
    def remedy(case: AuditInput) -> Iterator[Change]:
        for row_id, kinds in private_rows(case).items():
            fitting = [k for k in kinds if (k in SECRETS) is (check == "secrets")]
            if fitting:
                yield Change(row_id, "train", "mask", check, f"holds {', '.join(fitting)}")

    return remedy


REMEDIES: Mapping[str, Callable[[AuditInput], Iterator[Change]]] = {
    "duplicates": _duplicates,
    "near-duplicates": _near_duplicates,
    "conflicts": _conflicts,
    "leakage": _leakage,
    "label-spelling": _label_spelling,
    "empty-inputs": _empty,
    "suspect-labels": _suspects("suspect-labels"),
    "suspect-outputs": _suspects("suspect-outputs"),
    "odd-outputs": _odd,
    "personal-data": _private("personal-data"),
    "secrets": _private("secrets"),
}
