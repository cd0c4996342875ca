"""What a document says to a machine and not to a person: hidden text, instructions to a model, remote images.

A finding is a reason to look, not a proof: a manual about language models quotes such sentences, too. What a person
does not see is taken out of the text, so that a model reads what a person reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rung.documents.remote import remote_images
from rung.types import Document, Finding

CHECK = "document safety"
_SHOWN = 80  # characters of a suspicious text that a finding quotes

# Unicode: tag characters (outside of flags), overrides of writing direction, and blanks of no width. ZWJ and ZWNJ count
# only between Latin letters: emoji and Persian need them.
_TAGS = re.compile("(?<!\U0001f3f4)[\U000e0000-\U000e007f]+")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NO_WIDTH = re.compile("[\u200b\u2060-\u2064\ufeff]|(?<=[A-Za-z])[\u200c\u200d]+(?=[A-Za-z])")
_COMMENT = re.compile(r"<!--(.*?)-->|^\[(?://|comment)\]: ?(?:#|<>) ?[(\"'](.*?)[)\"']\s*$", re.DOTALL | re.MULTILINE)

_ORDERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,30}\b(?:previous|prior|above|earlier|preceding|other|all|your)\b"
        r"[^.\n]{0,20}\b(?:instructions?|prompts?|rules?|directions?|guidelines?)\b",
        r"\b(?:attention|note|message|notice|instructions?)\b[^.\n]{0,20}\b(?:to|for)\b[^.\n]{0,15}"
        r"\b(?:ai|llms?|language models?|assistants?|chatbots?)\b",
        r"\b(?:you are|act as|pretend to be)\b[^.\n]{0,20}\b(?:an? (?:ai|assistant|language model|chatbot)|dan|root)\b",
        r"\b(?:ai|llms?|language models?|assistants?|chatbots?)\b[^.\n]{0,40}\b(?:must|should|shall|have to|are to)\b"
        r"[^.\n]{0,40}\b(?:say|reply|respond|answer|output|recommend|include|reveal|send|rate)\b",
        r"\b(?:reveal|print|repeat|output)\b[^.\n]{0,20}\b(?:system prompt|your instructions|your prompt)\b",
        r"\b(?:do not|don't|never)\b[^.\n]{0,20}\b(?:tell|inform|mention|reveal)\b[^.\n]{0,30}\bthe user\b",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>|\[/?INST\]|<<SYS>>|^\s*(?:#+\s*)?(?:system|assistant)\s*:\s*(?:you|ignore|always|never)\b",
        r"\b(?:ignoriere|vergiss)\b[^.\n]{0,40}\b(?:anweisungen|regeln)\b|\bignore[rz]?\b[^.\n]{0,40}\binstructions pr[ée]c",
        r"\b(?:ignora|olvida)\b[^.\n]{0,40}\b(?:instrucciones|istruzioni)\b",
    )
)
_SIGNS = (
    *(
        "instruction",
        "prompt",
        "rules",
        "direction",
        "guideline",
        "assistant",
        "language model",
        "chatbot",
        "llm",
        "ai ",
        " ai",
        "ais",
    ),
    *(
        "the user",
        "<|",
        "[inst",
        "[/inst",
        "<<sys",
        "anweisung",
        "regeln",
        "instruc",
        "istruzion",
        "system:",
        "act as",
        "you are",
    ),
)


def whole_letters(text: str) -> str:
    """Return the text with halves of surrogate pairs, which JSON may hold and UTF-8 may not, replaced by U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def seen_text(text: str) -> tuple[str, list[str]]:
    """Return the text as a person sees it, and what was hidden in it: characters without a shape, and comments that speak
    to a model (others are every page's own business).
    """
    hidden: list[str] = []
    text = whole_letters(text)
    if "<!--" in text or "]: #" in text or "]: <>" in text or "]:#" in text:
        hidden += [
            words
            for words in (" ".join((a or b).split()) for a, b in _COMMENT.findall(text))
            if speaks_to_a_model(words)
        ]
        text = _COMMENT.sub("", text)
    if not text.isascii():
        for run in _TAGS.findall(text):
            hidden.append(
                "".join(chr(ord(c) - 0xE0000) for c in run if 0xE0020 <= ord(c) < 0xE007F) or "tag characters"
            )
        count = len(_DIRECTION.findall(text))
        hidden += [f"{count} overrides of the writing direction"] if count else []
        count = len(_NO_WIDTH.findall(text))
        hidden += [f"{count} characters without width"] if count > 2 else []
        text = _NO_WIDTH.sub("", _DIRECTION.sub("", _TAGS.sub("", text)))
    return text, [h for h in hidden if h]


def scan(name: str, documents: Sequence[Document], hidden: Sequence[str], page: str = "") -> Iterator[Finding]:
    """Yield at most one finding of each kind about a file.

    `hidden`: what was taken out because no person sees it. `page`: the source of a web page, searched for images too.
    """
    orders = [found for text in _texts(documents, hidden) for found in _orders(text)]
    if hidden:
        suspicious = any(_orders(text) for text in hidden)
        yield Finding(
            CHECK,
            "warn" if suspicious else "note",
            f"{name} holds text that no reader sees ({_quoted(hidden)}): it was left out of the index.",
            "Look at it, and take it out of the document if it does not belong there.",
            (),
            {"file": name, "kind": "hidden text", "count": len(hidden)},
        )
    if orders:
        yield Finding(
            CHECK,
            "warn",
            f"{name} speaks to a model rather than to a reader ({_quoted(orders)}).",
            "Read the passage; if it is planted, `rung docs remove` the file. The report says how often a model obeys such text.",
            (),
            {"file": name, "kind": "instructions", "count": len(orders)},
        )
    images = [image for text in (page, *_texts(documents, ())) for image in remote_images(text)]
    if images:
        yield Finding(
            CHECK,
            "note",
            f"{name} shows {len(images):,} images from other servers ({_quoted(images)}): an answer that repeats one makes the "
            "reader's browser call there.",
            "Exported prompts leave links and images out; keep it so, or store the images yourself.",
            (),
            {"file": name, "kind": "remote images", "count": len(images)},
        )


def _texts(documents: Sequence[Document], hidden: Iterable[str]) -> Iterator[str]:
    for document in documents:
        for part in document.parts:
            yield part.text
    yield from hidden


def speaks_to_a_model(text: str) -> bool:
    """Whether something in the text reads like an instruction to a model."""
    return bool(_orders(text))


def _orders(text: str) -> list[str]:
    low = text.lower()
    if not any(sign in low for sign in _SIGNS):  # spares nearly every text nine searches
        return []
    return [m.group() for pattern in _ORDERS for m in pattern.finditer(text)]


def _quoted(texts: Sequence[str]) -> str:
    first = " ".join(texts[0].split())
    first = first if len(first) <= _SHOWN else first[: _SHOWN - 1] + "…"
    return f"{first!r}" + (f" and {len(texts) - 1:,} more" if len(texts) > 1 else "")
