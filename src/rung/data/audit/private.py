"""Personal data and secrets in rows, by patterns of our own with the check digits of IBANs and cards. A note, not a promise.

What was found is counted and its rows are named; the text itself is never repeated.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from rung.data.audit.audit_input import AuditInput, counted, of_test
from rung.types import Finding

SECRETS: tuple[str, ...] = ("key", "private key", "password")
ORDER = (*SECRETS, "e-mail", "IBAN", "card number", "phone number")  # where two overlap the first is meant
FEWEST_DIGITS = 7  # of a card or a phone number
_DIGIT = re.compile(r"\d")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}\b")
_PHONE = re.compile(
    r"(?<![\w.,+-])(?<!\d )(?:\+\d{1,3}[ .-]?|\(0?\d{2,5}\) ?|0\d{1,4}[ .-])\d(?:[ .-]?\d){5,9}(?![\w., -]?\d)"
)
_DATE = re.compile(r"\d{1,4}[ ./-]\d{1,2}[ ./-]\d{1,4}")
_US_PHONE = re.compile(r"(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[.-]\d{4}(?![\w.-]?\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])(?<!\d )[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-]|\.\d)")
_KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[\w-]{35}|hf_[A-Za-z0-9]{30,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})"
)
_BLOCK = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_NAMED = re.compile(
    r"\b(?:api[_ -]?key|secret|token|passw(?:or)?d|pwd)\b[\"']?\s*(?:is|[:=])\s*[\"']?(?=[^\s\"']*\d)(?=[^\s\"']*[A-Za-z])([^\s\"',;]{8,})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PrivateSpot:
    """Where something private stands in a text: its kind and its place. The text itself is not kept."""

    kind: str
    start: int
    end: int


def spots(text: str) -> list[PrivateSpot]:
    """Return everything private in a text, in order, without overlaps."""
    found: list[PrivateSpot] = []
    if "@" in text:
        found += _all("e-mail", _EMAIL, text)
    digits = len(_DIGIT.findall(text))
    if digits:
        found += [s for s in _all("IBAN", _IBAN, text) if is_iban(text[s.start : s.end])]
        found += [PrivateSpot("password", m.start(1), m.end(1)) for m in _NAMED.finditer(text)]
    if digits >= FEWEST_DIGITS:
        found += [s for s in _all("card number", _CARD, text) if is_card(text[s.start : s.end])]
        phones = _all("phone number", _PHONE, text) + _all("phone number", _US_PHONE, text)
        found += [s for s in phones if not _DATE.fullmatch(text[s.start : s.end])]
    found += _all("key", _KEY, text)
    if "-----BEGIN" in text:
        found += _all("private key", _BLOCK, text)
    kept: list[PrivateSpot] = []
    for spot in sorted(found, key=lambda s: ORDER.index(s.kind)):
        if all(spot.end <= k.start or spot.start >= k.end for k in kept):
            kept.append(spot)
    return sorted(kept, key=lambda s: s.start)


def masked(text: str, kinds: Collection[str] = ORDER) -> str:
    """Return the text with a word for its kind in place of everything private of these kinds: "[e-mail]"."""
    parts, at = [], 0
    for spot in (s for s in spots(text) if s.kind in kinds):
        parts += [text[at : spot.start], f"[{spot.kind}]"]
        at = spot.end
    return "".join([*parts, text[at:]])


def is_card(text: str) -> bool:
    """Whether 13 to 19 digits carry a right check digit (Luhn 1960, US patent 2950048; ISO/IEC 7812-1) and differ."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 else d for i, d in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether the text is 15 to 34 characters with the check number of ISO 13616 (remainder 1 modulo 97)."""
    plain = text.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and turned.isalnum() and int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _all(kind: str, pattern: re.Pattern[str], text: str) -> list[PrivateSpot]:
    return [PrivateSpot(kind, m.start(), m.end()) for m in pattern.finditer(text)]


def private_rows(case: AuditInput) -> Mapping[str, tuple[str, ...]]:
    """Return the kinds found in each row that holds any, by row id."""
    found: dict[str, tuple[str, ...]] = {}
    for e in case.rows:
        kinds = [s.kind for text in (*e.inputs.values(), *e.targets) for s in spots(text)]
        if kinds:
            found[e.id] = tuple(dict.fromkeys(kinds))
    return found


def check_private(case: AuditInput) -> Iterator[Finding]:
    """Note personal data; warn of keys and passwords, which would be sent to every model asked."""
    found = private_rows(case)
    for secret in (True, False):
        rows = {i: [k for k in kinds if (k in SECRETS) is secret] for i, kinds in found.items()}
        rows = {i: kinds for i, kinds in rows.items() if kinds}
        if not rows:
            continue
        counts = Counter(k for kinds in rows.values() for k in kinds)
        listed = ", ".join(f"{k} in {n:,}" for k, n in counts.most_common())
        yield Finding(
            "secrets" if secret else "personal-data",
            "warn" if secret else "note",
            f"{counted(len(rows), 'example seems', 'examples seem')} to hold {'secrets' if secret else 'personal data'} ({listed})"
            f"{of_test(case.hidden(rows))}; patterns see some of it, not all.",
            f"Examples are sent to the models you ask and shown in the report. `rung data clean --accept "
            f"{'secrets' if secret else 'personal-data'}` puts a word such as [e-mail] in their place.",
            case.seen(rows),
            {"rows": len(rows), "by_kind": dict(counts)},
        )
