"""JSON values as comparable leaves: nested paths, field normalisation, items of lists matched whatever their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from rung.metrics._numbers import numbers_in
from rung.metrics.text import normalise, squeeze

Normaliser = Literal["text", "exact", "number", "digits", "date"]
Leaves = Counter[tuple[str, str]]  # (path, normalised value) -> how often

_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d %B %Y", "%B %d %Y", "%d %b %Y", "%b %d %Y", "%Y%m%d")
_GAP = object()  # stands where a list lacks the item that the target has, so that later items keep their places
_SPACED_GROUP = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")


@dataclass(frozen=True, slots=True)
class Reading:
    """How values are read: normaliser by path (list items as `items[]`), order of lists, null as absent."""

    normalise: Mapping[str, Normaliser]
    ordered: bool
    null_is_missing: bool

    def leaves(self, value: Any, path: str = "") -> Leaves:
        """Return the leaves of a value. List items carry their index; call `aligned` first where order is free."""
        if value is _GAP or (value is None and self.null_is_missing):
            return Counter()
        if isinstance(value, dict):
            inner = (self.leaves(v, f"{path}.{key}" if path else str(key)) for key, v in value.items())
            return sum(inner, Counter())
        if isinstance(value, list):
            return sum((self.leaves(v, f"{path}[{i}]") for i, v in enumerate(value)), Counter())
        return Counter([(path, self._value(value, re.sub(r"\[\d+\]", "[]", path)))])

    def aligned(self, said: Any, target: Any, path: str = "") -> Any:
        """Return `said` with the items of its lists in the order that shares most leaves with the target's (greedy)."""
        if isinstance(said, dict) and isinstance(target, dict):
            return {
                k: self.aligned(v, target[k], f"{path}.{k}" if path else k) if k in target else v
                for k, v in said.items()
            }
        if self.ordered or not isinstance(said, list) or not isinstance(target, list):
            return said
        left = list(range(len(said)))
        result: dict[int, Any] = {}
        pairs = [
            (-self._shared(item, wanted, f"{path}[{j}]"), j, i)
            for j, wanted in enumerate(target)
            for i, item in enumerate(said)
        ]
        for _, j, i in sorted(pairs):
            if j not in result and i in left:
                result[j] = self.aligned(said[i], target[j], f"{path}[{j}]")
                left.remove(i)
        return [result.get(j, _GAP) for j in range(len(target))] + [said[i] for i in left]

    def _shared(self, said: Any, target: Any, path: str) -> int:
        both = self.leaves(self.aligned(said, target, path), path) & self.leaves(target, path)
        return sum(both.values())

    def _value(self, value: Any, path: str) -> str:
        if isinstance(value, bool) or value is None:
            return f"={value}"  # never equal to the text "True" or the number 1
        how = self.normalise.get(path, "text")
        if how == "exact":
            return f"{type(value).__name__}:{value}"
        if isinstance(value, (int, float)) and how in ("text", "number"):
            return _number(value)
        text = squeeze(str(value))
        if how == "number":
            found = next(numbers_in(_SPACED_GROUP.sub("", text)), None)
            return _number(found.value) if found else text.casefold()
        if how == "digits":
            return "".join(c for c in text if c.isdigit())
        if how == "date":
            return _date(text)
        return text.casefold()


def respelt(said: Any, target: Any) -> Any:
    """Return `said` with what only another spelling explains written as in the target.

    That is a key in another spelling (orderId for order_id), a number or truth value as text ("1,200"), a text whose punctuation
    differs, and an object around the wanted one.
    """
    if isinstance(said, dict) and isinstance(target, dict):
        inner = next(iter(said.values())) if len(said) == 1 else None
        if isinstance(inner, dict) and not _spellings(said).keys() & _spellings(target).keys():
            return respelt(inner, target)
        wanted = _spellings({key: value for key, value in target.items() if key not in said})
        named = [(key if key in target else wanted.get(_spelling(key), key), value) for key, value in said.items()]
        return {key: respelt(value, target.get(key)) for key, value in named}
    if isinstance(said, list) and isinstance(target, list) and target:
        return [respelt(item, target[min(i, len(target) - 1)]) for i, item in enumerate(said)]
    if isinstance(said, str) and isinstance(target, bool):
        return {"true": True, "yes": True, "false": False, "no": False}.get(said.strip().casefold(), said)
    if isinstance(said, str) and isinstance(target, int | float):
        found = list(numbers_in(said))
        return target if len(found) == 1 and found[0].value == Fraction(target) else said
    if isinstance(said, str) and isinstance(target, str) and normalise(said) == normalise(target) != "":
        return target
    return said


def _spellings(value: Mapping[str, Any]) -> dict[str, str]:
    return {_spelling(key): key for key in value}


def _spelling(key: str) -> str:
    return "".join(c for c in key.casefold() if c.isalnum())


def _number(value: float | Fraction) -> str:
    """Return the one spelling of a number, every digit of it: 1200, 0.5, 1/3."""
    exact = Fraction(Decimal(repr(value))) if isinstance(value, float) else Fraction(value)
    bottom = exact.denominator
    twos, fives = (next(n for n in range(bottom.bit_length() + 1) if bottom % prime ** (n + 1)) for prime in (2, 5))
    places = max(twos, fives)
    if bottom != 2**twos * 5**fives:
        return f"{Decimal(exact.numerator)}/{Decimal(bottom)}"
    digits = str(
        Decimal(exact.numerator * 10**places // bottom)
    )  # str(int) refuses more than 4,300 digits, Decimal does not
    return digits if not places else str(Decimal(f"{digits}E-{places}"))


def _date(text: str) -> str:
    plain = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text).replace(",", " ")
    plain = " ".join(plain.split()).split("T")[0] if re.match(r"\d{4}-", text) else " ".join(plain.split())
    for form in _DATES:
        try:
            return datetime.strptime(plain, form).date().isoformat()
        except ValueError:
            continue
    return text.casefold()


def f1(said: Leaves, target: Leaves) -> float:
    """Return 2 * shared / (said + target) over leaves, in [0, 1]; two empty sides agree."""
    total = sum(said.values()) + sum(target.values())
    return 2.0 * sum((said & target).values()) / total if total else 1.0
