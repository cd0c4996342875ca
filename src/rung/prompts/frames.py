"""What the lines of right answers have in common, read off training answers: fixed texts, frames, short lists of choices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

NEARLY_ALL = 0.95  # share of the training answers from which a habit is stated as a rule
MOST_CHOICES = 8  # different texts that are listed as choices
ROWS_A_CHOICE = 4  # training answers for each of them on average, fewer are no closed list
LONGEST_FIXED = 300  # characters of a fixed text that is quoted

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_NAME = re.compile(r"[^\W\d_a-z][\w'’-]*(?: [^\W\d_a-z][\w'’-]*){0,2}")
_NUMBER = re.compile(r"\S{0,4}\d[\d.,:/-]*\S{0,2}")
_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?=\w)[^.!?]+)*[.!?]")  # for fullmatch
_TELLING = re.compile(r"[\w:\[\](){}<>#|→]|->|=>")


@dataclass(frozen=True, slots=True)
class Frame:
    """The beginning and the end that texts share, and what stands between them, one a text that has both."""

    prefix: str
    suffix: str
    between: tuple[str, ...]

    @property
    def fixed(self) -> bool:
        """Whether the texts are all the same."""
        return not any(self.between)

    @property
    def telling(self) -> bool:
        """Whether what is shared says more than that a sentence ends."""
        return _TELLING.search(self.prefix + self.suffix) is not None

    @property
    def place(self) -> str:
        """Name what stands between: NAME, NUMBER or three dots."""
        for word, pattern in (("NAME", _NAME), ("NUMBER", _NUMBER)):
            if len(set(self.between)) > 2 and all(pattern.fullmatch(b) for b in self.between):
                return word
        return "..."

    def __str__(self) -> str:
        if self.fixed:
            return self.prefix + self.suffix
        return self.prefix + self.place + ("" if self.suffix in (".", "!", "?") else self.suffix)


def frame_of(texts: Sequence[str]) -> Frame:
    """Return the longest beginning and end that nearly all texts share, in whole words."""
    tokens = [tuple(_TOKEN.findall(text)) for text in texts]
    prefix, rest = _shared(tokens, len(tokens))
    suffix, rest = _shared([t[::-1] for t in rest], len(tokens))
    return Frame("".join(prefix), "".join(suffix[::-1]), tuple("".join(t[::-1]) for t in rest))


def _shared(texts: Sequence[tuple[str, ...]], total: int) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the first tokens that at least 95 % of `total` texts share, and what is left of the texts that do."""
    shared: list[str] = []
    left = list(texts)
    while left:
        firsts = Counter(t[0] for t in left if t)
        token, times = firsts.most_common(1)[0] if firsts else ("", 0)
        if times < NEARLY_ALL * total:
            break
        shared.append(token)
        left = [t[1:] for t in left if t and t[0] == token]
    return shared, left


def choices(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the different texts, most frequent first, where they are few and each comes often; else nothing."""
    counts = Counter(texts)
    few = 1 < len(counts) <= MOST_CHOICES and len(texts) >= ROWS_A_CHOICE * len(counts)
    return tuple(sorted(counts, key=lambda t: (-counts[t], t))) if few and "" not in counts else ()


def within(part: str, text: str) -> bool:
    """Return whether `part` stands in `text` as whole words."""
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) is not None if part.strip() else False


def described(texts: Sequence[str], sources: Sequence[str], source: str) -> str | None:
    """Say in a few words what texts have in common; None if nothing. `sources`: the input of each, called `source`."""
    needed = NEARLY_ALL * len(texts)
    frame = frame_of(texts)
    if frame.fixed:
        text = str(frame)
        return "empty" if not text else f'exactly "{text}"' if len(text) <= LONGEST_FIXED else None
    if sum(map(within, texts, sources)) >= needed:
        return f"copied from the {source}"
    if frame.telling and len(str(frame)) <= LONGEST_FIXED:
        if (
            frame.place == "NAME"
            and sum(any(within(b, s) for b in frame.between if b in t) for t, s in zip(texts, sources, strict=True))
            >= needed
        ):
            return f'"{frame}" with the name from the {source}'
        listed = choices(frame.between)
        return f'"{frame}" with one of: {", ".join(listed)}' if listed else f'"{frame}"'
    if whole := choices(texts):
        return f"one of: {', '.join(whole)}"
    if sum(bool(_SENTENCE.fullmatch(t)) for t in texts) >= needed:
        return "one sentence with the answer"
    words = median(len(t.split()) for t in texts)
    return f"about {words:.0f} words" if words > 1 else None
