"""Ask people for labels: which answers, in which order, what they see, and what is kept. Blind to rungs and judge.

HumanLabels see the input and the answer, never which rung gave it or what the judge said; the expected output only where the
question is a comparison with it. Equal answers of several rungs are asked once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rung.config import Config
from rung.decide.looks import PAIRS, in_question
from rung.errors import RungError
from rung.judging.human_labels import (
    HumanLabels,
    answer_id,
    drawn_rows,
    is_opinion,
    labelled_by_people,
)
from rung.judging.pairs import CHOICES, is_of, pairs_to_ask
from rung.judging.trust import teaches_most
from rung.metrics.judge import ModelJudge
from rung.plugins import make_at, rung_type
from rung.stats.ppi import FEWEST_LABELS
from rung.store.folder import now
from rung.store.kept import Kept
from rung.store.records import Draw, Label
from rung.store.run import RunFolder, measured_rungs
from rung.store.sealed import sealed_test
from rung.types import Example, Outcome, Task, by_id


@dataclass(frozen=True)
class Item:
    """One answer to label. `other`: the expected answer where the question compares with it, or the pair's second answer."""

    answer_id: str
    example_id: str
    inputs: Mapping[str, str]
    answer: str
    other: str | None = None


@dataclass(frozen=True)
class Question:
    """What people are asked of each answer: the rubric, and the choices from worst to best with their worth.

    `compares`: with the expected answer. `pairs`: which of two answers is right, or nearer to it; `rubric` is the task's instruction.
    """

    rubric: str
    choices: Mapping[str, float]
    compares: bool
    pairs: bool = False


@dataclass(frozen=True)
class LabelSession:
    """One labelling: the question, the items in order, what was said so far. Every change returns a new session."""

    kept: Kept[tuple[Label, ...]]
    question: Question
    items: tuple[Item, ...]
    labels: tuple[Label, ...]

    @property
    def values(self) -> dict[str, float | None]:
        return {label.answer_id: label.value for label in self.labels}

    @property
    def waiting(self) -> tuple[Item, ...]:
        """Items without a label, in order."""
        said = self.values
        return tuple(item for item in self.items if item.answer_id not in said)

    def said(self, item: Item, value: float | None) -> LabelSession:
        """Keep one label; it is on the disk when this returns. None: the person cannot tell."""
        label = Label(item.answer_id, item.example_id, value, now())
        return self._kept((*(old for old in self.labels if old.answer_id != item.answer_id), label))

    def all_said(self, values: Mapping[str, float | None]) -> LabelSession:
        """Keep many labels at once, by answer id."""
        rows = {item.answer_id: item.example_id for item in self.items}
        stay = tuple(label for label in self.labels if label.answer_id not in values)
        at = now()
        return self._kept((*stay, *(Label(key, rows[key], value, at) for key, value in values.items())))

    def undone(self) -> LabelSession:
        """Take the last label back."""
        return self._kept(self.labels[:-1])

    def _kept(self, labels: tuple[Label, ...]) -> LabelSession:
        self.kept.save(labels)
        return replace(self, labels=labels)


def question_of(config: Config, task: Task) -> Question:
    """Return what people are asked. Raises RungError where the deciding metric is no judge."""
    spec = task.metrics[0]
    metric = make_at(config.root, "metrics", spec.plugin, spec.settings) if is_opinion(task) else None
    if not isinstance(metric, ModelJudge):
        raise RungError(
            f"the deciding metric {spec.name!r} needs no labels: it compares with the expected outputs; labels are for a "
            "judge (docs/judge.md)"
        )
    return Question(metric.criteria, metric.worth, metric.mode == "compare")


def draw(folder: RunFolder, seed: int, rows: int | None) -> Draw:
    """Return the rows to label, drawn on the first call; `rows` makes the draw larger later on.

    A larger draw after the smaller one was labelled is one more look, and every look costs a share of alpha.
    """
    outcomes = _outcomes(folder)
    first = next(iter(outcomes.values()))
    held = folder.labels.draw.get()
    size = rows or (len(held.rows) if held else FEWEST_LABELS)
    if held is not None and size < len(held.rows):
        raise RungError(
            f"{len(held.rows)} examples are drawn already, and a smaller draw could be chosen by what the labels say; ask for "
            f"{len(held.rows)} examples or more"
        )
    wanted = drawn_rows(first, size, seed)
    if held is not None and len(wanted) == len(held.rows):
        return held
    people = HumanLabels(folder.task, held, folder.labels.labels.get() or ())
    looked = held is not None and any(people.complete(found) for found in outcomes.values())
    made = Draw(wanted, (*(held.looks if held and looked else ()), len(wanted)))
    folder.labels.draw.save(made)
    folder.event("rows_drawn_for_labels", rows=len(wanted), looks=list(made.looks))
    return made


def session(folder: RunFolder, config: Config, rows: int | None) -> LabelSession:
    """Open the labelling of test answers. The opening of the test part is written down, and what people see of it.

    Where no judge decides, pairs of answers are asked for, of the tuned approach that wins and the best cheaper one.
    """
    task = folder.task
    if not is_opinion(task):
        return _of_pairs(folder, config, rows)
    question = question_of(config, task)
    drawn = draw(folder, config.split.seed, rows)
    shown = "inputs, answers and expected outputs" if question.compares else "inputs and answers"
    examples = by_id(sealed_test(folder).read(f"label answers: people see {shown} of {len(drawn.rows)} examples"))
    folder.event("test_labelled", rows=len(drawn.rows), expected_shown=question.compares)
    items = tuple(_items(drawn.rows, examples, list(_outcomes(folder).values()), task, question))
    return LabelSession(folder.labels.labels, question, items, folder.labels.labels.get() or ())


def _of_pairs(folder: RunFolder, config: Config, rows: int | None) -> LabelSession:
    """Open the comparing of pairs. Raises RungError where nothing is to be compared."""
    results = {label: folder.rung(label).measured() for label in measured_rungs(folder)}
    trained = {step.label for step in config.ladder if rung_type(step.rung).trains} & set(results)
    names = in_question(folder.task, results, trained, config.split.seed)
    if names is None:
        raise RungError(
            f"nothing waits for labels here: the deciding metric {folder.task.metrics[0].name!r} compares with the expected outputs, and no fine-tuned "
            "approach wins over a cheaper one; labels are for a judge (docs/judge.md) and for a gain of fine-tuning"
        )
    asked, differing, both = pairs_to_ask(results[names[0]], results[names[1]], config.split.seed)
    held = folder.labels.pairs_draw.get()
    held = held if held is not None and is_of(held, asked) else None
    size = rows or (len(held.rows) if held is not None else PAIRS)
    if held is not None and size < len(held.rows):
        raise RungError(
            f"{len(held.rows)} pairs are drawn already, and a smaller draw could be chosen by what was said of them; ask for {len(held.rows)} or more"
        )
    wanted = asked[:size]
    said = {label.answer_id for label in folder.labels.pairs.get() or ()}
    if held is None or len(wanted) > len(held.rows):
        looked = held is not None and said.issuperset(held.rows)
        made = Draw(tuple(p.id for p in wanted), (*(held.looks if held is not None and looked else ()), len(wanted)))
        folder.labels.pairs_draw.save(made)
        folder.event("pairs_drawn", pairs=len(wanted), differing=differing, of=both, looks=list(made.looks))
    examples = by_id(
        sealed_test(folder).read(f"compare answers: people see inputs and answers of {len(wanted)} examples")
    )
    folder.event("test_labelled", rows=len(wanted), expected_shown=False)
    question = Question(folder.task.instruction, CHOICES, compares=False, pairs=True)
    items = tuple(Item(p.id, p.example_id, examples[p.example_id].inputs, p.first, p.second) for p in wanted)
    return LabelSession(folder.labels.pairs, question, items, folder.labels.pairs.get() or ())


def teaching(folder: RunFolder, config: Config, rows: int) -> LabelSession:
    """Open the labelling of the dev answers that teach most about the judge; they decide nothing."""
    task = folder.task
    question = question_of(config, task)
    examples = by_id(folder.parts.dev.need())
    outcomes = [o for label in measured_rungs(folder) for o in folder.rung(label).dev.need()]
    chosen = teaches_most(outcomes, examples, task)[:rows]
    items = tuple(_items([o.example_id for o in chosen], examples, [chosen], task, question))
    return LabelSession(folder.labels.dev, question, items, folder.labels.dev.get() or ())


def _outcomes(folder: RunFolder) -> dict[str, tuple[Outcome, ...]]:
    return {label: folder.rung(label).outcomes.need() for label in measured_rungs(folder)}


def _items(
    rows: Sequence[str],
    examples: Mapping[str, Example],
    rungs: Sequence[Sequence[Outcome]],
    task: Task,
    question: Question,
) -> Iterator[Item]:
    """Yield the different answers to the rows in their order; answers to one row in the order of their ids, which tells
    nothing about who gave them."""
    answers: dict[str, dict[str, str]] = {}
    for outcomes in rungs:
        for outcome in outcomes:
            if labelled_by_people(outcome) and outcome.answer is not None:
                answers.setdefault(outcome.example_id, {})[answer_id(outcome, task)] = outcome.answer.text
    for row in dict.fromkeys(rows):
        for key, text in sorted(answers.get(row, {}).items()):
            other = examples[row].target if question.compares else None
            yield Item(key, row, examples[row].inputs, text, other)
