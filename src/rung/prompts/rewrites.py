"""Principled rewrites of a prompt, made from the task and the training rows alone; the same rows give the same words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rung.prompts.class_labels import confusions, labels_of
from rung.prompts.forms import as_record, fields_of, line_rules, observed_rules, source_name
from rung.prompts.race import context_fit
from rung.prompts.similar import Index, Vocabulary, apart_from, by_label, typical_order
from rung.prompts.templates import Template, as_it_stands, heading, instructed
from rung.protocols import Kit, Metric
from rung.types import Candidate, Example, Outcome, PromptLearned, Skipped, Task, by_id

LONGEST_QUOTE = 160  # characters of a training text quoted in a definition
TYPICAL_WORDS = 4
MOST_RULES = 6  # edge-case rules in one prompt
SHORT_LIST = 100  # characters up to which labels stand on one line
ALREADY_EXACT = re.compile(r"\b(?:only|nothing else|no explanation|do not explain)\b", re.IGNORECASE)
NAMES_OF_ANY_ANSWER = frozenset(
    "expected output expected_output target gold ideal completion response result reference solution y".split()
)
WEAK_PART = 0.9  # mean sub-score below which a key or a line of the answer gets its own rule


@dataclass(frozen=True, slots=True)
class Draft:
    """A rewrite: its name, its chat template, and the ids of the training rows that it quotes."""

    name: str
    template: Template
    quoted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Writer:
    """Everything that rewrites are made of. `quotable`: training rows that are not near to any dev row."""

    task: Task
    base: Template
    labels: tuple[str, ...] | None
    train: Sequence[Example]
    quotable: Sequence[Example]
    metric: Metric

    def drafts(self) -> tuple[Draft, ...]:
        """Return the rewrites of the first round, plainest first."""
        return self._label_drafts(self.labels) if self.labels else self._form_drafts()

    @classmethod
    def of(cls, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> Writer:
        """Return the writer of a task's rewrites."""
        train = train if task.target else ()  # without expected answers there is nothing to read off
        return cls(task, as_it_stands(task), labels_of(task, train), train, apart_from(train, dev), kit.metric())

    @property
    def as_is(self) -> Draft:
        """The user's prompt as it stands: candidate 1."""
        return Draft("as-is", self.base)

    def all_drafts(self) -> list[Draft]:
        """Return the prompt as it stands and, where there are training rows, its rewrites; of equal texts the first."""
        found = [self.as_is, *(self.drafts() if self.train else ())]
        first = {d.template: d for d in reversed(found)}
        return [d for d in found if first[d.template] is d]

    @property
    def answer_word(self) -> str:
        """What a prompt calls the answer: the target column's name, unless that would fit any answer."""
        if self.labels:
            return "label"
        name = self.task.target.strip().casefold()
        return "answer" if name in NAMES_OF_ANY_ANSWER else heading(name).casefold()

    @property
    def exactness(self) -> str:
        """How to answer: the metric's rule, and that nothing else may be written."""
        rule = self.metric.format_rule(self.task)
        if rule and ALREADY_EXACT.search(rule):
            return rule
        only = f"Write only the {self.answer_word}. No explanation."
        return f"{rule}\n{only}" if rule else only

    def _label_drafts(self, labels: Sequence[str]) -> tuple[Draft, ...]:
        listed = label_list(labels)
        known = all(any(label in m.content for m in self.base.messages) for label in labels)
        exact = self.exactness if known else f"{listed}\n{self.exactness}"
        definitions, quoted = self._definitions(labels)
        drafts = [
            *([] if known else [Draft("label-list", self.base.with_block(listed))]),
            Draft("exact", self.base.with_block(exact)),
            Draft("definitions", self.base.with_block(f"Labels:\n{definitions}\n\n{self.exactness}"), quoted),
            Draft("structured", self._structured("Labels", "\n".join(f"- {label}" for label in labels))),
            Draft("structured-definitions", self._structured("Labels", definitions), quoted),
        ]
        return tuple(drafts)

    def _form_drafts(self) -> tuple[Draft, ...]:
        exact = self.exactness
        rules = [r for r in observed_rules(self.train) if r.rstrip(".") not in exact]
        shape = "\n".join(f"- {rule}" for rule in rules)
        drafts = [Draft("exact", self.base.with_block(exact))]
        if rules:
            drafts.append(Draft("format", self.base.with_block("\n".join([exact, *rules]))))
        model = self._model_answer()
        if model is not None:
            shown = f"{exact}\n\nA right answer, to another {source_name(model)}:\n{model.target.strip()}"
            drafts.append(Draft("model-answer", self.base.with_block(shown), (model.id,)))
        drafts.append(Draft("structured", self._structured("Rules", shape)))
        return tuple(drafts)

    def _structured(self, title: str, lines: str) -> Template:
        """Return the task laid out in sections; the user's own instructions, where there are any, come first."""
        parts = [("Instruction", self.task.instruction)] if self.task.prompt is None else []
        parts += [(title, lines)] if lines else []
        parts += [("Output format", self.exactness)]
        text = "\n\n".join(f"# {name}\n{body}" for name, body in parts)
        return instructed(text, self.task.inputs) if self.task.prompt is None else self.base.with_block(text)

    def _definitions(self, labels: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """Return a line for each label with its typical words and its most typical short training text."""
        vocabulary = self._vocabulary
        index = Index.of([e.text for e in self.quotable])
        places = by_label(self.quotable)
        lines, quoted = [], []
        for label in labels:
            words = vocabulary.typical(label, TYPICAL_WORDS)
            order = typical_order(index, places.get(label, []))
            example = next((self.quotable[i] for i in order if len(self.quotable[i].text) <= LONGEST_QUOTE), None)
            parts = [", ".join(words)] if words else []
            if example is not None:
                parts.append(f'for example "{one_line(example.text)}"')
                quoted.append(example.id)
            lines.append(f"- {label}: {'; '.join(parts)}" if parts else f"- {label}")
        return "\n".join(lines), tuple(quoted)

    def _model_answer(self) -> Example | None:
        """Return the training row with the most typical answer of moderate length."""
        answers = sorted(self.quotable, key=lambda e: (": null" in e.target, len(e.target), e.id))
        middle = answers[: max(1, (3 * len(answers)) // 4)]
        if not middle:
            return None
        index = Index.of([e.target for e in middle])
        return middle[typical_order(index, range(len(middle)))[0]]

    def edge_rules(self, best: Draft, outcomes: Sequence[Outcome], dev: Sequence[Example]) -> Draft | None:
        """Return `best` with rules against the failures seen on dev, worded from training rows; None if none is found."""
        rules = self._format_rules(outcomes, dev)
        rules += self._confusion_rules(outcomes, dev, self.labels) if self.labels else self._part_rules(outcomes)
        if not rules:
            return None
        block = "Rules:\n" + "\n".join(f"- {rule}" for rule in rules)
        return Draft(f"{best.name}+rules", best.template.with_block(block), best.quoted)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary.of(self.train)

    def _format_rules(self, outcomes: Sequence[Outcome], dev: Sequence[Example]) -> list[str]:
        """Return what to say when answers were right but for their form on at least one row in fifty."""
        examples = by_id(dev)
        name, goal = self.task.metrics[0].name, self.task.goal
        wrong_form = [
            o
            for o in outcomes
            if o.answer is not None
            and (o.scores is None or o.scores[name].value < goal or o.scores[name].adheres is False)
            and (self.metric.lenient(o.answer.text, examples[o.example_id], self.task) or 0.0) >= goal
        ]
        if len(wrong_form) * 50 < len(outcomes) or not wrong_form:
            return []
        return [f"Write the {self.answer_word} alone: no quotes, no words before or after it, no sentence around it."]

    def _confusion_rules(self, outcomes: Sequence[Outcome], dev: Sequence[Example], labels: Sequence[str]) -> list[str]:
        vocabulary = self._vocabulary
        found = confusions(outcomes, by_id(dev), labels)
        often = [c for c in found if c.count >= 2] or list(found)
        rules = []
        for pair in often[:MOST_RULES]:
            words = vocabulary.typical(pair.expected, TYPICAL_WORDS, against=pair.answered)
            if words:
                rules.append(f"Words such as {', '.join(words)} point to {pair.expected}, not to {pair.answered}.")
        return rules

    def _part_rules(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Return a rule for each key or line of the answer that is often wrong, as train shows it, weakest first."""
        name = self.task.metrics[0].name
        parts: dict[str, list[float]] = {}
        for outcome in outcomes:
            for part, value in (outcome.scores[name].parts if outcome.scores is not None else {}).items():
                parts.setdefault(part, []).append(value)
        weak = {p: sum(v) / len(v) for p, v in parts.items() if sum(v) / len(v) < WEAK_PART}
        known = self._rules_of_parts()
        rules = [known[key] for p in sorted(weak, key=lambda p: (weak[p], p)) if (key := part_key(p)) in known]
        return list(dict.fromkeys(rules))[:MOST_RULES]

    def _rules_of_parts(self) -> dict[str, str]:
        records = [(r, e) for e in self.train if (r := as_record(e.target)) is not None]
        fields = fields_of([r for r, _ in records], [e for _, e in records]) if records else ()
        rules = {f.name: f"Take care: {f.rule}" for f in fields if f.rule is not None}
        return rules | {f"line {n}": f"Take care with line {n}: {rule}" for n, rule in line_rules(self.train).items()}


def prompt_candidate(draft: Draft, role: str) -> Candidate:
    """Return the candidate that sends a draft's chat."""
    learned = PromptLearned(messages=draft.template.messages, columns=draft.template.columns)
    return Candidate("prompt", draft.name, learned, role, draft.quoted)


def drafts_that_fit(
    drafts: Sequence[Draft], dev: Sequence[Example], role: str, kit: Kit
) -> tuple[list[Draft], list[Skipped]]:
    """Part drafts into those whose prompts fit the model's context, shortest first after the first, and the others."""
    fitting: list[Draft] = []
    skipped: list[Skipped] = []
    for draft in drafts:
        fit = context_fit((draft.template.render(e.inputs) for e in dev), role, kit)
        if fit is None or fit.holds:
            fitting.append(draft)
        else:
            skipped.append(fit.skipped(f"prompt {draft.name}", kit.card(role).name))
    if not fitting or not dev:
        return fitting, skipped
    first, *others = fitting
    return [first, *sorted(others, key=lambda d: _tokens(d.template, dev[0], role, kit))], skipped


def _tokens(template: Template, example: Example, role: str, kit: Kit) -> int:
    return kit.count_tokens(role, template.render(example.inputs))


def part_key(part: str) -> str:
    """Return the key or line that a metric's part is about: "line 2 equals target" is about "line 2"."""
    found = re.match(r"line \d+(?= )", part)
    return found[0] if found else part


def label_list(labels: Sequence[str]) -> str:
    """Return the sentence that names the allowed answers, on one line where they are few, short and without commas."""
    joined = ", ".join(labels[:-1]) + (" or " if len(labels) > 1 else "") + labels[-1]
    if len(joined) <= SHORT_LIST and not any(mark in label for label in labels for mark in (",", "\n", " or ")):
        return f"Use one of these labels: {joined}."
    return "Use one of these labels:\n" + "\n".join(f"- {label}" for label in labels)


def one_line(text: str) -> str:
    """Return the text with runs of white space as one space."""
    return " ".join(text.split())
