"""How text is put into an index of words. Pure functions on text."""

from __future__ import annotations

import re
from unicodedata import normalize

# Scripts written without spaces: Thai, Lao, Khmer, Myanmar, kana, CJK ideographs. One character is one word there.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f])"
)
_HANGUL = re.compile("[\uac00-\ud7a3]{2,}")
_BROKEN = re.compile(
    r"(?<=[^\W\d_])[-\u00ad\u2010][ \t]{0,3}\n[ \t]{0,3}(?=[^\W\d_])"
)  # a word goes on in the next line
_LONGEST_PART = 40  # characters of a word before and after the end of the line


def indexed(text: str) -> str:
    """Return the text as it is put into the index.

    Letters of scripts without spaces stand alone; of a Korean word, which may end in particles, every two syllables stand
    beside it too; a word that is broken at the end of a line stands there in both forms, as one and as two. Ligatures and wide letters are those they stand for. Halves of surrogate
    pairs, which no database takes, become U+FFFD.
    """
    text = _BROKEN.sub(lambda m: m[0] + _joined(m), text)
    if text.isascii():
        return text
    text = normalize("NFKC", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return _HANGUL.sub(_syllables, _UNSPACED.sub(r" \1 ", text))


def _joined(broken: re.Match[str]) -> str:
    """Return the word around the break as one; what follows it in the text is its second part once more."""
    before = broken.string[max(0, broken.start() - _LONGEST_PART) : broken.start()].split()[-1]
    after = broken.string[broken.end() : broken.end() + _LONGEST_PART].split()[0]
    return f"{before}{after} " if after[:1].islower() else ""


def _syllables(word: re.Match[str]) -> str:
    """Return a Korean word with its pairs of syllables; of two syllables, the first may be the noun and the second a particle."""
    letters = word[0]
    pairs = [letters[i : i + 2] for i in range(len(letters) - 1)] if len(letters) > 2 else [letters[0]]
    return f" {' '.join([letters, *pairs])} "
