"""Numbers as people and models write them in running text: one table of forms, `FORMS`, that the tests read too.

Pure functions on text. Values are exact fractions: neither 1/3 nor a number of 400 digits is rounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal

Mark = Literal[".", ","]

FORMS: Mapping[str, tuple[str, ...]] = {  # value as Fraction reads it -> ways to write it, with a decimal point
    "42": (
        "42",
        "+42",
        "42.",
        "42.00",
        "042",
        "٤٢",
        "４２",
        "#42",
        "x=42",
        "42 km",
        "42kg",
        "42°",
        r"42^\circ",
        r"42\text{ cm}^2",
    ),
    "-3.5": ("-3.5", "−3.5", "–3.5", "-3.50", "x = -3.5", r"\(-3.5\)", "-7/2", r"-\frac{7}{2}", r"-\tfrac72", "-3½"),
    "1200.5": (
        "$1,200.50",
        "1.200,50",
        "1.200,50 €",
        "1'200.50 CHF",
        "1\u202f200.5",
        "US$ 1200.5",
        r"\$1{,}200.50",
        r"1\,200.5",
    ),
    "1000": (
        "1e3",
        "1E+3",
        "10^3",
        "10^{3}",
        "10³",
        "1 × 10^3",
        r"1 \times 10^{3}",
        "1x10^3",
        "10**3",
        "1000 ± 50",
        r"1000 \pm 50",
        "1 thousand",
        "1,000",
        "$1k",
    ),
    "-1/2": ("-1/2", "-0.5", "-.5", "−½", r"-\dfrac{1}{2}", r"\frac{-1}{2}"),
    "3/2": ("1 1/2", "1½", r"1\frac{1}{2}", "3/2", "1.5", "1-1/2"),
    "1/100": ("1e-2", "10^-2", "10⁻²", "0.01", "1/100"),
    "2500000": (
        "2.5 million",
        "$2.5M",
        "2,500,000",
        "2_500_000",
        "2.500.000",
        "2'500'000",
        "0.0025 billion",
        "25,00,000",
    ),
}
_SCALES = {"thousand": 3, "k": 3, "million": 6, "mn": 6, "m": 6, "billion": 9, "bn": 9, "b": 9, "trillion": 12}
_MOST_POWER = 400  # of 10^400 and the like; a higher one is no amount of anything
_CURRENCY = r"(?:[A-Z]{0,3}\$|[€£¥₹₩₽₺₴₫₪₱฿]|(?:USD|EUR|GBP|CHF|JPY|CNY|INR)(?![^\W\d]))"
_PERCENT = r"(?:[%٪％]|per\s?cent\b|pct\b)"
_SPACES = "\u00a0\u202f\u2009"  # no-break, narrow no-break and thin space: what ISO 80000-1 groups digits with
_MINUS = "-\u2212\u2013"
_SUPERSCRIPT = re.compile(r"(?<=\d)[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_PYTHON_POWER = re.compile(r"(?<=\d)\*\*(?=-?\d)")
_VULGAR = re.compile(r"(?<=\d)[ \u2009]?([¼½¾⅐-⅞])|([¼½¾⅐-⅞])")
_FRACTION = re.compile(r"(?<!\d)(\d++)/([1-9]\d*+)")
_LATEX = tuple(  # what is only another way to typeset, in the order in which it is read
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\\left|\\right|\\!|\\displaystyle", ""),
        (r"\{,\}", ","),
        (r"\\[,;: ]", "\u2009"),
        (r"\\([$%])", r"\1"),
        (r"\\(?:times|cdot)\b", "×"),
        (r"\^\s*\{?\\circ\}?", "°"),
        (r"\\(?:text|textbf|mathrm|mathbf|mbox)\s*\{([^{}]*)\}", r"\1"),
        (r"(?<=\d)\\[dtc]?frac\s*\{(\d+)\}\s*\{(\d+)\}", r" \1/\2"),
        (r"\\[dtc]?frac\s*\{([-\u2212]?\d+)\}\s*\{(\d+)\}", r"\1/\2"),
        (r"\\[dtc]?frac\s*(\d)\s*(\d)", r"\1/\2"),
        (r"\^\s*\{([^{}]*)\}", r"^\1"),
        (r"(?:(?<![\d.])[\d.]+\s?)?\\sqrt(?:\[\d+\])?\s?(?:\{[^{}]*\}|\d)", "√"),
        (r"(?<![\d.])[\d.]+\s?\\pi\b", "π"),
        (r"(?<![\d.])[\d.]+\\(?:overline|bar|dot)\s?(?:\{[^{}]*\}|\d)", "√"),
        (r"\\pm\b", "±"),
        (r"\\[()\[\]]", ""),
    )
)
_IRRATIONAL = re.compile(
    r"(?<![\d.])[\d.]+\s?(?=[√π])|(?<=√)\(?[\d.]+"
)  # 2√3 and 2π are no number that could be written out


@dataclass(frozen=True, slots=True)
class Number:
    """A number found in a text: its exact value, whether a percent sign follows, whether nothing else is there, as written."""

    value: Fraction
    percent: bool
    alone: bool
    written: str

    def on_scale_of(self, other: Number) -> Fraction:
        """Return the value in the other's unit: where only one of the two is a percentage, 12 % is 0.12."""
        if self.percent == other.percent:
            return self.value
        return self.value / 100 if self.percent else self.value * 100


def numbers_in(text: str, decimal: Mark = ".") -> Iterator[Number]:
    """Yield the numbers of a text in order; `decimal` is the decimal mark, the other mark groups thousands.

    Groups have three digits (or two before the last, as in India) and may also be parted by an apostrophe, a no-break or
    a thin space; with a decimal comma by an ordinary space too. Where both marks stand in a number, or one twice, they say
    themselves which is which (1.200,50). Fractions, mixed numbers, powers, `1.5 million`, percent and currency signs, units and LaTeX
    are read. Digits that are no number so written (1.2.3, 12:30, 12/05, 1,5 with a decimal point) or stand behind a letter (Q3) or in
    an exponent (cm^2) are passed over whole, as are roots and multiples of pi; numbers in words are not read.
    """
    bare = _plain(text.strip())
    for found in _token(decimal).finditer(bare):
        value = _value(found, decimal)
        if value is not None:
            alone = found.span() == (0, len(bare))
            yield Number(value, found["percent"] is not None, alone, found[0].strip()[:40])


def _plain(text: str) -> str:
    """Return the text with its numbers in plain characters: no LaTeX, no superscripts, no ½."""
    if "\\" in text or "{" in text:
        for pattern, plain in _LATEX:
            text = pattern.sub(plain, text)
    text = _PYTHON_POWER.sub("^", text)
    if not text.isascii():
        text = _SUPERSCRIPT.sub(lambda found: "^" + unicodedata.normalize("NFKC", found[0]).replace("−", "-"), text)
        text = _VULGAR.sub(_vulgar, text).translate({0x66B: ".", 0x66C: ",", 0x2044: "/"})
        text = _IRRATIONAL.sub("", text)
    return text


def _vulgar(found: re.Match[str]) -> str:
    char = found[1] or found[2]
    return (" " if found[1] else "") + unicodedata.normalize("NFKC", char).replace("\u2044", "/")


def _value(found: re.Match[str], decimal: Mark) -> Fraction | None:
    digits, power = found["digits"], found["power"]
    fraction = _FRACTION.fullmatch(digits)
    if fraction:
        value = Fraction(int(fraction[1]), int(fraction[2])) if len(digits) < 100 else None
        if found["whole"]:
            value = int(found["whole"]) + value if value is not None and value < 1 else None
    else:
        plain = _ungrouped(digits, decimal)
        value = None if plain is None or found["whole"] else Fraction(Decimal(plain))
    if value is None:
        return None
    if power:
        exponent = int(re.sub(r"[^\d-]", "", power.rpartition("^")[2] if "^" in power else power[1:]))
        if abs(exponent) > (_MOST_POWER if power.startswith("^") else 999) or (
            power.startswith("^") and value > 10**20
        ):
            return None
        if power.startswith("^"):
            value = value**exponent if value or exponent > 0 else None
        else:
            value = value * Fraction(10) ** exponent
    if value is not None and found["scale"]:
        value *= 10 ** _SCALES[found["scale"].strip().lower()]
    return -value if value is not None and (found["outer"] or found["inner"]) else value


def _ungrouped(digits: str, decimal: Mark) -> str | None:
    """Return digits as Decimal reads them; None where they are no number so written."""
    for mark in (decimal, "," if decimal == "." else "."):
        groups = _groups(mark)
        whole = rf"(?:\d+|\d{{1,3}}(?P<g>[{groups}])(?:\d{{2,3}}(?P=g))*\d{{3}})(?:[{mark}]\d+)?|[{mark}]\d+"
        # Written the other way only where nothing else can be meant: both marks, or a grouping mark twice.
        other = (
            rf"\d{{1,3}}(?P<g>[{'.' if mark == ',' else ','}])(?:\d{{3}}(?P=g))*\d{{3}}(?:[{mark}]\d+|(?P=g)\d{{3}})"
        )
        if re.fullmatch(whole if mark == decimal else other, digits):
            return re.sub(rf"[{groups}]", "", digits).replace(mark, ".")
    return None


def _groups(mark: Mark) -> str:
    return (r"," if mark == "." else r". ") + "'’_" + _SPACES


@lru_cache(maxsize=2)
def _token(decimal: Mark) -> re.Pattern[str]:
    """Return the pattern of a run of digits with what belongs to it.

    A minus right behind a word or a digit is a hyphen (3-5), and one before a space is a bullet or a dash.
    """
    joints = rf"(?:[.,:/'’_{_SPACES}]" + (r"| (?=\d{3}(?!\d)))" if decimal == "," else ")")
    return re.compile(
        rf"(?<![\w^])(?<!\d[.,:/'’])(?<!\^[-+])(?<!±)(?<!±\s)(?:(?P<outer>[{_MINUS}])|\+)?(?P<money>{_CURRENCY}\s?(?P<inner>[{_MINUS}])?)?"
        rf"(?:(?P<whole>\d{{1,9}})[ {_SPACES}-](?=\d{{1,9}}/[1-9]\d{{0,8}}(?![\d/])))?"
        rf"(?P<digits>\d+(?:{joints}\d+)*|[{decimal}]\d+)"
        rf"(?P<power>[eE][-+]?\d{{1,3}}(?!\w)|\s?[×x*]\s?10\s?\^\s?\(?[-+]?\d{{1,3}}(?!\w)|\^\(?[-+]?\d{{1,3}}(?!\w))?"
        rf"(?P<scale>\s?(?:thousand|[mb]illion|trillion|mn|bn)\b|(?(money)(?:[kKMB]\b)))?"
        rf"(?:\s?(?P<percent>{_PERCENT})|\s?{_CURRENCY})?"
    )
