"""Ask people for labels: which answers, in which order, what they see, and what is kept. Blind to rungs and judge.

People see the input and the answer, never which rung gave it or what the judge said; the expected output only where the
question is a comparison with it. Equal answers of several rungs are asked once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rung.config import Config
from rung.errors import RungError
from rung.evaluate.labels import (
    DEV_LABELS,
    DRAW,
    LABELS,
    Draw,
    Label,
    People,
    answer_id,
    drawn_rows,
    is_opinion,
    labelled_by_people,
)
from rung.evaluate.reopen import measured_rungs
from rung.evaluate.trust import teaches_most
from rung.metrics.judge import ModelJudge
from rung.plugin import make_at
from rung.stats.ppi import FEWEST_LABELS
from rung.store.folder import RunFolder, load_result, now
from rung.store.sealed import open_test
from rung.types import Example, Outcome, Task, by_id


@dataclass(frozen=True)
class Item:
    """One answer to label. `other`: the expected answer, only where the question compares with it."""

    answer_id: str
    example_id: str
    inputs: Mapping[str, str]
    answer: str
    other: str | None = None


@dataclass(frozen=True)
class Question:
    """What people are asked of each answer: the rubric, and the choices from worst to best with their worth."""

    rubric: str
    choices: Mapping[str, float]
    compares: bool


@dataclass(frozen=True)
class Sitting:
    """One labelling: the question, the items in order, what was said so far. Every change returns a new sitting."""

    folder: RunFolder
    file: str
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

    def said(self, item: Item, value: float | None) -> Sitting:
        """Keep one label; it is on the disk when this returns. None: the person cannot tell."""
        label = Label(item.answer_id, item.example_id, value, now())
        return self._kept((*(old for old in self.labels if old.answer_id != item.answer_id), label))

    def all_said(self, values: Mapping[str, float | None]) -> Sitting:
        """Keep many labels at once, by answer id."""
        rows = {item.answer_id: item.example_id for item in self.items}
        stay = tuple(label for label in self.labels if label.answer_id not in values)
        at = now()
        return self._kept((*stay, *(Label(key, rows[key], value, at) for key, value in values.items())))

    def undone(self) -> Sitting:
        """Take the last label back."""
        return self._kept(self.labels[:-1])

    def _kept(self, labels: tuple[Label, ...]) -> Sitting:
        self.folder.save_rows(self.file, labels, Label)
        return replace(self, labels=labels)


def question_of(config: Config, task: Task) -> Question:
    """Return what people are asked. Raises RungError where the deciding metric is no judge."""
    spec = task.metrics[0]
    metric = make_at(config.root, "metrics", spec.name, spec.settings) if is_opinion(task) else None
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
    task = folder.load_field("run.json", "task", Task)
    first = next(iter(outcomes.values()))
    held = folder.load(DRAW, Draw) if folder.has(DRAW) else None
    size = rows or (len(held.rows) if held else FEWEST_LABELS)
    if held is not None and size < len(held.rows):
        raise RungError(
            f"{len(held.rows)} rows are drawn already, and a smaller draw could be chosen by what the labels say; give "
            f"--rows {len(held.rows)} or more"
        )
    wanted = drawn_rows(first, size, seed)
    if held is not None and len(wanted) == len(held.rows):
        return held
    people = People(task, held, folder.load_rows(LABELS, Label) if folder.has(LABELS) else ())
    looked = held is not None and any(people.complete(found) for found in outcomes.values())
    made = Draw(wanted, (*(held.looks if held and looked else ()), len(wanted)))
    folder.save(DRAW, made, Draw)
    folder.event("rows_drawn_for_labels", rows=len(wanted), looks=list(made.looks))
    return made


def sitting(folder: RunFolder, config: Config, rows: int | None) -> Sitting:
    """Open the labelling of test answers. The opening of the test part is written down, and what people see of it."""
    task = folder.load_field("run.json", "task", Task)
    question = question_of(config, task)
    drawn = draw(folder, config.split.seed, rows)
    shown = "inputs, answers and expected outputs" if question.compares else "inputs and answers"
    examples = by_id(open_test(folder.path, f"label answers: people see {shown} of {len(drawn.rows)} rows"))
    folder.event("test_labelled", rows=len(drawn.rows), expected_shown=question.compares)
    items = tuple(_items(drawn.rows, examples, list(_outcomes(folder).values()), task, question))
    labels = folder.load_rows(LABELS, Label) if folder.has(LABELS) else ()
    return Sitting(folder, LABELS, question, items, labels)


def teaching(folder: RunFolder, config: Config, rows: int) -> Sitting:
    """Open the labelling of the dev answers that teach most about the judge; they decide nothing."""
    task = folder.load_field("run.json", "task", Task)
    question = question_of(config, task)
    examples = by_id(folder.load_rows("parts/dev.jsonl", Example))
    outcomes = [o for label in measured_rungs(folder) for o in folder.load_rows(f"rungs/{label}/dev.jsonl", Outcome)]
    chosen = teaches_most(outcomes, examples, task)[:rows]
    items = tuple(_items([o.example_id for o in chosen], examples, [chosen], task, question))
    labels = folder.load_rows(DEV_LABELS, Label) if folder.has(DEV_LABELS) else ()
    return Sitting(folder, DEV_LABELS, question, items, labels)


def _outcomes(folder: RunFolder) -> dict[str, tuple[Outcome, ...]]:
    return {label: load_result(folder, label).outcomes for label in measured_rungs(folder)}


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
