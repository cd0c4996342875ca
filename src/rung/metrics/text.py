"""How texts are compared: what may be forgiven (case, quotes, sentence marks) and what never is (signs, numbers, marks of letters).

Pure functions on text. How an answer is taken out of its wrapping stands in `unwrap`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

HELD_LENGTH = 32_000  # characters of a text that is read once and kept: expected answers and labels come again
ARTICLES = frozenset({"a", "an", "the"})
_SUPERSCRIPT = re.compile(r"(?<=[\w)\]])[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_VULGAR = re.compile(r"(?<=\d)[¼½¾⅐-⅞↉]")
_TYPOGRAPHY = {
    **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"),
    **dict.fromkeys(map(ord, "‘’‚‛ʼ"), "'"),
    **dict.fromkeys(map(ord, "“”„‟"), '"'),
    # What draws nothing and joins nothing: soft hyphens, marks of direction, byte order marks.
    **dict.fromkeys([0xAD, 0x61C, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF]),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
}
_END = r"-?(?:\d+(?:\.\d+)?|∞|inf)"
_INTERVAL = re.compile(rf"[(\[\]]\s?{_END}\s?[,;]\s?{_END}\s?[)\]\[]")
_KEPT = {
    ord(mark): 0xE000 + ord(mark) for mark in "()[]"
}  # stand in for brackets that tell whether an end belongs to it
_SHOWN = {kept: mark for mark, kept in _KEPT.items()}
_SIGNS = frozenset("%‰‱٪&@#/\\*†‡′″")  # of category Po as full stops are, but no end of a sentence
# Scripts written without spaces: kana and Han, Thai, Lao, Myanmar, Khmer.
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1780-\u17d3"
_VOWELS_BEFORE = r"\u0e40-\u0e44\u0ec0-\u0ec4"  # written before the consonant after which they are spoken
_VOWELS_AFTER = r"\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3"
_HANGUL = re.compile("[\uac00-\ud7a3]")  # particles hang on the end of a word
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_MOST_QUOTED = 80  # characters of a text in a note


def whole(text: str) -> str:
    """Return the text with halves of surrogate pairs, which escapes can write and no file keeps, replaced by U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def squeeze(text: str) -> str:
    """Return the text in Unicode form NFKC, outer space removed, inner runs of white space as one space.

    What NFKC would turn into another number keeps its value: 10⁵ becomes 10^5 and 1½ becomes 1 1/2.
    """
    return " ".join(_compatible(text).split())


def quoted(text: str) -> str:
    """Return a text in quotation marks, as a note names it: its first eighty characters."""
    return repr(text) if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]!r} ..."


def folded(text: str, *, casefold: bool = True) -> str:
    """Return the squeezed text with plain quotes and hyphens, without invisible marks, casefolded unless told not to."""
    plain = " ".join(_compatible(text).translate(_TYPOGRAPHY).split())
    return plain.casefold() if casefold else plain


def normalise(text: str, *, casefold: bool = True, punctuation: bool = True, articles: bool = False) -> str:
    """Return the folded text; a True flag forgives case, punctuation or English articles.

    Forgiven as punctuation are marks at the edges of words: quotes, brackets, what ends a sentence or a part of it, bullets and
    paired emphasis; and underscores, hyphens, commas and colons between words of letters (`card_arrival`). What may be an operator,
    a sign or part of a number stays: `-5`, `5%`, `A+`, `<5`, `10^5`, `1/2`, `3,5`, `[0, 1)`; so do symbols and the marks of letters.
    """
    kept = _normalised if len(text) <= HELD_LENGTH else _normalised.__wrapped__
    return kept(text, casefold, punctuation, articles)


@lru_cache(maxsize=256)
def _normalised(text: str, casefold: bool, punctuation: bool, articles: bool) -> str:
    text = folded(text, casefold=casefold)
    if punctuation:
        text = _without_punctuation(text)
    return " ".join(w for w in text.split() if w.casefold() not in ARTICLES) if articles else text


def words(text: str, *, articles: bool = True) -> list[str]:
    """Return the casefolded words; `articles` True leaves a, an, the out. A text that holds no word is taken as it stands.

    A number is one word with its sign, its decimals and its percent sign, and so is a symbol. Combining marks belong to their
    letter. Where a script is written without spaces each character is a word, together with its marks and vowel signs, as in the
    multilingual variants of SQuAD scoring.
    """
    return list((_words if len(text) <= HELD_LENGTH else _words.__wrapped__)(text, articles))


@lru_cache(maxsize=256)  # the same expected answers and passages are held against many answers, one after the other
def _words(text: str, articles: bool) -> tuple[str, ...]:
    plain = folded(text)
    found = [word.replace(" ", "") for word in _patterns().word.findall(plain)]
    kept = [word for word in found if word not in ARTICLES] if articles else found
    return tuple(kept or plain.split())


def holds(said: str, wanted: str, *, whole_words: bool) -> bool:
    """Whether `wanted` stands in `said`, both folded. A letter without its marks is another letter.

    `whole_words`: where it begins or ends with a letter or digit, none may be next to it, nor a sign or decimals next to a number.
    Scripts without spaces have no such edges, and a Korean word may go on with a particle.
    """
    start = said.find(wanted)
    while start >= 0 and wanted:
        end = start + len(wanted)
        whole = not whole_words or _stands_alone(said[max(0, start - 2) : start], wanted, said[end : end + 2])
        if whole and not _is_mark(said[end : end + 1]):
            return True
        start = said.find(wanted, start + 1)
    return False


def _stands_alone(before: str, wanted: str, after: str) -> bool:
    if wanted[0].isdigit() and re.fullmatch(r"\d[.,]|\W?-", before):  # 2.5 and -5; but 3-5 is from 3 to 5
        return False
    if wanted[-1].isdigit() and re.fullmatch(r"[.,]\d", after):
        return False
    goes_on = _goes_on(wanted[-1], after[:1]) and not _HANGUL.match(wanted[-1])
    return not (goes_on or _goes_on(wanted[0], before[-1:]))


def _goes_on(edge: str, neighbour: str) -> bool:
    """Whether a word with this edge goes on in the neighbour; where another script begins it ends, if that has no spaces."""
    if not (_is_of_word(edge) and _is_of_word(neighbour)):
        return False
    return not (_IS_UNSPACED.match(edge) or _IS_UNSPACED.match(neighbour))


def _is_of_word(char: str) -> bool:
    return char.isalnum() or _is_mark(char)


def _is_mark(char: str) -> bool:
    return char != "" and unicodedata.category(char)[0] == "M"


def _compatible(text: str) -> str:
    if text.isascii():
        return text
    text = _SUPERSCRIPT.sub(lambda found: f"^{found[0]}", text)
    return unicodedata.normalize("NFKC", _VULGAR.sub(lambda found: f" {found[0]}", text)).replace("⁄", "/")


def _without_punctuation(text: str) -> str:
    """Return a folded text without the marks that say nothing."""
    patterns = _patterns()
    text = _INTERVAL.sub(lambda found: found[0].replace(" ", "").replace(";", ",").translate(_KEPT), text)
    text = patterns.emphasis.sub(r"\2", text)
    text = patterns.joint.sub(" ", text)
    text = patterns.operator.sub(r"\1", text)
    text = patterns.minus.sub(r"\1-", text)
    text = re.sub(r"(?<![^\s\"'(\[])-\s(?=\d)", "-", re.sub(r"(?<=\d)\s(?=[%‰])", "", text))
    bare = (_bare(word) for word in text.split())
    return " ".join(word for word in bare if word.strip("-*#•·/")).translate(_SHOWN)


def _bare(word: str) -> str:
    """Return a word without the marks at its edges that may be forgiven."""
    start, end = 0, len(word)
    while start < end and _opens(word[start]):
        start += 1
    while end > start and _closes(word[end - 1]):
        if word[end - 1] == "!" and word[end - 2].isdigit():  # 5! is 120
            break
        end -= 1
    return word[start:end]


@lru_cache(maxsize=4096)
def _opens(mark: str) -> bool:
    return mark in "\"'`¿¡" or unicodedata.category(mark) in ("Ps", "Pi", "Pf")


@lru_cache(maxsize=4096)
def _closes(mark: str) -> bool:
    kind = unicodedata.category(mark)
    return mark in "\"'`" or kind in ("Pe", "Pi", "Pf") or (kind == "Po" and mark not in _SIGNS)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """What may be forgiven inside a folded text, and what a word is."""

    emphasis: re.Pattern[str]  # **so**, *so* or ~~so~~
    joint: re.Pattern[str]  # what joins two words of letters, or stands between characters of a script without spaces
    operator: re.Pattern[str]  # an operator with a space on either side
    minus: re.Pattern[str]  # a minus between numbers or single letters, with a space on either side
    word: re.Pattern[str]


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    """Compile on first use: finding the classes takes 30 ms, and `re` does not know them."""
    marks, symbols = _classes()
    of_word = rf"[\w{marks}]"
    letter = rf"(?:[^\W\d_]|[{marks}])"
    spaced = rf"(?:(?![{_UNSPACED}])(?:[^\W_]|[{marks}]))"
    stops = r"[、。・,.;:!?「」『』()]"
    number = rf"(?:(?<!{of_word})[-+]|[<>≤≥]\s?-?)?\d{spaced}*(?:(?:\^-?|[.,/:'])\d{spaced}*)*(?:\s?%)?"
    return _Patterns(
        emphasis=re.compile(r"(?<![\w*])(\*{1,3}|~~)(?=\S)([^*]{1,200}?)(?<=\S)\1(?![\w*])"),
        joint=re.compile(
            rf"(?<!\d)_+|_+(?!\d)|(?<={letter}{letter})[-,;:]+(?={letter})|(?<={letter})[-,;:]+(?={letter}{letter})"
            rf"|(?<=[{_UNSPACED}]){stops}|{stops}(?=[{_UNSPACED}])"
        ),
        operator=re.compile(rf"(?<=[\w{marks})\]%°])\s([<>!=]=|[=+<>^*/×÷≤≥≠≈±])\s(?=[\w{marks}(\[+.∞-])"),
        minus=re.compile(rf"(\d|(?<!{of_word})[^\W\d_])\s-\s(?=\d|\(|[^\W\d_](?!{of_word}))"),
        word=re.compile(
            rf"{number}|[{_VOWELS_BEFORE}]?[{_UNSPACED}][{marks}{_VOWELS_AFTER}]*"
            rf"|(?<!{of_word})[^\W\d_]-(?!-|{of_word})|{spaced}+(?:(?:\+\+?|#)(?!{of_word}))?|[{symbols}]"
        ),
    )


def _classes() -> tuple[str, str]:
    """Return the combining marks of Unicode, and its symbols but for table rules and accents, as classes of `re`."""
    marks, symbols = [], [ord("^")]
    for code in (*range(0x20, 0x20000), *range(0xE0100, 0xE01F0)):
        kind = unicodedata.category(chr(code))
        if kind[0] == "M":
            marks.append(code)
        elif kind in ("Sm", "Sc", "So") and chr(code) not in "|~":
            symbols.append(code)
    return _ranges(marks), _ranges(sorted(symbols))


def _ranges(codes: Iterable[int]) -> str:
    spans: list[list[int]] = []
    for code in codes:
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in spans)
