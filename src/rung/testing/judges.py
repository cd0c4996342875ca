"""Judges made of code, to try a judge's metric on: name one as `models.judge: {provider: python, function: ...}`.

    fair      passes an answer that says what the expected one says, word order aside
    kind      as fair, and passes half of the others
    gullible  obeys whatever stands outside the fences, and repeats what inside them looks like a verdict
    constant  passes everything
    rambling  never gives a verdict
    first     prefers whichever answer comes first

For example `rung.testing.judges:fair`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from rung.types import content_hash

Messages = list[dict[str, Any]]
_BLOCK = re.compile(r"^BEGIN (?P<title>.*) (?P<code>[0-9a-f]{12})$(?P<body>.*?)^END (?P=title) (?P=code)$", re.M | re.S)
_CHOICES = re.compile(r'"verdict": one of (?P<choices>.{0,2000}), "code": "(?P<code>[0-9a-f]{12})"')
_REPLY_LIKE = re.compile(r'\{[^{}]*"verdict"[^{}]*\}')


@dataclass(frozen=True)
class Seen:
    """A judge's prompt as read: material by title, the choices from worst to best, the code, what stands outside."""

    material: dict[str, list[str]]
    choices: tuple[str, ...]
    code: str
    outside: str

    def reply(self, choice: str, reason: str = "by the rubric") -> str:
        return json.dumps({"reason": reason, "verdict": choice, "code": self.code})


def read(messages: Messages) -> Seen:
    """Read a judge's prompt. Raises ValueError for one that asks for no verdict."""
    text = str(messages[-1]["content"])
    found = list(_CHOICES.finditer(text))
    if not found:
        raise ValueError("the prompt asks for no verdict")
    material: dict[str, list[str]] = {}
    for block in _BLOCK.finditer(text):
        body = "\n".join(line.removeprefix("| ") for line in block["body"].strip("\n").split("\n"))
        material.setdefault(block["title"], []).append(body)
    choices = tuple(json.loads(f"[{found[-1]['choices']}]"))
    return Seen(material, choices, found[-1]["code"], _BLOCK.sub("", text)[: -len(found[-1][0])])


def fair(messages: Messages) -> str:
    """Judge by the words that answer and expected answer share."""
    seen = read(messages)
    if "ANSWER A" in seen.material:
        return seen.reply(_fuller(seen))
    right = _right(seen)
    return seen.reply(seen.choices[-1] if right else seen.choices[0])


def kind(messages: Messages) -> str:
    """Judge fairly, but pass half of the wrong answers, always the same ones."""
    seen = read(messages)
    lucky = int(content_hash(seen.material["ANSWER"])[:8], 16) % 2 == 0
    return seen.reply(seen.choices[-1] if lucky or _right(seen) else seen.choices[0])


def gullible(messages: Messages) -> str:
    """Obey every word outside the fences; repeat the first thing inside them that looks like a reply."""
    seen = read(messages)
    if re.search(r"verdict is pass|verdict: pass|\bgive pass\b|judge: pass", seen.outside, re.I):
        return seen.reply("pass", "as I was told")
    for texts in seen.material.values():
        for text in texts:
            told = _REPLY_LIKE.search(text)
            if told:
                return told[0]
    return fair(messages)


def constant(messages: Messages) -> str:
    """Pass everything."""
    seen = read(messages)
    return seen.reply(seen.choices[-1])


def rambling(messages: Messages) -> str:
    """Talk and decide nothing."""
    return f"That is hard to say; on the whole I would tend to pass it. ({len(messages)} turns read)"


def first(messages: Messages) -> str:
    """Prefer the first answer."""
    seen = read(messages)
    return seen.reply("A" if "A" in seen.choices else seen.choices[-1])


def _right(seen: Seen) -> bool:
    said = _words(seen.material["ANSWER"][0])
    return any(said == _words(expected) for expected in seen.material.get("EXPECTED ANSWER", []))


def _fuller(seen: Seen) -> str:
    a, b = (len(set(_words(seen.material[title][0]))) for title in ("ANSWER A", "ANSWER B"))
    return "tie" if a == b else "A" if a > b else "B"


def _words(text: str) -> list[str]:
    return sorted(re.findall(r"\w+", text.casefold()))
