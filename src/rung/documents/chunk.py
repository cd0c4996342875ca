"""Cut a document into passages of about so many words, at headings, paragraphs and sentences where it can be done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rung.types import Document, Passage

HEADING = "§ "  # opens the position of a part that stands under headings
# A line end behind a hyphen stays: the word may go on there.
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|(?<![^\W\d_]-)(?<!\n)\n+")
_LONGEST_WORD = 200  # characters; what has no spaces counts as several words


def chunk(document: Document, size: int) -> list[Passage]:
    """Return the passages of a document, in reading order; together they hold its whole text.

    `size`: words of a passage, at most, save where one sentence has no place to be cut. A passage starts anew under a
    heading when it is half full. Equal documents give equal passages.
    """
    found: list[Passage] = []
    held = _Held()
    for part in document.parts:
        if part.position.startswith(HEADING) and held.words * 2 >= size:
            held = held.given(document, found)
        for block, words in _blocks(part.text, size):
            if held.words and held.words + words > size:
                held = held.given(document, found)
            held.add(block, words, part.position)
    held.given(document, found)
    return found


@dataclass
class _Held:
    """The passage that is being filled."""

    blocks: list[str] = field(default_factory=list)
    words: int = 0
    first: str = ""
    last: str = ""

    def add(self, block: str, words: int, position: str) -> None:
        self.first = self.first if self.blocks else position
        self.last = position
        self.blocks.append(block)
        self.words += words

    def given(self, document: Document, found: list[Passage]) -> _Held:
        """Put the passage to the others, unless it is empty; return a new one."""
        if self.blocks:
            where = self.first if self.first == self.last else f"{self.first} to {self.last.removeprefix(HEADING)}"
            heading = self.first.removeprefix(HEADING) if self.first.startswith(HEADING) else ""
            title = document.title if heading in ("", document.title) else f"{document.title}\n{heading}"
            found.append(Passage(document.name, len(found), title, where, "\n\n".join(self.blocks)))
        return _Held()


def _blocks(text: str, size: int) -> Iterator[tuple[str, int]]:
    """Yield paragraphs with their words; long ones by sentences, long sentences by words."""
    for block in re.split(r"\n\s*\n", text):
        block = block.strip("\n").rstrip()
        if not block.strip():
            continue
        words = count_words(block)
        if words <= size:
            yield block, words
            continue
        for sentence in _sentences(block, size):
            yield sentence, count_words(sentence)


def _sentences(block: str, size: int) -> Iterator[str]:
    """Yield runs of sentences of at most `size` words."""
    held, held_words = "", 0
    for sentence in _SENTENCE.split(block):
        words = count_words(sentence)
        if held and held_words + words > size:
            yield held
            held, held_words = "", 0
        if words > size:
            yield from _cut(sentence, size)
        elif words:
            held, held_words = f"{held} {sentence}" if held else sentence, held_words + words
    if held:
        yield held


def _cut(sentence: str, size: int) -> Iterator[str]:
    words = [
        w[i : i + _LONGEST_WORD] for w in sentence.split() for i in range(0, len(w), _LONGEST_WORD)
    ]  # base64, or a script without spaces
    for start in range(0, len(words), size):
        yield " ".join(words[start : start + size])


def count_words(text: str) -> int:
    """Return the words of a text; one without spaces counts a word for every 200 characters."""
    return max(len(text.split()), -(-len(text.strip()) // _LONGEST_WORD))
