"""How text is put into an index of words. Pure functions on text."""

from __future__ import annotations

import re

# Scripts written without spaces: Thai, Lao, Khmer, Myanmar, kana, CJK ideographs. One character is one word there.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"
)


def indexed(text: str) -> str:
    """Return the text as it is put into the index: letters of scripts without spaces stand alone, halves of surrogate
    pairs, which no database takes, become U+FFFD.
    """
    if text.isascii():
        return text
    return _UNSPACED.sub(r" \1 ", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
