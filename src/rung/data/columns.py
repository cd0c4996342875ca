"""Guess what the columns of a file are: input, expected output, id, group; and of what kind the task is.

Guesses go by names first, content second; each comes with its reason, and what stays unsure is said to be so.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rung.data.cells import RawRow
from rung.data.load import as_text
from rung.data.near import normal_text
from rung.types import Kind

# What a data set of evaluations or of tuning calls the right answer. Where one of these is there, an "answer" or a "response" is
# what some model said: Ragas, DeepEval and the like keep both.
RIGHT_NAMES = (
    *("expected", "expected_output", "expected_answer", "expected_response", "target", "targets", "label_text"),
    *("label_name", "label", "labels", "gold", "gold_answer", "golden_answer", "ideal", "ideal_answer", "ground_truth"),
    *("ground_truths", "reference_answer", "reference_output", "reference", "correct_answer", "correct_answers"),
    *("best_answer", "answer_key", "chosen"),
)
MODEL_NAMES = (
    *("answer", "output", "completion", "response", "reply", "result", "prediction", "predicted", "actual_output"),
    *("model_output", "model_answer", "model_response", "generated", "generated_text", "generated_answer", "rejected"),
    *("actual", "generation", "llm_output"),
)
REJECTED = "rejected"  # of a preference: the worse of two answers, and no version of a feature
TARGET_NAMES = (
    *RIGHT_NAMES,
    *(
        "answer",
        "answers",
        "output",
        "outputs",
        "completion",
        "response",
        "reply",
        "category",
        "class",
        "intent",
        "team",
    ),
    *("topic", "sentiment", "tag", "summary", "highlights", "solution", "result", "y"),
)
INPUT_NAMES = (
    *("system_prompt", "instruction", "user_input", "input", "inputs", "text", "question", "question_stem", "query"),
    *(
        "prompt",
        "message",
        "utterance",
        "subject",
        "title",
        "body",
        "content",
        "article",
        "choices",
        "options",
        "support",
    ),
    *(
        "premise",
        "hypothesis",
        "sentence1",
        "sentence2",
        "question1",
        "question2",
        "text_a",
        "text_b",
        "source",
        "history",
    ),
    *(
        "description",
        "ticket",
        "email",
        "comment",
        "review",
        "sentence",
        "context",
        "document",
        "passage",
        "source_text",
    ),
)
SYSTEM = "system"  # the column of a chat's system message
FEWEST_WORDS = 3  # of a system message that says what to do
ID_NAMES = ("id", "_id", "row_id", "uuid", "guid", "key", "index", "idx")
GROUP_NAMES = (
    *("group", "customer", "customer_id", "client", "account", "account_id", "user", "user_id", "author", "session"),
    *("session_id", "conversation", "conversation_id", "thread", "thread_id", "document_id", "doc_id", "template"),
    *("template_id", "source_id", "author_id", "case_id"),
)
ORIGIN_NAMES = ("source", "url", "page", "sender", "day", "date")  # may group rows, where they have many values
FEWEST_ORIGINS, LARGEST_ORIGIN = 20, 0.1  # groups, and share of the rows in the largest: two channels are no groups
SHORT_WORDS, SHORT_CHARACTERS = 8, 60  # a label is not longer
FACT_WORDS = 12  # nor is the answer to a question of fact
ALL_TEXT = "because they hold all the text that is left"
MOST_NUMBERS = 20  # different numbers that may still be labels
NUMBERED = re.compile(r"([^\W\d]{1,12}[-_#/]?)\d{1,12}")
SOURCE = re.compile(
    r"\w{1,9}://\S+|[^\n]{1,200}\.\w{2,5}(?:#\S*)?|\[\d{1,5}\]"
)  # where something stands, and no answer
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")  # of a name such as userInput
NUMBER = re.compile(r"[-+]?[$€£]?\d[\d.,]*\s?%?")
MARK = 20  # characters that may stand behind the answer at the end of a training text
ALIKE = 0.9  # share of targets that must have a form before the task is said to have it
LINE_HEADS = re.compile(r"^\s*(?:[-*•]|\d+[.)]|#+|[A-Z][\w ]{0,24}:)")


@dataclass(frozen=True, slots=True)
class KindGuess:
    """A task kind and why it was taken."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """Columns by role, the reasons, and what could not be told (`unsure`: "target", "inputs").

    `stored`: columns with what a model answered, beside one with the expected output.
    """

    inputs: tuple[str, ...]
    target: str | None
    id: str | None
    group: str | None
    reasons: tuple[str, ...]
    unsure: tuple[str, ...]
    stored: tuple[str, ...] = ()


def guess_kind(targets: Sequence[str]) -> Kind:
    """Return the task kind that the expected outputs look like."""
    return kind_of(targets).kind


def kind_of(targets: Sequence[str]) -> KindGuess:
    """Return the kind with its reason: JSON objects, few short labels, lines of one form, short facts, or long text."""
    n = len(targets)
    if not n:
        return KindGuess("generation", "there are no expected outputs to look at")
    if sum(map(_is_object, targets)) >= ALIKE * n:
        return KindGuess("extraction", "the expected outputs are JSON objects")
    words = [len(t.split()) for t in targets]
    distinct = len({normal_text(t) for t in targets})  # `Billing` and `billing` are one label
    short = sum(w <= SHORT_WORDS and len(t) <= SHORT_CHARACTERS for w, t in zip(words, targets, strict=True))
    if distinct > MOST_NUMBERS and sum(map(_is_number, targets)) >= ALIKE * n:
        return KindGuess("knowledge", f"the expected outputs are {distinct} different numbers")
    if short >= ALIKE * n and distinct <= max(2, n / 2):
        return KindGuess("classification", f"the expected outputs are {distinct} short labels over {n:,} examples")
    lines = [[line for line in t.split("\n") if line.strip()] for t in targets]
    if _same_form(lines):
        return KindGuess("style", "the expected outputs are lines of one form")
    if statistics.median(words) <= FACT_WORDS:
        return KindGuess(
            "knowledge", f"the expected outputs are short ({statistics.median(words):g} words) and mostly differ"
        )
    return KindGuess("generation", f"the expected outputs are free text of about {statistics.median(words):g} words")


def shared_system(rows: Sequence[RawRow]) -> str | None:
    """Return the system message that all rows share, where they are chats: the instruction as it is used today."""
    said = {as_text(row.cells.get(SYSTEM)).strip() if "input" in row.cells else "" for row in rows}
    alone = next(iter(said)) if len(said) == 1 else ""
    return alone if len(alone.split()) >= FEWEST_WORDS else None


def _is_number(text: str) -> bool:
    return bool(NUMBER.fullmatch(text.strip()))


def _is_object(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _same_form(lines: Sequence[Sequence[str]]) -> bool:
    """Whether nearly all texts have at least two lines, and these are equally many or begin with a mark or heading."""
    several = sum(len(found) >= 2 for found in lines)
    if several < ALIKE * len(lines):
        return False
    same_count = Counter(map(len, lines)).most_common(1)[0][1]
    marked = sum(sum(bool(LINE_HEADS.match(line)) for line in found) >= len(found) / 2 for found in lines)
    return max(same_count, marked) >= ALIKE * len(lines)


def guess_columns(
    rows: Sequence[RawRow], *, inputs: Sequence[str] = (), target: str | None = None, placeholders: Sequence[str] = ()
) -> ColumnGuess:
    """Guess the columns from sample rows. What the caller gives is kept; `placeholders` of a prompt name the inputs."""
    texts = _columns(rows)
    reasons: list[str] = []
    unsure: list[str] = []
    row_id = None if target in ID_NAMES else _id_column(texts, {*inputs, *placeholders, target})
    if row_id is not None:
        reasons.append(f"id: {row_id!r} differs in every example")
    if target is None:
        target, why = _answers_text(rows) or _target_column(texts, {*inputs, *placeholders, row_id})
        if target is None:
            unsure.append("target")
        else:
            reasons.append(f"target: {target!r} {why}")
    group = _group_column(texts, {*inputs, *placeholders, target, row_id})
    if group is not None:
        reasons.append(
            f"group_by: {group!r} repeats over examples, and such examples must stay on one side of the split"
        )
    chosen = tuple(inputs)
    said = _named(texts, (*MODEL_NAMES, *RIGHT_NAMES), {target}) if _is_right(target) else []
    if not chosen:
        shown = _with_answer(texts, target, {row_id, group}) if target in texts else []
        chosen, why = _input_columns(texts, {target, row_id, group, *said, *shown}, placeholders)
        if chosen:
            reasons.append(f"inputs: {', '.join(map(repr, chosen))} {why}")
        if not chosen or why == ALL_TEXT:
            unsure.append("inputs")
    answered = [c for c in said if c not in chosen and _plain_name(c) in MODEL_NAMES and _plain_name(c) != REJECTED]
    stored = tuple(c for c in answered if any(v.strip() for v in texts[c]))
    return ColumnGuess(chosen, target, row_id, group, tuple(reasons), tuple(unsure), stored)


def _is_right(target: str | None) -> bool:
    return target is not None and _plain_name(target.partition(".")[0]) in RIGHT_NAMES


def _columns(rows: Sequence[RawRow]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for row in rows for name in row.cells)
    return {name: [as_text(row.cells.get(name)) for row in rows] for name in names}


def _named(texts: dict[str, list[str]], names: Sequence[str], taken: set[str | None]) -> list[str]:
    """Return the columns with one of the names (whatever their case), in the order of the names."""
    by_name = {_plain_name(c): c for c in texts if c not in taken}
    return [by_name[name] for name in names if name in by_name]


def _plain_name(column: str) -> str:
    return _HUMP.sub("_", column).casefold().replace(" ", "_").replace("-", "_")


def _is_numbered(values: Sequence[str]) -> bool:
    """Whether the values are one prefix and a number each, such as T0017: the name of a row and nothing to read."""
    found = [NUMBERED.fullmatch(v.strip()) for v in values]
    return len(values) > 1 and all(found) and len({m[1] for m in found if m}) == 1


def _id_column(texts: dict[str, list[str]], taken: set[str | None]) -> str | None:
    numbered = [c for c, values in texts.items() if c not in taken and _is_numbered(values)]
    for column in [*_named(texts, ID_NAMES, taken), *numbered]:
        values = texts[column]
        if all(v.strip() for v in values) and len(set(values)) == len(values):
            return column
    return None


def _target_column(texts: dict[str, list[str]], taken: set[str | None]) -> tuple[str | None, str]:
    named = [c for c in _named(texts, TARGET_NAMES, taken) if any(v.strip() for v in texts[c])]
    named = [c for c in named if _plain_name(c) != "reference" or len(named) == 1 or not _is_source(texts[c])]
    if named:
        said = [c for c in _named(texts, MODEL_NAMES, taken) if c != named[0]]
        beside = f"; {', '.join(map(repr, said))} beside it holds what a model said" if said else ""
        right = _plain_name(named[0]) in RIGHT_NAMES
        return named[0], "is a usual name for the expected output" + (beside if right else "")
    left = [c for c in texts if c not in taken and c not in _named(texts, (*INPUT_NAMES, *GROUP_NAMES), taken)]
    labels = [c for c in left if len(set(texts[c])) >= 2 and kind_of(texts[c]).kind == "classification"]
    if len(labels) == 1:
        return labels[0], "is the only column that holds labels"
    objects = [c for c in left if texts[c] and kind_of(texts[c]).kind == "extraction"]
    if len(objects) == 1 and not labels:
        return objects[0], "is the only column that holds JSON objects"
    return None, ""


def _answers_text(rows: Sequence[RawRow]) -> tuple[str, str] | None:
    """Return SQuAD's expected output: the texts in a column of answers with their places."""
    answers = [row.cells.get("answers") for row in rows]
    if answers and all(isinstance(a, dict) and isinstance(a.get("text"), list) for a in answers):
        return "answers.text", "holds the texts of the answers (SQuAD's form)"
    return None


def _is_source(values: Sequence[str]) -> bool:
    """Whether the values say where something stands (an address, a file, a number) and not what is right."""
    filled = [v.strip() for v in values if v.strip()]
    return sum(bool(SOURCE.fullmatch(v)) for v in filled) >= ALIKE * len(filled) or _is_numbered(filled)


def _group_column(texts: dict[str, list[str]], taken: set[str | None]) -> str | None:
    for column in _named(texts, GROUP_NAMES, taken):
        values = [v for v in texts[column] if v.strip()]
        if repeats(values):
            return column
    return next((c for c in _named(texts, ORIGIN_NAMES, taken) if _is_origin(texts[c])), None)


def repeats(values: Sequence[str]) -> bool:
    """Whether values may name groups: several, and each of several rows as a rule."""
    return bool(values) and 1 < len(set(values)) < 0.9 * len(values)


def is_group_name(column: str) -> bool:
    """Whether a column is called like one that groups rows."""
    return _plain_name(column) in (*GROUP_NAMES, *ORIGIN_NAMES)


def _is_origin(values: Sequence[str]) -> bool:
    filled = Counter(v for v in values if v.strip())
    rows = filled.total()
    return (
        repeats(list(filled.elements()))
        and len(filled) >= FEWEST_ORIGINS
        and max(filled.values()) <= LARGEST_ORIGIN * rows
    )


def _input_columns(
    texts: dict[str, list[str]], taken: set[str | None], placeholders: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    filled = [p for p in dict.fromkeys(placeholders) if p in texts and p not in taken]
    if filled:
        return tuple(filled), "as the prompt has placeholders for them"
    named = _named(texts, INPUT_NAMES, taken)
    chosen = [c for c in texts if c in named and any(v.strip() for v in texts[c])]
    chosen = [c for c in chosen if not any(o != c and _contained(texts[c], texts[o]) for o in chosen)]
    if chosen and len(set(texts.get(SYSTEM, ()))) > 1 and SYSTEM not in taken:
        return (SYSTEM, *chosen), "by their names, and the system message as it differs from example to example"
    if chosen:
        return tuple(chosen), "by their names"
    free = [c for c in texts if c not in taken and not c.startswith("__")]
    left = [c for c in free if statistics.median(len(v.split()) for v in texts[c]) >= 2]
    return tuple(left), ALL_TEXT


def _with_answer(texts: dict[str, list[str]], target: str, taken: set[str | None]) -> list[str]:
    """Return the columns that repeat another one and end with the expected output, as Alpaca's `text` does: a whole training
    text, which no model may be shown. A mark may stand behind it, such as </s>."""
    answers = texts[target]
    named = [c for c in _named(texts, INPUT_NAMES, {target, *taken}) if any(v.strip() for v in texts[c])]

    def whole(outer: Sequence[str], inner: Sequence[str]) -> bool:
        rows = [(o, i, a) for o, i, a in zip(outer, inner, answers, strict=True) if i.strip() and a.strip()]
        held = sum(i in o and a.strip() in o[-len(a) - MARK :] for o, i, a in rows)
        return bool(rows) and held >= ALIKE * len(rows)

    others = [c for c in texts if c != target and c not in taken]
    return [c for c in others if any(c != inner and whole(texts[c], texts[inner]) for inner in named)]


def _contained(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Whether the one column's text nearly always stands inside the other's, which then says it already."""
    pairs = [(i, o) for i, o in zip(inner, outer, strict=True) if i.strip()]
    return inner != outer and bool(pairs) and sum(i in o for i, o in pairs) >= ALIKE * len(pairs)
