"""Documents that hold the rows' answers beside their questions: with them a rung looks the answer up, and shows nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rung.types import Document, Example, Finding

CHECK = "document leakage"
FEWEST_WORDS = 5  # of a question; shorter ones ("how much?") stand in documents by chance
BEFORE, AFTER = 100, 400  # words around the question among which the answer must stand
SHORT, RIGHT_AFTER = (
    3,
    8,
)  # an answer of fewer words stands somewhere by chance: it must come within so many words after
_WORD = re.compile(r"\w+")
_NAMED = 50
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Leak:
    """A row whose question stands in a document word for word, with its answer nearby."""

    example_id: str
    document: str


def leaks(documents: Iterable[Document], rows: Sequence[Example]) -> tuple[Leak, ...]:
    """Return the rows that a document gives away: their longest input and a whole right answer, word for word.

    Capitals, punctuation and blanks do not matter. A row counts once. Time grows with the words of the documents, not
    with rows times documents: questions are found by their first words.
    """
    wanted: dict[tuple[str, ...], list[tuple[Example, tuple[str, ...], list[tuple[str, ...]]]]] = {}
    for row in rows:
        question = max((_words(value) for value in row.inputs.values()), key=len, default=())
        answers = [words for words in map(_words, row.targets) if words]
        if len(question) >= FEWEST_WORDS and answers:
            wanted.setdefault(question[:FEWEST_WORDS], []).append((row, question, answers))
    found: dict[str, Leak] = {}
    if not wanted:
        return ()
    for document in documents:
        words = _words(f"{document.title}\n{document.text}")
        for start in range(len(words) - FEWEST_WORDS + 1):
            for row, question, answers in wanted.get(words[start : start + FEWEST_WORDS], ()):
                if row.id not in found and words[start : start + len(question)] == question:
                    before, after = words[max(0, start - BEFORE) : start], words[start + len(question) :][:AFTER]
                    if any(_told(answer, before, after) for answer in answers):
                        found[row.id] = Leak(row.id, document.name)
    return tuple(found[row.id] for row in rows if row.id in found)


def leakage(documents: Iterable[Document], rows: Sequence[Example], hidden: Collection[str]) -> Iterator[Finding]:
    """Yield a finding where documents give rows away. `hidden`: ids that are counted and never named (test rows)."""
    found = leaks(documents, rows)
    if not found:
        return
    sealed = sum(leak.example_id in hidden for leak in found)
    files = list(dict.fromkeys(leak.document for leak in found))
    named = ", ".join(files[:_SHOWN]) + (f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else "")
    one = len(found) == 1
    yield Finding(
        CHECK,
        "warn",
        f"{len(found):,} of {len(rows):,} examples stand{'s' if one else ''} in the documents word for word, question and answer "
        f"together{f' ({sealed:,} of them in the sealed test set)' if sealed else ''}: in {named}.",
        "If the documents were made of these examples, an approach that looks them up is measured on what it was given: take them out "
        "with `rung docs remove`, or use other examples. If users will ask exactly these questions, it is fair.",
        tuple(leak.example_id for leak in found if leak.example_id not in hidden)[:_NAMED],
        {"rows": len(found), "test_rows": sealed, "documents": [*files[:_NAMED]]},
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _told(answer: tuple[str, ...], before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    if len(answer) < SHORT:
        return _holds(after[:RIGHT_AFTER], answer)
    return _holds(before, answer) or _holds(after, answer)


def _holds(words: tuple[str, ...], answer: tuple[str, ...]) -> bool:
    return any(words[i : i + len(answer)] == answer for i in range(len(words) - len(answer) + 1))
