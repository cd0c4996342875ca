"""Why dev rows failed, by experiment on the answers that are there; nothing more is asked of a model.

Every failed row gets exactly one cause: the first of `CAUSES` that applies. So counts add up to the failed rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rung.protocols import Kit, Metric
from rung.rungs._labels import bare, confusions, denoted, labels_of
from rung.rungs._similar import Index
from rung.stats.estimate import wilson
from rung.types import Candidate, Cause, Diagnosis, Estimate, Example, Outcome, Task, by_id

CAUSES: tuple[str, ...] = (
    "transport",  # no answer came: the provider failed or timed out
    "metric",  # the metric could not judge the answer
    "refusal",  # the model declined
    "truncation",  # the answer was cut off at max_tokens, or the prompt exceeded the context
    "format",  # a lenient reading of the same answer is right, or the answer cannot be read at all
    "suspect label",  # all rungs so far agree against the expected answer, and so do like rows
    "knowledge",  # the model says that it does not know, or the task asks for facts and the answer is wrong
    "label confusion",  # another label of the task
    "outside labels",  # an answer that names none of the labels, or several
    "content",  # wrong in some other way
)
NEIGHBOURS = 5
MOST_IDS = 20  # rows listed under a cause
MOST_PAIRS = 3  # confusion pairs, or weak parts, named in the evidence
RUNGS: tuple[str, ...] = ("baseline", "prompt", "fewshot", "rag", "finetune")

_REFUSAL = re.compile(
    r"^\W*(?:i['’]?m sorry|i am sorry|sorry|i apologi[sz]e|unfortunately)?\W*(?:but )?\W*i (?:can(?:no|['’])t|am unable|"
    r"['’]?m unable|won['’]t|will not|must decline) (?:help|assist|answer|comply|provide|do that|fulfil|to )",
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
    case = _Case.of(outcomes, dev, task, kit.metric(), earlier)
    causes = tuple(case.cause(name) for name in CAUSES if case.rows[name])
    causes = tuple(sorted(causes, key=lambda c: (-c.count, CAUSES.index(c.name))))
    next_rung = _next_rung(rung, causes)
    return Diagnosis(
        rung=rung,
        n=len(outcomes),
        failed=case.failed,
        causes=causes,
        next_rung=next_rung,
        sentence=_sentence(rung, len(outcomes), case.failed, causes, next_rung),
    )


@dataclass(frozen=True)
class _Case:
    """The failed rows of one rung, sorted by cause."""

    task: Task
    labels: tuple[str, ...] | None
    examples: Mapping[str, Example]
    rows: Mapping[str, tuple[Outcome, ...]]

    @classmethod
    def of(
        cls,
        outcomes: Sequence[Outcome],
        dev: Sequence[Example],
        task: Task,
        metric: Metric,
        earlier: Sequence[Sequence[Outcome]],
    ) -> _Case:
        examples = by_id(dev)
        labels = labels_of(task, dev)
        rows: dict[str, list[Outcome]] = {name: [] for name in CAUSES}
        suspects = _suspects(outcomes, examples, labels, task, earlier) if labels else frozenset()
        for outcome in outcomes:
            if failed(outcome, task):
                name = _cause_of(outcome, examples[outcome.example_id], task, metric, labels, suspects)
                rows[name].append(outcome)
        return cls(task, labels, examples, {name: tuple(found) for name, found in rows.items()})

    @property
    def failed(self) -> int:
        return sum(len(found) for found in self.rows.values())

    def cause(self, name: str) -> Cause:
        found = self.rows[name]
        interval = wilson(len(found), self.failed)
        share = Estimate(len(found) / self.failed, interval.low, interval.high, self.failed, "wilson")
        ids = tuple(o.example_id for o in found)[:MOST_IDS]
        return Cause(name, len(found), share, self._evidence(name, found), ids, _SUGGESTS[name])

    def _evidence(self, name: str, found: Sequence[Outcome]) -> str:
        n = len(found)
        rows = "1 row" if n == 1 else f"{n} rows"
        if name in ("transport", "metric", "truncation"):
            return f"{rows} without a score: {_most_common_messages(found)}."
        if name == "refusal":
            return f"The model declined to answer on {rows}."
        if name == "format":
            return f"The same answers read leniently are right, or cannot be read at all, on {rows}."
        if name == "suspect label":
            return f"On {rows} every rung so far gives one same answer, most like rows carry it, and the file says another."
        if name == "knowledge":
            return f"The answer lacks the fact, or says that it is not known, on {rows}."
        if name == "label confusion" and self.labels:
            pairs = confusions(found, self.examples, self.labels)[:MOST_PAIRS]
            named = "; ".join(f"{p.expected} taken for {p.answered} ({p.count})" for p in pairs)
            return f"On {rows} the answer is another label of the task: {named}."
        if name == "outside labels":
            return f"On {rows} the answer names no label of the task, or several."
        return f"On {rows} the answer is in form but wrong{self._weak_parts(found)}."

    def _weak_parts(self, found: Sequence[Outcome]) -> str:
        metric = self.task.metrics[0].name
        wrong: Counter[str] = Counter()
        for outcome in found:
            parts = outcome.scores[metric].parts if outcome.scores is not None else {}
            wrong.update(part for part, value in parts.items() if value < 1.0)
        named = sorted(wrong, key=lambda part: (-wrong[part], part))[:MOST_PAIRS]
        return "; most often in " + ", ".join(f"{part} ({wrong[part]})" for part in named) if named else ""


def failed(outcome: Outcome, task: Task) -> bool:
    """Return whether a row has no score under the deciding metric, or one below the goal."""
    return outcome.scores is None or outcome.scores[task.metrics[0].name].value < task.goal


def _cause_of(
    outcome: Outcome,
    example: Example,
    task: Task,
    metric: Metric,
    labels: Sequence[str] | None,
    suspects: frozenset[str],
) -> str:
    failure = outcome.failure.cause if outcome.failure is not None else None
    direct = {"model": "transport", "timeout": "transport", "metric": "metric", "refusal": "refusal"}
    if failure in direct:
        return direct[failure]
    if outcome.answer is None:
        return "truncation"  # the prompt was longer than the context: nothing was asked
    text = outcome.answer.text
    if any(call.finish == "refused" for call in outcome.answer.calls):
        return "refusal"
    if failure == "truncated":
        return "truncation"
    lenient = metric.lenient(text, example, task)
    if (lenient is not None and lenient >= task.goal) or (failure == "parse" and lenient is None):
        return "format"
    if _REFUSAL.match(text):
        return "refusal"
    if outcome.example_id in suspects:
        return "suspect label"
    if _DOES_NOT_KNOW.search(text):
        return "knowledge"
    if labels:
        return "label confusion" if denoted(text, labels) is not None else "outside labels"
    return "knowledge" if task.kind == "knowledge" else "content"


def _suspects(
    outcomes: Sequence[Outcome],
    examples: Mapping[str, Example],
    labels: Sequence[str],
    task: Task,
    earlier: Sequence[Sequence[Outcome]],
) -> frozenset[str]:
    """Return the rows whose expected label is doubtful: all rungs (at least two) give one same other label, and the
    nearest dev rows (five by TF-IDF) carry it more often than the expected one. As often is enough where one of the
    rungs asks no language model: its answers come from the training rows.
    """
    said: dict[str, list[tuple[str | None, bool]]] = {}
    for rung in (outcomes, *earlier):
        for o in rung:
            label = denoted(o.answer.text, labels) if o.answer is not None else None
            said.setdefault(o.example_id, []).append((label, o.answer is not None and not o.answer.calls))
    rungs = 1 + len(earlier)
    doubtful = {}
    for o in outcomes:
        answers = said[o.example_id]
        label = answers[0][0]
        agreed = rungs > 1 and len(answers) == rungs and label is not None and all(a == label for a, _ in answers)
        if agreed and failed(o, task) and bare(str(label)) != bare(examples[o.example_id].target):
            doubtful[o.example_id] = (label, any(learned for _, learned in answers))
    if not doubtful:
        return frozenset()
    rows = list(examples.values())
    index = Index.of([e.text for e in rows])
    found = []
    for example_id, (label, from_rows) in doubtful.items():
        near = [rows[i] for i in index.nearest(examples[example_id].text, NEIGHBOURS + 1) if rows[i].id != example_id]
        votes = Counter(e.target for e in near[:NEIGHBOURS])
        margin = votes[str(label)] - votes[examples[example_id].target]
        if margin > 0 or (margin == 0 and from_rows):
            found.append(example_id)
    return frozenset(found)


def _most_common_messages(found: Sequence[Outcome]) -> str:
    messages = Counter(" ".join(o.failure.message.split())[:120] for o in found if o.failure is not None)
    return "; ".join(f"{text} ({n})" for text, n in messages.most_common(2)) or "the answer was cut off"


def _next_rung(rung: str, causes: Sequence[Cause]) -> str | None:
    """Return the rung above this one that attacks the most failures; None where no rung can (bad labels, transport)."""
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
        return f"No dev row of {n} failed at {rung}."
    first = causes[0]
    share = first.share
    part = (
        f"all {lost} by {first.name}"
        if first.count == lost
        else f"{first.count} by {first.name} ({share.low:.0%} to {share.high:.0%} of failures)"
    )
    rows = "1 dev row" if lost == 1 else f"{lost} of {n} dev rows"
    advice = f"next to try: {next_rung}" if next_rung else first.suggests
    return f"At {rung} {rows} failed, {part}; {advice}."
