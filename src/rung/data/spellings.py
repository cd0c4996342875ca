"""Labels that are spelt in several ways, which the metric forgives, are one label: shown as it is spelt most often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rung.types import Example, Finding

BOTH_COMMON = 0.2  # share of a label's rows from which on a second spelling may be a label of its own
FEWEST = 5  # rows of it


def usual_spellings(examples: Sequence[Example], form: Callable[[str], str]) -> dict[str, tuple[str, int]]:
    """Return label as compared -> its commonest spelling, and how many rows have it."""
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for e in examples:
        for text in e.targets:
            forms[form(text)][text] += 1
    usual = {name: max(sorted(c), key=lambda s: (c[s], s == s.strip())) for name, c in forms.items()}
    return {name: (spelling, forms[name][spelling]) for name, spelling in usual.items()}


def one_spelling(
    examples: Sequence[Example], form: Callable[[str], str]
) -> tuple[tuple[Example, ...], dict[str, Example]]:
    """Return the rows with every label spelt in its commonest way, and those that are written otherwise as they were."""
    usual = usual_spellings(examples, form)
    changed: dict[str, Example] = {}
    found = []
    for e in examples:
        texts = tuple(dict.fromkeys(usual[form(text)][0] for text in e.targets))
        if texts != e.targets:
            changed[e.id] = e
            e = replace(e, target=texts[0], others=texts[1:])
        found.append(e)
    return tuple(found), changed


def spelling_findings(
    before: Mapping[str, Example], after: Mapping[str, Example], form: Callable[[str], str], metric: str
) -> tuple[Finding, ...]:
    """Say which spellings are read as one label. `before`: the rows that were written otherwise."""
    if not before:
        return ()
    usual = {form(text): text for e in after.values() for text in e.targets}
    rows = Counter(form(text) for e in after.values() for text in e.targets)
    odd = Counter(text for e in before.values() for text in e.targets if text != usual[form(text)])
    shown = [f"{text!r} ({count}) as {usual[form(text)]!r}" for text, count in sorted(odd.items())]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    doubtful = [t for t, count in odd.items() if count >= max(FEWEST, BOTH_COMMON * rows[form(t)])]
    labels = len({form(t) for t in odd})
    return (
        Finding(
            "label-spelling",
            "warn" if doubtful else "note",
            f"{labels} label{' is' if labels == 1 else 's are'} spelt in more than one way; {metric} forgives that, so each is read as one "
            f"label, spelt as it is most often: {', '.join(shown[:5])}{more}.",
            "If they are different labels, use the metric exact_match; `rung data clean --accept label-spelling` writes one spelling.",
            measured={"labels": labels, "rows": len(before), "corrections": {t: usual[form(t)] for t in sorted(odd)}},
        ),
    )
