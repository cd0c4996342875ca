"""What people say of answers: the draw of examples to label, the labels, and the mean that follows from both.

Labels of dev answers teach about the judge and decide nothing.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rung import plugins
from rung.stats.estimate import interval_sample
from rung.stats.ppi import FEWEST_LABELS, PROVISIONAL_LABELS, Rectified, rectify
from rung.stats.threeway import judge_sample
from rung.store.records import Draw, Label
from rung.store.run import RunFolder
from rung.types import TRANSPORT, Estimate, Outcome, Quality, Status, Task, content_hash


@dataclass(frozen=True)
class HumanLabels:
    """The labels of a run as the statistics see them. Equal content, equal figures: `rung verify` recomputes from it."""

    task: Task
    draw: Draw | None
    labels: tuple[Label, ...] = ()

    @cached_property
    def values(self) -> Mapping[str, float | None]:
        """Answer id -> value; the last label of an answer counts."""
        return {label.answer_id: label.value for label in self.labels}

    @cached_property
    def drawn(self) -> frozenset[str]:
        return frozenset(self.draw.rows) if self.draw else frozenset()

    @property
    def looks(self) -> int:
        """How often labels were asked for after a verdict, the first draw included."""
        return len(self.draw.looks) if self.draw else 1

    def said(self, outcomes: Sequence[Outcome]) -> dict[str, float | None]:
        """Return the drawn rows of a rung whose worth is known: labelled, or without an answer that could be labelled."""
        found: dict[str, float | None] = {}
        for outcome in outcomes:
            if outcome.example_id not in self.drawn:
                continue
            if not labelled_by_people(outcome):
                value = outcome.value(self.task.metrics[0].name, self.task.failure_score)
                if value is not None:
                    found[outcome.example_id] = value
            elif (key := answer_id(outcome, self.task)) in self.values:
                found[outcome.example_id] = self.values[key]
        return found

    def missing(self, outcomes: Sequence[Outcome]) -> int:
        """Return how many drawn rows of a rung still wait for a label."""
        return sum(
            o.example_id in self.drawn and labelled_by_people(o) and answer_id(o, self.task) not in self.values
            for o in outcomes
        )

    def complete(self, outcomes: Sequence[Outcome]) -> bool:
        """Whether a rung's labels may decide: the draw is labelled, and holds 100 rows that people could tell, or all rows."""
        if self.draw is None or self.missing(outcomes):
            return False
        return self.told(outcomes) >= FEWEST_LABELS or len(self.drawn) >= len(outcomes)

    def told(self, outcomes: Sequence[Outcome]) -> int:
        """Return how many drawn rows of a rung people could tell the worth of."""
        return sum(value is not None for value in self.said(outcomes).values())


@dataclass(frozen=True)
class Corrected:
    """A rung's quality as people see it: what decides, and what is shown."""

    quality: Quality
    estimate: Estimate
    labels: Mapping[str, float | None] = field(default_factory=dict)


def is_opinion(task: Task) -> bool:
    """Whether the deciding metric is a model's opinion, which decides only beside labels."""
    return getattr(plugins.find("metrics", task.metrics[0].plugin), "opinion", False) is True


def human_labels_of(run: RunFolder, task: Task) -> HumanLabels | None:
    """Return the labels of a run; None where the deciding metric needs none."""
    if not is_opinion(task):
        return None
    return HumanLabels(task, run.labels.draw.get(), run.labels.labels.get() or ())


def answer_id(outcome: Outcome, task: Task) -> str:
    """Return the name of an answer: of its row, its text and the question that people are asked about it."""
    text = outcome.answer.text if outcome.answer is not None else ""
    return content_hash([outcome.example_id, text, question_sha256(task)])[:16]


def question_sha256(task: Task) -> str:
    """Return the hash of what people are asked; how often and by which model the judge is asked does not matter."""
    spec = task.metrics[0]
    asked = {k: v for k, v in spec.settings.items() if k not in ("judge", "repeats", "reference", "rule")}
    return content_hash([spec.plugin, asked])


def labelled_by_people(outcome: Outcome) -> bool:
    """Whether people can label it: there is an answer, and only the judge may have failed on it."""
    return outcome.answer is not None and (outcome.failure is None or outcome.failure.cause == "metric")


def drawn_rows(outcomes: Sequence[Outcome], size: int, seed: int) -> tuple[str, ...]:
    """Return a random draw of at least `size` rows, whole groups at a time; a larger draw begins with a smaller one."""
    groups: dict[str, list[str]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.group, []).append(outcome.example_id)
    names = sorted(groups)
    random.Random(f"{seed}/rows that people label").shuffle(names)
    found: list[str] = []
    for name in names:
        if len(found) >= size:
            break
        found += sorted(groups[name])
    return tuple(found)


def corrected(
    outcomes: Sequence[Outcome], scored: Sequence[tuple[Outcome, float]], people: HumanLabels, planned: float
) -> Corrected | None:
    """Return a rung's quality by prediction-powered inference; None with too few labels.

    From 50 labels on it is provisional, and decides with 100. `scored`: the rows with the judge's value. Rows on which people
    could not tell count against every claim.
    """
    decides = people.complete(outcomes)
    if not decides and people.told(outcomes) < PROVISIONAL_LABELS:
        return None
    task, said = people.task, people.said(outcomes)
    worst, best = (_rectified(scored, said, unknown) for unknown in (0.0, 1.0))
    looks = people.looks
    quality = judge_sample(worst.sample, task.goal, task.tolerance, task.alpha / looks, planned, best=best.sample)
    low, high = interval_sample(worst.sample), interval_sample(best.sample)
    estimate = Estimate(
        mean=(low.mean + high.mean) / 2,
        low=low.low,
        high=high.high,
        n=len(scored),
        method=f"{worst.sample.method}, {len(said)} labels{f', look {looks}' if looks > 1 else ''}",
        n_effective=low.n_eff,
    )
    if not decides:
        return Corrected(provisional(quality, outcomes, people), estimate, said)
    return Corrected(_advised(quality, worst, len(scored)), estimate, said)


def _rectified(scored: Sequence[tuple[Outcome, float]], said: Mapping[str, float | None], unknown: float) -> Rectified:
    inside = [(o, value) for o, value in scored if o.example_id in said]
    outside = [(o, value) for o, value in scored if o.example_id not in said]
    people = [v if (v := said[o.example_id]) is not None else unknown for o, _ in inside]
    names = [o.group for o, _ in scored]
    grouped = len(set(names)) < len(names)
    return rectify(
        people,
        [value for _, value in inside],
        [value for _, value in outside],
        [o.group for o, _ in inside] if grouped else None,
        [o.group for o, _ in outside] if grouped else None,
    )


def _advised(quality: Quality, found: Rectified, rows: int) -> Quality:
    """Say what would settle an inconclusive quality: more labels where these rows can carry it, else more rows."""
    if quality.status != "inconclusive" or quality.examples_needed is None:
        return quality
    labels = -(-quality.examples_needed * found.labelled // found.sample.n)
    if labels >= rows:
        return quality
    advice = f"about {labels:,} labels instead of {found.labelled:,} would tell (rung label --rows {labels})"
    return replace(quality, examples_needed=None, advice=advice)


def provisional(quality: Quality, outcomes: Sequence[Outcome], people: HumanLabels) -> Quality:
    """Return the judge's own quality, or one corrected by few labels, as what it is: it never shows that a rung falls short."""
    waiting = [o for o in outcomes if o.failure is None or o.failure.cause not in TRANSPORT]
    told = people.told(outcomes)
    wanted = max(len(people.drawn), min(FEWEST_LABELS, len(waiting)))
    more = max(people.missing(outcomes), wanted - told)
    rests = "rests on the judge, corrected" if told >= PROVISIONAL_LABELS else "rests on the judge alone, with"
    by = f"by {told} of {wanted} human labels" if told >= PROVISIONAL_LABELS else f"{told} of {wanted} human labels"
    why = f"{rests} {by}; {more} more are needed before anything is shown: `rung label` asks for them"
    status: Status = "inconclusive" if quality.status == "misses" else quality.status
    return replace(
        quality,
        status=status,
        examples_needed=None,
        advice=f"it {why}",
        provisional=why,
        labels_needed=more,
        corrected=told >= PROVISIONAL_LABELS,
    )
