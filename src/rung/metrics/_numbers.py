"""Numbers as people write them in running text: signs, separators, percent and currency. Pure functions on text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

Mark = Literal[".", ","]

_CURRENCY = r"(?:[A-Z]{0,3}\$|[€£¥₹₩₽₺₴₫₪₱฿]|(?:USD|EUR|GBP|CHF|JPY|CNY|INR)(?![^\W\d]))"
_PERCENT = r"(?:[%٪％]|per\s?cent\b)"
_SPACES = "\u00a0\u202f\u2009"  # no-break, narrow no-break and thin space: what ISO 80000-1 groups digits with
_MINUS = "-\u2212\u2013"


@dataclass(frozen=True, slots=True)
class Number:
    """A number found in a text: its value as written, whether a percent sign follows, whether nothing else is there."""

    value: Decimal
    percent: bool
    alone: bool

    def on_scale_of(self, other: Number) -> Decimal:
        """Return the value in the other's unit: where only one of the two is a percentage, 12 % is 0.12."""
        if self.percent == other.percent:
            return self.value
        return self.value.scaleb(-2 if self.percent else 2)


def numbers_in(text: str, decimal: Mark = ".") -> Iterator[Number]:
    """Yield the numbers of a text in order; `decimal` is the decimal mark, the other mark groups thousands.

    Groups have three digits (or two before the last, as in India) and may also be parted by an apostrophe, a no-break or
    a thin space; with a decimal comma by an ordinary space too. Digits that are no number so written (1.2.3, 12:30,
    12/05, 1,5 with a decimal point) or stand behind a letter (Q3) are passed over whole; numbers in words are not read.
    """
    bare = text.strip()
    token, written, grouping = _patterns(decimal)
    for found in token.finditer(bare):
        if not written.fullmatch(found["digits"]):
            continue
        plain = grouping.sub("", found["digits"]).replace(decimal, ".")
        sign = "-" if found["outer"] or found["inner"] else ""
        value = Decimal(sign + plain + (found["power"] or ""))
        yield Number(value, found["percent"] is not None, found.span() == (0, len(bare)))


@lru_cache(maxsize=2)
def _patterns(decimal: Mark) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return patterns of a run of digits with what belongs to it, of digits well written, and of marks that group.

    A minus right behind a word or a digit is a hyphen (3-5), and one before a space is a bullet or a dash.
    """
    groups = (r"," if decimal == "." else r". ") + "'’" + _SPACES
    joints = rf"(?:[.,:/'’{_SPACES}]" + (r"| (?=\d{3}(?!\d)))" if decimal == "," else ")")
    token = re.compile(
        rf"(?<!\w)(?<!\d[.,:/'’])(?:(?P<outer>[{_MINUS}])|\+)?(?:{_CURRENCY}\s?(?P<inner>[{_MINUS}])?)?"
        rf"(?P<digits>\d+(?:{joints}\d+)*|[{decimal}]\d+)(?P<power>[eE][-+]?\d{{1,3}}(?!\w))?"
        rf"(?:\s?(?P<percent>{_PERCENT})|\s?{_CURRENCY})?"
    )
    whole = rf"(?:\d+|\d{{1,3}}(?P<g>[{groups}])(?:\d{{2,3}}(?P=g))*\d{{3}})"
    written = re.compile(rf"{whole}(?:[{decimal}]\d+)?|[{decimal}]\d+")
    return token, written, re.compile(rf"[{groups}]")
