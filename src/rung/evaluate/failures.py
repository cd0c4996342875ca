"""Why dev rows failed, by experiment on the answers that are there; nothing more is asked of a model.

Every failed row gets exactly one cause: the first of `CAUSES` that applies. So counts add up to the failed rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rung.protocols import Kit, Metric
from rung.rungs._labels import confusions, denoted, labels_of
from rung.rungs._similar import Index
from rung.stats.estimate import wilson
from rung.types import Candidate, Cause, Diagnosis, Estimate, Example, Outcome, Task, by_id

CAUSES: tuple[str, ...] = (
    "transport",  # no answer came: the provider failed or timed out
    "metric",  # the metric could not judge the answer
    "refusal",  # the model declined
    "truncation",  # the answer was cut off at max_tokens, or the prompt exceeded the context
    "format",  # a lenient reading of the same answer is right, or the answer cannot be read at all
    "suspect label",  # all rungs so far agree against the expected answer, and like rows do not favour it
    "knowledge",  # the model says that it does not know, or the task asks it for facts and the answer is wrong
    "label confusion",  # another label of the task
    "outside labels",  # an answer that names none of the labels, or several
    "content",  # wrong in some other way
)
NEIGHBOURS = 5
MOST_IDS = 20  # rows listed under a cause
MOST_PAIRS = 3  # confusion pairs, weak parts or answers named in the evidence
LONGEST_QUOTE = 60  # characters of an answer quoted in the evidence
OPENING = 200  # characters at the beginning of an answer in which "I do not know" is looked for
RUNGS: tuple[str, ...] = ("baseline", "prompt", "fewshot", "rag", "finetune")

_REFUSAL = re.compile(
    r"^\W*(?:(?:i['’]?m|i am)? ?(?:very |so )?sorry|i apologi[sz]e|unfortunately|as an ai[^.,]{0,40})?\W*(?:but )?i"
    r"(?: can(?:no|['’])t| won['’]t| will not| must decline| have to decline|(?: am|['’]?m) (?:unable|not able|not allowed)) "
    r"(?:to )?(?:help|assist|answer|comply|provide|do that|fulfil|discuss)",
    re.IGNORECASE,
)
_DOES_NOT_KNOW = re.compile(
    r"\b(?:i (?:do not|don['’]t) know|i(?:['’]m| am) not (?:sure|certain|aware)|no information|not enough information|"
    r"i (?:do not|don['’]t) have (?:any |that |this |the )?information|cannot be (?:determined|found))\b",
    re.IGNORECASE,
)
_SUGGESTS: Mapping[str, str] = {
    "transport": "run the same command again: unanswered rows are asked again",
    "metric": "look at these rows: the metric cannot judge them",
    "refusal": "say in the prompt what the task is for, or choose another model",
    "truncation": "raise max_tokens, ask for a shorter answer, or shorten the prompt",
    "format": "state the output form and its limits in the prompt, then show it by examples",
    "suspect label": "look at the expected answers of these rows and correct them: no rung can fix them",
    "knowledge": "give the model the facts from documents at answer time; tuning is no way to teach facts",
    "label confusion": "define the labels, show examples of each, then tune if they are still confused",
    "outside labels": "list the allowed labels in the prompt and demand exactly one",
    "content": "show examples of right answers, then tune if the task is narrow",
}
_ATTACKED_BY: Mapping[str, tuple[str, ...]] = {
    "refusal": ("prompt",),
    "truncation": ("prompt",),
    "format": ("prompt", "fewshot", "finetune"),
    "knowledge": ("rag",),
    "label confusion": ("prompt", "fewshot", "finetune"),
    "outside labels": ("prompt", "fewshot", "finetune"),
    "content": ("prompt", "fewshot", "finetune"),
}


async def diagnose(
    rung: str,
    candidate: Candidate,
    outcomes: Sequence[Outcome],
    dev: Sequence[Example],
    task: Task,
    kit: Kit,
    earlier: Sequence[Sequence[Outcome]],
) -> Diagnosis:
    """Say why the dev rows of a rung failed and which rung should attack that next.

    A row failed when it has no score or one below the task's goal (for yes/no metrics: when it is wrong). `earlier` holds
    the dev outcomes of the rungs below, for suspect labels. Shares are of the failed rows, with Wilson's interval.
    """
    labels, examples = labels_of(task, dev), by_id(dev)
    suspects = _suspects(outcomes, examples, labels, task, earlier) if labels else frozenset()
    case = _Case(task, kit.metric(), labels, examples, tuple(outcomes), suspects, candidate.model is not None)
    causes = [case.cause(name) for name in CAUSES if case.rows[name]]
    causes.sort(key=lambda c: -c.count)  # stable: on a tie the order of CAUSES
    next_rung = _next_rung(rung, causes)
    return Diagnosis(
        rung=rung,
        n=len(outcomes),
        failed=case.failed,
        causes=tuple(causes),
        next_rung=next_rung,
        sentence=_sentence(rung, len(outcomes), case.failed, causes, next_rung),
    )


@dataclass(frozen=True)
class _Case:
    """The dev rows of one rung, the failed ones sorted by cause. `asks_model`: False for a rung without language model."""

    task: Task
    metric: Metric
    labels: tuple[str, ...] | None
    examples: Mapping[str, Example]
    outcomes: tuple[Outcome, ...]
    suspects: frozenset[str]
    asks_model: bool

    @cached_property
    def rows(self) -> Mapping[str, tuple[Outcome, ...]]:
        """The failed rows under each cause of CAUSES, in the order given."""
        found: dict[str, list[Outcome]] = {name: [] for name in CAUSES}
        for outcome in self.outcomes:
            if failed(outcome, self.task):
                found[_cause_of(self, outcome)].append(outcome)
        return {name: tuple(rows) for name, rows in found.items()}

    @property
    def failed(self) -> int:
        return sum(len(rows) for rows in self.rows.values())

    def only_form(self, outcome: Outcome) -> bool:
        """Return whether the answer is right once its form is forgiven: read leniently, or by the one label it names."""
        if outcome.answer is None:
            return False
        text, example = outcome.answer.text, self.examples[outcome.example_id]
        lenient = self.metric.lenient(text, example, self.task)
        if lenient is not None and lenient >= self.task.goal:
            return True
        return self.labels is not None and denoted(text, self.labels) in example.targets

    def cause(self, name: str) -> Cause:
        found = self.rows[name]
        interval = wilson(len(found), self.failed)
        share = Estimate(len(found) / self.failed, interval.low, interval.high, self.failed, "wilson")
        ids = tuple(o.example_id for o in found)[:MOST_IDS]
        return Cause(name, len(found), share, self._evidence(name, found), ids, _SUGGESTS[name])

    def _evidence(self, name: str, found: Sequence[Outcome]) -> str:
        on = f"On {_rows(len(found))}"
        if name == "transport":
            return f"{on} no answer came: {_most_common_messages(found)}."
        if name == "metric":
            return f"{on} the metric cannot judge the answer: {_most_common_messages(found)}."
        if name == "refusal":
            return f"{on} the model declined to answer."
        if name == "truncation":
            return f"{on} the model's limits were exceeded: {_most_common_messages(found)}."
        if name == "format":
            return self._format_evidence(found)
        if name == "suspect label":
            pairs = self._pairs(found, "{answered}, not {expected} ({count})")
            return f"{on} all rungs agree against the file, and the nearest dev rows do not favour the file's label: {pairs}."
        if name == "knowledge":
            return self._knowledge_evidence(found)
        if name == "label confusion":
            return (
                f"{on} the answer is another label: {self._pairs(found, '{answered} instead of {expected} ({count})')}."
            )
        if name == "outside labels":
            return f"{on} the answer names none of the labels, or several: {_most_common_answers(found)}."
        return f"{on} the content of the answer is wrong{self._weak_parts(found)}."

    def _format_evidence(self, found: Sequence[Outcome]) -> str:
        right = sum(self.only_form(o) for o in found)
        unread = len(found) - right
        if not unread:
            return f"On {_rows(right)} the answer is right and only its form is wrong."
        if not right:
            return f"On {_rows(unread)} the answer cannot be read in the form asked for."
        return (
            f"On {_rows(right)} the answer is right and only its form is wrong; on {_rows(unread)} it cannot be read in "
            "the form asked for."
        )

    def _knowledge_evidence(self, found: Sequence[Outcome]) -> str:
        said = sum(o.answer is not None and _DOES_NOT_KNOW.search(o.answer.text) is not None for o in found)
        parts = [f"on {_rows(said)} the model says that it does not know"] if said else []
        parts += [f"on {_rows(len(found) - said)} the fact that it gives is wrong"] if said < len(found) else []
        text = "; ".join(parts)
        return f"{text[:1].upper()}{text[1:]}."

    def _pairs(self, found: Sequence[Outcome], form: str) -> str:
        pairs = confusions(found, self.examples, self.labels or ())[:MOST_PAIRS]
        return "; ".join(form.format(answered=p.answered, expected=p.expected, count=p.count) for p in pairs)

    def _weak_parts(self, found: Sequence[Outcome]) -> str:
        metric = self.task.metrics[0].name
        wrong: Counter[str] = Counter()
        for outcome in found:
            parts = outcome.scores[metric].parts if outcome.scores is not None else {}
            wrong.update(part for part, value in parts.items() if value < 1.0)
        named = sorted(wrong, key=lambda part: (-wrong[part], part))[:MOST_PAIRS]
        return ", most often in: " + ", ".join(f"{part} ({wrong[part]})" for part in named) if named else ""


def failed(outcome: Outcome, task: Task) -> bool:
    """Return whether a row has no score under the deciding metric, or one below the goal."""
    return outcome.scores is None or outcome.scores[task.metrics[0].name].value < task.goal


def _cause_of(case: _Case, outcome: Outcome) -> str:
    failure = outcome.failure.cause if outcome.failure is not None else None
    direct = {"model": "transport", "timeout": "transport", "metric": "metric", "refusal": "refusal"}
    if failure in direct:
        return direct[failure]
    if outcome.answer is None:
        return "truncation"  # the prompt was longer than the context: nothing was asked
    text, target = outcome.answer.text, case.examples[outcome.example_id].target
    if any(call.finish == "refused" for call in outcome.answer.calls) or _only_here(_REFUSAL, text, target):
        return "refusal"
    if failure == "truncated":
        return "truncation"
    if case.only_form(outcome):
        return "format"
    if outcome.example_id in case.suspects:
        return "suspect label"
    label = denoted(text, case.labels) if case.labels else None
    if label is None and _only_here(_DOES_NOT_KNOW, text[:OPENING], target):
        return "knowledge"
    if failure == "parse":
        return "format"
    if case.labels:
        return "outside labels" if label is None else "label confusion"
    return "knowledge" if case.task.kind == "knowledge" and case.asks_model else "content"


def _only_here(pattern: re.Pattern[str], answer: str, target: str) -> bool:
    """Return whether the answer says it and the expected answer does not: "I do not know" may be the right answer."""
    return pattern.search(answer) is not None and pattern.search(target) is None


def _suspects(
    outcomes: Sequence[Outcome],
    examples: Mapping[str, Example],
    labels: Sequence[str],
    task: Task,
    earlier: Sequence[Sequence[Outcome]],
) -> frozenset[str]:
    """Return the rows whose expected label is doubtful: all rungs (at least two) give one same other label, and the five
    nearest other dev rows (TF-IDF) carry it more often than the expected one.

    As often is enough where a rung asks no language model, since its answers come from training rows. A rung that
    answers all rows alike speaks of none. With one label in twenty flipped in banking77 and it-tickets (2,000 rows, 150
    or 600 of them dev, a linear baseline and a model that is right on 80 %), 71 to 88 % of such rows are flipped ones, and
    66 to 81 % of the flipped rows are found; neighbours among the training rows, which the baseline knows already, do worse
    (bench/diagnosis).
    """
    said = {o.example_id: _label(o, labels) for o in outcomes}
    below = [(rung, {o.example_id: _label(o, labels) for o in rung}) for rung in earlier]
    below = [(rung, heard) for rung, heard in below if _tells_rows_apart(heard)]
    if not below or not _tells_rows_apart(said):
        return frozenset()
    from_rows = any(o.answer is not None and not o.answer.calls for rung, _ in below for o in rung)
    doubtful = [
        o.example_id
        for o in outcomes
        if failed(o, task)
        and (label := said[o.example_id]) is not None
        and all(heard.get(o.example_id) == label for _, heard in below)
        and label not in examples[o.example_id].targets
    ]
    if not doubtful:
        return frozenset()
    rows = list(examples.values())
    index = Index.of([e.text for e in rows])
    found = []
    for example_id in doubtful:
        own = examples[example_id]
        near = [rows[i] for i in index.nearest(own.text, NEIGHBOURS + 1) if rows[i].id != example_id]
        votes = Counter(e.target for e in near[:NEIGHBOURS])
        margin = votes[str(said[example_id])] - votes[own.target]
        if margin > 0 or (margin == 0 and from_rows):
            found.append(example_id)
    return frozenset(found)


def _tells_rows_apart(said: Mapping[str, str | None]) -> bool:
    return len(set(said.values()) - {None}) > 1


def _label(outcome: Outcome, labels: Sequence[str]) -> str | None:
    return denoted(outcome.answer.text, labels) if outcome.answer is not None else None


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


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


def _next_rung(rung: str, causes: Sequence[Cause]) -> str | None:
    """Return the rung above this one that attacks the most failures.

    None where no rung above can do anything about most of them (bad labels, transport, a limit on the answer's length).
    """
    name = rung.split("@")[0]
    above = RUNGS[RUNGS.index(name) + 1 :] if name in RUNGS else RUNGS
    counts: Counter[str] = Counter()
    lost = 0
    for cause in causes:
        attackers = [r for r in _ATTACKED_BY.get(cause.name, ()) if r in above]
        if attackers:
            counts[attackers[0]] += cause.count
        else:
            lost += cause.count
    if not counts:
        return None
    best = min(counts, key=lambda r: (-counts[r], RUNGS.index(r)))
    return best if counts[best] >= lost else None


def _sentence(rung: str, n: int, lost: int, causes: Sequence[Cause], next_rung: str | None) -> str:
    if not lost:
        return f"At {rung} no dev row failed (n={n})."
    first = causes[0]
    how = f"{lost} of {n} dev {'row' if n == 1 else 'rows'} failed"
    if first.count == lost:
        why = f"{'' if lost == 1 else 'all '}by {first.name}"
    else:
        why = f"{first.count} of them by {first.name} ({first.share.low:.0%} to {first.share.high:.0%} of the failures)"
    return f"At {rung} {how}, {why}; {f'next to try: {next_rung}' if next_rung else first.suggests}."
