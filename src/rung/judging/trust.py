"""How far a judge can be trusted: what a run's own answers, votes and labels say of it. Recomputable from the folder."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rung.judging.human_labels import (
    HumanLabels,
    answer_id,
    human_labels_of,
    labelled_by_people,
)
from rung.metrics.token_f1 import TokenF1
from rung.stats.estimate import interval_mean
from rung.store.records import Correlation, Trust
from rung.store.run import RunFolder
from rung.types import Estimate, Example, Outcome, Task, by_id

FEWEST = 20  # answers before a judge is said to tell nothing apart, or to lean
OFTEN = 0.2  # share of answers from which wavering is worth a warning
UNREADABLE = 0.05
TAUGHT = 8  # rows named as worth a label
_NUMBER = re.compile(r" \d+$")


def trust_of(run: RunFolder) -> Trust | None:
    """Return what a run says of its judge; None where the deciding metric is no opinion or nothing was measured."""
    people = human_labels_of(run, run.task)
    records = [run.rung(label) for label in run.measured]
    if people is None or not records:
        return None
    test = [o for record in records for o in record.outcomes.need()]
    dev = [o for record in records for o in record.dev.need()]
    dev_labels = {label.answer_id: label.value for label in run.labels.dev.get() or ()}
    found = trust(test, dev, by_id(run.parts.dev.need()), people, dev_labels)
    return replace(found, labels_sha256=run.labels.sha256)


def trust(
    test: Sequence[Outcome],
    dev: Sequence[Outcome],
    dev_examples: Mapping[str, Example],
    people: HumanLabels,
    dev_labels: Mapping[str, float | None],
) -> Trust:
    """Return what outcomes and labels say of the judge that scored them."""
    task = people.task
    name = task.metrics[0].name
    answers = {answer_id(o, task): o for o in test if labelled_by_people(o)}
    scored = {key: o for key, o in answers.items() if o.scores is not None}
    values = {key: o.scores[name].value for key, o in scored.items() if o.scores is not None}
    votes = [dict(o.scores[name].parts) for o in scored.values() if o.scores is not None]
    told = {key: v for key, v in people.values.items() if v is not None and key in values}
    pairs = [pair for found in votes for pair in _orders(found)]
    repeats = [differ for found in votes if (differ := _differ(found)) is not None]
    lengths = {key: math.log1p(len(o.answer.text)) for key, o in scored.items() if o.answer is not None}
    dev_values = {
        key: o.scores[name].value for o in dev if o.scores is not None and (key := answer_id(o, task)) in dev_labels
    }
    on_dev = {key: v for key, v in dev_labels.items() if v is not None and key in dev_values}
    errors = {key: values[key] - v for key, v in told.items()}
    turned = [first > second for first, second in pairs if first != second]
    found = Trust(
        metric=name,
        answers=len(answers),
        unreadable=len(answers) - len(scored),
        labelled=len(told),
        agreement=_agreement(told, values, task),
        kindness=_mean(list(errors.values())),
        turned=_share([first != second for first, second in pairs]),
        first_place=_share(turned),
        wavering=_share(repeats),
        length=_correlation([lengths[k] for k in values], list(values.values())),
        length_error=_correlation([lengths[k] for k in errors], list(errors.values())),
        on_dev=_agreement(on_dev, dev_values, task),
        teaches=tuple(dict.fromkeys(o.example_id for o in teaches_most(dev, dev_examples, task)))[:TAUGHT],
        unknown=tuple(_unknown(task, told, pairs, repeats)),
        warnings=(),
    )
    return _warned(found, list(values.values()), list(told.values()))


def teaches_most(outcomes: Sequence[Outcome], examples: Mapping[str, Example], task: Task) -> list[Outcome]:
    """Return the answers on which a label says most about the judge, best first: it could not be read, disagrees with
    itself, stands in the middle, or is far from the words that answer and expected answer share."""
    name, words = task.metrics[0].name, TokenF1()

    def doubt(outcome: Outcome) -> float:
        if outcome.scores is None:
            return 3.0
        score = outcome.scores[name]
        votes = list(score.parts.values()) or [score.value]
        shared = words.lenient(outcome.answer.text if outcome.answer else "", examples[outcome.example_id], task)
        return 2 * (max(votes) - min(votes)) + 1 - abs(2 * score.value - 1) + abs(score.value - (shared or 0.0)) / 2

    found = {answer_id(o, task): o for o in outcomes if labelled_by_people(o) and o.example_id in examples}
    return sorted(found.values(), key=lambda o: (-round(doubt(o), 6), o.example_id))


def _unknown(
    task: Task, told: Mapping[str, float], pairs: Sequence[object], repeats: Sequence[object]
) -> Iterator[str]:
    mode = task.metrics[0].settings.get("mode", "grade")
    if not told:
        yield "whether it agrees with people: nobody labelled an answer yet (`rung label`)"
    if mode == "compare" and not pairs:
        yield "whether the order turns it: every answer equals the expected one"
    if mode != "compare":
        yield "whether the order turns it: it grades single answers, so there is no order"
    if not repeats:
        yield "whether it agrees with itself: each question was asked once (set `repeats: 2`)"


def _warned(found: Trust, values: Sequence[float], told: Sequence[float]) -> Trust:
    """Return the same with its warnings."""

    def lines() -> Iterator[str]:
        if len(values) >= FEWEST and max(values) == min(values):
            yield (
                f"The judge gave each of {len(values):,} answers the same score, {values[0]:.2f}: it tells nothing apart. "
                "Sharpen the rubric, give it more levels, or ask another model; until then the labels stand alone."
            )
        if found.answers and found.unreadable > UNREADABLE * found.answers:
            yield (
                f"On {found.unreadable:,} of {found.answers:,} answers the judge's reply could not be read: ask a model that "
                "keeps to a form, or raise its max_tokens."
            )
        if found.agreement is not None and found.agreement.n >= FEWEST and found.agreement.mean is not None:
            common = max(told.count(value) for value in set(told)) / len(told)
            if found.agreement.mean <= common and len(set(told)) > 1:
                yield (
                    f"The judge agrees with people on {found.agreement.mean:.0%} of the labelled answers; always saying the "
                    f"commonest label would on {common:.0%}."
                )
        if found.turned is not None and found.turned.n >= FEWEST and (found.turned.mean or 0.0) > OFTEN:
            first = "" if found.first_place is None else f" ({found.first_place.mean:.0%} of them for the first place)"
            yield f"The order of the two answers decided {found.turned.mean:.0%} of the comparisons{first}."
        if found.wavering is not None and found.wavering.n >= FEWEST and (found.wavering.mean or 0.0) > OFTEN:
            yield f"Asked again, the judge said something else on {found.wavering.mean:.0%} of the answers."
        if found.length_error is not None and (found.length_error.low > 0 or found.length_error.high < 0):
            word = "longer" if found.length_error.r > 0 else "shorter"
            yield (
                f"Against people the judge favours {word} answers (correlation {found.length_error.r:+.2f} of its error with "
                "the length)."
            )

    return replace(found, warnings=tuple(lines()))


def _orders(votes: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    """Yield the two votes of each comparison: with the answer first, and with it second."""
    for name, value in votes.items():
        other = name.replace("answer first", "answer second")
        if name.startswith("answer first") and other in votes:
            yield value, votes[other]


def _differ(votes: Mapping[str, float]) -> bool | None:
    """Return whether repeats of one question got different votes; None where nothing was asked twice."""
    asked: dict[str, set[float]] = {}
    count: dict[str, int] = {}
    for name, value in votes.items():
        stem = _NUMBER.sub("", name)
        asked.setdefault(stem, set()).add(value)
        count[stem] = count.get(stem, 0) + 1
    if not count or max(count.values()) < 2:
        return None
    return any(len(values) > 1 for values in asked.values())


def _agreement(told: Mapping[str, float], values: Mapping[str, float], task: Task) -> Estimate | None:
    levels = task.metrics[0].settings.get("levels", ("fail", "pass"))
    steps = len(levels) - 1 if isinstance(levels, list | tuple) else 1
    half = 0.5 / max(steps, 1)
    return _share([abs(values[key] - value) < half for key, value in told.items()])


def _share(found: Sequence[bool]) -> Estimate | None:
    return _mean([float(x) for x in found]) if found else None


def _mean(values: Sequence[float]) -> Estimate | None:
    """Return a mean with its interval: Wilson's for shares, Student's for differences."""
    if not values:
        return None
    if all(v in (0.0, 1.0) for v in values):
        found = interval_mean(values)
        return Estimate(found.mean, found.low, found.high, found.n, found.method)
    mean, n = float(np.mean(values)), len(values)
    half = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else 1.0
    return Estimate(mean, max(mean - half, -1.0), min(mean + half, 1.0), n, "normal")


def _correlation(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Return Pearson's correlation; None for few answers or where one side never changes."""
    if len(x) < FEWEST or np.ptp(x) < 1e-9 or np.ptp(y) < 1e-9:
        return None
    r = min(max(float(np.corrcoef(x, y)[0, 1]), -0.999999), 0.999999)
    z, half = math.atanh(r), 1.96 / math.sqrt(len(x) - 3)
    return Correlation(r, math.tanh(z - half), math.tanh(z + half), len(x))
