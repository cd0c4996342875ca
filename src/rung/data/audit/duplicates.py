"""Equal and nearly equal rows, equal inputs with different expected outputs, and training rows that leak."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from rung.data.audit.audit_input import AuditInput, counted, of_those, percent
from rung.data.near import THRESHOLD, normal_text
from rung.data.spellings import usual_spellings
from rung.types import Finding

FREE = ("style", "generation")  # kinds with many right wordings
MANY = 0.10  # share of rows from which repetition deserves a warning


def check_duplicates(case: AuditInput) -> Iterator[Finding]:
    """Report rows that repeat another's text, and pairs that nearly do. The split has kept them on one side."""
    found, total = case.duplicates, len(case.rows)
    kept = (
        "Repeated examples were kept on one side of the split, and count as one group in every interval"
        if not case.parts.given
        else "Examples that leak are set aside"
    )
    if found.equal:
        extra = sum(len(ids) - 1 for ids in found.equal)
        ids = [i for cluster in found.equal for i in cluster]
        yield Finding(
            "duplicates",
            "warn" if extra >= MANY * total else "note",
            f"{counted(extra, 'example repeats', 'examples repeat')} the text of another ({percent(extra / total)}, "
            f"{counted(len(ids), 'example')} share {counted(len(found.equal), 'text')}{of_those(case.hidden(ids))}).",
            f"{kept}; take repeats out if real traffic does not repeat like this.",
            case.seen(ids),
            {"extra": extra, "texts": len(found.equal)},
        )
    if found.near:
        ids = list(dict.fromkeys(i for pair in found.near for i in (pair.first, pair.second)))
        largest = max(len(found.clusters[found.cluster_of[i]]) for i in ids)
        yield Finding(
            "near-duplicates",
            "warn" if len(ids) >= MANY * total else "note",
            f"{counted(len(found.near), 'pair')} of examples are nearly equal (resemblance at least {THRESHOLD:g}; "
            f"{counted(len(ids), 'example')}, largest cluster {largest}{of_those(case.hidden(ids))}).",
            f"{kept}; look at the pairs and keep one of each if they come from a template.",
            case.seen(ids),
            {"pairs": len(found.near), "rows": len(ids), "largest": largest},
        )


def check_conflicts(case: AuditInput) -> Iterator[Finding]:
    """Report equal inputs with different expected outputs: no system can get all of them right."""
    apart: dict[bool, list[tuple[str, ...]]] = {True: [], False: []}
    lost = {True: 0, False: 0}
    for cluster in case.duplicates.equal:
        answers = Counter(case.by_id[i].target for i in cluster)
        if len(answers) > 1:
            real = len({normal_text(a) for a in answers}) > 1
            apart[real].append(cluster)
            lost[real] += len(cluster) - max(answers.values())
    if case.task.kind in FREE and apart[True]:
        yield _several_wordings(case, apart[True])
        apart[True] = []
    for real, clusters in apart.items():
        if not clusters:
            continue
        ids = [i for cluster in clusters for i in cluster]
        yield Finding(
            "conflicts",
            "warn" if real else "note",
            f"{counted(len(clusters), 'input has', 'inputs have')} expected outputs that "
            + ("differ from example to example" if real else "differ in case or white space only")
            + f" ({counted(len(ids), 'example')}, at least {lost[real]} of them wrong for any system"
            f"{of_those(case.hidden(ids))}).",
            "Decide which answer is right, or add the column that tells them apart to the inputs."
            if real
            else "Harmless where the metric forgives case; else write them in one way.",
            case.seen(ids),
            {"inputs": len(clusters), "rows": len(ids), "at_least_wrong": lost[real], "real": real},
        )


def _several_wordings(case: AuditInput, clusters: list[tuple[str, ...]]) -> Finding:
    """Say that equal inputs have different texts, each of which may be right."""
    ids = [i for cluster in clusters for i in cluster]
    return Finding(
        "conflicts",
        "note",
        f"{counted(len(clusters), 'input stands', 'inputs stand')} in several examples with different outputs "
        f"({counted(len(ids), 'example')}{of_those(case.hidden(ids))}): of free text each may be right, but an answer is compared "
        "with its own example's only.",
        "Bring the outputs of one input together in one example: a list in the target column, or task.accepted_answers.",
        case.seen(ids),
        {"inputs": len(clusters), "rows": len(ids), "real": False},
    )


def check_leakage(case: AuditInput) -> Iterator[Finding]:
    """Report training rows that were set aside because of a test row, and inputs that hold the answer."""
    why: dict[str, list[str]] = defaultdict(list)
    twins: dict[str, set[str]] = defaultdict(set)
    for entry in case.parts.quarantine:
        why[entry.why].append(entry.example.id)
        twins[entry.why].add(entry.twin)
    words = {
        "equal": "the text of a test example",
        "near": "nearly the text of a test example",
        "group": "the group of a test example",
    }
    for reason, ids in why.items():
        yield Finding(
            "leakage",
            "warn",
            f"{counted(len(ids), 'training example has', 'training examples have')} {words[reason]} "
            f"({counted(len(twins[reason]), 'test example')} concerned).",
            "They are set aside: no approach learns from them. Figures measured elsewhere with them in training are too high.",
            case.seen(ids),
            {"why": reason, "train_rows": len(ids), "test_rows": len(twins[reason])},
        )
    for column in case.task.inputs:
        same = [e.id for e in case.rows if e.target.strip() and e.inputs[column].strip() == e.target.strip()]
        if len(same) > 0.5 * len(case.rows):
            yield Finding(
                "leakage",
                "warn",
                f"the input column {column!r} holds the expected output itself in {percent(len(same) / len(case.rows))} of "
                "the examples.",
                f"Take {column!r} out of task.inputs unless the model really has it when it answers.",
                case.seen(same),
                {"column": column, "rows": len(same)},
            )


def check_spelling(case: AuditInput) -> Iterator[Finding]:
    """Report labels that differ in case or white space only, and the spelling that each would be corrected to."""
    if case.task.kind != "classification":
        return
    visible = (*case.parts.train, *case.parts.dev)
    usual = usual_spellings(visible, normal_text)
    odd = {t: usual[normal_text(t)][0] for e in visible for t in e.targets if t != usual[normal_text(t)][0]}
    if odd:
        shown = [f"{s!r} -> {right!r}" for s, right in sorted(odd.items())]
        more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
        ids = [e.id for e in visible if any(t in odd for t in e.targets)]
        labels = len(set(odd.values()))
        yield Finding(
            "label-spelling",
            "warn",
            f"{counted(labels, 'label is', 'labels are')} spelt in more than one way ({counted(len(ids), 'example')}): "
            f"{', '.join(shown[:5])}{more}.",
            "Write each label in one way: `rung data clean --accept label-spelling` corrects them to the commonest.",
            case.seen(ids),
            {"labels": labels, "rows": len(ids), "corrections": dict(sorted(odd.items()))},
        )
