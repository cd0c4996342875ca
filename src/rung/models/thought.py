"""A thought before the answer, as models write it into the text where no server takes it out.

The marks are those of the models' chat templates: DeepSeek-R1, Qwen3 and others (`<think>`), Magistral (`[THINK]`), Kimi
(`◁think▷`), Seed-OSS (`<seed:think>`), gpt-oss (`<|channel|>analysis`).
"""

from __future__ import annotations

import re

_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think")
_WRITTEN = (*((f"<{n}>", f"</{n}>") for n in _NAMES), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"))
_MARKS = tuple(tuple(re.compile(re.escape(mark), re.IGNORECASE) for mark in marks) for marks in _WRITTEN)
_CHANNEL, _MESSAGE, _FINAL = "<|channel|>", "<|message|>", "<|channel|>final<|message|>"
_ENDS = ("<|return|>", "<|end|>")


def without_thought(text: str, cut_off: bool = False) -> tuple[str, int]:
    """Return an answer without the thought before it, and the thought's length in characters (0: there was none).

    A thought stands at the beginning, between two marks; the first mark may be missing, since some templates write it
    into the prompt. One without an end is a thought where the answer was cut off (`cut_off`): then nothing was answered.
    """
    if not any(sign in text for sign in "<[◁"):
        return text, 0
    start = place = _blanks(text, 0)
    if text.startswith(_CHANNEL, place):
        return _of_channels(text, cut_off)
    while mark := next((m for m in _MARKS if m[0].match(text, place)), None):
        end = mark[1].search(text, place)
        if end is None:
            return ("", len(text)) if cut_off else (text[place:], place) if place > start else (text, 0)
        place = _blanks(text, end.end())
        while end := mark[1].match(text, place):  # thoughts within a thought
            place = _blanks(text, end.end())
    if place > start:
        return text[place:], place
    for opens, closes in _MARKS:  # no mark at the beginning: was it written into the prompt?
        end = closes.search(text)
        if end is not None and not opens.search(text):
            place = _blanks(text, end.end())
            return text[place:], place
    return text, 0


def _blanks(text: str, place: int) -> int:
    """Return where the blanks that begin at a place end."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _of_channels(text: str, cut_off: bool) -> tuple[str, int]:
    final = text.rfind(_FINAL)
    if final < 0:
        return ("", len(text)) if cut_off else (text, 0)
    answer = text[final + len(_FINAL) :]
    for end in _ENDS:
        answer = answer.removesuffix(end)
    return answer.strip(), len(text) - len(answer.strip())
