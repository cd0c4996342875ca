"""The evidence of a cause in one sentence: what its rows have in common, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rung.diagnosis.failed_examples import FailedExamples, rows_of
from rung.diagnosis.signs import DOES_NOT_KNOW
from rung.prompts.class_labels import confusions
from rung.types import Outcome

MOST_PAIRS = 3  # confusion pairs, weak parts or answers named in the evidence
LONGEST_QUOTE = 60  # characters of an answer quoted in the evidence


def evidence_of(case: FailedExamples, name: str, found: Sequence[Outcome]) -> str:
    """Return the sentence that says what the rows under a cause show."""
    on = f"On {rows_of(len(found))}"
    if name == "transport":
        return f"{on} no answer came: {_most_common_messages(found)}."
    if name == "metric":
        return f"{on} the metric cannot judge the answer: {_most_common_messages(found)}."
    if name == "refusal":
        return f"{on} the model declined to answer."
    if name == "truncation":
        return f"{on} the model's limits were exceeded: {_most_common_messages(found)}."
    if name == "format":
        return _format_evidence(case, found)
    if name == "suspect label":
        pairs = _pairs(case, found, "{answered}, not {expected} ({count})")
        return f"{on} all approaches agree against the file, and the nearest dev examples do not favour the file's label: {pairs}."
    if name == "knowledge":
        return _knowledge_evidence(found)
    if name == "label confusion":
        return f"{on} the answer is another label: {_pairs(case, found, '{answered} instead of {expected} ({count})')}."
    if name == "outside labels":
        return f"{on} the answer names none of the labels, or several: {_most_common_answers(found)}."
    return f"{on} the content of the answer is wrong{_weak_parts(case, found)}."


def _format_evidence(case: FailedExamples, found: Sequence[Outcome]) -> str:
    ended = [o for o in found if not case.runs_on(o)]
    right, endless = sum(map(case.only_form, ended)), len(found) - len(ended)
    counted = (
        (right, "the answer is right and only its form is wrong"),
        (len(ended) - right, "it cannot be read in the form asked for"),
        (endless, "it repeats itself until it is cut off, and a longer limit would not end it"),
    )
    parts = [f"on {rows_of(count)} {what}" for count, what in counted if count]
    first = parts[0].replace(" it ", " the answer ", 1)
    return "; ".join([f"O{first[1:]}", *parts[1:]]) + "."


def _knowledge_evidence(found: Sequence[Outcome]) -> str:
    said = sum(o.answer is not None and DOES_NOT_KNOW.search(o.answer.text) is not None for o in found)
    parts = [f"on {rows_of(said)} the model says that it does not know"] if said else []
    parts += [f"on {rows_of(len(found) - said)} the fact that it gives is wrong"] if said < len(found) else []
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _pairs(case: FailedExamples, found: Sequence[Outcome], form: str) -> str:
    pairs = confusions(found, case.examples, case.labels or ())[:MOST_PAIRS]
    return "; ".join(form.format(answered=p.answered, expected=p.expected, count=p.count) for p in pairs)


def _weak_parts(case: FailedExamples, found: Sequence[Outcome]) -> str:
    metric = case.task.metrics[0].name
    wrong: Counter[str] = Counter()
    for outcome in found:
        parts = outcome.scores[metric].parts if outcome.scores is not None else {}
        wrong.update(part for part, value in parts.items() if value < 1.0)
    named = sorted(wrong, key=lambda part: (-wrong[part], part))[:MOST_PAIRS]
    return ", most often in: " + ", ".join(f"{part} ({wrong[part]})" for part in named) if named else ""


def _most_common_messages(found: Sequence[Outcome]) -> str:
    messages = Counter(" ".join(o.failure.message.split())[:120].rstrip(" .") for o in found if o.failure is not None)
    return "; ".join(f"{text} ({n})" for text, n in messages.most_common(2)) or "nothing more is known"


def _most_common_answers(found: Sequence[Outcome]) -> str:
    answers = Counter(" ".join(o.answer.text.split()) for o in found if o.answer is not None)
    shown = [
        (text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…", n)
        for text, n in answers.most_common(2)
    ]
    return "; ".join(f"{text!r} ({n})" for text, n in shown)
