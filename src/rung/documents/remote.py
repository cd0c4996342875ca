"""What a text would have a browser fetch or open elsewhere: images, links, addresses. Found for findings, taken out of prompts."""

from __future__ import annotations

import re

# Every part that may begin anywhere has a greatest length: without one, a text of many beginnings and no end takes hours. What is
# longer loses its address all the same, since _ADDRESS needs no end.
_REMOTE_IMAGE = re.compile(
    r"!\[[^\]]{0,500}\]\(\s{0,9}<?(?:https?:)?//[^)\s>]{1,500}"
    r"|<img\b[^>]{0,500}?\bsrc\s{0,9}=\s{0,9}[\"']?(?:https?:)?//[^\"'\s>]{1,500}"
    r"|url\(\s{0,9}[\"']?(?:https?:)?//[^)\"']{1,500}",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"!\[([^\]]{0,500})\](?:\([^)]{0,1000}\)|\[[^\]]{0,500}\])|<img\b[^>]{0,1000}>", re.IGNORECASE)
_LINK = re.compile(r"\[([^\]]{0,500})\]\(\s{0,9}<?(?:[a-z][a-z0-9+.-]{0,30}:|//|www\.)[^)]{0,1000}\)", re.IGNORECASE)
_REFERENCE = re.compile(r"^[ \t]*\[[^\]\n]+\]:[ \t]*\S+.*$", re.MULTILINE)
_ADDRESS = re.compile(
    r"<?\b(?:(?:https?|ftp)://|www\.)[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]>?|\bdata:[a-z]+/[^\s\"')]+"
    r"|(?<=[\"'(=])//[^\s\"')>]+",  # without a scheme, as an attribute or in url(...)
    re.IGNORECASE,
)


def remote_images(text: str) -> list[str]:
    """Return the images of other servers that Markdown, HTML or a style in the text shows."""
    return [found.group() for found in _REMOTE_IMAGE.finditer(text)]


def without_remote(text: str) -> str:
    """Return the text without images, links and addresses elsewhere; the words of a link and of an image stay.

    What a model is shown, and what is exported, goes through here: an answer that repeats an image makes the browser of
    whoever reads it call there.
    """
    text = _IMAGE.sub(lambda m: m[1] or "", text)
    text = _REFERENCE.sub("", _LINK.sub(lambda m: m[1], text))
    return _ADDRESS.sub("(link)", text)
