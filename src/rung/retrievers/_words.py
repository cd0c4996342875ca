"""What a query looks for: its words, as the index knows them. Pure functions on text."""

from __future__ import annotations

import re

# Scripts written without spaces: Thai, Lao, Khmer, Myanmar, kana, CJK ideographs. One character is one word there.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"
)
_WORD = re.compile(r"\w+")
MOST_WORDS = 256  # of a query; a longer one is as long as a document, and its rare words decide


def indexed(text: str) -> str:
    """Return the text as it is put into the index: letters of scripts without spaces stand alone."""
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)


def words_of(query: str) -> list[str]:
    """Return the different words of a query in lower case, in order."""
    return list(dict.fromkeys(w for w in _WORD.findall(indexed(query.lower())) if w.strip("_")))[:MOST_WORDS]
