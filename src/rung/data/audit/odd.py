"""Expected outputs that nobody meant: refusals of a model, placeholders, echoes of the input, and texts of an odd length."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from rung.data.audit.audit_input import AuditInput, counted, of_test
from rung.data.near import normal_text
from rung.types import Example, Finding

REFUSAL = re.compile(
    r"\bas an ai (?:language )?model\b|\bi(?:'m| am) (?:sorry|unable)\b.{0,40}\b(?:cannot|can't|can not|unable|assist|help)\b"
    r"|\bi (?:cannot|can't) (?:assist|help|answer|provide)\b",
    re.IGNORECASE | re.DOTALL,
)
PLACEHOLDER = re.compile(
    r"\s*(?:n/?a|nan|none|null|nil|tbd|todo|xxx+|\?+|-+|\.+|test|asdf\w*|lorem ipsum.*|#\w+[/!?]*)\s*",
    re.IGNORECASE | re.DOTALL,
)
FREE = ("style", "knowledge", "generation")
FEWEST_ROWS = 50
FAR = 6.0  # robust standard deviations of the logarithm of the length
USUAL = 0.02  # share from which a form is how these outputs are, and no oddity


def odd_outputs(case: AuditInput) -> Mapping[str, tuple[str, ...]]:
    """Return ids of odd rows by what is odd about them; a form that many rows have is not odd."""
    if case.task.kind not in FREE or len(case.rows) < FEWEST_ROWS:
        return {}
    tests: Mapping[str, Callable[[Example], bool]] = {
        "refusal": lambda e: bool(REFUSAL.search(e.target)),
        "placeholder": lambda e: bool(PLACEHOLDER.fullmatch(e.target)),
        "echo of the input": lambda e: len(e.target.split()) > 3 and normal_text(e.target) == normal_text(e.text),
    }
    found = {what: tuple(e.id for e in case.rows if test(e)) for what, test in tests.items()}
    found["odd length"] = tuple(_of_odd_length(case.rows))
    return {what: ids for what, ids in found.items() if 0 < len(ids) <= max(1, USUAL * len(case.rows))}


def _of_odd_length(rows: Sequence[Example]) -> Iterator[str]:
    sizes = [math.log1p(len(e.target)) for e in rows]
    middle = statistics.median(sizes)
    spread = 1.4826 * statistics.median(abs(s - middle) for s in sizes)
    if spread > 0:
        yield from (e.id for e, s in zip(rows, sizes, strict=True) if abs(s - middle) > FAR * spread)


def check_odd(case: AuditInput) -> Iterator[Finding]:
    """Report odd outputs of free text."""
    found = odd_outputs(case)
    ids = list(dict.fromkeys(i for group in found.values() for i in group))
    if ids:
        yield Finding(
            "odd-outputs",
            "warn" if "refusal" in found or "placeholder" in found else "note",
            f"{counted(len(ids), 'expected output')} {'looks' if len(ids) == 1 else 'look'} as if nobody meant "
            f"{'it' if len(ids) == 1 else 'them'}: {', '.join(f'{len(g)} {what}' for what, g in found.items())}"
            f"{of_test(case.hidden(ids))}.",
            "Look at them; `rung data clean --accept odd-outputs` leaves the training examples among them out.",
            case.seen(ids),
            {"rows": len(ids), "by_kind": {what: len(g) for what, g in found.items()}},
        )
