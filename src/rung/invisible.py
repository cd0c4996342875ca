"""Characters that draw nothing: the one table of them, for the report, the judge's fence, passages in a prompt and the scan of documents.

Unicode general categories, and what draws nothing although its category says otherwise: the rest of the property
Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt), the blank Braille pattern and the null notehead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

CATEGORIES = frozenset(
    {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
)  # controls, format, surrogates, private, unassigned, line ends
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159")
SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # chooses among the shapes of the character before it


@lru_cache(maxsize=65536)
def is_invisible(char: str) -> bool:
    """Whether a reader may see nothing where the character stands. Spaces are seen: what follows stands apart."""
    return unicodedata.category(char) in CATEGORIES or char in FILLERS or SELECTOR.match(char) is not None


def invisible_in(text: str, kept: str = "\n\t") -> frozenset[str]:
    """Return the different invisible characters of a text, but for those `kept`."""
    return frozenset(c for c in set(text).difference(kept) if is_invisible(c))  # a text has few different characters


def written_out(text: str, write: Callable[[str], str], kept: str = "\n\t") -> str:
    """Return the text with `write(character)` in the place of each invisible character, but for those `kept`."""
    found = invisible_in(text, kept)
    return text.translate({ord(c): write(c) for c in found}) if found else text


def visible(text: str, kept: str = "\n\t") -> str:
    """Return the text with every invisible character written out as ⟦U+XXXX⟧, but for those `kept`."""
    return written_out(text, lambda char: f"⟦{point(char)}⟧", kept)


def escaped(json_text: str) -> str:
    """Return JSON text with every invisible character as an escape that YAML reads, too; beyond U+FFFF they stand as they are,
    for there the two write them differently.
    """
    return written_out(json_text, lambda char: f"\\u{ord(char):04x}" if char <= "\uffff" else char, kept="\n")


def point(char: str) -> str:
    """Return how Unicode names the character: U+001B."""
    return f"U+{ord(char):04X}"
