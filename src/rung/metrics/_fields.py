"""JSON values as comparable leaves: nested paths, field normalisation, items of lists matched whatever their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from rung.metrics._text import squeeze

Normaliser = Literal["text", "exact", "number", "digits", "date"]
Leaves = Counter[tuple[str, str]]  # (path, normalised value) -> how often

_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d %B %Y", "%B %d %Y", "%d %b %Y", "%b %d %Y", "%Y%m%d")
_GAP = object()  # stands where a list lacks the item that the target has, so that later items keep their places
_NUMBER = re.compile(r"[-+]?\d[\d,\s]*(?:\.\d+)?|[-+]?\.\d+")


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
            found = _NUMBER.search(text)
            return _number(float(re.sub(r"[,\s]", "", found.group()))) if found else text.casefold()
        if how == "digits":
            return "".join(c for c in text if c.isdigit())
        if how == "date":
            return _date(text)
        return text.casefold()


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


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
