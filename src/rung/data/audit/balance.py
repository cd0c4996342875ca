"""Labels of a classification: one only, rare ones, unseen ones, and what always giving the commonest would score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rung.data.audit.audit_input import AuditInput, counted, percent, quoted
from rung.data.audit.floors import label_is_guarded
from rung.data.near import normal_text
from rung.stats.aggregate import aggregate_sample
from rung.types import Finding

RARE = 5  # fewer training rows than this can hardly teach or demonstrate a label
FEW_ROWS_PER_LABEL = 2.0


def check_balance(case: AuditInput) -> Iterator[Finding]:
    """Stop at a single label, and at a goal that the commonest answer reaches; warn of rare and unseen labels."""
    if case.task.kind != "classification":
        return
    everywhere = Counter(e.target for e in case.rows)
    if len({normal_text(label) for label in everywhere}) == 1:
        yield Finding(
            "balance",
            "stop",
            f"every example has the expected output {quoted(list(everywhere))}: there is nothing to tell apart.",
            "Bring examples of at least two labels, or name another target column.",
            measured={"labels": 1},
        )
        return
    if len(case.rows) / len(everywhere) < FEW_ROWS_PER_LABEL:
        yield Finding(
            "balance",
            "warn",
            f"{len(everywhere):,} different expected outputs in {len(case.rows):,} examples do not look like labels.",
            "Set task.kind to extraction, style or generation, or name another target column.",
            measured={"labels": len(everywhere)},
        )
        return
    yield from _commonest(case)
    yield from _rare(case)
    yield from _unseen(case)


def _commonest(case: AuditInput) -> Iterator[Finding]:
    visible = Counter(e.target for e in (*case.parts.train, *case.parts.dev))
    label, rows = visible.most_common(1)[0]
    share = rows / visible.total()
    spec, expected = case.task.metrics[0], list(visible.elements())
    scores, so = share, f"always answering {quoted([label])} would be right in {percent(share)}"
    if spec.average is not None and (spec.label is None or spec.label in visible):
        scores = aggregate_sample(spec.average, expected, [label] * len(expected), None, spec.label, spec.beta).mean
        so += f" ({spec.title} {scores:.2f})"
    reached = scores >= case.task.goal and not label_is_guarded(case)
    yield Finding(
        "balance",
        "stop" if reached else "note",
        f"{counted(len(visible), 'label')}; {so}"
        + (f", which reaches the goal {case.task.goal:g}." if reached else "."),
        "Set a goal above that, or say in task.floors how many of a rare label must be found ({label: fraud, recall: 0.9})."
        if reached
        else "Nothing to do.",
        measured={"labels": len(visible), "majority_share": round(share, 4)},
    )


def _rare(case: AuditInput) -> Iterator[Finding]:
    train = Counter(e.target for e in case.parts.train)
    visible = (*case.parts.train, *case.parts.dev)
    rare = sorted({e.target for e in visible if train[e.target] < RARE})
    if rare:
        held = set(rare)
        yield Finding(
            "rare-labels",
            "warn",
            f"{counted(len(rare), 'label has', 'labels have')} fewer than {RARE} training examples: {quoted(rare)}.",
            "Collect more examples of these, merge them, or expect errors on them.",
            case.seen(e.id for e in visible if e.target in held),
            {"labels": len(rare), "training_rows": {label: train[label] for label in rare[:50]}},
        )


def _unseen(case: AuditInput) -> Iterator[Finding]:
    seen = {e.target for e in (*case.parts.train, *case.parts.dev)}
    hidden = [e.target for e in case.parts.test if e.target not in seen]
    if hidden:
        yield Finding(
            "unseen-labels",
            "warn",
            f"{counted(len(hidden), 'test example has a label', 'test examples have labels')} that neither train nor dev shows "
            f"({counted(len(set(hidden)), 'label')}); no approach can learn them.",
            "Bring training examples of every label, or name all labels in the prompt.",
            measured={"test_rows": len(hidden), "labels": len(set(hidden))},
        )
