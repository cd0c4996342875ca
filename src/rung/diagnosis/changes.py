"""Dev inputs and prompts changed in ways that leave the right answer as it is: spelling, case, order of columns, length, wording.

By seed: equal examples get equal changes. Words of a right answer stay as they are, and so do numbers, addresses and names with signs.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rung.prompts.templates import columns_in, literal
from rung.types import Candidate, Example, Message, Task

REWORDED = "prompt reworded"
ORDER = "column order"
CHANGES = ("spelling", "case", ORDER, "length", REWORDED)
APPROACHES = 2  # that are asked: the winner and the runner-up
ONE_IN = 8  # words, of which one is misspelt
SHORTEST = 4  # letters of a word that is misspelt
RULE = "- " * 20  # a line that says nothing

_WORD = re.compile(r"(?<![\w@./:-])[^\W\d_]+(?![\w@/:-]|\.\w)")
_ASKS = "Please do the following for the input that you are given."
_SAME = {
    "answer": "reply",
    "classify": "sort",
    "extract": "take out",
    "find": "look for",
    "return": "give back",
    "route": "send",
    "summarise": "sum up",
    "summarize": "sum up",
    "which": "what",
    "write": "put down",
}
_VERB = re.compile(rf"\b(?:{'|'.join(_SAME)})\b", re.IGNORECASE)


def most_answers(wanted: int, dev: int) -> int:
    """Return how many changed examples are answered at most. `wanted`: how many of the `dev` examples are changed."""
    return APPROACHES * len(CHANGES) * min(wanted, dev)


def changed(
    change: str, candidate: Candidate, examples: Sequence[Example], task: Task, seed: int
) -> tuple[Candidate, tuple[Example, ...]]:
    """Return who answers under a change, and those of the examples that it changes; none where it changes nothing."""
    made = tuple(changed_inputs(change, e, seed) for e in examples)
    if change not in (ORDER, REWORDED) or candidate.chat is None:
        pairs = zip(examples, made, strict=True)
        return candidate, tuple(new for old, new in pairs if [*new.inputs.items()] != [*old.inputs.items()])
    as_it_stands = candidate.feature is not None and candidate.feature.as_it_stands
    messages = candidate.chat.messages if as_it_stands else _other_prompt(change, candidate.chat.messages, task)
    if messages == candidate.chat.messages:
        return candidate, ()
    return replace(candidate, learned=replace(candidate.chat, messages=messages)), made


def changed_inputs(change: str, example: Example, seed: int) -> Example:
    """Return the example with its inputs changed; as it is where the change is one of the prompt."""
    make, draw = _MADE.get(change), random.Random(f"{seed}/{change}/{example.id}")
    return example if make is None else replace(example, inputs=make(example, draw))


def _misspelt(example: Example, draw: random.Random) -> Mapping[str, str]:
    """Misspell one word in eight of each column, at least one."""
    answered = _answered(example)

    def slipped(text: str) -> str:
        words = [m for m in _WORD.finditer(text) if len(m[0]) >= SHORTEST and m[0].casefold() not in answered]
        chosen = {m.start() for m in draw.sample(words, math.ceil(len(words) / ONE_IN))}
        return _WORD.sub(lambda m: _slip(m[0], draw) if m.start() in chosen else m[0], text)

    return {name: slipped(text) for name, text in example.inputs.items()}


def _slip(word: str, draw: random.Random) -> str:
    """Swap two letters inside a word, leave one out, or double one."""
    at = draw.randrange(1, len(word) - 1)
    first, second = word[at], word[at + 1]
    swapped = second + first if first != second else first
    return word[:at] + draw.choice((swapped, second, first + first + second)) + word[at + 2 :]


def _other_case(example: Example, draw: random.Random) -> Mapping[str, str]:
    """Write words in lower case; in capitals where they are in lower case already."""
    answered = _answered(example)

    def turned(text: str) -> str:
        turn = str.upper if text == text.lower() else str.lower
        return _WORD.sub(lambda m: m[0] if m[0].casefold() in answered else turn(m[0]), text)

    return {name: turned(text) for name, text in example.inputs.items()}


def _reversed(example: Example, draw: random.Random) -> Mapping[str, str]:
    return dict([*example.inputs.items()][::-1])


def _longer(example: Example, draw: random.Random) -> Mapping[str, str]:
    """Make the longest column half as long again, by lines that say nothing."""
    name = max(example.inputs, key=lambda column: len(example.inputs[column]))
    text = example.inputs[name]
    lines = max(2, math.ceil(len(text) / 2 / len(RULE)))
    return {**example.inputs, name: "\n".join([text, "", *[RULE.strip()] * lines])}


_MADE: Mapping[str, Callable[[Example, random.Random], Mapping[str, str]]] = {
    "spelling": _misspelt,
    "case": _other_case,
    ORDER: _reversed,
    "length": _longer,
}


def _answered(example: Example) -> frozenset[str]:
    """Return the words of all right answers."""
    return frozenset(word.casefold() for target in example.targets for word in re.findall(r"\w+", target))


def _other_prompt(change: str, messages: tuple[Message, ...], task: Task) -> tuple[Message, ...]:
    if change == ORDER:
        return tuple(replace(m, content=_reordered(m.content, task.inputs)) for m in messages)
    head = messages[0]
    return (replace(head, content=_reworded(head.content, literal(task.instruction, task.inputs))), *messages[1:])


def _reordered(content: str, columns: Sequence[str]) -> str:
    """Turn round the lines that show one column each."""
    lines = content.split("\n")
    places = [i for i, line in enumerate(lines) if columns_in(line, columns)]
    if any(len(columns_in(lines[i], columns)) > 1 for i in places):
        return content
    turned = {place: lines[other] for place, other in zip(places, reversed(places), strict=True)}
    return "\n".join(turned.get(i, line) for i, line in enumerate(lines))


def _reworded(content: str, instruction: str) -> str:
    """Ask for the same in other words: the instruction where it stands as it was given, and a sentence before everything."""
    other = _VERB.sub(lambda m: _like(m[0], _SAME[m[0].lower()]), instruction)
    return f"{_ASKS}\n\n{content.replace(instruction, other, 1)}"


def _like(word: str, other: str) -> str:
    """Write another word as the first is written, with its capital."""
    return other[:1].upper() + other[1:] if word[:1].isupper() else other
