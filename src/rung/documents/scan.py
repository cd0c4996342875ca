"""What a document says to a machine and not to a person: hidden text, instructions to a model, remote images.

A finding is a reason to look, not a proof: a manual about language models quotes such sentences, too. What a person
does not see is taken out of the text, so that a model reads what a person reads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from rung.documents.remote import remote_images
from rung.foreign import whole
from rung.invisible import invisible_in
from rung.types import Document, Finding

CHECK = "document safety"
KEEP_IT = "If readers open it by a click, documents.hidden: keep reads it."
_SHOWN = 80  # characters of a suspicious text that a finding quotes

# Invisible characters that no writing needs: controls, soft hyphens, blanks of no width, overrides of writing direction, tags.
# The others (joiners, selectors of a shape, fillers of a syllable) are needed one or two at a time beside letters that are not
# Latin, and beside emoji: there they stay.
_USELESS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb\U000e0000-\U000e00ff]"
)
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_TAGS = re.compile("[\U000e0000-\U000e007f]+")
_FLAG = re.compile("[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")  # of a region, behind a black flag
_SELECTORS = re.compile(
    "[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}"
)  # one chooses a shape; so many say something, a byte each
_LAST_LATIN = "\u024f"
_REMARK = re.compile(r"^\[(?://|comment)\]: ?(?:#|<>) ?[(\"'](.*?)[)\"'][ \t]*$", re.MULTILINE)  # a comment in Markdown

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


def seen_text(text: str) -> tuple[str, list[str]]:
    """Return the text as a person sees it, and what was hidden in it: characters without a shape, and comments that speak
    to a model (others are every page's own business).
    """
    hidden: list[str] = []
    text = whole(text)
    if "<!--" in text or "]: #" in text or "]: <>" in text or "]:#" in text:
        text, comments = _without_comments(text)
        hidden += [words for words in (" ".join(c.split()) for c in comments) if speaks_to_a_model(words)]
    text, said = _without_invisible(text)
    hidden += said
    return text, [h for h in hidden if h]


def _without_comments(text: str) -> tuple[str, list[str]]:
    """Return the text without its comments, and what they hold. Ends are searched, so that many beginnings cost nothing."""
    kept: list[str] = []
    found: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        found.append(text[start + 4 : end])
        at = end + 3
    text = "".join([*kept, text[at:]])
    return _REMARK.sub("", text), found + _REMARK.findall(text)


def _without_invisible(text: str) -> tuple[str, list[str]]:
    """Return the text without invisible characters, but for those that writing needs; and what those taken out said."""
    out = {c for c in invisible_in(text) if not (c.isspace() or _may_be_drawn(c))}
    if not out:
        return text, []
    taken: list[str] = []

    def keep_or_take(run: re.Match[str]) -> str:
        if _is_needed(run[0], text[run.start() - 1 : run.start()], text[run.end() : run.end() + 1]):
            return run[0]
        taken.append(run[0])
        return ""

    text = re.sub(f"[{re.escape(''.join(sorted(out)))}]+", keep_or_take, text)
    hidden: list[str] = []
    for run in taken:
        hidden += ["".join(chr(ord(c) - 0xE0000) for c in tags if "\U000e0020" <= c < "\U000e007f") or "tag characters"
                   for tags in _TAGS.findall(run)]  # fmt: skip
        hidden += [_bytes_of(selectors) or "variation selectors" for selectors in _SELECTORS.findall(run)]
    rest = _SELECTORS.sub("", _TAGS.sub("", "".join(taken))).replace(
        "\u00ad", ""
    )  # a soft hyphen says where a word may be cut
    overrides = len(_DIRECTION.findall(rest))
    hidden += [f"{overrides} overrides of the writing direction"] if overrides else []
    blanks = len(rest) - overrides
    return text, hidden + ([f"{blanks} characters without width"] if blanks > 2 else [])


def _may_be_drawn(char: str) -> bool:
    """Whether a font may draw it all the same: characters for private use, and those newer than this Python's tables."""
    return unicodedata.category(char) in ("Co", "Cn") and not "\U000e0000" <= char < "\U000e1000"


def _is_needed(run: str, before: str, after: str) -> bool:
    if before == "\U0001f3f4" and _FLAG.fullmatch(run):
        return True
    beside = any((c > _LAST_LATIN and not c.isspace()) or c in "©®" for c in (before, after) if c)
    return len(run) <= 2 and beside and not _USELESS.search(run)


def _bytes_of(selectors: str) -> str:
    """Return the text that variation selectors spell, one byte each, as far as it is one."""
    numbers = (ord(c) - 0xFE00 if c < "\uffff" else ord(c) - 0xE0100 + 16 for c in selectors)
    return "".join(c for c in bytes(numbers).decode("utf-8", "ignore") if c.isprintable()).strip()


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
            f"{name} holds text that no reader sees ({quoted(hidden)}): it was left out of the index.",
            f"Look at it, and take it out of the document if it does not belong there. {KEEP_IT}",
            (),
            {"file": name, "kind": "hidden text", "count": len(hidden)},
        )
    if orders:
        yield Finding(
            CHECK,
            "warn",
            f"{name} speaks to a model rather than to a reader ({quoted(orders)}).",
            "Read the passage; if it is planted, `rung docs remove` the file. The report says how often a model obeys such text.",
            (),
            {"file": name, "kind": "instructions", "count": len(orders)},
        )
    images = [image for text in (page, *_texts(documents, ())) for image in remote_images(text)]
    if images:
        yield Finding(
            CHECK,
            "note",
            f"{name} shows {len(images):,} images from other servers ({quoted(images)}): an answer that repeats one makes the "
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


def quoted(texts: Sequence[str]) -> str:
    """Return the beginning of the first text, and how many more there are."""
    first = " ".join(texts[0].split())
    first = first if len(first) <= _SHOWN else first[: _SHOWN - 1] + "…"
    return f"{first!r}" + (f" and {len(texts) - 1:,} more" if len(texts) > 1 else "")
